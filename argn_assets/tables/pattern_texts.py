"""Texts made anew in the form of a column (role `pattern`): a function of seed and row number, in any cut of rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.character import join_characters
from argn_assets.seeds import Seed, mix64
from argn_assets.tables.dtypes import as_dtype
from argn_assets.tables.pattern import ALPHABETS, Form, PatternStats

# B rows, C characters of all of them in a row

_UNKNOWN = Form(1.0, "a", ((8,),), ((1.0,),))  # where nothing may be shown
_UNKNOWN_NUMBER = Form(1.0, "19", ((1,), (7,)), ((1.0,), (1.0,)))
_SYMBOLS = np.array(sorted(map(ord, ALPHABETS)), dtype=np.uint32)
_LETTERS = np.array([ord(c) for symbol in _SYMBOLS for c in ALPHABETS[chr(symbol)]], dtype=np.uint32)
_SIZES = np.array([len(ALPHABETS[chr(symbol)]) for symbol in _SYMBOLS])
_FIRSTS = np.cumsum(_SIZES) - _SIZES
_AT_ONCE = 1 << 16  # rows
_MOST_NUMBERED = 1 << 62  # texts of one skeleton that are told apart for certain


def make_texts(stats: PatternStats, dtype: str, seed: Seed, first_row: int, n_rows: int) -> pl.Series:
    """Return the values of the rows from `first_row` on, [B], in the column's type.

    Where no value of the column occurred twice, none is made twice, as long as the row numbers fit the free characters
    of their skeleton. Whether a value is one of the column's is left to chance: nobody here knows those.

    Args:
        stats: of the column.
        dtype: its logical type.
        seed: the column's seed.
        first_row: number of the first row.
        n_rows: rows to make.
    """
    stop = first_row + n_rows
    parts = [
        _make(stats, dtype, seed, np.arange(start, min(start + _AT_ONCE, stop), dtype=np.uint64))
        for start in range(first_row, max(stop, first_row + 1), _AT_ONCE)
    ]
    return pl.concat(parts) if len(parts) > 1 else parts[0]


def _make(stats: PatternStats, dtype: str, seed: Seed, rows: NDArray[np.uint64]) -> pl.Series:
    is_number = dtype.startswith(("int", "uint", "float"))
    symbols, lengths = _skeletons(stats, _UNKNOWN_NUMBER if is_number else _UNKNOWN, seed, rows)
    texts = join_characters(_characters(symbols, lengths, seed, rows, stats.is_unique), lengths)
    values = as_dtype(texts, dtype)
    while is_number and values.null_count():  # the type has fewer digits than the longest skeleton
        texts = pl.select(pl.when(values.is_null()).then(texts.str.head(-1)).otherwise(texts)).to_series()
        values = as_dtype(texts, dtype)
    is_null = pl.Series(seed.child("null").uniforms(rows) < stats.null_share)
    return pl.select(pl.when(~is_null).then(values)).to_series() if is_null.any() else values


def _skeletons(
    stats: PatternStats, unknown: Form, seed: Seed, rows: NDArray[np.uint64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    """Return the symbols of all rows' skeletons in a row, [C], and their lengths, [B]."""
    forms = stats.forms if stats.forms or stats.lengths else (unknown,)
    rest = sum(stats.length_shares)
    chosen = _drawn(range(len(forms) + 1), [*(form.share for form in forms), rest], seed.child("form"), rows)
    parts: list[tuple[NDArray[np.intp], NDArray[np.uint32], NDArray[np.int64]]] = []
    for place in np.unique(chosen).tolist():
        at = np.flatnonzero(chosen == place)
        made = _of_form(forms[place], seed, rows[at]) if place < len(forms) else _of_positions(stats, seed, rows[at])
        parts.append((at, *made))
    if not parts:
        return np.empty(0, dtype=np.uint32), np.empty(0, dtype=np.int64)
    order, symbols, lengths = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return _reordered(symbols, lengths, np.argsort(order)), lengths[np.argsort(order)]


def _reordered(symbols: NDArray[np.uint32], lengths: NDArray[np.int64], order: NDArray[np.intp]) -> NDArray[np.uint32]:
    """Return the symbols, [C], of rows of these lengths, [B], in another order of the rows."""
    starts, sizes = (np.cumsum(lengths) - lengths)[order], lengths[order]
    reordered: NDArray[np.uint32] = symbols[
        np.repeat(starts - np.cumsum(sizes) + sizes, sizes) + np.arange(sizes.sum())
    ]
    return reordered


def _of_form(form: Form, seed: Seed, rows: NDArray[np.uint64]) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    sizes = np.empty((len(rows), len(form.shape)), dtype=np.int64)
    for run, (lengths, shares) in enumerate(zip(form.lengths, form.length_shares, strict=True)):
        sizes[:, run] = _drawn(lengths, shares, seed.child("run", run), rows)
    return np.repeat(np.tile(_points(form.shape), len(rows)), sizes.ravel()), sizes.sum(axis=1)


