"""trained_artifact: a model of the codes, as bytes."""

import dagster as dg

from argn_assets.orchestration.chain import train_tables
from argn_assets.orchestration.facts import StageResult
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.progress import training_listener
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.run_config import TrainingRunConfig
from argn_assets.orchestration.settings import training_settings
from argn_assets.orchestration.stage_asset import stage_asset
from argn_assets.orchestration.stage_run import StageCall, StageEvents, reported, run_stage
from argn_assets.orchestration.stages import TRAINED_ARTIFACT
from argn_assets.orchestration.trainings import TrainingsOfAction


@stage_asset(
    TRAINED_ARTIFACT,
    description=(
        "One trained model per table, with the loss of every epoch. While it trains, progress appears as observations. "
        "A training that is cancelled goes on where it was when it is asked for again."
    ),
    kinds={"torch", "safetensors"},
    pool="trainer",
)
def trained_artifact(
    context: dg.AssetExecutionContext,
    config: TrainingRunConfig,
    catalogue: CatalogueResource,
    store: StoreResource,
    table_stats: StoredTables,
    encoded_tables: StoredTables,
) -> StageEvents:
    """Train, unless codes and settings are as they were."""
    with reported(context, TRAINED_ARTIFACT):
        spec = catalogue.get(context.partition_key)
        settings, opened = training_settings(spec, config), store.open()
        on_epoch = training_listener(context, max_minutes=config.max_training_time or spec.generator.max_training_time)

        def train() -> StageResult:
            trainings = TrainingsOfAction(opened, spec.dataset, call.key, say=context.log.info, fresh=config.force)
            return train_tables(
                spec,
                table_stats,
                encoded_tables,
                settings=settings,
                device=config.device,
                trainings=trainings,
                on_epoch=on_epoch,
            )

        call = StageCall(
            stage=TRAINED_ARTIFACT,
            spec=spec,
            inputs={"table_stats": table_stats, "encoded_tables": encoded_tables},
            settings=settings,
            compute=train,
            force=config.force,
        )
        yield from run_stage(context, opened, call)
