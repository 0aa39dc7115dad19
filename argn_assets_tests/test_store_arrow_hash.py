"""The data hash of a table: what counts as the same data, and what does not."""

from __future__ import annotations

import decimal
import time
from datetime import UTC, date, datetime, timedelta
from io import BytesIO
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.errors import DataError
from argn_assets.store import arrow_data_hash

LAW = settings(derandomize=True, deadline=None, max_examples=60)

COLUMNS: dict[str, pa.Array] = {
    "int8": pa.array([1, None, -3, 4], pa.int8()),
    "uint64": pa.array([2**63, 1, None, 0], pa.uint64()),
    "float16": pa.array([np.float16(1), None, np.float16("nan"), np.float16(-2)], pa.float16()),
    "float32": pa.array([1.5, float("nan"), None, 0.0], pa.float32()),
    "float64": pa.array([1.5, float("nan"), float("inf"), -0.0]),
    "bool": pa.array([True, None, False, True]),
    "string": pa.array(["x", "", None, "long text"]),
    "large_string": pa.array(["x", "", None, "é"], pa.large_string()),
    "binary": pa.array([b"x", b"", None, b"\x00"]),
    "fixed": pa.array([b"abc", None, b"def", b"\x00\x00\x00"], pa.binary(3)),
    "date": pa.array([date(2026, 3, 1), None, date(1970, 1, 1), date(1900, 1, 1)]),
    "time": pa.array([1, None, 2, 3], pa.time64("us")),
    "timestamp": pa.array([datetime(2026, 3, 1, tzinfo=UTC), None, None, None], pa.timestamp("us", "Europe/Paris")),
    "duration": pa.array([timedelta(1), None, timedelta(0), timedelta(-1)]),
    "decimal": pa.array([decimal.Decimal("1.50"), None, decimal.Decimal("-2.00"), None], pa.decimal128(10, 2)),
    "null": pa.nulls(4),
    "list": pa.array([[1, None], [], None, [3]]),
    "large_list": pa.array([["a"], [], None, ["b", None]], pa.large_list(pa.string())),
    "fixed_list": pa.array([[1, 2], None, [3, 4], [None, 5]], pa.list_(pa.int64(), 2)),
    "struct": pa.array([{"a": 1, "b": "x"}, None, {"a": None, "b": "y"}, {"a": 2, "b": None}]),
    "nested": pa.array([[{"a": [1]}], None, [{"a": None}, None], []]),
    "dictionary": pa.array(["b", None, "a", "b"]).dictionary_encode(),
    "no_nulls": pa.array([1, 2, 3, 4]),
}
TABLE = pa.table(COLUMNS)


def column_hash(array: pa.Array | pa.ChunkedArray) -> str:
    return arrow_data_hash(pa.table({"c": array}))


@given(st.lists(st.integers(0, 4), max_size=4).map(sorted))
@LAW
def test_cuts_into_chunks_do_not_matter(cuts: list[int]) -> None:
    edges = [0, *cuts, 4]
    pieces = [TABLE.slice(start, stop - start) for start, stop in pairwise(edges)]
    assert arrow_data_hash(pa.concat_tables(pieces)) == arrow_data_hash(TABLE)


@pytest.mark.parametrize("name", COLUMNS)
def test_a_slice_is_the_rows_that_it_shows(name: str) -> None:
    array = COLUMNS[name]
    rebuilt = pa.array(array.to_pylist()[1:3], array.type)
    assert column_hash(array.slice(1, 2)) == column_hash(rebuilt)
    assert column_hash(array.slice(4)) == column_hash(array.slice(0, 0)) == column_hash(pa.array([], array.type))


@pytest.mark.parametrize("name", [name for name in COLUMNS if name not in ("null", "no_nulls")])
def test_every_value_and_every_null_counts(name: str) -> None:
    array = COLUMNS[name]
    hashes = {
        column_hash(array.take(pa.array(order))) for order in ([0, 1, 2, 3], [0, 0, 2, 3], [2, 1, 0, 3], [1, 0, 2, 3])
    }
    assert len(hashes) == 4
    assert column_hash(pa.concat_arrays([array, array])) not in hashes


