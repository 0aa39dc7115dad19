"""Row keys and the validation split: a property of the subject, never of the order of rows (E6)."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.seeds import Seed
from argn_assets.tables.split import row_keys, validation_mask
from argn_assets_tests.conformance.encoding import law

row_numbers = st.lists(st.integers(0, 2**64 - 1), min_size=1, max_size=50).map(lambda v: np.array(v, dtype=np.uint64))


@law
@given(keys=row_numbers, share=st.floats(0.001, 0.999), seed=st.integers(0, 99))
def test_each_side_has_a_row_where_two_subjects_are_there(keys: np.ndarray, share: float, seed: int) -> None:
    mask = validation_mask(keys, share, Seed(seed))
    assert mask.shape == keys.shape
    if len(set(keys.tolist())) > 1:
        assert mask.any()
        assert not mask.all()
    else:
        assert not mask.any()


@law
@given(keys=row_numbers, share=st.floats(0, 0.999), seed=st.integers(0, 99))
def test_rows_of_one_subject_stay_together_in_any_order(keys: np.ndarray, share: float, seed: int) -> None:
    keys = np.repeat(keys, 2)
    order = np.random.default_rng(seed).permutation(len(keys))
    mask = validation_mask(keys, share, Seed(seed))
    assert (validation_mask(keys[order], share, Seed(seed)) == mask[order]).all()
    sides: dict[int, set[bool]] = {}
    for key, side in zip(keys.tolist(), mask.tolist(), strict=True):
        sides.setdefault(key, set()).add(side)
    assert all(len(side) == 1 for side in sides.values())


@pytest.mark.parametrize("share", [0.0, 0.05, 0.2, 0.5])
def test_the_share_is_met_on_average(share: float) -> None:
    mask = validation_mask(np.arange(100_000, dtype=np.uint64), share, Seed(3))
    assert abs(mask.mean() - share) < 0.005


def test_no_rows_give_an_empty_mask() -> None:
    assert validation_mask(np.empty(0, dtype=np.uint64), 0.2, Seed(1)).shape == (0,)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2, 3, 2**63 - 1, -1], ["a", "b", "", "é"], [1.5, 2.5, float("inf")], [True, False], [None, 1, 2],
    ],
)  # fmt: skip
def test_equal_values_have_equal_keys_and_others_do_not(values: list[object]) -> None:
    once = row_keys(pl.DataFrame({"k": values}, strict=False), "k")
    twice = row_keys(pl.DataFrame({"k": [*values, *reversed(values)]}, strict=False), "k")
    assert (twice[: len(values)] == once).all()
    assert (twice[len(values) :] == once[::-1]).all()
    assert len(set(once.tolist())) == len(values) or None in values


def test_keys_of_text_are_the_same_in_every_version() -> None:
    assert row_keys(pl.DataFrame({"k": ["a", "é"]}), "k").tolist() == [3405396810240292928, 3394012004367669963]


def test_whole_numbers_have_one_key_in_every_numeric_type() -> None:
    expected = row_keys(pl.DataFrame({"k": [3, 0, 7]}), "k").tolist()
    for dtype in (pl.Int8, pl.UInt64, pl.Float32, pl.Float64):
        assert row_keys(pl.DataFrame({"k": pl.Series([3, 0, 7], dtype=dtype)}), "k").tolist() == expected


def test_unsigned_keys_beyond_the_signed_range_differ() -> None:
    keys = row_keys(pl.DataFrame({"k": pl.Series([2**63, 2**64 - 1, 0], dtype=pl.UInt64)}), "k")
    assert len(set(keys.tolist())) == 3


def test_rows_without_a_key_are_numbered_on() -> None:
    table = pl.DataFrame({"a": [5, 6, 7]})
    assert row_keys(table, None, first_row=10).tolist() == [10, 11, 12]


@pytest.mark.parametrize("values", [[0, None, 0, None], [0.0, None, 0.0, None], ["", None, "", None]])
def test_rows_without_a_key_are_not_those_of_another_key(values: list[object]) -> None:
    of_zero, of_nothing, *again = row_keys(pl.DataFrame({"k": values}), "k").tolist()
    assert of_zero != of_nothing
    assert again == [of_zero, of_nothing]
