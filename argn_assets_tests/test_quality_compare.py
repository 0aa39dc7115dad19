"""Tables whose truth we wrote, and what the figures must say of them."""

from __future__ import annotations

import datetime as dt

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.errors import DataError, SchemaError
from argn_assets.quality import TableQuality, compare_tables

ROWS = 3_000


def people(seed: int, rows: int = ROWS) -> pl.DataFrame:
    """Age decides the income, the job decides the hours, and a tenth earns nothing."""
    rng = np.random.default_rng(seed)
    age = rng.integers(18, 80, rows)
    job = rng.choice(["clerk", "cook", "pilot"], rows, p=[0.5, 0.3, 0.2])
    hours = np.where(job == "pilot", 20, 40) + rng.integers(-2, 3, rows)
    income = np.where(rng.random(rows) < 0.1, 0.0, age * 100.0 + rng.normal(0, 200, rows))
    return pl.DataFrame({"age": age, "job": job, "hours": hours, "income": income, "rich": income > 5_000})


def shuffled(table: pl.DataFrame) -> pl.DataFrame:
    return pl.DataFrame([table[name].shuffle(seed=place) for place, name in enumerate(table.columns)])


@pytest.fixture(scope="module")
def real() -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    return people(1), people(2), people(3)


def compare(training: pl.DataFrame, synthetic: pl.DataFrame, holdout: pl.DataFrame | None = None) -> TableQuality:
    return compare_tables(training, holdout, synthetic, name="people")


def test_fresh_real_rows_reach_the_ceiling_and_cannot_be_told_apart(real):  # O21
    training, holdout, fresh = real
    quality = compare(training, fresh, holdout)
    assert quality.fidelity == pytest.approx(quality.fidelity_ceiling, abs=0.01)
    assert quality.c2st_auc == pytest.approx(0.5, abs=0.04)
    assert quality.c2st_auc_holdout == pytest.approx(0.5, abs=0.04)
    assert all(column.c2st_auc == pytest.approx(0.5, abs=0.05) for column in quality.columns)
    assert quality.copies == pytest.approx(quality.copies_holdout, abs=0.02)


def test_an_identical_table_has_accuracy_one_and_only_copies(real):
    training, holdout, _ = real
    quality = compare(training, training, holdout)
    assert quality.accuracy_univariate == quality.accuracy_bivariate == quality.fidelity == 1.0
    assert quality.copies == 1.0
    assert quality.copies_holdout < 0.2
    assert quality.c2st_auc < 0.55
    assert all(column.unseen_share == 0.0 for column in quality.columns)


def test_shuffled_columns_keep_their_own_accuracy_and_lose_that_of_pairs(real):
    training, holdout, _ = real
    quality = compare(training, shuffled(training), holdout)
    assert quality.accuracy_univariate == 1.0
    assert quality.accuracy_bivariate < quality.ceiling_bivariate - 0.05
    assert quality.c2st_auc > 0.9
    worst = {frozenset((pair.first, pair.second)) for pair in quality.pairs[:4]}
    assert {frozenset(("age", "income")), frozenset(("job", "hours"))} <= worst


def test_a_smeared_spike_is_told_and_its_column_named(real):
    training, _, fresh = real
    noise = pl.Series(np.random.default_rng(0).random(ROWS))
    smeared = fresh.with_columns(income=pl.when(pl.col("income") == 0).then(noise).otherwise("income"))
    quality = compare(training, smeared)
    assert quality.telltale_columns[0].name == quality.columns[0].name == "income"
    assert quality.columns[0].accuracy < 0.95
    assert quality.c2st_auc > 0.53


def test_values_off_the_real_grid_are_told_by_their_column_alone():
    rng = np.random.default_rng(0)
    prices = pl.DataFrame({"price": rng.choice([9.99, 14.99, 19.99, 24.99], 2_000)})
    uniform = pl.DataFrame({"price": rng.uniform(9.99, 24.99, 2_000)})
    column = compare(prices, uniform).columns[0]
    assert column.c2st_auc > 0.95
    assert column.accuracy < 0.05
    assert column.unseen_share > 0.99


def test_categories_the_training_lacks_count_as_rare_and_as_unseen(real):
    training, _, fresh = real
    column = {c.name: c for c in compare(training, fresh.with_columns(job=pl.lit("spy"))).columns}["job"]
    assert (column.accuracy, column.unseen_share) == (0.0, 1.0)
    assert [bar.label for bar in column.distribution.bars] == ["clerk", "cook", "pilot", "(rare)"]


