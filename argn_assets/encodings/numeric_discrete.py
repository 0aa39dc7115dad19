"""Numbers with few distinct values: one code each, given back exactly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Chance, Codes, Encoding, Stats, single_sub_column
from argn_assets.encodings.number_counts import (
    Domain,
    Keys,
    NumberCounts,
    combine_counts,
    count_numbers,
    from_plain,
    numbers,
    to_keys,
    to_plain,
)
from argn_assets.encodings.protection import Protection
from argn_assets.schema import SubColumn


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

    Loses values that protection hides and values never seen: they become the nearest known value. Keeps nulls and
    every other value exactly.

    >>> stats = NumericDiscrete.reduce([NumericDiscrete.partial(pl.Series([0.29, 0.29, None]))], Protection())
    >>> NumericDiscrete.encode(pl.Series([0.29, None, 7.0]), stats)[:, 0].tolist()
    [2, 1, 2]
    """

    NAME = "numeric_discrete"
    STATS = NumericDiscreteStats

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> NumberCounts:
        """Count the values of one batch."""
        return count_numbers(values, subjects)

    @classmethod
    def reduce(cls, partials: Sequence[NumberCounts], protection: Protection) -> NumericDiscreteStats:
        """Keep the values that enough subjects share (beyond the counting budget: that stand alone in a bucket)."""
        counts = combine_counts(partials)
        kept = (counts.subjects_per_bucket() >= protection.threshold) & (counts.lows == counts.highs)
        values = to_plain(counts.lows[kept], counts.domain)
        mode = values[int(np.argmax(counts.counts[kept]))] if values else None
        return NumericDiscreteStats(counts.domain, counts.n_null > 0, values, mode)

    @classmethod
    def sub_columns(cls, stats: NumericDiscreteStats) -> tuple[SubColumn, ...]:
        """One sub-column, `value`."""
        return (single_sub_column("value", stats.has_null, len(stats.values)),)

    @classmethod
    def encode(cls, values: pl.Series, stats: NumericDiscreteStats, chance: Chance | None = None) -> Codes:
        """Write values as codes, [B, 1]."""
        codes = np.zeros(len(values), dtype=np.uint16)
        present = values.is_not_null().to_numpy()
        codes[~present] = 1 if stats.has_null else 0
        keys, _ = to_keys(as_domain(values.drop_nulls(), stats.domain))
        if stats.values:
            codes[present] = nearest_range(keys, stats.keys, stats.keys) + 1 + stats.has_null
        return codes[:, None]

    @classmethod
    def decode(cls, codes: Codes, stats: NumericDiscreteStats, chance: Chance | None = None) -> pl.Series:
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


def as_domain(values: pl.Series, domain: Domain) -> pl.Series:
    """Cast numbers to the domain the stats were made in, [B]; a value that does not fit becomes null."""
    return values.cast({"int": pl.Int64, "uint": pl.UInt64, "float": pl.Float64}[domain], strict=False)


def nearest_range(keys: Keys, lows: Keys, highs: Keys) -> NDArray[np.int64]:
    """Return the range that holds each key, or else the nearer neighbour, [B]; ranges ascend and do not overlap."""
    below = np.clip(np.searchsorted(lows, keys, side="right") - 1, 0, len(lows) - 1)
    above = np.minimum(below + 1, len(lows) - 1)
    outside = (keys > highs[below]) & (above > below)
    with np.errstate(over="ignore"):
        closer = outside & (lows[above] - keys < keys - highs[below])
    return np.where(closer, above, below)


def with_nulls(values: NDArray[np.generic], is_null: NDArray[np.bool_]) -> pl.Series:
    """Return a series of `values` with nulls where `is_null`, [B]."""
    series = pl.Series(values)
    if not is_null.any():
        return series
    return pl.select(pl.when(pl.Series(~is_null)).then(series)).to_series()
