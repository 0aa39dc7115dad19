"""Cells of a quadtree over the Earth: coarse where few people are, fine where many are.

Both coordinates are whole numbers of 1e-7 degrees whose bits are interleaved into one 64-bit key (Morton order). A cell
is a prefix of the key: an even number of bits is a square of the quadtree, an odd number half of one. Counting and
combining are those of numbers, which drop low bits of the key beyond their budget: that makes coarser squares.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from argn_assets.encodings.number_counts import Keys, NumberCounts
from argn_assets.encodings.protection import Protection

MOST_DECIMALS = 7  # a centimetre
MOST_CELLS = 2048
MOST_REGIONS = 64  # of about equal mass
MOST_PLACES = 64  # cells of one region
FEWEST_ROWS = 5  # of a cell that is cut once more, unless the column lives on few places
FEW_PLACES = 128  # each has a code of its own
REPEATS = 3.0  # rows per distinct place from which a column counts as one of few places
MOST_LEFT_OUT = 1 / 16  # of a cell's rows, when the smaller half has too few subjects for a cell


def to_keys(latitude: NDArray[np.int64], longitude: NDArray[np.int64]) -> Keys:
    """Return the Morton keys of whole 1e-7 degrees, [B]: bits of latitude and longitude in turn, longitude lowest."""
    return (_spread(latitude.astype(np.uint64)) << np.uint64(1)) | _spread(longitude.astype(np.uint64))


def from_keys(keys: Keys) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Read Morton keys back to whole 1e-7 degrees, [B] each.

    >>> [int(c[0]) for c in from_keys(to_keys(np.array([1_800_000_000]), np.array([3_600_000_000])))]
    [1800000000, 3600000000]
    """
    return _gather(keys >> np.uint64(1)).astype(np.int64), _gather(keys).astype(np.int64)


_MASKS = [0x00000000FFFFFFFF, 0x0000FFFF0000FFFF, 0x00FF00FF00FF00FF, 0x0F0F0F0F0F0F0F0F, 0x3333333333333333]
_EVEN = 0x5555555555555555


def _spread(values: Keys) -> Keys:
    """Move the low 32 bits apart, a zero between each two."""
    for shift, mask in zip((16, 8, 4, 2, 1), [*_MASKS[1:], _EVEN], strict=True):
        values = (values | values << np.uint64(shift)) & np.uint64(mask)
    return values


def _gather(keys: Keys) -> Keys:
    """Undo `_spread`; the odd bits are ignored."""
    keys = keys & np.uint64(_EVEN)
    for shift, mask in zip((1, 2, 4, 8, 16), reversed(_MASKS), strict=True):
        keys = (keys | keys >> np.uint64(shift)) & np.uint64(mask)
    return keys


def low_bits(bits: NDArray[np.uint64]) -> Keys:
    """Return numbers whose low `bits` are set, 0 … 64."""
    return np.where(bits == 0, np.uint64(0), np.uint64(2**64 - 1) >> (np.uint64(64) - np.maximum(bits, np.uint64(1))))


