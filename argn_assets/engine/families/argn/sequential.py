"""The sequential ARGN model: a flat network per row, which also sees its context, its place and the rows before it.

Before the first row the length of the whole sequence is predicted from the context. Every row then sees the context,
how many rows came and how many are still to come, the row before it, and a memory of all rows before it. From these
one product makes the base that all sub-columns of the row start from; the rest is the flat network. The length is
predicted again at every later row, from what was seen so far, so that a given beginning can be continued.
"""

# G sequences, R rows of a batch in packed order, S sub-columns, U sub-columns of the context, T steps,
# E embedding width, P place width, D numbers that remember, H hidden units, K cells of lengths
from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import accumulate

import torch
from torch import Tensor, nn
from torch.nn import functional

from argn_assets.engine.families.argn.dropout import NO_DROPOUT, Dropouts
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.flat import drawn_weights as drawn_row_weights
from argn_assets.engine.families.argn.layout import SequentialLayout
from argn_assets.engine.families.argn.places import PLACE_WIDTH, PLACES, embed_places, place_edges
from argn_assets.engine.families.argn.recurrence import scan
from argn_assets.engine.families.argn.siblings import Siblings, attended_width, named_under, summary_width
from argn_assets.engine.families.argn.siblings import drawn_weights as drawn_sibling_weights

LENGTH_HIDDEN = 128
RECURRENCES = 2


def drawn_weights(layout: SequentialLayout) -> dict[str, Tensor]:
    """Return the weights that training starts from, by name, drawn from torch's generator."""
    width = layout.row.width
    n_row = len(layout.row.cardinalities) * width.embedding
    n_context = len(layout.context) * width.embedding + summary_width(layout.siblings)
    n_before = width.history + n_row + PLACE_WIDTH + n_context
    n_seen = n_before + attended_width(layout.siblings)
    n_hidden = sum(len(b.sub_columns) * b.width for b in layout.row.blocks)

    def uniform(*shape: int) -> Tensor:
        bound = 1 / math.sqrt(shape[0])
        return torch.empty(*shape).uniform_(-bound, bound)

    weights = {f"row.{name}": value for name, value in drawn_row_weights(layout.row).items()}
    weights["context_embedding"] = torch.randn(sum(layout.context), width.embedding)
    weights["passed"] = torch.randn(PLACES, PLACE_WIDTH)
    weights["left"] = torch.randn(PLACES, PLACE_WIDTH)
    inputs = [n_row + PLACE_WIDTH + n_context, *[width.history] * (RECURRENCES - 1)]
    for i, n_inputs in enumerate(inputs):
        weights[f"memory_weight.{i}"] = uniform(n_inputs, 2 * width.history)
        # Half of the numbers forget within a few rows, others keep what they saw over many.
        shares = torch.empty(width.history).uniform_(-3.0, 1.0)
        weights[f"memory_bias.{i}"] = torch.cat([shares, torch.zeros(width.history)])
    weights["base_weight"] = uniform(n_seen + PLACE_WIDTH, n_hidden)
    weights["length_hidden"] = uniform(n_seen, LENGTH_HIDDEN)
    weights["length_hidden_bias"] = torch.zeros(LENGTH_HIDDEN)
    weights["length_weight"] = uniform(LENGTH_HIDDEN, layout.n_lengths)
    weights["length_bias"] = torch.zeros(layout.n_lengths)
    drawn = drawn_sibling_weights(layout.siblings, n_before)
    return weights | {f"siblings.{name}": value for name, value in drawn.items()}


