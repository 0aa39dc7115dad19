"""What a training begins with, before the first step."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import train_flat, train_sequential


def _alike(weights: np.ndarray) -> float:
    """Return how alike the embeddings of neighbouring codes are, [K, E]: 0 where they have nothing to do with each."""
    return float(np.corrcoef(weights[:-1].ravel(), weights[1:].ravel())[0, 1])


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    numbers = np.arange(1200) % 60
    return pl.DataFrame({"key": np.arange(1200) // 4, "age": numbers, "town": [f"town {i:02}" for i in numbers]})


def test_cells_of_numbers_begin_like_their_neighbours_and_categories_do_not(table):  # E35
    model = train_flat(table.drop("key"), model_size="S", max_epochs=0, random_state=1, device="cpu")
    start = model.tgt_cardinalities["age.value"]
    assert _alike(model.weights["embedding"][1:start].astype(np.float64)) > 0.8
    assert abs(_alike(model.weights["embedding"][start + 1 :].astype(np.float64))) < 0.25


def test_so_do_those_of_contexts_and_of_siblings(table):  # E32 E35
    context = table.group_by("key", maintain_order=True).agg(pl.col("age").first(), pl.col("age").alias("visits::age"))
    model = train_sequential(
        table, tgt_context_key="key", ctx_data=context, model_size="S", max_epochs=0, random_state=1, device="cpu"
    )
    for name in ("context_embedding", "siblings.readers.0.embedding"):
        assert _alike(model.weights[name][1:].astype(np.float64)) > 0.8
