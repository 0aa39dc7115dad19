"""Flat tables: what was true of the table is true of its synthetic copy."""

from __future__ import annotations

import subprocess
import sys
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pytest

from argn_assets.engine import ModelArtifact, generate_batches, generate_flat, train_flat
from argn_assets.errors import ArgnError, ConfigError, DataError, SchemaError, UserError
from argn_assets_tests.tables_of_truth import shop_orders, two_coins


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return shop_orders(8000)


@pytest.fixture(scope="module")
def artifact(orders) -> ModelArtifact:
    return train_flat(orders, primary_key="order", random_state=2, max_epochs=30, device="cpu")


@pytest.fixture(scope="module")
def synthetic(artifact) -> pl.DataFrame:
    return generate_flat(artifact, 4000, random_state=1, device="cpu")


def test_the_copy_has_the_columns_types_and_rows_of_the_table(orders, synthetic):  # E9
    assert synthetic.schema == orders.schema
    assert synthetic.height == 4000


def test_relations_between_columns_hold(synthetic):
    pairs = synthetic.select((pl.col("total") - pl.col("price") * pl.col("quantity")).abs() < 0.005).to_series()
    assert pairs.mean() > 0.97
    home = {"DE": "EUR", "FR": "EUR", "US": "USD", "GB": "GBP"}
    assert (synthetic["country"].replace_strict(home) == synthetic["currency"]).mean() > 0.99


def test_amounts_come_back_as_the_exact_amounts(orders, synthetic):  # E21
    assert set(synthetic["price"].unique()) == set(orders["price"].unique())
    assert set(synthetic["total"].unique()) <= set(orders["total"].unique())
    assert (synthetic["discount"] == 0.0).mean() == pytest.approx((orders["discount"] == 0.0).mean(), abs=0.03)
    assert (synthetic["discount"].round(2) == synthetic["discount"]).all()


def test_missing_values_stand_where_they_stood(orders, synthetic):  # E22
    assert (synthetic["message"].is_null() == ~synthetic["gift"]).mean() > 0.99
    assert synthetic["gift"].mean() == pytest.approx(orders["gift"].mean(), abs=0.03)


def test_dates_stay_within_their_range(orders, synthetic):
    assert synthetic["ordered_at"].min() >= orders["ordered_at"].min()
    assert synthetic["ordered_at"].max() <= orders["ordered_at"].max()
    by_month = synthetic["ordered_at"].dt.month().value_counts(normalize=True)["proportion"]
    assert by_month.min() > 0.05


def test_primary_keys_are_new_and_unique(synthetic):  # E43
    assert synthetic["order"].dtype == pl.Int64
    assert synthetic["order"].n_unique() == synthetic.height


