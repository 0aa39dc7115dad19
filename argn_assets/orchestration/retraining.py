"""What a training follows: with which seed the next one draws, and from which artifact it goes on.

Both come from Dagster's log, and both are part of the action's key. Where nothing changed since an artifact was
trained, its own seed and its own beginning make up that key, so it is found and confirmed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import dagster as dg
from pydantic import JsonValue

from argn_assets.errors import ArtifactError, ConfigError, StoreError
from argn_assets.orchestration.handles import StoredTables
from argn_assets.orchestration.one_table import WithContext, train_table
from argn_assets.orchestration.stage_run import StageCall
from argn_assets.orchestration.stages import TRAINED_ARTIFACT
from argn_assets.store import ArtifactStore

if TYPE_CHECKING:
    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.config import TrainingConfig
    from argn_assets.engine.run import OnEpoch, OnStep
    from argn_assets.seeds import Seed
    from argn_assets.tables import EncodedTable, TableStats

STARTED_FROM = "started_from"  # setting, and metadata: the digest of what a training went on from


@dataclass(frozen=True, kw_only=True)
class LastTraining:
    """What Dagster's log says of the trained artifact of a data set.

    Attributes:
        digest: of the artifact.
        manifest: where it is stored.
        seed: that it was trained with; None where it is not told.
        started_from: digest of what it went on from; None: it began with drawn weights.
        completed: whether the run that made it went on to the end.
    """

    digest: str
    manifest: str
    seed: int | None
    started_from: str | None
    completed: bool


def last_training(instance: dg.DagsterInstance, dataset: str) -> LastTraining | None:
    """Return what is current of a data set's training; None where there is none."""
    newest = dg.AssetRecordsFilter(asset_key=dg.AssetKey(TRAINED_ARTIFACT.asset), asset_partitions=[dataset])
    for record in instance.fetch_materializations(newest, limit=1).records:
        materialization = record.asset_materialization
        if materialization is None or "manifest" not in materialization.metadata:
            continue
        told = {name: value.value for name, value in materialization.metadata.items()}
        run = instance.get_run_by_id(record.run_id)
        return LastTraining(
            digest=str(told["digest"]),
            manifest=str(told["manifest"]),
            seed=int(str(told["seed"])) if "seed" in told else None,
            started_from=str(told[STARTED_FROM]) if STARTED_FROM in told else None,
            completed=run is None or run.status is not dg.DagsterRunStatus.FAILURE,
        )
    return None


def following(call: StageCall, last: LastTraining | None, *, is_known: Callable[[StageCall], bool]) -> StageCall:
    """Return the training that follows the last one, as `retrain` declares it.

    Args:
        call: a training that follows none.
        last: the last training.
        is_known: tells whether the result of a training is in the action cache.
    """
    retrain = call.spec.retrain
    if last is None:
        return call
    if retrain.always and last.seed is not None and call.settings["seed"] == call.spec.seed:
        # What a failed run trained is good: the next one goes on with it.
        call = _changed(call, seed=last.seed + last.completed)
        while last.completed and is_known(call):  # after a rollback
            call = _changed(call, seed=int(str(call.settings["seed"])) + 1)
    if not retrain.warm_start:
        return call
    again = call if last.started_from is None else _changed(call, started_from=last.started_from)
    return again if is_known(again) else _changed(call, started_from=last.digest)


def _changed(call: StageCall, **settings: JsonValue) -> StageCall:
    return dataclasses.replace(call, settings={**call.settings, **settings})


def open_last(
    store: ArtifactStore, last: LastTraining | None, settings: Mapping[str, JsonValue]
) -> StoredTables | None:
    """Return the artifact that settings say to go on from, if that is the last one and still stored."""
    if last is None or settings.get(STARTED_FROM) != last.digest:
        return None
    try:
        return StoredTables(store.read_manifest(last.manifest), store, asset=TRAINED_ARTIFACT.asset)
    except StoreError:
        return None


@dataclass
class WarmStart:
    """Trains tables, going on from the artifacts of the last training where they are of the same network.

    Attributes:
        settings: of the training.
        last: the last training's artifacts; None where there are none any more.
        notes: what became of each table's warm start, by table; nothing where none was asked for.
    """

    settings: Mapping[str, JsonValue]
    last: StoredTables | None = None
    notes: dict[str, str] = field(default_factory=dict, init=False)

    def train(
        self,
        table: str,
        stats: WithContext[TableStats],
        encoded: WithContext[EncodedTable],
        seed: Seed,
        config: TrainingConfig,
        state: bytes | None,
        on_epoch: OnEpoch,
        on_step: OnStep,
    ) -> ModelArtifact:
        """Train a table: from its training state if there is one, else from its last artifact, else from the start."""
        train = partial(train_table, stats, encoded, config, seed, on_epoch, on_step=on_step)
        if STARTED_FROM not in self.settings:
            return train(training_state=state)
        try:
            trained = train(training_state=state) if state else train(warm_start=self._beginning(table))
        except ConfigError as error:
            if state:
                raise
            self.notes[table] = f"no: {error}"
            return train()
        self.notes[table] = trained.provenance.get("warm_start", "no: an earlier run had begun anew")
        return trained

    def _beginning(self, table: str) -> ModelArtifact:
        """Return the last artifact of a table; ConfigError says why there is none."""
        from argn_assets.artifact import ModelArtifact

        if self.last is None or table not in self.last.names():
            raise ConfigError("the last artifact is not stored any more, or has no such table")
        try:
            return ModelArtifact.from_bytes(self.last.load_bytes(table))
        except (StoreError, ArtifactError) as error:
            raise ConfigError(f"the last artifact cannot be read: {error}") from error
