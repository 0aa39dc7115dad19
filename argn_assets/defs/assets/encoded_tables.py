"""encoded_tables: each table as small unsigned integers."""

import dagster as dg

from argn_assets.orchestration.chain import encode_tables
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.run_config import StageRunConfig
from argn_assets.orchestration.settings import encoding_settings
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import StageCall, StageEvents, reported, run_stage
from argn_assets.orchestration.stages import ENCODED_TABLES


@stage_asset(
    ENCODED_TABLES,
    description="Each table as one block of codes, an integer per sub-column and row, with the holdout set aside.",
    kinds={"numpy", "arrow"},
)
def encoded_tables(
    context: dg.AssetExecutionContext,
    config: StageRunConfig,
    catalogue: CatalogueResource,
    store: StoreResource,
    raw_tables: StoredTables,
    table_stats: StoredTables,
) -> StageEvents:
    """Encode the tables, unless tables and statistics are as they were."""
    with reported(context, ENCODED_TABLES):
        spec = catalogue.get(context.partition_key)
        call = StageCall(
            stage=ENCODED_TABLES,
            spec=spec,
            inputs={"raw_tables": raw_tables, "table_stats": table_stats},
            settings=encoding_settings(spec),
            compute=lambda: encode_tables(spec, raw_tables, table_stats),
            force=config.force,
        )
        yield from run_stage(context, store.open(), call)
