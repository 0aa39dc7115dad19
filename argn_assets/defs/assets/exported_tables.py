"""exported_tables: the synthetic tables where people need them, once they passed their checks."""

from collections.abc import Iterator
from typing import Any

import dagster as dg

from argn_assets.orchestration.export import export_tables
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.metadata import export_metadata
from argn_assets.orchestration.release import check_release
from argn_assets.orchestration.resources import CatalogueResource
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import reported
from argn_assets.orchestration.stages import EXPORTED_TABLES


@stage_asset(
    EXPORTED_TABLES,
    description=(
        "The synthetic tables as files or tables of a database, where `export.to` of the data set says; only what "
        "passed copy rate, floors and constraints. Nothing is recorded for a data set that declares no export."
    ),
    kinds={"parquet", "csv", "sql"},
    always_made=False,
)
def exported_tables(
    context: dg.AssetExecutionContext,
    catalogue: CatalogueResource,
    synthetic_tables: StoredTables,
    quality_report: StoredTables,
) -> Iterator[dg.MaterializeResult[Any]]:
    """Write the tables; the same tables may be written again."""
    with reported(context, EXPORTED_TABLES):
        spec = catalogue.get(context.partition_key)
        if spec.export.to is None:
            return
        check_release(spec, synthetic_tables, quality_report)
        places = export_tables(spec, synthetic_tables)
        yield dg.MaterializeResult(
            metadata=export_metadata(spec, places, synthetic_tables.digest),
            data_version=dg.DataVersion(synthetic_tables.digest),
        )