def test_text_keys_are_uuids(orders):  # E43
    table = orders.head(50).with_columns(pl.col("order").cast(pl.String))
    rows = generate_flat(train_flat(table, primary_key="order", max_epochs=1, random_state=1), 20, random_state=1)
    assert rows["order"].n_unique() == 20
    assert rows["order"].str.contains(r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$").all()


def test_the_same_seed_gives_the_same_artifact_bytes_and_rows(orders):  # E10
    small = orders.head(600)
    one, other = (train_flat(small, random_state=7, max_epochs=2, device="cpu") for _ in range(2))
    assert one.to_bytes() == other.to_bytes()
    assert generate_flat(one, 50, random_state=3).equals(generate_flat(other, 50, random_state=3))
    assert not generate_flat(one, 50, random_state=3).equals(generate_flat(one, 50, random_state=4))


def test_training_and_generating_leave_global_random_state_alone(orders):
    import torch

    before_numpy, before_torch = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()
    generate_flat(train_flat(orders.head(100), random_state=7, max_epochs=1), 10, random_state=1)
    assert np.random.get_state()[1].tolist() == before_numpy
    assert torch.get_rng_state().tolist() == before_torch
    assert sys.float_info.min / 2 > 0, "denormal numbers are numbers again"


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_rows_do_not_depend_on_the_batch_size(artifact, batch_size):
    rows = generate_flat(artifact, 40, random_state=5, batch_size=batch_size)
    assert rows.equals(generate_flat(artifact, 40, random_state=5))


def test_batches_are_the_rows_in_pieces(artifact):  # E4
    batches = list(generate_batches(artifact, 100, batch_size=30, random_state=5))
    assert [batch.num_rows for batch in batches] == [30, 30, 30, 10]
    assert pl.concat([pl.from_arrow(b) for b in batches]).equals(generate_flat(artifact, 100, random_state=5))


def test_given_values_come_back_verbatim_and_decide_the_rest(artifact):  # E40
    seeds = pl.DataFrame({"country": ["US", "GB"] * 200, "quantity": [None, 4] * 200})
    rows = generate_flat(artifact, seed_data=seeds, random_state=2)
    assert rows["country"].to_list() == seeds["country"].to_list()
    assert (rows["currency"] == pl.Series(["USD", "GBP"] * 200)).mean() > 0.98
    given = seeds["quantity"].is_not_null()
    assert (rows["quantity"].filter(given) == 4).all()
    assert rows["quantity"].filter(~given).n_unique() > 1


@pytest.mark.parametrize("batch_size", [1, 3])
def test_patchy_given_values_count_whatever_rows_share_a_batch(artifact, batch_size):  # E4 E40
    seeds = pl.DataFrame({"gift": [True, None] * 30, "currency": [None, "GBP"] * 30})
    whole = generate_flat(artifact, seed_data=seeds, random_state=2)
    assert generate_flat(artifact, seed_data=seeds, random_state=2, batch_size=batch_size).equals(whole)
    batches = list(generate_batches(artifact, seed_data=seeds, random_state=2, batch_size=batch_size))
    assert pl.concat([pl.from_arrow(batch) for batch in batches]).equals(whole)
    assert (whole["country"].filter(whole["currency"] == "GBP") == "GB").mean() > 0.95


def test_an_unknown_given_value_survives(artifact):
    rows = generate_flat(artifact, seed_data=pl.DataFrame({"country": ["Atlantis"]}), random_state=2)
    assert rows["country"].to_list() == ["Atlantis"]
    assert rows["currency"].null_count() == 0


def test_temperature_zero_prefers_the_likeliest(artifact):  # E42
    rows = generate_flat(artifact, 300, sampling_temperature=0.0, random_state=1)
    assert rows.drop("order", "discount", "ordered_at").n_unique() <= 3


def test_a_small_nucleus_leaves_out_the_unlikely(artifact):  # E42
    rows = generate_flat(artifact, 500, sampling_top_p=0.5, random_state=1)
    assert 99.99 not in rows["price"].to_list()


def test_a_model_knows_the_probabilities_of_a_table_small_enough_to_enumerate():
    rows = generate_flat(train_flat(two_coins(16_000), random_state=1, max_epochs=20), 20000, random_state=1)
    shares = rows.group_by("first", "second").len().with_columns(pl.col("len") / 20000)
    found = {(a, b): share for a, b, share in shares.iter_rows()}
    truth = {("heads", "heads"): 0.63, ("heads", "tails"): 0.07, ("tails", "tails"): 0.27, ("tails", "heads"): 0.03}
    for pair, share in truth.items():
        assert found[pair] == pytest.approx(share, abs=0.02)


def test_context_decides_what_is_generated(orders):  # E1 E3
    shops = pl.DataFrame({"shop": range(90), "city": ["Berlin", "New York", "London"] * 30})
    home = pl.col("country").replace_strict({"DE": 0, "FR": 0, "US": 1, "GB": 2})
    table = orders.with_columns(shop=home + 3 * (pl.col("order") % 30)).drop("country", "order")
    model = train_flat(
        table, ctx_data=shops, ctx_primary_key="shop", tgt_context_key="shop", random_state=1, max_epochs=15
    )
    rows = generate_flat(model, ctx_data=shops.sample(500, with_replacement=True, seed=1), random_state=1)
    assert rows.columns == table.columns
    currency = (rows["shop"] % 3).replace_strict({0: "EUR", 1: "USD", 2: "GBP"})
    assert (currency == rows["currency"]).mean() > 0.98
    with pytest.raises(SchemaError, match="Pass ctx_data with the columns city"):
        generate_flat(model, 3)


def test_context_keys_must_have_their_row(orders):
    table = orders.select("gift", shop=pl.lit(9))
    shops = pl.DataFrame({"shop": [1], "city": ["Berlin"]})
    with pytest.raises(DataError, match="1 of 1 values of 'shop' are not among"):
        train_flat(table, ctx_data=shops, ctx_primary_key="shop", tgt_context_key="shop")


def test_a_fixed_order_model_serves_its_first_columns_only():  # E31
    model = train_flat(two_coins(500), any_order=False, random_state=1, max_epochs=2)
    rows = generate_flat(model, seed_data=pl.DataFrame({"first": ["heads"] * 3}), random_state=1)
    assert rows["first"].to_list() == ["heads"] * 3
    with pytest.raises(ConfigError, match="'second' was given without all before it"):
        generate_flat(model, seed_data=pl.DataFrame({"second": ["heads"]}))


@pytest.mark.parametrize("n_rows", [1, 2, 3, 5, 20])
def test_tiny_tables_train_and_generate(orders, n_rows):  # E36
    model = train_flat(orders.head(n_rows), primary_key="order", random_state=1, max_epochs=3)
    rows = generate_flat(model, 10, random_state=1)
    assert rows.schema == orders.schema
    assert rows["price"].null_count() == 0


def test_an_empty_table_is_refused(orders):  # E36
    with pytest.raises(DataError, match="no rows"):
        train_flat(orders.clear())


def test_keys_that_are_decimals_count_like_whole_numbers():  # E9, E43
    keys = pl.Series([70, 80, 90]).cast(pl.Decimal(38, 2))
    table = pl.DataFrame({"id": keys, "price": [Decimal("0.29"), Decimal("1.50"), Decimal("0.29")]})
    back = generate_flat(train_flat(table, primary_key="id", max_epochs=1, random_state=1), 3, random_state=1)
    assert back.schema == table.schema
    assert back["id"].to_list() == [1, 2, 3]
    assert set(back["price"].to_list()) <= {Decimal("0.29"), Decimal("1.50")}


def test_a_table_of_nothing_but_its_key_gives_new_keys():  # E36
    rows = generate_flat(train_flat(pl.DataFrame({"id": [5, 6, 7]}), primary_key="id"), 4)
    assert rows["id"].to_list() == [1, 2, 3, 4]


def test_constant_and_empty_columns_stay_as_they_are():  # E22 E36
    table = pd.DataFrame({"a": ["x"] * 50, "b": [7] * 50, "c": [None] * 50, "d": [np.nan] * 50, "e": [True] * 50})
    rows = generate_flat(train_flat(table, random_state=1, max_epochs=2), 20, random_state=1)
    assert (rows.dtypes == table.dtypes).all()
    assert (rows["a"] == "x").all()
    assert (rows["b"] == 7).all()
    assert rows["e"].all()
    assert rows[["c", "d"]].isna().all(axis=None)


def test_fewer_than_five_subjects_under_protection_give_missing_values_and_a_warning(orders):  # E36
    with pytest.warns(UserWarning, match="4 subjects"):
        model = train_flat(orders.head(4), value_protection=True, random_state=1)
    assert generate_flat(model, 5, random_state=1)["country"].null_count() == 5


def test_rare_values_do_not_leave_a_protected_model():  # E23
    table = pl.DataFrame({"name": ["common"] * 200 + ["SECRET"] * 3, "value": [*range(200), 10**6, 10**6, 10**6]})
    model = train_flat(table, value_protection=True, random_state=1, max_epochs=3)
    rows = generate_flat(model, 2000, random_state=1)
    assert b"SECRET" not in model.tgt_stats.to_bytes()
    assert "SECRET" not in rows["name"].to_list()
    assert rows["value"].max() < 10**6


def test_on_epoch_is_told_the_progress_and_can_stop(orders):  # E35
    told = []
    train_flat(orders.head(500), random_state=1, on_epoch=lambda p: told.append(p) or len(told) == 3)
    assert [p.epoch for p in told] == [1, 2, 3]
    assert all(p.rows_per_second > 0 and np.isfinite(p.validation_loss) for p in told)


def test_epochs_may_be_a_fraction(orders):  # E35
    model = train_flat(orders, random_state=1, max_epochs=0.5)
    assert model.history[-1].epoch == pytest.approx(0.5, abs=0.1)


def test_the_time_limit_ends_the_training(orders):  # E35
    model = train_flat(orders, random_state=1, max_training_time=0.01)
    assert 0 < len(model.history) < 100
    assert generate_flat(model, 3, random_state=1).height == 3


def test_best_weights_are_kept_when_training_goes_wrong(orders):
    """After the last improvement nothing changes what is stored."""
    model = train_flat(orders.head(300), random_state=1, max_epochs=60)
    best = min(record.validation_loss for record in model.history)
    last = next(r.epoch for r in model.history if r.validation_loss == best)
    again = train_flat(
        orders.head(300), random_state=1, max_epochs=60, on_epoch=lambda progress: progress.epoch >= last
    )
    assert all((model.weights[name] == again.weights[name]).all() for name in model.weights)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model_size": "XXL"}, "model_size is 'XXL'; it may be S, M, L"),
        ({"max_epochs": -1}, "max_epochs is -1"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"validation_split": 1.0}, "validation_split is 1.0"),
        ({"encoding_types": {"price": "numerical"}}, "'price': there is no encoding 'numerical'. Known .*numeric_auto"),
        ({"encoding_types": {"cost": "numeric_auto"}}, "'cost' is declared as 'numeric_auto' but the table has no"),
        ({"primary_key": "id"}, "primary key 'id' is not a column. Columns: order, price"),
    ],
)  # fmt: skip
def test_what_cannot_be_trained_is_refused_with_the_way_out(orders, arguments, message):
    with pytest.raises(UserError, match=message):
        train_flat(orders, **arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_size": -1}, "sample_size is -1"),
        ({"sampling_temperature": -0.1}, "sampling_temperature is -0.1"),
        ({"sampling_top_p": 0}, "sampling_top_p is 0"),
        ({"seed_data": pl.DataFrame({"cost": [1]})}, "seed_data has cost, which the table does not have"),
        ({"seed_data": pl.DataFrame({"price": [4.99]}), "sample_size": 2}, "seed_data has 1 rows"),
        ({"ctx_data": pl.DataFrame({"a": [1]})}, "trained without context"),
    ],
)
def test_what_cannot_be_generated_is_refused_with_the_way_out(artifact, arguments, message):
    with pytest.raises(ArgnError, match=message):
        generate_flat(artifact, **{"sample_size": 1, **arguments})


