"""The door for data frames: pandas, polars and pyarrow come in as polars, and leave as they came."""

from __future__ import annotations

import re
from collections import Counter
from datetime import date, datetime
from numbers import Real
from typing import TYPE_CHECKING, Any, TypeAlias

import polars as pl

from argn_assets.errors import SchemaError
from argn_assets.imports import importing
from argn_assets.schema import ColumnSchema, FrameKind, TableSchema
from argn_assets.tables.categories import Categories, categories_name, category_kind, declared_categories
from argn_assets.tables.dtypes import dtype_name

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

    Frame: TypeAlias = pd.DataFrame | pl.DataFrame | pl.LazyFrame | pa.Table | pa.RecordBatch

# What pyarrow, pandas and polars raise on what they cannot read; a panic of polars is no `Exception`.
_ERRORS = (Exception, pl.exceptions.PanicException)
_FRAMES = {
    ("pandas", "DataFrame"), ("polars", "DataFrame"), ("polars", "LazyFrame"), ("pyarrow", "Table"),
    ("pyarrow", "RecordBatch"),
}  # fmt: skip


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
    for name, n_times in Counter(names).items():
        if not isinstance(name, str):
            raise SchemaError(f"Column name {name!r} is not text. Rename it: df.columns = df.columns.astype(str).")
        if n_times > 1:
            raise SchemaError(f"Column {name!r} stands {n_times} times in the table. Rename or drop one.")
    if kind == "pandas":
        return pl.DataFrame({name: _from_pandas(source[name], name) for name in names})
    return pl.DataFrame({name: _from_arrow(source.column(name), name) for name in names})


def _from_arrow(column: Any, name: str) -> pl.Series:
    import pyarrow as pa

    try:
        if _is_text(column.type):
            column.validate(full=True)  # polars would take bytes for text that are none, and break on them later
        if pa.types.is_decimal256(column.type):
            column = column.cast(pa.decimal128(38, column.type.scale))
        series: Any = pl.from_arrow(column)
    except _ERRORS as error:
        raise SchemaError(
            f"Column {name!r} has the Arrow type {column.type}, which cannot be read: {_said(error)}. "
            "Cast it to a number, text in UTF-8, boolean, date or timestamp, or drop it."
        ) from error
    return pl.Series(name, series)


def _is_text(kind: Any) -> bool:
    import pyarrow as pa

    if pa.types.is_dictionary(kind):
        return _is_text(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind))


def _from_pandas(column: Any, name: str) -> pl.Series:
    import pandas as pd
    import pyarrow as pa

    if isinstance(column.dtype, pd.ArrowDtype):
        return _from_arrow(pa.chunked_array(pa.array(column.array)), name)
    column = _without_pandas_own(column)
    kinds = _kinds(column) if column.dtype == object else []
    if column.dtype == object and not kinds:
        return pl.Series(name, [None] * len(column), dtype=pl.Null)
    if len(kinds) > 1 or kinds == ["UUID"]:
        # Dates among times would silently lose the time, so what holds several kinds is refused here. UUIDs would be
        # read as their sixteen bytes.
        raise _unreadable(column, name, kinds, f"values of {' and '.join(kinds)}")
    try:
        series: Any = pl.from_pandas(column, nan_to_null=True)
    except _ERRORS as error:
        held = f"{''.join(kinds) or 'values'} that cannot be read ({_said(error)})"
        raise _unreadable(column, name, kinds, held) from error
    if isinstance(series.dtype, pl.Decimal) and kinds:
        # The digits of Python's decimals are those of the largest: another batch would have another precision.
        series = series.cast(pl.Decimal(38, series.dtype.scale))
    return pl.Series(name, series)


def _without_pandas_own(column: Any) -> Any:
    """Return a column without what only pandas has: sparse values as all values, a fixed offset from UTC as UTC."""
    import pandas as pd

    if isinstance(column.dtype, pd.SparseDtype):
        return column.sparse.to_dense()
    if isinstance(column.dtype, pd.DatetimeTZDtype) and column.dtype.tz.utcoffset(None):
        return column.dt.tz_convert("UTC")
    return column


def _kinds(column: Any) -> list[str]:
    """Return the kinds of values in a pandas column of objects, in words."""
    found = set()
    for kind in set(map(type, column.dropna())):
        families = {bool: "bool", Real: "number", str: "str", datetime: "datetime", date: "date"}
        word = next((word for family, word in families.items() if issubclass(kind, family)), kind.__name__)
        found.add("bool" if word == "bool_" else word)
    return sorted(found)


def _said(error: BaseException) -> str:
    """Say what is wrong without the message, which may quote a value."""
    if isinstance(error, OverflowError):
        return "beyond 64 bits"
    is_encoded_otherwise = isinstance(error, UnicodeError) or "UTF8" in str(error)
    return "not UTF-8" if is_encoded_otherwise else type(error).__name__


