"""How every asset of the chain is declared: one place for partitions, group, versions, checks and tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import dagster as dg

from argn_assets.orchestration.checks import check_specs
from argn_assets.orchestration.conditions import chain_condition, raw_condition
from argn_assets.orchestration.partitions import DATASETS
from argn_assets.orchestration.source_versions import SOURCE
from argn_assets.orchestration.stages import RAW_TABLES, Stage

GROUP = "synthesis"
OWNER = "team:argn"


def stage_asset(
    stage: Stage, *, description: str, kinds: set[str], pool: str | None = None, always_made: bool = True
) -> Callable[[Callable[..., Any]], dg.AssetsDefinition]:
    """Declare the asset of a stage: partitioned by data set, with the stage's code version and checks.

    Args:
        stage: gives the asset key, the code version and the checks.
        description: one paragraph for the asset's page.
        kinds: at most three badges.
        pool: the pool that limits how many run at a time.
        always_made: False where a run may end without it.
    """
    return dg.asset(
        name=stage.asset,
        description=description,
        partitions_def=DATASETS,
        group_name=GROUP,
        kinds=kinds,
        owners=[OWNER],
        code_version=stage.code_version,
        tags={"argn/stage": str(stage.index)},
        check_specs=check_specs(stage),
        pool=pool,
        output_required=always_made,
        deps=[SOURCE] if stage is RAW_TABLES else [],
        automation_condition=raw_condition() if stage is RAW_TABLES else chain_condition(),
        io_manager_key="io_manager",
    )
