"""Numbers as decimal digits, one code per position."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats
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
from argn_assets.encodings.number_ranges import are_ranges, as_domain, with_nulls
from argn_assets.encodings.protection import Protection
from argn_assets.schema import SubColumn

N_FILLS = 33  # numbers from which a null's digits are drawn
MOST_DIGITS = 18  # of a scaled float that an int64 holds; what is finer is rounded


@dataclass(frozen=True, slots=True)
class NumericDigitStats(Stats):
    """Codes: `null` and `negative` (0 or 1) where seen, then the digits from the highest position down.

    Attributes:
        domain: `int`, `uint` or `float`.
        has_null: nulls were seen.
        has_negative: some number shown is below zero.
        decimals: digits behind the point; below 0, the last digits before the point are not written either.
        n_digits: digits in all.
        top: the highest leading digit.
        low, high: smallest and largest number that may be written; None hides everything.
        fills: numbers from which the digits under a null are drawn, ascending.
    """

    NAME: ClassVar[str] = "numeric_digit"
    domain: Domain
    has_null: bool
    has_negative: bool
    decimals: int
    n_digits: int
    top: int
    low: int | float | str | None
    high: int | float | str | None
    fills: tuple[int | float | str, ...]


class NumericDigit(Encoding):
    """Decimal digits of a number of fixed decimals, exact for integers of 64 bits and for floats of up to 15 digits.

    Loses infinities and NaN (they move to the ends of the range), decimals beyond the fifteenth, and digits that 18
    places cannot hold. Keeps nulls; -0.0 is 0.0.

    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> stats = NumericDigit.reduce([NumericDigit.partial(pl.Series([0.29, 12.0]))], UNPROTECTED)
    >>> NumericDigit.encode(pl.Series([0.29, 12.0]), stats).tolist()
    [[0, 0, 2, 9], [1, 2, 0, 0]]
    """

    NAME = "numeric_digit"
    STATS = NumericDigitStats
    ACCEPTS = frozenset({"number", "boolean"})
    IN_ORDER = True

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> NumberCounts:
        """Count the values of one batch; infinities and NaN are neither counted nor missing."""
        finite = values
        if values.dtype.is_float():
            finite = pl.select(pl.when(values.is_finite()).then(values)).to_series()
        return dataclasses.replace(count_numbers(finite, subjects), n_null=values.null_count())

    @classmethod
    def reduce(cls, partials: Sequence[NumberCounts], protection: Protection) -> NumericDigitStats:
        """Size the digits for the range that may be shown."""
        counts = combine_counts(partials)
        shown = protected_range(counts, protection)
        has_null = counts.n_null > 0
        if shown is None:
            return NumericDigitStats(counts.domain, has_null, False, 0, 1, 0, None, None, (0,))
        ends = np.array([counts.lows[shown[0]], counts.highs[shown[1]]])
        largest = max(abs(v) for v in numbers(ends, counts.domain).tolist())
        whole = len(str(int(largest)))
        decimals = min(counts.decimals, MOST_DECIMALS, MOST_DIGITS - whole) if counts.domain == "float" else 0
        text = str(_whole(largest, decimals))
        at = ((np.arange(N_FILLS) + 0.5) * counts.n_values / N_FILLS).astype(np.int64)
        fills = counts.lows[np.clip(np.searchsorted(np.cumsum(counts.counts), at, side="right"), *shown)]
        low, high = to_plain(ends, counts.domain)
        negative = bool(numbers(ends, counts.domain)[0] < 0)
        return NumericDigitStats(
            counts.domain, has_null, negative, decimals, len(text), int(text[0]), low, high,
            to_plain(fills, counts.domain),
        )  # fmt: skip

    @classmethod
    def sub_columns(cls, stats: NumericDigitStats) -> tuple[SubColumn, ...]:
        """`null` and `negative` where seen, then `e<position>` from the highest digit down."""
        flags = [SubColumn("null", 2, null=1)] * stats.has_null + [SubColumn("negative", 2)] * stats.has_negative
        places = range(stats.n_digits - stats.decimals - 1, -stats.decimals - 1, -1)
        digits = [SubColumn(f"e{p}", stats.top + 1 if i == 0 else 10) for i, p in enumerate(places)]
        return (*flags, *digits)

    @classmethod
    def encode(cls, values: pl.Series, stats: NumericDigitStats, rows: Rows | None = None) -> Codes:
        """Write numbers as codes, [B, S]; a number outside the range moves to its end."""
        series = as_domain(values, stats.domain)
        is_null = series.is_null().to_numpy()
        uniforms = (rows or Rows.numbered(len(values))).uniforms("fill")
        # Under a null the digits are drawn by chance: zeros would be a pattern the model has to learn.
        fill = numbers(from_plain(stats.fills, stats.domain), stats.domain)
        table = series.fill_null(0).to_numpy()
        table = np.where(is_null, fill[(uniforms * len(fill)).astype(np.int64)], table)
        low, high = numbers(_ends(stats), stats.domain)
        table = np.clip(np.where(np.isnan(table), low, table) if stats.domain == "float" else table, low, high)
        if stats.domain == "float":
            magnitude = np.round(_scaled(np.abs(table), stats.decimals)).astype(np.uint64)
        else:
            # The magnitude of the smallest int64 fits uint64 only: negate behind the sign.
            magnitude = np.where(table < 0, (~table.astype(np.uint64)) + np.uint64(1), table.astype(np.uint64))
        powers = np.uint64(10) ** np.arange(stats.n_digits - 1, -1, -1, dtype=np.uint64)
        digits = (magnitude[:, None] // powers % np.uint64(10)).astype(np.uint16)
        digits[:, 0] = np.minimum(digits[:, 0], stats.top)
        flags = [is_null[:, None]] * stats.has_null + [(table < 0)[:, None]] * stats.has_negative
        return np.hstack([*flags, digits]).astype(np.uint16)

    @classmethod
    def decode(cls, codes: Codes, stats: NumericDigitStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back, [B]; clipped to the range."""
        powers = np.uint64(10) ** np.arange(stats.n_digits - 1, -1, -1, dtype=np.uint64)
        magnitude = codes[:, -stats.n_digits :].astype(np.uint64) @ powers
        negative = codes[:, int(stats.has_null)] == 1 if stats.has_negative else np.zeros(len(codes), dtype=bool)
        low, high = numbers(_ends(stats), stats.domain)
        values: NDArray[np.generic]
        if stats.domain == "float":
            with np.errstate(over="ignore"):
                values = np.clip(np.where(negative, -1.0, 1.0) * _scaled(magnitude, -stats.decimals) + 0.0, low, high)
        elif stats.domain == "uint":
            values = np.clip(magnitude, low, high)
        else:
            # Clip the magnitude before it becomes signed: a digit too many must not wrap around.
            most = np.where(negative, abs(min(int(low), 0)), max(int(high), 0)).astype(np.uint64)
            bounded = np.minimum(magnitude, most)
            values = np.clip(np.where(negative, (~bounded) + np.uint64(1), bounded).view(np.int64), low, high)
        is_null = codes[:, 0] == 1 if stats.has_null else np.zeros(len(codes), dtype=bool)
        return with_nulls(values, is_null | (stats.low is None))

    @classmethod
    def shows(cls, values: pl.Series, stats: NumericDigitStats) -> NDArray[np.bool_]:
        """Return which numbers lie in the range, [B]."""
        ends = _ends(stats)[: 0 if stats.low is None else 2]
        return are_ranges(values, ends[:1], ends[1:], stats.domain)


def _ends(stats: NumericDigitStats) -> Keys:
    return from_plain([stats.low or 0, stats.high or 0], stats.domain)


def _whole(value: int | float, decimals: int) -> int:
    """Return |value| scaled to a whole number of units of its last decimal."""
    return value if isinstance(value, int) else int(np.round(_scaled(np.float64(value), decimals)))


def _scaled(values: Any, places: int) -> Any:
    """Return floats times ten to the power of `places`; division by a power above 1 is exact for short decimals."""
    return values * 10.0**places if places >= 0 else values / 10.0**-places
