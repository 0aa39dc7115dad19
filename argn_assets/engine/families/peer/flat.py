"""An imported model of a flat table."""

# B rows, S sub-columns, U sub-columns of the context, H hidden units
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from argn_assets.engine.families.peer.context import ContextReader
from argn_assets.engine.families.peer.layout import PeerLayout
from argn_assets.engine.families.peer.network import PeerNetwork, Weights, load_network
from argn_assets.engine.families.peer.steps import PeerSteps
from argn_assets.engine.siblings import SiblingRows


class PeerFlat:
    """A loaded flat model; a `FlatGenerator`."""

    def __init__(self, layout: PeerLayout, weights: Weights, device: torch.device, dtype: torch.dtype):
        self.network: PeerNetwork = load_network(layout, weights, device, dtype)
        self.reader = ContextReader(layout, self.network, weights)
        self.device = self.network.device
        sizes = [max(1, c.n_steps) * len(c.sub_columns) for c in layout.context]
        self.n_context = sum(sizes)
        sizes += [len(c.sub_columns) for c in layout.target]
        self.columns: Sequence[int] = [number for number, size in enumerate(sizes) for _ in range(size)]

    def steps(self, order: Sequence[int], n_given: int) -> PeerSteps:
        """Arrange the sub-columns in an order, [S]; only its first `n_given` are ever shown when a batch begins."""
        return PeerSteps(self.network, order, n_given, self.n_context, 0, self._base)

    def base_of(self, siblings: Sequence[SiblingRows]) -> None:
        """Return nothing: the lists of an imported context are sub-columns."""

    def _base(self, codes: Tensor) -> Tensor:
        """Return the first layer of what the context's codes say, [U, B] -> [B, H]."""
        context = self.reader.read(codes)
        return torch.addmm(self.network.bias, torch.cat([context.flat, context.last_states()], 1), self.network.outside)
