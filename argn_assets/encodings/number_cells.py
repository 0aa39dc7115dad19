"""Cells of counted numbers: one exact value where the column repeats it, else a narrow range of about equal mass.

Ranges of equal mass are wide where numbers are rare, and a number drawn in a wide one lies far from any that was seen:
the tail of a column of amounts would have many times its sum. So ranges that would smear most are cut further, down to
a few rows each.
"""

from __future__ import annotations

import heapq
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from argn_assets.encodings.number_counts import NumberCounts, numbers
from argn_assets.encodings.protection import MOST_SUBJECTS, Protection, smallest_per_group

MOST_CELLS = 1024  # of about equal mass
MOST_CUTS = 128  # of cells that smear most
SMEARED = 4.0  # times what cells smear on average, from which one is cut further
MOST_BINS = 64  # of equal mass; spikes get bins of their own beside them
MOST_SLOTS = 32
FEWEST_ROWS = 5  # of a range cell, so that a number of its own does not become a cell of its own
REPEATS = 3.0  # rows per distinct value from which a column counts as a grid of repeated values


class Cells(NamedTuple):
    """Ranges of buckets of `NumberCounts`, ascending."""

    starts: NDArray[np.intp]  # first bucket of each cell, [C]
    ends: NDArray[np.intp]  # last bucket of each cell, [C]
    mass: NDArray[np.int64]  # rows of each cell, [C]


def cut_into_cells(counts: NumberCounts, shown: NDArray[np.intp], protection: Protection) -> Cells:
    """Cut the shown buckets into cells: repeated values alone, the others in ranges."""
    exact = (counts.lows == counts.highs)[shown]
    shared = counts.subjects_per_bucket()[shown] >= protection.threshold
    special = exact & ~np.isfinite(numbers(counts.lows[shown], counts.domain).astype(np.float64))
    # An infinity that may not be shown must not be the end of a range either.
    kept = ~special | shared
    shown, exact, shared, special = shown[kept], exact[kept], shared[kept], special[kept]
    if not len(shown):
        return Cells(shown, shown, np.empty(0, dtype=np.int64))
    mass = counts.counts[shown]
    is_grid = exact.all() and len(mass) <= MOST_CELLS and mass.sum() >= REPEATS * len(mass)
    fewest = max(FEWEST_ROWS, protection.threshold)
    per_cell = max(_mass_per_cell(mass), fewest)
    least = 1 if is_grid else per_cell / 2
    alone = (exact & (mass >= least) | special) & shared
    starts = _narrowed(_segment(mass, alone, per_cell), alone, _Smear(counts, shown), fewest)
    ends = np.append(starts[1:], len(mass)) - 1
    cells = Cells(shown[starts], shown[ends], np.add.reduceat(mass, starts))
    if protection.threshold == 0:
        return cells
    return _shareable(cells, (starts == ends) & (exact & shared)[starts], counts, protection)


