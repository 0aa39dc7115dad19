"""What runs at the same time: the real queue, with the settings that the project ships."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._daemon.run_coordinator import QueuedRunCoordinatorDaemon

from argn_assets.orchestration.resources import CatalogueResource
from argn_assets_tests.dagster_world import CHAIN, LIGHT, definitions, world
from argn_assets_tests.test_orchestration_graphql import LAUNCH, Server, serving

__all__ = ["world"]

SETTINGS = yaml.safe_load((Path(__file__).parent.parent / "dagster.yaml").read_text())
# Runs are launched and never begin, so that who waits for whom can be seen.
NEVER_BEGIN = {"module": "dagster._core.test_utils", "class": "MockedRunLauncher"}


@pytest.fixture
def server(world):
    overrides = {"concurrency": SETTINGS["concurrency"], "run_launcher": NEVER_BEGIN}
    with serving(world, overrides) as server:
        for name in ("one", "two"):
            server.world.declare(name)
        # The first tick of the sensor that makes partitions comes before the first run of one.
        sensor = definitions().resolve_sensor_def("catalogue_sync")
        with dg.build_sensor_context(server.world.instance, resources={"catalogue": CatalogueResource()}) as context:
            sensor.evaluate_tick(context)
        yield server


def launched(server: Server) -> list[dg.DagsterRun]:
    """Let the daemon look at the queue, and return the runs that it launched so far, the first one first."""
    daemon = QueuedRunCoordinatorDaemon(interval_seconds=5)
    problems = [error for error in daemon.run_iteration(server.workspace) if error is not None]
    assert not problems, problems
    runs = server.world.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTING]))
    return runs[::-1]


def datasets(runs: list[dg.DagsterRun]) -> list[str]:
    return sorted(run.tags["dagster/partition"] for run in runs)


def asked(assets: tuple[str, ...], *datasets: str) -> dict[str, object]:
    return {"assetSelection": [{"path": [asset]} for asset in assets], "partitionNames": list(datasets)}


def test_a_data_set_has_one_run_at_a_time_whoever_asks(server):  # O42
    server.backfill(LAUNCH, **asked(LIGHT, "one", "two"))
    server.backfill(LAUNCH, **asked(LIGHT, "one"))
    runs = launched(server)
    assert datasets(runs) == ["one", "two"]
    for run in runs:
        server.world.instance.report_run_failed(run)
    assert datasets(launched(server)) == ["one"]


def test_one_training_runs_at_a_time_and_its_slot_is_freed(server):  # O42
    server.backfill(LAUNCH, **asked(CHAIN, "one", "two"))
    (first,) = launched(server)
    assert len(launched(server)) == 1
    server.world.instance.report_run_canceled(first)
    (second,) = launched(server)
    assert datasets([first, second]) == ["one", "two"]
