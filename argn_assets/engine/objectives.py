"""What a training run minimises: batches of codes, their loss, and a validation that is the same every time."""

# B rows of a batch, R rows of packed sequences, S sub-columns, U sub-columns of the context, G sequences
from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from argn_assets.engine.batches import FlatBatch, code_rows, shuffled_batches
from argn_assets.engine.config import MANY_WEIGHTS
from argn_assets.engine.families.argn.dropout import NO_DROPOUT, Dropouts
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.flat_with_siblings import FlatWithSiblings
from argn_assets.engine.families.argn.sequential import SequentialModel
from argn_assets.engine.families.argn.siblings import with_summaries
from argn_assets.engine.packing import Packed, Windows, batches_of, cut_windows, pack
from argn_assets.engine.parallel import ONE_THREAD, Threads, threads_for
from argn_assets.engine.row_losses import row_losses
from argn_assets.engine.siblings import SiblingRows, of_rows, sibling_rows
from argn_assets.tables.encode import EncodedSibling, EncodedTable
from argn_assets.tables.sequences import SequenceLengths

MOST_ORDERS = 4  # orders of the columns in one step, each for an equal share of the rows
ROWS_PER_ORDER = 128  # at least, because masking the weights costs the same for few rows as for many
ROWS_PER_THREAD = 512  # at least; with fewer, threads wait for each other longer than they compute
VALIDATION_EVALUATIONS = 4096  # rows times orders that one validation looks at, at least
MOST_REPEATS = 16  # of the validation rows, under other orders
VALIDATION_BATCH = 1024
SHARE_OF_ENDS = 0.25  # of the sequences that ask after their last row how long they are; they count as four
LENGTH_AGAIN = 0.1  # weight of predicting the length at later rows, which only continued sequences use
HIDDEN_CONTEXT = 0.05  # of the context's cells are hidden in training: so are values that are given later and not known


class Objective(Protocol):
    """The model to be trained and the rows it is trained on."""

    @property
    def model(self) -> nn.Module:
        """The network."""

    @property
    def n_rows(self) -> int:
        """Rows trained on."""

    @property
    def validates(self) -> bool:
        """Whether there are rows to validate with."""

    def rows_per_epoch(self, batch_size: int) -> int:
        """Return the rows of one epoch's batches."""

    def batches(self, batch_size: int, rng: torch.Generator) -> Iterator[Any]:
        """Yield one epoch's batches of about `batch_size` rows."""

    def size(self, batch: Any) -> int:
        """Return the rows of a batch."""

    def shared(self, batch_size: int) -> AbstractContextManager[None]:
        """Let threads share steps of this size meanwhile, where that is faster than torch's own sharing."""

    def loss(self, batch: Any, dropout: Dropouts, rng: torch.Generator) -> Tensor:
        """Return the loss of a batch in nats per row."""

    def validation_loss(self, rng: torch.Generator) -> float:
        """Return the loss of the validation rows in nats per row; the same `rng` gives the same orders."""


