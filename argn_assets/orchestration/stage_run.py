"""One run of one stage: look in the action cache, compute on a miss, say what happened.

The order inside a step: key → cache → compute → checks → (IO manager: blobs, manifest, data version, ref, action).
A blocking check that fails ends the step before anything is stored.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import dagster as dg
from pydantic import JsonValue

from argn_assets.datasets import DatasetSpec
from argn_assets.errors import ArgnError, DataError
from argn_assets.orchestration.action_cache import StoredAction, action_key, find_action
from argn_assets.orchestration.checks import AGE, blocking_failures, check_results
from argn_assets.orchestration.facts import CheckOutcome, StageResult, passed
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.metadata import declared_metadata, facts_metadata, lineage_metadata
from argn_assets.orchestration.progress import StageNews, tell
from argn_assets.orchestration.stages import Stage
from argn_assets.store import ArtifactStore, Manifest

ARGN_BACKFILL = "argn-backfill"  # what the tag `argn/trigger` says of a run that `argn backfill` began
# What the tag `argn/trigger` says of runs that no person asked for.
AUTOMATION, SCHEDULE = "automation", "schedule"
StageEvents = Iterator[dg.MaterializeResult[Any] | dg.AssetCheckResult]


@dataclass(frozen=True, kw_only=True)
class StageCall:
    """What a stage is to do: for which data set, from which inputs, under which settings.

    Attributes:
        settings: everything but the inputs that the result depends on.
        compute: makes the result; called on a cache miss only.
        noted: metadata of this event, which is no part of the result.
    """

    stage: Stage
    spec: DatasetSpec
    inputs: Mapping[str, StoredTables]
    settings: Mapping[str, JsonValue]
    compute: Callable[[], StageResult]
    force: bool = False
    noted: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The action key: what the result is remembered by."""
        digests = {name: handle.digest for name, handle in self.inputs.items()}
        return action_key(self.stage, self.spec.dataset, self.settings, digests)


@dataclass(frozen=True, kw_only=True)
class Computed:
    """A result to be stored, and the key to remember it by."""

    call: StageCall
    key: str
    result: StageResult


@dataclass(frozen=True, kw_only=True)
class Cached:
    """A result that is stored already."""

    manifest: Manifest
    action: StoredAction


@contextmanager
def reported(context: dg.AssetExecutionContext, stage: Stage) -> Iterator[None]:
    """Tell the listener that a stage begins; turn an error of ours into one message that is never retried.

    Raises:
        dagster.Failure: the block raised an `ArgnError`, which is its cause.
    """
    tell(StageNews(dataset=context.partition_key, asset=stage.asset, state="started"))
    try:
        yield
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        # Nobody but the person at the terminal asks such a run to stop: it was cancelled, and did not fail.
        if context.run.tags.get("argn/trigger") == ARGN_BACKFILL:
            context.instance.report_run_canceling(context.run)
        raise
    except ArgnError as error:
        raise dg.Failure(f"{type(error).__name__}: {error}", allow_retries=False) from error


def run_stage(context: dg.AssetExecutionContext, store: ArtifactStore, call: StageCall) -> StageEvents:
    """Run one stage and yield what Dagster records of it: the result of the cache, or a computed one."""
    key = call.key
    found = None if call.force else find_action(store, key)
    if found is not None:
        action, manifest = found
        yield _result(context, call, Cached(manifest=manifest, action=action), action)
        _told(context, call, "cached")
        return
    began = time.monotonic()
    result = call.compute()
    context.log.info(f"{call.stage.asset}: {result.facts.rows:,} rows in {time.monotonic() - began:.1f} s")
    failures = blocking_failures(call.stage, result.checks)
    if failures:
        yield from check_results(failures)
        raise DataError(failures[0].description)
    action = StoredAction(manifest="", data_version="", facts=result.facts, checks=result.checks)
    yield _result(context, call, Computed(call=call, key=key, result=result), action)
    _told(context, call, "done")


def _told(context: dg.AssetExecutionContext, call: StageCall, state: Literal["cached", "done"]) -> None:
    tell(StageNews(dataset=context.partition_key, asset=call.stage.asset, state=state))


def _result(
    context: dg.AssetExecutionContext, call: StageCall, value: Computed | Cached, action: StoredAction
) -> dg.MaterializeResult[Any]:
    parents = {f"input/{name}": handle.digest for name, handle in call.inputs.items()}
    return dg.MaterializeResult(
        value=value,
        metadata={
            **facts_metadata(action.facts),
            **lineage_metadata(call.stage, call.spec, action.facts),
            **declared_metadata(call.spec),
            **parents,
            **call.noted,
        },
        check_results=check_results((*action.checks, *_made_now(call.stage))),
        tags={"argn/trigger": trigger_of(context.run.tags)},
    )


def _made_now(stage: Stage) -> tuple[CheckOutcome, ...]:
    """Return the age of what was made or confirmed just now: of the event, so it is not stored with the action."""
    return (passed(AGE.name, "Made or confirmed by this run."),) if stage is AGE.stage else ()


def trigger_of(run_tags: Mapping[str, str]) -> str:
    """Return what asked for a run: our own tag, else what Dagster's tags say, else `manual`."""
    if "argn/trigger" in run_tags:
        return run_tags["argn/trigger"]
    known = {"dagster/backfill": "backfill", "dagster/schedule_name": "schedule", "dagster/sensor_name": "sensor"}
    return next((trigger for tag, trigger in known.items() if tag in run_tags), "manual")
