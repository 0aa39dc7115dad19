"""The automation: asks for the data sets that changed, failed, or were not looked at for a while."""

import dagster as dg

from argn_assets.orchestration.environment import automation_status
from argn_assets.orchestration.stage_run import AUTOMATION
from argn_assets.orchestration.stages import RUN_ASSETS

automation = dg.AutomationConditionSensorDefinition(
    name="automation",
    description=(
        "Runs the chain of a data set on its first load, when its sources changed, at the latest on the tick that "
        "`retrain.at_latest` names, and once more after a failure. Off unless ARGN_AUTOMATION=1."
    ),
    target=dg.AssetSelection.assets(*RUN_ASSETS, "overview"),
    default_status=automation_status(),
    minimum_interval_seconds=30,
    # A failed run is asked for again by the condition, so Dagster itself does not repeat it.
    run_tags={"argn/trigger": AUTOMATION, "dagster/max_retries": "0"},
    emit_backfills=False,
    use_user_code_server=True,  # the conditions read declarations, which the daemon alone cannot
)
