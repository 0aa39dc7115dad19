"""Columns that no encoding takes, and odd values in those it does: refused by name, or encoded (E5, E9, E22)."""

from __future__ import annotations

from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from argn_assets.errors import SchemaError
from argn_assets.tables import (
    combine_partial_stats,
    compute_partial_stats,
    compute_stats,
    decode_table,
    encode_table,
)

LATIN1 = pa.array(["Köln".encode("latin-1"), b"Bonn"]).view(pa.string())

UNREADABLE = {
    "list": (pl.DataFrame({"tags": [["a"]]}), "tags.*List.*per element"),
    "list of pandas": (pd.DataFrame({"tags": [["a"], ["b"]]}), "tags"),
    "struct": (pl.DataFrame({"place": [{"x": 1}]}), "place.*Struct.*one column per field"),
    "binary": (pa.table({"blob": pa.array([b"a"])}), "blob.*Binary.*text"),
    "bytes of pandas": (pd.DataFrame({"blob": [b"a"]}), "blob.*Binary.*text"),
    "wide decimal": (pa.table({"sum": pa.array([Decimal("1e25")])}), "sum.*64 bits.*float64"),
    "wider decimal": (pa.table({"sum": pa.array([Decimal("1e45")])}), "sum.*decimal256"),
    "decimal of hundreds": (pa.table({"sum": pa.array([Decimal(100)], pa.decimal128(5, -2))}), "sum.*decimal128"),
    "integer of 70 bits": (pd.DataFrame({"sum": [2**70, 1]}, dtype=object), "sum.*number that cannot be read.*64 bits"),
    "map": (pa.table({"tags": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int8()))}), "tags.*Map.*per key"),
    "array": (pl.DataFrame({"tags": pl.Series([[1, 2]], dtype=pl.Array(pl.Int8, 2))}), "tags.*Array.*per element"),
    "dictionary of pandas": (pd.DataFrame({"place": [{"x": 1}]}), "place.*Struct.*one column per field"),
    "set of pandas": (pd.DataFrame({"tags": [{1}]}), "tags.*List.*per element"),
    "lists among text": (pd.DataFrame({"tags": [["a"], "a"]}), "tags.*list and str"),
    "any object": (pl.DataFrame({"what": [object()]}), "what.*Object"),
    "uuid of pandas": (pd.DataFrame({"id": [UUID(int=1)]}), "id.*values of UUID.*astype"),
    "uuid of arrow": (pa.table({"id": pa.array([b"a" * 16], pa.uuid())}), "id.*Binary.*text"),
    "bytes among text": (pd.DataFrame({"name": ["a", b"b"]}, dtype=object), "name.*bytes and str.*decode"),
    "latin-1 in arrow text": (pa.table({"name": LATIN1}), "name.*not UTF-8"),
    "latin-1 in an arrow dictionary": (pa.table({"name": LATIN1.dictionary_encode()}), "name.*not UTF-8"),
    "latin-1 in arrow text of pandas": (
        pd.DataFrame({"name": pd.arrays.ArrowExtensionArray(pa.chunked_array([LATIN1]))}), "name.*not UTF-8",
    ),
    "half a character": (pd.DataFrame({"name": ["a\udc80"]}, dtype=object), "name.*not UTF-8.*encode"),
    "decimals among numbers": (pd.DataFrame({"sum": [Decimal(1), 1.5]}, dtype=object), "sum.*Decimal and number"),
    "range of numbers": (pd.DataFrame({"band": pd.cut([1, 2], [0, 1, 2])}), "band.*text"),
    "interval": (pa.table({"gap": pa.array([pa.MonthDayNano([1, 2, 3])])}), "gap.*month_day_nano_interval"),
    "period": (pd.DataFrame({"month": pd.period_range("2020", periods=2, freq="M")}), "month"),
    "range": (pd.DataFrame({"band": pd.interval_range(0, 2)}), "band"),
    "complex": (pd.DataFrame({"wave": [1j]}), "wave.*complex"),
    "wide integer": (pl.DataFrame({"big": pl.Series([1], dtype=pl.Int128)}), "big.*Int128.*int64"),
    "text among numbers": (pd.DataFrame({"age": [1, "x"]}, dtype=object), "age.*number and str.*astype"),
    "numbers among text": (pd.DataFrame({"age": ["x", 1.5]}, dtype=object), "age.*number and str"),
    "booleans among numbers": (pd.DataFrame({"age": [1, True]}, dtype=object), "age.*bool and number"),
    "times among dates": (
        pd.DataFrame({"day": [date(2020, 1, 1), datetime(2020, 1, 1, 5)]}, dtype=object), "day.*date and datetime",
    ),
    "twice": (pa.table([[1], [2]], names=["c", "c"]), "'c' stands 2 times"),
    "twice in pandas": (pd.DataFrame([[1, 2]], columns=["c", "c"]), "'c' stands 2 times"),
    "number as name": (pd.DataFrame([[1]]), "Column name 0 is not text"),
    "two levels": (pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "b")])), "not text"),
    "dictionary": ({"c": [1]}, "not builtins.dict"),
    "series": (pl.Series([1]), "not polars.*Series"),
}  # fmt: skip


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_no_encoding_takes_is_refused_by_name(case: str) -> None:
    frame, message = UNREADABLE[case]
    with pytest.raises(SchemaError, match=message):
        compute_stats(frame)


def test_a_refusal_does_not_show_values() -> None:
    with pytest.raises(SchemaError) as caught:
        compute_stats(pd.DataFrame({"name": ["Ada Lovelace", 3]}, dtype=object))
    assert "Ada" not in str(caught.value)


@pytest.mark.parametrize("encoding", [None, "categorical", "character"])
def test_a_text_of_a_megabyte_is_a_value_like_others(encoding: str | None) -> None:
    frame = pl.DataFrame({"body": ["x" * 1_000_000, "short", None]})
    stats = compute_stats(frame, {"body": encoding} if encoding else None)
    back = decode_table(encode_table(frame, stats), stats)["body"].to_list()
    assert back == ["x" * (50 if encoding == "character" else 1_000_000), "short", None]


def test_batches_of_python_decimals_of_other_scales_are_refused_with_both_types() -> None:
    batches = [pd.DataFrame({"price": [Decimal(text)]}) for text in ("1.5", "2.25")]
    with pytest.raises(SchemaError, match=r"price \(decimal\[38, 1\] and decimal\[38, 2\]\)"):
        combine_partial_stats([compute_partial_stats(batch) for batch in batches])
