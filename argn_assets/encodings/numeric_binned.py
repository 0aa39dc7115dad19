"""Numbers of many values: narrow cells in ascending order, written as a bin and a slot within the bin.

A cell is one exact value where the column repeats it ("spikes", and all of a column that lives on a grid of amounts),
else a narrow range between two observed values. About a thousand cells are modelled, so what a bin of a hundredth of
the mass would smear stays where it was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats, single_sub_column
from argn_assets.encodings.number_cells import cut_into_cells, group_cells
from argn_assets.encodings.number_counts import (
    MOST_DECIMALS,
    Domain,
    Keys,
    NumberCounts,
    combine_counts,
    count_numbers,
    from_plain,
    numbers,
    protected_range,
    to_plain,
)
from argn_assets.encodings.number_ranges import are_ranges, keys_within, nearest_range, with_nulls
from argn_assets.encodings.protection import Protection
from argn_assets.schema import SubColumn


@dataclass(frozen=True)
class NumericBinnedStats(Stats):
    """Codes of `bin`: 0 unknown, then null where nulls were seen, then bins ascending; of `slot`: the cell in the bin.

    Attributes:
        domain: `int`, `uint` or `float`.
        has_null: nulls were seen, so null has a code.
        decimals: decimals of the floats drawn inside a cell; None draws them unrounded.
        lows, highs: smallest and largest number of each cell, ascending, [C]; equal for an exact value.
        bin_starts: first cell of each bin, ascending, [N].
        step: the whole numbers drawn inside a cell are its multiples.
    """

    NAME: ClassVar[str] = "numeric_binned"
    domain: Domain
    has_null: bool
    decimals: int | None
    lows: tuple[int | float | str, ...]
    highs: tuple[int | float | str, ...]
    bin_starts: tuple[int, ...]
    step: int = 1

    @cached_property
    def bounds(self) -> tuple[Keys, Keys]:
        """Lows and highs as order-preserving keys, [C] each."""
        return from_plain(self.lows, self.domain), from_plain(self.highs, self.domain)

    @cached_property
    def bin_sizes(self) -> NDArray[np.int64]:
        """Cells in each bin, [N]."""
        return np.diff(np.append(self.bin_starts, len(self.lows)))


class NumericBinned(Encoding):
    """Numbers as a bin and a slot within it; exact where values repeat, drawn inside a narrow cell elsewhere.

    Loses the position inside a cell that holds several values, and what protection hides: those numbers move to the
    nearest cell (NaN: unknown). Keeps nulls, infinities, NaN, integers, the number of decimals and the (protected)
    range; -0.0 is 0.0.

    >>> stats = NumericBinned.reduce([NumericBinned.partial(pl.Series([1.0, 2.0, 9.0] * 3))], Protection())
    >>> NumericBinned.encode(pl.Series([9.0, None]), stats)[:, 0].tolist()
    [3, 0]
    """

    NAME = "numeric_binned"
    STATS = NumericBinnedStats
    ACCEPTS = frozenset({"number", "boolean"})
    IN_ORDER = True

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> NumberCounts:
        """Count the values of one batch."""
        return count_numbers(values, subjects)

    @classmethod
    def reduce(cls, partials: Sequence[NumberCounts], protection: Protection) -> NumericBinnedStats:
        """Cut the counted values into cells, and the cells into bins of about equal mass."""
        return cells_from_counts(combine_counts(partials), protection)

    @classmethod
    def sub_columns(cls, stats: NumericBinnedStats) -> tuple[SubColumn, ...]:
        """`bin`, and `slot` where some bin has several cells."""
        bins = single_sub_column("bin", stats.has_null, len(stats.bin_starts))
        slots = int(stats.bin_sizes.max(initial=1))
        return (bins, SubColumn("slot", slots)) if slots > 1 else (bins,)

    @classmethod
    def encode(cls, values: pl.Series, stats: NumericBinnedStats, rows: Rows | None = None) -> Codes:
        """Write values as codes, [B, 1 or 2]; a number between two cells goes to the nearer one."""
        first = 1 + stats.has_null
        codes = np.zeros((len(values), len(cls.sub_columns(stats))), dtype=np.uint16)
        codes[values.is_null().to_numpy(), 0] = 1 if stats.has_null else 0
        if codes.shape[1] == 2:
            # Under a null the slot is filled by chance: a constant would be a pattern the model has to learn.
            fill = (rows or Rows.numbered(len(values))).uniforms("fill")
            codes[:, 1] = (fill * stats.bin_sizes.max(initial=1)).astype(np.uint16)
        present, keys = keys_within(values, stats.domain, stats.bounds[0])
        if not len(present):
            return codes
        cell = nearest_range(keys, *stats.bounds, stats.domain)
        bin_of_cell = np.repeat(np.arange(len(stats.bin_starts)), stats.bin_sizes)
        codes[present, 0] = (bin_of_cell + first)[cell]
        if codes.shape[1] == 2:
            slot_of_cell = np.arange(len(bin_of_cell)) - np.asarray(stats.bin_starts)[bin_of_cell]
            codes[present, 1] = slot_of_cell[cell]
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: NumericBinnedStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back, [B]; an unknown number becomes the middle cell, null where nothing is known."""
        is_null = (codes[:, 0] == 1) if stats.has_null else np.zeros(len(codes), dtype=bool)
        if not len(stats.lows):
            dtype = {"int": np.int64, "uint": np.uint64, "float": np.float64}[stats.domain]
            return with_nulls(np.zeros(len(codes), dtype=dtype), np.ones(len(codes), dtype=bool))
        rows = rows or Rows.numbered(len(codes))
        return with_nulls(draw_in_cells(_cells_of(codes, stats), stats, rows), is_null)

    @classmethod
    def ranges(cls, codes: Codes, stats: NumericBinnedStats) -> tuple[pl.Series, pl.Series]:
        """Return the ends of the cells, [B] each."""
        values = cls.decode(codes, stats)
        if not len(stats.lows):
            return values, values
        cell, is_null = _cells_of(codes, stats), values.is_null().to_numpy()
        lows, highs = (with_nulls(numbers(keys, stats.domain)[cell], is_null) for keys in stats.bounds)
        return lows, highs

    @classmethod
    def shows(cls, values: pl.Series, stats: NumericBinnedStats) -> NDArray[np.bool_]:
        """Return which numbers lie between the ends of the outermost cells, [B]."""
        lows, highs = stats.bounds
        return are_ranges(values, lows[:1], highs[-1:], stats.domain)


