"""Using a flat model: filling in, predicting, probabilities and shares, on tables whose truth we wrote."""

from __future__ import annotations

import time
from datetime import date

import numpy as np
import pandas as pd
import polars as pl
import pytest

from argn_assets.encodings.numeric_digit import NumericDigit
from argn_assets.engine import (
    ModelArtifact,
    generate_batches,
    generate_flat,
    impute,
    log_prob,
    log_prob_by_column,
    log_probs,
    predict,
    predict_proba,
    train_flat,
)
from argn_assets.errors import ConfigError, DataError, SchemaError
from argn_assets.tables import encode_table
from argn_assets_tests.tables_of_truth import shop_orders, two_coins

HOME = {"DE": "EUR", "FR": "EUR", "US": "USD", "GB": "GBP"}


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return shop_orders(6000)


@pytest.fixture(scope="module")
def artifact(orders) -> ModelArtifact:
    return train_flat(orders, primary_key="order", random_state=1, max_epochs=25, device="cpu")


@pytest.fixture(scope="module")
def coins() -> ModelArtifact:
    return train_flat(two_coins(), random_state=1, max_epochs=15, device="cpu")


@pytest.fixture(scope="module")
def fixed() -> ModelArtifact:
    return train_flat(two_coins(), any_order=False, random_state=1, max_epochs=10, device="cpu")


def _with_holes(table: pl.DataFrame, share: float, but: tuple[str, ...] = ()) -> pl.DataFrame:
    rng = np.random.default_rng(1)
    holes = [
        pl.when(pl.Series(rng.random(len(table)) >= share)).then(pl.col(name)).alias(name)
        for name in table.columns
        if name not in but
    ]
    return table.with_columns(holes)


# Imputation


def test_filled_cells_keep_the_relations_and_given_cells_their_values(artifact):  # E41
    truth = shop_orders(2000, seed=5).drop("message")
    table = _with_holes(truth, 0.2, but=("order",))
    filled = impute(artifact, table, random_state=1)
    assert filled.schema == table.schema
    assert sum(filled.null_count().row(0)) == 0
    assert filled["order"].equals(table["order"])
    for name in table.columns:
        given = table[name].is_not_null()
        assert filled[name].filter(given).equals(table[name].filter(given))
    assert (filled["country"].replace_strict(HOME) == filled["currency"]).mean() > 0.99
    assert ((filled["price"] * filled["quantity"] - filled["total"]).abs() < 0.005).mean() > 0.95


def test_a_filled_cell_is_never_missing_though_the_column_may_be(artifact):
    table = pl.DataFrame({"gift": [False] * 200, "message": pl.Series([None] * 200, dtype=pl.String)})
    assert generate_flat(artifact, seed_data=table, random_state=1)["message"].null_count() > 190
    assert impute(artifact, table, random_state=1)["message"].null_count() == 0


def test_a_pandas_table_comes_back_with_its_index_and_types(artifact):
    table = pd.DataFrame(
        {"extra": [1, 2, 3], "country": ["US", None, "GB"], "price": [None, 4.99, 9.99]}, index=[7, 5, 9]
    )
    filled = impute(artifact, table, random_state=1)
    assert filled.index.tolist() == [7, 5, 9]
    assert filled.dtypes.tolist() == table.dtypes.tolist()
    assert filled["extra"].tolist() == [1, 2, 3]
    assert filled.notna().all(axis=None)


def test_several_draws_come_as_one_value_or_as_tables(artifact):
    table = pl.DataFrame({"country": ["US"] * 50, "quantity": pl.Series([None] * 50, dtype=pl.Int32)})
    draws = impute(artifact, table, n_draws=20, aggregate=None, random_state=1)
    assert len(draws) == 20
    assert not draws[0].equals(draws[1])
    mean = impute(artifact, table, n_draws=20, random_state=1)["quantity"]
    assert mean.dtype == pl.Int32
    assert mean.to_list() == [round(sum(t["quantity"][i] for t in draws) / 20) for i in range(50)]


def test_the_values_do_not_depend_on_the_batch(artifact):
    table = _with_holes(shop_orders(200, seed=5), 0.5)
    assert impute(artifact, table, random_state=1, batch_size=7).equals(impute(artifact, table, random_state=1))