def test_missing_values_count_as_a_value(real):
    training, _, _ = real
    half = training.with_columns(age=pl.when(pl.int_range(pl.len()) % 2 == 0).then("age"))
    column = {c.name: c for c in compare(training, half).columns}["age"]
    assert (column.null_share_training, column.null_share_synthetic) == (0.0, 0.5)
    assert column.accuracy == pytest.approx(0.5)


def test_nan_is_a_missing_value_like_null():
    nulls = pl.DataFrame({"x": [None, 1.0] * 100})
    quality = compare(nulls, pl.DataFrame({"x": [float("nan"), 1.0] * 100}))
    assert (quality.fidelity, quality.copies) == (1.0, 1.0)


def test_the_same_seed_gives_the_same_figures(real):
    training, holdout, fresh = real
    first, second = (
        compare_tables(training, holdout, fresh, name="people", target="rich", max_rows=500, seed=7) for _ in range(2)
    )
    assert first == second
    assert first != compare_tables(training, holdout, fresh, name="people", target="rich", max_rows=500, seed=8)


def test_a_target_adds_the_train_on_synthetic_score(real):
    training, holdout, fresh = real
    good = compare_tables(training, holdout, fresh, target="rich").usefulness
    bad = compare_tables(training, holdout, shuffled(training), target="rich").usefulness
    assert good.measure == "auc"
    assert good.trained_on_synthetic == pytest.approx(good.trained_on_real, abs=0.02)
    assert bad.trained_on_synthetic < good.trained_on_synthetic - 0.2
    assert compare_tables(training, holdout, fresh, target="income").usefulness.measure == "r2"


def test_the_summary_names_only_what_was_measured(real):
    training, holdout, fresh = real
    summary = compare(training, fresh, holdout).summary()
    assert {"fidelity", "fidelity_ceiling", "c2st_auc", "copy_rate", "rows_synthetic"} <= summary.keys()
    assert all(type(value) is float for value in summary.values())
    assert "fidelity_ceiling" not in compare(training, fresh).summary()


def test_keys_are_left_out_and_surplus_columns_noted(real):
    training, _, fresh = real
    quality = compare_tables(training, None, fresh.with_columns(extra=1).drop("age"), keys=["age"])
    assert "age" not in {column.name for column in quality.columns}
    assert any("extra" in note for note in quality.notes)


def test_an_empty_holdout_leaves_out_what_needs_one(real):
    training, _, fresh = real
    for holdout in (None, training.head(0), pl.DataFrame()):
        quality = compare(training, fresh, holdout)
        assert quality.fidelity_ceiling is quality.c2st_auc_holdout is quality.copies_holdout is None
        assert quality.c2st_auc is not None


def test_a_tiny_table_has_no_discriminator_and_says_so():
    tiny = pl.DataFrame({"a": [1, 2, 3, 4, 5], "b": list("vwxyz")})
    quality = compare(tiny, tiny, tiny)
    assert quality.c2st_auc is quality.c2st_auc_holdout is None
    assert any("C2ST" in note for note in quality.notes)
    assert quality.telltale_columns == ()
    labels = {bar.label for column in quality.columns for bar in column.distribution.bars}
    assert labels == {"(rare)", "(other values)"}


def test_one_column_has_no_pairs():
    quality = compare(people(1).select("age"), people(2).select("age"))
    assert quality.accuracy_bivariate is None
    assert quality.fidelity == quality.accuracy_univariate


