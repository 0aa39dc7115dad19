"""Warm starts: a new training begins with all that an artifact knows of the table, and says what it does not know."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import ModelArtifact, log_prob, train_flat, train_sequential
from argn_assets.errors import ConfigError
from argn_assets_tests.tables_of_truth import customers, parcels, shop_orders, subscribers, visits

SETTINGS = {"model_size": "S", "device": "cpu", "random_state": 1}


def _grown(orders: pl.DataFrame) -> pl.DataFrame:
    """Every tenth order is from another country, and costs more than any did before."""
    is_new = pl.int_range(pl.len()) % 10 == 0
    return orders.with_columns(
        country=pl.when(is_new).then(pl.lit("IT")).otherwise("country"),
        total=pl.when(is_new).then(pl.col("total") * 3).otherwise("total"),
    )


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return shop_orders(1000).drop("order")


@pytest.fixture(scope="module")
def artifact(orders) -> ModelArtifact:
    return train_flat(orders, **SETTINGS, max_epochs=12)


def _epochs_until(model: ModelArtifact, loss: float) -> float:
    return next(record.epoch for record in model.history if record.validation_loss <= loss)


def test_with_a_new_category_and_a_wider_range_the_loss_of_a_cold_start_is_reached_sooner(artifact):  # E35 O33
    table = _grown(shop_orders(1000, seed=9).drop("order"))
    cold = train_flat(table, **SETTINGS, max_epochs=12)
    warm = train_flat(table, **SETTINGS, max_epochs=12, warm_start=artifact)
    best = min(record.validation_loss for record in cold.history)
    assert _epochs_until(warm, best) <= _epochs_until(cold, best) / 3
    said = warm.provenance["warm_start"]
    assert said.startswith("yes, but for codes that are new: country.value (1), ")
    assert "total." in said
    assert "quantity" not in said


def test_sequences_go_on_from_what_was_learnt_of_codes_context_and_lengths():  # E35 O33
    def trained(people: pl.DataFrame, rows: pl.DataFrame, **more) -> ModelArtifact:
        return train_sequential(
            rows, tgt_context_key="customer", ctx_data=people, ctx_primary_key="customer", **SETTINGS, **more
        )

    before = customers(150)
    first = trained(before, visits(before).drop("visit"), max_epochs=8)
    people = customers(150, first=5000, seed=8)
    is_new = pl.col("customer") % 7 == 0
    rows = visits(people, seed=9).drop("visit")
    rows = rows.with_columns(color=pl.when(is_new).then(pl.lit("violet")).otherwise("color"))
    people = people.with_columns(kind=pl.when(is_new).then(pl.lit("vip")).otherwise("kind"))
    cold = trained(people, rows, max_epochs=8)
    warm = trained(people, rows, max_epochs=8, warm_start=first)
    best = min(record.validation_loss for record in cold.history)
    assert _epochs_until(warm, best) <= _epochs_until(cold, best) / 2
    assert "color.value (1), context kind.value (1)" in warm.provenance["warm_start"]


def test_before_any_step_rows_of_known_values_are_as_likely_as_they_were(orders, artifact):  # E35
    begun = train_flat(_grown(orders), **SETTINGS, max_epochs=0, warm_start=artifact)
    cold = train_flat(_grown(orders), **SETTINGS, max_epochs=0)
    known = orders.filter(pl.int_range(pl.len()) % 10 != 0).head(300)
    was, now, drawn = (log_prob(model, known).mean() for model in (artifact, begun, cold))
    assert abs(now - was) < 0.3 * abs(drawn - was)


def test_siblings_are_carried_by_name():  # E35 E32
    def trained(people: pl.DataFrame, **more) -> ModelArtifact:
        return train_sequential(
            parcels(people), tgt_context_key="id", ctx_data=people, batch_size=64, **SETTINGS, **more
        )

    people = subscribers(200)
    first = trained(people, max_epochs=8)
    repainted = subscribers(200, first=1000, seed=3).with_columns(
        pl.col("orders::color").list.eval(pl.element().replace({"black": "white"}))
    )
    columns = ["id", "plan", "calls::reason", "orders::stars", "orders::color"]  # in another order too
    cold, warm = trained(repainted, max_epochs=1), trained(repainted.select(columns), max_epochs=1, warm_start=first)
    assert warm.history[0].validation_loss < cold.history[0].validation_loss - 1
    assert "orders::color.value (1)" in warm.provenance["warm_start"]


def test_a_stopped_warm_start_goes_on_and_still_says_what_it_began_with(orders, artifact):  # E35
    states: list[bytes] = []
    table = _grown(orders.head(400))
    settings = SETTINGS | {"max_epochs": 2}
    whole = train_flat(
        table, **settings, warm_start=artifact, on_epoch=lambda progress: states.append(progress.training_state())
    )
    assert train_flat(table, **settings, training_state=states[0]).to_bytes() == whole.to_bytes()
    assert whole.provenance["warm_start"].startswith("yes")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (lambda table: table.drop("gift"), lambda table: table, "gift (new)"),
        (lambda table: table, lambda table: table.drop("country"), "country (gone)"),
        (lambda table: table, lambda table: table.rename({"country": "land"}), "land (new), country (gone)"),
        (
            lambda table: table.with_columns(points=pl.int_range(pl.len()) % 100),
            lambda table: table.with_columns(points=pl.int_range(pl.len())),
            "points (numeric_discrete before, numeric_binned now)",
        ),
    ],
    ids=["added", "dropped", "renamed", "other encoding"],
)
def test_columns_that_differ_begin_anew_and_the_others_go_on(orders, before, now, said):  # E35 O33
    table = now(shop_orders(1000, seed=9).drop("order"))
    first = train_flat(before(orders), **SETTINGS, max_epochs=8)
    cold, warm = (train_flat(table, **SETTINGS, max_epochs=8, warm_start=start) for start in (None, first))
    best = min(record.validation_loss for record in cold.history)
    assert _epochs_until(warm, best) <= _epochs_until(cold, best) / 2
    assert warm.provenance["warm_start"].startswith(f"yes, but for columns that differ: {said}")


@pytest.mark.parametrize("train", [train_flat, train_sequential])
def test_a_context_that_is_new_says_nothing_before_the_first_step(train):  # E35 E32
    people = subscribers(200)
    rows = parcels(people)

    def trained(columns: list[str], **more) -> tuple[ModelArtifact, dict[str, pl.DataFrame]]:
        given = {"ctx_data": people.select("id", *columns)} if columns else {}
        model = train(
            rows, tgt_context_key="id", ctx_primary_key="id" if columns else None, **given, **SETTINGS, **more
        )
        return model, given

    last, given = trained([], max_epochs=4)
    for i, name in enumerate(["calls::reason", "plan", "orders::color"]):
        columns = ["calls::reason", "plan", "orders::color"][: i + 1]
        was = log_prob(last, rows, **given)
        begun, given = trained(columns, max_epochs=0, warm_start=last)
        assert np.abs(log_prob(begun, rows, **given) - was).max() < 0.01
        assert f"{name} (new)" in begun.provenance["warm_start"]
        last, given = trained(columns, max_epochs=2, warm_start=last)
    without = trained([], max_epochs=1, warm_start=last)[0]
    said = "columns that differ: context plan (gone), calls::reason (gone), orders::color (gone)"
    assert said in without.provenance["warm_start"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"model_size": "M"}, "of another network .*: its model_size is S, and M is asked for"),
        ({"data": pl.DataFrame({"land": ["DE", "FR"] * 9})}, r"knows none of the columns: land \(new\), price .*"),
    ],
)  # fmt: skip
def test_what_is_of_no_use_to_the_new_network_is_refused_with_the_reason(orders, artifact, arguments, reason):
    with pytest.raises(ConfigError, match=f"The artifact .*{reason}. Train from the start"):
        train_flat(**({"data": orders} | SETTINGS | arguments), max_epochs=1, warm_start=artifact)


def test_bytes_are_not_an_artifact_yet(orders, artifact):
    with pytest.raises(ConfigError, match="warm_start is a bytes; it must be a ModelArtifact"):
        train_flat(orders, **SETTINGS, max_epochs=0, warm_start=artifact.to_bytes())


def test_rows_do_not_go_on_from_sequences(orders, artifact):
    table = orders.with_columns(key=np.arange(len(orders)) // 3)
    with pytest.raises(ConfigError, match="one models rows, the other sequences"):
        train_sequential(table, tgt_context_key="key", **SETTINGS, max_epochs=1, warm_start=artifact)
