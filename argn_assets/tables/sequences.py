"""Sequences: the rows of one key, brought together in the order they had."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argn_assets.encodings.protection import Protection
from argn_assets.seeds import mix64

_STEP = np.uint64(0xD1342543DE82EF95)  # an odd number far from mix64's own increment: steps of a sequence never collide


MOST_CELLS = 128  # of lengths; up to as many different lengths have a cell each


@dataclass(frozen=True, slots=True)
class SequenceLengths:
    """Rows per key, as cells of lengths that may be shown. Keys without any row are not counted.

    Attributes:
        lows, highs: the shortest and longest length of each cell, ascending, [K].
        median: rows of half the keys, at most.
        n_keys: keys that were counted.
    """

    lows: tuple[int, ...]
    highs: tuple[int, ...]
    median: int
    n_keys: int

    @property
    def least(self) -> int:
        """Rows of the shortest sequence that may be shown."""
        return self.lows[0]

    @property
    def most(self) -> int:
        """Rows of the longest sequence that may be shown."""
        return self.highs[-1]

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> SequenceLengths:
        """Read what `dataclasses.asdict` wrote, from JSON."""
        return cls(tuple(document["lows"]), tuple(document["highs"]), document["median"], document["n_keys"])

    def with_empty(self) -> SequenceLengths:
        """Return the same with a cell for sequences without rows."""
        return SequenceLengths((0, *self.lows), (0, *self.highs), self.median, self.n_keys)

    def cell_of(self, lengths: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the cell of each length, the nearest for one that has none, [B]."""
        return np.maximum(np.searchsorted(np.asarray(self.lows), lengths, side="right") - 1, 0)


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
    """Return which rows begin a sequence, [N], of where sequences start, [G + 1]; empty ones have no row."""
    starts = np.zeros(int(offsets[-1]), dtype=bool)
    starts[offsets[:-1][np.diff(offsets) > 0]] = True
    return starts


def step_key(keys: NDArray[np.uint64], step: NDArray[np.uint64] | int) -> NDArray[np.uint64]:
    """Return a stable key of one row of each sequence, [B], of the sequences' keys and the row's place in them."""
    with np.errstate(over="ignore"):
        return mix64(keys + (np.asarray(step, dtype=np.uint64) + np.uint64(1)) * _STEP)


def step_keys(keys: NDArray[np.uint64], offsets: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a stable key per row, [N], of its sequence's key, [G], and its place in the sequence."""
    sizes = np.diff(offsets)
    places = np.arange(int(offsets[-1]), dtype=np.uint64) - np.repeat(offsets[:-1], sizes).astype(np.uint64)
    return step_key(np.repeat(keys, sizes), places)


def count_lengths(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return how many keys have 0, 1, 2 … rows, [L + 1]."""
    return np.bincount(np.unique(keys, return_counts=True)[1])


def combine_lengths(counts: Iterable[NDArray[np.int64]], protection: Protection) -> SequenceLengths:
    """Return the lengths that protection allows to show: rare ones share a cell, from which any length may be drawn.

    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> combine_lengths([np.array([0, 2, 1]), np.array([0, 0, 0, 1])], UNPROTECTED)
    SequenceLengths(lows=(1, 2, 3), highs=(1, 2, 3), median=1, n_keys=4)
    """
    parts = list(counts)
    total = np.zeros(max(map(len, parts)), dtype=np.int64)
    for part in parts:
        total[: len(part)] += part
    as_short, as_long = np.cumsum(total), np.cumsum(total[::-1])[::-1]
    threshold = max(1, protection.threshold)
    within = np.flatnonzero((as_short >= threshold) & (as_long >= threshold))
    if len(within) == 0:
        return SequenceLengths((1,), (1,), 1, int(total.sum()))
    # An extreme that too few reach is a person: longer and shorter sequences count as the ends of what may be shown.
    least, most = int(within[0]), int(within[-1])
    total[least], total[most] = as_short[least], as_long[most]
    seen = [length for length in range(least, most + 1) if total[length]]
    fewest = max(threshold, -(-int(as_short[-1]) // MOST_CELLS) if len(seen) > MOST_CELLS else 1)
    cells = [(least, least, 0)]  # low, high, keys
    for length in seen:
        low, _, n_keys = cells[-1]
        if n_keys < fewest:
            cells[-1] = (low, length, n_keys + int(total[length]))
        else:
            cells.append((length, length, int(total[length])))
    if len(cells) > 1 and cells[-1][2] < threshold:
        cells[-2:] = [(cells[-2][0], most, cells[-2][2])]
    lows, highs, _ = zip(*cells, strict=True)
    median = int(np.searchsorted(as_short, (as_short[-1] + 1) // 2))
    return SequenceLengths(lows, highs, min(max(median, least), most), int(as_short[-1]))
