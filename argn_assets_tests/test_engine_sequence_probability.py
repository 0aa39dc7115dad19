"""Probabilities of sequences, on a table so small that all of its sequences can be written down."""

from __future__ import annotations

import itertools

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import ModelArtifact, generate_sequential, train_sequential
from argn_assets.engine.families import family_named
from argn_assets.engine.sequence_probability import KnownSequences, sequence_log_probs


@pytest.fixture(scope="module")
def table() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    sizes = rng.integers(1, 3, 400)
    n = int(sizes.sum())
    return pl.DataFrame(
        {
            "k": np.repeat(np.arange(400), sizes),
            "a": rng.choice(["x", "y"], n),
            "b": rng.choice(["u", "v"], n, p=[0.8, 0.2]),
        }
    )


@pytest.fixture(scope="module")
def artifact(table) -> ModelArtifact:
    return train_sequential(table, tgt_context_key="k", random_state=1, max_epochs=3, device="cpu")


def _all_sequences(artifact: ModelArtifact, size: int) -> np.ndarray:
    rows = list(itertools.product(*(range(k) for k in artifact.tgt_cardinalities.values())))
    return np.array([row for sequence in itertools.product(rows, repeat=size) for row in sequence]).T


def _log_probs(artifact: ModelArtifact, codes: np.ndarray, size: int, order: list[int] | None) -> np.ndarray:
    import torch

    model = family_named(artifact.family).load_sequential(artifact, torch.device("cpu"), torch.float64)
    n = codes.shape[1] // size
    no_context = np.zeros((0, n), dtype=np.uint8)
    known = KnownSequences(codes, np.arange(n + 1) * size, no_context, (), np.arange(codes.shape[1]))
    found = sequence_log_probs(model, known, np.full(n, size - 1), order)
    return found.codes.sum(axis=0).reshape(n, size).sum(axis=1) + found.lengths


@pytest.mark.parametrize("order", [None, [1, 0]])
def test_the_probabilities_of_all_sequences_sum_to_one(artifact, order):  # E41
    total = sum(np.exp(_log_probs(artifact, _all_sequences(artifact, size), size, order)).sum() for size in (1, 2))
    assert total == pytest.approx(1.0, abs=1e-9)


def test_sequences_are_generated_as_often_as_their_probability_says(artifact, table):
    made = generate_sequential(artifact, sample_size=20_000, random_state=1)
    written = made.group_by("k", maintain_order=True).agg(pl.concat_str("a", "b").str.join(",").alias("rows"))
    counts = dict(written["rows"].value_counts().iter_rows())
    values = {"a": {"x": 1, "y": 2}, "b": {"u": 1, "v": 2}}
    for text in ("xu", "yv", "xu,xu", "yu,xv", "yv,yv"):
        rows = [(values["a"][row[0]], values["b"][row[1]]) for row in text.split(",")]
        # A code that is never drawn leaves its probability to the others.
        expected = np.exp(_log_probs(artifact, np.array(rows).T, len(rows), None)[0])
        assert counts.get(text, 0) / 20_000 == pytest.approx(expected, rel=0.1, abs=0.003)