def _of_positions(
    stats: PatternStats, seed: Seed, rows: NDArray[np.uint64]
) -> tuple[NDArray[np.uint32], NDArray[np.int64]]:
    lengths = _drawn(stats.lengths, stats.length_shares, seed.child("length"), rows)
    block = np.full((len(rows), len(stats.symbols)), ord("a"), dtype=np.uint32)  # where no symbol may be shown
    for position, (symbols, shares) in enumerate(zip(stats.symbols, stats.symbol_shares, strict=True)):
        if symbols:
            block[:, position] = _drawn(_points(symbols), shares, seed.child("position", position), rows)
    return block[np.arange(len(stats.symbols)) < lengths[:, None]], lengths


def _drawn(
    values: Sequence[int] | NDArray[np.uint32], shares: Sequence[float], seed: Seed, rows: NDArray[np.uint64]
) -> NDArray[np.int64]:
    """Draw one of the values for each row, [B], by their shares."""
    if len(values) == 1:
        return np.full(len(rows), values[0], dtype=np.int64)
    ends = np.cumsum(shares)
    drawn: NDArray[np.int64] = np.asarray(values, dtype=np.int64)[
        np.searchsorted(ends[:-1] / ends[-1], seed.uniforms(rows), side="right")
    ]
    return drawn


def _points(text: str) -> NDArray[np.uint32]:
    return np.array([ord(character) for character in text], dtype=np.uint32)


def _characters(
    symbols: NDArray[np.uint32], lengths: NDArray[np.int64], seed: Seed, rows: NDArray[np.uint64], is_unique: bool
) -> NDArray[np.uint32]:
    """Return a character for each symbol, [C]; what is no symbol stands for itself."""
    place = np.minimum(np.searchsorted(_SYMBOLS, symbols), len(_SYMBOLS) - 1)
    is_free = _SYMBOLS[place] == symbols
    sizes = np.where(is_free, _SIZES[place], 1)
    row = np.repeat(np.arange(len(rows)), lengths)
    position = np.arange(len(symbols)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    key = mix64(rows ^ np.uint64(seed.child("character").value))[row] + position.astype(np.uint64)
    drawn = (mix64(key) % sizes.astype(np.uint64)).astype(np.int64)
    if is_unique:
        _number(drawn, sizes, lengths, seed.child("number"), rows)
    return np.where(is_free, _LETTERS[_FIRSTS[place] + np.where(is_free, drawn, 0)], symbols)


def _number(
    drawn: NDArray[np.int64], sizes: NDArray[np.int64], lengths: NDArray[np.int64], seed: Seed, rows: NDArray[np.uint64]
) -> None:
    """Let the first characters of each text say its row's number in a secret order, so that no two texts are equal."""
    starts = np.cumsum(lengths) - lengths
    room = np.ones(len(rows), dtype=np.int64)
    n_digits = np.zeros(len(rows), dtype=np.int64)
    for position in range(int(lengths.max(initial=0))):
        at = np.flatnonzero((lengths > position) & (n_digits == position))
        at = at[room[at] <= _MOST_NUMBERED // sizes[starts[at] + position]]
        room[at] *= sizes[starts[at] + position]
        n_digits[at] += 1
    left = _scattered((rows % room.astype(np.uint64)), room.astype(np.uint64), seed)
    for position in range(int(n_digits.max(initial=0))):
        at = np.flatnonzero(n_digits > position)
        size = sizes[starts[at] + position].astype(np.uint64)
        drawn[starts[at] + position] = (left[at] % size).astype(np.int64)
        left[at] //= size


def _scattered(numbers: NDArray[np.uint64], room: NDArray[np.uint64], seed: Seed) -> NDArray[np.uint64]:
    """Return each number's place in a secret order of all numbers below `room`, [B]: a Feistel cipher of few rounds."""
    half = np.ones(len(room), dtype=np.uint64)
    for bits in range(1, 32):
        half[room > np.uint64(1) << np.uint64(2 * bits)] = bits + 1
    mask = (np.uint64(1) << half) - np.uint64(1)
    scattered = numbers.copy()
    outside = np.arange(len(numbers))
    while len(outside):  # the cipher's domain is up to four times the room: what falls outside goes through it again
        high, low = scattered[outside] >> half[outside], scattered[outside] & mask[outside]
        for key in range(4):
            secret = np.uint64(seed.child(key).value)
            high, low = low, high ^ (mix64((low ^ secret) + (room[outside] << np.uint64(1))) & mask[outside])
        scattered[outside] = high << half[outside] | low
        outside = outside[scattered[outside] >= room[outside]]
    return scattered
