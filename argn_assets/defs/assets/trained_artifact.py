"""trained_artifact: a model of the codes, as bytes."""

import dagster as dg

from argn_assets.orchestration.action_cache import find_action
from argn_assets.orchestration.chain import train_tables
from argn_assets.orchestration.facts import StageResult
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.pools import TRAINER
from argn_assets.orchestration.progress import training_listener
from argn_assets.orchestration.resources import CatalogueResource, StoreResource
from argn_assets.orchestration.retraining import WarmStart, following, last_training, open_last
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
    pool=TRAINER,
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
        opened, last = store.open(), last_training(context.instance, spec.dataset)
        on_epoch = training_listener(context, max_minutes=config.max_training_time or spec.generator.max_training_time)

        def train() -> StageResult:
            trainings = TrainingsOfAction(opened, spec.dataset, call.key, say=context.log.info, fresh=config.force)
            return train_tables(
                spec,
                table_stats,
                encoded_tables,
                settings=call.settings,
                device=config.device,
                trainings=trainings,
                warm_start=WarmStart(call.settings, open_last(opened, last, call.settings)),
                on_epoch=on_epoch,
            )

        first = StageCall(
            stage=TRAINED_ARTIFACT,
            spec=spec,
            inputs={"table_stats": table_stats, "encoded_tables": encoded_tables},
            settings=training_settings(spec, config),
            compute=train,
            force=config.force,
        )
        call = following(first, last, is_known=lambda other: find_action(opened, other.key) is not None)
        yield from run_stage(context, opened, call)
