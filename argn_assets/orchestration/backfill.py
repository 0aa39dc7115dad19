"""Run the chain of several data sets in this process, with the project's own Dagster instance.

Each data set is a run of its own, as in the UI: what it makes, its checks and its history are there afterwards. A data
set that fails does not stop the others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import dagster as dg
from dagster._core.execution.plan.objects import ErrorSource

from argn_assets.orchestration.progress import Listener, StageNews, listening, tell
from argn_assets.orchestration.stage_run import ARGN_BACKFILL
from argn_assets.orchestration.stages import (
    EXPORTED_TABLES,
    QUALITY_REPORT,
    RUN_ASSETS,
    STAGES,
    SYNTHETIC_TABLES,
    TRAINED_ARTIFACT,
)

FALLBACK_MESSAGE = "The run failed; its log says why: make ui, Runs."


@dataclass(frozen=True, kw_only=True)
class DatasetOutcome:
    """What became of one data set.

    Attributes:
        error: the one message of its failure; None where it went well.
        rows: synthetic rows.
        training_seconds: seconds in training, of the run that trained.
        trained_now: whether this run trained, or found the artifact in the cache.
        fidelity, c2st_auc: headline figures of the report, [0, 1].
        places: where the synthetic tables and the report are, by name.
        exports: where the tables were exported to, by name.
    """

    dataset: str
    run_id: str = ""
    error: str | None = None
    rows: int | None = None
    training_seconds: float | None = None
    trained_now: bool = False
    fidelity: float | None = None
    c2st_auc: float | None = None
    places: dict[str, str] = field(default_factory=dict)
    exports: dict[str, str] = field(default_factory=dict)


def run_chain(
    definitions: dg.Definitions,
    instance: dg.DagsterInstance,
    datasets: Sequence[str],
    *,
    force: bool = False,
    listener: Listener | None = None,
) -> list[DatasetOutcome]:
    """Materialise the chain of each data set, one run after another, and return what became of each.

    Args:
        definitions: the project's definitions.
        instance: where runs and events are recorded; the data sets are partitions of it.
        datasets: partition keys, in the order to run.
        force: compute everything again.
        listener: told about every stage, in this thread.
    Raises:
        KeyboardInterrupt: the process was told to stop (Ctrl-C, SIGTERM). The run is recorded as cancelled, later ones
            are not begun, and a training goes on when it is asked for again.
    """
    with listening(listener or (lambda news: None)):
        return [_run_dataset(definitions, instance, dataset, force=force) for dataset in datasets]


def failed_datasets(instance: dg.DagsterInstance, datasets: Sequence[str]) -> list[str]:
    """Return the data sets whose last run of the chain failed."""
    return [name for name in datasets if _last_status(instance, name) is dg.DagsterRunStatus.FAILURE]


def _last_status(instance: dg.DagsterInstance, dataset: str) -> dg.DagsterRunStatus | None:
    chain = {dg.AssetKey(asset) for asset in RUN_ASSETS}
    # Other jobs run for a data set too, but seldom twenty in a row.
    runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": dataset}), limit=20)
    return next((run.status for run in runs if run.asset_selection and chain & run.asset_selection), None)


def _run_dataset(
    definitions: dg.Definitions, instance: dg.DagsterInstance, dataset: str, *, force: bool
) -> DatasetOutcome:
    job = definitions.resolve_implicit_global_asset_job_def()
    settings = {stage.asset: {"config": {"force": True}} for stage in STAGES} if force else {}
    # The console logger would write over the progress display; the event log keeps everything.
    run_config = {"ops": settings, "loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
    result = job.execute_in_process(
        instance=instance,
        partition_key=dataset,
        run_config=run_config,
        tags={"argn/trigger": ARGN_BACKFILL, "argn/dataset": dataset},
        asset_selection=[dg.AssetKey(asset) for asset in RUN_ASSETS],
        raise_on_error=False,
    )
    if any(map(_is_interrupt, result.all_events)):
        raise KeyboardInterrupt
    if not result.success:
        asset, error = _failure(result)
        tell(StageNews(dataset=dataset, asset=asset, state="failed", text=error))
        return DatasetOutcome(dataset=dataset, run_id=result.run_id, error=error)
    return _outcome(dataset, result)


def _is_interrupt(event: dg.DagsterEvent) -> bool:
    if event.is_step_failure:
        return event.step_failure_data.error_source is ErrorSource.INTERRUPT
    return event.event_type is dg.DagsterEventType.RUN_CANCELED


def _failure(result: dg.ExecuteInProcessResult) -> tuple[str, str]:
    """Return the asset that failed, and why: the innermost cause as one line."""
    for event in result.all_events:
        if event.is_step_failure:
            data = event.step_failure_data
            if data.user_failure_data is not None and data.user_failure_data.description:
                return event.step_key or "", data.user_failure_data.description
            error = data.error
            while error is not None and error.cause is not None:
                error = error.cause
            return event.step_key or "", FALLBACK_MESSAGE if error is None else error.message.strip()
    return "", FALLBACK_MESSAGE


def _outcome(dataset: str, result: dg.ExecuteInProcessResult) -> DatasetOutcome:
    told = {event.asset_key.path[-1]: event for event in result.get_asset_materialization_events() if event.asset_key}
    metadata = {
        asset: {key: value.value for key, value in event.materialization.metadata.items()}
        for asset, event in told.items()
    }
    trained, synthetic, report = (
        metadata[stage.asset] for stage in (TRAINED_ARTIFACT, SYNTHETIC_TABLES, QUALITY_REPORT)
    )
    places = {key.removeprefix("path/"): str(place) for key, place in synthetic.items() if key.startswith("path/")}
    exported = metadata.get(EXPORTED_TABLES.asset, {})
    exports = {key.removeprefix("path/"): str(place) for key, place in exported.items() if key.startswith("path/")}
    return DatasetOutcome(
        dataset=dataset,
        run_id=result.run_id,
        exports=exports,
        rows=_int(synthetic.get("dagster/row_count")),
        training_seconds=_float(trained.get("training_seconds")),
        trained_now=trained.get("cache") == "miss",
        fidelity=_float(report.get("fidelity")),
        c2st_auc=_float(report.get("c2st_auc")),
        places={**places, "report": str(report.get("path/report", ""))},
    )


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _float(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None