def orders_of(batch_size: int, any_order: bool) -> int:
    """Return how many orders of the columns a step of `batch_size` rows draws."""
    return max(1, min(MOST_ORDERS, batch_size // ROWS_PER_ORDER)) if any_order else 1


def validation_orders(model: FlatModel, n_rows: int) -> tuple[int, int]:
    """Return how often validation goes through `n_rows` rows, and under how many orders at once.

    Fewer where the network is large: its weights are masked for every order, and the loss of many columns wavers less.
    """
    share = min(1.0, MANY_WEIGHTS / max(1, model.first_weight.numel()))
    repeats = min(MOST_REPEATS, math.ceil(share * VALIDATION_EVALUATIONS / n_rows))
    return repeats, max(1, round(share * 2 * MOST_ORDERS))


@dataclass
class FlatObjective:
    """Rows that stand alone, or beside a context: its codes stand before theirs, its siblings beside them."""

    model: FlatModel | FlatWithSiblings
    encoded: EncodedTable
    any_order: bool
    device: torch.device
    threads: Threads = ONE_THREAD

    def __post_init__(self) -> None:
        training, validating = (np.flatnonzero(self.encoded.validation == which) for which in (False, True))
        self.training = code_rows(self.encoded, training, self.device)
        self.validation = code_rows(self.encoded, validating, self.device)
        siblings = sibling_rows(tuple(self.encoded.siblings.values()), self.device)
        self.training_siblings, self.validation_siblings = of_rows(siblings, training), of_rows(siblings, validating)
        self.n_rows, self.validates = len(self.training), len(self.validation) > 0
        self.row = self.model.row if isinstance(self.model, FlatWithSiblings) else self.model
        self.row.start_from_marginals(self.training, only=not self.validates)

    def rows_per_epoch(self, batch_size: int) -> int:
        """Return the rows of one epoch's batches."""
        return self.n_rows // batch_size * batch_size

    def batches(self, batch_size: int, rng: torch.Generator) -> Iterator[FlatBatch]:
        """Yield one epoch's batches, leaving out the rows that do not fill one."""
        return shuffled_batches(self.training, batch_size, rng)

    def size(self, batch: FlatBatch) -> int:
        """Return the rows of a batch."""
        return len(batch.codes)

    @contextmanager
    def shared(self, batch_size: int) -> Iterator[None]:
        """Let threads share steps of this size meanwhile, where that is faster than torch's own sharing."""
        with threads_for(self.device, batch_size // ROWS_PER_THREAD) as self.threads:
            yield

    def loss(self, batch: FlatBatch, dropout: Dropouts, rng: torch.Generator) -> Tensor:
        """Return the loss of a batch in nats per row."""
        n_rows, row = len(batch.codes), self.row
        ranks = row.ranks(orders_of(n_rows, self.any_order), self.any_order, rng, HIDDEN_CONTEXT)
        visible = row.visible_for(ranks)
        base = self._base(of_rows(self.training_siblings, batch.rows.numpy()), dropout)
        return row_losses(row, batch.codes, visible, dropout, base, self.threads) / n_rows

    def _base(self, siblings: Sequence[SiblingRows], dropout: Dropouts = NO_DROPOUT) -> Tensor | None:
        """Return what rows see of the siblings of their context, [B, H]."""
        return self.model.base(siblings, dropout) if isinstance(self.model, FlatWithSiblings) else None

    def validation_loss(self, rng: torch.Generator) -> float:
        """Return the validation loss in nats per row."""
        n_rows, total = len(self.validation), 0.0
        repeats, most_orders = validation_orders(self.row, n_rows) if self.any_order else (1, 1)
        for _ in range(repeats):
            for start in range(0, n_rows, VALIDATION_BATCH):
                codes = self.validation[start : start + VALIDATION_BATCH].long()
                orders = min(len(codes), most_orders)
                visible = self.row.visible_for(self.row.ranks(orders, self.any_order, rng))
                base = self._base(of_rows(self.validation_siblings, slice(start, start + len(codes))))
                total += float(row_losses(self.row, codes, visible, base=base, threads=self.threads))
        return total / (n_rows * repeats)


@dataclass
class SequenceCodes:
    """Sequences to train on.

    Attributes:
        encoded: their rows; an empty sequence has equal offsets.
        context: codes of each sequence's context, [U, G].
        context_columns: number of the column that each of its sub-columns belongs to, [U].
        lengths: cells of their lengths.
        validation: which sequences validate, [G].
        siblings: of each sequence's context.
    """

    encoded: EncodedTable
    context: NDArray[np.generic]
    context_columns: NDArray[np.int64]
    lengths: SequenceLengths
    validation: NDArray[np.bool_]
    siblings: tuple[EncodedSibling, ...] = ()


@dataclass
class SequentialObjective:
    """Sequences: their lengths, then row after row."""

    model: SequentialModel
    data: SequenceCodes
    any_order: bool
    device: torch.device

    def __post_init__(self) -> None:
        encoded, data = self.data.encoded, self.data
        assert encoded.offsets is not None
        self.starts, n_rows = encoded.offsets[:-1], np.diff(encoded.offsets)
        sizes = np.minimum(n_rows, data.lengths.most)
        self.codes = code_rows(encoded, np.arange(encoded.n_rows), self.device)
        self.context = torch.from_numpy(np.ascontiguousarray(data.context.T).astype(np.int64)).to(self.device)
        self.context_columns = torch.from_numpy(data.context_columns)
        self.siblings = sibling_rows(data.siblings, self.device)
        self.cells = torch.from_numpy(data.lengths.cell_of(sizes)).to(self.device)
        self.sizes = sizes
        self.training, self.validating = np.flatnonzero(~data.validation), np.flatnonzero(data.validation)
        self.n_rows = int(np.maximum(1, sizes[self.training]).sum())
        self.validates = len(self.validating) > 0
        # Rows beyond the longest length that may be shown are not learnt.
        is_shown = np.arange(encoded.n_rows) - np.repeat(self.starts, n_rows) < np.repeat(sizes, n_rows)
        in_training = np.repeat(~data.validation, n_rows) & is_shown
        rows = self.codes[torch.from_numpy(np.flatnonzero(in_training)).to(self.device)]
        self.model.start_from_marginals(rows, self.cells[self._tensor(self.training)], only=not self.validates)

    def _tensor(self, numbers: NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(numbers)).to(self.device)

    def _windows(self, chosen: NDArray[np.int64], rng: np.random.Generator | None) -> Windows:
        windows = cut_windows(self.sizes[chosen], self.model.layout.window, rng)
        return Windows(chosen[windows.sequence], windows.first, windows.size)

    def rows_per_epoch(self, batch_size: int) -> int:
        """Return the rows of one epoch's batches: all."""
        return self.n_rows

    def batches(self, batch_size: int, rng: torch.Generator) -> Iterator[Packed]:
        """Yield one epoch's batches: every row once, in windows cut and shuffled anew."""
        order = np.random.default_rng(int(torch.randint(2**62, (), generator=rng)))
        for windows in batches_of(self._windows(self.training, order), batch_size, order):
            is_end = windows.first + windows.size == self.sizes[windows.sequence]
            yield pack(windows, self.starts, self.sizes, is_end & (order.random(len(is_end)) < SHARE_OF_ENDS))

    def size(self, batch: Packed) -> int:
        """Return the rows of a batch; a sequence without rows counts as one."""
        return int(np.maximum(1, batch.windows.size).sum())

    def shared(self, batch_size: int) -> AbstractContextManager[None]:
        """Do nothing: most operations of a sequence's steps are too small to be shared."""
        return nullcontext()

    def loss(self, batch: Packed, dropout: Dropouts, rng: torch.Generator) -> Tensor:
        """Return the loss of a batch in nats per row."""
        n_orders = orders_of(len(batch.row), self.any_order)
        first, again, rows = self._losses(batch, n_orders, dropout, rng, HIDDEN_CONTEXT)
        return (first + LENGTH_AGAIN * again + rows) / self.size(batch)

    def _losses(
        self, batch: Packed, n_orders: int, dropout: Dropouts, rng: torch.Generator, hidden: float = 0.0
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the summed losses of lengths at first rows, lengths at later rows, and rows."""
        model, sequence = self.model, self._tensor(batch.windows.sequence)
        codes = self.codes.index_select(0, self._tensor(batch.row)).long()  # [R, S]
        index, left = self._tensor(batch.index), self._tensor(batch.left)
        window = self._tensor(batch.window)
        read = model.siblings.read(of_rows(self.siblings, batch.windows.sequence), dropout)
        shown = self._shown_context(len(sequence), hidden, rng)
        context = dropout.embedded(model.embed_context(self.context[sequence], shown))
        context = with_summaries(context, read)[window]
        seen = model.seen_before(codes, context, index, batch.sizes, self._tensor(batch.previous), dropout)
        seen = model.siblings.with_attended(seen, index, read, batch.sizes)
        lengths = functional.cross_entropy(
            model.length_logits(seen), self.cells[sequence][window], reduction="none"
        )  # [R]
        is_first = index == 0
        weights = torch.where(left > 0, 1.0, 1.0 / SHARE_OF_ENDS)
        again = (lengths * weights * ~is_first).sum()
        real = (left > 0).nonzero().squeeze(1)
        if len(real) < len(codes):
            codes, seen, left = codes[real], seen[real], left[real]
        rows = codes.new_zeros((), dtype=torch.float32)
        if len(codes) and codes.shape[1]:
            visible = model.row.visible_for(model.row.ranks(n_orders, self.any_order, rng))
            rows = row_losses(model.row, codes, visible, dropout, model.base(seen, left))
        return (lengths * is_first).sum(), again, rows

    def _shown_context(self, n_sequences: int, hidden: float, rng: torch.Generator) -> Tensor | None:
        """Return which context cells of sequences are shown, [B, U] of 0 and 1, where a share of them is `hidden`."""
        if not len(self.context_columns) or not hidden:
            return None
        n_columns = int(self.context_columns[-1]) + 1
        is_shown = torch.rand(n_sequences, n_columns, generator=rng) >= hidden
        return is_shown[:, self.context_columns].float().to(self.device)

    def validation_loss(self, rng: torch.Generator) -> float:
        """Return the validation loss in nats per row."""
        windows, total = self._windows(self.validating, None), 0.0
        n_rows = int(np.maximum(1, self.sizes[self.validating]).sum())
        repeats, n_orders = validation_orders(self.model.row, n_rows) if self.any_order else (1, 1)
        for _ in range(repeats):
            for batch in batches_of(windows, VALIDATION_BATCH, None):
                packed = pack(batch, self.starts, self.sizes)
                first, _, rows = self._losses(packed, n_orders, NO_DROPOUT, rng)
                total += float(first) + float(rows)
        return total / (n_rows * repeats)