def test_a_table_without_holes_and_one_without_rows_come_back_as_they_are(artifact, orders):
    assert impute(artifact, orders.head(5).drop("message")).equals(orders.head(5).drop("message"))
    assert impute(artifact, orders.clear()).equals(orders.clear())


def test_ten_thousand_rows_are_filled_in_one_batch_in_a_second(artifact):
    table = _with_holes(shop_orders(10_000, seed=5), 0.3, but=("order",))

    def seconds() -> float:
        began = time.process_time()
        impute(artifact, table, random_state=1)
        return time.process_time() - began

    assert min(seconds() for _ in range(3)) < 2, "twice the promise, for a busy machine"


# Prediction


def test_predictions_follow_from_what_is_given(artifact):  # E41
    table = shop_orders(1000, seed=5)
    assert (predict(artifact, table.select("country"), "currency") == table["currency"]).mean() > 0.99
    total = predict(artifact, table.select("price", "quantity", "gift"), "total")
    assert total.dtype == pl.Float64
    assert ((total - table["total"]).abs() / table["total"]).mean() < 0.1


def test_probabilities_are_those_of_the_table():
    """P(first = heads) is 0.7 and P(same) is 0.9, and so are the conditionals in both directions."""
    model = train_flat(two_coins(20000), random_state=1, max_epochs=15, device="cpu")
    asked = pl.DataFrame({"first": ["heads", "tails", None]})
    found = predict_proba(model, asked, "second")
    assert found["heads"].to_list() == pytest.approx([0.9, 0.1, 0.66], abs=0.02)
    backwards = predict_proba(model, pl.DataFrame({"second": ["heads", "tails"]}), "first")
    assert backwards["heads"].to_list() == pytest.approx([0.63 / 0.66, 0.07 / 0.34], abs=0.02)
    joint = predict_proba(model, pl.DataFrame({"first": [None]}), ["second", "first"])
    truth = {"heads, heads": 0.63, "heads, tails": 0.03, "tails, heads": 0.07, "tails, tails": 0.27}
    for name, share in truth.items():
        assert joint[name][0] == pytest.approx(share, abs=0.02)


@pytest.mark.parametrize("target", ["price", "gift", "message", "country", "discount"])
def test_probabilities_sum_to_one_per_row(artifact, orders, target):
    found = predict_proba(artifact, orders.head(20).drop(target), target)
    assert found.sum_horizontal().to_list() == pytest.approx([1.0] * 20)


def test_pandas_columns_of_probabilities_are_the_values(artifact, orders):
    table = orders.head(3).to_pandas().set_index(pd.Index([4, 2, 9]))
    assert predict_proba(artifact, table, "gift").columns.tolist() == [False, True]
    found = predict_proba(artifact, table, "discount")
    assert found.index.tolist() == [4, 2, 9]
    assert found.columns[0] == 0.0
    assert {type(value) for value in found.columns} == {float, pd.Interval}  # spikes are values, the others cells
    assert predict_proba(artifact, table, ["gift", "country"]).columns.names == ["gift", "country"]


def test_every_column_can_be_predicted_listed_or_drawn(artifact, orders):
    table = orders.head(30)
    for name in artifact.tgt_stats.columns:
        found = predict(artifact, table.drop(name), name, n_draws=10, random_state=1)
        assert found.null_count() == 0
        assert len(found) == 30
    several = predict(artifact, table, ["gift", "country"])
    assert several.schema == orders.select("gift", "country").schema


def test_mean_median_and_mode_are_what_they_are_called(artifact):
    asked = pl.DataFrame({"country": ["US"]})
    shares = predict_proba(artifact, asked, "quantity").row(0, named=True)
    mean = sum(float(value) * p for value, p in shares.items())
    assert predict(artifact, asked, "quantity")[0] == pytest.approx(mean)
    assert predict(artifact, asked, "quantity", aggregate="mode")[0] == int(max(shares, key=shares.get))
    assert predict(artifact, asked, "quantity", aggregate="median").dtype == pl.Int32
    with pytest.raises(ConfigError, match="'country' is String and has no mean"):
        predict(artifact, asked, "country", aggregate="mean")


