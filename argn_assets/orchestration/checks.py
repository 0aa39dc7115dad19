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
    """A check a stage answers; a blocking one that fails stops its data set there, unless the outcome only warns.

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
RAW_CONSTRAINTS = DeclaredCheck(
    stage=RAW_TABLES,
    name="constraints",
    description="The rows that were read keep the declared `constraints`; warns.",
    blocking=False,
)
CODES_IN_RANGE = DeclaredCheck(
    stage=ENCODED_TABLES, name="codes_in_range", description="Every code is below its cardinality.", blocking=True
)
ROUND_TRIP = DeclaredCheck(
    stage=ENCODED_TABLES,
    name="round_trip",
    description="Most values of every column come back when their codes are read; some thousand rows are; warns.",
    blocking=False,
)
CARDINALITY_BUDGET = DeclaredCheck(
    stage=ENCODED_TABLES,
    name="cardinality_budget",
    description="No column needs more codes than a model learns well; warns.",
    blocking=False,
)
FINITE_LOSS = DeclaredCheck(
    stage=TRAINED_ARTIFACT, name="finite_loss", description="Every recorded loss is a finite number.", blocking=True
)
BEATS_MARGINALS = DeclaredCheck(
    stage=TRAINED_ARTIFACT,
    name="beats_marginals",
    description=(
        "The validation loss is below that of independent columns with the same codes; warns where it is not, "
        "and stops where it is far above."
    ),
    blocking=True,
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
SYNTHETIC_RANGES = DeclaredCheck(
    stage=SYNTHETIC_TABLES,
    name="ranges",
    description="Numbers and times lie in the ranges, and categories among those, that may be shown; warns.",
    blocking=False,
)
AGE = DeclaredCheck(
    stage=SYNTHETIC_TABLES,
    name="age",
    description="Made, or confirmed by a run that found no change, at most `max_age_days` ago; asked daily; warns.",
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
SYNTHETIC_CONSTRAINTS = DeclaredCheck(
    stage=QUALITY_REPORT,
    name="constraints",
    description="Every synthetic row keeps the declared `constraints`.",
    blocking=False,
)

CHECKS = (
    RAW_NON_EMPTY,
    RAW_SCHEMA,
    RAW_PRIMARY_KEY,
    RAW_FOREIGN_KEYS,
    RAW_CONSTRAINTS,
    CODES_IN_RANGE,
    ROUND_TRIP,
    CARDINALITY_BUDGET,
    FINITE_LOSS,
    BEATS_MARGINALS,
    LOADS,
    SYNTHETIC_ROWS,
    SYNTHETIC_SCHEMA,
    SYNTHETIC_KEYS,
    SYNTHETIC_RANGES,
    AGE,
    FIDELITY_FLOOR,
    COPY_RATE,
    SYNTHETIC_CONSTRAINTS,
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
            severity=severity_of(outcome),
            metadata=dict(outcome.numbers),
        )
        for outcome in outcomes
    ]


def severity_of(outcome: CheckOutcome) -> dg.AssetCheckSeverity:
    """Return how bad it is that a check failed, as Dagster says it."""
    return dg.AssetCheckSeverity.WARN if outcome.only_warns else dg.AssetCheckSeverity.ERROR


def blocking_failures(stage: Stage, outcomes: Sequence[CheckOutcome]) -> list[CheckOutcome]:
    """Return the failed outcomes that stop the stage before anything of it is stored."""
    blocking = {check.name for check in CHECKS if check.stage is stage and check.blocking}
    stopping = [outcome for outcome in outcomes if not outcome.passed and not outcome.only_warns]
    return [outcome for outcome in stopping if outcome.name in blocking]
