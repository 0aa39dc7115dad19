"""Every data set in one table: state, age, sync status, fidelity, privacy, cost, last error (O22)."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import dagster as dg

from argn_assets.datasets import Catalogue
from argn_assets.orchestration.ages import SECONDS_PER_DAY
from argn_assets.orchestration.alerts import run_failure
from argn_assets.orchestration.source_versions import read_versions, seen_versions
from argn_assets.orchestration.stages import QUALITY_REPORT, STAGES, SYNTHETIC_TABLES, TRAINED_ARTIFACT

MOST_ERROR_CHARACTERS = 300
_UNITS = {"age_days": "days", "training_minutes": "minutes", "stored_megabytes": "MB"}
_RUNS = {
    dg.DagsterRunStatus.FAILURE: "failed",
    dg.DagsterRunStatus.CANCELED: "cancelled",
    dg.DagsterRunStatus.STARTED: "running",
    dg.DagsterRunStatus.STARTING: "running",
    dg.DagsterRunStatus.QUEUED: "queued",
    dg.DagsterRunStatus.CANCELING: "cancelling",
}


@dataclass(frozen=True, kw_only=True)
class DatasetState:
    """How one data set is.

    Attributes:
        state: `current`, `old` (beyond max_age_days), `never made`, `broken` (its declaration), `not declared`, or what
            its last run is: `failed`, `cancelled`, `queued`, `running`.
        age_days: since its tables were made or confirmed; None where they never were. The other figures likewise.
        sync: `in sync`, `source changed`, or `not looked at`: as its sources were last seen.
        fidelity: of its report, [0, 1].
        c2st_auc: of its report; 0.5 is no telling apart.
        copy_rate: of its report, [0, 1]: rows that equal a training row; of several tables the highest.
        rows: synthetic rows.
        training_minutes: of the run that trained.
        stored_megabytes: of what is current.
        last_error: why its last run failed, or its declaration is broken; empty where neither is.
    """

    dataset: str
    state: str
    age_days: float | None = None
    sync: str = "not looked at"
    fidelity: float | None = None
    c2st_auc: float | None = None
    copy_rate: float | None = None
    rows: int | None = None
    training_minutes: float | None = None
    stored_megabytes: float | None = None
    last_error: str = ""


def overview_of(
    instance: dg.DagsterInstance, catalogue: Catalogue, *, now: float | None = None
) -> tuple[DatasetState, ...]:
    """Return the state of every data set that is declared or a partition, sorted by name.

    Args:
        instance: knows what was run.
        catalogue: says what there should be.
        now: seconds since 1970; None is now.
    """
    now = time.time() if now is None else now
    entries = catalogue.entries()
    problems = {entry.name: entry.problem for entry in entries if entry.problem is not None}
    declared = {entry.name for entry in entries}
    names = sorted(declared | set(instance.get_dynamic_partitions("dataset")))
    seen, read = seen_versions(instance), read_versions(instance, names)
    return tuple(
        _state(
            instance,
            catalogue,
            name,
            problem=_problem(name, declared, problems),
            sync=_sync(seen.get(name), read.get(name)),
            now=now,
        )
        for name in names
    )


def overview_table(states: Sequence[DatasetState]) -> Any:
    """Return the states as a table of Dagster's metadata."""
    columns = [
        dg.TableColumn(name, type=_column_type(name), description=_UNITS.get(name)) for name in _fields(DatasetState)
    ]
    records = [dg.TableRecord({name: _cell(value) for name, value in asdict(state).items()}) for state in states]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _fields(kind: type) -> list[str]:
    return list(kind.__dataclass_fields__)  # type: ignore[attr-defined]


def _column_type(name: str) -> str:
    return "string" if name in ("dataset", "state", "sync", "last_error") else "int" if name == "rows" else "float"


def _cell(value: float | int | str | None) -> float | int | str | None:
    return round(value, 4) if isinstance(value, float) else value


def _problem(name: str, declared: set[str], problems: Mapping[str, str]) -> tuple[str, str] | None:
    """Return (state, message) of a data set whose declaration cannot be used."""
    if name not in declared:
        return "not declared", ""
    return ("broken", problems[name]) if name in problems else None


def _state(
    instance: dg.DagsterInstance,
    catalogue: Catalogue,
    name: str,
    *,
    problem: tuple[str, str] | None,
    sync: str,
    now: float,
) -> DatasetState:
    told: dict[str, dict[str, Any]] = {}
    made_at: dict[str, float] = {}
    for stage in STAGES:
        asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(stage.asset), asset_partitions=[name])
        for record in instance.fetch_materializations(asked, limit=1).records:
            made = record.asset_materialization
            made_at[stage.asset] = record.timestamp
            told[stage.asset] = {} if made is None else {key: it.value for key, it in made.metadata.items()}
    report, trained = told.get(QUALITY_REPORT.asset, {}), told.get(TRAINED_ARTIFACT.asset, {})
    age = (now - made_at[SYNTHETIC_TABLES.asset]) / SECONDS_PER_DAY if SYNTHETIC_TABLES.asset in made_at else None
    state, error = problem or _last_run(instance, name)
    if not state:
        too_old = age is not None and age > catalogue.get(name).max_age_days
        state = "never made" if age is None else "old" if too_old else "current"
    seconds = trained.get("training_seconds")
    copies = [figure for key, figure in report.items() if key.rpartition("/")[2] == "copy_rate"]
    sizes = [int(metadata.get("dagster/size_bytes", 0)) for metadata in told.values()]
    return DatasetState(
        dataset=name,
        state=state,
        age_days=age,
        sync=sync,
        fidelity=report.get("fidelity"),
        c2st_auc=report.get("c2st_auc"),
        copy_rate=max(copies, default=None),
        rows=told.get(SYNTHETIC_TABLES.asset, {}).get("dagster/row_count"),
        training_minutes=None if seconds is None else float(seconds) / 60,
        stored_megabytes=sum(sizes) / 1e6 if sizes else None,
        last_error=error if len(error) <= MOST_ERROR_CHARACTERS else f"{error[:MOST_ERROR_CHARACTERS]} …",
    )


def _sync(seen: str | None, read: str | None) -> str:
    if seen is None or read is None:
        return "not looked at"
    return "in sync" if seen == read else "source changed"


def _last_run(instance: dg.DagsterInstance, name: str) -> tuple[str, str]:
    """Return what the last run of a data set is and why it failed; ("", "") where it went well or there is none."""
    for run in instance.get_runs(dg.RunsFilter(tags={"dagster/partition": name}), limit=1):
        state = _RUNS.get(run.status, "")
        if run.status is not dg.DagsterRunStatus.FAILURE:
            return state, ""
        failures = instance.get_records_for_run(run.run_id, of_type=dg.DagsterEventType.RUN_FAILURE, limit=1).records
        event = failures[0].event_log_entry.dagster_event if failures else None
        return state, "" if event is None else run_failure(instance, run, event).message
    return "", ""
