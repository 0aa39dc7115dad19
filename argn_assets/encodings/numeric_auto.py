"""Numbers, written as the data asks for: few values one code each, many values as bins and slots."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats
from argn_assets.encodings.number_counts import NumberCounts, combine_counts, count_numbers
from argn_assets.encodings.numeric_binned import NumericBinned, cells_from_counts
from argn_assets.encodings.numeric_discrete import NumericDiscrete
from argn_assets.encodings.protection import Protection
from argn_assets.schema import SubColumn

MOST_VALUES = 128  # distinct values up to which each has a code of its own
SHOWN_SHARE = 0.999  # of the rows must keep their value under protection


class NumericAuto(Encoding):
    """Chooses `numeric_discrete` or `numeric_binned` when all of the column has been counted.

    The stats it returns carry the name of what was chosen, and that encoding does the rest.

    >>> NumericAuto.reduce([NumericAuto.partial(pl.Series([1, 1, 2]))], Protection()).NAME
    'numeric_discrete'
    >>> NumericAuto.reduce([NumericAuto.partial(pl.Series(range(1000)))], Protection()).NAME
    'numeric_binned'
    """

    NAME = "numeric_auto"
    STATS = Stats
    ACCEPTS = frozenset({"number", "boolean"})

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> NumberCounts:
        """Count the values of one batch."""
        return count_numbers(values, subjects)

    @classmethod
    def reduce(cls, partials: Sequence[NumberCounts], protection: Protection) -> Stats:
        """Choose the encoding and return its stats."""
        counts = combine_counts(partials)
        shown = counts.counts[counts.subjects_per_bucket() >= protection.threshold].sum()
        exact = len(counts.lows) <= MOST_VALUES and (counts.lows == counts.highs).all()
        if exact and shown >= SHOWN_SHARE * counts.n_values:
            return NumericDiscrete.reduce([counts], protection)
        return cells_from_counts(counts, protection)

    @classmethod
    def sub_columns(cls, stats: Any) -> tuple[SubColumn, ...]:
        """Those of the chosen encoding."""
        return _chosen(stats).sub_columns(stats)

    @classmethod
    def encode(cls, values: pl.Series, stats: Any, rows: Rows | None = None) -> Codes:
        """As the chosen encoding does."""
        return _chosen(stats).encode(values, stats, rows)

    @classmethod
    def decode(cls, codes: Codes, stats: Any, rows: Rows | None = None) -> pl.Series:
        """As the chosen encoding does."""
        return _chosen(stats).decode(codes, stats, rows)

    @classmethod
    def shows(cls, values: pl.Series, stats: Any) -> NDArray[np.bool_]:
        """As the chosen encoding does."""
        return _chosen(stats).shows(values, stats)


def _chosen(stats: Stats) -> type[NumericDiscrete] | type[NumericBinned]:
    return NumericDiscrete if stats.NAME == NumericDiscrete.NAME else NumericBinned
