"""Jobs: the chain as one, keeping the store tidy, looking at ages."""

import dagster as dg

from argn_assets.datasets import fingerprint_sources
from argn_assets.errors import MissingArtifact
from argn_assets.orchestration.ages import age_evaluations
from argn_assets.orchestration.collection import collect_store as collect
from argn_assets.orchestration.collection import summary
from argn_assets.orchestration.current import current_result
from argn_assets.orchestration.partitions import DATASETS
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.source_versions import observation
from argn_assets.orchestration.stages import RUN_ASSETS

retrain = dg.define_asset_job(
    "retrain",
    selection=dg.AssetSelection.assets(*RUN_ASSETS),
    description="The whole chain of a data set. What did not change is confirmed, and not computed again.",
)


class CollectionRunConfig(dg.Config):
    """Whether anything is removed."""

    force: bool = False


@dg.op(description="Removes steps that no `keep` keeps, then files that nothing names; with force only.")
def collect_artifacts(
    context: dg.OpExecutionContext, config: CollectionRunConfig, catalogue: CatalogueResource, store: StoreResource
) -> None:
    """Collect every data set; log what went, or would."""
    for dataset, collected in collect(store.open(), catalogue.open(), dry_run=not config.force).items():
        context.log.info(summary(dataset, collected, removed=config.force))


@dg.job(description="Collection of the artifact store. A dry run, unless its op is configured with `force: true`.")
def collect_store() -> None:
    """Collect the store."""
    collect_artifacts()


@dg.op(description="Answers the check `age` of every data set, from the event log.")
def look_at_ages(context: dg.OpExecutionContext, catalogue: CatalogueResource) -> None:
    """Report one evaluation per data set; say which are too old."""
    for evaluation in age_evaluations(context.instance, catalogue.open()):
        # Under this run and not without one, of which Dagster keeps a single result for each check and partition.
        context.log_event(evaluation)  # type: ignore[arg-type]  # Dagster takes it, and does not say so
        if not evaluation.passed:
            context.log.warning(f"{evaluation.partition}: {evaluation.description}")


@dg.job(description="Looks how old the synthetic tables of every data set are; one run for all of them.")
def check_ages() -> None:
    """Check the ages."""
    look_at_ages()


@dg.op(description="Scores the new rows under the current artifact; asks for retraining where they are less likely.")
def score_new_rows(context: dg.OpExecutionContext, catalogue: CatalogueResource, store: StoreResource) -> None:
    """Record the scores on `trained_artifact`; where they ask for it, observe the source, which asks for a run."""
    from argn_assets.orchestration import drift as scoring

    dataset, opened = context.partition_key, store.open()
    spec = catalogue.get(dataset)
    raw, trained = (
        current_result(context.instance, opened, asset, dataset) for asset in ("raw_tables", "trained_artifact")
    )
    if raw is None or trained is None:
        raise MissingArtifact(
            f"Data set {dataset!r} has no artifact to score rows under. Train it: argn backfill {dataset}"
        )
    version = fingerprint_sources(spec)
    drift = scoring.score_drift(spec, raw, trained, margin=spec.retrain.only_on_drift or 0.0)
    told = dg.AssetObservation("trained_artifact", partition=dataset, metadata=dict(drift.numbers()))
    context.log_event(told)
    if drift.asks:
        context.log_event(observation(dataset, version))


@dg.job(
    partitions_def=DATASETS,
    description="How likely the current artifact finds the new rows of a data set; asks for retraining if not enough.",
)
def score_drift() -> None:
    """Score."""
    score_new_rows()
