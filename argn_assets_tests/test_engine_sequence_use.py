"""Using a model of sequences: how likely rows are, filling in what is missing, predicting columns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import (
    ModelArtifact,
    encode_table,
    impute,
    log_prob,
    log_prob_by_column,
    log_probs,
    predict,
    predict_proba,
    train_sequential,
)
from argn_assets.errors import DataError, SchemaError
from argn_assets_tests.tables_of_truth import customers, visits


@pytest.fixture(scope="module")
def context() -> pl.DataFrame:
    return customers(900)


@pytest.fixture(scope="module")
def artifact(context) -> ModelArtifact:
    table = visits(context).drop("visit", "day")
    return train_sequential(
        table, tgt_context_key="customer", ctx_data=context, random_state=1, max_epochs=25, device="cpu"
    )


@pytest.fixture(scope="module")
def others() -> pl.DataFrame:
    return customers(120, first=5000, seed=9)


@pytest.fixture(scope="module")
def rows(others) -> pl.DataFrame:
    return visits(others, seed=8).drop("visit", "day")


def test_a_row_is_as_likely_as_its_columns_are_together(artifact, rows, others):  # E41
    by_column = log_prob_by_column(artifact, rows, ctx_data=others)
    assert list(by_column) == ["step", "color", "is_warm", "level", "is_last"]
    np.testing.assert_allclose(log_prob(artifact, rows, ctx_data=others), sum(by_column.values()))


def test_a_row_that_contradicts_those_before_it_is_less_likely(artifact, rows, others):  # E41
    wrong = rows.with_columns(color=pl.when(pl.col("step") == 2).then(pl.lit("green")).otherwise("color"))
    changed = (wrong["color"] != rows["color"]).to_numpy()
    before, after = (log_prob(artifact, table, ctx_data=others) for table in (rows, wrong))
    assert changed.any()
    assert (after[changed] < before[changed] - 2).mean() > 0.95
    first = (rows["step"] < 2).to_numpy()
    np.testing.assert_allclose(before[first], after[first])


def test_rows_are_judged_in_any_order_of_the_keys(artifact, rows, others):
    shuffled = rows.with_row_index().sort(pl.col("customer") * 7919 % 1000, maintain_order=True)
    expected = log_prob(artifact, rows, ctx_data=others)[shuffled["index"].to_numpy()]
    np.testing.assert_allclose(log_prob(artifact, shuffled.drop("index"), ctx_data=others), expected)


def test_codes_of_sequences_are_judged_with_the_table_that_says_where_they_begin(artifact, rows, others):  # E41
    encoded = encode_table(rows, artifact.tgt_stats)
    order = rows["customer"].unique(maintain_order=True)
    aligned = pl.DataFrame({"customer": order}).join(others, on="customer", how="left", maintain_order="left")
    ctx_codes = encode_table(aligned, artifact.ctx_stats).codes
    found = log_probs(artifact, encoded, ctx_codes=ctx_codes)
    np.testing.assert_allclose(found.sum(0), log_prob(artifact, rows, ctx_data=others), rtol=1e-6)
    with pytest.raises(DataError, match="where each begins"):
        log_probs(artifact, encoded.codes, ctx_codes=ctx_codes)


def test_missing_values_are_filled_from_the_rows_before(artifact, rows, others):  # E41
    later = pl.col("step") > 0
    holes = rows.with_columns(
        color=pl.when(later).then(None).otherwise("color"), is_warm=pl.when(later).then(None).otherwise("is_warm")
    )
    filled = impute(artifact, holes, ctx_data=others, random_state=1)
    assert filled.columns == rows.columns
    assert not filled["color"].null_count()
    assert (filled["color"] == rows["color"]).mean() > 0.95
    assert filled.drop("color", "is_warm").equals(rows.drop("color", "is_warm"))


def test_several_draws_come_at_once(artifact, rows, others):
    holes = rows.with_columns(level=pl.when(pl.col("step") == 1).then(None).otherwise("level"))
    draws = impute(artifact, holes, ctx_data=others, n_draws=3, aggregate=None, random_state=1)
    assert len(draws) == 3
    for drawn in draws:
        assert drawn.filter(pl.col("step") != 1).equals(rows.filter(pl.col("step") != 1))


def test_a_column_is_predicted_from_the_rows_before(artifact, rows, others):  # E41
    found = predict(artifact, rows.drop("is_warm"), "color", ctx_data=others, random_state=1)
    later = rows["step"] > 0
    assert (found.filter(later) == rows["color"].filter(later)).mean() > 0.95
    shares = predict_proba(artifact, rows, "is_warm", ctx_data=others, random_state=1)
    np.testing.assert_allclose(shares.to_numpy().sum(axis=1), 1)
    assert (shares["True"].filter(rows["is_warm"]) > 0.9).mean() > 0.95
    assert (shares["True"].filter(~rows["is_warm"]) < 0.1).mean() > 0.95


def test_no_rows_are_filled_predicted_and_judged_as_no_rows(artifact, rows, others):  # E41
    nothing = rows.clear()
    assert impute(artifact, nothing, ctx_data=others).schema == rows.schema
    assert len(log_prob(artifact, nothing, ctx_data=others)) == 0
    for name in artifact.tgt_stats.columns:
        assert len(predict(artifact, nothing, name, ctx_data=others)) == 0
        assert len(predict_proba(artifact, nothing, name, ctx_data=others)) == 0


def test_what_belongs_to_no_sequence_is_named(artifact, rows, others):
    calls = (
        lambda table: log_prob(artifact, table, ctx_data=others),
        lambda table: impute(artifact, table, ctx_data=others),
        lambda table: predict(artifact, table, "color", ctx_data=others),
    )
    for call in calls:
        with pytest.raises(SchemaError, match="no column 'customer'"):
            call(rows.drop("customer"))
    with pytest.raises(SchemaError, match="trained with context"):
        log_prob(artifact, rows)