class SequentialModel(nn.Module):
    """The network; see the module. `layout` fixes every shape; `weights` are trained ones, or drawn."""

    context_offsets: Tensor
    edges: Tensor

    def __init__(self, layout: SequentialLayout, weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        self.layout = layout
        given = drawn_weights(layout) if weights is None else weights
        self.row = FlatModel(layout.row, named_under("row.", given))
        self.siblings = Siblings(layout.siblings, named_under("siblings.", given))
        self.context_embedding = nn.Parameter(given["context_embedding"])  # [sum of the context's cardinalities, E]
        self.passed = nn.Parameter(given["passed"])  # [PLACES, P]
        self.left = nn.Parameter(given["left"])  # [PLACES, P]
        self.base_weight = nn.Parameter(given["base_weight"])  # [D + S*E + P + U*E + P, H]
        self.length_hidden = nn.Parameter(given["length_hidden"])  # [D + S*E + P + U*E, LENGTH_HIDDEN]
        self.length_hidden_bias = nn.Parameter(given["length_hidden_bias"])
        self.length_weight = nn.Parameter(given["length_weight"])  # [LENGTH_HIDDEN, K]
        self.length_bias = nn.Parameter(given["length_bias"])  # [K]
        numbers = range(RECURRENCES)
        self.memory_weight = nn.ParameterList(given[f"memory_weight.{i}"] for i in numbers)
        self.memory_bias = nn.ParameterList(given[f"memory_bias.{i}"] for i in numbers)
        offsets = list(accumulate(layout.context, initial=0))[:-1]
        self.register_buffer("context_offsets", torch.tensor(offsets, dtype=torch.int64), persistent=False)
        self.register_buffer("edges", torch.tensor(place_edges()), persistent=False)

    def embed_context(self, codes: Tensor, shown: Tensor | None = None) -> Tensor:
        """Return the embeddings of context codes, [G, U] -> [G, U*E]; zeros where `shown`, [G, U], is zero."""
        embedded = functional.embedding(codes + self.context_offsets, self.context_embedding)
        return (embedded if shown is None else embedded * shown[:, :, None]).flatten(1)

    def place(self, table: Tensor, places: Tensor) -> Tensor:
        """Return the embedding of places in a sequence, [R] -> [R, P], from one of the two tables."""
        return embed_places(table, places, self.edges)

    def remember(self, inputs: Tensor, sizes: list[int]) -> Tensor:
        """Return the memory after each row, [R, D], of inputs in packed order."""
        memory = inputs
        for level in range(len(self.memory_weight)):
            share, new = self._share_and_new(level, memory)
            own = scan(1 - share, share * new, sizes)
            memory = own if level == 0 else memory + own
        return memory

    def remember_step(self, inputs: Tensor, levels: tuple[Tensor, ...]) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the memory after one more row of each sequence, [B, D], and that of each recurrence, [B, D] each."""
        memory, after = inputs, []
        for level, before in enumerate(levels):
            share, new = self._share_and_new(level, memory)
            own = torch.lerp(before, new, share)
            after.append(own)
            memory = own if level == 0 else memory + own
        return memory, tuple(after)

    def _share_and_new(self, level: int, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return what a row adds and the share of it, [R, D] each."""
        inputs = memory if level == 0 else functional.layer_norm(memory, memory.shape[1:]).relu()
        # Half precision, where there is any, ends here: sums over many steps need the digits.
        both = torch.addmm(self.memory_bias[level], inputs, self.memory_weight[level])
        share, new = (both.float() if both.dtype in (torch.bfloat16, torch.float16) else both).chunk(2, dim=1)
        return share.sigmoid(), new

    def seen_before(
        self,
        codes: Tensor,
        context: Tensor,
        index: Tensor,
        sizes: list[int],
        previous: Tensor,
        dropout: Dropouts = NO_DROPOUT,
    ) -> Tensor:
        """Return what each row sees before any of its own values: memory, row before, place, context.

        Args:
            codes: of the rows, [R, S].
            context: embeddings of each row's context, [R, U*E].
            index: rows before each row, [R].
            sizes: rows of each step, [T].
            previous: place of the row before each row that is not a first one, [R - B].
            dropout: applied to embeddings.
        Returns:
            [R, D + S*E + P + U*E]
        """
        embedded = dropout.embedded(self.row.embed(codes).flatten(1))  # [R, S*E]
        passed = self.place(self.passed, index)
        memory = self.remember(torch.cat([embedded, passed, context], dim=1), sizes)
        known = torch.cat([memory, embedded], dim=1)
        nothing = known.new_zeros(sizes[0], known.shape[1])
        return torch.cat([torch.cat([nothing, known[previous]]), passed, context], dim=1)

    def base(self, seen: Tensor, left: Tensor) -> Tensor:
        """Return what the sub-columns of a row start from, [R, H], of what it sees and of the rows left, [R]."""
        return torch.addmm(self.row.first_bias, torch.cat([seen, self.place(self.left, left)], dim=1), self.base_weight)

    def length_logits(self, seen: Tensor) -> Tensor:
        """Return the logits of the sequence's length, [R, K], of what a row sees before any of its own values."""
        hidden = torch.addmm(self.length_hidden_bias, seen, self.length_hidden).relu()
        return torch.addmm(self.length_bias, hidden, self.length_weight)

    @torch.no_grad()
    def start_from_marginals(self, codes: Tensor, lengths: Tensor, only: bool = False) -> None:
        """Set the output biases to the log of the smoothed frequencies of codes, [B, S], and length cells, [G].

        With `only`, the weights before them become zero, so that the model is the product of the marginals.
        """
        self.row.start_from_marginals(codes, only)
        counts = torch.bincount(lengths, minlength=self.layout.n_lengths).float() + 0.1
        self.length_bias.copy_((counts / counts.sum()).log())
        if only:
            self.length_weight.zero_()
