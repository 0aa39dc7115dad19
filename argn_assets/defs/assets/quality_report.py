"""quality_report: how close the synthetic tables are, in figures and as one HTML file."""

import dagster as dg

from argn_assets.orchestration.facts import StageResult
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.report import compare_stored
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.run_config import StageRunConfig
from argn_assets.orchestration.settings import report_settings
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import StageCall, StageEvents, reported, run_stage
from argn_assets.orchestration.stages import QUALITY_REPORT


@stage_asset(
    QUALITY_REPORT,
    description=(
        "Fidelity of the synthetic tables against the training rows, with the held-out rows as the "
        "ceiling; one self-contained HTML file."
    ),
    kinds={"scikitlearn", "html"},
)
def quality_report(
    context: dg.AssetExecutionContext,
    config: StageRunConfig,
    catalogue: CatalogueResource,
    store: StoreResource,
    raw_tables: StoredTables,
    encoded_tables: StoredTables,
    synthetic_tables: StoredTables,
) -> StageEvents:
    """Compare the tables, unless they are as they were."""
    with reported(context, QUALITY_REPORT):
        spec = catalogue.get(context.partition_key)

        def compare() -> StageResult:
            from argn_assets.quality import compare_tables, render_report

            return compare_stored(
                spec, raw_tables, encoded_tables, synthetic_tables, compare=compare_tables, render=render_report
            )

        call = StageCall(
            stage=QUALITY_REPORT,
            spec=spec,
            inputs={"raw_tables": raw_tables, "encoded_tables": encoded_tables, "synthetic_tables": synthetic_tables},
            settings=report_settings(spec),
            compute=compare,
            force=config.force,
        )
        yield from run_stage(context, store.open(), call)
