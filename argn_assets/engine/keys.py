"""Keys of generated rows: whole numbers or UUIDs, as the column was; context keys are those of the context."""

from __future__ import annotations

import uuid

import numpy as np
import polars as pl

from argn_assets.schema import TableSchema
from argn_assets.seeds import Seed, mix64
from argn_assets.tables.dtypes import as_dtype


def generated_keys(
    schema: TableSchema, context_keys: pl.Series | None, seed: Seed, first_row: int, n_rows: int
) -> dict[str, pl.Series]:
    """Return the key columns of `n_rows` rows from `first_row` on, by name; whole numbers count from 1."""
    columns: dict[str, pl.Series] = {}
    for column in schema.columns:
        if column.role != "key":
            continue
        if column.name == schema.context_key and context_keys is not None:
            values = context_keys
        elif column.dtype.startswith(("int", "uint", "float")):
            values = pl.Series(np.arange(first_row + 1, first_row + n_rows + 1))
        else:
            values = _uuids(seed.child("key", column.name), first_row, n_rows)
        columns[column.name] = as_dtype(values, column.dtype)
    return columns


def _uuids(seed: Seed, first_row: int, n_rows: int) -> pl.Series:
    rows = np.arange(first_row, first_row + n_rows, dtype=np.uint64)
    halves = [mix64(rows ^ np.uint64(seed.child(half).value)).tolist() for half in ("high", "low")]
    return pl.Series(
        [str(uuid.UUID(int=high << 64 | low, version=4)) for high, low in zip(*halves, strict=True)], dtype=pl.String
    )
