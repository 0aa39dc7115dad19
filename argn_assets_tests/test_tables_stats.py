"""Statistics of tables: from batches as from the whole, in canonical bytes; errors name the column (E5, E23)."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable
from datetime import date, datetime
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.encodings.base import encodings
from argn_assets.encodings.numeric_digit import NumericDigit
from argn_assets.errors import ConfigError, DataError, SchemaError
from argn_assets.tables import (
    PartialStats,
    TableStats,
    combine_partial_stats,
    compute_partial_stats,
    compute_stats,
    decode_table,
    encode_table,
)
from argn_assets_tests.conformance.columns import DATETIMES, FLOATS, INTEGERS, TEXTS, columns
from argn_assets_tests.conformance.encoding import law, random_split


@st.composite
def tables(draw: st.DrawFn) -> pl.DataFrame:
    """Draw a table of one to four columns of any type, and a column of subjects."""
    n_rows = draw(st.integers(1, 30))
    dtypes = st.sampled_from([*INTEGERS, *FLOATS, *DATETIMES, *TEXTS, pl.Boolean(), pl.Date(), pl.Null()])
    drawn = {
        f"c{i}": pl.Series([None] * n_rows, dtype=pl.Null)
        if dtype == pl.Null
        else draw(columns(dtype, least=n_rows, most=n_rows))
        for i, dtype in enumerate(draw(st.lists(dtypes, min_size=1, max_size=4)))
    }
    subjects = draw(st.lists(st.integers(0, 9), min_size=n_rows, max_size=n_rows))
    return pl.DataFrame({**drawn, "subject": subjects})


KINDS: list[Callable[[pl.DataFrame], Any]] = [lambda t: t, lambda t: t.to_arrow()]


# E5
@law
@given(
    table=tables(), n_parts=st.integers(1, 4), seed=st.integers(0, 99), protection=st.booleans(),
    kind=st.sampled_from(KINDS), has_subjects=st.booleans(),
)  # fmt: skip
def test_partials_of_any_split_combine_to_the_bytes_of_the_whole(
    table: pl.DataFrame, n_parts: int, seed: int, protection: bool, kind: Callable[[pl.DataFrame], Any],
    has_subjects: bool,
) -> None:  # fmt: skip
    key = "subject" if has_subjects else None
    groups = table["subject"].to_numpy() if has_subjects else np.arange(len(table))
    partials = [
        compute_partial_stats(kind(table[rows]), context_key=key)
        for rows in random_split(len(table), n_parts, groups, seed)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        whole = compute_stats(kind(table), context_key=key, value_protection=protection, seed=seed)
        combined = combine_partial_stats(partials, value_protection=protection, seed=seed)
    assert combined.to_bytes() == whole.to_bytes()


# E6, E9
@law
@given(table=tables(), kind=st.sampled_from(KINDS))
def test_arbitrary_tables_come_back_with_their_types_and_nulls(
    table: pl.DataFrame, kind: Callable[[pl.DataFrame], Any]
) -> None:
    frame = kind(table)
    stats = TableStats.from_bytes(compute_stats(frame).to_bytes())
    back = decode_table(encode_table(frame, stats), stats)
    assert back.schema == frame.schema
    assert pl.DataFrame(back).null_count().equals(table.null_count())


def test_a_batch_whose_object_column_is_empty_combines_with_the_others() -> None:
    frame = pd.DataFrame(
        {"t": [None, None, "a", "b"], "n": pd.Series([None, None, 1, 2], dtype=object), "k": [1, 1, 2, 2]}
    )
    halves = [compute_partial_stats(half, context_key="k") for half in (frame[:2], frame[2:])]
    assert combine_partial_stats(halves).to_bytes() == compute_stats(frame, context_key="k").to_bytes()
    assert combine_partial_stats(halves[::-1]).to_bytes() == compute_stats(frame, context_key="k").to_bytes()


def test_a_batch_without_any_value_has_the_type_of_the_others() -> None:
    """As pandas reads a file in pieces: a piece of a text column without any text is of floats."""
    pieces = [
        pd.DataFrame({"note": [np.nan, np.nan], "n": [1, 2]}),
        pd.DataFrame({"note": ["late", None], "n": [3, 4]}),
        pd.DataFrame({"note": [None, None], "n": [5, 6]}),
    ]
    whole = pd.concat([piece.astype({"note": "str"}) for piece in pieces])
    partials = [compute_partial_stats(piece) for piece in pieces]
    for order in ([0, 1, 2], [1, 2, 0], [2, 0, 1]):
        assert combine_partial_stats([partials[i] for i in order]).to_bytes() == compute_stats(whole).to_bytes()


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (pl.DataFrame({"b": ["x"], "a": [1]}), r"their order \(a, b and b, a\)"),
        (pl.DataFrame({"a": [1.5], "b": ["x"]}), r"a \(int64 and float64\)"),
        (pd.DataFrame({"a": [1], "b": ["x"]}), r"the kind of frame \(polars and pandas\)"),
    ],
)
def test_a_refusal_of_batches_says_what_differs_and_what_to_do(other: Any, said: str) -> None:
    first = pl.DataFrame({"a": [1], "b": ["x"]})
    with pytest.raises(SchemaError, match=f"{said}.*the same columns, in the same order"):
        combine_partial_stats([compute_partial_stats(first), compute_partial_stats(other)])


def test_batches_of_different_tables_are_refused() -> None:
    one, other = compute_partial_stats(pl.DataFrame({"a": [1]})), compute_partial_stats(pl.DataFrame({"a": ["x"]}))
    with pytest.raises(SchemaError, match="differ in their columns: a"):
        combine_partial_stats([one, other])


def test_no_batches_at_all_are_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        combine_partial_stats([])


def test_partials_stay_small_when_every_value_is_distinct() -> None:
    numbers = np.random.default_rng(1).random(300_000)
    partial: PartialStats = compute_partial_stats(pl.DataFrame({"n": numbers}))
    assert len(partial.columns["n"].counts) <= 2**17
    stats = compute_stats(pl.DataFrame({"n": numbers}))
    assert len(stats.to_bytes()) < 100_000


# --- bytes


def test_stats_are_canonical_bytes_and_read_back_equal() -> None:
    table = pl.DataFrame({"n": [0.29, float("inf"), None], "t": ["é", "b", ""], "d": [date(2024, 2, 29)] * 3})
    stats = compute_stats(table)
    assert TableStats.from_bytes(stats.to_bytes()) == stats
    assert TableStats.from_bytes(stats.to_bytes()).to_bytes() == stats.to_bytes()
    assert b'"inf"' in stats.to_bytes()


@pytest.mark.parametrize("damage", [b"", b"{", b"[]", b'"x"', b"\xff\xfe", b"{}", b'{"format_version":1}'])
def test_other_bytes_are_not_statistics(damage: bytes) -> None:
    with pytest.raises(DataError, match=r"[sS]tatistics"):
        TableStats.from_bytes(damage)


def test_a_newer_version_is_refused_with_both_versions() -> None:
    document = json.loads(compute_stats(pl.DataFrame({"a": [1]})).to_bytes()) | {"format_version": 99}
    with pytest.raises(DataError, match="99; this version reads 1"):
        TableStats.from_bytes(json.dumps(document).encode())


def test_an_encoding_that_is_not_known_is_refused() -> None:
    document = json.loads(compute_stats(pl.DataFrame({"a": [1]})).to_bytes())
    document["columns"]["a"]["encoding"] = "from_the_future"
    with pytest.raises(DataError, match="not statistics of a table: ConfigError"):
        TableStats.from_bytes(json.dumps(document).encode())


# --- choosing encodings


def test_an_encoding_is_declared_by_name_or_by_class_and_a_key_has_none() -> None:
    table = pl.DataFrame({"id": [1, 2], "n": [1, 2], "m": [1, 2], "who": ["a", "b"]})
    stats = compute_stats(table, {"n": "categorical", "m": NumericDigit}, context_key="who", primary_key="id")
    assert {c.name: (c.role, c.encoding) for c in stats.schema.columns} == {
        "id": ("key", None), "n": ("value", "categorical"), "m": ("value", "numeric_digit"), "who": ("key", None),
    }  # fmt: skip
    assert decode_table(encode_table(table, stats), stats).schema == {"n": pl.Int64, "m": pl.Int64}


COLUMNS_BY_KIND = {
    "number": pl.Series([1.5, 2.0]), "text": pl.Series(["a", "b"]), "boolean": pl.Series([True, False]),
    "moment": pl.Series([datetime(2020, 1, 1)] * 2),
}  # fmt: skip


@pytest.mark.parametrize("kind", COLUMNS_BY_KIND)
@pytest.mark.parametrize("encoding", sorted(encodings()))
def test_an_encoding_takes_the_kinds_it_says_and_no_others(encoding: str, kind: str) -> None:
    values = COLUMNS_BY_KIND[kind]
    if kind == "text" and encodings()[encoding].EXAMPLES:
        values = pl.Series(encodings()[encoding].EXAMPLES)
    table = pl.DataFrame({"column": values})
    if kind in encodings()[encoding].ACCEPTS:
        stats = compute_stats(table, {"column": encoding})
        assert decode_table(encode_table(table, stats), stats).schema == table.schema
        return
    with pytest.raises(SchemaError) as caught:
        compute_stats(table, {"column": encoding})
    message = str(caught.value)
    assert "'column'" in message
    assert repr(encoding) in message
    assert str(table.schema["column"]) in message
    takers = [name for name, other in encodings().items() if kind in other.ACCEPTS]
    assert all(name in message for name in takers)


@pytest.mark.parametrize("encoding", sorted(encodings()))
def test_a_column_without_values_is_taken_by_every_encoding(encoding: str) -> None:
    for dtype in (pl.Null, pl.String, pl.Int64, pl.Datetime("us", "Europe/Paris")):
        table = pl.DataFrame({"column": pl.Series([None, None], dtype=dtype)})
        stats = compute_stats(table, {"column": encoding})
        assert decode_table(encode_table(table, stats), stats).equals(table)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"encoding_types": {"a": "nope"}}, ConfigError, "Column 'a'.*'nope'.*Known encodings: boolean"),
        ({"encoding_types": {"a": int}}, ConfigError, "Column 'a'.*Known encodings"),
        ({"encoding_types": {"b": "categorical"}}, SchemaError, "'b'.*no such column.*a"),
        ({"encoding_types": {"a": "categorical"}, "primary_key": "a"}, ConfigError, "'a' is a key"),
        ({"primary_key": "id"}, SchemaError, "primary key 'id' is not a column. Columns: a"),
        ({"context_key": "who"}, SchemaError, "context key 'who' is not a column. Columns: a"),
    ],
)
def test_what_cannot_be_declared_is_refused(options: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        compute_stats(pl.DataFrame({"a": [1, 2]}), **options)


def test_an_error_of_an_encoding_names_the_column() -> None:
    with pytest.raises(SchemaError, match=r"Column 'wide': .*32,768"):
        compute_stats(pl.DataFrame({"wide": range(40_000)}), {"wide": "numeric_discrete"})


# --- protection (E23, E36)


def test_protection_counts_subjects_across_batches() -> None:
    table = pl.DataFrame({"who": np.arange(60) // 10, "word": ["secret"] * 10 + ["shared"] * 50})
    halves = [compute_partial_stats(half, context_key="who") for half in (table[:30], table[30:])]
    stats = combine_partial_stats(halves, value_protection=True, seed=4)
    assert b"secret" not in stats.to_bytes()
    assert b"secret" in combine_partial_stats(halves).to_bytes()


@pytest.mark.parametrize("key", [None, "who"])
def test_too_few_subjects_give_nulls_and_a_warning(key: str | None) -> None:
    table = pl.DataFrame({"who": [1, 2, 3, 4] * 20, "n": [5.0] * 80, "t": ["a"] * 80})
    table = table if key else table[:4]
    with pytest.warns(UserWarning, match="The table has 4 subjects") as caught:
        stats = compute_stats(
            table, {"who": "numeric_auto"} if key is None else None, context_key=key, value_protection=True
        )
    assert len(caught) == 1
    back = decode_table(encode_table(table, stats), stats)
    assert back.null_count().sum_horizontal()[0] == len(table) * len(back.columns)


def test_the_threshold_is_drawn_by_seed_and_column() -> None:
    table = pl.DataFrame({"a": ["x"] * 6 + ["y"] * 90})
    shown = {b'"x"' in compute_stats(table, value_protection=True, seed=seed).to_bytes() for seed in range(20)}
    assert shown == {True, False}


def test_a_float_key_names_the_same_subjects_as_an_integer_one() -> None:
    words = ["a"] * 4 + ["b"] * 16
    whole = pl.DataFrame({"who": [1, 2, 3, 3, *range(16)], "word": words})
    floats = whole.with_columns(pl.col("who").cast(pl.Float64))
    one, other = (compute_stats(t, context_key="who", value_protection=True) for t in (whole, floats))
    assert one.columns == other.columns


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_equal_tables_of_any_library_have_equal_columns(kind: Callable[[Any], Any]) -> None:
    data = {"n": [1.5, 2.5, 2.5], "t": ["x", "y", "y"], "d": [datetime(2020, 1, 1)] * 3}
    assert compute_stats(kind(data)).columns == compute_stats(pl.DataFrame(data)).columns
