"""How old the synthetic tables of a data set are: since they were made, or confirmed by a run that found no change."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dagster as dg

from argn_assets.datasets import Catalogue
from argn_assets.orchestration.checks import AGE, severity_of
from argn_assets.orchestration.facts import CheckOutcome, passed, warned
from argn_assets.orchestration.rollback import ROLLBACK, made_in_a_run, past_events

SECONDS_PER_DAY = 86_400.0
SYNTHETIC = dg.AssetKey(AGE.stage.asset)


def age_outcome(days: float, max_age_days: int) -> CheckOutcome:
    """Compare an age with the declared one.

    >>> age_outcome(9.26, 8).description
    'Made or confirmed 9.3 days ago; max_age_days is 8. Run the data set, or turn the automation on.'
    """
    numbers = {"age_days": round(days, 3), "max_age_days": max_age_days}
    said = f"Made or confirmed {days:.1f} days ago; max_age_days is {max_age_days}."
    if days <= max_age_days:
        return passed(AGE.name, said, **numbers)
    return warned(AGE.name, f"{said} Run the data set, or turn the automation on.", numbers)


def age_evaluations(
    instance: dg.DagsterInstance, catalogue: Catalogue, *, now: float | None = None
) -> Iterator[dg.AssetCheckEvaluation]:
    """Yield the age of every declared data set that was ever made.

    Args:
        instance: knows when that was.
        catalogue: says how old it may be.
        now: seconds since 1970; None is now.
    """
    now = time.time() if now is None else now
    made = instance.get_latest_storage_id_by_partition(SYNTHETIC, dg.DagsterEventType.ASSET_MATERIALIZATION)
    for dataset in sorted(set(catalogue.names()) & set(made)):
        days = (now - _made_or_confirmed(instance, dataset)) / SECONDS_PER_DAY
        outcome = age_outcome(days, catalogue.get(dataset).max_age_days)
        yield dg.AssetCheckEvaluation(
            asset_key=SYNTHETIC,
            check_name=outcome.name,
            passed=outcome.passed,
            description=outcome.description,
            severity=severity_of(outcome),
            metadata=dict(outcome.numbers),
            partition=dataset,
        )


def _made_or_confirmed(instance: dg.DagsterInstance, dataset: str) -> float:
    """Return when, in seconds since 1970; tables that came back by a rollback are as old as they were."""
    asked = dg.AssetRecordsFilter(asset_key=SYNTHETIC, asset_partitions=[dataset])
    (newest,) = instance.fetch_materializations(asked, limit=1).records
    event = newest.asset_materialization
    if event is None or (event.tags or {}).get("argn/trigger") != ROLLBACK:
        return newest.timestamp
    current, *earlier = past_events(instance, SYNTHETIC.to_user_string(), dataset)
    made = made_in_a_run(current, earlier)
    return newest.timestamp if made is None else made.at
