"""overview: every data set in one table."""

from typing import Any

import dagster as dg

from argn_assets.orchestration.overview import overview_of, overview_table
from argn_assets.orchestration.resources import CatalogueResource
from argn_assets.orchestration.stage_asset import GROUP, OWNER
from argn_assets.orchestration.stages import RUN_ASSETS


@dg.asset(
    description=(
        "Every data set in one table: its state, age, whether its sources changed, fidelity, privacy, cost and last "
        "error. As it was when this was made: make it again for the state of now."
    ),
    group_name=GROUP,
    kinds={"table"},
    owners=[OWNER],
    code_version="1",
    tags={"argn/stage": "overview"},
    deps=list(RUN_ASSETS),
    automation_condition=dg.AutomationCondition.cron_tick_passed("0 * * * *"),
)
def overview(context: dg.AssetExecutionContext, catalogue: CatalogueResource) -> dg.MaterializeResult[Any]:
    """Look at every data set; nothing is computed."""
    states = overview_of(context.instance, catalogue.open())
    count: dict[str, int] = {}
    for state in states:
        count[state.state] = count.get(state.state, 0) + 1
    return dg.MaterializeResult(
        metadata={
            "data sets": overview_table(states),
            "n_datasets": len(states),
            **{f"state/{name}": number for name, number in sorted(count.items())},
        }
    )
