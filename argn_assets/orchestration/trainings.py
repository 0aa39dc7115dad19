"""Trainings that can be cut short: the next run of the same action goes on where they were (O13, E35).

Between two steps, and not often, a training's state is taken into memory, and more seldom stored under the key of its
action; when a training is cancelled or fails, the last one taken is stored. Tables whose training ended are kept too,
while others of their data set train. The IO manager forgets all of it when the result is stored.
"""

from __future__ import annotations

import dataclasses
import logging
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from argn_assets.errors import ArtifactError, ConfigError, StoreError
from argn_assets.store import ArtifactStore

if TYPE_CHECKING:
    from argn_assets.artifact import ModelArtifact
    from argn_assets.engine.config import TrainingConfig
    from argn_assets.engine.run import EpochProgress, OnEpoch, OnStep

SNAPSHOT_GAP_SECONDS = 2.0  # between states taken into memory: what a cancelled training loses
SAVE_GAP_SECONDS = 30.0  # between states written to the store: what a killed one loses
SHARE_OF_TIME = 0.01  # that may go into taking and writing states, however large they are

_HEAD = struct.Struct("<?d")  # whether the training ended, seconds trained; then an artifact or a training state
_log = logging.getLogger(__name__)


class Train(Protocol):
    """Trains one table, from a training state where one is given."""

    def __call__(  # noqa: D102
        self, config: TrainingConfig, state: bytes | None, on_epoch: OnEpoch, on_step: OnStep, /
    ) -> ModelArtifact: ...


@dataclass
class Gap:
    """Says when something that takes time may be done again: after `seconds`, and later where it took long."""

    seconds: float
    clock: Callable[[], float]
    due_at: float

    def passed(self) -> bool:
        """Tell whether it is time."""
        return self.clock() >= self.due_at

    def done(self, began: float) -> None:
        """Count from now, where it was begun at `began`."""
        now = self.clock()
        self.due_at = now + max(self.seconds, (now - began) / SHARE_OF_TIME)


@dataclass
class TrainingsOfAction:
    """The trainings of one action, a table each.

    Attributes:
        store: where states are kept.
        dataset: the data set.
        key: of the action.
        say: told when a training goes on from a state, in words.
        fresh: forget what is kept, and begin anew.
        clock: seconds.
        seconds: how long each table trained, in all runs together.
    """

    store: ArtifactStore
    dataset: str
    key: str
    say: Callable[[str], None] = _log.info
    fresh: bool = False
    clock: Callable[[], float] = time.monotonic
    seconds: dict[str, float] = field(default_factory=dict, init=False)
    _snapshot: tuple[float, bytes] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        """Forget what is kept, if that is asked for."""
        if self.fresh:
            self.store.training_states.drop(self.dataset, self.key)

    def train(self, table: str, config: TrainingConfig, train: Train, on_epoch: OnEpoch) -> ModelArtifact:
        """Train a table, or go on with its training, or take the artifact of one that ended before.

        Args:
            table: its name.
            config: settings; the time that a cut training took counts against `max_training_time`.
            train: does it.
            on_epoch: told after every epoch; the seconds are those of all runs together.
        """
        from argn_assets.artifact import ModelArtifact

        kept = self._read(table)
        if kept is None:
            return self._train(table, config, train, on_epoch, None, 0.0)
        ended, seconds, content = kept
        try:
            if ended:
                artifact = ModelArtifact.from_bytes(content)
                self.seconds[table] = seconds
                self.say(f"{table}: taken as it was trained before, in {seconds:.0f} s.")
                return artifact
            self.say(f"{table}: training goes on after {seconds:.0f} s.")
            return self._train(table, config, train, on_epoch, content, seconds)
        except (ArtifactError, ConfigError) as error:
            if self._snapshot is not None:  # it went on, so the state is not to blame
                raise
            self.say(f"{table}: what was kept of its training cannot be used, so it begins anew. {error}")
            return self._train(table, config, train, on_epoch, None, 0.0)

    def keep_ended(self, table: str, artifact: ModelArtifact) -> None:
        """Keep the artifact of a table while others train."""
        self._write(table, _HEAD.pack(True, self.seconds.get(table, 0.0)) + artifact.to_bytes())

    def _train(
        self, table: str, config: TrainingConfig, train: Train, on_epoch: OnEpoch, state: bytes | None, before: float
    ) -> ModelArtifact:
        snapshots = Gap(SNAPSHOT_GAP_SECONDS, self.clock, self.clock())
        saves = Gap(SAVE_GAP_SECONDS, self.clock, self.clock() + SAVE_GAP_SECONDS)
        self._snapshot = None

        def hear_epoch(progress: EpochProgress) -> bool | None:
            self.seconds[table] = before + progress.elapsed_seconds
            return on_epoch(dataclasses.replace(progress, elapsed_seconds=self.seconds[table]))

        def hear_step(elapsed_seconds: float, training_state: Callable[[], bytes]) -> None:
            if not snapshots.passed():
                return
            began = self.clock()
            self._snapshot = (before + elapsed_seconds, training_state())
            snapshots.done(began)
            if saves.passed():
                self._save(table)
                saves.done(began)

        left = max(config.max_training_time - before / 60, 0.0)
        try:
            return train(dataclasses.replace(config, max_training_time=left), state, hear_epoch, hear_step)
        except BaseException:  # Dagster's cancellation is no Exception
            self._save(table)
            raise

    def _save(self, table: str) -> None:
        if self._snapshot is not None:
            seconds, state = self._snapshot
            self._write(table, _HEAD.pack(False, seconds) + state)

    def _write(self, table: str, content: bytes) -> None:
        try:
            self.store.training_states.put(self.dataset, self.key, table, content)
        except StoreError as error:
            _log.warning("the training of %s goes on, but its state was not kept: %s", table, error)

    def _read(self, table: str) -> tuple[bool, float, bytes] | None:
        try:
            kept = self.store.training_states.get(self.dataset, self.key, table)
        except StoreError as error:
            _log.warning("the training of %s begins anew, because its state cannot be read: %s", table, error)
            return None
        return None if kept is None else (*_HEAD.unpack_from(kept), kept[_HEAD.size :])