def _mass_per_cell(mass: NDArray[np.int64]) -> float:
    """Return the rows of a range: those left beside repeated values, so that a spike takes no ranges from the others.

    >>> _mass_per_cell(np.array([1_000_000] + [1] * 10_230))
    10.0
    """
    per_cell = float(mass.sum()) / MOST_CELLS
    is_heavy = mass >= per_cell / 2
    n_left = max(MOST_CELLS - int(is_heavy.sum()), MOST_CELLS // 2)
    return min(per_cell, float(mass[~is_heavy].sum()) / n_left)


def _segment(mass: NDArray[np.int64], alone: NDArray[np.bool_], per_part: float) -> NDArray[np.int64]:
    """Return where parts start: at and after items that stand alone, and wherever `per_part` of the mass is full."""
    part = np.floor((np.cumsum(mass) - mass / 2) / per_part)
    is_start = np.concatenate([[True], (part[1:] != part[:-1]) | alone[1:] | alone[:-1]])
    return np.flatnonzero(is_start)


class _Smear:
    """How far numbers drawn inside a range of buckets lie from those seen: rows times width, [V] buckets."""

    def __init__(self, counts: NumberCounts, shown: NDArray[np.intp]):
        lows, highs = (numbers(keys[shown], counts.domain).astype(np.float64) for keys in (counts.lows, counts.highs))
        finite = np.isfinite(lows) & np.isfinite(highs)  # what is not stands alone, and has no width
        # As shares of the largest number, so that the width of the range of all floats is finite.
        scale = max(np.abs(lows[finite]).max(initial=0.0), np.abs(highs[finite]).max(initial=0.0)) or 1.0
        self.lows, self.highs = (np.where(finite, ends, 0.0) / scale for ends in (lows, highs))
        self.rows_before = np.append(0, np.cumsum(counts.counts[shown]))

    def of(self, starts: Any, ends: Any) -> Any:
        """Return the smear of the buckets start … end - 1, for numbers or arrays."""
        return (self.rows_before[ends] - self.rows_before[starts]) * (self.highs[ends - 1] - self.lows[starts])

    def best_cut(self, start: int, end: int, fewest: int) -> int | None:
        """Return the bucket before which a cut leaves the least smear, with so many rows on both sides at least."""
        cuts = np.arange(start + 1, end)
        rows = self.rows_before[cuts]
        cuts = cuts[(rows - self.rows_before[start] >= fewest) & (self.rows_before[end] - rows >= fewest)]
        return int(cuts[np.argmin(self.of(start, cuts) + self.of(cuts, end))]) if len(cuts) else None


def _narrowed(starts: NDArray[np.int64], alone: NDArray[np.bool_], smear: _Smear, fewest: int) -> NDArray[np.int64]:
    """Return where cells start when those that smear most are cut, into parts of `fewest` rows at least."""
    ends = np.append(starts[1:], len(alone))
    ranges = np.flatnonzero(~alone[starts])
    of_ranges = smear.of(starts[ranges], ends[ranges])
    most = SMEARED * of_ranges.mean() if len(ranges) else 0.0
    wide = ranges[of_ranges > most]
    queue = [
        (-smear.of(start, end), start, end)
        for start, end in zip(starts[wide].tolist(), ends[wide].tolist(), strict=True)
    ]
    heapq.heapify(queue)
    cuts: list[int] = []
    while queue and len(cuts) < MOST_CUTS:
        _, start, end = heapq.heappop(queue)
        cut = smear.best_cut(start, end, fewest)
        if cut is None:
            continue
        cuts.append(cut)
        for part in ((start, cut), (cut, end)):
            if smear.of(*part) > most:
                heapq.heappush(queue, (-smear.of(*part), *part))
    return np.sort(np.append(starts, np.array(cuts, dtype=np.int64)))


def _shareable(cells: Cells, alone: NDArray[np.bool_], counts: NumberCounts, protection: Protection) -> Cells:
    """Join neighbouring ranges until each holds several numbers of enough distinct subjects; drop what stays scarce."""
    joined: list[tuple[np.intp, np.intp, np.int64]] = []
    start, mass, subjects = None, np.int64(0), set[int]()
    for i, members in enumerate(_subjects_per_cell(cells, counts)):
        if alone[i]:
            joined.append((cells.starts[i], cells.ends[i], cells.mass[i]))
            start, mass, subjects = None, np.int64(0), set()
            continue
        start = cells.starts[i] if start is None else start
        mass, subjects = mass + cells.mass[i], subjects | members
        if len(subjects) >= protection.threshold and counts.lows[start] < counts.highs[cells.ends[i]]:
            joined.append((start, cells.ends[i], mass))
            start, mass, subjects = None, np.int64(0), set()
    columns = zip(*joined, strict=True) if joined else ((), (), ())
    return Cells(*(np.array(column, dtype=np.int64) for column in columns))


def _subjects_per_cell(cells: Cells, counts: NumberCounts) -> list[set[int]]:
    """Return up to seven distinct subjects of each cell; rows stand for themselves where they share no subjects."""
    if counts.subject_buckets is None or counts.subjects is None:
        firsts = np.cumsum(cells.mass) - cells.mass
        rows = zip(firsts.tolist(), cells.mass.tolist(), strict=True)
        return [set(range(first, first + min(mass, MOST_SUBJECTS))) for first, mass in rows]
    cell = np.searchsorted(cells.starts, counts.subject_buckets, side="right") - 1
    inside = (cell >= 0) & (counts.subject_buckets <= cells.ends[np.maximum(cell, 0)])
    groups, subjects = smallest_per_group(cell[inside].astype(np.int64), counts.subjects[inside])
    return [set(part.tolist()) for part in np.split(subjects, np.searchsorted(groups, np.arange(1, len(cells.starts))))]


def group_cells(mass: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the first cell of each bin: about MOST_BINS of equal mass, heavy cells alone, at most MOST_SLOTS cells."""
    if len(mass) <= 2 * MOST_BINS:
        return np.arange(len(mass))
    per_bin = mass.sum() / MOST_BINS
    starts = _segment(mass, mass >= per_bin / 2, per_bin)
    place = np.arange(len(mass))
    within = place - np.repeat(starts, np.diff(np.append(starts, len(mass))))
    return np.flatnonzero(within % MOST_SLOTS == 0)
