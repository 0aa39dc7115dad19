"""A table is looked at before anything is computed from it, and a message shows positions, not values."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from argn_assets.datasets import DatasetSpec, check_tables
from argn_assets.errors import ArgnError, DataError, SchemaError


def declare(target: str | None = None, **fields: Any) -> DatasetSpec:
    tables = {"users": {"source": "users.csv", **fields}}
    return DatasetSpec.model_validate({"dataset": "shop", "tables": tables, "target": target})


def message(error: type[ArgnError], table: pl.DataFrame, spec: DatasetSpec) -> str:
    with pytest.raises(error) as caught:
        check_tables(spec, {"users": table})
    assert "data set 'shop', table 'users'" in str(caught.value)
    return str(caught.value)


def test_a_good_table_passes():
    table = pl.DataFrame({"id": [1, 2], "age": [None, 3]})
    check_tables(declare("age", primary_key="id", columns={"mail": {"role": "drop"}}), {"users": table})


def test_an_empty_table_is_refused():
    assert "no rows" in message(DataError, pl.DataFrame({"id": []}), declare())


def test_a_table_without_columns_is_refused():
    assert "no columns" in message(SchemaError, pl.DataFrame(), declare())


def test_a_table_that_was_not_read_is_named():
    with pytest.raises(SchemaError, match="table 'users' was not read"):
        check_tables(declare(), {})


@pytest.mark.parametrize("fields", [{"primary_key": "idd"}, {"columns": {"idd": {"encoding": "categorical"}}}])
def test_a_declared_column_that_is_missing_is_named(fields):
    text = message(SchemaError, pl.DataFrame({"id": [1]}), declare(**fields))
    assert "'idd'. Did you mean 'id'? Its columns: id" in text


def test_a_missing_target_is_named():
    assert "no target column 'agee'. Did you mean 'age'?" in message(
        SchemaError, pl.DataFrame({"age": [1]}), declare("agee")
    )


def test_a_repeated_key_is_told_by_count_and_row(monkeypatch):
    table = pl.DataFrame({"id": ["anna", "bert", "anna", "bert", "anna"]})
    text = message(DataError, table, declare(primary_key="id"))
    assert "'id' repeats an earlier row's value in 3 of 5 rows: rows 3, 4, 5" in text
    assert "anna" not in text
    monkeypatch.setenv("ARGN_SHOW_VALUES", "1")
    assert "anna, bert, anna" in message(DataError, table, declare(primary_key="id"))


def test_many_repeated_keys_are_told_by_the_first_rows():
    text = message(DataError, pl.DataFrame({"id": [1] * 100}), declare(primary_key="id"))
    assert "rows 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 89 more" in text


def test_a_missing_key_is_told_by_count_and_row():
    text = message(DataError, pl.DataFrame({"id": [1, None, 3]}), declare(primary_key="id"))
    assert "'id' is missing in 1 of 3 rows: row 2" in text


@pytest.mark.parametrize("value", [[1], {"a": 1}, b"x"])
def test_a_column_that_holds_no_plain_values_is_named(value):
    text = message(SchemaError, pl.DataFrame({"basket": [value]}), declare())
    assert "column 'basket'" in text
    assert "columns: {basket: {role: drop}}" in text


def test_one_table_of_a_data_set_can_be_checked_alone():
    tables = {"a": {"source": "a.csv"}, "b": {"source": "b.csv"}}
    spec = DatasetSpec.model_validate({"dataset": "two", "tables": tables, "target": "b.x"})
    check_tables(spec.only("a"), {"a": pl.DataFrame({"y": [1]})})
    with pytest.raises(SchemaError, match="no target column 'x'"):
        check_tables(spec.only("b"), {"b": pl.DataFrame({"y": [1]})})
