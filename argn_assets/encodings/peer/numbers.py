"""Numbers as the peer writes them: one code per value, one per bin, or one per decimal digit."""

# B rows, S sub-columns, D digits
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Rows, Stats, single_sub_column
from argn_assets.encodings.peer.reading import NULL, PeerEncoding, in_order, missing_where, null_codes
from argn_assets.encodings.peer.texts import MISSING
from argn_assets.schema import SubColumn

_MOST_DIGITS = 19  # of a uint64
_LEAST_DECIMAL = -20
_MOST_INT, _LEAST_INT = (1 << 63) - 1, -(1 << 63)
# What the peer finds a number in text by: the first thing that reads like one.
_NUMBER = r"(-?[0-9]*\.?[0-9]+(?:[eE][+\-]?[0-9]+)?)"


def as_numbers(values: pl.Series, lowest: int) -> pl.Series:
    """Return a column as numbers, [B]: Int64 where the lowest decimal position is 0 or above, else Float64.

    True is 1; of text the first number in it is read; a value without one, and NaN, is null.
    """
    if values.dtype not in (pl.Boolean, pl.Null) and not values.dtype.is_numeric():
        values = values.cast(pl.String).str.extract(_NUMBER).cast(pl.Float64, strict=False)
    if lowest >= 0 and (values.dtype.is_integer() or values.dtype == pl.Boolean):
        return values.cast(pl.Int64, strict=False)
    floats = values.cast(pl.Float64).fill_nan(None)
    if lowest < 0:
        return floats
    # Beyond 64 bits lies the end; the largest float below 2^63 is 1024 below it.
    return floats.round(mode="half_to_even").clip(-(2.0**63), 2.0**63 - 1024).cast(pl.Int64)


def _plain(value: float, lowest: int) -> int | float:
    """Return a value of the stats as the column's type: a whole number where the lowest position is 0 or above."""
    return min(max(int(value), _LEAST_INT), _MOST_INT) if lowest >= 0 else float(value)


def _read_back(values: NDArray[Any], lowest: int, is_null: NDArray[np.bool_]) -> pl.Series:
    dtype = pl.Float64() if lowest < 0 else pl.Int64()
    return missing_where(pl.Series(np.where(is_null, 0, values)).cast(dtype), is_null)


@dataclass(frozen=True, slots=True)
class PeerDiscreteStats(Stats):
    """Codes: 0 rare or unknown, then null where nulls were seen, then `values`.

    Attributes:
        has_null: null has a code.
        lowest: the last decimal position, 0 for whole numbers, -2 for hundredths.
        values: the numbers, in the order of their codes.
    """

    NAME: ClassVar[str] = "peer_numeric_discrete"
    has_null: bool
    lowest: int
    values: tuple[int | float, ...]


