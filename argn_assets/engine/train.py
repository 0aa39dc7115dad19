"""Training: AdamW on averaged weights, a fixed validation, early stopping, the best weights kept."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn

from argn_assets import __version__
from argn_assets.artifact import EpochRecord, ModelArtifact
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.batches import code_rows, shuffled_batches
from argn_assets.engine.config import TrainingConfig, batch_size_for
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.layout import layout_of
from argn_assets.errors import DataError, EngineError
from argn_assets.seeds import Seed
from argn_assets.tables.encode import EncodedTable
from argn_assets.tables.stats import TableStats

MOST_ORDERS = 4  # orders of the columns in one step, each for an equal share of the rows
ROWS_PER_ORDER = 128  # at least, because masking the weights costs the same for few rows as for many
VALIDATION_EVALUATIONS = 4096  # rows times orders that one validation looks at, at least
VALIDATION_BATCH = 1024
AVERAGE_DECAY = 0.999  # per step, of the averaged weights that are validated and kept
WARM_UP_STEPS = 100
CLIP_NORM = 10.0
WEIGHT_DECAY = 0.1
LEAST_GAIN = 1e-4  # of the validation loss, for an epoch to count as an improvement
PATIENCE = 3  # epochs without improvement before the learning rate drops, and after the last drop training ends
DROPS = 2
DROP_FACTOR = 0.3
MOST_RECOVERIES = 3  # from a loss that is not finite


@dataclass(frozen=True, slots=True)
class EpochProgress:
    """Where a training stands after an epoch: losses are nats per row; `rows` were seen so far, in all epochs."""

    epoch: float
    rows: int
    training_loss: float
    validation_loss: float | None
    learning_rate: float
    rows_per_second: float
    elapsed_seconds: float
    max_epochs: float


OnEpoch = Callable[[EpochProgress], bool | None]


def train_model(
    encoded: EncodedTable,
    stats: TableStats,
    config: TrainingConfig,
    seed: Seed,
    *,
    on_epoch: OnEpoch | None = None,
    context: EncodedTable | None = None,
    context_stats: TableStats | None = None,
) -> ModelArtifact:
    """Train a flat model.

    Args:
        encoded: the table, N rows.
        stats: its statistics.
        config: settings.
        seed: decides the first weights, the order of rows and columns, and dropout.
        on_epoch: told after every epoch; returning True ends the training, keeping the best weights.
        context: for every row the codes of its context, N rows; or None.
        context_stats: statistics of the context.
    Raises:
        DataError: the table has no rows.
        EngineError: the loss stayed non-finite after several recoveries.
    """
    if encoded.n_rows == 0:
        raise DataError("The encoded table has no rows. Training needs at least one.")
    groups = [[s.cardinality for s in subs] for part in (context, encoded) if part for subs in part.columns.values()]
    device = choose_device(config.device)
    weights: dict[str, np.ndarray] = {}
    history: tuple[EpochRecord, ...] = ()
    layout = layout_of(groups, len(context.columns) if context else 0, config.model_size)
    if encoded.columns:
        with torch.random.fork_rng(devices=[]), flushed_denormals():
            torch.manual_seed(seed.child("weights").value % 2**63)
            run = _Run(FlatModel(layout).to(device), _joined(encoded, context), config, seed, device)
            run.train(on_epoch)
        weights, history = run.best_weights(), tuple(run.history)
    return ModelArtifact(
        weights=weights,
        is_sequential=False,
        model_size=config.model_size,
        network=layout.to_json(),
        tgt_cardinalities={s.name: s.cardinality for s in encoded.sub_columns},
        ctx_cardinalities={s.name: s.cardinality for s in context.sub_columns} if context else {},
        enable_flexible_generation=config.any_order,
        tgt_stats=stats,
        ctx_stats=context_stats,
        tgt_primary_key=stats.schema.primary_key,
        tgt_context_key=stats.schema.context_key,
        ctx_primary_key=context_stats.schema.primary_key if context_stats else None,
        history=history,
        provenance={"argn_assets": __version__, "seed": seed.value, "n_rows": encoded.n_rows},
    )


def _joined(encoded: EncodedTable, context: EncodedTable | None) -> EncodedTable:
    """Return context and target as one block of codes, context first."""
    if context is None:
        return encoded
    dtype = np.promote_types(encoded.codes.dtype, context.codes.dtype)
    codes = np.concatenate([context.codes.astype(dtype), encoded.codes.astype(dtype)])
    return EncodedTable({}, codes, encoded.validation)


def choose_device(device: str) -> torch.device:
    """Return the torch device of a setting: `auto` is a GPU where there is one."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    return torch.device(device)


