"""Codes that no row had when a network was trained: what is given later and was never seen is taken as not known.

Training never moves the embeddings of such codes: they would stand where they were drawn, and say something by chance.
"""

# N rows, S sub-columns, K cardinality, E embedding width, R rows of a sibling
from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from argn_assets.tables.encode import EncodedSibling, EncodedTable

Weights = dict[str, NDArray[np.generic]]


def settle_unseen(
    weights: Weights, encoded: EncodedTable, context: EncodedTable | None, *, is_sequential: bool, any_order: bool
) -> Weights:
    """Return the weights of a trained network with settled embeddings of the codes that no row it learnt from had.

    Where a column was missing now and then, that is zero: the network sees what it saw of a missing column. So it is
    with the columns of a context, of which training hides some cells. Where every column was always there (siblings, a
    fixed order), it is the mean over the rows.

    Args:
        weights: by name, as the networks of this family name them.
        encoded: the table that was trained on.
        context: its context.
        is_sequential: whether the network is one of sequences.
        any_order: whether every order of the columns was trained.
    """
    settled = dict(weights)
    row = "embedding" if "embedding" in weights else "row.embedding"
    own, given = _counts(encoded.codes[:, ~encoded.validation], _sizes(encoded)), []
    if context is not None:
        is_learnt = ~(context if is_sequential else encoded).validation
        given = _counts(context.codes[:, is_learnt], _sizes(context))
        for number, sibling in enumerate(context.siblings.values()):
            name = f"siblings.readers.{number}.embedding"
            sizes = [sub.cardinality for subs in sibling.columns.values() for sub in subs]
            if name in weights:
                settled[name] = _settled(weights[name], _counts(_learnt_codes(sibling, is_learnt), sizes), 0)
    if is_sequential and given:
        settled["context_embedding"] = _settled(weights["context_embedding"], given, len(given))
        given = []
    n_missed = len(given) + len(own) if any_order else len(given)
    settled[row] = _settled(weights[row], [*given, *own], n_missed)
    return settled


def _sizes(encoded: EncodedTable) -> list[int]:
    return [sub.cardinality for sub in encoded.sub_columns]


def _learnt_codes(sibling: EncodedSibling, is_learnt: NDArray[np.bool_]) -> NDArray[np.generic]:
    """Return the codes of the rows that some of the context rows have, [S, R'], of which of them, [N]."""
    edges = np.zeros(sibling.codes.shape[1] + 1, dtype=np.int64)
    np.add.at(edges, sibling.starts[is_learnt], 1)
    np.add.at(edges, (sibling.starts + sibling.sizes)[is_learnt], -1)
    return sibling.codes[:, np.cumsum(edges)[:-1] > 0]


def _counts(codes: NDArray[np.generic], cardinalities: Sequence[int]) -> list[NDArray[np.int64]]:
    """Return how many rows have each code, S times [K]."""
    return [np.bincount(own, minlength=size) for own, size in zip(codes, cardinalities, strict=True)]


def _settled(embedding: NDArray[np.generic], counts: Sequence[NDArray[np.int64]], n_missed: int) -> NDArray[np.generic]:
    """Return embeddings, [sum of K, E], of which the first `n_missed` sub-columns were missing now and then."""
    result, start = embedding.copy(), 0
    for number, count in enumerate(counts):
        own = result[start : start + len(count)]
        start += len(count)
        mean = count @ own.astype(np.float64) / max(1, count.sum())
        own[count == 0] = 0 if number < n_missed else mean
    return result
