"""Places in a sequence as numbers that a network sees: exact near its ends, in ever wider buckets farther off."""

# R rows, P place width
from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

PLACES = 64  # buckets of places in a sequence: exact up to 16, then each a quarter longer than the one before
PLACE_WIDTH = 16


def place_edges() -> list[int]:
    """Return the first place of each bucket, [PLACES]."""
    edges = [*range(17)]
    while len(edges) < PLACES:
        edges.append(int(edges[-1] * 1.25))
    return edges


def embed_places(table: Tensor, places: Tensor, edges: Tensor) -> Tensor:
    """Return the embedding of places in a sequence, [R] -> [R, P], from a table, [PLACES, P]."""
    return functional.embedding(torch.bucketize(places, edges, right=True) - 1, table)
