"""Seeds: named children, and numbers that belong to rows (E6, E10)."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.seeds import Seed, mix64
from argn_assets_tests.conformance.encoding import law


def test_children_are_the_same_in_every_version() -> None:
    assert Seed(0).child("train").value == 9856633083369841726
    assert Seed(0).child("column", 3).value == 14796264738944880503


@law
@given(value=st.integers(-(2**70), 2**70), one=st.text(max_size=5), other=st.text(max_size=5))
def test_other_names_give_other_seeds(value: int, one: str, other: str) -> None:
    assert (Seed(value).child(one) == Seed(value).child(other)) == (one == other)
    assert 0 <= Seed(value).child(one).value < 2**64


@law
@given(keys=st.lists(st.integers(0, 2**64 - 1), max_size=30), seed=st.integers(0, 2**64 - 1))
def test_uniforms_belong_to_rows(keys: list[int], seed: int) -> None:
    rows = np.array(keys, dtype=np.uint64)
    uniforms = Seed(seed).uniforms(rows)
    assert ((uniforms >= 0) & (uniforms < 1)).all()
    assert (Seed(seed).uniforms(rows[::-1]) == uniforms[::-1]).all()


def test_uniforms_are_uniform_and_independent_of_the_next_seed() -> None:
    rows = np.arange(100_000, dtype=np.uint64)
    one, other = Seed(1).child("a").uniforms(rows), Seed(1).child("b").uniforms(rows)
    counts, _ = np.histogram(one, bins=20, range=(0, 1))
    assert abs(counts - 5000).max() < 350
    assert abs(np.corrcoef(one, other)[0, 1]) < 0.02
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.02


def test_mixing_keeps_keys_apart() -> None:
    assert len(np.unique(mix64(np.arange(1_000_000, dtype=np.uint64)))) == 1_000_000


def test_a_generator_of_a_seed_repeats_itself() -> None:
    assert Seed(5).numpy().random() == Seed(5).numpy().random()
