"""Several threads share a training and a generation: the same comes out, sooner."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import ModelArtifact, generate_flat, generate_sequential, train_flat, train_sequential
from argn_assets.errors import EngineError
from argn_assets_tests.tables_of_truth import customers, shop_orders, visits

Result = TypeVar("Result")
BATCHES = {"batch_size": 1024, "max_epochs": 2, "random_state": 1, "device": "cpu"}


def _at(n_threads: int, make: Callable[[], Result]) -> Result:
    """Return what is made at a number of threads, which stays what it was."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        made = make()
        assert torch.get_num_threads() == n_threads
        return made
    finally:
        torch.set_num_threads(before)


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return shop_orders(4000)


@pytest.fixture(scope="module")
def trainings(orders) -> dict[str, Callable[[], ModelArtifact]]:
    subjects = customers(1600)
    rows = visits(subjects)
    flat_context = {"ctx_data": subjects, "ctx_primary_key": "customer", "tgt_context_key": "customer"}
    first_visits = rows.group_by("customer", maintain_order=True).first()
    return {
        "rows": lambda: train_flat(orders, **BATCHES),
        "rows beside a context": lambda: train_flat(first_visits, **flat_context, **BATCHES),
        "sequences": lambda: train_sequential(rows, **flat_context, **BATCHES),
    }


@pytest.mark.parametrize("name", ["rows", "rows beside a context", "sequences"])
def test_a_training_learns_the_same_at_any_number_of_threads(trainings, name):  # E10 E34
    one, three = (_at(n_threads, trainings[name]) for n_threads in (1, 3))
    for losses in ("training_loss", "validation_loss"):
        assert [getattr(record, losses) for record in three.history] == pytest.approx(
            [getattr(record, losses) for record in one.history], rel=1e-3
        )
    # Half precision, and sums in another order.
    for key, weight in one.weights.items():
        assert np.allclose(three.weights[key].astype(float), weight.astype(float), atol=0.02), key


def test_the_same_seed_gives_the_same_bytes_at_the_same_number_of_threads(trainings):  # E10
    assert _at(3, trainings["rows"]).to_bytes() == _at(3, trainings["rows"]).to_bytes()


def test_rows_do_not_depend_on_the_number_of_threads(trainings):  # E10
    artifact = trainings["rows"]()
    one, three = (_at(n, lambda: generate_flat(artifact, 2500, random_state=5, device="cpu")) for n in (1, 3))
    assert one.equals(three)


def test_sequences_do_not_depend_on_the_number_of_threads(trainings):  # E10
    artifact, many = trainings["sequences"](), customers(2500, first=10_000, seed=6)
    one, three = (
        _at(n, lambda: generate_sequential(artifact, ctx_data=many, random_state=2, device="cpu")) for n in (1, 3)
    )
    assert one.equals(three)


def test_weights_that_are_no_numbers_are_named_whatever_thread_meets_them(trainings):
    artifact = trainings["rows"]()
    weights = {name: np.full_like(array, np.nan) for name, array in artifact.weights.items()}
    broken = dataclasses.replace(artifact, weights=weights)
    with pytest.raises(EngineError, match="no finite logit: the model's weights are not usable"):
        _at(3, lambda: generate_flat(broken, 2500, random_state=5, device="cpu"))
