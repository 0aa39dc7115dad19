"""A flat ARGN model whose context has siblings: the flat network, started from what the siblings are compressed to."""

# B rows, H hidden units
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from argn_assets.engine.families.argn.dropout import NO_DROPOUT, Dropouts
from argn_assets.engine.families.argn.flat import FlatModel
from argn_assets.engine.families.argn.flat import drawn_weights as drawn_row_weights
from argn_assets.engine.families.argn.layout import FlatWithSiblingsLayout
from argn_assets.engine.families.argn.siblings import Siblings, named_under, summary_width
from argn_assets.engine.families.argn.siblings import drawn_weights as drawn_sibling_weights
from argn_assets.engine.siblings import SiblingRows


def drawn_weights(layout: FlatWithSiblingsLayout) -> dict[str, Tensor]:
    """Return the weights that training starts from, by name, drawn from torch's generator."""
    weights = {f"row.{name}": value for name, value in drawn_row_weights(layout.row).items()}
    n_hidden, n_seen = len(weights["row.first_bias"]), summary_width(layout.siblings)
    weights["base_weight"] = torch.empty(n_seen, n_hidden).uniform_(-1, 1) / math.sqrt(n_seen)
    drawn = drawn_sibling_weights(layout.siblings, n_seen)
    return weights | {f"siblings.{name}": value for name, value in drawn.items()}


class FlatWithSiblings(nn.Module):
    """The network; see the module. `layout` fixes every shape; `weights` are trained ones, or drawn."""

    def __init__(self, layout: FlatWithSiblingsLayout, weights: Mapping[str, Tensor] | None = None):
        super().__init__()
        given = drawn_weights(layout) if weights is None else weights
        self.row = FlatModel(layout.row, named_under("row.", given))
        self.siblings = Siblings(layout.siblings, named_under("siblings.", given))
        self.base_weight = nn.Parameter(given["base_weight"])  # [numbers of all summaries, H]

    def base(self, siblings: Sequence[SiblingRows], dropout: Dropouts = NO_DROPOUT) -> Tensor:
        """Return what all sub-columns of a row start from, [B, H], of the siblings of each row's context."""
        summaries = [read.summary for read in self.siblings.read(siblings, dropout)]
        return torch.addmm(self.row.first_bias, torch.cat(summaries, 1), self.base_weight)
