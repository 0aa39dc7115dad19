"""Numbers with few distinct values: one code each, given back exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats, single_sub_column
from argn_assets.encodings.number_counts import (
    NAN_KEY,
    Domain,
    Keys,
    NumberCounts,
    combine_counts,
    count_numbers,
    from_plain,
    numbers,
    to_keys,
    to_plain,
    widened,
)
from argn_assets.encodings.protection import Protection
from argn_assets.errors import SchemaError
from argn_assets.schema import SubColumn

MOST_VALUES = 1 << 15  # with a code of their own; codes are 16 bits


@dataclass(frozen=True, slots=True)
class NumericDiscreteStats(Stats):
    """Codes: 0 unknown, then null where nulls were seen, then `values` in ascending order.

    Attributes:
        domain: `int`, `uint` or `float`.
        has_null: nulls were seen, so null has a code.
        values: the values that may be written, ascending.
        mode: the commonest of them, written for an unknown number; None where there is none.
    """

    NAME: ClassVar[str] = "numeric_discrete"
    domain: Domain
    has_null: bool
    values: tuple[int | float | str, ...]
    mode: int | float | str | None

    @property
    def keys(self) -> Keys:
        """The values as order-preserving keys, [V]."""
        return from_plain(self.values, self.domain)


class NumericDiscrete(Encoding):
    """Numbers with few distinct values, one code each.

    Loses values that protection hides and values never seen: they become the nearest known value (NaN: unknown). Keeps
    nulls and every other value exactly; -0.0 is 0.0.

    >>> stats = NumericDiscrete.reduce([NumericDiscrete.partial(pl.Series([0.29, 0.29, None]))], Protection())
    >>> NumericDiscrete.encode(pl.Series([0.29, None, 7.0]), stats)[:, 0].tolist()
    [2, 1, 2]
    """

    NAME = "numeric_discrete"
    STATS = NumericDiscreteStats
    ACCEPTS = frozenset({"number", "boolean"})

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> NumberCounts:
        """Count the values of one batch."""
        return count_numbers(values, subjects)

    @classmethod
    def reduce(cls, partials: Sequence[NumberCounts], protection: Protection) -> NumericDiscreteStats:
        """Keep the values that enough subjects share; SchemaError for more than MOST_VALUES distinct values."""
        counts = combine_counts(partials)
        if len(counts.lows) > MOST_VALUES:
            raise SchemaError(
                f"The column has more than {MOST_VALUES:,} distinct numbers, too many for a code each. Encode it as "
                "`numeric_auto` or `numeric_binned`, or declare it as a key."
            )
        kept = (counts.subjects_per_bucket() >= protection.threshold) & (counts.lows == counts.highs)
        values = to_plain(counts.lows[kept], counts.domain)
        mode = values[int(np.argmax(counts.counts[kept]))] if values else None
        return NumericDiscreteStats(counts.domain, counts.n_null > 0, values, mode)

    @classmethod
    def sub_columns(cls, stats: NumericDiscreteStats) -> tuple[SubColumn, ...]:
        """One sub-column, `value`."""
        return (single_sub_column("value", stats.has_null, len(stats.values)),)

    @classmethod
    def encode(cls, values: pl.Series, stats: NumericDiscreteStats, rows: Rows | None = None) -> Codes:
        """Write values as codes, [B, 1]."""
        codes = np.zeros(len(values), dtype=np.uint16)
        codes[values.is_null().to_numpy()] = 1 if stats.has_null else 0
        known = stats.keys
        present, keys = keys_within(values, stats.domain, known)
        codes[present] = nearest_range(keys, known, known, stats.domain) + 1 + stats.has_null
        return codes[:, None]

    @classmethod
    def decode(cls, codes: Codes, stats: NumericDiscreteStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back; an unknown number becomes the commonest value, null where nothing is known."""
        first = 1 + stats.has_null
        known = numbers(stats.keys, stats.domain)
        mode = numbers(from_plain([stats.mode or 0], stats.domain), stats.domain)
        table = np.concatenate([np.repeat(mode, first), known])
        code = codes[:, 0]
        is_null = (code == 1) if stats.has_null else np.zeros(len(code), dtype=bool)
        if stats.mode is None:
            is_null = is_null | (code == 0)
        return with_nulls(table[code], is_null)

    @classmethod
    def shows(cls, values: pl.Series, stats: NumericDiscreteStats) -> NDArray[np.bool_]:
        """Return which numbers are known values, [B]."""
        known = stats.keys
        return are_ranges(values, known, known, stats.domain)


