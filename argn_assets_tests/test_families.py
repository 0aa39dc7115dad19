"""Every family of generators, held to what all families promise."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import ModelArtifact, train_flat
from argn_assets.engine.families import family_named, family_names
from argn_assets.errors import ArtifactError
from argn_assets_tests.conformance.family import FamilyTests
from argn_assets_tests.peer.expected import FOLDER, Golden
from argn_assets_tests.tables_of_truth import two_coins


def _trained() -> ModelArtifact:
    """A model of two coins, a number with missing values that depends on them, and another of many values."""
    rng = np.random.default_rng(0)
    coins = two_coins(3000)
    wins = (coins["first"] == "heads").to_numpy() * 2 + rng.integers(0, 2, len(coins))
    amount = pl.Series(np.round(rng.gamma(2.0, 3.0, len(coins)), 2))
    table = coins.with_columns(
        wins=pl.when(pl.Series(rng.random(len(coins)) < 0.2)).then(None).otherwise(pl.Series(wins)),
        amount=pl.when(pl.Series(rng.random(len(coins)) < 0.3)).then(None).otherwise(amount),
    )
    return train_flat(table, random_state=1, max_epochs=3, device="cpu")


def _imported() -> ModelArtifact:
    return Golden(FOLDER / "flat_s").artifact


ARTIFACTS = {"argn": _trained, "peer": _imported}


@pytest.fixture(scope="module", params=sorted(ARTIFACTS))
def artifact(request: pytest.FixtureRequest) -> ModelArtifact:
    return ARTIFACTS[request.param]()


class TestFamilies(FamilyTests):
    pass


def test_every_family_is_tested():
    assert set(family_names()) == set(ARTIFACTS)


def test_an_unknown_family_is_refused_with_the_way_out():
    with pytest.raises(ArtifactError, match="'gan'; this version knows argn, peer"):
        family_named("gan")
