"""Asset checks of partitioned assets, made and answered in one place.

Partitioned checks are a preview feature of Dagster: a change there is a change here and nowhere else. Checks live in
the step of their asset, so they are cached with it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import dagster as dg

from argn_assets.orchestration.facts import CheckOutcome
from argn_assets.orchestration.partitions import DATASETS
from argn_assets.orchestration.stages import (
    ENCODED_TABLES,
    QUALITY_REPORT,
    RAW_TABLES,
    SYNTHETIC_TABLES,
    TRAINED_ARTIFACT,
    Stage,
)


@dataclass(frozen=True, kw_only=True)
class DeclaredCheck:
    """A check a stage answers; a blocking one that fails stops its data set there.

    Those of the report stop export and publishing instead: who is to decide needs the report.
    """

    stage: Stage
    name: str
    description: str
    blocking: bool


RAW_NON_EMPTY = DeclaredCheck(
    stage=RAW_TABLES, name="non_empty", description="Every table has at least one row.", blocking=True
)
RAW_SCHEMA = DeclaredCheck(
    stage=RAW_TABLES, name="declared_schema", description="Declared columns are there.", blocking=True
)
RAW_PRIMARY_KEY = DeclaredCheck(
    stage=RAW_TABLES, name="primary_key", description="Primary keys are unique and never null.", blocking=True
)
RAW_FOREIGN_KEYS = DeclaredCheck(
    stage=RAW_TABLES, name="foreign_keys", description="Every key names a row of its parent table.", blocking=True
)
CODES_IN_RANGE = DeclaredCheck(
    stage=ENCODED_TABLES, name="codes_in_range", description="Every code is below its cardinality.", blocking=True
)
FINITE_LOSS = DeclaredCheck(
    stage=TRAINED_ARTIFACT, name="finite_loss", description="Every recorded loss is a finite number.", blocking=True
)
LOADS = DeclaredCheck(
    stage=TRAINED_ARTIFACT, name="loads", description="The stored bytes read back as the same artifact.", blocking=True
)
SYNTHETIC_ROWS = DeclaredCheck(
    stage=SYNTHETIC_TABLES, name="row_count", description="As many rows as were asked for.", blocking=True
)
SYNTHETIC_SCHEMA = DeclaredCheck(
    stage=SYNTHETIC_TABLES, name="schema", description="Columns and types equal the raw table's.", blocking=True
)
SYNTHETIC_KEYS = DeclaredCheck(
    stage=SYNTHETIC_TABLES,
    name="keys",
    description="Primary keys are unique, and every foreign key names a row of its parent table.",
    blocking=True,
)
AGE = DeclaredCheck(
    stage=SYNTHETIC_TABLES,
    name="age",
    description="Made, or confirmed by a run that found no change, at most `max_age_days` ago; looked at every day.",
    blocking=False,
)
FIDELITY_FLOOR = DeclaredCheck(
    stage=QUALITY_REPORT,
    name="fidelity_floor",
    description="Fidelity is at least `floors.fidelity` of the data set, where that is declared.",
    blocking=False,
)
COPY_RATE = DeclaredCheck(
    stage=QUALITY_REPORT,
    name="copy_rate",
    description="No more synthetic rows equal a training row than chance explains and `floors.copy_rate` allows.",
    blocking=False,
)

CHECKS = (
    RAW_NON_EMPTY,
    RAW_SCHEMA,
    RAW_PRIMARY_KEY,
    RAW_FOREIGN_KEYS,
    CODES_IN_RANGE,
    FINITE_LOSS,
    LOADS,
    SYNTHETIC_ROWS,
    SYNTHETIC_SCHEMA,
    SYNTHETIC_KEYS,
    AGE,
    FIDELITY_FLOOR,
    COPY_RATE,
)


def check_specs(stage: Stage) -> list[dg.AssetCheckSpec]:
    """Return the check specs of a stage's asset, partitioned as the asset is."""
    return [
        dg.AssetCheckSpec(
            name=check.name,
            asset=stage.asset,
            description=check.description,
            blocking=check.blocking,
            partitions_def=DATASETS,
        )
        for check in CHECKS
        if check.stage is stage
    ]


def check_results(outcomes: Sequence[CheckOutcome]) -> list[dg.AssetCheckResult]:
    """Return the outcomes as Dagster records them."""
    return [
        dg.AssetCheckResult(
            check_name=outcome.name,
            passed=outcome.passed,
            description=outcome.description,
            metadata=dict(outcome.numbers),
        )
        for outcome in outcomes
    ]


def blocking_failures(stage: Stage, outcomes: Sequence[CheckOutcome]) -> list[CheckOutcome]:
    """Return the failed outcomes that stop the stage before anything of it is stored."""
    blocking = {check.name for check in CHECKS if check.stage is stage and check.blocking}
    return [outcome for outcome in outcomes if outcome.name in blocking and not outcome.passed]
