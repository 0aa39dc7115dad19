"""Training: AdamW on averaged weights, a fixed validation, early stopping, the best weights kept."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from argn_assets.artifact import EpochRecord
from argn_assets.engine.config import FEWEST_BATCH, TrainingConfig, batch_size_for
from argn_assets.engine.epoch import Epoch
from argn_assets.engine.families.argn.dropout import Dropouts
from argn_assets.engine.families.argn.layout import Width
from argn_assets.engine.memory import give_back, is_out_of_memory
from argn_assets.engine.objectives import Objective
from argn_assets.engine.training_state import Identity, Schedule, TrainingState
from argn_assets.errors import ConfigError, EngineError
from argn_assets.seeds import Seed

AVERAGE_DECAY = 0.999  # per step, of the averaged weights that are validated and kept
WARM_UP_STEPS = 100
CLIP_NORM = 10.0
WEIGHT_DECAY = 0.1
LEAST_GAIN = 1e-4  # of the validation loss, for an epoch to count as an improvement
PATIENCE = 3  # epochs without improvement before the learning rate drops, and after the last drop training ends
DROPS = 2
DROP_FACTOR = 0.3
NOISY = 0.8  # of the epochs or the time, after which there is no dropout
FEW_ROWS = 10_000  # up to which dropout is what the width says; beyond, rows themselves keep a network from overfitting
MOST_RECOVERIES = 3  # from a loss that is not finite


@dataclass(frozen=True, slots=True)
class EpochProgress:
    """Where a training stands after an epoch: losses are nats per row; `rows` were seen so far, in all epochs.

    `training_state` makes bytes from which `train_flat` and `train_sequential` resume.
    """

    epoch: float
    rows: int
    training_loss: float
    validation_loss: float | None
    learning_rate: float
    rows_per_second: float
    elapsed_seconds: float
    max_epochs: float
    training_state: Callable[[], bytes]


OnEpoch = Callable[[EpochProgress], bool | None]
OnStep = Callable[[float, Callable[[], bytes]], None]  # told the seconds so far, and what makes the training state


@dataclass
class Run:
    """One training in progress.

    Attributes:
        objective: what is minimised.
        config: settings.
        width: layer widths, which say how much dropout there is.
        seed: decides the order of rows and columns, and dropout.
        device: where it computes.
        identity: what its states are of.
        warm_start: what of an artifact it began with, for people; None where it began with drawn weights.
    """

    objective: Objective
    config: TrainingConfig
    width: Width
    seed: Seed
    device: torch.device
    identity: Identity
    warm_start: str | None = None
    history: list[EpochRecord] = field(default_factory=list)
    best_loss: float = math.inf
    epoch: Epoch | None = None

    def __post_init__(self) -> None:
        """Lay out the optimizer and the averaged weights."""
        self.rng = torch.Generator().manual_seed(self.seed.child("order").value % 2**63)
        n_rows = self.objective.n_rows
        self.names, parameters = zip(*self.objective.model.named_parameters(), strict=True)
        self.parameters: list[nn.Parameter] = list(parameters)
        n_weights = sum(parameter.numel() for parameter in parameters)
        self.first_batch_size = min(self.config.batch_size or batch_size_for(n_rows, n_weights), max(1, n_rows))
        self.batch_size = self.first_batch_size
        self.averaged, self.best = self._copy(), self._copy()
        self.learning_rate = 0.001 * math.sqrt(self.batch_size / 32)
        self.optimizer = self._new_optimizer()
        self.steps = self.rows = self.drops = self.stale = self.recoveries = 0

    def train(self, on_epoch: OnEpoch | None, on_step: OnStep | None = None) -> None:
        """Train until nothing improves, or a limit is reached, or `on_epoch` says stop."""
        started, rows_before = time.monotonic(), self.rows
        deadline = started + 60 * self.config.max_training_time
        rows_per_epoch = self.objective.rows_per_epoch(self.first_batch_size)
        rows_wanted = self.config.max_epochs * rows_per_epoch
        if not self.objective.validates:
            if self.objective.n_rows > 1:
                warnings.warn(
                    f"Of {self.objective.n_rows} rows none validates, so nothing says when to stop: the model has the "
                    "shares of each column, and no ties between them. With a validation_split above 0 and two subjects "
                    "or more it learns them.",
                    stacklevel=2,
                )
            return
        while self.epoch or (self.rows < rows_wanted and time.monotonic() < deadline and self._may_improve()):
            batch_size = self.batch_size
            training_loss = self._epoch(rows_wanted, started, on_step)
            if self.batch_size < batch_size:
                give_back(self.device)
                if self.epoch and self.epoch.n_batches == 0:
                    self.epoch = None
                    continue
            validation_loss = self._validate()
            if not (math.isfinite(training_loss) and math.isfinite(validation_loss)):
                self._recover()
                continue
            elapsed = time.monotonic() - started
            epoch = self.rows / rows_per_epoch
            record = EpochRecord(epoch, self.rows, training_loss, validation_loss, self.learning_rate)
            self.history.append(record)
            self._judge(validation_loss)
            self.epoch = None
            progress = EpochProgress(
                epoch, record.rows, training_loss, validation_loss, record.learning_rate,
                (self.rows - rows_before) / elapsed, elapsed, self.config.max_epochs, self.training_state,
            )  # fmt: skip
            if on_epoch is not None and on_epoch(progress):
                break
        if self.recoveries and not math.isfinite(self.best_loss):
            raise EngineError(
                f"The loss was not finite in any of {self.recoveries} epochs, last at learning rate "
                f"{self.learning_rate:.2g}. Train with a smaller batch_size, or look for extreme values in the table."
            )

    def _may_improve(self) -> bool:
        return self.drops <= DROPS and self.recoveries <= MOST_RECOVERIES

    def _epoch(self, rows_wanted: float, started: float, on_step: OnStep | None) -> float:
        """Train one pass over the rows, or what is left of it; return the mean loss per row."""
        most_seconds = 60 * self.config.max_training_time
        is_late = self.rows >= NOISY * rows_wanted or time.monotonic() - started >= NOISY * most_seconds
        epoch = self.epoch = self.epoch or Epoch.begin(self._dropout_shares(is_late), self.rng, self.device)
        dropouts = Dropouts(*epoch.dropouts)
        for batch in epoch.batches_left(self.objective, self.batch_size, self.rng):
            elapsed = time.monotonic() - started
            if self.rows >= rows_wanted or elapsed > most_seconds:
                break
            size = self.objective.size(batch)
            try:
                loss = self._step(batch, dropouts)
            except (MemoryError, RuntimeError) as error:
                self._halve(error)
                break
            epoch.count(loss, size)
            self.rows += size
            if on_step is not None:
                on_step(elapsed, self.training_state)
        return epoch.loss

    def _dropout_shares(self, is_late: bool) -> tuple[float, float]:
        """Return the dropout of embeddings and hidden units: less where there are more rows, none at the end.

        What noise teaches is sharper without it, so shares would be off by some hundredths. Epochs without it mend
        that, and are not kept where they only overfit.
        """
        if self.drops or is_late:
            return 0.0, 0.0
        scale = min(1.0, math.sqrt(FEW_ROWS / self.objective.n_rows))
        return scale * self.width.embedding_dropout, scale * self.width.hidden_dropout

    def _step(self, batch: Any, dropouts: Dropouts) -> Tensor:
        with torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.device.type == "cuda"):
            loss = self.objective.loss(batch, dropouts, self.rng)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        self.steps += 1
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * min(1.0, self.steps / WARM_UP_STEPS)
        self.optimizer.step()
        # Early steps count less, or the average would remember the first weights for a thousand steps.
        decay = min(AVERAGE_DECAY, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averaged, [p.detach() for p in self.parameters], 1 - decay)
        return loss.detach()

    def _halve(self, error: Exception) -> None:
        """Go on with half the rows per step, after a step that did not fit into memory; raise any other error again."""
        if not is_out_of_memory(error) or self.batch_size <= FEWEST_BATCH:
            raise error
        self.optimizer.zero_grad(set_to_none=True)
        self.batch_size //= 2
        self.learning_rate /= math.sqrt(2)
        self.optimizer = self._new_optimizer()  # the step may have left the old one half laid out
        warnings.warn(
            f"A training step did not fit into the memory of {self.device}: training goes on with {self.batch_size} "
            "rows per step.",
            stacklevel=2,
        )

    @torch.no_grad()
    def _validate(self) -> float:
        """Return the averaged weights' loss per row on the same rows under the same orders every time."""
        trained = self._copy()
        self._set(self.averaged)
        rng = torch.Generator().manual_seed(self.seed.child("validation").value % 2**63)
        loss = self.objective.validation_loss(rng)
        self._set(trained)
        return loss

    def _judge(self, validation_loss: float) -> None:
        """Keep the best weights; drop the learning rate when nothing improves."""
        self.stale = 0 if validation_loss < self.best_loss * (1 - LEAST_GAIN) else self.stale + 1
        if validation_loss < self.best_loss:
            self.best_loss = validation_loss
            self.best = [average.clone() for average in self.averaged]
        if self.stale >= PATIENCE:
            self.drops += 1
            self.stale = 0
            self._restart_from_best()

    def _recover(self) -> None:
        """Leave an epoch whose loss is not finite; after too many of them the training ends."""
        self.epoch = None
        self.recoveries += 1
        goes_on = self.recoveries <= MOST_RECOVERIES
        warnings.warn(
            f"The loss became non-finite in the epoch that ended at step {self.steps}, at learning rate "
            f"{self.learning_rate:.2g}: training {'goes on from' if goes_on else 'ends with'} the best weights so far.",
            stacklevel=3,
        )
        self._restart_from_best()

    def _restart_from_best(self) -> None:
        """Go on from the best weights at a lower learning rate."""
        self._set(self.best)
        self.averaged = [best.clone() for best in self.best]
        self.learning_rate *= DROP_FACTOR
        self.optimizer = self._new_optimizer()

    def _new_optimizer(self) -> torch.optim.AdamW:
        return torch.optim.AdamW(self.parameters, lr=self.learning_rate, weight_decay=WEIGHT_DECAY, fused=True)

    def _copy(self) -> list[Tensor]:
        return [parameter.detach().clone() for parameter in self.parameters]

    @torch.no_grad()
    def _set(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self.parameters, values, strict=True):
            parameter.copy_(value)

    def training_state(self) -> bytes:
        """Return where the training stands, as bytes; see `TrainingState`."""
        tensors = {"generator": self.rng.get_state()}
        for name, parameter, averaged, best in zip(self.names, self.parameters, self.averaged, self.best, strict=True):
            tensors |= {f"weight.{name}": parameter.detach(), f"averaged.{name}": averaged, f"best.{name}": best}
            for part, value in self.optimizer.state.get(parameter, {}).items():
                tensors[f"{part}.{name}"] = value
        counts = None
        if self.epoch is not None:
            tensors, counts = tensors | self.epoch.tensors(), self.epoch.counts()
        best_loss = self.best_loss if math.isfinite(self.best_loss) else None
        schedule = Schedule(
            self.learning_rate,
            self.batch_size,
            self.steps,
            self.rows,
            self.drops,
            self.stale,
            self.recoveries,
            best_loss,
        )
        kept = {name: value.cpu().contiguous() for name, value in tensors.items()}
        return TrainingState(self.identity, schedule, tuple(self.history), kept, counts, self.warm_start).to_bytes()

    @torch.no_grad()
    def resume(self, data: bytes) -> None:
        """Go on where `training_state` was made; ConfigError if it belongs to another training."""
        state = TrainingState.from_bytes(data)
        for values, kind in ((self.parameters, "weight"), (self.averaged, "averaged"), (self.best, "best")):
            fill(values, [state.tensors.get(f"{kind}.{name}") for name in self.names])
        state.identity.check_same(self.identity)
        for name, parameter in zip(self.names, self.parameters, strict=True):
            parts = {p: state.tensors.get(f"{p}.{name}") for p in ("step", "exp_avg", "exp_avg_sq")}
            # The optimizer's step counter stays where it was made, the moments go where the weights are.
            self.optimizer.state[parameter] = {p: v.to(self.device) for p, v in parts.items() if v is not None}
        schedule = state.schedule
        self.learning_rate, self.batch_size = schedule.learning_rate, schedule.batch_size
        self.steps, self.rows, self.drops = schedule.steps, schedule.rows, schedule.drops
        self.stale, self.recoveries = schedule.stale, schedule.recoveries
        self.best_loss = math.inf if schedule.best_loss is None else schedule.best_loss
        self.history, self.warm_start = list(state.history), state.warm_start
        self.rng.set_state(state.tensors["generator"])
        if state.epoch is not None:
            self.epoch = Epoch.read(state.epoch, state.tensors, self.rng, self.device)

    def best_weights(self) -> dict[str, np.ndarray]:
        """Return the best weights by name, rounded to float16: half the bytes, and no loss that a draw could show."""
        return {name: value.half().cpu().numpy() for name, value in zip(self.names, self.best, strict=True)}


def fill(values: list[Tensor] | list[nn.Parameter], given: list[Tensor | None]) -> None:
    """Copy the tensors of a training state, of the same shapes; ConfigError for others."""
    for value, new in zip(values, given, strict=True):
        if new is None or new.shape != value.shape:
            raise ConfigError(
                "The training state is of another network than the one to be trained: the table's encodings, the "
                "model_size or the context changed. Train from the start."
            )
        value.copy_(new)
