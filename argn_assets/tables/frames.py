"""The door for data frames: pandas, polars and pyarrow come in as polars, and leave as they came."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import polars as pl

from argn_assets.errors import SchemaError
from argn_assets.schema import ColumnSchema, FrameKind, TableSchema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Frame = pd.DataFrame | pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatch

_PLAIN: dict[str, pl.DataType] = {
    "bool": pl.Boolean(), "int8": pl.Int8(), "int16": pl.Int16(), "int32": pl.Int32(), "int64": pl.Int64(),
    "uint8": pl.UInt8(), "uint16": pl.UInt16(), "uint32": pl.UInt32(), "uint64": pl.UInt64(),
    "float32": pl.Float32(), "float64": pl.Float64(), "string": pl.String(), "categorical": pl.Categorical(),
    "date": pl.Date(), "null": pl.Null(),
}  # fmt: skip
_NAMES = {dtype: name for name, dtype in _PLAIN.items()}
_DATETIME = re.compile(r"datetime\[(ms|us|ns)(?:, (.+))?\]")


def frame_kind(frame: Any) -> FrameKind:
    """Return which library the frame is of; SchemaError for anything else."""
    module = type(frame).__module__.split(".")[0]
    if module in ("pandas", "polars", "pyarrow"):
        return module  # type: ignore[return-value]
    raise SchemaError(f"A table must be a pandas, polars or pyarrow table, not {type(frame).__name__}.")


def to_polars(frame: Frame) -> pl.DataFrame:
    """Return the frame as polars; NaN in pandas columns is a missing value, the index of pandas is left out.

    Raises:
        SchemaError: two columns share a name, a name is not text, or a column holds several types; names the column.
    """
    kind = frame_kind(frame)
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    if isinstance(frame, pl.DataFrame):
        return frame
    names = list(frame.columns) if kind == "pandas" else list(frame.schema.names)
    for name in names:
        if not isinstance(name, str):
            raise SchemaError(f"Column name {name!r} is not text. Rename it: df.columns = df.columns.astype(str).")
        if names.count(name) > 1:
            raise SchemaError(f"Column {name!r} stands {names.count(name)} times in the table. Rename or drop one.")
    if kind == "pandas":
        return pl.DataFrame([_from_pandas(frame[name], name) for name in names])
    converted = pl.from_arrow(frame)
    return converted if isinstance(converted, pl.DataFrame) else converted.to_frame()


def _from_pandas(column: Any, name: str) -> pl.Series:
    try:
        series = pl.from_pandas(column, nan_to_null=True)
    except Exception as error:  # pandas, pyarrow and polars each raise classes of their own here
        kinds = sorted({type(value).__name__ for value in column.dropna().head(1000)})
        raise SchemaError(
            f"Column {name!r} (pandas {column.dtype}) holds values of {' and '.join(kinds) or 'no known type'}; a "
            f"column needs one type. Convert it before, for instance df[{name!r}] = df[{name!r}].astype(str)."
        ) from error
    return series.alias(name)


def column_dtypes(frame: Frame) -> dict[str, tuple[str, str | None]]:
    """Return per column the logical dtype, and the frame library's own name where it says more.

    Raises:
        SchemaError: a column is nested, binary or of another type that no encoding takes; names column and type.
    """
    table, kind = to_polars(frame), frame_kind(frame)
    own: dict[str, str | None] = dict.fromkeys(table.columns)
    if kind == "pandas":
        own = {name: str(frame[name].dtype) for name in table.columns}
    elif kind == "pyarrow":
        own = {field.name: str(field.type) for field in frame.schema}  # type: ignore[union-attr]
    return {name: (dtype_name(dtype, name), own[name]) for name, dtype in table.schema.items()}


def dtype_name(dtype: pl.DataType, column: str) -> str:
    """Write a polars type as a word: `int32`, `datetime[us, Europe/Paris]`; SchemaError names the column."""
    if isinstance(dtype, pl.Datetime):
        return f"datetime[{dtype.time_unit}{f', {dtype.time_zone}' if dtype.time_zone else ''}]"
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return "categorical"
    if dtype in _NAMES:
        return _NAMES[dtype]
    raise SchemaError(
        f"Column {column!r} has the type {dtype}; columns may be {', '.join(_PLAIN)} or datetime. "
        "Convert it to one of these (nested columns: one column per field), or drop it."
    )


def dtype_named(name: str) -> pl.DataType:
    """Read a type that `dtype_name` wrote."""
    if match := _DATETIME.fullmatch(name):
        return pl.Datetime(match[1], match[2])  # type: ignore[arg-type]
    return _PLAIN[name]


def as_dtype(values: pl.Series, name: str) -> pl.Series:
    """Cast decoded values to the column's logical dtype, [B]."""
    if name == "null":
        return pl.Series(values.name, [None] * len(values), dtype=pl.Null)
    dtype = dtype_named(name)
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        utc = values.cast(pl.Datetime(dtype.time_unit)).dt.replace_time_zone("UTC")
        return utc.dt.convert_time_zone(dtype.time_zone)
    if dtype == pl.Boolean and values.dtype == pl.String:
        return values == "true"
    return values.cast(dtype, strict=False)


def from_polars(table: pl.DataFrame, schema: TableSchema) -> Any:
    """Return a table of the caller's kind with the caller's types; `table` holds logical dtypes."""
    if schema.frame_kind == "polars":
        return table
    if schema.frame_kind == "pyarrow":
        return _to_arrow(table, schema)
    import pandas as pd

    return pd.DataFrame({c.name: _to_pandas(table[c.name], c) for c in schema.columns if c.name in table.columns})


def _to_pandas(values: pl.Series, column: ColumnSchema) -> Any:
    import pandas as pd

    dtype = column.frame_dtype or "object"
    if dtype == "object":
        return pd.Series(values.to_list(), dtype=object)
    if values.null_count() and (values.dtype.is_integer() or values.dtype == pl.Boolean) and dtype[0].islower():
        # A numpy integer or boolean cannot hold the missing value; pandas has a type of its own for that.
        dtype = {"bool": "boolean"}.get(dtype, dtype.capitalize().replace("Uint", "UInt"))
    if dtype == "category":
        return values.cast(pl.String).to_pandas().astype("category")
    return values.to_pandas().astype(dtype)


def _to_arrow(table: pl.DataFrame, schema: TableSchema) -> Any:
    import pyarrow as pa

    arrow = table.to_arrow()
    fields = [(c.name, _arrow_type(c.frame_dtype)) for c in schema.columns if c.name in table.columns]
    columns = [arrow.column(name).cast(kind) if kind is not None else arrow.column(name) for name, kind in fields]
    return pa.table(columns, names=[name for name, _ in fields])


def _arrow_type(name: str | None) -> Any:
    """Read the text form of an Arrow type; None for one that polars gives back by itself."""
    import pyarrow as pa

    if name is None or name.startswith("dictionary"):
        return pa.dictionary(pa.int32(), pa.string()) if name else None
    if match := re.fullmatch(r"timestamp\[(\w+)(?:, tz=(.+))?\]", name):
        return pa.timestamp(match[1], match[2])
    aliases = {"double": "float64", "float": "float32", "halffloat": "float16"}
    return pa.type_for_alias(aliases.get(name, name))
