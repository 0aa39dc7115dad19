"""What the report sees of sequences that it cannot see in single rows."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from argn_assets.datasets import Sequences
from argn_assets.quality import compare_tables, render_report


def walkers(n_walkers: int = 400, seed: int = 0) -> dict[str, pl.DataFrame]:
    """Walkers and their steps: `place` goes up by one from a random start; the fast take eight steps, the slow two."""
    rng = np.random.default_rng(seed)
    fast = rng.random(n_walkers) < 0.5
    sizes = np.where(fast, 8, 2)
    within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    starts = np.repeat(rng.integers(0, 40, n_walkers), sizes)
    return {
        "walkers": pl.DataFrame({"id": np.arange(n_walkers), "pace": np.where(fast, "fast", "slow")}),
        "steps": pl.DataFrame({"walker": np.repeat(np.arange(n_walkers), sizes), "place": starts + within}),
    }


def compared(synthetic: dict[str, pl.DataFrame], holdout: dict[str, pl.DataFrame] | None = None):
    real, held = walkers(), walkers(seed=2) if holdout is None else holdout
    return compare_tables(
        real["steps"],
        held["steps"],
        synthetic["steps"],
        name="steps",
        keys=("walker",),
        sequences=Sequences(
            key="walker",
            primary_key="id",
            training=real["walkers"],
            holdout=held["walkers"],
            synthetic=synthetic["walkers"],
        ),
    )


# O21
def test_fresh_real_sequences_score_as_the_held_out_do():
    found = compared(walkers(seed=1)).sequences
    assert (found.sequences_training, found.sequences_synthetic, found.resolved_share) == (400, 400, 1.0)
    assert found.length_accuracy > 0.9
    assert found.coherence == pytest.approx(found.coherence_ceiling, abs=0.05)
    assert found.c2st_auc == pytest.approx(found.c2st_auc_holdout, abs=0.1)


def test_rows_in_another_order_lose_coherence_and_nothing_else():
    good = walkers(seed=1)
    mixed = good | {"steps": good["steps"].sample(fraction=1.0, shuffle=True, seed=5)}
    one, two = compared(good), compared(mixed)
    assert two.fidelity == pytest.approx(one.fidelity)
    assert two.sequences.length_accuracy == one.sequences.length_accuracy
    assert two.sequences.coherence < one.sequences.coherence - 0.2
    assert two.sequences.c2st_auc > 0.9


def test_rows_under_the_wrong_parents_are_told_apart_by_what_is_given():
    good = walkers(seed=1)
    swapped = pl.when(pl.col("pace") == "fast").then(pl.lit("slow")).otherwise(pl.lit("fast"))
    wrong = good | {"walkers": good["walkers"].with_columns(pace=swapped)}
    assert compared(wrong).sequences.c2st_auc > 0.9
    assert compared(wrong).sequences.length_accuracy == compared(good).sequences.length_accuracy


def test_parents_without_rows_count_as_sequences_of_no_rows():
    good = walkers(seed=1)
    fewer = good | {"steps": good["steps"].filter(pl.col("walker") >= 200)}
    found = compared(fewer).sequences
    assert found.mean_length_synthetic == pytest.approx(found.mean_length_training / 2, rel=0.2)
    assert found.length_accuracy < 0.6


def test_rows_without_a_parent_are_counted():
    good = walkers(seed=1)
    lost = good | {"walkers": good["walkers"].head(300)}
    assert 0.5 < compared(lost).sequences.resolved_share < 0.9


def test_the_same_tables_give_the_same_figures_and_stand_in_the_report():
    one, two = compared(walkers(seed=1)), compared(walkers(seed=1))
    assert one == two
    page = render_report("walk", {"steps": one}, provenance={})
    assert "Sequences by walker" in page
    assert "sequence_coherence" in one.summary()
