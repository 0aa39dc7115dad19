"""The flat ARGN model: one network over all columns, each predicted from the columns before it in some order.

Every sub-column has hidden units of its own. The weights between the embedding of one sub-column and the hidden units
of another are masked by the order of their columns, so a single product computes all conditionals of a row at once
(a MADE network, Germain et al. 2015, over columns, with the order drawn anew in training). Predictions are grouped
into blocks of like cardinality; nothing loops over columns in a training step.
"""

# B rows, S sub-columns, C columns, G orders, E embedding width, H hidden units, N sub-columns of a block,
# W hidden units per sub-column of a block, K cardinality
from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from argn_assets.engine.families.argn.dropout import Dropout
from argn_assets.engine.families.argn.layout import NetworkLayout

_IMPOSSIBLE = -1e9  # logit of a code beyond a sub-column's cardinality


class Dropouts(NamedTuple):
    """What is applied to the embeddings and to the first hidden layer while training."""

    embedded: Callable[[Tensor], Tensor]
    hidden: Callable[[Tensor], Tensor]


def _unchanged(values: Tensor) -> Tensor:
    return values


NO_DROPOUT = Dropouts(_unchanged, _unchanged)


class FlatModel(nn.Module):
    """The network; see the module. `layout` fixes every shape."""

    offsets: Tensor
    columns: Tensor
    hidden_owner: Tensor

    def __init__(self, layout: NetworkLayout):
        super().__init__()
        self.layout, self.blocks = layout, layout.blocks
        n_sub, width = len(layout.cardinalities), layout.width.embedding
        n_hidden = sum(len(b.sub_columns) * b.width for b in self.blocks)
        bound = 1 / math.sqrt(n_sub * width)
        self.embedding = nn.Parameter(torch.randn(sum(layout.cardinalities), width))
        self.first_weight = nn.Parameter(torch.empty(n_sub * width, n_hidden).uniform_(-bound, bound))
        self.first_bias = nn.Parameter(torch.zeros(n_hidden))
        self.middle = nn.ParameterList(
            torch.randn(layout.width.depth - 1, len(b.sub_columns), b.width, b.width) / (2 * math.sqrt(b.width))
            for b in self.blocks
        )
        self.last_weight = nn.ParameterList(
            torch.randn(len(b.sub_columns), b.width, b.cardinality) * math.sqrt(2 / (b.width + b.cardinality))
            for b in self.blocks
        )
        self.last_bias = nn.ParameterList(torch.zeros(len(b.sub_columns), 1, b.cardinality) for b in self.blocks)
        self._index("cpu")

    @classmethod
    def with_weights(cls, layout: NetworkLayout, weights: dict[str, Tensor]) -> FlatModel:
        """Return a network with given weights, drawing no random number."""
        with torch.device("meta"):
            model = cls(layout)
        model._index("cpu")
        model.load_state_dict(weights, assign=True)
        return model

    def _index(self, device: str) -> None:
        """Lay down what the layout alone decides; none of it is a weight."""
        cardinalities = self.layout.cardinalities
        owners = [s for b in self.blocks for s in b.sub_columns for _ in range(b.width)]
        starts = [sum(cardinalities[:s]) for s in range(len(cardinalities))]
        tables = {"offsets": starts, "columns": self.layout.columns, "hidden_owner": owners}
        for name, table in tables.items():
            self.register_buffer(name, torch.tensor(table, dtype=torch.int64, device=device), persistent=False)
        for index, block in enumerate(self.blocks):
            own = torch.tensor([cardinalities[s] for s in block.sub_columns], device=device)
            beyond = torch.arange(block.cardinality, device=device) >= own[:, None, None]  # [N, 1, K]
            self.register_buffer(f"padding_{index}", beyond * _IMPOSSIBLE, persistent=False)

    def dropouts(self, rng: torch.Generator) -> Dropouts:
        """Return the dropout that the layout asks for, drawing from `rng`."""
        width = self.layout.width
        return Dropouts(Dropout(width.embedding_dropout, rng), Dropout(width.hidden_dropout, rng))

    @torch.no_grad()
    def start_from_marginals(self, codes: Tensor, only: bool = False) -> None:
        """Set the output biases to the log of each sub-column's smoothed frequencies in `codes`, [B, S].

        With `only`, the weights before them become zero, so that the model is the product of the marginals.
        """
        for block, weight, bias in zip(self.blocks, self.last_weight, self.last_bias, strict=True):
            for n, position in enumerate(block.sub_columns):
                cardinality = self.layout.cardinalities[position]
                counts = torch.bincount(codes[:, position].long(), minlength=cardinality).float() + 1
                bias[n, 0, :cardinality] = (counts / counts.sum()).log()
            if only:
                weight.zero_()

    def visible_for(self, ranks: Tensor) -> Tensor:
        """Return which sub-column sees which, [G, S, S] of 0 and 1, for the rank of every column, [G, C].

        A sub-column sees the columns of lower rank and the earlier sub-columns of its own column.
        """
        rank = ranks[:, self.columns]  # [G, S]
        position = torch.arange(len(self.columns), device=rank.device)
        own = (self.columns[:, None] == self.columns[None, :]) & (position[:, None] < position[None, :])
        return ((rank[:, :, None] < rank[:, None, :]) | own).float()

    def ranks(self, n_orders: int, any_order: bool, rng: torch.Generator) -> Tensor:
        """Draw `n_orders` orders of the columns, [G, C]; context columns come before all others."""
        n_columns = self.layout.columns[-1] + 1
        n_given = 0 if self.layout.n_context == 0 else self.layout.columns[self.layout.n_context - 1] + 1
        if any_order:
            ranks = torch.rand(n_orders, n_columns, generator=rng).argsort(1).argsort(1)
        else:
            ranks = torch.arange(n_columns).repeat(n_orders, 1)
        ranks[:, :n_given] = -1
        return ranks.to(self.offsets.device)

    def embed(self, codes: Tensor) -> Tensor:
        """Return the embeddings of codes, [B, S] -> [B, S, E]."""
        return functional.embedding(codes + self.offsets, self.embedding)

    def losses(self, codes: Tensor, visible: Tensor, dropout: Dropouts = NO_DROPOUT) -> list[Tensor]:
        """Return the negative log-probabilities of codes, [B, S], per block [N, B], in nats.

        Rows are split evenly over the G orders of `visible`, so B must be a multiple of G. `dropout` is applied to the
        embeddings and to the first hidden layer.
        """
        n_rows, n_orders = len(codes), len(visible)
        embedded = self.embed(codes).view(n_orders, n_rows // n_orders, -1)  # [G, B/G, S*E]
        embedded = dropout.embedded(embedded)
        shape = (visible.shape[1], self.layout.width.embedding, -1)
        mask = visible[:, :, self.hidden_owner].unsqueeze(2)  # [G, S, 1, H]
        weight = (self.first_weight.view(1, *shape) * mask).flatten(1, 2)  # [G, S*E, H]
        bias = self.first_bias.expand(n_orders, 1, -1)
        hidden = dropout.hidden(torch.baddbmm(bias, embedded, weight).relu()).view(n_rows, -1)  # [B, H]
        result = []
        for index, block in enumerate(self.blocks):
            end = block.start + block.width * len(block.sub_columns)
            own = hidden[:, block.start : end].view(n_rows, -1, block.width).transpose(0, 1)  # [N, B, W]
            logits = self.block_logits(index, own)  # [N, B, K]
            target = codes[:, block.sub_columns].t()  # [N, B]
            nll = functional.cross_entropy(logits.flatten(0, 1), target.flatten(), reduction="none")
            result.append(nll.view(target.shape))
        return result

    def block_logits(self, index: int, own: Tensor) -> Tensor:
        """Return the logits of block `index` from its first hidden layer, [N, B, W] -> [N, B, K]."""
        for weight in self.middle[index]:
            own = own + torch.bmm(own, weight).relu()
        # Padding is added and not a bias, which training would move.
        bias = self.last_bias[index] + self.get_buffer(f"padding_{index}")
        return torch.baddbmm(bias, own, self.last_weight[index])

    def place_of(self, position: int) -> tuple[int, int, slice]:
        """Return block, place in the block and hidden units of a predicted sub-column."""
        index = next(i for i, b in enumerate(self.blocks) if position in b.sub_columns)
        block = self.blocks[index]
        n = block.sub_columns.index(position)
        return index, n, slice(block.start + n * block.width, block.start + (n + 1) * block.width)

    def logits_of(self, position: int, seen: Tensor, weight: Tensor) -> Tensor:
        """Return the logits of one sub-column, [B, K].

        Args:
            position: the sub-column.
            seen: what it sees, [B, D].
            weight: the rows of the first layer that belong to it, for its own hidden units, [D, W].
        """
        index, n, units = self.place_of(position)
        own = torch.addmm(self.first_bias[units], seen, weight).relu_()  # [B, W]
        for middle in self.middle[index]:
            own = own + (own @ middle[n]).relu_()
        cardinality = self.layout.cardinalities[position]
        return torch.addmm(self.last_bias[index][n, 0, :cardinality], own, self.last_weight[index][n, :, :cardinality])
