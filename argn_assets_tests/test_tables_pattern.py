"""Columns made anew in their form (role `pattern`): nothing of the original, the same from any cut (E26)."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.encodings.protection import Protection
from argn_assets.errors import ConfigError, SchemaError
from argn_assets.seeds import Seed
from argn_assets.tables import compute_stats, pattern
from argn_assets.tables.dtypes import dtype_name
from argn_assets.tables.pattern import PatternStats, count_patterns, reduce_patterns, skeletons_of
from argn_assets.tables.pattern_texts import make_texts
from argn_assets.tables.stats import TableStats
from argn_assets_tests.conformance.columns import ODD_TEXTS
from argn_assets_tests.conformance.encoding import law, random_split

SOME_TEXTS = st.sampled_from([*ODD_TEXTS, "Ann Lee", "Bo Li", "+49 170 1", "+1 55 2", "ab@c.de", "Ёж", "王小明"])


def stats_of(values: pl.Series, subjects: Any = None, threshold: int = 5) -> PatternStats:
    return reduce_patterns([count_patterns(values, subjects)], Protection(threshold))


def made(values: pl.Series, n_rows: int, seed: int = 0) -> pl.Series:
    return make_texts(stats_of(values), dtype_name(values.dtype, "c"), Seed(seed), 0, n_rows)


def emails(n_rows: int) -> pl.Series:
    rng = np.random.default_rng(1)
    first, last = (
        np.array(words)[rng.integers(0, len(words), n_rows)]
        for words in (["anna", "bo", "christine", "dimitri"], ["meier", "lee", "smith-jones"])
    )
    return pl.Series([f"{a}.{b}{i}@example.org" for i, (a, b) in enumerate(zip(first, last, strict=True))])


def test_a_form_that_all_share_is_kept_and_its_letters_and_digits_are_not() -> None:
    plates = pl.Series([f"KA-{100 + i} X" for i in range(60)])
    back = made(plates, 500)
    assert back.str.contains(r"^[A-Z]{2}-\d{3} [A-Z]$").all()
    assert back.str.head(2).n_unique() > 100


def test_forms_come_back_at_their_share() -> None:
    phones = pl.Series(["+49 170 1234567"] * 300 + ["030/44556"] * 100)
    back = made(phones, 4000)
    assert back.str.contains(r"^\+\d\d \d{3} \d{7}$").mean() == pytest.approx(0.75, abs=0.03)
    assert back.str.contains(r"^\d{3}/\d{5}$").mean() == pytest.approx(0.25, abs=0.03)


def test_texts_of_many_lengths_keep_their_shape() -> None:
    back = made(emails(400), 1000)
    assert back.str.contains(r"^[a-z]{2,9}\.[a-z]{3,5}(-[a-z]{5})?\d{1,3}@[a-z]{7}\.[a-z]{3}$").mean() > 0.99


def test_where_no_form_is_shared_positions_and_lengths_are() -> None:
    rng = np.random.default_rng(2)
    odd = pl.Series(["".join(rng.choice(list("ab7-/ "), 6)) for _ in range(200)])
    back = made(odd, 300)
    assert (back.str.len_chars() == 6).all()
    assert back.str.contains(r"^[a-z0-9/ -]{6}$").all()


@pytest.mark.parametrize("text", ["Ольга", "Νίκη", "王小明", "김철수", "さくら", "אורן"])
def test_letters_are_of_the_script_they_were_of(text: str) -> None:
    values = pl.Series([text] * 10)
    assert skeletons_of(made(values, 50)).unique().to_list() == skeletons_of(pl.Series([text])).to_list()


# E23
@law
@given(secret=st.text(min_size=1, max_size=12), n_repeats=st.integers(1, 60))
def test_a_literal_or_length_that_few_subjects_have_is_never_made(secret: str, n_repeats: int) -> None:
    values = pl.Series(["Ann Lee"] * 40 + [f"<{secret}|>"] * n_repeats)
    subjects = np.concatenate([np.arange(40), np.full(n_repeats, 99)]).astype(np.uint64)
    stats = stats_of(values, subjects)
    back = make_texts(stats, "string", Seed(0), 0, 500)
    assert back.str.contains(r"^[A-Z][a-z]{2} [A-Z][a-z]{2}$").all()
    assert "|" not in json.dumps(stats.to_json())


def test_protection_is_on_whatever_the_table_says() -> None:
    table = pl.DataFrame({"name": ["Ann Lee"] * 30 + ["X-1/9"], "n": range(31)})
    stats = compute_stats(table, column_roles={"name": "pattern"}, value_protection=False)
    assert [form.shape for form in stats.patterns["name"].forms] == ["Aa Aa"]


def test_texts_that_nobody_shares_are_made_of_letters_alone() -> None:
    back = made(pl.Series(["Jim", "+1 2", "a@b.c"]), 100)
    assert back.str.contains("^[a-z]{8}$").all()


@law
@given(values=st.lists(st.none() | SOME_TEXTS, max_size=60), n_parts=st.integers(1, 5), seed=st.integers(0, 99),
       shares_subjects=st.booleans(), threshold=st.sampled_from([2, 5]))  # fmt: skip
def test_stats_depend_neither_on_split_nor_on_order(
    values: list[str | None], n_parts: int, seed: int, shares_subjects: bool, threshold: int
) -> None:  # E5
    column = pl.Series("c", values, dtype=pl.String)
    groups = np.random.default_rng(seed).integers(0, 9, len(values)) if shares_subjects else np.arange(len(values))
    subjects = groups.astype(np.uint64) if shares_subjects else None
    parts = [
        count_patterns(column.gather(rows), None if subjects is None else subjects[rows])
        for rows in random_split(len(column), n_parts, groups, seed)
    ]
    whole = stats_of(column, subjects, threshold)
    assert reduce_patterns(parts, Protection(threshold)) == whole
    assert PatternStats.from_json(json.loads(json.dumps(whole.to_json(), allow_nan=False))) == whole


@law
@given(values=st.lists(st.none() | SOME_TEXTS, max_size=60), cut=st.integers(0, 80), seed=st.integers(0, 99))
def test_texts_do_not_depend_on_the_cut_of_rows(values: list[str | None], cut: int, seed: int) -> None:  # E6
    stats = stats_of(pl.Series("c", values, dtype=pl.String), threshold=2)
    whole = make_texts(stats, "string", Seed(seed), 0, 80)
    parts = [make_texts(stats, "string", Seed(seed), 0, cut), make_texts(stats, "string", Seed(seed), cut, 80 - cut)]
    assert pl.concat(parts).to_list() == whole.to_list()


@pytest.mark.parametrize("first_row", [0, 7000])
def test_where_no_value_repeated_none_is_made_twice(first_row: int) -> None:
    codes = pl.Series([f"{i:03}-{'x' if i % 2 else 'yy'}" for i in range(1000)])
    back = make_texts(stats_of(codes), "string", Seed(3), first_row, 1000)
    assert back.n_unique() == 1000
    assert made(emails(300), 20_000).n_unique() == 20_000
    order = make_texts(stats_of(codes), "string", Seed(3), 0, 1000).str.head(3)
    assert abs(np.corrcoef(np.arange(1000), order.cast(pl.Int64).to_numpy())[0, 1]) < 0.2


def test_a_column_whose_values_repeat_may_repeat() -> None:
    assert made(pl.Series(["A1", "A2", "A1", *[f"B{i % 10}" for i in range(20)]]), 400).n_unique() < 261


def test_missing_values_keep_their_share() -> None:
    back = made(pl.Series(["Ann Lee", None, None, None] * 20), 4000)
    assert back.null_count() / 4000 == pytest.approx(0.75, abs=0.03)
    assert made(pl.Series([None] * 9, dtype=pl.String), 9).null_count() == 9


@pytest.mark.parametrize(
    "values",
    [
        pl.Series([49_170_000_000 + i for i in range(50)]),
        pl.Series([100 + i for i in range(50)], dtype=pl.UInt8),
        pl.Series([float(10_000 + i) for i in range(50)] + [None]),
        pl.Series([-7] * 9, dtype=pl.Int8),
    ],
)
def test_whole_numbers_stay_numbers_of_as_many_digits(values: pl.Series) -> None:
    back = made(values.drop_nulls(), 300)
    assert back.dtype == values.dtype
    assert back.null_count() == 0
    digits = values.drop_nulls().cast(pl.Int64).abs().cast(pl.String).str.len_chars().max()
    assert back.cast(pl.Int64).abs().cast(pl.String).str.len_chars().max() == digits


def test_empty_texts_and_no_rows_work() -> None:
    assert made(pl.Series([""] * 9), 5).to_list() == [""] * 5
    assert made(pl.Series([], dtype=pl.String), 3).len() == 3
    assert made(pl.Series(["a"] * 9), 0).len() == 0


@pytest.mark.parametrize(
    ("roles", "options", "error", "message"),
    [
        ({"x": "pattern"}, {}, SchemaError, "'x'.*no such column.*name, n"),
        ({"name": "patern"}, {}, ConfigError, "'name'.*no role 'patern'.*value, key, pattern, drop"),
        ({"half": "pattern"}, {}, SchemaError, "'half'.*texts and whole numbers"),
        ({"day": "key"}, {}, SchemaError, "'day'.*keys are numbers or text"),
        ({"name": "pattern"}, {"primary_key": "name"}, ConfigError, "'name' is the primary key"),
        ({"name": "pattern"}, {"encoding_types": {"name": "character"}}, ConfigError, "'pattern'.*'character'"),
        ({"n": "key"}, {"encoding_types": {"n": "numeric_auto"}}, ConfigError, "'n' is a key"),
    ],
)
def test_roles_that_a_column_cannot_have_are_refused(
    roles: Any, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    table = pl.DataFrame({"name": ["a"], "n": [1], "half": [0.5], "day": [None]}, schema_overrides={"day": pl.Date})
    with pytest.raises(error, match=message):
        compute_stats(table, column_roles=roles, **options)


def test_stats_with_patterns_survive_bytes_and_leave_dropped_columns_out() -> None:
    table = pl.DataFrame({"mail": emails(50), "n": range(50), "note": ["secret"] * 50, "code": range(50)})
    stats = compute_stats(table, column_roles={"mail": "pattern", "note": "drop", "code": "key"})
    assert TableStats.from_bytes(stats.to_bytes()) == stats
    assert [(c.name, c.role) for c in stats.schema.columns] == [("mail", "pattern"), ("n", "value"), ("code", "key")]
    assert list(stats.columns) == ["n"]


def test_of_very_many_skeletons_some_stand_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(4)
    wide = pl.Series(["-".join("x" * int(size) for size in sizes) for sizes in rng.integers(1, 9, (2000, 4))])
    values = pl.concat([pl.Series(["+1 2"] * 2000), wide])
    monkeypatch.setattr(pattern, "MOST_READ", 200)
    shares = {form.shape: form.share for form in stats_of(values).forms}
    assert shares == pytest.approx({"+9 9": 0.5, "a-a-a-a": 0.5}, abs=0.02)
