"""Codes that no row had when a network was trained: what is given later and was never seen is taken as not known.

Training never moves the embeddings of such codes: they would stand where they were drawn, and say something by chance.
"""

# N rows, S sub-columns, K cardinality, E embedding width
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from argn_assets.tables.encode import EncodedTable

Weights = dict[str, NDArray[np.generic]]


def settle_unseen(
    weights: Weights, encoded: EncodedTable, context: EncodedTable | None, *, is_sequential: bool, any_order: bool
) -> Weights:
    """Return the weights of a trained network with settled embeddings of the codes that no row had.

    Where any column may be missing, that is zero: the network sees what it sees of a missing column. Where every column
    is always there (context, a fixed order), it is the mean over the rows.

    Args:
        weights: by name, as the networks of this family name them.
        encoded: the table that was trained on.
        context: its context.
        is_sequential: whether the network is one of sequences.
        any_order: whether every order of the columns was trained.
    """
    settled = dict(weights)
    row = "embedding" if "embedding" in weights else "row.embedding"
    own, given = _counts(encoded.codes, _sizes(encoded)), []
    if context is not None:
        given = _counts(context.codes, _sizes(context))
        for number, sibling in enumerate(context.siblings.values()):
            name = f"siblings.readers.{number}.embedding"
            sizes = [sub.cardinality for subs in sibling.columns.values() for sub in subs]
            if name in weights:
                settled[name] = _settled(weights[name], _counts(sibling.codes, sizes), len(sizes))
    if is_sequential and given:
        settled["context_embedding"] = _settled(weights["context_embedding"], given, len(given))
        given = []
    n_always = len(given) if any_order else len(given) + len(own)
    settled[row] = _settled(weights[row], [*given, *own], n_always)
    return settled


def _sizes(encoded: EncodedTable) -> list[int]:
    return [sub.cardinality for sub in encoded.sub_columns]


def _counts(codes: NDArray[np.generic], cardinalities: Sequence[int]) -> list[NDArray[np.int64]]:
    """Return how many rows have each code, S times [K]."""
    return [np.bincount(own, minlength=size) for own, size in zip(codes, cardinalities, strict=True)]


def _settled(embedding: NDArray[np.generic], counts: Sequence[NDArray[np.int64]], n_always: int) -> NDArray[np.generic]:
    """Return embeddings, [sum of K, E], of which the first `n_always` sub-columns were never missing."""
    result, start = embedding.copy(), 0
    for number, count in enumerate(counts):
        own = result[start : start + len(count)]
        start += len(count)
        mean = count @ own.astype(np.float64) / max(1, count.sum())
        own[count == 0] = mean if number < n_always else 0
    return result
