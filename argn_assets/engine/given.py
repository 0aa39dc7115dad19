"""Given values: encoded as what generating starts from, and put back verbatim."""

from __future__ import annotations

import numpy as np
import polars as pl

from argn_assets.artifact import ModelArtifact
from argn_assets.encodings.base import encoding_named
from argn_assets.encodings.datetime_relative import DatetimeRelativeStats
from argn_assets.engine.generate import Given
from argn_assets.errors import ConfigError, SchemaError
from argn_assets.schema import TableSchema
from argn_assets.tables.dtypes import TICKED, dtype_named
from argn_assets.tables.encode import encode_table
from argn_assets.tables.stats import TableStats


def check_given(artifact: ModelArtifact, seeds: pl.DataFrame) -> None:
    """Refuse given values that `given_from_seed` would refuse in any cut of their rows; its errors."""
    given_from_seed(artifact, seeds[:0], 0)
    if not artifact.enable_flexible_generation:
        _check_order(_observed(seeds, list(artifact.tgt_stats.columns)), list(artifact.tgt_stats.columns))


def given_from_seed(artifact: ModelArtifact, seeds: pl.DataFrame | None, n_rows: int) -> Given:
    """Return what is given of the target's columns: nothing, or the values of `seeds`, n_rows rows.

    Raises:
        SchemaError: a column cannot be read as the type it had.
        ConfigError: a fixed-order model is given columns other than its first ones.
    """
    stats = artifact.tgt_stats
    layout = stats.sub_columns()
    n_sub_columns = sum(len(subs) for subs in layout.values())
    if seeds is None:
        observed, offered = np.zeros((len(layout), n_rows), dtype=bool), np.zeros(len(layout), dtype=bool)
        return Given(np.zeros((n_sub_columns, n_rows), dtype=np.uint16), observed, offered)
    observed = _observed(seeds, list(layout))
    offered = np.array([name in seeds.columns for name in layout], dtype=bool)
    columns: dict[str, pl.Series] = {}
    for name in layout:
        missing = pl.Series([None] * n_rows, dtype=dtype_named(stats.schema.column(name).dtype))
        columns[name] = seeds[name] if name in seeds.columns else missing
    if not artifact.enable_flexible_generation:
        _check_order(observed, list(layout))
        # The columns up to the last offered one: what was trained in the table's order is generated in it.
        offered = np.logical_or.accumulate(offered[::-1])[::-1]
    if artifact.is_sequential:  # rows of one key stand together already
        key = str(stats.schema.context_key)
        columns[key] = seeds[key]
        if artifact.enable_flexible_generation:
            observed &= ~_ends_of_unknown_gaps(seeds, stats)
    return Given(encode_table(pl.DataFrame(columns), stats).codes.astype(np.uint16), observed, offered)


def _ends_of_unknown_gaps(seeds: pl.DataFrame, stats: TableStats) -> np.ndarray:
    """Return which columns of which rows hold a time that counts from one that is missing, [C, N].

    Their codes would say the time from the last one that is given, as if no row lay between. Gaps are drawn instead,
    and `times_from_given` fits them to what is given.
    """
    found = np.zeros((len(stats.columns), len(seeds)), dtype=bool)
    follows = pl.col(str(stats.schema.context_key)) == pl.col(str(stats.schema.context_key)).shift(1)
    for place, (name, own) in enumerate(stats.columns.items()):
        if isinstance(own, DatetimeRelativeStats) and name in seeds.columns:
            before_is_missing = pl.col(name).shift(1).is_null() & follows
            found[place] = seeds.select(before_is_missing.fill_null(value=False)).to_series().to_numpy()
    return found


def _observed(seeds: pl.DataFrame, names: list[str]) -> np.ndarray:
    """Return which columns of which rows are given, [C, N]."""
    observed = np.zeros((len(names), len(seeds)), dtype=bool)
    for place, name in enumerate(names):
        if name in seeds.columns:
            observed[place] = seeds[name].is_not_null().to_numpy()
    return observed


def _check_order(observed: np.ndarray, names: list[str]) -> None:
    """Refuse given values that are not the first columns of their row, in the table's order."""
    gap = np.diff(observed.astype(np.int8), axis=0) > 0
    if gap.any():
        column = names[int(np.argmax(gap.any(axis=1))) + 1]
        raise ConfigError(
            f"The model was trained in a fixed order of columns, so only its first columns can be given; {column!r} "
            f"was given without all before it. The order: {', '.join(names)}. Train with any_order=True to give any."
        )


def seeds_in_types(seeds: pl.DataFrame | None, stats: TableStats) -> pl.DataFrame | None:
    """Return given values in the types of their columns, each one as it was given.

    Raises:
        SchemaError: there are columns that the table does not have, or values that a column's type does not hold.
    """
    if seeds is None:
        return None
    known = {column.name: column for column in stats.schema.columns}
    strange = [name for name in seeds.columns if name not in known]
    if strange:
        raise SchemaError(f"seed_data has {', '.join(strange)}, which the table does not have: {', '.join(known)}.")
    typed = []
    for name in seeds.columns:
        values, own, dtype = seeds[name], stats.columns.get(name), dtype_named(known[name].dtype)
        if own is not None and dtype == pl.String and values.dtype != pl.String:
            values = encoding_named(own.NAME).texts(values, own)
        typed.append(_as_given(values, dtype))
    return seeds.with_columns(typed)


def restore_seed(table: pl.DataFrame, seeds: pl.DataFrame | None, schema: TableSchema) -> pl.DataFrame:
    """Return the table in the schema's column order, with given values, in their columns' types, as they were given."""
    columns: dict[str, pl.Series] = {}
    for column in schema.columns:
        columns[column.name] = values = table[column.name]
        if seeds is not None and column.name in seeds.columns:
            given = seeds[column.name]
            columns[column.name] = pl.select(pl.when(given.is_not_null()).then(given).otherwise(values)).to_series()
    return pl.DataFrame(columns)


def _as_given(values: pl.Series, dtype: pl.DataType) -> pl.Series:
    """Return values in another type that holds every one of them, [N]."""
    if values.dtype == dtype or values.null_count() == len(values):
        return values.cast(dtype, strict=False)
    found = f"seed_data has the type {values.dtype} in {values.name!r}, whose type is {dtype}"
    if dtype.is_temporal() and dtype not in TICKED and not values.dtype.is_temporal():
        raise SchemaError(f"{found}. Convert the values to dates or times before.")
    zones = [kind.time_zone for kind in (values.dtype, dtype) if isinstance(kind, pl.Datetime)]
    if len(zones) == 2 and (zones[0] is None) != (zones[1] is None):
        raise SchemaError(f"{found}: only one of the two has a time zone. Add it to the values, or take it from them.")
    try:
        cast = values.cast(dtype, strict=False)
        n_lost = cast.null_count() - values.null_count()
        if not (dtype.is_float() or dtype in (pl.String, pl.Categorical) or values.dtype == pl.String):
            n_lost += int((cast.is_not_null() & (cast.cast(values.dtype) != values)).sum())
    except pl.exceptions.PolarsError as error:
        raise SchemaError(f"{found}. Convert the values before.") from error
    if n_lost:
        raise SchemaError(
            f"seed_data has {n_lost} values in {values.name!r} ({values.dtype}) that the column's type {dtype} does "
            "not hold. Convert them before."
        )
    return cast
