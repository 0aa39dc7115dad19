"""The sensors: new declarations, changed sources, failed runs."""

import dagster as dg

from argn_assets.datasets import DatasetSpec
from argn_assets.errors import ArgnError, SourceError
from argn_assets.orchestration.alerts import run_failure, send_everywhere
from argn_assets.orchestration.collection import clean_failed_run
from argn_assets.orchestration.environment import automation_status
from argn_assets.orchestration.partitions import DATASETS, missing_partitions
from argn_assets.orchestration.pools import introduce_pools
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.retraining import last_training
from argn_assets.orchestration.source_versions import observation, seen_versions
from argn_assets.orchestration.source_watch import look_at_sources

REPEATED_ONCE = {"dagster/max_retries": "1", "dagster/retry_on_asset_or_op_failure": "true"}


@dg.sensor(
    name="catalogue_sync",
    description="Adds a partition for every YAML file of the catalogue; a broken file is reported, the others go on.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def catalogue_sync(context: dg.SensorEvaluationContext, catalogue: CatalogueResource) -> dg.SensorResult:
    """Add the partitions that the catalogue declares and Dagster does not know."""
    introduce_pools(context.instance)
    try:
        found = catalogue.open()
    except ArgnError as error:
        return dg.SensorResult(skip_reason=dg.SkipReason(str(error)))
    problems = list(found.problems().values())
    for problem in problems:
        context.log.warning(problem)
    added = missing_partitions(found.names(), context.instance.get_dynamic_partitions("dataset"))
    requests = [DATASETS.build_add_request(added)] if added else []
    said = f"{len(found.names())} data sets declared, {len(added)} new{': ' + ', '.join(added) if added else ''}."
    return dg.SensorResult(dynamic_partitions_requests=requests, skip_reason=dg.SkipReason(" ".join([said, *problems])))


@dg.sensor(
    name="source_watch",
    description=(
        "Looks whether the sources of the declared data sets changed. A change is an observation of `source`, or with "
        "`only_on_drift` a run that scores the new rows first."
    ),
    job_name="score_drift",
    default_status=automation_status(),
    minimum_interval_seconds=30,
)
def source_watch(context: dg.SensorEvaluationContext, catalogue: CatalogueResource) -> dg.SensorResult:
    """Observe the sources that changed; what is done about it, the conditions of the assets decide."""
    found, known = catalogue.open(), context.instance.get_dynamic_partitions("dataset")
    sweep = look_at_sources(
        found, lambda names: seen_versions(context.instance, names), known=known, after=context.cursor or ""
    )
    for name, problem in sweep.problems.items():
        context.log.warning(f"{name}: {problem}")
    if sweep.looked_at and len(sweep.problems) == sweep.looked_at:
        raise SourceError(f"No source can be read. {next(iter(sweep.problems.values()))}")
    artifacts = {name: _scored_under(context.instance, found.get(name)) for name in sweep.changed}
    scores = {name: digest for name, digest in artifacts.items() if digest is not None}
    # The score follows from rows and artifact, so the same two are asked for once, and Dagster repeats what failed.
    requests = [
        dg.RunRequest(run_key=f"{name}|{sweep.changed[name]}|{digest}", partition_key=name, tags=REPEATED_ONCE)
        for name, digest in scores.items()
    ]
    said = f"{sweep.looked_at} of {len(found.names())} data sets looked at, {len(sweep.changed)} changed."
    unreadable = [f"{name}: {problem}" for name, problem in sweep.problems.items()]
    return dg.SensorResult(
        asset_events=[observation(name, version) for name, version in sweep.changed.items() if name not in scores],
        run_requests=requests,
        cursor=sweep.last,
        skip_reason=None if requests else dg.SkipReason(" ".join([said, *unreadable])),
    )


def _scored_under(instance: dg.DagsterInstance, spec: DatasetSpec) -> str | None:
    """Return the digest of the artifact that new rows are scored under; None where a change alone asks for a run."""
    last = last_training(instance, spec.dataset) if spec.retrain.only_on_drift is not None else None
    return None if last is None else last.digest


@dg.run_failure_sensor(
    name="failed_runs",
    description="Tells of a failed run in its log, to a webhook and by e-mail, and cleans up what it left.",
    default_status=dg.DefaultSensorStatus.RUNNING,
    minimum_interval_seconds=30,
)
def failed_runs(context: dg.RunFailureSensorContext, store: StoreResource) -> None:
    """Tell and clean up; ARGN_ALERT_WEBHOOK and ARGN_ALERT_EMAIL say whom to tell."""
    failure = run_failure(context.instance, context.dagster_run, context.failure_event)
    context.log.error(failure.text)
    clean_failed_run(store.open(), failure.run_id)
    send_everywhere(failure)
