"""Values of a table that its statistics would not show: beyond a range, or of no known category."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import encoding_named
from argn_assets.errors import SchemaError
from argn_assets.schema import ColumnSchema
from argn_assets.tables.dtypes import as_ticks, dtype_named
from argn_assets.tables.stats import TableStats
from argn_assets.tables.times_in_text import read_times


def rows_outside(table: pl.DataFrame, stats: TableStats, *, always_shown: str | None = None) -> dict[str, int]:
    """Return how many rows of each modelled column hold a value that the statistics may not show; columns with some.

    Args:
        table: a table with the columns and types that the statistics were made of.
        stats: its statistics.
        always_shown: a text that stands for values that may not be shown.
    """
    outside: dict[str, int] = {}
    for column in stats.schema.columns:
        if column.name in stats.columns and column.name in table.columns:
            values = table[column.name]
            if always_shown is not None and values.dtype in (pl.String, pl.Categorical, pl.Enum):
                values = values.filter((values.cast(pl.String) != always_shown).fill_null(True))
            n_rows = int((~_are_shown(values, column, stats)).sum())
            outside |= {column.name: n_rows} if n_rows else {}
    return outside


def _are_shown(values: pl.Series, column: ColumnSchema, stats: TableStats) -> NDArray[np.bool_]:
    own = stats.columns[column.name]
    try:
        if column.text_format is not None:
            values = read_times(values, column.text_format)
        values = as_ticks(values, dtype_named(column.dtype))
    except SchemaError:  # text that is no time, where the column holds times
        return np.zeros(len(values), dtype=bool)
    return encoding_named(own.NAME).shows(values, own)
