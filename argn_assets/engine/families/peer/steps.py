"""An imported network one sub-column at a time: what is seen grows in the order of the steps."""

# B rows, S sub-columns, D numbers of the row's embeddings, H hidden units, W of one sub-column, K cardinality
from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from argn_assets.engine.families.peer.network import PeerNetwork


class Seen(NamedTuple):
    """What rows see.

    Attributes:
        base: first layer of what lies outside the row, bias included, [B, H].
        embedded: embeddings of the row's codes in the order of the steps, zero for what is not shown, [B, D].
    """

    base: Tensor
    embedded: Tensor


class PeerSteps:
    """The first layer's weights in the order of the steps, so that every step reads a prefix of what is seen.

    Args:
        network: the model.
        order: positions of all sub-columns, context first, [S].
        n_given: how many of them are ever shown when a batch begins; they come first.
        n_context: sub-columns of the context.
        first: the network's sub-column that position `n_context` is.
        base_of: the first layer of what a context's codes say, [U, B] -> [B, H]; None where rows are given theirs.
    """

    def __init__(
        self,
        network: PeerNetwork,
        order: Sequence[int],
        n_given: int,
        n_context: int,
        first: int,
        base_of: Callable[[Tensor], Tensor] | None = None,
    ):
        self.network, self.order, self.n_context, self.base_of = network, list(order), n_context, base_of
        self.own = [position - n_context + first for position in self.order if position >= n_context]
        self.starts = list(accumulate((network.tables[s].shape[1] for s in self.own), initial=0))
        self.n_given = max(0, n_given - n_context)
        arranged = torch.cat([network.inside[network.places[s]] for s in self.own]) if self.own else network.inside[:0]
        self.weights = {s: arranged[:, network.units[s]].contiguous() for s in self.own}  # [D, W] each

    def begin(self, codes: Tensor, shown: Tensor, base: Tensor | None = None) -> Seen:
        """Return what the first step sees: codes, [S, B] int64, where `shown`, [S, B], and nothing elsewhere.

        `base` is the first layer of what lies outside the row, [B, H]; None takes it from the context's codes.
        """
        network = self.network
        if base is None:
            assert self.base_of is not None, "rows of a sequence are given what lies outside them"
            base = self.base_of(codes[: self.n_context])
        n_rows = codes.shape[1]
        embedded = torch.zeros(n_rows, self.starts[-1], device=network.device, dtype=network.inside.dtype)
        for place, position in enumerate(p for p in self.order if p >= self.n_context):
            if bool(shown[position].any()):
                self._put(place, embedded, codes[position], shown[position])
        return Seen(base, embedded)

    def _put(self, place: int, embedded: Tensor, codes: Tensor, shown: Tensor | None) -> None:
        table = self.network.tables[self.own[place]]
        at = slice(self.starts[place], self.starts[place + 1])
        embedded[:, at] = table[codes] if shown is None else table[torch.where(shown, codes, 0)] * shown[:, None]

    def logits(self, step: int, seen: Seen) -> Tensor:
        """Return the logits of the sub-column `order[step]` given all that is seen, [B, K]."""
        place = step - self.n_context
        sub_column = self.own[place]
        prefix = self.starts[max(place, self.n_given)]
        units = self.network.units[sub_column]
        hidden = torch.addmm(seen.base[:, units], seen.embedded[:, :prefix], self.weights[sub_column][:prefix])
        return self.network.logits(sub_column, hidden)

    def show(self, step: int, seen: Seen, codes: Tensor, shown: Tensor | None = None) -> None:
        """Add the codes of `order[step]`, [B], to what is seen; of some rows only where `shown`, [B], is passed."""
        self._put(step - self.n_context, seen.embedded, codes, shown)

    def rows(self, seen: Seen, part: slice | Tensor) -> Seen:
        """Return what is seen of some rows, a slice of them or their numbers."""
        return Seen(seen.base[part], seen.embedded[part])

    def repeat(self, seen: Seen, times: int) -> Seen:
        """Return what is seen with every row `times` times in a row, as a copy, [B] -> [B * times]."""
        return Seen(seen.base.repeat_interleave(times, 0), seen.embedded.repeat_interleave(times, 0))
