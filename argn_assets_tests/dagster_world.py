"""A whole small world to run the chain in: a catalogue, a store and a Dagster instance of its own."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.events import AssetObservationData

from argn_assets.definitions import defs
from argn_assets.orchestration.stages import STAGES

CHAIN = tuple(stage.asset for stage in STAGES)
LIGHT = CHAIN[:3]  # what needs no engine


@cache
def definitions() -> dg.Definitions:
    return defs()


def declaration(name: str, *, source: str | None = None, **fields: str) -> str:
    """Return the YAML of a data set that trains for a moment."""
    lines = [
        f"dataset: {name}",
        f"tables: {{{name}: {{source: {source or name + '.csv'}, primary_key: id}}}}",
        "generator: {model_size: S, max_epochs: 1, max_training_time: 0.5}",
        *(f"{field}: {value}" for field, value in fields.items()),
    ]
    return "\n".join(lines) + "\n"


def csv_rows(rows: int = 240, *, seed: int = 0) -> str:
    """Return a small CSV: a key, a number with gaps, a category that follows the number."""
    draw = random.Random(seed)
    lines = ["id,size,kind"]
    for row in range(rows):
        size = draw.randint(1, 40)
        lines.append(f"r{row},{'' if row % 17 == 0 else size},{'large' if size > 20 else 'small'}")
    return "\n".join(lines) + "\n"


@dataclass
class World:
    """Where the chain runs; every result is looked at through Dagster's events and the store."""

    root: Path
    instance: dg.DagsterInstance

    @property
    def catalogue(self) -> Path:
        return self.root / "datasets"

    @property
    def blobs(self) -> list[Path]:
        return sorted((self.root / "store" / "binaries").rglob("*.*"))

    def declare(self, name: str, *, csv: str | None = None, yaml: str | None = None) -> None:
        self.catalogue.mkdir(exist_ok=True)
        (self.catalogue / f"{name}.csv").write_text(csv_rows() if csv is None else csv)
        (self.catalogue / f"{name}.yaml").write_text(yaml or declaration(name))
        self.instance.add_dynamic_partitions("dataset", [name])

    def run(
        self,
        dataset: str,
        assets: Sequence[str] = LIGHT,
        config: dict[str, dict[str, object]] | None = None,
        tags: dict[str, str] | None = None,
    ) -> dg.ExecuteInProcessResult:
        return (
            definitions()
            .resolve_implicit_global_asset_job_def()
            .execute_in_process(
                instance=self.instance,
                partition_key=dataset,
                asset_selection=[dg.AssetKey(asset) for asset in assets],
                run_config={
                    "ops": {asset: {"config": settings} for asset, settings in (config or {}).items()},
                    "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
                },
                tags=tags,
                raise_on_error=False,
            )
        )

    def observed(self, run: dg.DagsterRun, observation: dg.AssetObservation) -> None:
        """Let a run have told something of an asset."""
        event = dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_OBSERVATION.value,
            job_name=run.job_name,
            event_specific_data=AssetObservationData(observation),
        )
        self.instance.report_dagster_event(event, run_id=run.run_id)

    def started(self, dataset: str) -> dg.DagsterRun:
        """Return a run of the chain that some process began, and that goes on."""
        return self.instance.create_run_for_job(
            definitions().resolve_implicit_global_asset_job_def(),
            status=dg.DagsterRunStatus.STARTED,
            asset_selection=frozenset({dg.AssetKey(asset) for asset in CHAIN}),
            tags={"dagster/partition": dataset},
        )


@pytest.fixture
def world(tmp_path, monkeypatch):
    monkeypatch.setenv("ARGN_STORE", str(tmp_path / "store"))
    monkeypatch.setenv("ARGN_DATASETS", str(tmp_path / "datasets"))
    with dg.DagsterInstance.ephemeral(tempdir=str(tmp_path / "dagster")) as instance:
        yield World(tmp_path, instance)


def told(result: dg.ExecuteInProcessResult) -> dict[str, dict[str, object]]:
    """Return the metadata of every materialised asset."""
    return {
        event.asset_key.path[-1]: {key: value.value for key, value in event.materialization.metadata.items()}
        for event in result.get_asset_materialization_events()
    }


def caches(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Return `hit` or `miss` of every materialised asset."""
    return {asset: str(metadata["cache"]) for asset, metadata in told(result).items()}


def versions(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    """Return the Dagster data version of every materialised asset."""
    return {
        event.asset_key.path[-1]: event.materialization.tags["dagster/data_version"]
        for event in result.get_asset_materialization_events()
    }


def failure(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """Return the step that failed and its message."""
    (event,) = [event for event in result.all_events if event.is_step_failure]
    data = event.step_failure_data
    return event.step_key, data.user_failure_data.description if data.user_failure_data else str(data.error)
