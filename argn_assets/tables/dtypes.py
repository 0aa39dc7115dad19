"""The types of columns as words, and values as these types: what stands between a caller's frame and the encodings.

Decimals, durations and times of day are whole numbers under another name. `as_ticks` gives them to the encodings as
such, in units of their last decimal or of their time unit, and `as_dtype` gives the type back.
"""

from __future__ import annotations

import re
from typing import Any

import polars as pl

from argn_assets.errors import SchemaError

_PLAIN: dict[str, pl.DataType] = {
    "bool": pl.Boolean(), "int8": pl.Int8(), "int16": pl.Int16(), "int32": pl.Int32(), "int64": pl.Int64(),
    "uint8": pl.UInt8(), "uint16": pl.UInt16(), "uint32": pl.UInt32(), "uint64": pl.UInt64(),
    "float32": pl.Float32(), "float64": pl.Float64(), "string": pl.String(), "categorical": pl.Categorical(),
    "date": pl.Date(), "time": pl.Time(), "null": pl.Null(),
}  # fmt: skip
if hasattr(pl, "Float16"):
    _PLAIN["float16"] = pl.Float16()
_NAMES = {dtype: name for name, dtype in _PLAIN.items()}
_DATETIME = re.compile(r"datetime\[(ms|us|ns)(?:, (.+))?\]")
_DURATION = re.compile(r"duration\[(ms|us|ns)\]")
_DECIMAL = re.compile(r"decimal\[(\d+), (\d+)\]")
TICKED = (pl.Decimal, pl.Duration, pl.Time)
_WIDEST_DECIMAL = 38  # digits that 128 bits hold
_NS_ENDS = (-9_223_372_036_854, 9_223_372_036_854)  # the milliseconds that nanoseconds in 64 bits can say
_WAYS_OUT = {
    "Binary": "Decode it to text",
    "List": "Write one column per field or one row per element",
    "Array": "Write one column per element",
    "Struct": "Write one column per field",
    "Map": "Write one column per key",
    "Extension": "Cast it to the type that it is stored as, or to text",
    "Int128": "Cast it to int64 or to text",
    "UInt128": "Cast it to uint64 or to text",
}


def dtype_name(dtype: pl.DataType, column: str) -> str:
    """Write a polars type as a word: `int32`, `decimal[10, 2]`, `datetime[us, Europe/Paris]`.

    Raises:
        SchemaError: values of this type are nested, binary or else no single number, text, boolean or time; names
            column and type, and the way out.
    """
    if isinstance(dtype, pl.Datetime):
        return f"datetime[{dtype.time_unit}{f', {dtype.time_zone}' if dtype.time_zone else ''}]"
    if isinstance(dtype, pl.Duration):
        return f"duration[{dtype.time_unit}]"
    if isinstance(dtype, pl.Decimal):
        return f"decimal[{dtype.precision or _WIDEST_DECIMAL}, {dtype.scale}]"
    if isinstance(dtype, pl.Enum | pl.Categorical):
        return "categorical"
    if dtype in _NAMES:
        return _NAMES[dtype]
    way_out = _WAYS_OUT.get(str(dtype.base_type()), "Cast it to one of these")
    raise SchemaError(
        f"Column {column!r} has the type {dtype}, which no encoding takes: a value is a number, a text, a boolean, a "
        f"date, a time or a length of time. {way_out}, or leave the column out (`role: drop` in a declared data set)."
    )


def dtype_named(name: str) -> pl.DataType:
    """Read a type that `dtype_name` wrote."""
    if match := _DATETIME.fullmatch(name):
        return pl.Datetime(match[1], match[2])  # type: ignore[arg-type]
    if match := _DURATION.fullmatch(name):
        return pl.Duration(match[1])  # type: ignore[arg-type]
    if match := _DECIMAL.fullmatch(name):
        return pl.Decimal(int(match[1]), int(match[2]))
    return _PLAIN[name]


def as_ticks(values: pl.Series, dtype: pl.DataType | None = None) -> pl.Series:
    """Return decimals, durations and times of day as whole numbers, [B] of Int64; any other column as it is.

    Args:
        values: the column.
        dtype: the type that says the unit; None is the column's own. Values of another type are cast to it.
    Raises:
        SchemaError: a decimal, in units of its last decimal, is beyond 64 bits.

    >>> from decimal import Decimal
    >>> as_ticks(pl.Series([Decimal("0.29"), None, Decimal("-2.00")])).to_list()
    [29, None, -200]
    """
    dtype = dtype or values.dtype
    if not isinstance(dtype, TICKED):
        return values
    ticks = (values if values.dtype == dtype else values.cast(dtype)).to_physical()
    try:
        return ticks.cast(pl.Int64)
    except pl.exceptions.InvalidOperationError as error:
        raise SchemaError(
            f"Column {values.name!r} ({dtype}) holds numbers that do not fit 64 bits in units of their last decimal "
            "(18 digits always do). Cast it to fewer decimals, to float64 or to text, or leave the column out."
        ) from error


def as_dtype(values: pl.Series, name: str) -> pl.Series:
    """Cast decoded values to the column's logical dtype, [B]; whole numbers are ticks where the dtype has such."""
    if name == "null":
        return pl.Series(values.name, [None] * len(values), dtype=pl.Null)
    dtype = dtype_named(name)
    if isinstance(dtype, pl.Datetime):
        return _as_datetime(values, dtype)
    if isinstance(dtype, TICKED):
        is_ticks = values.dtype.is_integer() or values.dtype == pl.String
        return _of_ticks(values.cast(pl.Int64, strict=False), dtype) if is_ticks else values.cast(dtype, strict=False)
    if values.dtype == pl.String and dtype == pl.Boolean:
        return values == "true"
    if values.dtype == pl.String and dtype == pl.Date:
        return values.str.to_date("%Y-%m-%d", strict=False)
    return values.cast(dtype, strict=False)


def _of_ticks(ticks: pl.Series, dtype: pl.DataType) -> pl.Series:
    import pyarrow as pa

    if not isinstance(dtype, pl.Decimal):
        return ticks.cast(dtype)
    # Polars has no cast that leaves the digits and moves the point.
    whole: Any = ticks.to_arrow().cast(pa.decimal128(_WIDEST_DECIMAL, 0))
    moved = pl.Series(ticks.name, pl.from_arrow(whole.view(pa.decimal128(_WIDEST_DECIMAL, dtype.scale))))
    return moved.cast(dtype)


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