def test_a_column_without_a_name_is_a_column():
    table = pl.DataFrame({"": [1, 2, 3] * 20, "b": ["x", "y", "z"] * 20})
    rows = generate_flat(train_flat(table, random_state=1, max_epochs=1), seed_data=pl.DataFrame({"": [2, 2]}))
    assert rows.columns == ["", "b"]
    assert rows[""].to_list() == [2, 2]


def test_a_given_value_that_the_column_cannot_hold_is_refused(artifact):
    with pytest.raises(SchemaError, match="'quantity'"):
        generate_flat(artifact, seed_data=pl.DataFrame({"quantity": [2.5]}))


def test_zero_rows_are_an_empty_table(artifact, orders):
    assert generate_flat(artifact, 0).schema == orders.schema


@pytest.mark.parametrize("kind", ["pandas", "pyarrow"])
def test_the_callers_kind_of_table_comes_back(orders, kind):  # E9
    table = orders.head(200).to_pandas() if kind == "pandas" else orders.head(200).to_arrow()
    rows = generate_flat(train_flat(table, primary_key="order", random_state=1, max_epochs=1), 5, random_state=1)
    assert type(rows) is type(table)
    if kind == "pandas":
        assert (rows.dtypes == table.dtypes).all()
    else:
        assert rows.schema.types == table.schema.types


def test_no_file_is_written():  # E §6
    code = """
import sys, pandas as pd
from argn_assets.engine import train_flat, generate_flat
import torch, sklearn, polars, pyarrow.compute
table = pd.DataFrame({"a": [1.5, 2.5, None, 4.5] * 50, "b": list("xyzz") * 50})
written = []
def watch(event, args):
    if event == "open" and isinstance(args[1], str) and any(c in args[1] for c in "wax+") and args[0] != "/dev/null":
        written.append(args[0])
sys.addaudithook(watch)
generate_flat(train_flat(table, max_epochs=2), 50)
print(written)
"""
    found = subprocess.run([sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"


def test_nothing_warns(orders):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        generate_flat(train_flat(orders.head(300), primary_key="order", random_state=1, max_epochs=1), 5)