def odd_columns(rows: int = 300) -> dict[str, pl.Series]:
    rng = np.random.default_rng(0)
    whole = rng.integers(0, 900, rows)
    day, minute = dt.timedelta(days=1), dt.timedelta(minutes=1)
    times = pl.Series([dt.datetime(2024, 1, 1) + int(n) * minute for n in whole]).dt.replace_time_zone("UTC")
    return {
        "constant": pl.Series([7] * rows),
        "no type": pl.Series([None] * rows, dtype=pl.Null),
        "no text": pl.Series([None] * rows, dtype=pl.String),
        "no number": pl.Series([float("nan")] * rows),
        "one number": pl.Series([1.0] + [None] * (rows - 1)),
        "boolean": pl.Series(whole > 300),
        "date": pl.Series([dt.date(2020, 2, 29) + int(n) * day for n in whole]),
        "zoned": times.dt.convert_time_zone("Europe/Paris"),
        "time": pl.Series([dt.time(int(n) % 24) for n in whole]),
        "duration": pl.Series([int(n) * minute for n in whole]),
        "categorical": pl.Series(rng.choice(list("abc"), rows)).cast(pl.Categorical),
        "enum": pl.Series(rng.choice(list("abc"), rows)).cast(pl.Enum(list("abc"))),
        "infinite": pl.Series(np.where(whole < 90, np.inf, np.where(whole > 880, -np.inf, whole * 1.0))),
        "huge": pl.Series(rng.normal(0, 1e300, rows)),
        "64 bits": pl.Series(rng.integers(-(2**63), 2**63 - 1, rows)),
        "decimal": pl.Series(whole).cast(pl.Decimal(10, 2)),
        "list": pl.Series([[int(n)] for n in whole % 3]),
        "struct": pl.Series([{"a": int(n)} for n in whole % 3]),
        "binary": pl.Series([b"\xff\x00"] * rows),
        "all different": pl.Series([f"name {n}" for n in range(rows)]),
    }


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", odd_columns())
def test_an_odd_column_is_equal_to_itself_and_does_not_stop_the_others(name):
    table = pl.DataFrame({name: odd_columns()[name], "plain": list(range(300))})
    quality = compare(table, table, table.tail(150))
    assert quality.fidelity == 1.0
    assert quality.copies == 1.0
    assert quality.c2st_auc <= 0.55


@pytest.mark.filterwarnings("error")
def test_all_odd_columns_together():
    table = pl.DataFrame(odd_columns())
    empty = table.with_columns(pl.lit(None).alias(name) for name in table.columns)
    assert compare(table, table, table.tail(150)).fidelity == 1.0
    assert compare(table, empty, table.tail(150)).fidelity < 0.2


def test_instants_are_compared_in_the_time_zone_of_the_training_table():
    zoned = pl.DataFrame({"when": odd_columns()["zoned"]})
    same = zoned.with_columns(pl.col("when").dt.convert_time_zone("Asia/Tokyo"))
    assert compare(zoned, same).copies == 1.0


def test_a_synthetic_table_without_rows_is_an_error_that_names_the_table():
    with pytest.raises(DataError, match=r"'people'.*synthetic table has 0 rows"):
        compare(people(1, 10), people(1, 10).head(0))


def test_missing_columns_are_named():
    with pytest.raises(SchemaError, match="synthetic table lacks 'hours', 'rich'"):
        compare(people(1, 10), people(1, 10).drop("hours", "rich"))
    with pytest.raises(SchemaError, match="holdout table lacks 'age'"):
        compare(people(1, 10), people(1, 10), people(1, 10).drop("age"))


def test_text_in_place_of_numbers_names_the_column_and_both_types():
    with pytest.raises(SchemaError, match="'age': String in the synthetic table, Int64 in the training"):
        compare(people(1, 10), people(1, 10).with_columns(pl.col("age").cast(pl.String)))


def test_an_unknown_target_is_an_error_that_lists_the_columns():
    with pytest.raises(SchemaError, match=r"'wage'.*age, job"):
        compare_tables(people(1, 10), None, people(2, 10), target="wage")


def test_a_table_of_keys_only_is_an_error():
    with pytest.raises(DataError, match="only key columns"):
        compare_tables(people(1, 10), None, people(1, 10), keys=people(1, 1).columns)


cells = st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True), st.sampled_from([0.0, 1.0]))
tables = st.lists(st.tuples(cells, st.none() | st.sampled_from("abc")), min_size=1, max_size=40).map(
    lambda rows: pl.DataFrame(rows, schema={"x": pl.Float64, "c": pl.String}, orient="row")
)


@settings(max_examples=40, deadline=None)
@given(tables, tables, tables)
def test_every_figure_stays_within_its_bounds(training, holdout, synthetic):
    quality = compare(training, synthetic, holdout)
    shares = [quality.fidelity, quality.fidelity_ceiling, quality.copies, quality.copies_holdout]
    shares += [figure for c in quality.columns for figure in (c.accuracy, c.unseen_share, c.null_share_synthetic)]
    shares += [pair.accuracy for pair in quality.pairs]
    assert all(0.0 <= share <= 1.0 for share in shares)
    for column in quality.columns:
        bars, histogram = column.distribution.bars, column.distribution.histogram
        total = sum(bar.synthetic for bar in bars) + (sum(histogram.synthetic) if histogram else 0.0)
        assert total == pytest.approx(1.0)


@settings(max_examples=30, deadline=None)
@given(tables, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(training, random):
    order = list(range(training.height))
    random.shuffle(order)
    assert compare(training, training[order]).fidelity == 1.0
    assert compare(training, training[order]).copies == 1.0
