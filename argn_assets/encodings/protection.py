"""Value protection: what too few subjects share never leaves a decoder.

The threshold is drawn from {5, 6, 7} once per column, so that nobody can tell from the outside whether a value was just
above or just below it. Subjects are counted, not rows: one person who repeats a value fifty times is one subject.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argn_assets.seeds import Seed

MOST_SUBJECTS = 7  # more distinct subjects than this are never needed to decide


@dataclass(frozen=True, slots=True)
class Protection:
    """How many distinct subjects must share a value before it may be written out; 0 switches protection off."""

    threshold: int = 0

    @classmethod
    def drawn(cls, seed: Seed, column: str) -> Protection:
        """Draw the threshold of one column from {5, 6, 7}; the same seed and column give the same threshold."""
        return cls(5 + seed.child("protection", column).value % 3)


UNPROTECTED = Protection()


def smallest_per_group(
    groups: NDArray[np.int64], subjects: NDArray[np.uint64], most: int = MOST_SUBJECTS
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    """Return the `most` smallest distinct subjects of each group, ordered by (group, subject).

    The result of a union depends on the union alone, so sketches combine in any order.

    >>> groups, subjects = smallest_per_group(np.array([0, 0, 0, 1]), np.array([9, 3, 3, 5], dtype=np.uint64), most=1)
    >>> groups.tolist(), subjects.tolist()
    ([0, 1], [3, 5])
    """
    if not len(groups):
        return groups.astype(np.int64), subjects.astype(np.uint64)
    order = np.lexsort((subjects, groups))
    groups, subjects = groups[order], subjects[order]
    fresh = np.ones(len(groups), dtype=bool)
    fresh[1:] = (groups[1:] != groups[:-1]) | (subjects[1:] != subjects[:-1])
    groups, subjects = groups[fresh], subjects[fresh]
    first = np.ones(len(groups), dtype=bool)
    first[1:] = groups[1:] != groups[:-1]
    starts = np.flatnonzero(first)
    rank = np.arange(len(groups)) - np.repeat(starts, np.diff(np.append(starts, len(groups))))
    keep = rank < most
    return groups[keep], subjects[keep]
