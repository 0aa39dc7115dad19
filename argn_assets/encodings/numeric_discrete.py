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
    Domain,
    Keys,
    NumberCounts,
    combine_counts,
    count_numbers,
    from_plain,
    numbers,
    to_plain,
)
from argn_assets.encodings.number_ranges import are_ranges, keys_within, nearest_range, with_nulls
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
    IN_ORDER = True

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
