"""Collection as Dagster runs it: by what is declared, a dry run unless forced, and after a run that failed."""

from __future__ import annotations

import logging
import os
import time

import dagster as dg

from argn_assets.datasets import Catalogue
from argn_assets.orchestration.collection import clean_failed_run, collect_store
from argn_assets.store import ArtifactStore
from argn_assets_tests.dagster_world import World, caches, csv_rows, declaration, definitions, told, world

__all__ = ["world"]


def three_runs(world: World) -> ArtifactStore:
    """Read a changing table three times, long ago."""
    for seed in range(3):
        world.declare("people", csv=csv_rows(seed=seed), yaml=declaration("people", keep="{last: 1}"))
        assert world.run("people", ["raw_tables"]).success
    past = time.time() - 200 * 86400
    for file in (world.root / "store").rglob("*.*"):
        os.utime(file, (past, past))
    return ArtifactStore.open(str(world.root / "store"))


def collected(world: World, *, force: bool) -> dg.ExecuteInProcessResult:
    settings = {"ops": {"collect_artifacts": {"config": {"force": force}}}} if force else {}
    job = definitions().resolve_job_def("collect_store")
    return job.execute_in_process(instance=world.instance, run_config=settings)


def test_the_job_is_a_dry_run_unless_it_is_forced(world):  # T23
    store = three_runs(world)
    assert collected(world, force=False).success
    assert len(list(store.manifests("people"))) == 3
    assert collected(world, force=True).success
    assert len(list(store.manifests("people"))) == 1
    assert len(world.blobs) == 1


def test_what_is_left_is_what_the_event_log_calls_current(world):  # T22
    three_runs(world)
    collected(world, force=True)
    done = world.run("people", ["raw_tables", "table_stats"])
    assert caches(done) == {"raw_tables": "hit", "table_stats": "miss"}
    assert told(done)["raw_tables"]["manifest"] in set(
        ArtifactStore.open(str(world.root / "store")).manifests("people")
    )


def test_a_result_that_was_collected_is_computed_again(world):
    store = three_runs(world)
    world.declare("people", csv=csv_rows(seed=0), yaml=declaration("people", keep="{last: 1}"))
    collected(world, force=True)
    assert caches(world.run("people", ["raw_tables"])) == {"raw_tables": "miss"}
    assert not store.verify_artifacts("people").damaged


def test_every_data_set_is_collected_by_its_own_declaration(world):
    store = three_runs(world)
    assert len(collect_store(store, Catalogue())["people"].manifests) == 2
    (world.catalogue / "people.yaml").unlink()
    assert len(collect_store(store, Catalogue())["people"].manifests) == 1, "not declared any more: the last two stay"


def test_cleaning_after_a_failed_run_takes_what_no_retry_needs(world):  # T23
    store = three_runs(world)
    first, *_, last = sorted(map(store.read_manifest, store.manifests("people")), key=lambda it: it.created_at)
    assert clean_failed_run(store, last.run_id).manifests == [], "it is current"
    assert clean_failed_run(store, first.run_id).manifests == [first.path]
    assert not store.verify_artifacts("people").damaged


def test_cleaning_after_a_failed_run_logs_why_it_cannot_and_raises_nothing(world, caplog):
    store = three_runs(world)
    path = next(store.manifests("people"))
    store.port.replace(path, store.port.read(path)[:-9])
    with caplog.at_level(logging.WARNING):
        assert clean_failed_run(store, "any").manifests == []
    assert f"was not cleaned up, and everything is still there: {path}" in caplog.text
