"""Given values: they come back as they were, whatever their type, and decide as much as the model knows of them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from argn_assets.engine import (
    ModelArtifact,
    generate_batches,
    generate_flat,
    generate_sequential,
    impute,
    log_prob,
    predict,
    predict_proba,
    train_flat,
    train_sequential,
)
from argn_assets.errors import ArgnError, DataError, SchemaError
from argn_assets_tests.tables_of_truth import two_coins

LETTERS = {"x": 0.5, "y": 0.3, "z": 0.2}
WINS = {"x": 0.9, "y": 0.5, "z": 0.1}
SHARE_OF_WINS = sum(LETTERS[letter] * WINS[letter] for letter in LETTERS)


def games(n_rows: int = 6000, seed: int = 0) -> pl.DataFrame:
    """A letter that decides how often is won, and a number that has nothing to do with either."""
    rng = np.random.default_rng(seed)
    letter = rng.choice(list(LETTERS), n_rows, p=list(LETTERS.values()))
    won = rng.random(n_rows) < np.array([WINS[one] for one in letter])
    return pl.DataFrame({"letter": letter, "won": won, "side": rng.integers(0, 4, n_rows)})


@pytest.fixture(scope="module")
def played() -> ModelArtifact:
    return train_flat(games(), model_size="S", random_state=0, max_epochs=30, device="cpu")


@pytest.fixture(scope="module")
def typed() -> ModelArtifact:
    table = pd.DataFrame(
        {
            "id": range(300),
            "kind": pd.Categorical(["a", "b", "c"] * 100),
            "grade": pd.Categorical([1, 2, 3] * 100, ordered=True),
            "is_new": [True, False, False] * 100,
            "small": np.arange(300, dtype="int32") % 7,
            "at": pd.date_range("2024-01-01", periods=300, freq="h", tz="Europe/Vienna").as_unit("us"),
            "day": [date(2024, 1, 1 + i % 28) for i in range(300)],
            "nothing": [None] * 300,
        }
    )
    return train_flat(table, primary_key="id", model_size="S", random_state=1, max_epochs=1, device="cpu")


# What the model never saw


def test_a_given_value_that_was_never_seen_decides_nothing(played):  # E40
    rows = generate_flat(played, seed_data=pl.DataFrame({"letter": ["never"] * 6000}), random_state=1)
    assert rows["letter"].unique().to_list() == ["never"]
    assert rows["won"].mean() == pytest.approx(SHARE_OF_WINS, abs=0.06)
    letters = predict_proba(played, pl.DataFrame({"side": [77]}), "letter")
    assert letters.row(0) == pytest.approx([0.5, 0.3, 0.2], abs=0.06)


def test_beside_a_value_that_was_never_seen_the_others_still_decide(played):  # E40
    given = pl.DataFrame({"letter": ["x", "z"], "side": [77, 77]})
    assert predict_proba(played, given, "won")["True"].to_list() == pytest.approx([0.9, 0.1], abs=0.07)


def test_beside_a_context_value_that_was_never_seen_rows_are_as_in_the_whole_table():  # E32
    context = games(4000).select("letter", key=pl.int_range(pl.len()))
    won = games(4000).select("won", key=pl.int_range(pl.len()))
    model = train_flat(
        won, ctx_data=context, ctx_primary_key="key", tgt_context_key="key", model_size="S", random_state=1,
        max_epochs=20, device="cpu",
    )  # fmt: skip
    new = pl.DataFrame({"key": range(3), "letter": ["x", "z", "never"]})
    likely, unlikely, unknown = predict_proba(model, new.select("key"), "won", ctx_data=new)["True"]
    assert [likely, unlikely, unknown] == pytest.approx([0.9, 0.1, SHARE_OF_WINS], abs=0.06)


@pytest.mark.parametrize("never", ["purple", None])
def test_sequences_of_a_context_value_that_was_never_seen_are_those_of_the_whole_table(never):  # E32 E33
    rng = np.random.default_rng(1)
    sizes = {"a": 1, "b": 4, "c": 9}
    kinds = rng.choice(list(sizes), 1500, p=[0.5, 0.3, 0.2])
    context = pl.DataFrame({"key": range(1500), "kind": kinds, "side": rng.integers(0, 2, 1500)})
    rows = context.select("key", n=pl.col("kind").replace_strict(sizes), side="side").select(
        pl.col("key", "side").repeat_by("n").explode()
    )
    model = train_sequential(
        rows, tgt_context_key="key", ctx_data=context, model_size="S", random_state=1, max_epochs=20, device="cpu"
    )
    made = generate_sequential(model, ctx_data=context.with_columns(kind=pl.lit(never, pl.String)), random_state=1)
    lengths = made.group_by("key").len()["len"].value_counts(normalize=True)
    shares = dict(lengths.iter_rows())
    assert [shares.get(n, 0.0) for n in (1, 4, 9)] == pytest.approx([0.5, 0.3, 0.2], abs=0.06)
    joined = made.join(context, on="key")
    assert (joined["side"] == joined["side_right"]).mean() > 0.95  # what is known still decides


# Values come back as they were


def test_categories_that_a_type_does_not_list_are_added_to_it(typed):  # E40 E9
    given = pd.DataFrame({"kind": ["b", "zebra"], "grade": [9, 1]})
    rows = generate_flat(typed, seed_data=given, random_state=1)
    assert rows["kind"].tolist() == ["b", "zebra"]
    assert rows["kind"].cat.categories.tolist() == ["a", "b", "c", "zebra"]
    assert rows["grade"].tolist() == [9, 1]
    assert rows["grade"].cat.ordered
    table = pl.DataFrame({"size": ["low", "high"] * 50}, schema={"size": pl.Enum(["low", "high"])})
    model = train_flat(table, model_size="S", random_state=1, max_epochs=1)
    assert generate_flat(model, seed_data=pl.DataFrame({"size": ["huge"]}))["size"].to_list() == ["huge"]


def test_filled_cells_may_have_categories_that_the_callers_type_does_not_list(typed):  # E41
    holes = pd.DataFrame({"kind": pd.Categorical(["a", None, None], categories=["a"]), "nothing": [None] * 3})
    filled = impute(typed, holes, random_state=1)
    assert filled["kind"].notna().all()
    assert filled["nothing"].isna().all()


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("is_new", pl.Series([1, 0]), [True, False]),
        ("small", pl.Series([3.0, 99_999.0]), [3, 99_999]),
        ("day", pl.Series([datetime(2024, 1, 3), datetime(1900, 1, 1)]), [date(2024, 1, 3), date(1900, 1, 1)]),
        (
            "at",
            pl.Series([datetime(1999, 1, 1, tzinfo=UTC), datetime(2030, 5, 5, 12, tzinfo=UTC)]),
            [datetime(1999, 1, 1, tzinfo=UTC), datetime(2030, 5, 5, 12, tzinfo=UTC)],
        ),
    ],
)
def test_values_of_other_types_come_back_in_the_columns_type(typed, name, given, expected):  # E40 E9
    rows = generate_flat(typed, seed_data=pl.DataFrame({name: given}), random_state=1)
    assert rows[name].tolist() == expected


@pytest.mark.parametrize(
    ("name", "given", "message"),
    [
        ("is_new", [0.5, 1.0], "1 values in 'is_new' .Float64. that the column's type Boolean does not hold"),
        ("small", [2**40, 1], "1 values in 'small' .Int64. that the column's type Int32 does not hold"),
        ("small", [1.5, 1.0], "1 values in 'small'"),
        ("day", [datetime(2024, 1, 3, 13)], "1 values in 'day'"),
        ("day", [5], "Convert the values to dates or times"),
        ("at", ["2024-01-01"], "Convert the values to dates or times"),
        ("at", [datetime(2024, 1, 1)], "only one of the two has a time zone"),
        ("small", [[1]], "Convert the values before"),
    ],
)
def test_values_that_would_not_come_back_as_they_were_are_refused_at_the_call(typed, name, given, message):  # E40
    with pytest.raises(SchemaError, match=message):
        generate_batches(typed, seed_data=pl.DataFrame({name: given}), batch_size=1)


def test_a_predicted_time_of_day_is_one_that_every_library_knows():  # E41 E9
    table = pl.DataFrame({"time": [time(9, 0, i % 7) for i in range(90)], "place": ["x", "y", "z"] * 30})
    model = train_flat(table, model_size="S", random_state=1, max_epochs=1, device="cpu")
    for rows in (table, table.to_pandas(), table.to_arrow()):
        assert len(predict(model, rows, "time")) == 90


# Keys


def test_new_keys_are_none_of_the_given_ones(typed):  # E43
    given = pd.DataFrame({"id": [None, 1, None, 3, None, 7]})
    keys = generate_flat(typed, seed_data=given, random_state=1)["id"]
    assert keys.is_unique
    assert keys[[1, 3, 5]].tolist() == [1, 3, 7]


@pytest.mark.parametrize("key", [lambda i: i + 1, lambda i: f"customer {i}"], ids=["number", "text"])
def test_sequences_that_go_on_and_new_ones_have_keys_of_their_own(key):  # E40 E43
    table = pl.DataFrame({"key": [key(i // 2) for i in range(100)], "value": [0, 1] * 50})
    model = train_sequential(table, tgt_context_key="key", model_size="S", random_state=1, max_epochs=1)
    first = generate_sequential(model, sample_size=40, random_state=5)
    begun = first.unique("key", keep="first", maintain_order=True)[25:35]
    again = generate_sequential(model, sample_size=40, seed_data=begun, random_state=5, batch_size=7)
    assert again["key"].n_unique() == 40
    assert begun["key"].is_in(again["key"].implode()).all()


def test_a_given_key_names_the_context_of_its_row():  # E40 E43
    context = pl.DataFrame({"key": range(500), "kind": ["a", "b"] * 250})
    table = context.select("key", value=pl.col("kind").replace_strict({"a": "left", "b": "right"}))
    model = train_flat(
        table, ctx_data=context, ctx_primary_key="key", tgt_context_key="key", model_size="S", random_state=1,
        max_epochs=20, device="cpu",
    )  # fmt: skip
    given = pl.DataFrame({"key": [3, 1, 3, 5] * 20})  # all of kind b, and none in the order of the context
    rows = generate_flat(model, ctx_data=context, seed_data=given, random_state=1)
    assert rows["key"].equals(given["key"])
    assert (rows["value"] == "right").mean() > 0.95
    with pytest.raises(DataError, match="1 of 2 values of 'key' are not among the 'key' of ctx_data"):
        generate_flat(model, ctx_data=context, seed_data=pl.DataFrame({"key": [1, 777]}))


# Times


@pytest.fixture(scope="module")
def visited() -> tuple[pl.DataFrame, ModelArtifact]:
    rng, rows = np.random.default_rng(0), []
    for key in range(300):
        at = datetime(2021, 1, 1) + timedelta(days=int(rng.integers(0, 300)))
        for _ in range(int(rng.integers(3, 6))):
            rows.append((key, at))
            at += timedelta(days=int(rng.integers(1, 4)), minutes=17)
    table = pl.DataFrame(rows, schema=["key", "at"], orient="row")
    return table, train_sequential(table, tgt_context_key="key", model_size="S", random_state=1, max_epochs=15)


def _gaps(rows: pl.DataFrame) -> pl.Series:
    return rows.select(pl.col("at").diff().over("key")).to_series().drop_nulls()


@pytest.mark.parametrize("year", [1990, 2021, 2030])
def test_a_sequence_goes_on_from_given_times_wherever_they_lie(visited, year):  # E33 E40
    given = pl.DataFrame(
        {"key": [1, 1, 2], "at": [datetime(year, 3, 5, 13), datetime(year, 3, 7), datetime(year, 6, 1)]}
    )
    model = visited[1]
    rows = generate_sequential(model, seed_data=given, sample_size=20, random_state=1)
    assert given.join(rows, on=["key", "at"], how="anti").is_empty()
    begun = rows.filter(pl.col("key").is_in([1, 2]))
    assert begun["at"].dt.year().unique().to_list() == [year]
    drawn = _gaps(begun).filter(_gaps(begun) != timedelta(days=1, hours=11))
    assert drawn.is_between(timedelta(days=1), timedelta(days=4)).all()
    assert (
        rows.filter(~pl.col("key").is_in([1, 2]))["at"].is_between(visited[0]["at"].min(), visited[0]["at"].max()).all()
    )


@pytest.mark.parametrize("year", [1990, 2021, 2030])
def test_a_sequence_goes_on_in_the_rhythm_of_given_times_wherever_they_lie(year):  # E33 E40
    begin = {key: datetime(2021, 1, 1) + timedelta(days=key) for key in range(300)}
    days = {key: [1, 7, 30][key % 3] for key in begin}
    table = pl.DataFrame(
        [(k, begin[k] + i * timedelta(days=days[k])) for k in begin for i in range(6)], ["key", "at"], orient="row"
    )
    model = train_sequential(table, tgt_context_key="key", model_size="S", random_state=1, max_epochs=15, device="cpu")
    given = pl.DataFrame(
        [(k, datetime(year, 3, 5) + i * timedelta(days=days[k])) for k in range(60) for i in range(3)],
        ["key", "at"],
        orient="row",
    )
    gaps = generate_sequential(model, seed_data=given, random_state=1).select(
        "key", gap=pl.col("at").diff().over("key").dt.total_days()
    )
    for key, gap in gaps.group_by(pl.col("key") % 3).agg(pl.col("gap").drop_nulls()).iter_rows():
        assert np.mean(np.array(gap) == days[key]) > 0.95


@pytest.mark.parametrize("year", [2021, 2030])
def test_missing_times_are_filled_between_the_given_ones(visited, year):  # E41 E33
    days = [datetime(year, 3, 1), None, datetime(year, 3, 2, 12), None]
    filled = impute(visited[1], pl.DataFrame({"key": [1] * 4, "at": days}), random_state=1)
    assert filled["at"].null_count() == 0
    assert filled["at"].is_sorted()
    assert filled["at"].dt.month().unique().to_list() == [3]


# Requests


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_size": 1.5}, "sample_size is 1.5; it must be a whole number from 0 up"),
        ({"sample_size": "3"}, "sample_size is '3'"),
        ({"sampling_temperature": "hot"}, "sampling_temperature is 'hot'"),
        ({"sampling_temperature": float("inf")}, "sampling_temperature is inf"),
        ({"batch_size": 2.5}, "batch_size is 2.5"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"random_state": "a"}, "random_state is 'a'"),
        ({"device": "tpu"}, "device is 'tpu', which this machine does not have"),
        ({"rebalancing": {"value": 0.5}}, "it is written {column: {value: share}}"),
    ],
)
@pytest.mark.parametrize("is_sequential", [False, True])
def test_settings_that_mean_nothing_are_refused_with_their_range(arguments, message, is_sequential):
    table = pl.DataFrame({"key": range(20), "value": [0, 1] * 10})
    train, generate = (train_sequential, generate_sequential) if is_sequential else (train_flat, generate_flat)
    model = train(table, tgt_context_key="key", model_size="S", random_state=1, max_epochs=0)
    with pytest.raises(ArgnError, match=message):
        generate(model, **arguments)


@pytest.mark.parametrize("is_sequential", [False, True])
def test_a_batch_of_no_rows_says_the_columns(is_sequential):  # E4
    table = pl.DataFrame({"key": range(20), "value": ["x", "y"] * 10})
    train = train_sequential if is_sequential else train_flat
    model = train(table, tgt_context_key="key", model_size="S", random_state=1, max_epochs=0)
    (batch,) = generate_batches(model, 0)
    assert pl.from_arrow(batch).schema == table.schema


def test_batches_have_the_arrow_types_that_were_trained_on():  # E4 E9
    types = {"letter": pa.string(), "number": pa.int16(), "kind": pa.dictionary(pa.int8(), pa.string())}
    values = {"letter": ["x", "y"], "number": [1, 2], "kind": ["x", "y"]}
    table = pa.table({name: pa.array(values[name] * 50).cast(kind) for name, kind in types.items()})
    model = train_flat(table, model_size="S", random_state=1, max_epochs=0)
    assert all(batch.schema == table.schema for batch in generate_batches(model, 30, batch_size=10))


def test_what_is_given_counts_in_the_likelihood_as_a_value_of_its_own_only():  # E41
    model = train_flat(two_coins(), model_size="S", random_state=1, max_epochs=15, device="cpu")
    usual, strange = log_prob(model, pl.DataFrame({"first": ["heads", "edge"], "second": ["heads", "heads"]}))
    assert strange < usual - 3
