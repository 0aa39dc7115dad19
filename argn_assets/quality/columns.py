"""Three tables made comparable: the same columns in the same order, numbers as float64, everything else as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import polars as pl

from argn_assets.errors import DataError, SchemaError

Kind = Literal["number", "date", "time", "duration", "category"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AlignedTables:
    """Training, held-out and synthetic rows with equal columns.

    Attributes:
        kinds: the kind of every column, in the training table's order.
        training, synthetic: Float64 (numbers; microseconds for dates, times and durations) or String columns; null is
            the only missing value, NaN became null.
        holdout: likewise; None when no rows were held out.
        ignored: columns of the synthetic table that the training table lacks.
    """

    kinds: dict[str, Kind]
    training: pl.DataFrame
    holdout: pl.DataFrame | None
    synthetic: pl.DataFrame
    ignored: tuple[str, ...] = ()


def align_tables(
    training: pl.DataFrame,
    holdout: pl.DataFrame | None,
    synthetic: pl.DataFrame,
    *,
    name: str,
    keys: tuple[str, ...] = (),
) -> AlignedTables:
    """Bring three tables to the same columns and kinds; columns named in `keys` are left out.

    Raises:
        DataError: the training or the synthetic table has no rows, or only key columns.
        SchemaError: a column is missing, or holds numbers in one table and text in another.
    """
    if holdout is not None and holdout.height == 0:
        holdout = None
    columns = [column for column in training.columns if column not in keys]
    _check_rows(name, training, synthetic, columns)
    roles = {"training": training, "holdout": holdout, "synthetic": synthetic}
    tables = {role: table for role, table in roles.items() if table is not None}
    for role, table in tables.items():
        _check_columns(name, role, columns, table)
    kinds = {column: _common_kind(name, column, tables) for column in columns}
    aligned = {
        role: pl.DataFrame([_plain(table[column], kinds[column], training[column].dtype) for column in columns])
        for role, table in tables.items()
    }
    return AlignedTables(
        kinds=kinds,
        training=aligned["training"],
        holdout=aligned.get("holdout"),
        synthetic=aligned["synthetic"],
        ignored=tuple(column for column in synthetic.columns if column not in training.columns),
    )


def _check_rows(name: str, training: pl.DataFrame, synthetic: pl.DataFrame, columns: list[str]) -> None:
    if training.height == 0:
        raise DataError(f"Table {name!r}: the training table has 0 rows. A report needs at least one real row.")
    if synthetic.height == 0:
        raise DataError(
            f"Table {name!r}: the synthetic table has 0 rows. Generate at least one row before asking for a report."
        )
    if not columns:
        raise DataError(
            f"Table {name!r} has only key columns; there is no value to compare. Leave it out of the report."
        )


def _check_columns(name: str, role: str, columns: list[str], table: pl.DataFrame) -> None:
    lacking = [column for column in columns if column not in table.columns]
    if lacking:
        raise SchemaError(
            f"Table {name!r}: the {role} table lacks {', '.join(map(repr, lacking))}. "
            "It must have every column of the training table; generate it again, or name the columns as keys."
        )


def _common_kind(name: str, column: str, tables: dict[str, pl.DataFrame]) -> Kind:
    found = {role: _kind(table[column].dtype) for role, table in tables.items()}
    kinds = [kind for kind in found.values() if kind is not None]
    if not kinds:
        return "category"
    for role, kind in found.items():
        if kind is not None and kind != kinds[0]:
            raise SchemaError(
                f"Table {name!r}, column {column!r}: {tables[role][column].dtype} in the {role} table, "
                f"{tables['training'][column].dtype} in the training table. Convert it to the training table's type."
            )
    return kinds[0]


def _kind(dtype: pl.DataType) -> Kind | None:
    """The kind of a type; None for a column without values, which takes the kind it has in the other tables."""
    if dtype == pl.Null:
        return None
    if dtype.is_numeric():
        return "number"
    if dtype in (pl.Date, pl.Datetime):
        return "date"
    if dtype == pl.Time:
        return "time"
    return "duration" if dtype == pl.Duration else "category"


def _plain(series: pl.Series, kind: Kind, like: pl.DataType) -> pl.Series:
    """The column as Float64 (missing is null) or String."""
    if series.dtype == pl.Null:
        return series.cast(pl.String if kind == "category" else pl.Float64)
    if kind == "category":
        return _text(series)
    if kind == "number":
        return series.cast(pl.Float64).fill_nan(None)
    if kind == "date":
        return _wall_clock(series, like).to_physical().cast(pl.Float64)
    if kind == "time":
        return (series.to_physical() // 1000).cast(pl.Float64)
    return series.cast(pl.Duration("us")).to_physical().cast(pl.Float64)


def _wall_clock(series: pl.Series, like: pl.DataType) -> pl.Series:
    """Dates as naive microseconds of the training column's time zone, as people there read the clock."""
    if not isinstance(series.dtype, pl.Datetime):
        return series.cast(pl.Datetime("us"))
    if series.dtype.time_zone is not None:
        if isinstance(like, pl.Datetime) and like.time_zone is not None:
            series = series.dt.convert_time_zone(like.time_zone)
        series = series.dt.replace_time_zone(None)
    return series.dt.cast_time_unit("us")


def _text(series: pl.Series) -> pl.Series:
    if series.dtype == pl.Binary:
        return series.bin.encode("hex")
    if series.dtype.is_nested():
        text = series.to_frame("value").select(pl.struct("value").struct.json_encode()).to_series()
        return pl.select(pl.when(series.is_not_null()).then(text).alias(series.name)).to_series()
    if series.dtype == pl.Object:
        return pl.Series(series.name, [None if value is None else str(value) for value in series], dtype=pl.String)
    return series.cast(pl.String)
