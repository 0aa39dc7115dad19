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
_FEW_ROWS = 64  # per group, from which the smallest subjects of all rows are looked at first
_SOME = 16  # times fewer of them


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
    n_groups = int(groups.max(initial=-1)) + 1
    if len(groups) < _FEW_ROWS * n_groups or not n_groups:
        return _smallest(groups, subjects, most)
    # Where groups are few, most find their smallest subjects among the smallest of all rows.
    among = len(subjects) // _SOME
    is_small = subjects <= np.partition(subjects, among)[among]
    found_groups, found = _smallest(groups[is_small], subjects[is_small], most)
    is_settled = np.bincount(found_groups, minlength=n_groups) == most
    is_left, is_final = ~is_settled[groups], is_settled[found_groups]
    left_groups, left = _smallest(groups[is_left], subjects[is_left], most)
    merged = np.concatenate([found_groups[is_final], left_groups])
    order = np.argsort(merged, kind="stable")
    return merged[order], np.concatenate([found[is_final], left])[order]


def _smallest(
    groups: NDArray[np.int64], subjects: NDArray[np.uint64], most: int
) -> tuple[NDArray[np.int64], NDArray[np.uint64]]:
    known, rank = np.unique(subjects, return_inverse=True)
    # One number per pair sorts several times faster than two.
    pairs = np.sort(groups.astype(np.int64) * max(len(known), 1) + rank)
    is_first = np.ones(len(pairs), dtype=bool)
    is_first[1:] = pairs[1:] != pairs[:-1]
    groups, rank = np.divmod(pairs[is_first], max(len(known), 1))
    keep = np.ones(len(groups), dtype=bool)
    keep[most:] = groups[most:] != groups[:-most]
    return groups[keep], known[rank[keep]]