def _cells_of(codes: Codes, stats: NumericBinnedStats) -> NDArray[np.int64]:
    """Return the cell that codes name, [B]; the middle one for codes that name none."""
    bin_of_code = np.append([len(stats.bin_starts) // 2] * (1 + stats.has_null), np.arange(len(stats.bin_starts)))
    first_of_code = np.asarray(stats.bin_starts, dtype=np.int64)[bin_of_code]
    cell: NDArray[np.int64] = first_of_code[codes[:, 0]]
    if codes.shape[1] == 2:
        last_of_code = stats.bin_sizes[bin_of_code] - 1
        cell += np.minimum(codes[:, 1], last_of_code[codes[:, 0]])
    return cell


def cells_from_counts(counts: NumberCounts, protection: Protection) -> NumericBinnedStats:
    """Return stats whose cells are exact where values repeat; see the module."""
    shown = protected_range(counts, protection)
    decimals = counts.decimals if counts.decimals <= MOST_DECIMALS else None
    if shown is None:
        return NumericBinnedStats(counts.domain, counts.n_null > 0, decimals, (), (), ())
    cells = cut_into_cells(counts, np.arange(shown[0], shown[1] + 1), protection)
    starts = group_cells(cells.mass)
    lows, highs = counts.lows[cells.starts], counts.highs[cells.ends]
    return NumericBinnedStats(
        counts.domain, counts.n_null > 0, decimals,
        to_plain(lows, counts.domain), to_plain(highs, counts.domain), tuple(starts.tolist()), counts.step or 1,
    )  # fmt: skip


def draw_in_cells(cell: NDArray[np.int64], stats: NumericBinnedStats, rows: Rows) -> NDArray[np.generic]:
    """Draw one number per row inside its cell, both ends included, on the column's decimals or step, [B]."""
    low_keys, high_keys = stats.bounds
    lows: NDArray[Any] = numbers(low_keys, stats.domain)
    is_wide = low_keys != high_keys
    if not is_wide.any():
        return lows[cell]
    uniforms = rows.uniforms("place")
    if stats.domain == "float":
        values, wide = lows[cell], np.flatnonzero(is_wide[cell])
        highs: NDArray[Any] = numbers(high_keys, stats.domain)
        values[wide] = _between(lows, highs, cell[wide], uniforms[wide], stats.decimals)
        return values
    # Keys of integers are as far apart as the integers, and never overflow.
    n_steps = (high_keys - low_keys) // np.uint64(stats.step)
    drawn = (uniforms * (n_steps.astype(np.float64) + 1)[cell]).astype(np.uint64)
    drawn = np.minimum(drawn, n_steps[cell]) * np.uint64(stats.step)
    return numbers(low_keys[cell] + drawn, stats.domain)


def _between(
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
    cell: NDArray[np.int64],
    uniforms: NDArray[np.float64],
    decimals: int | None,
) -> NDArray[np.float64]:
    """Draw finite floats in their cells, of at most `decimals` decimals, [B]; None draws them unrounded."""
    low, high = lows[cell], highs[cell]
    if decimals is None:
        return np.clip(_weighted(low, high, uniforms), low, high)
    scale = 10.0**decimals
    with np.errstate(over="ignore", invalid="ignore"):
        first, last = np.round(lows * scale), np.round(highs * scale)
        step = np.minimum(first[cell] + np.floor(uniforms * (last - first + 1)[cell]), last[cell])
        # Floats of 2^53 steps and more are coarser than the steps; a range may begin below and end beyond.
        is_fine = np.maximum(np.abs(first), np.abs(last)) < 2**53
    if is_fine.all():
        # A whole number over a power of ten is the float that the decimal text reads as: 29 / 100 is 0.29.
        return np.clip(step / scale, low, high)
    drawn = _weighted(low, high, uniforms)
    with np.errstate(over="ignore", invalid="ignore"):
        step = np.where(is_fine[cell], step, np.round(drawn * scale))
    return np.clip(np.where(np.abs(step) < 2**53, step / scale, drawn), low, high)


def _weighted(
    low: NDArray[np.float64], high: NDArray[np.float64], uniforms: NDArray[np.float64]
) -> NDArray[np.float64]:
    # Not low + u * (high - low): the width of the range of all floats is infinite.
    weighted: NDArray[np.float64] = low * (1 - uniforms) + high * uniforms
    return weighted
