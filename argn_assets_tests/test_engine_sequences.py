"""Sequences: what was true within and between them is true of their synthetic copy."""

from __future__ import annotations

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
    train_flat,
    train_sequential,
)
from argn_assets.errors import ConfigError, DataError, SchemaError, UserError
from argn_assets_tests.tables_of_truth import customers, visits


@pytest.fixture(scope="module")
def context() -> pl.DataFrame:
    return customers(1500)


@pytest.fixture(scope="module")
def table(context) -> pl.DataFrame:
    return visits(context)


@pytest.fixture(scope="module")
def artifact(context, table) -> ModelArtifact:
    return train_sequential(
        table, tgt_context_key="customer", tgt_primary_key="visit", ctx_data=context, ctx_primary_key="customer",
        random_state=1, max_epochs=25, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def new_customers() -> pl.DataFrame:
    return customers(600, first=10_000, seed=5)


@pytest.fixture(scope="module")
def synthetic(artifact, new_customers) -> pl.DataFrame:
    return generate_sequential(artifact, ctx_data=new_customers, random_state=2, device="cpu")


def test_the_copy_has_the_columns_and_types_of_the_table(table, synthetic):  # E9 E43
    assert synthetic.schema == table.schema
    assert synthetic["visit"].n_unique() == len(synthetic)


def test_rows_of_a_key_stand_together_and_every_key_is_one_of_the_context(synthetic, new_customers):  # E33 E43
    keys = synthetic["customer"]
    runs = keys.filter(keys != keys.shift(1).fill_null(-1))
    assert runs.is_unique().all()
    assert keys.is_in(new_customers["customer"].implode()).all()


def test_lengths_follow_the_context_and_a_sequence_may_be_empty(synthetic, new_customers):  # E32 E33
    sizes = new_customers.join(synthetic.group_by("customer").len("n"), on="customer", how="left")
    by_kind = dict(sizes.group_by("kind").agg(pl.col("n").fill_null(0)).iter_rows())
    assert set(by_kind["never"]) == {0}
    rare = by_kind["rare"]
    assert np.isin(rare, [1, 2, 3]).mean() > 0.98
    assert np.isin(by_kind["often"], range(8, 13)).mean() > 0.98
    assert {8, 9, 10, 11, 12} <= set(by_kind["often"])


def test_the_order_of_steps_is_kept(synthetic):  # E33
    step = synthetic.group_by("customer", maintain_order=True).agg(pl.col("step"))["step"]
    assert np.mean([steps == list(range(len(steps))) for steps in step.to_list()]) > 0.97


def test_values_of_a_subject_stay_what_they_were_at_its_first_row(synthetic):
    assert (synthetic.group_by("customer").agg(pl.col("color").n_unique())["color"] == 1).mean() > 0.97


def test_a_level_that_never_falls_does_not_fall(synthetic):
    change = synthetic.select(pl.col("level").diff().over("customer"))["level"].drop_nulls()
    assert (change >= 0).mean() > 0.98


def test_the_last_row_knows_that_it_is_the_last(synthetic):
    last = synthetic.group_by("customer", maintain_order=True).agg(pl.col("is_last"))["is_last"].to_list()
    assert np.mean([flags == [False] * (len(flags) - 1) + [True] for flags in last]) > 0.97


def test_columns_of_a_row_go_together_as_in_the_table(synthetic):
    assert ((synthetic["color"] == "red") == synthetic["is_warm"]).mean() > 0.98


def test_dates_that_never_fall_never_fall(synthetic):  # E20: relative datetime
    gaps = synthetic.select(pl.col("day").diff().over("customer"))["day"].drop_nulls()
    assert (gaps >= pl.Series([0]).cast(gaps.dtype)).all()


def test_the_same_seed_gives_the_same_rows_in_any_cut(artifact, new_customers, synthetic):  # E10 E4
    again = generate_sequential(artifact, ctx_data=new_customers, random_state=2, device="cpu", batch_size=37)
    assert again.equals(synthetic)
    batches = generate_batches(artifact, ctx_data=new_customers, random_state=2, device="cpu", batch_size=50)
    assert pl.from_arrow(pa.Table.from_batches(batches)).equals(synthetic)


def test_the_artifact_survives_bytes_with_everything_generating_needs(artifact, new_customers, synthetic):  # E7
    again = ModelArtifact.from_bytes(artifact.to_bytes())
    assert again.to_bytes() == artifact.to_bytes()
    assert (again.tgt_seq_len_min, again.tgt_seq_len_max) == (0, 12)
    assert generate_sequential(again, ctx_data=new_customers, random_state=2, device="cpu").equals(synthetic)


def test_given_first_rows_come_back_verbatim_and_in_order(artifact, table, context):  # E40
    often = context.filter(pl.col("kind") == "often").head(60)
    given = table.join(often, on="customer", how="semi").filter(pl.col("step") < 4).drop("visit")
    shuffled = given.sample(fraction=1.0, shuffle=True, seed=1).sort("step")
    rows = generate_sequential(artifact, ctx_data=often, seed_data=shuffled, random_state=1)
    first = rows.filter(pl.int_range(pl.len()).over("customer") < 4)
    assert first.sort("customer", maintain_order=True).drop("visit").equals(given.sort("customer", maintain_order=True))
    later = rows.join(first.group_by("customer").agg(pl.col("color").first().alias("given")), on="customer")
    assert (later["color"] == later["given"]).mean() > 0.97
    sizes = rows.group_by("customer").len()["len"]
    assert sizes.is_between(8, 12).mean() > 0.95


def test_a_given_value_decides_the_rest_of_its_row(artifact, new_customers):  # E40
    often = new_customers.filter(pl.col("kind") == "often")
    rows = generate_sequential(
        artifact, ctx_data=often, seed_data=often.select("customer", color=pl.lit("blue")), random_state=1
    )
    assert (rows["color"] == "blue").mean() > 0.97
    assert rows["is_warm"].mean() < 0.03


def test_given_keys_without_a_context_row_are_named(artifact, new_customers):
    seeds = pl.DataFrame({"customer": [1, 2], "color": ["red", "red"]})
    with pytest.raises(DataError, match="2 of 2 values of 'customer' in seed_data are not in ctx_data"):
        generate_sequential(artifact, ctx_data=new_customers, seed_data=seeds)
    with pytest.raises(SchemaError, match="seed_data has no column 'customer'"):
        generate_sequential(artifact, ctx_data=new_customers, seed_data=seeds.drop("customer"))


def test_without_context_the_copy_has_new_keys_and_as_many_sequences_as_were_asked_for(table):  # E3
    model = train_sequential(table.drop("visit"), tgt_context_key="customer", random_state=1, max_epochs=2)
    made = generate_sequential(model, sample_size=70, random_state=1)
    assert made["customer"].unique(maintain_order=True).to_list() == list(range(1, 71))
    assert generate_sequential(model, random_state=1)["customer"].n_unique() == table["customer"].n_unique()
    assert len(generate_sequential(model, sample_size=0)) == 0


def test_pandas_and_text_keys_come_back(table):  # E9 E43
    frame = table.drop("visit").with_columns(customer=pl.format("C-{}", "customer")).to_pandas()
    model = train_sequential(frame, tgt_context_key="customer", random_state=1, max_epochs=1)
    rows = generate_sequential(model, sample_size=20, random_state=1)
    assert isinstance(rows, pd.DataFrame)
    assert rows.dtypes.equals(frame.dtypes)
    assert rows["customer"].nunique() == 20


def test_each_door_names_the_other(artifact, table, new_customers):  # E3
    with pytest.raises(UserError, match="Use generate_sequential"):
        generate_flat(artifact, 3, ctx_data=new_customers)
    flat = train_flat(table.select("color"), random_state=1, max_epochs=1)
    with pytest.raises(UserError, match="Use generate_flat"):
        generate_sequential(flat)


def test_rows_without_a_key_and_a_missing_context_are_named(table, context):
    with pytest.raises(DataError, match="1 rows have no value in 'customer'"):
        train_sequential(pl.DataFrame({"customer": [1, None], "v": [1, 2]}), tgt_context_key="customer")
    with pytest.raises(DataError, match="values of 'customer' are not among the 'customer' of ctx_data"):
        train_sequential(table, tgt_context_key="customer", ctx_data=context.head(3))
    with pytest.raises(SchemaError, match="no column 'customer' to hold the keys of 'customer'"):
        train_sequential(table, tgt_context_key="customer", ctx_data=context.rename({"customer": "id"}))
    with pytest.raises(ConfigError, match="needs tgt_context_key"):
        train_sequential(table)


@pytest.mark.parametrize("n_rows", [1, 2, 5])
def test_a_handful_of_rows_trains(n_rows):  # E36
    rows = pl.DataFrame({"k": [0, 0, 1, 2, 2][:n_rows], "v": ["a", "b", "a", "a", "b"][:n_rows]})
    model = train_sequential(rows, tgt_context_key="k", random_state=1, max_epochs=2)
    made = generate_sequential(model, sample_size=5, random_state=1)
    assert made["k"].n_unique() == 5
    assert set(made["v"]) <= {"a", "b"}


def test_a_table_of_keys_alone_keeps_its_lengths():  # E36
    rows = pl.DataFrame({"k": np.repeat(np.arange(200), 3)})
    made = generate_sequential(
        train_sequential(rows, tgt_context_key="k", random_state=1, max_epochs=2), random_state=1
    )
    assert (made.group_by("k").len()["len"] == 3).all()


def test_sequences_longer_than_the_window_are_trained_and_generated_whole():  # E33
    sizes = [250] * 20 + [130] * 20
    step = np.concatenate([np.arange(size) for size in sizes])
    rows = pl.DataFrame({"k": np.repeat(np.arange(40), sizes), "phase": step % 2, "half": step >= 100})
    model = train_sequential(
        rows, tgt_context_key="k", random_state=1, max_epochs=15, max_sequence_window=40, batch_size=256
    )
    made = generate_sequential(model, sample_size=30, random_state=1)
    assert set(made.group_by("k").len()["len"]) == {250, 130}
    follows = made.select(pl.col("phase").diff().over("k"))["phase"].drop_nulls()
    assert (follows != 0).mean() > 0.97


def test_rare_values_of_sequences_are_replaced_by_others_or_by_a_constant():  # E42
    names = [["common", "usual"][i % 2] if i % 5 else f"rare {i}" for i in range(500)]
    table = pl.DataFrame({"key": np.arange(500) // 2, "name": names})
    model = train_sequential(table, tgt_context_key="key", value_protection=True, random_state=1, max_epochs=10)
    assert set(generate_sequential(model, random_state=1)["name"]) == {"common", "usual"}
    constant = generate_sequential(model, random_state=1, rare="constant")["name"]
    assert (constant == "_RARE_").mean() == pytest.approx(0.2, abs=0.08)
    assert constant.null_count() == 0


def test_value_protection_hides_lengths_and_values_of_few_sequences(table):  # E23
    few = table.drop("visit").with_columns(
        color=pl.when(pl.col("customer") < 2).then(pl.lit("secret")).otherwise("color")
    )
    long = pl.concat([few, *[few.filter(pl.col("customer") == few["customer"][0])] * 30])
    model = train_sequential(long, tgt_context_key="customer", value_protection=True, random_state=1, max_epochs=1)
    assert model.tgt_seq_len_max <= 12
    made = generate_sequential(model, sample_size=400, random_state=1, sampling_temperature=2.0)
    assert "secret" not in set(made["color"])


def test_rows_beyond_the_longest_length_that_may_be_shown_count_for_nothing():  # E23 E36
    rows = pl.DataFrame({"key": np.repeat(np.arange(60), 4), "value": ["a", "a", "a", "b"] * 60})
    endless = pl.DataFrame({"key": [60] * 5000, "value": ["b"] * 5000})
    model = train_sequential(
        pl.concat([rows, endless]), tgt_context_key="key", value_protection=True, validation_split=0, random_state=1
    )
    made = generate_sequential(model, sample_size=500, random_state=1)
    assert made.group_by("key").len()["len"].max() == 4
    assert (made["value"] == "b").mean() == pytest.approx(0.25, abs=0.06)
