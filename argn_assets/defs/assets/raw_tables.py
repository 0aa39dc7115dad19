"""raw_tables: what the sources hold, read once and checked."""

import dagster as dg

from argn_assets.datasets import fingerprint_sources
from argn_assets.orchestration.chain import read_raw
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.run_config import StageRunConfig
from argn_assets.orchestration.settings import raw_settings
from argn_assets.orchestration.source_versions import READ_FROM
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import (
    AUTOMATION,
    SCHEDULE,
    StageCall,
    StageEvents,
    reported,
    run_stage,
    trigger_of,
)
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
        fingerprint = fingerprint_sources(spec)
        call = StageCall(
            stage=RAW_TABLES,
            spec=spec,
            inputs={},
            settings={**raw_settings(spec), "sources": fingerprint},
            compute=lambda: read_raw(spec),
            # A tick is there to look into the sources, also where names, sizes and times are as they were.
            force=config.force or trigger_of(context.run.tags) in (AUTOMATION, SCHEDULE),
            noted={READ_FROM: fingerprint},
        )
        yield from run_stage(context, store.open(), call)