def as_domain(values: pl.Series, domain: Domain) -> pl.Series:
    """Cast numbers to the domain the stats were made in, [B].

    Among integers, fractions become the nearest one, beyond its ends lies the end, and NaN is null.

    >>> as_domain(pl.Series([-1.0, 6.9, 1e30, float("nan")]), "uint").to_list()
    [0, 7, 18446744073709551615, None]
    """
    if domain == "float":
        return widened(values) if values.dtype.is_float() else values.cast(pl.Float64)
    dtype, ends = (pl.Int64, np.iinfo(np.int64)) if domain == "int" else (pl.UInt64, np.iinfo(np.uint64))
    cast = (values.round() if values.dtype.is_float() else values).cast(dtype, strict=False)
    if cast.null_count() == values.null_count():
        return cast
    end = pl.when(values > 0).then(pl.lit(ends.max, dtype)).when(values <= 0).then(pl.lit(ends.min, dtype))
    is_nan = values.is_nan() if values.dtype.is_float() else pl.Series([False])
    return pl.select(pl.when(cast.is_not_null()).then(cast).when(~is_nan).then(end)).to_series()


def keys_within(values: pl.Series, domain: Domain, known: Keys) -> tuple[NDArray[np.intp], Keys]:
    """Return the rows that hold a number with a place among the `known` keys, and their keys, [P] each.

    NaN has a place only where it is known: it is nearer to no number than to another.
    """
    if not len(known):
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.uint64)
    numeric = as_domain(values, domain)
    present = np.flatnonzero(numeric.is_not_null().to_numpy())
    keys, _ = to_keys(numeric.drop_nulls())
    if domain == "float" and known[-1] != NAN_KEY:
        is_number = keys != NAN_KEY
        present, keys = present[is_number], keys[is_number]
    return present, keys


def nearest_range(keys: Keys, lows: Keys, highs: Keys, domain: Domain) -> NDArray[np.int64]:
    """Return the range that holds each key, or else the nearer neighbour, [B]; ranges ascend and do not overlap."""
    at = np.searchsorted(lows, keys, side="right") - 1
    below = np.maximum(at, 0)
    outside = np.flatnonzero((at >= 0) & (keys > highs[below]) & (below < len(lows) - 1))
    if not len(outside):
        return below
    value, under = keys[outside], below[outside]
    low, high = lows[under + 1], highs[under]
    if domain == "float":
        # Keys of floats are as far apart as their logarithms; nearness is that of the numbers.
        value, low, high = numbers(value, domain), numbers(low, domain), numbers(high, domain)  # type: ignore[assignment]
    with np.errstate(over="ignore", invalid="ignore"):
        below[outside] += low - value < value - high
    return below


def are_ranges(values: pl.Series, lows: Keys, highs: Keys, domain: Domain) -> NDArray[np.bool_]:
    """Return which values are null or lie in one of the ranges, [B]; ranges ascend and do not overlap."""
    inside = values.is_null().to_numpy().copy()
    present, keys = keys_within(values, domain, highs)
    at = np.searchsorted(lows, keys, side="right") - 1
    inside[present] = (at >= 0) & (keys <= highs[np.maximum(at, 0)])
    return inside


def with_nulls(values: NDArray[np.generic], is_null: NDArray[np.bool_]) -> pl.Series:
    """Return a series of `values` with nulls where `is_null`, [B]."""
    series = pl.Series(values)
    if not is_null.any():
        return series
    return pl.select(pl.when(pl.Series(~is_null)).then(series)).to_series()
