"""List columns of a context: taken apart into rows, counted by subject, encoded, and made of other tables."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.engine import compute_stats
from argn_assets.errors import DataError, SchemaError
from argn_assets.tables import TableStats, encode_table
from argn_assets.tables.siblings import compute_context_stats, nest


@pytest.fixture
def context() -> pl.DataFrame:
    return pl.DataFrame(
        {
            "id": [1, 2, 3],
            "kind": ["x", "y", "x"],
            "orders::amount": [[1.5, 2.5], None, [3.5]],
            "orders::paid": [[True, None], [], [False]],
            "logins": [[7], [8, 9], []],
        }
    )


def test_lists_are_the_columns_of_sequences_by_the_name_before_the_colons(context):  # E32
    stats = compute_context_stats(context, primary_key="id")
    assert list(stats.columns) == ["kind"]
    assert {name: list(own.columns) for name, own in stats.siblings.items()} == {
        "orders": ["orders::amount", "orders::paid"],
        "": ["logins"],
    }
    orders = encode_table(context, stats).siblings["orders"]
    assert orders.sizes.tolist() == [2, 0, 1]
    assert orders.codes.shape == (2, 3)
    assert TableStats.from_bytes(stats.to_bytes()) == stats


@pytest.mark.parametrize("kind", ["pandas", "pandas arrays", "pyarrow", "fixed size"])
def test_every_kind_of_table_may_hold_lists(context, kind):  # E9
    tables = {
        "pandas": lambda: pd.DataFrame(context.to_dict(as_series=False)),
        "pandas arrays": context.to_pandas,
        "pyarrow": context.to_arrow,
        "fixed size": lambda: context.with_columns(pl.Series("logins", [[7, 1]] * 3, dtype=pl.Array(pl.Int64, 2))),
    }
    table = tables[kind]()
    expected = context if kind != "fixed size" else context.with_columns(logins=pl.lit([7, 1]))
    stats = compute_context_stats(table, primary_key="id")
    found, wanted = (
        encode_table(table, stats),
        encode_table(expected, compute_context_stats(expected, primary_key="id")),
    )
    for name, sibling in wanted.siblings.items():
        assert np.array_equal(found.siblings[name].codes, sibling.codes)
        assert np.array_equal(found.siblings[name].sizes, sibling.sizes)


def test_lists_of_unequal_length_are_refused_by_name(context):
    ragged = context.with_columns(pl.Series("orders::paid", [[True], [False], [True]]))
    with pytest.raises(DataError, match=r"2 of 3 context rows .* 'orders::paid' than in 'orders::amount'"):
        compute_context_stats(ragged, primary_key="id")


def test_a_table_that_is_no_context_has_no_lists(context):
    with pytest.raises(SchemaError, match="'orders::amount'"):
        compute_stats(context)


def test_a_list_that_is_missing_or_no_list_is_named(context):
    stats = compute_context_stats(context, primary_key="id")
    with pytest.raises(SchemaError, match="lacks orders::paid"):
        encode_table(context.drop("orders::paid"), stats)
    with pytest.raises(SchemaError, match="'logins' is Int64; the model was trained with lists"):
        encode_table(context.with_columns(logins=pl.lit(3, dtype=pl.Int64)), stats)


def test_encodings_are_declared_for_the_elements(context):
    stats = compute_context_stats(context, {"logins": "numeric_digit", "kind": "categorical"}, primary_key="id")
    assert stats.siblings[""].schema.column("logins").encoding == "numeric_digit"


def test_a_sibling_without_any_row_is_left_out(context):
    empty = context.with_columns(logins=pl.lit([], dtype=pl.List(pl.Int64)))
    assert list(compute_context_stats(empty, primary_key="id").siblings) == ["orders"]


def test_protection_counts_subjects_and_cuts_lengths_that_few_have():  # E23
    rng = np.random.default_rng(0)
    sizes = [*rng.integers(1, 5, 300), 40]
    words = [rng.choice(["red", "blue"], size).tolist() for size in sizes]
    words[0] = ["secret"] * 50  # many rows, one subject
    table = pl.DataFrame({"id": np.arange(301), "word": words})
    stats = compute_context_stats(table, primary_key="id", value_protection=True)
    assert b"secret" not in stats.to_bytes()
    lengths = stats.siblings[""].lengths
    assert lengths is not None
    assert lengths.most == 4
    assert encode_table(table, stats).siblings[""].sizes.max() == 4


@given(rows=st.lists(st.lists(st.integers(0, 9), max_size=4), min_size=1, max_size=8), cut=st.integers(0, 8))
def test_batches_of_a_context_may_be_cut_anywhere(rows, cut):  # E6
    table = pl.DataFrame({"id": range(len(rows)), "v": pl.Series(rows, dtype=pl.List(pl.Int64))})
    stats = compute_context_stats(table, primary_key="id")
    if not stats.siblings:
        return
    whole = encode_table(table, stats).siblings[""]
    parts = [encode_table(part, stats).siblings[""] for part in (table[:cut], table[cut:])]
    assert np.array_equal(np.concatenate([part.codes for part in parts], axis=1), whole.codes)
    assert np.array_equal(np.concatenate([part.sizes for part in parts]), whole.sizes)


def test_nesting_keeps_the_order_of_rows_and_gives_everyone_a_list():
    customers = pl.DataFrame({"id": ["a", "b", "c"]})
    orders = pl.DataFrame({"amount": [5, 7, 9, 1], "customer": ["c", "a", "c", None]})
    calls = pl.DataFrame({"who": ["b"], "reason": ["late"]})
    made = nest(customers, "id", {"orders": orders, "calls": calls}, {"orders": "customer", "calls": "who"})
    assert made.rows() == [("a", [7], []), ("b", [], ["late"]), ("c", [5, 9], [])]
    assert made.columns == ["id", "orders::amount", "calls::reason"]
    with pytest.raises(SchemaError, match="'client' is not a column of 'orders'"):
        nest(customers, "id", {"orders": orders}, {"orders": "client"})
    with pytest.raises(SchemaError, match="'amount' of 'orders' is Int64"):
        nest(customers, "id", {"orders": orders}, {"orders": "amount"})
    with pytest.raises(SchemaError, match="has a column 'orders::amount' already"):
        nest(made, "id", {"orders": orders}, {"orders": "customer"})
