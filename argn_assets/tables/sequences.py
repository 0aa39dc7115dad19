"""Sequences: the rows of one key, brought together in the order they had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argn_assets.encodings.protection import Protection
from argn_assets.seeds import mix64

_STEP = np.uint64(0xD1342543DE82EF95)  # an odd number far from mix64's own increment: steps of a sequence never collide


@dataclass(frozen=True, slots=True)
class SequenceLengths:
    """Rows per key: the least, the most and the median that may be shown. Keys without any row are not counted."""

    least: int
    most: int
    median: int


def bring_together(keys: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the order that brings rows of one key together, [N], and where each sequence starts in it, [G + 1].

    Keys stand in the order of their first row, and the rows of a key in the order they had.

    >>> order, offsets = bring_together(np.array([7, 3, 7, 7, 3], dtype=np.uint64))
    >>> order.tolist(), offsets.tolist()
    ([0, 2, 3, 1, 4], [0, 3, 5])
    """
    begins = np.flatnonzero(np.append(True, keys[1:] != keys[:-1])[: len(keys)])  # of runs of one key
    distinct, first, inverse = np.unique(keys[begins], return_index=True, return_inverse=True)
    if len(distinct) == len(begins):  # together already
        return np.arange(len(keys)), np.append(begins, len(keys))
    rank = np.argsort(np.argsort(first))[inverse]  # of each run, by its key's first row
    of_row = np.repeat(rank, np.diff(np.append(begins, len(keys))))
    sizes = np.bincount(of_row, minlength=len(distinct))
    return np.argsort(of_row, kind="stable"), np.append(0, np.cumsum(sizes))


def starts_at(offsets: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows begin a sequence, [N], of sequences that are not empty."""
    starts = np.zeros(int(offsets[-1]), dtype=bool)
    starts[offsets[:-1]] = True
    return starts


def step_keys(keys: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a stable key per row, [N], of its sequence's key, [G], and its place in the sequence."""
    sizes = np.diff(offsets)
    places = np.arange(int(offsets[-1]), dtype=np.uint64) - np.repeat(offsets[:-1], sizes).astype(np.uint64)
    with np.errstate(over="ignore"):
        return mix64(np.repeat(keys, sizes) + (places + np.uint64(1)) * _STEP)


def count_lengths(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many keys have 0, 1, 2 … rows, [L + 1]."""
    return np.bincount(np.unique(keys, return_counts=True)[1])


def combine_lengths(counts: Iterable[NDArray[np.int64]], protection: Protection) -> SequenceLengths:
    """Return the lengths that protection allows to show; a length is shown where enough keys are as long, or as short.

    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> combine_lengths([np.array([0, 2, 1]), np.array([0, 0, 0, 1])], UNPROTECTED)
    SequenceLengths(least=1, most=3, median=1)
    """
    parts = list(counts)
    total = np.zeros(max(map(len, parts)), dtype=np.int64)
    for part in parts:
        total[: len(part)] += part
    needed = max(1, protection.threshold)
    as_short, as_long = np.cumsum(total), np.cumsum(total[::-1])[::-1]
    shown = np.flatnonzero((as_short >= needed) & (as_long >= needed))
    if len(shown) == 0:
        return SequenceLengths(1, 1, 1)
    median = int(np.searchsorted(as_short, (total.sum() + 1) // 2))
    least, most = int(shown[0]), int(shown[-1])
    return SequenceLengths(least, most, min(max(median, least), most))
