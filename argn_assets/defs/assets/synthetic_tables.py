"""synthetic_tables: new rows drawn from the model."""

import dagster as dg

from argn_assets.orchestration.chain import generate_tables
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.run_config import GenerationRunConfig
from argn_assets.orchestration.settings import generation_settings
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import StageCall, StageEvents, reported, run_stage
from argn_assets.orchestration.stages import SYNTHETIC_TABLES


@stage_asset(
    SYNTHETIC_TABLES,
    description=(
        "Synthetic tables with the columns, types and, unless told otherwise, the number of rows of the raw ones."
    ),
    kinds={"torch", "parquet"},
)
def synthetic_tables(
    context: dg.AssetExecutionContext,
    config: GenerationRunConfig,
    catalogue: CatalogueResource,
    store: StoreResource,
    trained_artifact: StoredTables,
) -> StageEvents:
    """Generate, unless artifact and settings are as they were."""
    with reported(context, SYNTHETIC_TABLES):
        spec = catalogue.get(context.partition_key)
        settings = generation_settings(spec, config)
        call = StageCall(
            stage=SYNTHETIC_TABLES,
            spec=spec,
            inputs={"trained_artifact": trained_artifact},
            settings=settings,
            compute=lambda: generate_tables(spec, trained_artifact, settings=settings),
            force=config.force,
        )
        yield from run_stage(context, store.open(), call)
