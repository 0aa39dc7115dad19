"""Columns of generated rows that no model wrote: keys and texts in the form of a column.

Keys are whole numbers or UUIDs, as the column was; context keys are those of the context.
"""

from __future__ import annotations

import dataclasses
import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from argn_assets.artifact import ModelArtifact
from argn_assets.errors import DataError
from argn_assets.schema import ColumnSchema
from argn_assets.seeds import Seed, mix64
from argn_assets.tables.dtypes import as_dtype, dtype_name, dtype_named
from argn_assets.tables.frames import to_polars
from argn_assets.tables.pattern_texts import make_texts
from argn_assets.tables.split import row_keys
from argn_assets.tables.stats import TableStats

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame

IMPORTED = "imported"  # why the columns of an imported model are encoded as they are


def stats_of_request(artifact: ModelArtifact, ctx_data: Frame | None, seed_data: Frame | None) -> TableStats:
    """Return the target's statistics. The context key of an imported model gets the type that the request gives it.

    The peer does not write down of what type keys are.
    """
    stats, key = artifact.tgt_stats, artifact.tgt_context_key
    if key is None or stats.schema.column(key).reason != IMPORTED:
        return stats
    for frame, name in ((ctx_data, artifact.ctx_primary_key), (seed_data, key)):
        table = to_polars(frame) if frame is not None else pl.DataFrame()
        if name in table.columns:
            return _with_key_of(stats, key, table[name])
    return stats


def _with_key_of(stats: TableStats, key: str, values: pl.Series) -> TableStats:
    """Return statistics in which the key column has the type of `values`, and pandas' own type for it."""
    own = str(values.head(0).to_pandas().dtype)
    columns = tuple(
        dataclasses.replace(column, dtype=dtype_name(values.dtype, key), frame_dtype=own)
        if column.name == key
        else column
        for column in stats.schema.columns
    )
    return dataclasses.replace(stats, schema=dataclasses.replace(stats.schema, columns=columns))


class NewKeys:
    """The keys of one column of generated rows, as the column was: whole numbers from 1, or UUIDs; never a given one.

    Moments and lengths of time are the numbers of their unit.

    Args:
        column: of the key.
        given: keys that are given, of the column's type; None where there are none.
    """

    def __init__(self, column: ColumnSchema, given: pl.Series | None = None):
        self._column = column
        dtype = pl.Null() if column.dtype == "null" else dtype_named(column.dtype)
        self._is_number = dtype.is_numeric() or dtype.is_temporal()
        self._seed_names: tuple[str | int, ...] = ("key", column.name)
        self._free_before = np.empty(0, dtype=np.int64)  # of each given number, how many smaller ones are free
        taken = given.drop_nulls().unique() if given is not None else pl.Series([])
        if self._is_number and len(taken):
            numbers = taken.cast(pl.Int64, strict=False).drop_nulls().unique().sort().to_numpy()
            numbers = numbers[numbers > 0]
            self._free_before = numbers - np.arange(1, len(numbers) + 1)
        elif len(taken):
            # UUIDs that the same seed made are given when rows are generated anew: these must be others.
            of_all = np.bitwise_xor.reduce(row_keys(pl.DataFrame({"key": taken}), "key"))
            self._seed_names = (*self._seed_names, "beside", int(of_all))

    def make(self, seed: Seed, first: int, n_keys: int) -> pl.Series:
        """Return the keys from number `first` on, [n_keys]; DataError where the column's type has not so many."""
        dtype = self._column.dtype
        if dtype == "null":
            return pl.Series([None] * n_keys, dtype=pl.Null)
        if not self._is_number:
            texts = _uuids(seed.child(*self._seed_names), first, n_keys)
            made = as_dtype(texts, dtype)
            self._check(made.cast(pl.String, strict=False), texts, first + n_keys)
            return made
        free = np.arange(first, first + n_keys)
        numbers = pl.Series(free + 1 + np.searchsorted(self._free_before, free, side="right"))
        made = numbers.cast(dtype_named(dtype), strict=False)
        self._check(made.cast(pl.Int64, strict=False), numbers, first + n_keys)
        return made

    def _check(self, made: pl.Series, wanted: pl.Series, n_keys: int) -> None:
        """Refuse keys that did not survive the column's type."""
        if not made.equals(wanted):
            raise DataError(
                f"Column {self._column.name!r} is {self._column.dtype}, which has no {n_keys:,} different keys to be "
                "made. Cast it to int64 or to text before training, or give the keys with seed_data or ctx_data."
            )


def key_columns(stats: TableStats, given: pl.DataFrame | None) -> dict[str, NewKeys]:
    """Return what makes the keys of each key column, beside the `given` values of a whole request."""
    return {
        column.name: NewKeys(column, given[column.name] if given is not None and column.name in given.columns else None)
        for column in stats.schema.columns
        if column.role == "key"
    }


def unmodelled_columns(
    stats: TableStats,
    keys: Mapping[str, NewKeys],
    context_keys: pl.Series | None,
    seed: Seed,
    first_row: int,
    n_rows: int,
) -> dict[str, pl.Series]:
    """Return the columns that are not modelled, of `n_rows` rows from `first_row` on."""
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
            columns[column.name] = keys[column.name].make(seed, first_row, n_rows)
    return columns


def _uuids(seed: Seed, first_row: int, n_rows: int) -> pl.Series:
    rows = np.arange(first_row, first_row + n_rows, dtype=np.uint64)
    halves = [mix64(rows ^ np.uint64(seed.child(half).value)).tolist() for half in ("high", "low")]
    return pl.Series(
        [str(uuid.UUID(int=high << 64 | low, version=4)) for high, low in zip(*halves, strict=True)], dtype=pl.String
    )
