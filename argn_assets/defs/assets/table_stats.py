"""table_stats: what encoding and decoding need to know of each table."""

import dagster as dg

from argn_assets.orchestration.chain import stats_of_tables
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.run_config import StageRunConfig
from argn_assets.orchestration.settings import stats_settings
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import StageCall, StageEvents, reported, run_stage
from argn_assets.orchestration.stages import TABLE_STATS


@stage_asset(
    TABLE_STATS,
    description=(
        "Statistics of each table: the encoding of every column and what it needs; with value protection, nothing rare."
    ),
    kinds={"polars", "json"},
)
def table_stats(
    context: dg.AssetExecutionContext,
    config: StageRunConfig,
    catalogue: CatalogueResource,
    store: StoreResource,
    raw_tables: StoredTables,
) -> StageEvents:
    """Compute the statistics, unless table and declaration are as they were."""
    with reported(context, TABLE_STATS):
        spec = catalogue.get(context.partition_key)
        call = StageCall(
            stage=TABLE_STATS,
            spec=spec,
            inputs={"raw_tables": raw_tables},
            settings=stats_settings(spec),
            compute=lambda: stats_of_tables(spec, raw_tables),
            force=config.force,
        )
        yield from run_stage(context, store.open(), call)