def on_grid(whole: NDArray[np.int64], decimals: int) -> NDArray[np.int64]:
    """Round whole 1e-7 degrees to so many decimals."""
    step = 10 ** (MOST_DECIMALS - decimals)
    rounded: NDArray[np.int64] = (whole + step // 2) // step * step
    return rounded


class Cell(NamedTuple):
    """A prefix of keys that enough subjects share."""

    low: int  # smallest key
    free_bits: int  # low bits that are free
    mass: int  # rows


@dataclass(frozen=True)
class CountedPlaces:
    """Counted places in the order of their keys, on the column's grid, [V]."""

    lows: Keys  # [V]
    highs: Keys  # [V], equal to lows for a single place
    rows_before: NDArray[np.int64]  # [V+1]
    subject_buckets: NDArray[np.int64] | None  # ascending, [P]
    subjects: Keys | None  # [P]
    shift: int  # key bits below which places were not told apart

    @classmethod
    def of(cls, counts: NumberCounts, decimals: int) -> CountedPlaces:
        """Round counted places to so many decimals."""
        lows, highs = (to_keys(*(on_grid(c, decimals) for c in from_keys(k))) for k in (counts.lows, counts.highs))
        order = np.argsort(lows, kind="stable")
        buckets, subjects = counts.subject_buckets, counts.subjects
        if buckets is not None and subjects is not None:
            place = np.empty(len(order), dtype=np.int64)
            place[order] = np.arange(len(order))
            by_place = np.argsort(place[buckets], kind="stable")
            buckets, subjects = place[buckets][by_place], subjects[by_place]
        rows_before = np.concatenate([[0], np.cumsum(counts.counts[order])])
        return cls(lows[order], highs[order], rows_before, buckets, subjects, counts.shift)

    def mass(self, start: int, end: int) -> int:
        """Return the rows of the places start … end - 1."""
        return int(self.rows_before[end] - self.rows_before[start])

    def has_subjects(self, start: int, end: int, threshold: int) -> bool:
        """Return whether so many distinct subjects have one of the places start … end - 1."""
        if self.subject_buckets is None or self.subjects is None:
            return self.mass(start, end) >= threshold
        first, last = np.searchsorted(self.subject_buckets, [start, end])
        # A few pairs mostly decide it.
        few = np.unique(self.subjects[first : min(last, first + 64)])
        return len(few) >= threshold or len(np.unique(self.subjects[first:last])) >= threshold

    def free_bits(self, start: int, end: int) -> int:
        """Return the low key bits in which the places start … end - 1 differ; 0 for a single place."""
        return int(self.lows[start] ^ self.highs[start:end].max()).bit_length()


def cut_into_cells(places: CountedPlaces, protection: Protection) -> list[Cell]:
    """Cut the counted places into cells, the one of most rows first; return them in Morton order."""
    n_places = len(places.lows)
    total = places.mass(0, n_places)
    if n_places == 0 or not places.has_subjects(0, n_places, protection.threshold):
        return []
    is_few = places.shift == 0 and n_places <= MOST_CELLS and (n_places <= FEW_PLACES or total >= REPEATS * n_places)
    least = 1 if is_few else max(FEWEST_ROWS, protection.threshold, 2 * total // MOST_CELLS)
    cells: list[Cell] = []
    queue = [(-total, 0, n_places)]
    while queue and len(queue) + len(cells) < MOST_CELLS:
        mass, start, end = heapq.heappop(queue)
        halves = _halves(places, start, end, protection) if -mass >= least else []
        if not halves:
            cells.append(_cell(places, start, end))
        for half in halves:
            heapq.heappush(queue, (-places.mass(*half), *half))
    cells += [_cell(places, start, end) for _, start, end in queue]
    return sorted(cells)


def _cell(places: CountedPlaces, start: int, end: int) -> Cell:
    free = places.free_bits(start, end)
    return Cell(int(places.lows[start]) >> free << free, free, places.mass(start, end))


def _halves(places: CountedPlaces, start: int, end: int, protection: Protection) -> list[tuple[int, int]]:
    """Return the halves of a cell as ranges of places; the one with too few subjects is left out where it is small.

    An empty list says that the cell is not to be cut.
    """
    free = places.free_bits(start, end)
    if free <= places.shift:
        return []
    middle = (int(places.lows[start]) >> (free - 1) | 1) << (free - 1)
    cut = start + int(np.searchsorted(places.lows[start:end], np.uint64(middle)))
    if not start < cut < end:  # rounding took the largest key beyond its own half
        return []
    halves = [(start, cut), (cut, end)]
    if protection.threshold == 0:
        return halves
    shown = [half for half in halves if places.has_subjects(*half, protection.threshold)]
    kept = sum(places.mass(*half) for half in shown)
    return shown if kept >= (1 - MOST_LEFT_OUT) * places.mass(start, end) else []


def group_cells(mass: NDArray[np.int64]) -> tuple[int, ...]:
    """Return the first cell of each region; regions have about equal mass and at most MOST_PLACES cells.

    >>> group_cells(np.array([7, 1, 2]))
    (0, 1, 2)
    """
    if not len(mass):
        return ()
    if len(mass) <= MOST_REGIONS:
        return tuple(range(len(mass)))
    target, starts, held = mass.sum() / MOST_REGIONS, [0], 0
    for cell, rows in enumerate(mass.tolist()):
        if held and (held + rows / 2 > target or cell - starts[-1] == MOST_PLACES):
            starts.append(cell)
            held = 0
        held += rows
    return tuple(starts)
