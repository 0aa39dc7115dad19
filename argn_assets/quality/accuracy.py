"""One minus the total variation distance between two tables, per column and per pair of columns.

C columns, N and M rows, K codes of a column
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from argn_assets.quality.bins import ColumnBins
from argn_assets.seeds import Seed

PAIRS_MAX = 5_000  # 100 columns; beyond, a seeded choice of pairs stands for all


def overlap(first: NDArray[np.uint16], second: NDArray[np.uint16], size: int) -> float:
    """Return 1 - total variation distance of two samples of codes in [0, size): 1.0 equal, 0.0 nothing in common.

    >>> overlap(np.array([0, 0, 1, 1], np.uint16), np.array([0, 1, 1, 1], np.uint16), 2)
    0.75
    """
    shares = np.bincount(first, minlength=size) / len(first)
    others = np.bincount(second, minlength=size) / len(second)
    return float(np.clip(1.0 - np.abs(shares - others).sum() / 2.0, 0.0, 1.0))


def column_accuracies(
    bins: tuple[ColumnBins, ...], training: NDArray[np.uint8], other: NDArray[np.uint8]
) -> list[float]:
    """Return one accuracy in [0, 1] per column; codes are [C, N] and [C, M]."""
    return [
        overlap(mine.astype(np.uint16), its.astype(np.uint16), made.size)
        for made, mine, its in zip(bins, training, other, strict=True)
    ]


def choose_pairs(columns: int, seed: Seed) -> list[tuple[int, int]]:
    """Return all pairs of column numbers, or `PAIRS_MAX` of them drawn by `seed`, in order."""
    pairs = list(combinations(range(columns), 2))
    if len(pairs) <= PAIRS_MAX:
        return pairs
    chosen = seed.numpy().permutation(len(pairs))[:PAIRS_MAX]
    return [pairs[place] for place in np.sort(chosen)]


def pair_accuracies(
    bins: tuple[ColumnBins, ...],
    training: NDArray[np.uint8],
    other: NDArray[np.uint8],
    pairs: list[tuple[int, int]],
) -> list[float]:
    """Return one accuracy in [0, 1] per pair: the cells are the products of the two columns' bins."""
    mine, its = training.astype(np.uint16), other.astype(np.uint16)  # K * K stays below 65,536
    found = []
    for first, second in pairs:
        width = bins[second].size
        cells = bins[first].size * width
        found.append(overlap(mine[first] * width + mine[second], its[first] * width + its[second], cells))
    return found


def at_size(accuracy: float, training: int, measured: int, wanted: int) -> float:
    """Return what fresh real rows would score at another row count.

    The distance of real rows from real rows is sampling noise, which shrinks like the root of 1/N + 1/M; the share is
    exact where cells are well filled and slightly optimistic where they are sparse.

    Args:
        accuracy: measured with `measured` held-out rows against `training` rows, in [0, 1].
        training: rows N of the training table.
        measured: rows M of the holdout.
        wanted: rows M of the table that is to be judged.
    """
    noise = ((1 / training + 1 / wanted) / (1 / training + 1 / measured)) ** 0.5
    return float(np.clip(1.0 - (1.0 - accuracy) * noise, 0.0, 1.0))