def _unreadable(column: Any, name: str, kinds: list[str], held: str) -> SchemaError:
    way_out = f"df[{name!r}].astype(str)"
    if "bytes" in kinds:
        way_out = f"df[{name!r}].map(lambda v: v.decode() if isinstance(v, bytes) else v)"
    elif kinds == ["str"]:
        way_out = f"df[{name!r}].str.encode('utf-8', 'replace').str.decode('utf-8')"
    return SchemaError(
        f"Column {name!r} (pandas {column.dtype}) holds {held}; a column needs one type, of numbers, text, booleans or "
        f"times. Convert it before, for instance df[{name!r}] = {way_out}, or drop it."
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
            name: categories_name("enum", dtype.categories.to_list()) if isinstance(dtype, pl.Enum) else None
            for name, dtype in table.schema.items()
        }
    return {name: (dtype_name(dtype, name), own[name]) for name, dtype in table.schema.items()}


def _pandas_name(dtype: Any) -> str:
    """Write a pandas type so that `_to_pandas` can read it; where its own name is that of two types, say which."""
    import pandas as pd
    import pyarrow as pa

    if isinstance(dtype, pd.ArrowDtype):
        return f"arrow {dtype.pyarrow_dtype}"
    if isinstance(dtype, pd.DatetimeTZDtype):
        # Several libraries have time zones; Arrow writes all of them in the form that pandas reads.
        return f"datetime64[{dtype.unit}, {pa.lib.tzinfo_to_string(dtype.tz)}]"
    if isinstance(dtype, pd.CategoricalDtype):
        return categories_name("ordered category" if dtype.ordered else "category", dtype.categories.tolist())
    if isinstance(dtype, pd.StringDtype) and str(dtype) == "string" and dtype.storage == "python":
        return "string[python]"
    return str(dtype)


def from_polars(table: pl.DataFrame, schema: TableSchema) -> Any:
    """Return a table of the caller's kind with the caller's types; `table` holds logical dtypes."""
    if schema.frame_kind == "polars":
        return table.with_columns(
            (texts := table[column.name].cast(pl.String)).cast(pl.Enum(_with_others(categories, texts)))
            for column in _columns_of(table, schema)
            if (categories := declared_categories(column)) is not None
        )
    if schema.frame_kind == "pyarrow":
        return _to_arrow(table, schema)
    with importing("pandas"):
        import pandas as pd

    return pd.DataFrame({c.name: _to_pandas(table[c.name], c) for c in _columns_of(table, schema)})


def _columns_of(table: pl.DataFrame, schema: TableSchema) -> list[ColumnSchema]:
    present = set(table.columns)
    return [column for column in schema.columns if column.name in present]


def _to_pandas(values: pl.Series, column: ColumnSchema) -> Any:
    """Return a column as an array, or a Series, that pandas takes into a table as it is."""
    import pandas as pd

    dtype = column.frame_dtype or "object"
    if dtype == "str":
        return pd.array(values.to_arrow(), dtype="str")
    if dtype == column.dtype and values.dtype.is_numeric() and not values.null_count():
        return values.to_numpy()
    if dtype == "object":
        return pd.Series(values.to_list(), dtype=object)
    if dtype.startswith("arrow "):
        kind = _arrow_type(dtype.removeprefix("arrow "))
        return pd.Series(pd.array(_cast(values.to_arrow(), kind), dtype=pd.ArrowDtype(kind)))
    if category_kind(column) is not None:
        return pd.Series(_as_category(values, column))
    if values.null_count() and re.fullmatch(r"bool|u?int\d+", dtype):
        # A numpy integer or boolean cannot hold the missing value; pandas has a type of its own for that.
        dtype = {"bool": "boolean"}.get(dtype, dtype.capitalize().replace("Uint", "UInt"))
    # By way of Arrow, because polars would turn integers beside a null into floats.
    through_arrow = bool(values.null_count()) and values.dtype.is_integer()
    converted: Any = values.to_pandas(use_pyarrow_extension_array=through_arrow)
    return converted.astype(dtype)


def _as_category(values: pl.Series, column: ColumnSchema) -> Any:
    import pandas as pd

    ordered, declared = category_kind(column) == "ordered category", declared_categories(column)
    if column.dtype == "categorical":  # a column without any value may have lost it
        values = values.cast(pl.Categorical)
    if values.dtype != pl.Categorical:
        # By way of a list, because pandas would turn integers beside a null into floats.
        listed = None if declared is None else pd.Index(_with_others(declared, values), dtype=column.dtype)
        return pd.Categorical(values.to_list(), categories=listed, ordered=ordered)
    texts = _with_others(declared or [], values.unique().cast(pl.String))
    codes: Any = values.cast(pl.Enum(texts), strict=False).to_physical().cast(pl.Int32).fill_null(-1).to_numpy()
    return pd.Categorical.from_codes(codes, categories=pd.Index(texts), ordered=ordered)


def _with_others(declared: Categories, values: pl.Series) -> Categories:
    """Return declared categories, and after them, ascending, the values that are none of them: given ones may be."""
    known = set(declared)
    others = [value for value in values.drop_nulls().unique().sort().to_list() if value not in known]
    return [*declared, *others]


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
    if match := re.fullmatch(r"decimal(\d+)\((\d+), (\d+)\)", name):
        kind = getattr(pa, f"decimal{match[1]}")
        return kind(int(match[2]), int(match[3]))
    aliases = {"double": "float64", "float": "float32", "halffloat": "float16"}
    return pa.type_for_alias(aliases.get(name, name))
