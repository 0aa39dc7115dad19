"""Every family of generators and every network of it, held to what all promise."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import train_flat, train_sequential
from argn_assets.engine.families import family_named, family_names
from argn_assets.errors import ArtifactError
from argn_assets_tests.conformance.family import SEED, Case, LoneTableTests, NetworkTests, TrainedTests, Training
from argn_assets_tests.peer.expected import FOLDER, Golden
from argn_assets_tests.tables_of_truth import subscribers, two_coins

SETTINGS: dict[str, Any] = {"random_state": SEED, "max_epochs": 2, "device": "cpu"}


def _coins() -> pl.DataFrame:
    """Return throws of two coins and what they won: 1 to 4 rows of each of 120 keys, and none of every tenth."""
    rng = np.random.default_rng(0)
    sizes = np.where(np.arange(120) % 10 == 0, 0, rng.integers(1, 5, 120))
    wins = pl.Series(rng.integers(0, 3, sizes.sum()))
    coins = two_coins(int(sizes.sum()))
    return coins.with_columns(id=np.repeat(np.arange(120), sizes), wins=pl.when(wins > 0).then(wins))


def _training(kind: str, given: list[str]) -> Training:
    """Train rows or sequences, given these columns of subscribers."""
    table, settings = _coins(), dict(SETTINGS)
    if kind == "rows":
        table = table.unique("id", keep="first", maintain_order=True)
    train = train_sequential if kind == "sequences" else train_flat
    if not given:
        table = table if kind == "sequences" else table.drop("id")
        settings |= {"tgt_context_key": "id"} if kind == "sequences" else {}
        return Training(table, partial(train, table, **settings))
    context = subscribers(120).select("id", *given)
    if kind == "rows":
        context = context.join(table, on="id", how="semi", maintain_order="left")
    settings |= {"tgt_context_key": "id", "ctx_data": context, "ctx_primary_key": "id"}
    return Training(table, partial(train, table, **settings), context)


GIVEN = {
    "": [],
    " with context": ["plan"],
    " with siblings": ["plan", "orders::color", "orders::stars"],
    " with siblings alone": ["orders::color"],
}
TRAINED = {f"{kind}{name}": (kind, given) for kind in ("rows", "sequences") for name, given in GIVEN.items()}
IMPORTED = ("flat_s", "flat_context_s", "flat_sequential_context_s", "sequential_s", "sequential_context_s",
            "sequential_sequential_context_s", "sequential_fixed_order_s")  # fmt: skip


@pytest.fixture(scope="module", params=sorted(TRAINED))
def training(request: pytest.FixtureRequest) -> Training:
    return _training(*TRAINED[request.param])


@pytest.fixture(scope="module")
def trained(training: Training) -> Case:
    return Case(training.train(), training.context)


@pytest.fixture(scope="module", params=["rows", "sequences with siblings"])
def in_one_order(request: pytest.FixtureRequest) -> Case:
    training = _training(*TRAINED[request.param])
    return Case(training.train(any_order=False), training.context)


@pytest.fixture(scope="module", params=IMPORTED)
def imported(request: pytest.FixtureRequest) -> Case:
    golden = Golden(FOLDER / request.param)
    return Case(golden.artifact, golden.context)


def _lone_table() -> Case:
    """A model of two coins, a number with missing values that depends on them, and another of many values."""
    rng = np.random.default_rng(0)
    coins = two_coins(3000)
    wins = (coins["first"] == "heads").to_numpy() * 2 + rng.integers(0, 2, len(coins))
    amount = pl.Series(np.round(rng.gamma(2.0, 3.0, len(coins)), 2))
    table = coins.with_columns(
        wins=pl.when(pl.Series(rng.random(len(coins)) < 0.2)).then(None).otherwise(pl.Series(wins)),
        amount=pl.when(pl.Series(rng.random(len(coins)) < 0.3)).then(None).otherwise(amount),
    )
    return Case(train_flat(table, random_state=1, max_epochs=3, device="cpu"))


LONE_TABLES = {"argn": _lone_table, "peer": lambda: Case(Golden(FOLDER / "flat_s").artifact)}


@pytest.fixture(scope="module", params=sorted(LONE_TABLES))
def lone_table(request: pytest.FixtureRequest) -> Case:
    return LONE_TABLES[request.param]()


class TestTrained(TrainedTests):
    @pytest.fixture
    def case(self, trained: Case) -> Case:
        return trained


class TestTrainedInOneOrder(NetworkTests):
    @pytest.fixture
    def case(self, in_one_order: Case) -> Case:
        return in_one_order


class TestImported(NetworkTests):
    @pytest.fixture
    def case(self, imported: Case) -> Case:
        return imported


class TestLoneTables(NetworkTests, LoneTableTests):
    @pytest.fixture
    def case(self, lone_table: Case) -> Case:
        return lone_table


def test_every_family_is_tested():
    assert set(family_names()) == set(LONE_TABLES)


def test_an_unknown_family_is_refused_with_the_way_out():
    with pytest.raises(ArtifactError, match="'gan'; this version knows argn, peer"):
        family_named("gan")
