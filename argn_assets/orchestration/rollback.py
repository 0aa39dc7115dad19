"""Rollback: an earlier model, its tables and their report become current again, and nothing is computed (O18).

Each of the three assets gets a new event with the digest that it had, so that Dagster, the IO manager and readers of
refs all see it, and the checks that were answered with that digest; the events in between stay. Raw tables, statistics
and codes stay as they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import dagster as dg

from argn_assets.datasets.messages import listing
from argn_assets.errors import ConfigError, MissingArtifact
from argn_assets.orchestration.checks import AGE, CHECKS
from argn_assets.orchestration.stages import QUALITY_REPORT, SYNTHETIC_TABLES, TRAINED_ARTIFACT
from argn_assets.store import ArtifactStore

ROLLBACK = "rollback"  # what the tag `argn/trigger` says of these events
FEWEST_DIGITS = 6  # of a digest or run id that is named in short
MOST_EVENTS = 1000  # of an asset that are looked at, the newest ones
_ASSETS = tuple(stage.asset for stage in (TRAINED_ARTIFACT, SYNTHETIC_TABLES, QUALITY_REPORT))


@dataclass(frozen=True, kw_only=True)
class PastEvent:
    """An event of an asset: which run, when (seconds since 1970), and what it said."""

    asset: str
    run_id: str
    at: float
    metadata: dict[str, Any]

    @property
    def digest(self) -> str:
        """The data version."""
        return str(self.metadata["digest"].value)

    @property
    def manifest(self) -> str:
        """The path of the manifest."""
        return str(self.metadata["manifest"].value)

    def input(self, asset: str) -> str | None:
        """Return the digest of what it was made from; None where it was not made from that asset."""
        found = self.metadata.get(f"input/{asset}")
        return None if found is None else str(found.value)


@dataclass(frozen=True, kw_only=True)
class RolledBack:
    """One asset that was rolled back: from the event that was current to the one that is so again."""

    before: PastEvent
    after: PastEvent


def roll_back(
    instance: dg.DagsterInstance, store: ArtifactStore, dataset: str, to: str | None = None
) -> list[RolledBack]:
    """Make earlier results current again; return what changed, the model first.

    Args:
        instance: knows what was made.
        store: holds it.
        dataset: the data set.
        to: id of a run or digest of a result, at least six of their digits; None: the synthetic tables before these.
    Raises:
        ConfigError: nothing of that name was made, or several were; the message lists what there is.
        MissingArtifact: it was made, and its files were collected since; nothing is changed.
    """
    past = {asset: list(past_events(instance, asset, dataset)) for asset in _ASSETS}
    if not past[SYNTHETIC_TABLES.asset]:
        raise ConfigError(f"No synthetic tables of a data set {dataset!r} were made here, so none can come back.")
    tables = _previous(dataset, past) if to is None else _named(dataset, past, to)
    wanted = [tables]
    for asset, found in past.items():
        matching = [it for it in found if _belongs(it, tables)]
        wanted += matching[:1] if asset != tables.asset else []
    changed = [RolledBack(before=past[it.asset][0], after=it) for it in wanted if past[it.asset][0].digest != it.digest]
    for rolled in changed:
        _check_there(store, rolled.after)
    in_order = sorted(changed, key=lambda it: _ASSETS.index(it.after.asset))
    for rolled in in_order:
        _make_current(instance, store, dataset, rolled.after)
    checks = [it for rolled in in_order for it in _checks_of(instance, dataset, rolled.after, past[rolled.after.asset])]
    _report_checks(instance, dataset, checks)
    return in_order


def past_events(instance: dg.DagsterInstance, asset: str, dataset: str) -> Iterator[PastEvent]:
    """Yield what was made of an asset of a data set, the newest first."""
    asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[dataset])
    for record in instance.fetch_materializations(asked, limit=MOST_EVENTS).records:
        made = record.asset_materialization
        if made is not None and "digest" in made.metadata and "manifest" in made.metadata:
            yield PastEvent(asset=asset, run_id=record.run_id, at=record.timestamp, metadata=dict(made.metadata))


def made_in_a_run(event: PastEvent, past: Iterable[PastEvent]) -> PastEvent | None:
    """Return the newest event of a run with the same digest: what made it, or confirmed it; None where none is known.

    Rolled-back events belong to no run.
    """
    return next((it for it in past if it.digest == event.digest and it.run_id), None)


def _checks_of(
    instance: dg.DagsterInstance, dataset: str, event: PastEvent, past: Iterable[PastEvent]
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the checks that a run answered with a result: those that were stored with its action.

    The age is no check of the result but of the day, and is asked for every day.
    """
    made = made_in_a_run(event, past)
    if made is None:
        return
    known = {check.name for check in CHECKS if check.stage.asset == event.asset and check is not AGE}
    told = instance.get_records_for_run(made.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
    for record in told.records:
        found = record.event_log_entry.get_dagster_event().asset_check_evaluation_data
        if found.asset_key == dg.AssetKey(event.asset) and found.partition == dataset and found.check_name in known:
            yield dg.AssetCheckEvaluation(
                asset_key=found.asset_key,
                check_name=found.check_name,
                passed=found.passed,
                description=found.description,
                severity=found.severity,
                metadata=found.metadata,
                partition=dataset,
            )


def _belongs(event: PastEvent, tables: PastEvent) -> bool:
    """Tell whether tables were made from a model, or a report is about tables."""
    if event.asset == TRAINED_ARTIFACT.asset:
        return event.digest == tables.input(TRAINED_ARTIFACT.asset)
    return event.input(SYNTHETIC_TABLES.asset) == tables.digest


def _previous(dataset: str, past: dict[str, list[PastEvent]]) -> PastEvent:
    newest, *earlier = past[SYNTHETIC_TABLES.asset]
    found = next((event for event in earlier if event.digest != newest.digest), None)
    if found is None:
        raise ConfigError(f"Data set {dataset!r} has no synthetic tables but the current ones, {newest.digest[:19]}….")
    return found


def _named(dataset: str, past: dict[str, list[PastEvent]], to: str) -> PastEvent:
    """Return the tables that a run made, or that have a digest, or that were made from a model of that digest."""
    tables = past[SYNTHETIC_TABLES.asset]
    digits = to.removeprefix("sha256:").rstrip("…")
    if len(digits) < FEWEST_DIGITS:
        raise ConfigError(f"{to!r} is too short: give at least {FEWEST_DIGITS} digits of a run id or digest.")
    model = f"sha256:{digits}"
    found = [
        event
        for event in tables
        if event.digest.startswith(model)
        or (event.run_id and event.run_id.startswith(to))
        or str(event.input(TRAINED_ARTIFACT.asset)).startswith(model)
    ]
    by_digest = {event.digest: event for event in reversed(found)}
    if len(by_digest) == 1:
        return found[0]
    known = listing(dict.fromkeys(f"{it.digest[:19]}… (run {it.run_id[:8] or ROLLBACK})" for it in tables))
    said = "names several" if by_digest else "names no"
    raise ConfigError(f"{to!r} {said} synthetic tables of data set {dataset!r}. Newest first there are: {known}.")


def _check_there(store: ArtifactStore, event: PastEvent) -> None:
    """Make the files of an event young, so that no collector takes them; MissingArtifact if one is gone."""
    manifest = store.reuse_manifest(event.manifest)
    for record in manifest.items:
        if not store.blobs.exists(manifest.dataset, record.path):
            raise MissingArtifact(
                f"{event.asset} {event.digest} was made, and its file {record.path} is not in the store any more. "
                "Run the data set again with the declaration and sources of then."
            )


def _make_current(instance: dg.DagsterInstance, store: ArtifactStore, dataset: str, event: PastEvent) -> None:
    store.refs(dataset).move(event.asset, {"manifest": event.manifest, "data_version": event.digest})
    instance.report_runless_asset_event(
        dg.AssetMaterialization(
            asset_key=event.asset,
            partition=dataset,
            description=f"Rolled back to what run {event.run_id or ROLLBACK} made.",
            metadata={**event.metadata, "cache": ROLLBACK},
            tags={"dagster/data_version": event.digest, "argn/trigger": ROLLBACK},
        )
    )


def _report_checks(instance: dg.DagsterInstance, dataset: str, checks: Sequence[dg.AssetCheckEvaluation]) -> None:
    """Record checks under a run of their own: Dagster keeps one result of a check and partition for each run."""
    if not checks:
        return
    job = dg.GraphDefinition(name=ROLLBACK).to_job()
    tags = {"argn/trigger": ROLLBACK, "argn/dataset": dataset}
    run = instance.create_run_for_job(job, status=dg.DagsterRunStatus.SUCCESS, tags=tags)
    for check in checks:
        event = dg.DagsterEvent(
            event_type_value=dg.DagsterEventType.ASSET_CHECK_EVALUATION.value,
            job_name=run.job_name,
            event_specific_data=check,
        )
        instance.report_dagster_event(event, run_id=run.run_id)
