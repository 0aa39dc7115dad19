"""Sequences: the rows of one key, brought together in the order they had."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argn_assets.encodings.protection import Protection, smallest_per_group
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


@dataclass(frozen=True, slots=True)
class LengthCounts:
    """How long the sequences of one batch are.

    Attributes:
        keys: how many keys have 0, 1, 2 … rows, [L + 1].
        lengths, subjects: up to seven subjects of each length, as pairs in the order of the lengths, [P]; None where
            every key is a subject of its own.
    """

    keys: NDArray[np.int64]
    lengths: NDArray[np.int64] | None = None
    subjects: NDArray[np.uint64] | None = None

    @classmethod
    def of_all(cls, parts: Sequence[LengthCounts]) -> LengthCounts:
        """Return the counts of all batches, of which each subject is in one."""
        total = np.zeros(max(len(part.keys) for part in parts), dtype=np.int64)
        for part in parts:
            total[: len(part.keys)] += part.keys
        lengths = [part.lengths for part in parts if part.lengths is not None]
        subjects = [part.subjects for part in parts if part.subjects is not None]
        if not lengths:
            return cls(total)
        return cls(total, *smallest_per_group(np.concatenate(lengths), np.concatenate(subjects)))

    def reach(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many subjects have a sequence of at most, and of at least, 0, 1, 2 … rows, [L + 1] each."""
        shortest = longest = self.keys
        if self.lengths is not None and self.subjects is not None:
            first = np.unique(self.subjects, return_index=True)[1]
            last = len(self.subjects) - 1 - np.unique(self.subjects[::-1], return_index=True)[1]
            shortest, longest = (np.bincount(self.lengths[at], minlength=len(self.keys)) for at in (first, last))
        return np.cumsum(shortest), np.cumsum(longest[::-1])[::-1]

    def n_subjects(self, low: int, high: int) -> int:
        """Return how many subjects have a sequence of `low` to `high` rows; of many, seven at least."""
        if self.lengths is None or self.subjects is None:
            return int(self.keys[low : high + 1].sum())
        return len(np.unique(self.subjects[slice(*np.searchsorted(self.lengths, [low, high + 1]))]))


def count_lengths(keys: NDArray[np.uint64], subjects: NDArray[np.uint64] | None = None) -> LengthCounts:
    """Count how long sequences are, of the key of each row, [N].

    `subjects` says whom each row is about, [N], where its key does not.
    """
    _, first, sizes = np.unique(keys, return_index=True, return_counts=True)
    if subjects is None:
        return LengthCounts(np.bincount(sizes))
    return LengthCounts(np.bincount(sizes), *smallest_per_group(sizes.astype(np.int64), subjects[first]))


def combine_lengths(parts: Iterable[LengthCounts], protection: Protection) -> SequenceLengths:
    """Return the lengths that protection allows to show: rare ones share a cell, from which any length may be drawn.

    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> combine_lengths([LengthCounts(np.array([0, 2, 1])), LengthCounts(np.array([0, 0, 0, 1]))], UNPROTECTED)
    SequenceLengths(lows=(1, 2, 3), highs=(1, 2, 3), median=1, n_keys=4)
    """
    counts = LengthCounts.of_all(list(parts))
    total, longest = counts.keys, len(counts.keys) - 1
    n_keys = int(total.sum())
    threshold = max(1, protection.threshold)
    as_short, as_long = counts.reach()
    within = np.flatnonzero((as_short >= threshold) & (as_long >= threshold))
    if len(within) == 0:
        return SequenceLengths((1,), (1,), 1, n_keys)
    # An extreme that too few reach is a person: longer and shorter sequences count as the ends of what may be shown.
    least, most = int(within[0]), int(within[-1])
    seen = [length for length in range(least, most + 1) if total[length] or length in (least, most)]
    fewest = -(-n_keys // MOST_CELLS) if len(seen) > MOST_CELLS else 1

    def with_ends(low: int, high: int) -> tuple[int, int]:
        return 0 if low == least else low, longest if high == most else high

    def is_full(low: int, high: int) -> bool:
        low, high = with_ends(low, high)
        return int(total[low : high + 1].sum()) >= fewest and counts.n_subjects(low, high) >= threshold

    cells = [(least, least)]
    for length in seen:
        low, high = cells[-1]
        cells[-1:] = [(low, high), (length, length)] if is_full(low, high) and length > high else [(low, length)]
    if len(cells) > 1 and counts.n_subjects(*with_ends(*cells[-1])) < threshold:
        cells[-2:] = [(cells[-2][0], most)]
    lows, highs = zip(*cells, strict=True)
    median = int(np.searchsorted(np.cumsum(total), (n_keys + 1) // 2))
    return SequenceLengths(lows, highs, min(max(median, least), most), n_keys)
