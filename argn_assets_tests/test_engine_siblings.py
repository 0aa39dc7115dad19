"""Sequences as context: what depends on given rows of other tables follows them, row by row and as a whole."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import numpy as np
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
    log_probs,
    predict,
    train_flat,
    train_sequential,
)
from argn_assets.errors import DataError, SchemaError
from argn_assets.tables import encode_table
from argn_assets_tests.tables_of_truth import parcels, profiles, subscribers


@pytest.fixture(scope="module")
def context() -> pl.DataFrame:
    return subscribers(1000)


@pytest.fixture(scope="module")
def new() -> pl.DataFrame:
    return subscribers(400, first=10_000, seed=5)


@pytest.fixture(scope="module")
def flat(context) -> ModelArtifact:
    return train_flat(
        profiles(context), tgt_context_key="id", ctx_data=context, ctx_primary_key="id",
        model_size="S", batch_size=64, random_state=1, max_epochs=20, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def sequential(context) -> ModelArtifact:
    return train_sequential(
        parcels(context.head(800)), tgt_context_key="id", ctx_data=context.head(800),
        model_size="S", batch_size=64, random_state=1, max_epochs=8, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="module")
def rows(flat, new) -> pl.DataFrame:
    return generate_flat(flat, ctx_data=new, random_state=2, device="cpu")


@pytest.fixture(scope="module")
def sequences(sequential, new) -> pl.DataFrame:
    return generate_sequential(sequential, ctx_data=new, random_state=2, device="cpu")


@pytest.mark.parametrize(
    ("column", "least"), [("last_color", 0.97), ("is_happy", 0.85), ("n_orders", 0.97), ("first_reason", 0.97)]
)
def test_a_row_follows_the_last_the_mean_the_number_and_the_first_of_given_rows(rows, new, column, least):  # E32
    assert (rows[column] == profiles(new)[column]).mean() > least


def test_a_sequence_is_as_long_as_the_sibling_that_it_follows(sequences, new):  # E32 E33
    made = new.join(sequences.group_by("id").len("n"), on="id", how="left", maintain_order="left")["n"].fill_null(0)
    assert (made == new["orders::color"].list.len()).mean() > 0.97


@pytest.mark.parametrize("column", ["label", "before", "urgent"])
def test_a_step_follows_the_same_step_and_the_step_before_of_one_sibling_and_the_whole_of_another(
    sequences, new, column
):  # E32
    step = pl.int_range(pl.len()).over("id")
    both = sequences.with_columns(step=step).join(parcels(new).with_columns(step=step), on=["id", "step"])
    assert len(both) > 0.95 * len(sequences)
    assert (both[column] == both[f"{column}_right"]).mean() > 0.95


def test_rebalancing_one_value_leaves_the_others_following(sequential, new):  # E42
    shares = {"label": {"red": 0.5}}
    made = generate_sequential(sequential, ctx_data=new, rebalancing=shares, random_state=2, device="cpu")
    assert (made["label"] == "red").mean() == pytest.approx(0.5, abs=0.05)
    step = pl.int_range(pl.len()).over("id")
    both = made.with_columns(step=step).join(parcels(new).with_columns(step=step), on=["id", "step"])
    others = both.filter((pl.col("label") != "red") & (pl.col("label_right") != "red"))
    assert (others["label"] == others["label_right"]).mean() > 0.9


def test_rows_do_not_depend_on_the_cut_into_batches(flat, sequential, new, rows, sequences):  # E4 E10
    for artifact, whole in ((flat, rows), (sequential, sequences)):
        batches = generate_batches(artifact, ctx_data=new, random_state=2, device="cpu", batch_size=37)
        assert pl.from_arrow(pa.Table.from_batches(batches)).equals(whole)


def test_the_artifact_survives_bytes_with_everything_that_reading_siblings_needs(flat, sequential, new, rows):  # E7
    for artifact in (flat, sequential):
        again = ModelArtifact.from_bytes(artifact.to_bytes())
        assert again.to_bytes() == artifact.to_bytes()
        assert again.ctx_stats == artifact.ctx_stats
        assert again.ctx_cardinalities["orders::color.value"] == 5
        assert again.ctx_seq_len_median == again.ctx_stats.siblings["orders"].lengths.median
    again = ModelArtifact.from_bytes(flat.to_bytes())
    assert generate_flat(again, ctx_data=new, random_state=2, device="cpu").equals(rows)


def test_predicting_and_filling_in_read_siblings_too(flat, new):  # E41
    truth = profiles(new)
    predicted = predict(flat, truth.drop("last_color"), "last_color", ctx_data=new)
    assert (predicted == truth["last_color"]).mean() > 0.97
    holes = truth.with_columns(last_color=pl.lit(None, dtype=pl.String))
    assert (impute(flat, holes, ctx_data=new, random_state=1)["last_color"] == truth["last_color"]).mean() > 0.97
    others = new.with_columns(pl.col("^.*::.*$").reverse())
    assert log_prob(flat, truth, ctx_data=new).mean() > log_prob(flat, truth, ctx_data=others).mean() + 3


def test_codes_are_judged_beside_the_siblings_that_they_are_given(flat, sequential, new):  # E41
    context = encode_table(new, flat.ctx_stats)
    rows = profiles(new)
    of_codes = log_probs(flat, encode_table(rows.drop("id"), flat.tgt_stats), ctx_codes=context)
    assert of_codes.sum(0) == pytest.approx(log_prob(flat, rows, ctx_data=new))
    strange = log_probs(
        flat, encode_table(rows.drop("id"), flat.tgt_stats), ctx_codes=encode_table(new[::-1], flat.ctx_stats)
    )
    assert strange.sum() < of_codes.sum()
    steps = parcels(new)
    encoded = encode_table(steps, sequential.tgt_stats)
    place = pl.DataFrame({"id": steps["id"].unique(maintain_order=True)})
    some = encode_table(place.join(new, on="id", maintain_order="left"), sequential.ctx_stats)
    found = log_probs(sequential, encoded, ctx_codes=some).sum()
    assert found == pytest.approx(log_prob(sequential, steps, ctx_data=new).sum())


def test_many_rows_may_share_the_siblings_of_one_context_row(context):  # E32
    table = pl.concat([profiles(context).select("id", "last_color")] * 3)
    model = train_flat(
        table, tgt_context_key="id", ctx_data=context, ctx_primary_key="id", model_size="S", random_state=1,
        max_epochs=6, batch_size=64, device="cpu",
    )  # fmt: skip
    made = generate_flat(model, ctx_data=context, random_state=1)
    assert (made["last_color"] == table["last_color"][: len(context)]).mean() > 0.9


def test_a_context_of_lists_alone_and_a_context_whose_lists_are_all_empty_work(new):  # E36
    lists = subscribers(40).select("id", "orders::color")
    table = pl.DataFrame({"id": lists["id"], "v": ["a", "b"] * 20})
    model = train_flat(table, tgt_context_key="id", ctx_data=lists, ctx_primary_key="id", max_epochs=1, random_state=1)
    nothing = lists.with_columns(pl.Series("orders::color", [None] * 40, dtype=pl.List(pl.String)))
    assert len(generate_flat(model, ctx_data=nothing, random_state=1)) == 40
    follow = train_sequential(table, tgt_context_key="id", ctx_data=lists, max_epochs=1, random_state=1)
    assert generate_sequential(follow, ctx_data=nothing, random_state=1)["id"].n_unique() <= 40
    none = train_flat(table, tgt_context_key="id", ctx_data=nothing, ctx_primary_key="id", max_epochs=1, random_state=1)
    assert len(generate_flat(none, ctx_data=lists, random_state=1)) == 40


def test_elements_may_be_of_every_type_and_no_sequence_may_be_asked_for():  # E9 E36
    sizes = [0, 1, 2, 3] * 10
    day, noon = date(2024, 1, 1), datetime(2024, 1, 1, 12)
    lists = pl.DataFrame(
        {
            "id": range(40),
            "day": [[day + timedelta(days=i) for i in range(size)] for size in sizes],
            "at": pl.Series([[noon] * size for size in sizes], dtype=pl.List(pl.Datetime("us", "Europe/Paris"))),
            "kind": pl.Series([["a"] * size for size in sizes], dtype=pl.List(pl.Categorical)),
            "price": pl.Series([[1] * size for size in sizes]).cast(pl.List(pl.Decimal(10, 2))),
            "paid": pl.Series([[True] * size for size in sizes], dtype=pl.List(pl.Boolean)),
            "nothing": pl.Series([[None] * size for size in sizes], dtype=pl.List(pl.Null)),
        }
    )
    table = pl.DataFrame({"id": list(range(40)) * 2, "v": ["a", "b"] * 40})
    for context in (lists, lists.to_arrow(), lists.to_pandas()):
        model = train_sequential(table, tgt_context_key="id", ctx_data=context, max_epochs=1, random_state=1)
        assert len(generate_sequential(model, ctx_data=context, random_state=1))
        assert len(generate_sequential(model, ctx_data=context, sample_size=0, random_state=1)) == 0


def test_pandas_lists_give_the_same_rows(flat, new, rows):  # E9
    assert generate_flat(flat, ctx_data=new.to_pandas(), random_state=2, device="cpu").equals(rows)


def test_what_is_missing_or_ragged_is_named(flat, context, new):
    with pytest.raises(SchemaError, match="Pass ctx_data with the columns plan, orders::color, orders::stars"):
        generate_flat(flat, 3)
    with pytest.raises(SchemaError, match="lacks orders::stars"):
        generate_flat(flat, ctx_data=new.drop("orders::stars"))
    ragged = context.with_columns(pl.col("orders::stars").list.head(2))
    with pytest.raises(DataError, match="context rows have another number of elements in 'orders::stars'"):
        train_flat(profiles(context), tgt_context_key="id", ctx_data=ragged, ctx_primary_key="id")
    with pytest.raises(DataError, match="the sequences 'orders', 'calls'; ctx_codes has none"):
        log_probs(flat, np.zeros((4, 1), dtype=np.uint8))
