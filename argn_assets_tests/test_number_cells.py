"""How numbers of many values are cut into cells: tails, gaps and spikes keep what a reader looks at (E21)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from argn_assets.encodings.numeric_binned import NumericBinned
from argn_assets.encodings.protection import UNPROTECTED, Protection

Draw = Callable[[np.random.Generator], NDArray[np.float64]]
TAILS: dict[str, Draw] = {
    "amounts": lambda rng: np.round(rng.lognormal(3, 2, 100_000), 2),
    "counts": lambda rng: np.floor(1 + rng.pareto(1.5, 100_000)),
    "changes": lambda rng: rng.standard_t(3, 100_000),
}


def read_back(values: NDArray[np.float64], protection: Protection = UNPROTECTED) -> NDArray[np.float64]:
    series = pl.Series(values)
    stats = NumericBinned.reduce([NumericBinned.partial(series)], protection)
    return NumericBinned.decode(NumericBinned.encode(series, stats), stats).to_numpy()


@pytest.mark.parametrize("draw", TAILS.values(), ids=TAILS)
def test_a_heavy_tail_keeps_its_sum_and_its_quantiles(draw: Draw) -> None:  # E20, E21
    values = draw(np.random.default_rng(5))
    back = read_back(values)
    assert np.abs(back).sum() == pytest.approx(np.abs(values).sum(), rel=0.02)
    shares = [0.01, 0.5, 0.99, 0.999, 0.9995]
    assert np.quantile(back, shares) == pytest.approx(np.quantile(values, shares), rel=0.1, abs=0.05)


def test_a_protected_tail_keeps_its_quantiles_too() -> None:  # E23
    values = TAILS["amounts"](np.random.default_rng(5))
    back = read_back(values, Protection(7))
    assert np.quantile(back, [0.99, 0.9995]) == pytest.approx(np.quantile(values, [0.99, 0.9995]), rel=0.05)
    assert back.max() <= np.sort(values)[-7]


def test_a_spike_takes_no_cells_from_the_numbers_beside_it() -> None:  # E21
    rng = np.random.default_rng(5)
    amounts = np.round(rng.lognormal(6, 1.5, 6_000), 2)
    values = np.concatenate([np.zeros(194_000), amounts])
    back = read_back(values)
    assert np.count_nonzero(back == 0) == 194_000
    assert np.abs(back - values)[194_000:].mean() < 0.03 * amounts.mean()


def test_hardly_any_number_is_drawn_in_a_gap_that_no_number_was_seen_in() -> None:  # E21
    rng = np.random.default_rng(5)
    values = np.concatenate([rng.uniform(0, 1, 30_000), rng.uniform(1000, 1001, 30_000)])
    back = read_back(values)
    assert np.count_nonzero((back > 1) & (back < 1000)) < 10