def test_digits_are_listed_where_they_are_few():
    table = pl.DataFrame({"a": [3, 14, 15, 92, None] * 200, "b": ["x", "y", "z", "u", "v"] * 200})
    model = train_flat(table, {"a": NumericDigit}, random_state=1, max_epochs=10, batch_size=64, device="cpu")
    assert predict(model, pl.DataFrame({"b": ["x", "u"]}), "a", aggregate="mode").to_list() == [3, 92]
    assert predict_proba(model, pl.DataFrame({"b": ["v"]}), "a")["null"][0] > 0.5


def test_what_cannot_be_predicted_is_refused_with_the_way_out(artifact, orders, fixed):
    with pytest.raises(SchemaError, match="There is no 'cost' among them"):
        predict(artifact, orders, "cost")
    with pytest.raises(ConfigError, match="Use `predict`, which draws"):
        predict_proba(artifact, orders, "ordered_at")
    with pytest.raises(ConfigError, match="Ask for fewer targets at once"):
        predict_proba(artifact, orders, ["discount", "total", "price"])
    with pytest.raises(ConfigError, match="'first' can be predicted from all columns before"):  # E31
        predict(fixed, pl.DataFrame({"second": ["heads"]}), "first")
    with pytest.raises(ConfigError, match="'second' can be predicted from all columns before"):
        predict(fixed, pl.DataFrame({"first": ["heads", None]}), "second")
    assert predict(fixed, pl.DataFrame({"first": ["heads"]}), "second").to_list() == ["heads"]


# Probabilities of rows


def test_a_row_is_as_likely_as_its_values_in_turn(coins):  # E41
    table = pl.DataFrame({"first": ["heads", "heads", "tails"], "second": ["heads", "tails", "tails"]})
    assert np.exp(log_prob(coins, table)) == pytest.approx([0.63, 0.07, 0.27], abs=0.03)
    by_column = log_prob_by_column(coins, table)
    assert list(by_column) == ["first", "second"]
    assert by_column["first"] + by_column["second"] == pytest.approx(log_prob(coins, table))


def test_a_missing_value_has_one_probability_wherever_its_row_stands():
    rng = np.random.default_rng(0)
    amount = pl.Series(np.round(rng.gamma(2.0, 3.0, 2000), 2))
    table = pl.DataFrame({"a": rng.choice(["x", "y"], 2000)}).with_columns(
        amount=pl.when(pl.Series(rng.random(2000) < 0.7)).then(amount)
    )
    model = train_flat(table, random_state=1, max_epochs=5, device="cpu")
    missing = pl.DataFrame({"a": ["x"] * 50, "amount": pl.Series([None] * 50, dtype=pl.Float64)})
    found = log_prob(model, missing)
    assert np.ptp(found) < 1e-6  # float32: a row's place in a product may round it another way
    assert np.exp(log_prob_by_column(model, missing)["amount"][0]) == pytest.approx(0.3, abs=0.05)


def test_typical_rows_are_likelier_than_broken_ones(artifact):
    table = shop_orders(500, seed=5)
    broken = table.with_columns(currency=table["currency"].shuffle(seed=1))
    assert log_prob(artifact, table).mean() > log_prob(artifact, broken).mean() + 1


def test_codes_of_another_layout_are_refused(coins, fixed):
    codes = encode_table(two_coins(5), coins.tgt_stats).codes
    with pytest.raises(DataError, match="the model has 2 sub-columns"):
        log_probs(coins, codes[:1])
    with pytest.raises(DataError, match=r"'first.value' has codes from 9 to 9"):
        log_probs(coins, np.full_like(codes, 9))
    with pytest.raises(ConfigError, match="must name each column once: first, second"):
        log_probs(coins, codes, column_order=["second"])
    with pytest.raises(ConfigError, match="fixed order first, second"):
        log_probs(fixed, codes, column_order=["second", "first"])


def test_context_counts_by_its_key_or_row_by_row():
    shops = pl.DataFrame({"shop": range(40), "city": ["Berlin", "London"] * 20})
    table = pl.DataFrame({"shop": list(range(40)) * 25}).with_columns(
        money=pl.when(pl.col("shop") % 2 == 0).then(pl.lit("EUR")).otherwise(pl.lit("GBP"))
    )
    model = train_flat(
        table, ctx_data=shops, ctx_primary_key="shop", tgt_context_key="shop", random_state=1, max_epochs=10
    )
    asked = pl.DataFrame({"shop": [3, 2, 3]})
    assert predict(model, asked, "money", ctx_data=shops).to_list() == ["GBP", "EUR", "GBP"]
    without_key = asked.rename({"shop": "x"})
    assert predict(model, without_key, "money", ctx_data=shops.head(3)).to_list() == ["EUR", "GBP", "EUR"]
    assert (log_prob(model, table.head(40), ctx_data=shops) > np.log(0.9)).all()
    with pytest.raises(DataError, match="ctx_data has 40 rows for 3 rows"):
        predict(model, without_key, "money", ctx_data=shops)


