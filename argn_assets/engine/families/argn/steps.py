"""A flat ARGN model one sub-column at a time: the network's first layer arranged in the order of the steps."""

# B rows, S sub-columns, E embedding width, H hidden units, W hidden units of one sub-column, K cardinality
from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.siblings import SiblingRows


class ArgnFlat:
    """A loaded flat model; a `FlatGenerator`. `base` reads the siblings of a context that has some."""

    def __init__(self, model: FlatModel, base: Callable[[Sequence[SiblingRows]], Tensor] | None = None):
        self.model, self._base = model, base
        self.device = model.offsets.device
        self.columns: Sequence[int] = model.layout.columns
        self.n_context = model.layout.n_context

    def steps(self, order: Sequence[int], n_given: int) -> ArgnSteps:
        """Arrange the sub-columns in an order, [S]; only its first `n_given` are ever shown when a batch begins."""
        return ArgnSteps(self.model, order, n_given)

    def base_of(self, siblings: Sequence[SiblingRows]) -> Tensor | None:
        """Return what rows see of their context's siblings, [B, H]; None of a model without."""
        return self._base(siblings) if self._base is not None else None


class ArgnSteps:
    """The first layer's weights in the order of the steps, so that every step reads a prefix of what is seen.

    What is seen is the embeddings in that order, [B, S*E], zero for what is not shown; after them, in sequences and
    beside siblings, what the row sees from outside, [B, H].
    """

    def __init__(self, model: FlatModel, order: Sequence[int], n_given: int):
        self.model, self.order, self.n_given = model, list(order), n_given
        self.width = model.layout.width.embedding
        weight = model.first_weight.view(len(self.order), self.width, -1)[self.order].flatten(0, 1)  # [S*E, H]
        predicted = [s for s in self.order if s >= model.layout.n_context]
        self.weights = {s: weight[:, model.place_of(s)[2]].contiguous() for s in predicted}  # [S*E, W] each

    def begin(self, codes: Tensor, shown: Tensor, base: Tensor | None = None) -> Tensor:
        """Return what the first step sees: codes, [S, B] int64, where `shown`, [S, B], and nothing elsewhere.

        `base` is what a row sees from outside it, [B, H]; see `SequentialModel.base` and `FlatWithSiblings.base`.
        """
        given = self.order[: self.n_given]
        n_own, n_outside = len(self.order) * self.width, 0 if base is None else base.shape[1]
        # What follows the given ones is written before it is read.
        seen = self.model.embedding.new_empty(codes.shape[1], n_own + n_outside)
        embedded = self.model.embed(torch.where(shown[given], codes[given], 0).t(), given)  # [B, n_given, E]
        seen[:, : self.n_given * self.width] = (embedded * shown[given].t().unsqueeze(2)).flatten(1)
        if base is not None:
            seen[:, n_own:] = base
        return seen

    def logits(self, step: int, seen: Tensor) -> Tensor:
        """Return the logits of the sub-column `order[step]` given all that is seen, [B, K]."""
        prefix = max(step, self.n_given) * self.width
        position = self.order[step]
        n_own = len(self.order) * self.width
        base = seen[:, n_own:] if seen.shape[1] > n_own else None
        return self.model.logits_of(position, seen[:, :prefix], self.weights[position][:prefix], base)

    def show(self, step: int, seen: Tensor, codes: Tensor, shown: Tensor | None = None) -> None:
        """Add the codes of `order[step]`, [B], to what is seen; of some rows only where `shown`, [B], is passed."""
        position = self.order[step]
        embedded = self.model.embedding[codes + self.model.offsets[position]]
        at = slice(step * self.width, (step + 1) * self.width)
        seen[:, at] = embedded if shown is None else embedded * shown[:, None]

    def rows(self, seen: Tensor, part: slice | Tensor) -> Tensor:
        """Return what is seen of some rows, a slice of them or their numbers."""
        return seen[part]

    def repeat(self, seen: Tensor, times: int) -> Tensor:
        """Return what is seen with every row `times` times in a row, as a copy, [B] -> [B * times]."""
        return seen.repeat_interleave(times, 0)
