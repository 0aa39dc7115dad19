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
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from argn_assets.engine.families.argn.dropout import NO_DROPOUT, Hiding
from argn_assets.engine.families.argn.layout import NetworkLayout

_IMPOSSIBLE = -1e9  # logit of a code beyond a sub-column's cardinality


def drawn_weights(layout: NetworkLayout) -> dict[str, Tensor]:
    """Return the weights that training starts from, by name, drawn from torch's generator."""
    blocks, width = layout.blocks, layout.width
    n_inputs = len(layout.cardinalities) * width.embedding
    n_hidden = sum(len(b.sub_columns) * b.width for b in blocks)
    bound = 1 / math.sqrt(max(1, n_inputs))
    weights = {
        "embedding": torch.randn(sum(layout.cardinalities), width.embedding),
        "first_weight": torch.empty(n_inputs, n_hidden).uniform_(-bound, bound),
        "first_bias": torch.zeros(n_hidden),
    }
    for i, b in enumerate(blocks):
        n = len(b.sub_columns)
        weights[f"middle.{i}"] = torch.randn(width.depth - 1, n, b.width, b.width) / (2 * math.sqrt(b.width))
        weights[f"last_weight.{i}"] = torch.randn(n, b.width, b.cardinality) * math.sqrt(2 / (b.width + b.cardinality))
        weights[f"last_bias.{i}"] = torch.zeros(n, 1, b.cardinality)
    return weights


class FlatModel(nn.Module):
    """The network; see the module. `layout` fixes every shape; `weights` are trained ones, or drawn."""

    offsets: Tensor
    columns: Tensor
    hidden_owner: Tensor

    def __init__(self, layout: NetworkLayout, weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.layout, self.blocks = layout, layout.blocks
        given = drawn_weights(layout) if weights is None else weights
        self.embedding = nn.Parameter(given["embedding"])  # [sum of K, E]
        self.first_weight = nn.Parameter(given["first_weight"])  # [S*E, H]
        self.first_bias = nn.Parameter(given["first_bias"])  # [H]
        numbers = range(len(self.blocks))
        self.middle = nn.ParameterList(given[f"middle.{i}"] for i in numbers)  # [depth - 1, N, W, W] each
        self.last_weight = nn.ParameterList(given[f"last_weight.{i}"] for i in numbers)  # [N, W, K] each
        self.last_bias = nn.ParameterList(given[f"last_bias.{i}"] for i in numbers)  # [N, 1, K] each
        self._index(str(self.embedding.device))

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

    def ranks(self, n_orders: int, any_order: bool, rng: torch.Generator, hidden: float = 0.0) -> Tensor:
        """Draw `n_orders` orders of the columns, [G, C].

        Context columns come before all others; but a share `hidden` of them after all, where nothing sees them.
        """
        n_columns = self.layout.columns[-1] + 1
        n_given = 0 if self.layout.n_context == 0 else self.layout.columns[self.layout.n_context - 1] + 1
        if any_order:
            ranks = torch.rand(n_orders, n_columns, generator=rng).argsort(1).argsort(1)
        else:
            ranks = torch.arange(n_columns).repeat(n_orders, 1)
        ranks[:, :n_given] = -1
        if n_given and hidden:
            ranks[:, :n_given][torch.rand(n_orders, n_given, generator=rng) < hidden] = n_columns
        return ranks.to(self.offsets.device)

    def embed(self, codes: Tensor, some: Sequence[int] | None = None) -> Tensor:
        """Return the embeddings of codes, [B, S] -> [B, S, E]; of the sub-columns numbered `some` if they are given."""
        offsets = self.offsets if some is None else self.offsets[list(some)]
        return functional.embedding(codes + offsets, self.embedding)

    def losses(
        self,
        codes: Tensor,
        visible: Tensor,
        dropout: tuple[Hiding, Hiding] = NO_DROPOUT,
        base: Tensor | None = None,
    ) -> list[Tensor]:
        """Return the negative log-probabilities of codes, [B, S], per block [N, B], in nats.

        Rows are split evenly over the G orders of `visible`, so B must be a multiple of G. `dropout` is applied to the
        embeddings and to the first hidden layer. `base`, [B, H], is what all sub-columns of a row see from outside it;
        it stands in for the first layer's bias.
        """
        n_rows, n_orders = len(codes), len(visible)
        embedded = self.embed(codes).view(n_orders, n_rows // n_orders, -1)  # [G, B/G, S*E]
        hide_embedded, hide_hidden = dropout
        embedded = hide_embedded(embedded)
        shape = (visible.shape[1], self.layout.width.embedding, -1)
        mask = visible[:, :, self.hidden_owner].unsqueeze(2)  # [G, S, 1, H]
        weight = (self.first_weight.view(1, *shape) * mask).flatten(1, 2)  # [G, S*E, H]
        bias = self.first_bias.expand(n_orders, 1, -1) if base is None else base.view(n_orders, len(embedded[0]), -1)
        hidden = hide_hidden(torch.baddbmm(bias, embedded, weight).relu()).view(n_rows, -1)  # [B, H]
        result = []
        # Split and not cut out one by one: the gradient of every cut would be as large as the whole layer.
        of_blocks = torch.split(hidden, [block.width * len(block.sub_columns) for block in self.blocks], dim=1)
        for index, (block, units) in enumerate(zip(self.blocks, of_blocks, strict=True)):
            own = units.view(n_rows, -1, block.width).transpose(0, 1)  # [N, B, W]
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

    def logits_of(self, position: int, seen: Tensor, weight: Tensor, base: Tensor | None = None) -> Tensor:
        """Return the logits of one sub-column, [B, K].

        Args:
            position: the sub-column.
            seen: what it sees, [B, D].
            weight: the rows of the first layer that belong to it, for its own hidden units, [D, W].
            base: what it sees from outside the row, [B, H]; None is the first layer's bias.
        """
        index, n, units = self.place_of(position)
        first = self.first_bias if base is None else base
        own = torch.addmm(first[..., units], seen, weight).relu_()  # [B, W]
        for middle in self.middle[index]:
            own += (own @ middle[n]).relu_()
        cardinality = self.layout.cardinalities[position]
        return torch.addmm(self.last_bias[index][n, 0, :cardinality], own, self.last_weight[index][n, :, :cardinality])
