"""Progress of a running stage: throttled observations for Dagster, news for a terminal in the same process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Literal, Protocol

import dagster as dg

OBSERVATION_GAP_SECONDS = 2.0  # each observation is a row of the event log, kept for ever
OBSERVATIONS_PER_GAP = 25  # then the gap doubles: 200 observations cover three and a half hours


@dataclass(frozen=True, kw_only=True)
class StageNews:
    """Something a listener may show: a stage of a data set began, moves, hit the cache, is done or has failed."""

    dataset: str
    asset: str
    state: Literal["started", "running", "cached", "done", "failed"]
    text: str = ""


Listener = Callable[[StageNews], None]
_LISTENER: ContextVar[Listener | None] = ContextVar("argn_progress_listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the news of every stage run inside the block, in this thread, to `listener`."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def tell(news: StageNews) -> None:
    """Pass news to the listener, if there is one."""
    listener = _LISTENER.get()
    if listener is not None:
        listener(news)


class EpochProgress(Protocol):
    """What the engine reports after an epoch (`argn_assets.engine` gives exactly this)."""

    @property
    def epoch(self) -> float: ...  # noqa: D102
    @property
    def rows(self) -> int: ...  # noqa: D102
    @property
    def training_loss(self) -> float | None: ...  # noqa: D102
    @property
    def validation_loss(self) -> float | None: ...  # noqa: D102
    @property
    def learning_rate(self) -> float: ...  # noqa: D102
    @property
    def rows_per_second(self) -> float: ...  # noqa: D102
    @property
    def elapsed_seconds(self) -> float: ...  # noqa: D102


@dataclass
class TrainingProgress:
    """Hears every epoch: one log line each, and an observation of the asset at most every few seconds."""

    context: dg.AssetExecutionContext
    table: str
    max_minutes: float | None = None
    clock: Callable[[], float] = time.monotonic
    _due: float = field(default=float("-inf"), init=False)
    _sent: int = field(default=0, init=False)

    def __call__(self, progress: EpochProgress) -> None:
        """Report one epoch."""
        text = self._text(progress)
        self.context.log.info(text)
        tell(StageNews(dataset=self.context.partition_key, asset="trained_artifact", state="running", text=text))
        now = self.clock()
        if now >= self._due:
            self._observe(progress)
            self._due = now + OBSERVATION_GAP_SECONDS * 2 ** (self._sent // OBSERVATIONS_PER_GAP)
            self._sent += 1

    def _observe(self, progress: EpochProgress) -> None:
        numbers = {
            "epoch": float(progress.epoch),
            "rows_per_second": float(progress.rows_per_second),
            "training_loss": progress.training_loss,
            "validation_loss": progress.validation_loss,
            "learning_rate": progress.learning_rate,
            "minutes_left": self._minutes_left(progress),
        }
        # Five digits: what a person reads in a list of epochs.
        told = {f"train/{name}": float(f"{number:.5g}") for name, number in numbers.items() if number is not None}
        self.context.log_event(
            dg.AssetObservation(
                asset_key=self.context.asset_key,
                partition=self.context.partition_key,
                metadata={"table": self.table, **told},
            )
        )

    def _minutes_left(self, progress: EpochProgress) -> float | None:
        if self.max_minutes is None:
            return None
        return max(0.0, self.max_minutes - progress.elapsed_seconds / 60)

    def _text(self, progress: EpochProgress) -> str:
        losses = [
            f"{name} {loss:.4f}"
            for name, loss in (("loss", progress.training_loss), ("validation", progress.validation_loss))
            if loss is not None
        ]
        left = self._minutes_left(progress)
        time_left = [] if left is None else [f"at most {left:.1f} min left"]
        speed = f"{progress.rows_per_second:,.0f} rows/s"
        return " · ".join([f"{self.table}: epoch {progress.epoch:g}", *losses, speed, *time_left])


def training_listener(
    context: dg.AssetExecutionContext, *, max_minutes: float | None
) -> Callable[[str, EpochProgress], None]:
    """Return what hears (table, progress) after every epoch of a run's trainings."""
    reporters: dict[str, TrainingProgress] = {}

    def on_epoch(table: str, progress: EpochProgress) -> None:
        reporters.setdefault(table, TrainingProgress(context, table, max_minutes))(progress)

    return on_epoch
