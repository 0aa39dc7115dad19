"""The door for data frames: pandas, polars and pyarrow come in as polars, and leave as they came."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, datetime
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from argn_assets.errors import SchemaError
from argn_assets.schema import ColumnSchema, FrameKind, TableSchema

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Frame: TypeAlias = pd.DataFrame | pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatch

_PLAIN: dict[str, pl.DataType] = {
    "bool": pl.Boolean(), "int8": pl.Int8(), "int16": pl.Int16(), "int32": pl.Int32(), "int64": pl.Int64(),
    "uint8": pl.UInt8(), "uint16": pl.UInt16(), "uint32": pl.UInt32(), "uint64": pl.UInt64(),
    "float32": pl.Float32(), "float64": pl.Float64(), "string": pl.String(), "categorical": pl.Categorical(),
    "date": pl.Date(), "null": pl.Null(),
}  # fmt: skip
if hasattr(pl, "Float16"):
    _PLAIN["float16"] = pl.Float16()
_NAMES = {dtype: name for name, dtype in _PLAIN.items()}
_DATETIME = re.compile(r"datetime\[(ms|us|ns)(?:, (.+))?\]")
_FRAMES = {
    ("pandas", "DataFrame"), ("polars", "DataFrame"), ("polars", "LazyFrame"), ("pyarrow", "Table"),
    ("pyarrow", "RecordBatch"),
}  # fmt: skip
_NS_ENDS = (-9_223_372_036_854, 9_223_372_036_854)  # the milliseconds that nanoseconds in 64 bits can say
_WAYS_OUT = {
    "Decimal": "Cast it to float64, or to a whole number of its smallest unit",
    "Duration": "Turn it into a number, for instance of seconds",
    "Time": "Turn it into a number, for instance of seconds since midnight",
    "Binary": "Decode it to text",
    "List": "Write one column per field or one row per element",
    "Array": "Write one column per element",
    "Struct": "Write one column per field",
    "Int128": "Cast it to int64 or to text",
    "UInt128": "Cast it to uint64 or to text",
}


def frame_kind(frame: Any) -> FrameKind:
    """Return which library the frame is of; SchemaError for anything else."""
    for base in type(frame).__mro__:
        library = base.__module__.split(".")[0]
        if (library, base.__name__) in _FRAMES:
            return library  # type: ignore[return-value]
    raise SchemaError(
        f"A table must be a pandas, polars or pyarrow table, not {type(frame).__module__}.{type(frame).__name__}."
    )


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
    source: Any = frame
    names = list(source.columns) if kind == "pandas" else list(source.schema.names)
    for name in names:
        if not isinstance(name, str):
            raise SchemaError(f"Column name {name!r} is not text. Rename it: df.columns = df.columns.astype(str).")
        if names.count(name) > 1:
            raise SchemaError(f"Column {name!r} stands {names.count(name)} times in the table. Rename or drop one.")
    if kind == "pandas":
        return pl.DataFrame({name: _from_pandas(source[name], name) for name in names})
    return pl.DataFrame({name: _from_arrow(source.column(name), name) for name in names})


def _from_arrow(column: Any, name: str) -> pl.Series:
    try:
        series: Any = pl.from_arrow(column)
    except Exception as error:  # pyarrow and polars each raise classes of their own here
        raise SchemaError(
            f"Column {name!r} has the Arrow type {column.type}, which cannot be read: {type(error).__name__}. "
            "Cast it to a number, text, boolean, date or timestamp, or drop it."
        ) from error
    return pl.Series(name, series)


def _from_pandas(column: Any, name: str) -> pl.Series:
    kinds = _kinds(column) if column.dtype == object else []
    if column.dtype == object and not kinds:
        return pl.Series(name, [None] * len(column), dtype=pl.Null)
    try:
        # Dates among times would silently lose the time, so what holds several kinds is refused here.
        series = pl.from_pandas(column, nan_to_null=True) if len(kinds) < 2 else None
    except Exception as error:  # pandas, pyarrow and polars each raise classes of their own here
        raise _unreadable(column, name, kinds) from error
    if series is None:
        raise _unreadable(column, name, kinds)
    return pl.Series(name, series)


def _kinds(column: Any) -> list[str]:
    """Return the kinds of values in a pandas column of objects, in words."""
    found = set()
    for kind in set(map(type, column.dropna())):
        families = {bool: "bool", Real: "number", str: "str", datetime: "datetime", date: "date"}
        word = next((word for family, word in families.items() if issubclass(kind, family)), kind.__name__)
        found.add("bool" if word == "bool_" else word)
    return sorted(found)


def _unreadable(column: Any, name: str, kinds: list[str]) -> SchemaError:
    held = f"values of {' and '.join(kinds)}" if kinds else "values that cannot be read"
    return SchemaError(
        f"Column {name!r} (pandas {column.dtype}) holds {held}; a column needs one type, of numbers, text, booleans or "
        f"times. Convert it before, for instance df[{name!r}] = df[{name!r}].astype(str)."
    )


def column_dtypes(frame: Frame, table: pl.DataFrame | None = None) -> dict[str, tuple[str, str | None]]:
    """Return per column the logical dtype, and the frame library's own name where it says more.

    Args:
        frame: the caller's table.
        table: the same as polars, where it has been converted already.
    Raises:
        SchemaError: a column is nested, binary or of another type that no encoding takes; names column and type.
    """
    table, kind = to_polars(frame) if table is None else table, frame_kind(frame)
    source: Any = frame
    own: dict[str, str | None]
    if kind == "pandas":
        own = {name: _pandas_name(source[name].dtype) for name in table.columns}
    elif kind == "pyarrow":
        own = {field.name: str(field.type) for field in source.schema}
    else:
        own = {
            n: enum_name(t.categories.to_list()) if isinstance(t, pl.Enum) else None for n, t in table.schema.items()
        }
    return {name: (dtype_name(dtype, name), own[name]) for name, dtype in table.schema.items()}


def _pandas_name(dtype: Any) -> str:
    """Write a pandas type so that `_to_pandas` can read it; where its own name is that of two types, say which."""
    import pandas as pd

    if isinstance(dtype, pd.ArrowDtype):
        return f"arrow {dtype.pyarrow_dtype}"
    if isinstance(dtype, pd.StringDtype) and str(dtype) == "string" and dtype.storage == "python":
        return "string[python]"
    return str(dtype)


def enum_name(categories: Sequence[str]) -> str:
    """Write a polars Enum with the categories that its type declares.

    >>> enum_name(["low", "high"])
    'enum ["low", "high"]'
    """
    return f"enum {json.dumps(list(categories), ensure_ascii=False)}"


def enum_categories(column: ColumnSchema) -> list[str] | None:
    """Return the categories of a column that was a polars Enum, in its order; None for another column."""
    if column.frame_dtype is None or not column.frame_dtype.startswith("enum "):
        return None
    categories: list[str] = json.loads(column.frame_dtype.removeprefix("enum "))
    return categories


def dtype_name(dtype: pl.DataType, column: str) -> str:
    """Write a polars type as a word: `int32`, `datetime[us, Europe/Paris]`; SchemaError names the column."""
    if isinstance(dtype, pl.Datetime):
        return f"datetime[{dtype.time_unit}{f', {dtype.time_zone}' if dtype.time_zone else ''}]"
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return "categorical"
    if dtype in _NAMES:
        return _NAMES[dtype]
    way_out = _WAYS_OUT.get(str(dtype.base_type()), "Convert it to one of these")
    raise SchemaError(
        f"Column {column!r} has the type {dtype}; columns may be {', '.join(_PLAIN)} or datetime. "
        f"{way_out}, or drop it."
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
    if isinstance(dtype, pl.Datetime):
        return _as_datetime(values, dtype)
    if values.dtype == pl.String and dtype == pl.Boolean:
        return values == "true"
    if values.dtype == pl.String and dtype == pl.Date:
        return values.str.to_date("%Y-%m-%d", strict=False)
    return values.cast(dtype, strict=False)


def _as_datetime(values: pl.Series, dtype: pl.Datetime) -> pl.Series:
    """Cast UTC moments, or their ISO text, to a unit and time zone, [B]."""
    if values.dtype == pl.String:
        utc = values.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit=dtype.time_unit, strict=False)
    elif values.dtype == pl.Datetime("ms") and dtype.time_unit == "ns":
        # The first moment that nanoseconds can say has no whole millisecond at or before it.
        utc = values.cast(pl.Int64).clip(*_NS_ENDS).cast(pl.Datetime("ms")).cast(pl.Datetime("ns"))
    else:
        utc = values.cast(pl.Datetime(dtype.time_unit))
    if dtype.time_zone is None:
        return utc
    return utc.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)


def from_polars(table: pl.DataFrame, schema: TableSchema) -> Any:
    """Return a table of the caller's kind with the caller's types; `table` holds logical dtypes."""
    if schema.frame_kind == "polars":
        # A given value that the Enum does not have becomes null.
        return table.with_columns(
            pl.col(column.name).cast(pl.String).cast(pl.Enum(categories), strict=False)
            for column in _columns_of(table, schema)
            if (categories := enum_categories(column)) is not None
        )
    if schema.frame_kind == "pyarrow":
        return _to_arrow(table, schema)
    import pandas as pd

    return pd.DataFrame({c.name: _to_pandas(table[c.name], c) for c in _columns_of(table, schema)})


def _columns_of(table: pl.DataFrame, schema: TableSchema) -> list[ColumnSchema]:
    present = set(table.columns)
    return [column for column in schema.columns if column.name in present]


def _to_pandas(values: pl.Series, column: ColumnSchema) -> Any:
    import pandas as pd

    dtype = column.frame_dtype or "object"
    if dtype == "object":
        return pd.Series(values.to_list(), dtype=object)
    if dtype.startswith("arrow "):
        kind = _arrow_type(dtype.removeprefix("arrow "))
        return pd.Series(pd.array(_cast(values.to_arrow(), kind), dtype=pd.ArrowDtype(kind)))
    if dtype == "category":
        if values.dtype == pl.Categorical:
            return values.cast(pl.String).to_pandas().astype("category")
        return pd.Series(pd.Categorical(values.to_list()))  # pandas would turn integers beside a null into floats
    if values.null_count() and re.fullmatch(r"bool|u?int\d+", dtype):
        # A numpy integer or boolean cannot hold the missing value; pandas has a type of its own for that.
        dtype = {"bool": "boolean"}.get(dtype, dtype.capitalize().replace("Uint", "UInt"))
    # By way of Arrow, because polars would turn integers beside a null into floats.
    through_arrow = bool(values.null_count()) and values.dtype.is_integer()
    converted: Any = values.to_pandas(use_pyarrow_extension_array=through_arrow)
    return converted.astype(dtype)


def _to_arrow(table: pl.DataFrame, schema: TableSchema) -> Any:
    import pyarrow as pa

    arrow = table.to_arrow()
    fields = {c.name: _arrow_type(str(c.frame_dtype)) for c in _columns_of(table, schema)}
    return pa.table([_cast(arrow.column(name), kind) for name, kind in fields.items()], names=list(fields))


def _cast(column: Any, kind: Any) -> Any:
    """Cast an Arrow column to the caller's type, dictionaries of numbers and times included."""
    import pyarrow as pa

    is_plain = not pa.types.is_dictionary(kind) or pa.types.is_dictionary(column.type)
    return column.cast(kind) if is_plain else column.cast(kind.value_type).dictionary_encode().cast(kind)


def _arrow_type(name: str) -> Any:
    """Read the text form of an Arrow type."""
    import pyarrow as pa

    if match := re.fullmatch(r"dictionary<values=(.+), indices=(\w+), ordered=(\d)>", name):
        return pa.dictionary(_arrow_type(match[2]), _arrow_type(match[1]), ordered=match[3] == "1")
    if match := re.fullmatch(r"timestamp\[(\w+)(?:, tz=(.+))?\]", name):
        return pa.timestamp(match[1], match[2])
    aliases = {"double": "float64", "float": "float32", "halffloat": "float16"}
    return pa.type_for_alias(aliases.get(name, name))
