"""Sequences as batches without padding: all first rows, then all second rows, and so on.

Within a batch the sequences stand from the longest to the shortest, so the rows of step t are a prefix of those of step
t - 1: a recurrence reads slices, and nothing is computed for rows that do not exist (torch calls it a packed sequence).
"""

# G sequences, B windows of a batch, R rows of a batch, T steps
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Windows:
    """Parts of sequences: of which, [B], from which step on, [B], and how many rows, [B]; empty ones have none."""

    sequence: Integers
    first: Integers
    size: Integers

    def of(self, chosen: Integers | slice) -> Windows:
        """Return some of the windows."""
        return Windows(self.sequence[chosen], self.first[chosen], self.size[chosen])


def cut_windows(lengths: Integers, most: int, rng: np.random.Generator | None) -> Windows:
    """Cut sequences, [G], so that every row stands in exactly one window of at most `most` rows.

    Longer sequences are cut at a place drawn anew from `rng`, and every `most` rows from there on; None cuts from the
    start. A sequence without rows is one window without rows.
    """
    phase = np.full(len(lengths), most) if rng is None else rng.integers(1, most + 1, len(lengths))
    phase = np.where(lengths <= most, most, phase)
    n_windows = 1 + np.maximum(0, -(-(lengths - phase) // most))
    sequence = np.repeat(np.arange(len(lengths)), n_windows)
    number = np.arange(len(sequence)) - np.repeat(np.cumsum(n_windows) - n_windows, n_windows)
    first = np.where(number > 0, phase[sequence] + (number - 1) * most, 0)
    last = np.minimum(phase[sequence] + number * most, lengths[sequence])
    return Windows(sequence, first, last - first)


def batches_of(windows: Windows, n_rows: int, rng: np.random.Generator | None) -> Iterator[Windows]:
    """Yield the windows, shuffled by `rng`, in batches of about `n_rows` rows; a window without rows counts as one."""
    order = np.arange(len(windows.size)) if rng is None else rng.permutation(len(windows.size))
    batch = np.cumsum(np.maximum(1, windows.size[order])) // n_rows
    for chosen in np.split(order, np.flatnonzero(np.diff(batch)) + 1):
        yield windows.of(chosen)


@dataclass(frozen=True)
class Packed:
    """The rows of a batch in the order of their steps; see the module.

    Attributes:
        windows: the windows, longest first, [B].
        sizes: rows of each step, falling, [T].
        window: number of each row's window, [R].
        row: its place in the table, [R]; 0 for a row that only asks how many follow.
        index: its step in the whole sequence, [R].
        left: rows of the sequence from it on, [R]; 0 for a row that only asks.
        previous: place in the batch of the row before it, for all rows after the first step, [R - B].
    """

    windows: Windows
    sizes: list[int]
    window: Integers
    row: Integers
    index: Integers
    left: Integers
    previous: Integers


def pack(windows: Windows, starts: Integers, lengths: Integers, ends: NDArray[np.bool_] | None = None) -> Packed:
    """Bring windows into the order of their steps.

    Args:
        windows: a batch.
        starts: where each sequence starts in the table, [G].
        lengths: rows of each sequence, [G].
        ends: windows that get one more row, [B], which asks how many rows follow; None: only those without rows.
    """
    asked = (windows.size == 0) if ends is None else ends | (windows.size == 0)
    sizes_of = windows.size + asked
    order = np.argsort(-sizes_of, kind="stable")
    windows, sizes_of = windows.of(order), sizes_of[order]
    step, window = np.nonzero(np.arange(sizes_of[0])[:, None] < sizes_of[None, :])
    sizes = np.bincount(step)
    index = windows.first[window] + step
    start = starts[windows.sequence]
    left = lengths[windows.sequence][window] - index
    row = np.where(left > 0, start[window] + index, 0)
    later = slice(int(sizes[0]), None)
    previous = np.arange(len(step))[later] - sizes[step[later] - 1]
    return Packed(windows, sizes.tolist(), window, row, index, left, previous)
