"""Small and odd tables under small and odd settings: everything trains, generates and keeps its columns (E36)."""

from __future__ import annotations

import itertools
import warnings
from datetime import date
from typing import Any

import polars as pl
import pytest

from argn_assets.engine import ModelArtifact, generate_flat, generate_sequential, train_flat, train_sequential
from argn_assets.errors import DataError

NO_TEXT, NO_NUMBER = pl.Series([None], dtype=pl.String), pl.Series([None], dtype=pl.Float64)
TABLES = {
    "nothing but keys": {},
    "one row": {"a": ["x"], "b": [1.5]},
    "two rows": {"a": ["x", "y"], "b": [1.5, None]},
    "four rows": {"a": ["x", "y", "x", None], "b": [1.5, 1.5, 2.0, 9.0]},
    "constant": {"a": ["x"] * 9, "b": [7.0] * 9},
    "no values": {"a": NO_TEXT.extend_constant(None, 6), "b": NO_NUMBER.extend_constant(None, 6)},
    "many rows": {"a": ["x", "y", "z"] * 20, "b": [float(i) for i in range(60)]},
}
SETTINGS: list[dict[str, Any]] = [
    {},
    {"any_order": False},
    {"max_epochs": 0},
    {"max_epochs": 0.3},
    {"max_training_time": 0},
    {"max_training_time": 1e-9},
    {"validation_split": 0},
    {"validation_split": 0.5},
    {"validation_split": 0.99},
    {"batch_size": 1000},
    {"batch_size": 1},
    {"value_protection": True},
    {"value_protection": True, "validation_split": 0},
]
CONTEXTS = (None, "flat", "siblings")


def _table(name: str) -> pl.DataFrame:
    columns = TABLES[name]
    n_rows = len(next(iter(columns.values()), [0, 1, 2]))
    return pl.DataFrame({"key": range(n_rows), **columns})


def _context(kind: str | None, n_rows: int) -> pl.DataFrame | None:
    """One row more than the table has keys; some without a value, some without rows of the sibling."""
    if kind is None:
        return None
    table = pl.DataFrame({"key": range(n_rows + 1), "plan": [("free", None)[i % 2] for i in range(n_rows + 1)]})
    lists = pl.Series("calls::minutes", [[1.5] * (i % 3) for i in range(n_rows + 1)], dtype=pl.List(pl.Float64))
    return table if kind == "flat" else table.with_columns(lists)


def _trained(table: pl.DataFrame, context: pl.DataFrame | None, is_sequential: bool, **settings: Any) -> ModelArtifact:
    keys: dict[str, Any] = {} if context is None else {"ctx_data": context, "ctx_primary_key": "key"}
    keys |= {"tgt_context_key": "key"} if is_sequential or context is not None else {"primary_key": "key"}
    settings = {"max_epochs": 1, "model_size": "S", "device": "cpu", "random_state": 1} | settings
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*subjects")  # too few of them to show anything
        return (train_sequential if is_sequential else train_flat)(table, **keys, **settings)


@pytest.mark.parametrize("contexts", [1, pytest.param(len(CONTEXTS), marks=pytest.mark.slow)])
@pytest.mark.parametrize("is_sequential", [False, True], ids=["rows", "sequences"])
@pytest.mark.parametrize("name", TABLES)
def test_every_odd_table_trains_and_generates_under_every_odd_setting(name, is_sequential, contexts):  # E36 E9
    table, turn = _table(name), list(TABLES).index(name)
    for i, own in itertools.product(range(len(SETTINGS)), range(contexts)):
        settings, kind = SETTINGS[i], CONTEXTS[(i + turn + own) % len(CONTEXTS)]
        context = _context(kind, len(table))
        artifact = ModelArtifact.from_bytes(_trained(table, context, is_sequential, **settings).to_bytes())
        wanted = {"sample_size": 4} if context is None else {"ctx_data": context}
        made = (generate_sequential if is_sequential else generate_flat)(artifact, random_state=1, **wanted)
        assert made.schema == table.schema, (settings, kind)
        if context is None or not is_sequential:
            assert made["key"].n_unique() == (4 if context is None else len(context)), (settings, kind)
        for column in TABLES[name]:
            assert made[column].drop_nulls().is_in(table[column].implode()).all() or column == "b", (settings, kind)


@pytest.mark.parametrize("is_sequential", [False, True], ids=["rows", "sequences"])
@pytest.mark.parametrize("kind", CONTEXTS)
def test_a_table_without_rows_is_refused(kind, is_sequential):  # E36
    with pytest.raises(DataError, match="no rows"):
        _trained(_table("one row").clear(), _context(kind, 1), is_sequential)


def test_any_text_names_a_column():  # E7 E9
    names = ["", " ", "größe 📏", "x" * 3000, "a.b", "a::b", "a\x1fb", "a\nb", "value", "context"]
    table = pl.DataFrame({name: [i, i + 1] * 20 for i, name in enumerate(names)})
    artifact = ModelArtifact.from_bytes(_trained(table.with_columns(key=pl.int_range(40)), None, False).to_bytes())
    made = generate_flat(artifact, 30, random_state=1)
    assert made.columns == [*names, "key"]
    assert all(set(made[name]) <= set(table[name]) for name in names)


DAYS = pl.date_range(date(2024, 1, 1), date(2024, 1, 20), eager=True)
KEYS = {
    "dates": DAYS,
    "moments": DAYS.cast(pl.Datetime("ms", "Europe/Paris")),
    "lengths of time": DAYS - date(2023, 1, 1),
    "times of day": pl.Series(range(20)).cast(pl.Time),
    "fractions": pl.Series([i + 0.5 for i in range(20)]),
    "categories": pl.Series([f"c{i}" for i in range(20)], dtype=pl.Categorical),
}


@pytest.mark.parametrize("keys", KEYS.values(), ids=KEYS)
def test_every_new_row_and_sequence_has_a_key_of_its_own_of_the_columns_type(keys):  # E43 E9
    table = pl.DataFrame({"key": keys, "a": ["x", "y"] * 10})
    rows = generate_flat(_trained(table, None, False), 50, random_state=1)
    sequences = generate_sequential(_trained(table, None, True), sample_size=50, random_state=1)
    for made in (rows, sequences):
        assert made["key"].dtype == keys.dtype
        assert made["key"].n_unique() == 50
        assert not made["key"].null_count()


@pytest.mark.parametrize("keys", [pl.Series([True, False]), pl.Series([1, 2], dtype=pl.Int8)], ids=["bool", "int8"])
def test_a_type_that_has_too_few_keys_is_refused_unless_the_keys_are_given(keys):  # E43
    table = pl.DataFrame({"key": keys, "a": ["x", "y"]})
    with pytest.raises(DataError, match="which has no 200 different keys to be made"):
        generate_flat(_trained(table, None, False), 200, random_state=1)
    context = pl.DataFrame({"key": keys})
    made = generate_sequential(_trained(table, context, True), ctx_data=context, random_state=1)
    assert set(made["key"]) == set(keys)