def test_names_types_and_the_order_of_columns_and_rows_count() -> None:
    base = pa.table({"a": [1, 2], "b": [3, 4]})
    others = [
        base.select(["b", "a"]),
        base.rename_columns(["a", "c"]),
        base.rename_columns(["ab", ""]),
        base.take([1, 0]),
        base.slice(0, 1),
        base.cast(pa.schema({"a": pa.int64(), "b": pa.int32()})),
        base.cast(pa.schema({"a": pa.int64(), "b": pa.uint64()})),
        base.select(["a"]),
        base.select([]),
        pa.table({"a": [1, 3], "b": [2, 4]}),
    ]
    assert len({arrow_data_hash(table) for table in [base, *others]}) == 1 + len(others)


def test_bytes_under_nulls_do_not_matter() -> None:
    valid = pa.py_buffer(bytes([0b0101]))
    for kind, seen, hidden in (
        (pa.int32(), np.array([1, 0, 3], np.int32), np.array([1, 77, 3], np.int32)),
        (pa.float64(), np.array([1.0, 0, 3]), np.array([1.0, np.nan, 3])),
        (pa.bool_(), np.array([0b001], np.uint8), np.array([0b011], np.uint8)),
    ):
        first, second = (pa.Array.from_buffers(kind, 3, [valid, pa.py_buffer(values)]) for values in (seen, hidden))
        assert column_hash(first) == column_hash(second)
    short, long = (
        pa.Array.from_buffers(pa.string(), 3, [valid, pa.py_buffer(np.array(offsets, np.int32)), pa.py_buffer(text)])
        for offsets, text in (([0, 1, 1, 2], b"ac"), ([0, 1, 4, 5], b"abbbc"))
    )
    assert column_hash(short) == column_hash(long)
    children = pa.array([1, 2, 3, 4])
    hidden_list = pa.ListArray.from_arrays(pa.array([0, 2, 4], pa.int32()), children, mask=pa.array([False, True]))
    assert column_hash(hidden_list) == column_hash(pa.array([[1, 2], None]))
    struct = pa.StructArray.from_arrays([pa.array([1, 2])], ["a"], mask=pa.array([False, True]))
    assert column_hash(struct) == column_hash(pa.array([{"a": 1}, None]))


def test_one_nan_is_like_another_and_minus_zero_is_not_zero() -> None:
    odd = np.array([0x7FF8_0000_0000_0001, 0xFFF8_0000_0000_0000], np.uint64).view(np.float64)
    assert column_hash(pa.array(odd)) == column_hash(pa.array([np.nan, np.nan]))
    assert column_hash(pa.array(odd)) != column_hash(pa.array([np.nan, None]))
    assert column_hash(pa.array([0.0])) != column_hash(pa.array([-0.0]))


def test_the_width_of_offsets_and_views_do_not_matter() -> None:
    text = ["x", "", None, "longer than twelve bytes"]
    assert len({column_hash(pa.array(text, kind)) for kind in (pa.string(), pa.large_string(), pa.string_view())}) == 1
    bytes_ = [value and value.encode() for value in text]
    kinds = (pa.binary(), pa.large_binary(), pa.binary_view())
    assert len({column_hash(pa.array(bytes_, kind)) for kind in kinds}) == 1
    lists = [[1], None, [2, 3]]
    layouts = (
        pa.list_(pa.int64()),
        pa.large_list(pa.int64()),
        pa.list_view(pa.int64()),
        pa.large_list_view(pa.int64()),
    )
    assert len({column_hash(pa.array(lists, kind)) for kind in layouts}) == 1
    assert column_hash(pa.array(["x"])) != column_hash(pa.array([b"x"]))


def test_a_dictionarys_order_and_index_do_not_matter_but_that_it_is_one_does() -> None:
    plain = pa.array(["b", None, "a"])
    one = pa.DictionaryArray.from_arrays(pa.array([1, None, 0], pa.int8()), ["a", "b"])
    two = pa.DictionaryArray.from_arrays(pa.array([0, None, 2], pa.int32()), ["b", "unused", "a"])
    assert column_hash(one) == column_hash(two)
    assert column_hash(pa.chunked_array([one.slice(0, 1), one.slice(1)])) == column_hash(one)
    assert column_hash(one) != column_hash(plain)


