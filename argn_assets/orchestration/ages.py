"""How old the synthetic tables of a data set are: since they were made, or confirmed by a run that found no change."""

from __future__ import annotations

import time
from collections.abc import Iterator

import dagster as dg

from argn_assets.datasets import Catalogue
from argn_assets.orchestration.checks import AGE
from argn_assets.orchestration.facts import CheckOutcome, failed, passed

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
    return failed(AGE.name, f"{said} Run the data set, or turn the automation on.", numbers)


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
        newest = dg.AssetRecordsFilter(asset_key=SYNTHETIC, asset_partitions=[dataset])
        (record,) = instance.fetch_materializations(newest, limit=1).records
        outcome = age_outcome((now - record.timestamp) / SECONDS_PER_DAY, catalogue.get(dataset).max_age_days)
        yield dg.AssetCheckEvaluation(
            asset_key=SYNTHETIC,
            check_name=outcome.name,
            passed=outcome.passed,
            description=outcome.description,
            metadata=dict(outcome.numbers),
            partition=dataset,
        )
