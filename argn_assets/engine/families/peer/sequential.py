"""An imported model of sequences: the state of each sequence, and what its next row sees of it."""

# B sequences, S sub-columns, U sub-columns of the context, H hidden units, R rows before, K codes,
# L combinations of the digits of a position
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from argn_assets.engine.families.peer.context import ContextReader, PeerContext
from argn_assets.engine.families.peer.layout import PeerLayout
from argn_assets.engine.families.peer.network import Weights, load_lstm, load_network
from argn_assets.engine.families.peer.steps import PeerSteps
from argn_assets.engine.siblings import SiblingRows


@dataclass(frozen=True)
class PeerState:
    """Sequences between two rows, all of them after the same number of rows.

    Attributes:
        context: what is given of each sequence.
        index: rows so far.
        history: what is remembered of them, [B, M].
        memory: state of the recurrence, two of [layers, B, M].
    """

    context: PeerContext
    index: int
    history: Tensor
    memory: tuple[Tensor, Tensor]


class PeerSequence:
    """A loaded sequential model; a `SequenceGenerator`.

    Args:
        layout: the columns.
        weights: by the peer's names.
        least: rows of the shortest sequence that may be written.
        device: where it will compute.
        dtype: of weights and logits.
    """

    n_context = 0

    def __init__(self, layout: PeerLayout, weights: Weights, least: int, device: torch.device, dtype: torch.dtype):
        self.layout, self.least, self.most = layout, least, layout.most
        self.network = load_network(layout, weights, device, dtype)
        self.reader = ContextReader(layout, self.network, weights)
        self.recurrence = load_lstm(weights, "history_compressor.compressor_layers.history@", device, dtype)
        n_tables = len(layout.context_tables)
        self.queries = [weights[f"attention.q_projs.{i}.weight"].t().to(device, dtype) for i in range(n_tables)]
        names = [name for column in layout.predicted for name in column.full_names]
        self.embeddings = [weights[f"embedders.embedders.embedder@{n}.weight"].to(device, dtype) for n in names]
        self.device = self.network.device
        self.n_digits = len(layout.positions.sub_columns) // 3
        sizes = [len(column.sub_columns) for column in layout.target]
        self.columns: Sequence[int] = [number for number, size in enumerate(sizes) for _ in range(size)]

    def steps(self, order: Sequence[int], n_given: int) -> PeerSteps:
        """Arrange the sub-columns of a row in an order, [S]; only its first `n_given` are shown when a batch begins."""
        return PeerSteps(self.network, order, n_given, 0, 3 * self.n_digits)

    def begin(self, context: Tensor, siblings: Sequence[SiblingRows] = ()) -> PeerState:
        """Return the state of sequences before their first row, of their context's codes, [U, B] int64.

        An imported context has no siblings beside its codes: its lists are sub-columns.
        """
        read = self.reader.read(context)
        nothing = read.flat.new_zeros(context.shape[1], 1, self.recurrence.input_size)
        history, memory = self.recurrence(nothing)
        return PeerState(read, 0, history[:, 0], memory)

    def length_logits(self, state: PeerState) -> Tensor:
        """Return the logits of the length of the whole sequence, [B, lengths from the least to the most].

        Before the first row the model says the length itself, later how many rows are left.
        """
        kind = 1 if state.index == 0 else 2
        log_probs, numbers = self._numbers(self._outside(state), kind * self.n_digits)
        lengths = (numbers if kind == 1 else numbers + state.index).clamp(self.least, self.most)
        result = log_probs.new_zeros(len(log_probs), self.most - self.least + 1)
        return result.index_add_(1, lengths - self.least, log_probs.exp()).log()

    def base(self, state: PeerState, left: Tensor) -> Tensor:
        """Return what the next row sees from outside it, [B, H], of the rows that are left with it, [B]."""
        return self._outside(state) + self._seen_numbers(left, 2 * self.n_digits)

    def advance(self, state: PeerState, codes: Tensor) -> PeerState:
        """Return the state after another row, of its codes, [S, B]."""
        n_positions = 3 * self.n_digits
        index = self._digits(torch.full((codes.shape[1],), state.index, device=codes.device))
        embedded = [self.embeddings[i][digit] for i, digit in enumerate(index)]
        # The history does not remember how long the sequence is, nor how many rows were left.
        hidden = [e.new_zeros(codes.shape[1], e.shape[1]) for e in self.embeddings[self.n_digits : n_positions]]
        own = [self.embeddings[n_positions + i][code] for i, code in enumerate(codes)]
        history, memory = self.recurrence(torch.cat([*embedded, *hidden, *own], 1)[:, None], state.memory)
        return PeerState(state.context, state.index + 1, history[:, 0], memory)

    def keep(self, state: PeerState, chosen: Tensor) -> PeerState:
        """Return the state of some of the sequences, by their place, [B']."""
        h, c = state.memory
        # The recurrence wants contiguous states.
        memory = (h[:, chosen].contiguous(), c[:, chosen].contiguous())
        return PeerState(state.context.keep(chosen), state.index, state.history[chosen], memory)

    def _outside(self, state: PeerState) -> Tensor:
        """Return the first layer of what lies outside the next row, and of the number of rows before it, [B, H]."""
        attended = state.context.attended([state.history @ query for query in self.queries])
        outside = torch.cat([state.context.flat, attended, state.history], 1)
        hidden = torch.addmm(self.network.bias, outside, self.network.outside)
        return hidden + self._seen_numbers(torch.full((1,), state.index, device=self.device), 0)

    def _digits(self, numbers: Tensor) -> list[Tensor]:
        """Return the codes of numbers of rows, [B]: themselves, or their decimal digits from the highest down."""
        if self.n_digits == 1:
            return [numbers]
        return [numbers // 10**power % 10 for power in range(self.n_digits - 1, -1, -1)]

    def _seen_numbers(self, numbers: Tensor, first: int) -> Tensor:
        """Return what the position that begins at sub-column `first` adds to the first layer, [B] -> [B, H]."""
        network = self.network
        added = network.bias.new_zeros(len(numbers), len(network.bias))
        for sub_column, digit in enumerate(self._digits(numbers), start=first):
            added += network.tables[sub_column][digit] @ network.inside[network.places[sub_column]]
        return added

    def _numbers(self, hidden: Tensor, first: int) -> tuple[Tensor, Tensor]:
        """Return the log-probability of every number of the position that begins at `first`, [B, L], and the numbers.

        Every digit is predicted from those before it, so they are listed digit by digit.
        """
        network, n_rows, last = self.network, len(hidden), first + self.n_digits - 1
        start = network.units[first].start
        hidden = hidden[:, start : network.units[last].stop]
        log_probs = hidden.new_zeros(n_rows, 1)
        numbers = torch.zeros(1, dtype=torch.int64, device=self.device)
        for sub_column in range(first, last + 1):
            units = network.units[sub_column]
            logits = network.logits(sub_column, hidden[:, units.start - start : units.stop - start])
            own = logits.log_softmax(1)  # [B*L, K]
            n_codes = own.shape[1]
            log_probs = (log_probs[:, :, None] + own.view(n_rows, log_probs.shape[1], n_codes)).flatten(1)
            numbers = (numbers[:, None] * 10 + torch.arange(n_codes, device=self.device)).flatten()
            if sub_column < last:
                weight = network.inside[network.places[sub_column], start : network.units[last].stop]
                hidden = (hidden[:, None] + network.tables[sub_column] @ weight).flatten(0, 1)
        return log_probs, numbers
