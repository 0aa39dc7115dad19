"""When a data set is asked for without a person: on change, or at the latest after a while; and once more on failure.

`raw_tables` decides for the whole chain, because what did not change is found in the action cache; the other assets
are asked for with it, in the same run. A data set is asked for when

1. it was declared and never read: *first load*;
2. its sources were seen in another version than they were last read in, once for each version: *change*. This is a
   state, not an event, so a change that comes while a run is in progress is not lost;
3. the tick of `retrain.at_latest` passed;
4. a run of it failed: *once* after each of the other three.

What a declaration says is read when one of these holds, so a tick in which nothing happened reads no file.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import Any

import dagster as dg

from argn_assets.datasets import Catalogue, DatasetSpec
from argn_assets.orchestration.source_versions import read_versions, seen_versions, touched_since
from argn_assets.orchestration.stages import STAGES

Condition = dg.AutomationCondition[Any]
Context = dg.AutomationContext[dg.AssetKey]
Result = dg.AutomationResult[dg.AssetKey]

TICKS = {"daily": "0 3 * * *", "weekly": "0 3 * * 1", "monthly": "0 3 1 * *"}  # cron, UTC
MOST_FAILURES = 1000  # that are looked at in one tick; older ones are not asked for again


def raw_condition() -> Condition:
    """Return the condition of `raw_tables`, which decides for the whole chain."""
    asked = dg.AutomationCondition.newly_requested()
    change = SourceChanged() & Declares("on_change", lambda spec: spec.retrain.on_change)
    first: Condition = dg.AutomationCondition.missing().newly_true()
    other = reduce(or_, [_tick(period) for period in TICKS], first)
    fresh = (change | other).with_label("first load, change or tick")
    retry = ChainRunFailed().since(fresh).newly_true().with_label("the first failure since")
    # Alone as well: a failure is seen together with the request that led to it, which empties the latch.
    event = other | retry
    due = change | event | event.since(asked)
    usable = Declares("usable", lambda spec: True)
    return (due & ~dg.AutomationCondition.in_progress() & usable).with_label("on change, or at the latest on a tick")


def chain_condition() -> Condition:
    """Return the condition of the assets below: they are asked for with what they are made from."""
    return dg.AutomationCondition.any_deps_match(dg.AutomationCondition.will_be_requested()).with_label(
        "with raw_tables"
    )


def _tick(period: str) -> Condition:
    declared = Declares(f"at_latest: {period}", lambda spec: spec.retrain.at_latest == period)
    return dg.AutomationCondition.cron_tick_passed(TICKS[period]) & declared


@dataclass(frozen=True, eq=False)
class Declares(dg.AutomationCondition[dg.AssetKey]):
    """The data set is declared by a file that can be used, and the declaration says so."""

    said: str
    holds: Callable[[DatasetSpec], bool]

    @property
    def name(self) -> str:
        """Return what tells this condition from others of its kind."""
        return f"declares({self.said})"

    def evaluate(self, context: Context) -> Result:
        """Keep the candidates whose declaration says so."""
        if context.candidate_subset.is_empty:
            return dg.AutomationResult(context, context.get_empty_subset())
        catalogue = Catalogue()
        usable = set(catalogue.names()) & context.candidate_subset.expensively_compute_partition_keys()
        return _result(context, {name for name in usable if self.holds(catalogue.get(name))})


class SourceChanged(dg.AutomationCondition[dg.AssetKey]):
    """The sources were last seen in another version than they were last read in, and this version was not asked for."""

    @property
    def name(self) -> str:
        """Return its name."""
        return "source_changed"

    def evaluate(self, context: Context) -> Result:
        """Look at the data sets whose sources were seen or read since the last tick, and at those still unread."""
        instance = context.asset_graph_view.instance
        known: dict[str, Any] = (
            json.loads(context.cursor) if context.cursor else {"event": -1, "unread": {}, "asked": {}}
        )
        before = context.get_previous_requested_subset(context.key)
        asked_for = before.expensively_compute_partition_keys() if before is not None else set()
        asked = known["asked"] | {name: known["unread"][name] for name in asked_for if name in known["unread"]}
        touched, newest = touched_since(instance, known["event"])
        unread = {name: version for name, version in known["unread"].items() if name not in touched}
        read = read_versions(instance, touched)
        # One that was never read is unread as well: its first load failed, and mending the source asks for it again.
        unread |= {name: seen for name, seen in seen_versions(instance, touched).items() if read.get(name) != seen}
        asked = {name: version for name, version in asked.items() if name in unread}
        state = {"event": newest, "unread": unread, "asked": asked}
        changed = {name for name, version in unread.items() if asked.get(name) != version}
        candidates = context.candidate_subset.expensively_compute_partition_keys() if changed else set()
        return _result(context, changed & candidates, cursor=json.dumps(state, sort_keys=True))


class ChainRunFailed(dg.AutomationCondition[dg.AssetKey]):
    """A run of the data set's chain failed since the last tick."""

    @property
    def name(self) -> str:
        """Return its name."""
        return "chain_run_failed"

    def evaluate(self, context: Context) -> Result:
        """Look at the runs that failed since the last tick; on the first tick at none."""
        instance = context.asset_graph_view.instance
        if context.cursor is None:
            newest = instance.fetch_run_status_changes(dg.DagsterEventType.RUN_FAILURE, limit=1).records
            return _result(context, set(), cursor=str(newest[0].storage_id if newest else 0))
        failures = dg.RunStatusChangeRecordsFilter(
            event_type=dg.DagsterEventType.RUN_FAILURE, after_storage_id=int(context.cursor)
        )
        found = instance.fetch_run_status_changes(failures, limit=MOST_FAILURES).records
        cursor = str(max((record.storage_id for record in found), default=int(context.cursor)))
        runs = instance.get_runs(dg.RunsFilter(run_ids=[record.run_id for record in found])) if found else []
        failed = {run.tags["dagster/partition"] for run in runs if _is_of_chain(run)}
        candidates = context.candidate_subset.expensively_compute_partition_keys() if failed else set()
        return _result(context, failed & candidates, cursor=cursor)


def _is_of_chain(run: dg.DagsterRun) -> bool:
    chain = {dg.AssetKey(stage.asset) for stage in STAGES}
    return "dagster/partition" in run.tags and bool(run.asset_selection and chain & run.asset_selection)


def _result(context: Context, datasets: set[str], *, cursor: str | None = None) -> Result:
    if not datasets or context.partitions_def is None:
        return dg.AutomationResult(context, context.get_empty_subset(), cursor=cursor)
    subset = context.asset_graph_view.get_subset_from_partition_keys(context.key, context.partitions_def, datasets)
    return dg.AutomationResult(context, subset, cursor=cursor)
