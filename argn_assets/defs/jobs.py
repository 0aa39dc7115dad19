"""Jobs beside the chain: keeping the store tidy."""

import dagster as dg

from argn_assets.orchestration.collection import collect_store as collect
from argn_assets.orchestration.collection import summary
from argn_assets.orchestration.resources import CatalogueResource, StoreResource


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
