"""Given values: encoded as what generating starts from, and put back verbatim."""

from __future__ import annotations

import numpy as np
import polars as pl

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.generate import Given
from argn_assets.errors import ConfigError, SchemaError
from argn_assets.schema import TableSchema
from argn_assets.tables.dtypes import dtype_named
from argn_assets.tables.encode import encode_table


def given_from_seed(artifact: ModelArtifact, seeds: pl.DataFrame | None, n_rows: int) -> Given:
    """Return what is given of the target's columns: nothing, or the values of `seeds`, n_rows rows.

    Raises:
        SchemaError: `seeds` has columns that the table does not have.
        ConfigError: a fixed-order model is given columns other than its first ones.
    """
    stats = artifact.tgt_stats
    layout = stats.sub_columns()
    n_sub_columns = sum(len(subs) for subs in layout.values())
    observed = np.zeros((len(layout), n_rows), dtype=bool)
    offered = np.zeros(len(layout), dtype=bool)
    if seeds is None:
        return Given(np.zeros((n_sub_columns, n_rows), dtype=np.uint16), observed, offered)
    names = [column.name for column in stats.schema.columns]
    strange = [name for name in seeds.columns if name not in names]
    if strange:
        raise SchemaError(f"seed_data has {', '.join(strange)}, which the table does not have: {', '.join(names)}.")
    columns: dict[str, pl.Series] = {}
    for place, name in enumerate(layout):
        if name in seeds.columns:
            offered[place] = True
            observed[place] = seeds[name].is_not_null().to_numpy()
            columns[name] = seeds[name]
        else:
            columns[name] = pl.Series([None] * n_rows, dtype=dtype_named(stats.schema.column(name).dtype))
    if not artifact.enable_flexible_generation:
        _check_order(observed, list(layout))
        # The columns up to the last offered one: what was trained in the table's order is generated in it.
        offered = np.logical_or.accumulate(offered[::-1])[::-1]
    if artifact.is_sequential:  # rows of one key stand together already
        columns[str(stats.schema.context_key)] = seeds[str(stats.schema.context_key)]
    return Given(encode_table(pl.DataFrame(columns), stats).codes.astype(np.uint16), observed, offered)


def _check_order(observed: np.ndarray, names: list[str]) -> None:
    """Refuse given values that are not the first columns of their row, in the table's order."""
    gap = np.diff(observed.astype(np.int8), axis=0) > 0
    if gap.any():
        column = names[int(np.argmax(gap.any(axis=1))) + 1]
        raise ConfigError(
            f"The model was trained in a fixed order of columns, so only its first columns can be given; {column!r} "
            f"was given without all before it. The order: {', '.join(names)}. Train with any_order=True to give any."
        )


def restore_seed(table: pl.DataFrame, seeds: pl.DataFrame | None, schema: TableSchema) -> pl.DataFrame:
    """Return the table in the schema's column order, with given values as they were given."""
    columns: dict[str, pl.Series] = {}
    for column in schema.columns:
        columns[column.name] = values = table[column.name]
        if seeds is not None and column.name in seeds.columns:
            given = _as_given(seeds[column.name], values.dtype, column.name)
            columns[column.name] = pl.select(pl.when(given.is_not_null()).then(given).otherwise(values)).to_series()
    return pl.DataFrame(columns)


def _as_given(values: pl.Series, dtype: pl.DataType, name: str) -> pl.Series:
    cast = values.cast(dtype, strict=False)
    n_lost = cast.null_count() - values.null_count()
    if values.dtype.is_float() and dtype.is_integer():
        n_lost += int((values.is_not_null() & (values.round() != values)).sum())
    if n_lost:
        raise SchemaError(
            f"seed_data has {n_lost} values in {name!r} ({values.dtype}) that the column's type {dtype} does not hold. "
            "Convert them before."
        )
    return cast
