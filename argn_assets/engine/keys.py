"""Columns of generated rows that no model wrote: keys and texts in the form of a column.

Keys are whole numbers or UUIDs, as the column was; context keys are those of the context.
"""

from __future__ import annotations

import uuid

import numpy as np
import polars as pl

from argn_assets.schema import ColumnSchema
from argn_assets.seeds import Seed, mix64
from argn_assets.tables.dtypes import as_dtype
from argn_assets.tables.pattern_texts import make_texts
from argn_assets.tables.stats import TableStats


def unmodelled_columns(
    stats: TableStats, context_keys: pl.Series | None, seed: Seed, first_row: int, n_rows: int
) -> dict[str, pl.Series]:
    """Return the columns that are not modelled, of `n_rows` rows from `first_row` on; whole numbers count from 1."""
    columns: dict[str, pl.Series] = {}
    for column in stats.schema.columns:
        if column.name in stats.patterns:
            own = seed.child("pattern", column.name)
            columns[column.name] = make_texts(stats.patterns[column.name], column.dtype, own, first_row, n_rows)
        if column.role != "key":
            continue
        if column.name == stats.schema.context_key and context_keys is not None:
            columns[column.name] = as_dtype(context_keys, column.dtype)
        else:
            columns[column.name] = new_keys(column, seed, first_row, n_rows)
    return columns


def new_keys(column: ColumnSchema, seed: Seed, first: int, n_keys: int) -> pl.Series:
    """Return `n_keys` keys from number `first` on, as the column was: whole numbers from 1, or UUIDs."""
    if column.dtype.startswith(("int", "uint", "float")):
        return as_dtype(pl.Series(np.arange(first + 1, first + n_keys + 1)), column.dtype)
    return as_dtype(_uuids(seed.child("key", column.name), first, n_keys), column.dtype)


def _uuids(seed: Seed, first_row: int, n_rows: int) -> pl.Series:
    rows = np.arange(first_row, first_row + n_rows, dtype=np.uint64)
    halves = [mix64(rows ^ np.uint64(seed.child(half).value)).tolist() for half in ("high", "low")]
    return pl.Series(
        [str(uuid.UUID(int=high << 64 | low, version=4)) for high, low in zip(*halves, strict=True)], dtype=pl.String
    )
