"""Distinct subjects are counted by the smallest of each group, whatever the cut (E5, E23)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.encodings.protection import MOST_SUBJECTS, smallest_per_group


def one_by_one(groups: list[int], subjects: list[int], most: int) -> list[tuple[int, int]]:
    return [
        (group, subject)
        for group in sorted(set(groups))
        for subject in sorted({s for g, s in zip(groups, subjects, strict=True) if g == group})[:most]
    ]


def pairs_of(groups: list[int], subjects: list[int], most: int = MOST_SUBJECTS) -> list[tuple[int, int]]:
    found = smallest_per_group(np.array(groups, dtype=np.int64), np.array(subjects, dtype=np.uint64), most)
    return list(zip(found[0].tolist(), found[1].tolist(), strict=True))


@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 20) | st.integers(2**64 - 3, 2**64 - 1))), st.integers(1, 8)
)
def test_each_group_keeps_its_smallest_distinct_subjects(rows: list[tuple[int, int]], most: int) -> None:
    groups, subjects = [group for group, _ in rows], [subject for _, subject in rows]
    assert pairs_of(groups, subjects, most) == one_by_one(groups, subjects, most)


@pytest.mark.parametrize("n_subjects", [3, 200, 2**62])
def test_groups_of_many_rows_and_of_few_keep_theirs_too(n_subjects: int) -> None:
    rng = np.random.default_rng(1)
    groups = np.minimum(rng.zipf(1.7, 5_000), 20).tolist()
    subjects = rng.integers(0, n_subjects, 5_000).tolist()
    subjects[-3:], groups[-3:] = [2**64 - 1, 2**64 - 2, 2**64 - 1], [19, 19, 19]
    assert pairs_of(groups, subjects) == one_by_one(groups, subjects, MOST_SUBJECTS)
