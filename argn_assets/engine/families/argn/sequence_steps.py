"""A sequential ARGN model one row at a time: the state of each sequence, and what its next row sees of it."""

# B sequences, S sub-columns, U sub-columns of the context, E embedding width, D numbers that remember, H hidden units
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from argn_assets.engine.families.argn.sequential import SequentialModel
from argn_assets.engine.families.argn.siblings import ReadSibling, with_summaries
from argn_assets.engine.families.argn.steps import ArgnSteps
from argn_assets.engine.siblings import SiblingRows


@dataclass(frozen=True)
class SequenceState:
    """Sequences between two rows.

    Attributes:
        context: embeddings of the context and summaries of its siblings, [B, U*E + numbers of the summaries].
        index: rows so far, [B].
        levels: memory of each recurrence, [B, D] each.
        known: memory and embeddings of the last row, [B, D + S*E]; zero before the first.
        siblings: what rows attend to.
    """

    context: Tensor
    index: Tensor
    levels: tuple[Tensor, ...]
    known: Tensor
    siblings: tuple[ReadSibling, ...]


class ArgnSequence:
    """A loaded sequential model; a `SequenceGenerator`."""

    n_context = 0

    def __init__(self, model: SequentialModel):
        self.model = model
        self.device = model.context_offsets.device
        self.columns: Sequence[int] = model.layout.row.columns

    def steps(self, order: Sequence[int], n_given: int) -> ArgnSteps:
        """Arrange the sub-columns of a row in an order, [S]; only its first `n_given` are shown when a batch begins."""
        return ArgnSteps(self.model.row, order, n_given)

    def begin(self, context: Tensor, siblings: Sequence[SiblingRows] = ()) -> SequenceState:
        """Return the state of sequences before their first row, of their context's codes, [U, B] int64."""
        width = self.model.layout.row.width
        read = self.model.siblings.read(siblings)
        embedded = with_summaries(self.model.embed_context(context.t()), read)
        n = context.shape[1]
        memory = embedded.new_zeros(n, width.history)
        known = embedded.new_zeros(n, width.history + len(self.columns) * width.embedding)
        index = torch.zeros(n, dtype=torch.int64, device=self.device)
        return SequenceState(embedded, index, (memory,) * len(self.model.memory_weight), known, read)

    def _seen(self, state: SequenceState) -> Tensor:
        place = self.model.place(self.model.passed, state.index)
        seen = torch.cat([state.known, place, state.context], dim=1)
        return self.model.siblings.with_attended(seen, state.index, state.siblings, [len(seen)])

    def length_logits(self, state: SequenceState) -> Tensor:
        """Return the logits of the length of the whole sequence, [B, K]."""
        return self.model.length_logits(self._seen(state))

    def base(self, state: SequenceState, left: Tensor) -> Tensor:
        """Return what the next row sees from outside it, [B, H], of the rows that are left with it, [B]."""
        return self.model.base(self._seen(state), left)

    def advance(self, state: SequenceState, codes: Tensor) -> SequenceState:
        """Return the state after another row, of its codes, [S, B]."""
        model = self.model
        embedded = model.row.embed(codes.t()).flatten(1)
        passed = model.place(model.passed, state.index)
        memory, levels = model.remember_step(torch.cat([embedded, passed, state.context], dim=1), state.levels)
        known = torch.cat([memory, embedded], dim=1)
        return SequenceState(state.context, state.index + 1, levels, known, state.siblings)

    def keep(self, state: SequenceState, chosen: Tensor) -> SequenceState:
        """Return the state of some of the sequences, by their place, [B']."""
        levels = tuple(level[chosen] for level in state.levels)
        siblings = tuple(sibling.keep(chosen) for sibling in state.siblings)
        return SequenceState(state.context[chosen], state.index[chosen], levels, state.known[chosen], siblings)
