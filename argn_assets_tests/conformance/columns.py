"""Columns for tests of encodings and tables: arbitrary values of each kind, with the values that break things."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from typing import Any

import polars as pl
from hypothesis import strategies as st

from argn_assets.encodings.base import ColumnKind, Encoding

INTEGERS = [pl.Int8(), pl.Int16(), pl.Int32(), pl.Int64(), pl.UInt8(), pl.UInt16(), pl.UInt32(), pl.UInt64()]
FLOATS = [pl.Float32(), pl.Float64()]
ZONES = [None, "Europe/Paris", "America/New_York"]
DATETIMES = [pl.Datetime(unit, zone) for unit in ("ms", "us", "ns") for zone in ZONES]
TEXTS = [pl.String(), pl.Categorical()]

ODD_INTEGERS = [0, 1, -1, 9, 10, 99, 2**53 - 1, 2**53 + 1, -(2**53) - 1, 2**63 - 1, -(2**63), 2**64 - 1]
ODD_FLOATS = [
    0.29, 2.3, 0.1 + 0.2, 1e-12, 3e-12, -0.0, 0.0, 5e-324, 2.2e-308, 1.7976931348623157e308, -1.7976931348623157e308,
    1e17, 99.99, -7.25, 123456789012345.0, math.inf, -math.inf, math.nan,
]  # fmt: skip
ODD_FLOAT32 = [0.29, 2.3, -0.0, 1e-12, 1e17, math.inf, -math.inf, math.nan]
ODD_TEXTS = [
    "",
    " ",
    "a ",
    " a",
    "a",
    "A",
    "\x00",
    "null",
    "None",
    "_RARE_",
    "<<NULL>>",
    "é",
    "🦜",
    "x" * 3000,
    "1",
    "true",
]
ODD_MOMENTS = [
    datetime.fromisoformat(text)
    for text in (
        "0001-01-01", "9999-12-31T23:59:59.999", "1969-12-31T23:59:59.999", "1970-01-01", "2024-02-29",
        "2000-02-29T12:00", "1900-02-28", "2023-01-31", "2023-04-30", "2023-12-31T23:59:59",
        # In UTC: the hours around the nights when clocks change in Paris and in New York.
        "2021-03-28T00:30", "2021-03-28T01:30", "2021-10-31T00:30", "2021-10-31T01:30",
        "2021-03-14T06:30", "2021-03-14T07:30", "2021-11-07T05:30", "2021-11-07T06:30",
    )
]  # fmt: skip


def dtypes_of(encoding: type[Encoding]) -> list[pl.DataType]:
    """Return a type of every sort that the encoding accepts."""
    by_kind: dict[ColumnKind, list[Any]] = {
        "number": [*INTEGERS, *FLOATS], "boolean": [pl.Boolean()], "text": TEXTS, "moment": [pl.Date(), *DATETIMES],
    }  # fmt: skip
    return [dtype for kind in sorted(encoding.ACCEPTS) for dtype in by_kind[kind]]


def values_of(dtype: pl.DataType, examples: tuple[str, ...] = ()) -> st.SearchStrategy[Any]:
    """Return odd and arbitrary values that fit the type, or some of `examples`; moments in whole milliseconds."""
    if examples:
        return st.sampled_from(examples)
    if dtype.is_integer():
        low, high = pl.select(dtype.min(), dtype.max().alias("high")).row(0)
        return st.sampled_from([v for v in ODD_INTEGERS if low <= v <= high]) | st.integers(low, high)
    if isinstance(dtype, pl.Datetime):
        first, last = (datetime(1678, 1, 1), datetime(2262, 1, 1)) if dtype.time_unit == "ns" else (EARLY, LATE)
        odd = st.sampled_from([m for m in ODD_MOMENTS if first <= m <= last])
        return odd | st.datetimes(first, last).map(lambda m: m.replace(microsecond=m.microsecond // 1000 * 1000))
    of_type: dict[pl.DataType, st.SearchStrategy[Any]] = {
        pl.Float32(): st.sampled_from(ODD_FLOAT32) | st.floats(width=32),
        pl.Float64(): st.sampled_from(ODD_FLOATS) | st.floats() | st.integers(-999, 999).map(lambda v: v / 100),
        pl.Boolean(): st.booleans(),
        pl.Date(): st.sampled_from([m.date() for m in ODD_MOMENTS]) | st.dates(),
    }
    return of_type.get(dtype, st.sampled_from(ODD_TEXTS) | st.text(max_size=5))


# A zone's offset must not push a moment out of the years that Python can name.
EARLY, LATE = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999000)
_MARGIN = timedelta(days=2)


def series(values: Iterable[Any], dtype: pl.DataType, name: str = "c") -> pl.Series:
    """Return a series; moments are given in UTC and shown in the type's zone."""
    if isinstance(dtype, pl.Datetime) and dtype.time_zone is not None:
        inside = [v if v is None else min(max(v, EARLY + _MARGIN), LATE - _MARGIN) for v in values]
        naive = pl.Series(name, inside, dtype=pl.Datetime(dtype.time_unit))
        return naive.dt.replace_time_zone("UTC").dt.convert_time_zone(dtype.time_zone)
    return pl.Series(name, list(values), dtype=dtype)


@st.composite
def columns(
    draw: st.DrawFn, dtype: pl.DataType, *, least: int = 0, most: int = 30, examples: tuple[str, ...] = ()
) -> pl.Series:
    """Draw a column of few or many distinct values, with nulls or without."""
    pool = draw(st.lists(values_of(dtype, examples), min_size=1, max_size=12))
    choices = pool + [None] * draw(st.integers(0, 1))
    return series(draw(st.lists(st.sampled_from(choices), min_size=least, max_size=most)), dtype)


def bounds(values: pl.Series) -> tuple[Any, Any]:
    """Return the smallest and largest number or moment that is not missing, NaN aside."""
    present = values.drop_nulls().to_physical()
    present = present.drop_nans() if present.dtype.is_float() else present
    return present.min(), present.max()


def days(*texts: str) -> pl.Series:
    """Return dates from ISO text."""
    return pl.Series("c", [date.fromisoformat(text) for text in texts], dtype=pl.Date)