class PeerDiscrete(PeerEncoding):
    """One code per number. An unknown one decodes to null where nulls were seen, else to any known number by chance.

    >>> stats = PeerDiscrete.read({"codes": {"_RARE_": 0, "-0.5": 1, "2": 2}, "min_decimal": -1})
    >>> PeerDiscrete.encode(pl.Series([2.0, -0.5, 7.0]), stats)[:, 0].tolist()
    [2, 1, 0]
    """

    NAME = "peer_numeric_discrete"
    STATS = PeerDiscreteStats
    ACCEPTS = frozenset({"number", "boolean", "text"})

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerDiscreteStats:
        """Read the codes; numbers are written as text there."""
        texts, lowest = in_order(document["codes"]), document["min_decimal"]
        has_null = texts[1:2] == [MISSING]
        kept = texts[1 + has_null :]
        values = [int(t) if lowest >= 0 and t.lstrip("-").isdigit() else _plain(float(t), lowest) for t in kept]
        return PeerDiscreteStats(has_null, lowest, tuple(values))

    @classmethod
    def sub_columns(cls, stats: PeerDiscreteStats) -> tuple[SubColumn, ...]:
        """One sub-column, `cat`."""
        return (single_sub_column("cat", stats.has_null, len(stats.values)),)

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerDiscreteStats, rows: Rows | None = None) -> Codes:
        """Write numbers as codes, [B, 1]."""
        numbers = as_numbers(values, stats.lowest)
        codes = np.zeros(len(numbers), dtype=np.uint16)
        known = numbers.is_not_null().to_numpy()
        table = np.array(stats.values, dtype=np.int64 if stats.lowest >= 0 else np.float64)
        if len(table):
            order = np.argsort(table, kind="stable")
            present = numbers.drop_nulls().to_numpy()
            at = order[np.minimum(np.searchsorted(table[order], present), len(table) - 1)]
            codes[known] = np.where(table[at] == present, at + 1 + stats.has_null, 0)
        if stats.has_null:
            codes[~known] = 1
        return codes[:, None]

    @classmethod
    def decode(cls, codes: Codes, stats: PeerDiscreteStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back, [B]."""
        code, first = codes[:, 0].astype(np.int64), 1 + stats.has_null
        if not stats.has_null and stats.values:
            uniforms = (rows or Rows.numbered(len(codes))).uniforms("unknown")
            code = np.where(code == 0, 1 + (uniforms * len(stats.values)).astype(np.int64), code)
        table = np.array([0] * first + list(stats.values), dtype=np.int64 if stats.lowest >= 0 else np.float64)
        return _read_back(table[code], stats.lowest, code < first)


@dataclass(frozen=True, slots=True)
class PeerBinnedStats(Stats):
    """Codes: 0 unknown, then null where nulls were seen, then smallest and largest where shown, then the bins.

    Attributes:
        has_null: null has a code.
        has_ends: the smallest and the largest number have codes of their own.
        lowest: the last decimal position.
        edges: of the bins, ascending, one more than there are bins.
    """

    NAME: ClassVar[str] = "peer_numeric_binned"
    has_null: bool
    has_ends: bool
    lowest: int
    edges: tuple[float, ...]

    @property
    def first_bin(self) -> int:
        """Code of the first bin."""
        return 1 + self.has_null + 2 * self.has_ends


class PeerBinned(PeerEncoding):
    """One code per bin, drawn back uniformly inside it and cut to the column's decimals. Keeps both ends exactly.

    >>> codes = {"<<UNK>>": 0, "<<MIN>>": 1, "<<MAX>>": 2}
    >>> stats = PeerBinned.read({"codes": codes, "bins": [1, 5, 9], "min_decimal": 0})
    >>> PeerBinned.encode(pl.Series([1, 2, 5, 9, 70]), stats)[:, 0].tolist()
    [1, 3, 4, 2, 4]
    """

    NAME = "peer_numeric_binned"
    STATS = PeerBinnedStats
    ACCEPTS = frozenset({"number", "boolean", "text"})

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerBinnedStats:
        """Read codes and edges."""
        codes, edges = document["codes"], tuple(float(edge) for edge in document["bins"])
        return PeerBinnedStats(MISSING in codes, "<<MIN>>" in codes, document["min_decimal"], edges)

    @classmethod
    def sub_columns(cls, stats: PeerBinnedStats) -> tuple[SubColumn, ...]:
        """One sub-column, `bin`."""
        n_codes = stats.first_bin + len(stats.edges) - 1
        return (SubColumn("bin", n_codes, unknown=0, null=1 if stats.has_null else None),)

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerBinnedStats, rows: Rows | None = None) -> Codes:
        """Write numbers as codes, [B, 1]; numbers beyond the ends belong to the outer bins."""
        numbers = as_numbers(values, -1)
        known = numbers.is_not_null().to_numpy()
        present = numbers.fill_null(0.0).to_numpy()
        place = np.searchsorted(np.array(stats.edges[1:-1]), present, side="right")
        codes = stats.first_bin + np.minimum(place, len(stats.edges) - 2)
        if stats.has_ends:
            codes[present == stats.edges[0]] = stats.first_bin - 2
            codes[present == stats.edges[-1]] = stats.first_bin - 1
        codes[~known] = 1 if stats.has_null else 0
        return codes.astype(np.uint16)[:, None]

    @classmethod
    def decode(cls, codes: Codes, stats: PeerBinnedStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back, [B]."""
        lows, highs = _bin_ends(codes, stats)
        drawn = lows + (rows or Rows.numbered(len(codes))).uniforms("bin") * (highs - lows)
        unit = 10.0 ** abs(stats.lowest)
        cut = np.floor(drawn * unit) / unit if stats.lowest < 0 else np.floor(drawn / unit) * unit
        return _read_back(np.where(lows == highs, lows, cut), stats.lowest, np.isnan(lows))

    @classmethod
    def ranges(cls, codes: Codes, stats: PeerBinnedStats) -> tuple[pl.Series, pl.Series]:
        """Return the ends of what codes may be read back to, [B] each."""
        lows, highs = _bin_ends(codes, stats)
        is_null = np.isnan(lows)
        return _read_back(lows, stats.lowest, is_null), _read_back(highs, stats.lowest, is_null)


def _bin_ends(codes: Codes, stats: PeerBinnedStats) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return both edges of what each code says, [B]; NaN where it says nothing."""
    nothing, ends = [np.nan] * (1 + stats.has_null), [stats.edges[0], stats.edges[-1]] * stats.has_ends
    lows, highs = [*nothing, *ends, *stats.edges[:-1]], [*nothing, *ends, *stats.edges[1:]]
    return np.array(lows)[codes[:, 0]], np.array(highs)[codes[:, 0]]


@dataclass(frozen=True, slots=True)
class PeerDigitStats(Stats):
    """Codes: `nan` and `neg` (0 or 1) where seen, then the digits from the highest position down, from their smallest.

    Attributes:
        has_null, has_negative: nulls, and numbers below zero, were seen.
        lowest: the last decimal position.
        digit_lows, digit_highs: the smallest and the largest digit of each position, the highest first, [D].
        low, high: the range that may be written; None where none is shown.
    """

    NAME: ClassVar[str] = "peer_numeric_digit"
    has_null: bool
    has_negative: bool
    lowest: int
    digit_lows: tuple[int, ...]
    digit_highs: tuple[int, ...]
    low: int | float | None
    high: int | float | None


class PeerDigit(PeerEncoding):
    """One code per decimal digit. Loses what is beyond the range or the positions.

    >>> digits = {"E1": 4, "E0": 9, "E-1": 9}
    >>> stats = PeerDigit.read({
    ...     "has_nan": False, "has_neg": True, "max_decimal": 1, "min_decimal": -1, "min": -4.5, "max": 40.0,
    ...     "min_digits": dict.fromkeys(digits, 0), "max_digits": digits})
    >>> PeerDigit.encode(pl.Series([-4.5, 12.3, 99.0]), stats).tolist()
    [[1, 0, 4, 5], [0, 1, 2, 3], [0, 4, 0, 0]]
    """

    NAME = "peer_numeric_digit"
    STATS = PeerDigitStats
    ACCEPTS = frozenset({"number", "boolean", "text"})

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerDigitStats:
        """Read range and digits."""
        lowest = document["min_decimal"]
        keys = [f"E{i}" for i in range(document["max_decimal"], lowest - 1, -1)]
        low, high = (None if document[end] is None else _plain(document[end], lowest) for end in ("min", "max"))
        lows, highs = (tuple(document[name][key] for key in keys) for name in ("min_digits", "max_digits"))
        return PeerDigitStats(document["has_nan"], document["has_neg"], lowest, lows, highs, low, high)

    @classmethod
    def sub_columns(cls, stats: PeerDigitStats) -> tuple[SubColumn, ...]:
        """`nan` and `neg` where seen, then `E<position>` from the highest position down."""
        flags = (NULL,) * stats.has_null + (SubColumn("neg", 2),) * stats.has_negative
        highest = stats.lowest + len(stats.digit_lows) - 1
        ends = zip(stats.digit_lows, stats.digit_highs, strict=True)
        return (*flags, *(SubColumn(f"E{highest - i}", high - low + 1) for i, (low, high) in enumerate(ends)))

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerDigitStats, rows: Rows | None = None) -> Codes:
        """Write numbers as codes, [B, S]."""
        numbers = as_numbers(values, stats.lowest)
        is_null = numbers.is_null().to_numpy()
        table = numbers.fill_null(0).to_numpy()
        if stats.low is not None and stats.high is not None:
            table = np.clip(table, stats.low, stats.high)
        digits = np.clip(_digits(table, stats), stats.digit_lows, stats.digit_highs) - stats.digit_lows
        flags = [is_null[:, None]] * stats.has_null + [(table < 0)[:, None]] * stats.has_negative
        codes = np.hstack([*flags, digits]).astype(np.uint16)
        cls.draw_under_nulls(codes, stats, is_null, rows)
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: PeerDigitStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back, [B]; inside the range."""
        first = stats.has_null + stats.has_negative
        digits = codes[:, first:].astype(np.uint64) + np.array(stats.digit_lows, dtype=np.uint64)
        places = np.arange(digits.shape[1] - 1, -1, -1)
        table: NDArray[Any]
        if stats.lowest < 0:
            table = (digits @ 10.0**places) / 10.0**-stats.lowest
        else:
            magnitude = digits @ _powers_of_ten(places + stats.lowest)
            table = np.minimum(magnitude, np.uint64(_MOST_INT)).astype(np.int64)
        if stats.has_negative:
            table = np.where(codes[:, int(stats.has_null)] == 1, -table, table)
        is_null = null_codes(codes, cls.sub_columns(stats))
        if stats.low is not None and stats.high is not None:
            # A range that is protected by noise may end between two of the numbers that there are.
            table = np.clip(table, round(stats.low, -stats.lowest), round(stats.high, -stats.lowest))
        elif stats.has_null:
            is_null = np.ones(len(codes), dtype=bool)
        return _read_back(table, stats.lowest, is_null)


def _digits(table: NDArray[Any], stats: PeerDigitStats) -> NDArray[np.int64]:
    """Return the decimal digits of numbers, [B] -> [B, D]; what is below the lowest position is cut off."""
    places = np.arange(len(stats.digit_lows) - 1, -1, -1)
    if stats.lowest >= 0:
        # The magnitude of the smallest int64 fits uint64 only: negate behind the sign.
        magnitude = np.where(table < 0, (~table).astype(np.uint64) + np.uint64(1), table.astype(np.uint64))
        whole = magnitude[:, None] // _powers_of_ten(places + stats.lowest)
        return np.asarray(whole % np.uint64(10), dtype=np.int64)
    significant, exponents = _significant(table)
    shifts = places + stats.lowest - exponents[:, None]  # how far a digit stands above the last significant one
    digits = significant[:, None] // _powers_of_ten(shifts.clip(0, _MOST_DIGITS)) % np.uint64(10)
    return np.where((shifts < 0) | (shifts > _MOST_DIGITS), 0, digits.astype(np.int64))


def _significant(table: NDArray[np.float64]) -> tuple[NDArray[np.uint64], NDArray[np.int64]]:
    """Return the shortest digits that say each number, [B], and the decimal position of the last of them, [B].

    Text is exact where products are not: 0.29 * 100 is less than 29.
    """
    parts = pl.Series(np.abs(table)).cast(pl.String).str.splitn("e", 2).struct
    whole = parts.field("field_0").str.splitn(".", 2).struct
    decimals = whole.field("field_1").fill_null("").str.strip_chars_end("0")
    exponents = parts.field("field_1").fill_null("0").cast(pl.Int64) - decimals.str.len_bytes().cast(pl.Int64)
    significant, last = (whole.field("field_0") + decimals).cast(pl.UInt64).to_numpy(), exponents.to_numpy()
    beyond = (_LEAST_DECIMAL - last).clip(0, _MOST_DIGITS)  # digits that the peer's text of a number has no room for
    unit = _powers_of_ten(beyond)
    return (significant + unit // np.uint64(2)) // unit, last + beyond


def _powers_of_ten(exponents: NDArray[np.int64]) -> NDArray[np.uint64]:
    powers: NDArray[np.uint64] = np.uint64(10) ** exponents.astype(np.uint64)
    return powers
