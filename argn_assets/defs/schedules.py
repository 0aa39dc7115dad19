"""The schedules: retrain all or the tagged data sets, collect the store, look at ages."""

import dagster as dg

from argn_assets.orchestration.environment import retrain_cron, retrain_tags, schedule_status, switched_on
from argn_assets.orchestration.resources import CatalogueResource
from argn_assets.orchestration.stage_run import SCHEDULE


@dg.schedule(
    name="retrain_all",
    job_name="retrain",
    cron_schedule=retrain_cron(),
    description="One run for every declared data set, or for those with the tags in ARGN_RETRAIN_TAGS.",
)
def retrain_all(
    context: dg.ScheduleEvaluationContext, catalogue: CatalogueResource
) -> list[dg.RunRequest] | dg.SkipReason:
    """Ask for one run per data set."""
    wanted, known = retrain_tags(), set(context.instance.get_dynamic_partitions("dataset"))
    names = [name for name in catalogue.open().tagged(wanted) if name in known]
    if not names:
        return dg.SkipReason(f"No data set has the tags {wanted}." if wanted else "No data set is declared.")
    tick = context.scheduled_execution_time.isoformat()
    return [
        dg.RunRequest(run_key=f"{tick}|{name}", partition_key=name, tags={"argn/trigger": SCHEDULE}) for name in names
    ]


@dg.schedule(
    name="collect_store_weekly",
    job_name="collect_store",
    cron_schedule="0 5 * * 0",
    default_status=schedule_status(),
    description="Collection of the store. A dry run, unless ARGN_COLLECT=1.",
)
def collect_store_weekly(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for one collection."""
    settings = {"force": switched_on("ARGN_COLLECT")}
    return dg.RunRequest(run_config={"ops": {"collect_artifacts": {"config": settings}}})


@dg.schedule(
    name="check_ages_daily",
    job_name="check_ages",
    cron_schedule="0 6 * * *",
    default_status=schedule_status(),
    description="Looks every day how old the synthetic tables are.",
)
def check_ages_daily(context: dg.ScheduleEvaluationContext) -> dg.RunRequest:
    """Ask for one look."""
    return dg.RunRequest()