@dataclass
class _Run:
    """One training in progress."""

    model: FlatModel
    encoded: EncodedTable
    config: TrainingConfig
    seed: Seed
    device: torch.device
    history: list[EpochRecord] = field(default_factory=list)
    best_loss: float = math.inf
    best: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        validation = self.encoded.validation
        self.training_codes = code_rows(self.encoded, np.flatnonzero(~validation), self.device)
        self.validation_codes = code_rows(self.encoded, np.flatnonzero(validation), self.device)
        self.rng = torch.Generator().manual_seed(self.seed.child("order").value % 2**63)
        n_rows = len(self.training_codes)
        self.batch_size = min(self.config.batch_size or batch_size_for(n_rows), max(1, n_rows))
        wanted = max(1, min(MOST_ORDERS, self.batch_size // ROWS_PER_ORDER))
        self.n_orders = math.gcd(self.batch_size, wanted) if self.config.any_order else 1
        self.dropouts = self.model.dropouts(self.rng)
        self.parameters = list(self.model.parameters())
        self.model.start_from_marginals(self.training_codes, only=not len(self.validation_codes))
        self.averaged = self._copy()
        self.best = self._copy()
        self.learning_rate = 0.001 * math.sqrt(self.batch_size / 32)
        self.optimizer = self._new_optimizer()
        self.steps = self.rows = self.drops = self.stale = self.recoveries = 0

    def train(self, on_epoch: OnEpoch | None) -> None:
        """Train until nothing improves, or a limit is reached, or `on_epoch` says stop."""
        started = time.monotonic()
        deadline = started + 60 * self.config.max_training_time
        steps_per_epoch = max(1, len(self.training_codes) // self.batch_size)
        last_step = math.ceil(self.config.max_epochs * steps_per_epoch)
        if not len(self.validation_codes):
            return
        while self.steps < last_step and time.monotonic() < deadline and self.drops <= DROPS:
            training_loss = self._epoch(last_step, deadline)
            validation_loss = self._validate()
            elapsed = time.monotonic() - started
            record = EpochRecord(
                self.steps / steps_per_epoch, self.rows, training_loss, validation_loss, self.learning_rate
            )
            self.history.append(record)
            self._judge(training_loss, validation_loss)
            progress = EpochProgress(
                record.epoch, record.rows, training_loss, validation_loss, record.learning_rate,
                self.rows / elapsed, elapsed, self.config.max_epochs,
            )  # fmt: skip
            if on_epoch is not None and on_epoch(progress):
                return

    def _epoch(self, last_step: int, deadline: float) -> float:
        """Train one pass over the rows; return the mean loss per row."""
        total = torch.zeros((), device=self.device)
        steps = 0
        for codes in shuffled_batches(self.training_codes, self.batch_size, self.rng):
            if self.steps >= last_step or time.monotonic() > deadline:
                break
            total += self._step(codes)
            steps += 1
        return float(total) / max(1, steps)

    def _step(self, codes: Tensor) -> Tensor:
        visible = self.model.visible_for(self.model.ranks(self.n_orders, self.config.any_order, self.rng))
        losses = self.model.losses(codes, visible, self.dropouts)
        loss = torch.stack([block.sum() for block in losses]).sum() / len(codes)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(self.parameters, CLIP_NORM)
        self.steps += 1
        self.rows += len(codes)
        for group in self.optimizer.param_groups:
            group["lr"] = self.learning_rate * min(1.0, self.steps / WARM_UP_STEPS)
        self.optimizer.step()
        # Early steps count less, or the average would remember the first weights for a thousand steps.
        decay = min(AVERAGE_DECAY, (1 + self.steps) / (10 + self.steps))
        torch._foreach_lerp_(self.averaged, [p.detach() for p in self.parameters], 1 - decay)
        return loss.detach()

    @torch.no_grad()
    def _validate(self) -> float:
        """Return the averaged weights' loss per row on the same rows under the same orders every time."""
        trained = self._copy()
        self._set(self.averaged)
        rng = torch.Generator().manual_seed(self.seed.child("validation").value % 2**63)
        n_rows = len(self.validation_codes)
        repeats = min(16, math.ceil(VALIDATION_EVALUATIONS / n_rows)) if self.config.any_order else 1
        total = 0.0
        for _ in range(repeats):
            for start in range(0, n_rows, VALIDATION_BATCH):
                codes = self.validation_codes[start : start + VALIDATION_BATCH]
                orders = math.gcd(len(codes), 2 * MOST_ORDERS) if self.config.any_order else 1
                visible = self.model.visible_for(self.model.ranks(orders, self.config.any_order, rng))
                total += sum(float(block.sum()) for block in self.model.losses(codes.long(), visible))
        self._set(trained)
        return total / (n_rows * repeats)

    def _judge(self, training_loss: float, validation_loss: float) -> None:
        """Keep the best weights; drop the learning rate when nothing improves; recover from a non-finite loss."""
        if not (math.isfinite(training_loss) and math.isfinite(validation_loss)):
            self._recover()
            return
        self.stale = 0 if validation_loss < self.best_loss * (1 - LEAST_GAIN) else self.stale + 1
        if validation_loss < self.best_loss:
            self.best_loss = validation_loss
            self.best = [average.clone() for average in self.averaged]
        if self.stale >= PATIENCE:
            self.drops += 1
            self.stale = 0
            self._restart_from_best()

    def _recover(self) -> None:
        self.recoveries += 1
        if self.recoveries > MOST_RECOVERIES:
            raise EngineError(
                f"The loss became non-finite {self.recoveries} times, last at learning rate {self.learning_rate:.2g}, "
                f"step {self.steps}. Train with a smaller batch_size, or look for extreme values in the table."
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

    def best_weights(self) -> dict[str, np.ndarray]:
        """Return the best weights by name, rounded to float16: half the bytes, and no loss that a draw could show."""
        names = [name for name, _ in self.model.named_parameters()]
        return {name: value.half().cpu().numpy() for name, value in zip(names, self.best, strict=True)}
