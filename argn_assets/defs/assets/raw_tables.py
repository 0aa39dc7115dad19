"""raw_tables: what the sources hold, read once and checked."""

import dagster as dg

from argn_assets.datasets import fingerprint_sources
from argn_assets.orchestration.chain import read_raw
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.run_config import StageRunConfig
from argn_assets.orchestration.settings import raw_settings
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import StageCall, StageEvents, reported, run_stage
from argn_assets.orchestration.stages import RAW_TABLES


@stage_asset(
    RAW_TABLES,
    description=(
        "The declared tables as read from their sources, checked: not empty, declared columns, primary keys that are "
        "unique, foreign keys that resolve."
    ),
    kinds={"polars", "parquet"},
)
def raw_tables(
    context: dg.AssetExecutionContext,
    config: StageRunConfig,
    catalogue: CatalogueResource,
    store: StoreResource,
) -> StageEvents:
    """Read the tables, unless their sources are as they were."""
    with reported(context, RAW_TABLES):
        spec = catalogue.get(context.partition_key)
        call = StageCall(
            stage=RAW_TABLES,
            spec=spec,
            inputs={},
            settings={**raw_settings(spec), "sources": fingerprint_sources(spec)},
            compute=lambda: read_raw(spec),
            force=config.force,
        )
        yield from run_stage(context, store.open(), call)