# Shares


def test_shares_hold_and_the_other_columns_follow(artifact):  # E42
    rows = generate_flat(artifact, 8000, rebalancing={"country": {"GB": 0.5, "US": 0.0}}, random_state=1)
    shares = dict(rows["country"].value_counts(normalize=True).iter_rows())
    assert shares["GB"] == pytest.approx(0.5, abs=0.02)
    assert "US" not in shares
    assert shares["DE"] / shares["FR"] == pytest.approx(2, abs=0.2)
    assert (rows["country"].replace_strict(HOME) == rows["currency"]).mean() > 0.99


@pytest.mark.parametrize(
    ("column", "wanted", "holds"),
    [
        ("quantity", {(3, None): 0.9}, pl.col("quantity") >= 3),
        ("discount", {(10, 20): 0.6}, pl.col("discount").is_between(10, 20, closed="left")),
        ("discount", {0: 0.8}, pl.col("discount") == 0),
        ("gift", {True: 0.75}, pl.col("gift")),
        ("message", {None: 0.1}, pl.col("message").is_null()),
    ],
)
def test_shares_of_numbers_switches_and_missing_values_hold(artifact, column, wanted, holds):
    rows = generate_flat(artifact, 5000, rebalancing={column: wanted}, random_state=1)
    (share,) = wanted.values()
    assert rows.select(holds.mean()).item() == pytest.approx(share, abs=0.03)


def test_shares_of_ranges_of_dates_hold():  # E42
    days = pl.DataFrame({"day": [date(2024, 1, 1 + i % 30) for i in range(600)]})
    model = train_flat(days, random_state=1, max_epochs=2, device="cpu")
    rows = generate_flat(model, 3000, rebalancing={"day": {(None, date(2024, 1, 6)): 0.7}}, random_state=1)
    assert (rows["day"] < date(2024, 1, 6)).mean() == pytest.approx(0.7, abs=0.03)
    with pytest.raises(ConfigError, match="whose ends are not of the column's type Date"):
        generate_flat(model, 1, rebalancing={"day": {(1, "x"): 0.7}})


@pytest.mark.parametrize(
    ("column", "low", "high"),
    [
        ("amount", 400.0, None),
        ("amount", 351.23, 421.5),
        ("amount", None, 0.9),
        ("raw", 2.9, None),
        ("whole", 5001, 5005),
    ],
)
def test_shares_of_ranges_hold_where_numbers_are_few(column, low, high):  # E42
    rng = np.random.default_rng(0)
    amount = np.exp(rng.normal(3, 1.2, 3000)).round(2)
    table = pl.DataFrame({"amount": amount, "raw": rng.normal(size=3000), "whole": rng.integers(0, 10**5, 3000)})
    model = train_flat(table.select(column), random_state=1, max_epochs=0.5, device="cpu")
    rows = generate_flat(model, 4000, rebalancing={column: {(low, high): 0.5}}, random_state=1)[column]
    within = (rows >= (-np.inf if low is None else low)) & (rows < (np.inf if high is None else high))
    assert within.mean() == pytest.approx(0.5, abs=0.03)
    assert rows.filter(within).n_unique() > 3
    if column == "amount":
        assert rows.equals(rows.round(2))


@pytest.mark.parametrize("dtype", ["datetime64[ns]", "datetime64[us, Europe/Berlin]"])
@pytest.mark.parametrize("end", [date(2024, 1, 6), np.datetime64("2024-01-06")])
def test_a_date_among_moments_is_the_beginning_of_its_day(dtype, end):  # E42
    days = pd.date_range("2024-01-01", periods=600, freq="h", tz="Europe/Berlin" if "Berlin" in dtype else None)
    table = pd.DataFrame({"moment": days.astype(dtype)})
    model = train_flat(table, random_state=1, max_epochs=2, device="cpu")
    rows = generate_flat(model, 3000, rebalancing={"moment": {(None, end): 0.7}}, random_state=1)
    assert (rows["moment"].dt.strftime("%F") < "2024-01-06").mean() == pytest.approx(0.7, abs=0.03)


