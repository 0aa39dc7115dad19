"""Laws of the overlap of two samples, and of the bins it is measured on."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.quality.accuracy import PAIRS_MAX, at_size, choose_pairs, overlap
from argn_assets.quality.bins import MIN_ROWS, fit_category_bins, fit_number_bins
from argn_assets.quality.discriminator import tell_apart, tell_columns_apart
from argn_assets.seeds import Seed

codes = st.lists(st.integers(0, 9), min_size=1, max_size=60).map(lambda values: np.array(values, np.uint16))
numbers = st.lists(st.floats(allow_nan=False), max_size=200).map(lambda values: pl.Series(values, dtype=pl.Float64))
words = st.lists(st.none() | st.text("abc", max_size=2), max_size=120).map(lambda v: pl.Series(v, dtype=pl.String))


@given(codes, codes)
def test_overlap_is_symmetric_and_bounded_and_one_for_itself(first, second):
    assert overlap(first, second, 10) == overlap(second, first, 10)
    assert 0.0 <= overlap(first, second, 10) <= 1.0
    assert overlap(first, first, 10) == 1.0


@given(codes, codes)
def test_overlap_never_grows_when_cells_are_split(first, second):
    assert overlap(first, second, 10) <= overlap(first // 2, second // 2, 5) + 1e-12


@given(numbers, numbers)
def test_codes_of_numbers_stay_below_the_size(training, other):
    bins = fit_number_bins(training)
    for series in (training, other, pl.Series([None, float("inf"), -float("inf")], dtype=pl.Float64)):
        assert all(0 <= code < bins.size for code in bins.codes(series).tolist())
    assert bins.size <= 32


@given(words)
def test_no_bin_of_its_own_for_a_category_of_fewer_than_five_rows(training):
    bins = fit_category_bins(training)
    assert all((training == value).sum() >= MIN_ROWS for value in bins.values)
    assert all(0 <= code < bins.size for code in bins.codes(training).tolist())


def test_a_frequent_number_is_a_bin_of_its_own_whatever_lies_around_it():
    column = pl.Series([0.0] * 100 + list(np.linspace(0.001, 1, 400)))
    bins = fit_number_bins(column)
    assert bins.spikes.tolist() == [0.0]
    zero, near = bins.codes(pl.Series([0.0, 1e-9])).tolist()
    assert zero != near


def test_the_ceiling_moves_with_the_number_of_rows_and_not_at_its_own():
    assert at_size(0.9, 1_000, 200, 200) == pytest.approx(0.9)
    assert at_size(0.9, 1_000, 200, 1_000) > 0.9 > at_size(0.9, 1_000, 200, 50)


def test_very_many_pairs_are_drawn_by_the_seed():
    assert choose_pairs(3, Seed(1)) == [(0, 1), (0, 2), (1, 2)]
    assert len(choose_pairs(150, Seed(1))) == PAIRS_MAX
    assert choose_pairs(150, Seed(1)) == choose_pairs(150, Seed(1)) != choose_pairs(150, Seed(2))


@pytest.mark.parametrize("order", [1, -1])
def test_the_discriminator_does_not_care_which_table_is_which(order):
    rng = np.random.default_rng(0)
    near, far = (pl.DataFrame({"x": rng.normal(mean, 1, 1_000)}) for mean in (0, 1))
    first, second = (near, far)[::order]
    known = 0.76  # AUC of two normal distributions one standard deviation apart
    whole = tell_apart(first, second, {"x": "number"}, seed=Seed(1), max_rows=1_000)
    alone = tell_columns_apart(first, second, {"x": "number"}, seed=Seed(1), max_rows=1_000)
    assert whole == pytest.approx(known, abs=0.03)
    assert alone[0] == pytest.approx(known, abs=0.04)
