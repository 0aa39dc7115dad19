"""Rollback: earlier results are current again for Dagster, the IO manager and readers; nothing is computed (O18)."""

from __future__ import annotations

import dagster as dg
import pytest

import argn_assets
from argn_assets.datasets import Catalogue
from argn_assets.errors import ConfigError, MissingArtifact
from argn_assets.orchestration.ages import age_evaluations
from argn_assets.orchestration.checks import AGE, CHECKS
from argn_assets.orchestration.rollback import past_events, roll_back
from argn_assets.store import ArtifactStore
from argn_assets_tests.dagster_world import CHAIN, csv_rows, told, versions, world

__all__ = ["world"]

MADE = CHAIN[3:]


@pytest.fixture
def twice(world):
    """A data set whose chain was run, and run again over other rows."""
    world.declare("tiny")
    first = world.run("tiny", CHAIN)
    (world.catalogue / "tiny.csv").write_text(csv_rows(seed=1))
    second = world.run("tiny", CHAIN)
    return world, ArtifactStore.open(str(world.root / "store")), first, second


def current(world) -> dict[str, str]:
    return {asset: next(past_events(world.instance, asset, "tiny")).digest for asset in MADE}


def test_the_tables_before_come_back_with_their_model_and_report(twice):  # O18
    world, store, first, second = twice
    newer = argn_assets.read_table("tiny")
    changed = roll_back(world.instance, store, "tiny")
    assert [(it.before.digest, it.after.digest) for it in changed] == [
        (versions(second)[asset], versions(first)[asset]) for asset in MADE
    ]
    assert current(world) == {asset: versions(first)[asset] for asset in MADE}
    assert not newer.equals(argn_assets.read_table("tiny"))
    for asset in MADE:
        event = world.instance.get_latest_data_version_record(dg.AssetKey(asset), partition_key="tiny")
        assert event.asset_materialization.tags["dagster/data_version"] == versions(first)[asset]
        assert event.asset_materialization.tags["argn/trigger"] == "rollback"
        assert store.refs("tiny").read(asset).value["manifest"] == told(first)[asset]["manifest"]


def test_a_run_after_a_rollback_takes_what_is_current_again(twice):  # O10, O18
    world, store, first, _ = twice
    roll_back(world.instance, store, "tiny")
    made = world.run("tiny", ["synthetic_tables"])
    assert told(made)["synthetic_tables"]["input/trained_artifact"] == versions(first)["trained_artifact"]
    assert versions(made)["synthetic_tables"] == versions(first)["synthetic_tables"]


def test_a_rollback_can_be_rolled_back(twice):
    world, store, _, second = twice
    roll_back(world.instance, store, "tiny")
    roll_back(world.instance, store, "tiny")
    assert current(world) == {asset: versions(second)[asset] for asset in MADE}


def latest_checks(world) -> dict[tuple[str, str], tuple[bool, str, dict[str, object]]]:
    """Return what Dagster has as the newest answer of every check of what a rollback changes."""
    newest = {}
    for check in CHECKS:
        if check.stage.asset in MADE and check is not AGE:
            key = dg.AssetCheckKey(dg.AssetKey(check.stage.asset), check.name)
            (record,) = world.instance.event_log_storage.get_asset_check_execution_history(key, limit=1)
            found = record.event.dagster_event.asset_check_evaluation_data
            numbers = {name: it.value for name, it in found.metadata.items()}
            newest[check.stage.asset, check.name] = (found.passed, found.description, numbers)
    return newest


def test_the_checks_of_what_comes_back_are_told_again(world):  # O11, O18
    world.declare("tiny")
    world.run("tiny", CHAIN)
    before = latest_checks(world)
    (world.catalogue / "tiny.csv").write_text(csv_rows(300, seed=1))
    world.run("tiny", CHAIN)
    after = latest_checks(world)
    assert before != after
    store = ArtifactStore.open(str(world.root / "store"))
    for expected in (before, after, before):
        roll_back(world.instance, store, "tiny")
        assert latest_checks(world) == expected


def test_tables_that_came_back_are_as_old_as_they_were(twice):  # O18, O20
    world, store, first, _ = twice
    roll_back(world.instance, store, "tiny")
    (made,) = [it for it in past_events(world.instance, "synthetic_tables", "tiny") if it.run_id == first.run_id]
    (evaluation,) = age_evaluations(world.instance, Catalogue(), now=made.at + 9 * 86_400)
    assert evaluation.metadata["age_days"].value == pytest.approx(9, abs=1e-6)
    assert not evaluation.passed


@pytest.mark.parametrize("name", ["run", "digest", "model"])
def test_the_target_may_be_named_by_run_or_digest(twice, name):  # O18
    world, store, first, _ = twice
    words = {
        "run": first.run_id[:8],
        "digest": versions(first)["synthetic_tables"][:20],
        "model": versions(first)["trained_artifact"].removeprefix("sha256:")[:12],
    }
    assert len(roll_back(world.instance, store, "tiny", words[name])) == len(MADE)
    assert current(world)["synthetic_tables"] == versions(first)["synthetic_tables"]
    assert roll_back(world.instance, store, "tiny", words[name]) == [], "they are current already"


def test_what_cannot_come_back_is_said_and_nothing_changes(twice):
    world, store, first, second = twice
    with pytest.raises(ConfigError, match=r"names no synthetic tables of data set 'tiny'.*sha256:"):
        roll_back(world.instance, store, "tiny", "123456789")
    with pytest.raises(ConfigError, match="too short"):
        roll_back(world.instance, store, "tiny", "12")
    with pytest.raises(ConfigError, match="No synthetic tables of a data set 'other'"):
        roll_back(world.instance, store, "other")
    manifest = store.read_manifest(str(told(first)["quality_report"]["manifest"]))
    (world.root / "store" / "binaries" / "tiny" / manifest.items[0].path).unlink()
    with pytest.raises(MissingArtifact, match="not in the store any more"):
        roll_back(world.instance, store, "tiny")
    assert current(world) == {asset: versions(second)[asset] for asset in MADE}
