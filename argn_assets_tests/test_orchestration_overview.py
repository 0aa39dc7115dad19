"""The overview: each data set's state, age, sync status, fidelity, privacy, cost and last error in one table (O22)."""

from __future__ import annotations

import time

import dagster as dg
import pytest

from argn_assets.datasets import Catalogue, fingerprint_sources
from argn_assets.orchestration.overview import MOST_ERROR_CHARACTERS, overview_of
from argn_assets.orchestration.source_versions import observation
from argn_assets_tests.dagster_world import CHAIN, csv_rows, declaration, definitions, world

__all__ = ["world"]


def states(world, **settings):
    return {it.dataset: it for it in overview_of(world.instance, Catalogue(), **settings)}


def test_every_state_is_told_apart(world):  # O22
    world.declare("good")
    assert world.run("good", CHAIN).success
    world.declare("failed", csv="id,size\na,1\na,2\n")
    world.run("failed", CHAIN)
    world.declare("fresh")
    world.declare("broken")
    (world.catalogue / "broken.yaml").write_text("dataset: broken\ntables: 3\n")
    world.instance.add_dynamic_partitions("dataset", ["stranger"])
    world.declare("running")
    world.started("running")
    found = states(world)
    assert {name: it.state for name, it in found.items()} == {
        "good": "current",
        "failed": "failed",
        "fresh": "never made",
        "broken": "broken",
        "stranger": "not declared",
        "running": "running",
    }
    good = found["good"]
    assert 0 <= good.age_days < 1
    assert 0 < good.fidelity <= 1
    assert 0 <= good.copy_rate <= 1
    assert good.rows == 240
    assert good.training_minutes is not None
    assert good.stored_megabytes > 0
    assert good.last_error == ""
    assert "primary key 'id' repeats" in found["failed"].last_error
    assert "broken.yaml" in found["broken"].last_error
    assert max(len(it.last_error) for it in found.values()) <= MOST_ERROR_CHARACTERS + 2


def test_it_says_what_is_old_and_whose_source_changed(world):  # O22
    world.declare("tiny", yaml=declaration("tiny"))
    world.run("tiny", CHAIN)
    assert states(world)["tiny"].sync == "not looked at"
    spec = Catalogue().get("tiny")
    world.instance.report_runless_asset_event(observation("tiny", fingerprint_sources(spec)))
    assert states(world)["tiny"].sync == "in sync"
    (world.catalogue / "tiny.csv").write_text(csv_rows(seed=5))
    world.instance.report_runless_asset_event(observation("tiny", fingerprint_sources(spec)))
    late = states(world, now=time.time() + 9 * 86_400)["tiny"]
    assert (late.sync, late.state) == ("source changed", "old")
    assert late.age_days == pytest.approx(9, abs=0.1)


def test_the_asset_shows_it_as_a_table_whatever_is_missing(world):  # O22
    world.declare("tiny")
    job = definitions().resolve_implicit_global_asset_job_def()
    result = job.execute_in_process(instance=world.instance, asset_selection=[dg.AssetKey("overview")])
    (event,) = result.get_asset_materialization_events()
    metadata = event.materialization.metadata
    (row,) = metadata["data sets"].value.records
    assert (row.data["dataset"], row.data["state"], row.data["fidelity"]) == ("tiny", "never made", None)
    assert metadata["state/never made"].value == 1
    assert event.materialization.partition is None
