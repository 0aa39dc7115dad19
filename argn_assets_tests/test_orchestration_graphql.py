"""Backfills and states as the UI asks for them: the real GraphQL schema over the real definitions."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import dagster as dg
import pytest
from dagster._core.execution.backfill import BULK_ACTION_TERMINAL_STATUSES
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster_graphql.test.utils import execute_dagster_graphql

from argn_assets.datasets import Catalogue, fingerprint_sources
from argn_assets.orchestration.source_versions import observation
from argn_assets_tests.dagster_world import LIGHT, World, csv_rows, world

__all__ = ["world"]

LAUNCH = """
mutation($params: LaunchBackfillParams!) { launchPartitionBackfill(backfillParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
AGAIN = """
mutation($params: ReexecutionParams!) { reexecutePartitionBackfill(reexecutionParams: $params) {
  __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message } } }
"""
STALENESS = """
query($keys: [AssetKeyInput!], $partitions: [String!]!) { assetNodes(assetKeys: $keys) {
  assetKey { path } staleStatusByPartition(partitions: $partitions) } }
"""
ADD = """
mutation($repository: RepositorySelector!, $key: String!) {
  addDynamicPartition(repositorySelector: $repository, partitionsDefName: "dataset", partitionKey: $key) {
    __typename ... on AddDynamicPartitionSuccess { partitionKey } ... on PythonError { message } } }
"""
REPOSITORY = {"repositoryLocationName": "argn_assets", "repositoryName": "__repository__"}


@dataclass
class Server:
    """What stands behind the UI, in this process; runs are executed as they are launched."""

    world: World
    workspace: WorkspaceProcessContext

    def ask(self, query: str, **variables: Any) -> Any:
        result = execute_dagster_graphql(self.workspace.create_request_context(), query, variables)
        assert not result.errors, result.errors
        (answer,) = result.data.values()
        return answer

    def backfill(self, query: str, **params: Any) -> tuple[str, dict[str, dg.DagsterRun]]:
        """Launch a backfill, be its daemon until it ends, and return its id and runs by data set."""
        launched = self.ask(query, params=params)
        assert launched["__typename"] == "LaunchBackfillSuccess", launched
        name = launched["backfillId"]
        for _ in range(10):
            list(execute_backfill_iteration(self.workspace, logging.getLogger("backfill")))
            if self.world.instance.get_backfill(name).status in BULK_ACTION_TERMINAL_STATUSES:
                break
        runs = self.world.instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": name}))
        by_dataset = {run.tags["dagster/partition"]: run for run in runs}
        assert len(by_dataset) == len(runs), "one run per data set"
        return name, by_dataset

    def stale(self, dataset: str) -> dict[str, str]:
        """Return what the partition view shows of each asset."""
        nodes = self.ask(STALENESS, keys=[{"path": [asset]} for asset in LIGHT], partitions=[dataset])
        return {node["assetKey"]["path"][-1]: node["staleStatusByPartition"][0] for node in nodes}


@contextmanager
def serving(world: World, overrides: dict[str, Any] | None = None) -> Iterator[Server]:
    """Serve a world; by default runs are executed in this process, as they are launched."""
    target = LoadableTargetOrigin(module_name="argn_assets.definitions", attribute="defs")
    origin = InProcessCodeLocationOrigin(target, location_name="argn_assets")
    at_once = {
        "run_launcher": {
            "module": "dagster._core.launcher.sync_in_memory_run_launcher",
            "class": "SyncInMemoryRunLauncher",
        },
        "run_coordinator": {"module": "dagster._core.run_coordinator", "class": "DefaultRunCoordinator"},
    }
    with (
        dg.instance_for_test(overrides=overrides or at_once) as instance,
        WorkspaceProcessContext(instance, InProcessWorkspaceLoadTarget(origin)) as workspace,
    ):
        yield Server(World(world.root, instance), workspace)


@pytest.fixture
def server(world):
    with serving(world) as server:
        yield server


def params(*datasets: str) -> dict[str, Any]:
    return {"assetSelection": [{"path": [asset]} for asset in LIGHT], "partitionNames": list(datasets)}


def test_a_backfill_makes_one_run_per_data_set_and_a_failing_one_does_not_stop_the_others(server):  # O35
    for name in ("broken", "one", "two", "unasked"):
        server.world.declare(name, csv="id,size,kind\n" if name == "broken" else None)
    _, runs = server.backfill(LAUNCH, **params("broken", "one", "two"))
    assert {name: run.status.value for name, run in runs.items()} == {
        "broken": "FAILURE",
        "one": "SUCCESS",
        "two": "SUCCESS",
    }


def test_from_failure_repeats_only_what_failed(server):  # O35
    for name in ("broken", "fine"):
        server.world.declare(name, csv="id,size,kind\n" if name == "broken" else None)
    first, _ = server.backfill(LAUNCH, **params("broken", "fine"))
    (server.world.catalogue / "broken.csv").write_text(csv_rows())
    _, runs = server.backfill(AGAIN, parentRunId=first, strategy="FROM_FAILURE")
    assert {name: run.status.value for name, run in runs.items()} == {"broken": "SUCCESS"}


def test_a_backfill_of_the_job_goes_on_from_failure_too(server):  # O35
    for name in ("broken", "fine"):
        server.world.declare(name, csv="id,size,kind\n" if name == "broken" else None)
    selector = {"partitionSetName": "retrain_partition_set", "repositorySelector": REPOSITORY}
    light = [{"path": [asset]} for asset in LIGHT]
    chosen = {"selector": selector, "partitionNames": ["broken", "fine"], "assetSelection": light}
    server.backfill(LAUNCH, **chosen)
    (server.world.catalogue / "broken.csv").write_text(csv_rows())
    _, runs = server.backfill(LAUNCH, **chosen, fromFailure=True)
    assert {name: run.status.value for name, run in runs.items()} == {"broken": "SUCCESS"}


def test_a_partition_that_a_person_adds_is_a_data_set_if_it_is_declared(server):  # O2
    server.world.declare("tiny")
    server.world.instance.delete_dynamic_partition("dataset", "tiny")
    added = server.ask(ADD, repository=REPOSITORY, key="tiny")
    assert added == {"__typename": "AddDynamicPartitionSuccess", "partitionKey": "tiny"}
    _, runs = server.backfill(LAUNCH, **params("tiny"))
    assert runs["tiny"].status.value == "SUCCESS"


def see(server: Server, dataset: str) -> None:
    """Let the source be seen as it is."""
    spec = Catalogue().get(dataset)
    server.world.instance.report_runless_asset_event(observation(dataset, fingerprint_sources(spec)))


def test_the_states_of_a_data_set_follow_its_sources(server):  # O10
    fresh, missing = dict.fromkeys(LIGHT, "FRESH"), dict.fromkeys(LIGHT, "MISSING")
    for name in ("other", "tiny"):
        server.world.declare(name)
        see(server, name)
    assert server.stale("tiny") == missing
    for name in ("other", "tiny"):
        server.backfill(LAUNCH, **params(name))
    assert server.stale("tiny") == fresh
    see(server, "tiny")
    assert server.stale("tiny") == fresh
    (server.world.catalogue / "tiny.csv").write_text(csv_rows(seed=1))
    see(server, "tiny")
    assert server.stale("tiny") == {**fresh, "raw_tables": "STALE"}
    assert server.stale("other") == fresh
    server.backfill(LAUNCH, **params("tiny"))
    assert server.stale("tiny") == fresh