def test_an_enumerations_order_is_part_of_its_type() -> None:
    frames = [pl.DataFrame({"e": pl.Series(["x", "y"], dtype=pl.Enum(order))}) for order in (["x", "y"], ["y", "x"])]
    assert arrow_data_hash(frames[0].to_arrow()) != arrow_data_hash(frames[1].to_arrow())


def test_run_end_encoding_does_not_matter() -> None:
    runs = pa.RunEndEncodedArray.from_arrays(pa.array([2, 3], pa.int32()), pa.array([7, 8]))
    assert column_hash(runs) == column_hash(pa.array([7, 7, 8]))


def test_an_extension_type_counts() -> None:
    plain = pa.array([b"0123456789abcdef"], pa.binary(16))
    assert column_hash(pa.ExtensionArray.from_storage(pa.uuid(), plain)) != column_hash(plain)


def test_metadata_counts_unless_a_library_wrote_it_about_itself() -> None:
    base = arrow_data_hash(TABLE)
    assert arrow_data_hash(TABLE.replace_schema_metadata({"pandas": "{}", "ARROW:schema": "x"})) == base
    assert arrow_data_hash(TABLE.replace_schema_metadata({"pandas_like": "{}"})) != base
    assert arrow_data_hash(TABLE.replace_schema_metadata({"cardinality": "7"})) != base
    field = pa.field("c", pa.int64(), metadata={"PARQUET:field_id": "1"})
    assert arrow_data_hash(pa.table([[1]], schema=pa.schema([field]))) == column_hash(pa.array([1]))
    field = pa.field("c", pa.int64(), metadata={"unit": "m"}, nullable=False)
    assert arrow_data_hash(pa.table([[1]], schema=pa.schema([field]))) != column_hash(pa.array([1]))


@pytest.mark.parametrize("version", ["1.0", "2.0"])
def test_a_journey_through_parquet_does_not_matter(version: str) -> None:
    table = TABLE.drop_columns(
        ["float16", "duration", "null", "fixed_list", "nested", "dictionary", "timestamp", "time"]
    )
    sink = BytesIO()
    pq.write_table(table, sink, version="2.6", row_group_size=2, data_page_version=version, compression="snappy")
    assert arrow_data_hash(pq.read_table(BytesIO(sink.getvalue()))) == arrow_data_hash(table)


def test_a_journey_through_polars_does_not_matter() -> None:
    table = TABLE.drop_columns(["float16", "fixed", "dictionary"])
    frame = pl.DataFrame(pl.from_arrow(table))
    assert arrow_data_hash(frame.to_arrow()) == arrow_data_hash(frame.rechunk().to_arrow())
    assert arrow_data_hash(pl.concat([frame[:2], frame[2:]], rechunk=False).to_arrow()) == arrow_data_hash(
        frame.to_arrow()
    )


@pytest.mark.parametrize(
    "array",
    [
        pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        pa.array([pa.MonthDayNano([1, 2, 3])]),
        pa.UnionArray.from_dense(pa.array([0], pa.int8()), pa.array([0], pa.int32()), [pa.array([1])]),
    ],
)
def test_a_type_without_a_canonical_form_is_refused_and_named(array: Any) -> None:
    with pytest.raises(DataError, match=r"column c\[\] is of type"):
        column_hash(pa.array([[None]], pa.list_(array.type)) if pa.types.is_map(array.type) else _listed(array))


def _listed(array: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array([0, 1], pa.int32()), array)


def test_the_hash_is_written_down() -> None:
    """A change of this digest re-issues every data version: bump `_FORM` and say so in the changelog."""
    table = pa.table({"n": pa.array([1, None, 3], pa.int64()), "t": ["x", None, "zz"]})
    assert arrow_data_hash(table) == GOLDEN


GOLDEN = "sha256:0ec9febe08cd2c8164225880d36a9dcac9d19f907ecb2fe9caa56892965bcf39"


def test_a_wide_table_is_hashed_in_a_fraction_of_a_second() -> None:
    numbers = np.arange(336_776)
    table = pa.table(
        {f"c{index}": numbers + index for index in range(14)} | {f"t{index}": numbers.astype(str) for index in range(5)}
    )
    start = time.perf_counter()
    arrow_data_hash(table)
    assert time.perf_counter() - start < 2  # 0.05 s on a quiet machine; the promise is 0.5 s
