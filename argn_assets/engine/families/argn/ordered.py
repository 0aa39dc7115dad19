"""Where training begins, codes that stand for near values look nearly alike: those of numbers, dates and times.

Drawn one by one, the embedding of every cell of numbers is learnt from its own rows alone. Drawn as waves over the
codes, what is learnt of one cell holds for its neighbours too, until rows say otherwise.
"""

# S sub-columns, K cardinality, E embedding width
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from argn_assets.encodings.base import Stats, encoding_named
from argn_assets.schema import SubColumn
from argn_assets.tables.encode import EncodedTable
from argn_assets.tables.stats import TableStats

ALIKE = 0.9  # of the variance is that of the waves, the rest is each code's own
STEEPNESS = 3.0  # radians that a usual wave turns from the first code to the last
FEWEST_CODES = 8  # of a sub-column, from which on neighbours are near

Codes = list[tuple[int, bool]]  # of each sub-column, its cardinality and whether its codes are in an order, [S]


def begin_in_order(
    model: nn.Module,
    encoded: EncodedTable,
    stats: TableStats,
    context: EncodedTable | None,
    context_stats: TableStats | None,
) -> None:
    """Draw the embeddings of codes in an order anew, in a network of this family, of all tables that it reads."""
    embeddings = {n: value for n, value in model.named_parameters() if n.rpartition(".")[2].endswith("embedding")}
    own, given = _codes(encoded.columns, stats.columns), Codes()
    if context is not None and context_stats is not None:
        given = _codes(context.columns, context_stats.columns)
        for number, (name, sibling) in enumerate(context.siblings.items()):
            reader = embeddings.get(f"siblings.readers.{number}.embedding")
            if reader is not None:
                _draw(reader, _codes(sibling.columns, context_stats.siblings[name].columns))
    if "context_embedding" in embeddings:
        _draw(embeddings["context_embedding"], given)
        given = []
    _draw(embeddings["embedding" if "embedding" in embeddings else "row.embedding"], [*given, *own])


def _codes(columns: Mapping[str, Sequence[SubColumn]], stats: Mapping[str, Stats]) -> Codes:
    in_order = {name: encoding_named(own.NAME).IN_ORDER for name, own in stats.items()}
    return [(sub.cardinality, in_order.get(name, False)) for name, subs in columns.items() for sub in subs]


@torch.no_grad()
def _draw(embedding: Tensor, codes: Codes) -> None:
    """Draw the embeddings, [sum of K, E], of the sub-columns whose codes are in an order."""
    start, width = 0, embedding.shape[1]
    for cardinality, in_order in codes:
        own = embedding[start : start + cardinality]
        start += cardinality
        if in_order and cardinality >= FEWEST_CODES:
            place = torch.arange(cardinality)[:, None] / cardinality  # [K, 1]
            turns, begins = STEEPNESS * torch.randn(width), 2 * math.pi * torch.rand(width)  # [E]
            waves = math.sqrt(2) * torch.cos(place * turns + begins)  # [K, E]
            own.mul_(math.sqrt(1 - ALIKE)).add_(math.sqrt(ALIKE) * waves.to(own.device))