def test_a_pandas_table_without_columns_has_rows_to_predict(coins):  # E41
    found = predict_proba(coins, pd.DataFrame(index=[4, 7]), "first")
    assert found.index.tolist() == [4, 7]
    np.testing.assert_allclose(found.sum(axis=1), 1)


def test_shares_hold_beside_given_values_temperature_and_in_batches(artifact):
    seeds = pl.DataFrame({"price": [4.99, 99.99] * 1500})
    settings = {"rebalancing": {"country": {"GB": 0.5}}, "sampling_temperature": 0.5, "random_state": 1}
    rows = generate_flat(artifact, seed_data=seeds, **settings)
    assert rows["price"].to_list() == seeds["price"].to_list()
    assert (rows["country"] == "GB").mean() == pytest.approx(0.5, abs=0.03)
    batches = generate_batches(artifact, seed_data=seeds, batch_size=700, **settings)
    assert pl.concat([pl.from_arrow(batch) for batch in batches]).equals(rows)


def test_shares_of_a_column_that_some_rows_give_follow_what_the_others_give(artifact):  # E40, E42
    seeds = pl.DataFrame({"country": ["US"] * 500 + [None] * 5000, "currency": [None] * 500 + ["EUR"] * 5000})
    rows = generate_flat(artifact, seed_data=seeds, rebalancing={"country": {"GB": 0.5}}, random_state=1)
    drawn = rows["country"][500:]
    assert (drawn == "GB").mean() == pytest.approx(0.5, abs=0.03)
    assert (drawn == "US").mean() < 0.01


@pytest.mark.parametrize(
    ("rebalancing", "message"),
    [
        ({"land": {"GB": 0.5}}, "rebalancing names 'land'; columns with values to draw are price"),
        ({"country": {"XX": 0.5}}, "'country' names 'XX', .*Its values: 'DE', 'FR', 'GB', 'US'"),
        ({"country": {"GB": 0.7, "US": 0.5}}, "the shares sum to 1.2"),
        ({"country": {"GB": -0.1}}, "'GB' the share -0.1; shares are from 0 to 1"),
        ({"gift": {True: 0.5, False: 0.4}}, "no other value is left for the rest"),
        ({"discount": {(10, 20): 0.1, (15, 30): 0.1}}, r"\(15, 30\) overlaps"),
        ({"discount": {(-9, -1): 0.1}}, "Its numbers lie from 0.0 to"),
        ({"ordered_at": {1: 0.1}}, "'ordered_at' is encoded as 'datetime'"),
    ],
)
def test_shares_that_cannot_be_met_are_refused(artifact, rebalancing, message):
    with pytest.raises(ConfigError, match=message):
        generate_flat(artifact, 1, rebalancing=rebalancing)


def test_a_fixed_order_model_rebalances_its_first_column_only(fixed):  # E31
    rows = generate_flat(fixed, 3000, rebalancing={"first": {"heads": 0.2}}, random_state=1)
    assert (rows["first"] == "heads").mean() == pytest.approx(0.2, abs=0.03)
    assert (rows["first"] == rows["second"]).mean() == pytest.approx(0.9, abs=0.03)
    with pytest.raises(ConfigError, match="only its first columns can be rebalanced"):
        generate_flat(fixed, 1, rebalancing={"second": {"heads": 0.2}})


def test_rare_values_are_replaced_by_others_or_by_a_constant():  # E42
    names = ["common", "usual"] * 200 + [f"rare {i}" for i in range(100)]
    model = train_flat(pl.DataFrame({"name": names}), value_protection=True, random_state=1, max_epochs=10)
    assert set(generate_flat(model, 500, random_state=1)["name"]) == {"common", "usual"}
    constant = generate_flat(model, 500, rare="constant", random_state=1)["name"]
    assert set(constant) == {"common", "usual", "_RARE_"}
    assert (constant == "_RARE_").mean() == pytest.approx(0.2, abs=0.06)
    with pytest.raises(ConfigError, match="rare is 'keep'; it may be 'sample' or 'constant'"):
        generate_flat(model, 1, rare="keep")
