"""Integer codes of a column, few enough to count, made from the training rows alone.

Code 0 is a missing value. No bin is made around fewer than `MIN_ROWS` training rows, so no label or edge that a report
prints describes fewer people than that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.quality.columns import AlignedTables, Kind

MIN_ROWS = 5  # training rows behind every label, spike and quantile bin
SPIKE_SHARE = 0.05  # of the values that are there: from here on a number is a bin of its own
DISCRETE_VALUES = 20  # up to so many distinct numbers, each one is a bin of its own
QUANTILES = 10  # bins for the numbers that are no spikes
TOP_CATEGORIES = 20


class ColumnBins(Protocol):
    """How the values of one column become codes in [0, size)."""

    @property
    def size(self) -> int:
        """Number of codes."""

    def codes(self, values: pl.Series) -> NDArray[np.uint8]:
        """Return one code per row, shape [N]."""


@dataclass(frozen=True, slots=True)
class CategoryBins:
    """The most frequent training values, most frequent first; all others, unseen ones included, share the last code.

    >>> bins = fit_category_bins(pl.Series(["a"] * 6 + ["b"] * 5 + ["c"]))
    >>> bins.codes(pl.Series([None, "a", "b", "c", "new"])).tolist()
    [0, 1, 2, 3, 3]
    """

    values: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of codes: missing, the frequent values, the rest."""
        return len(self.values) + 2

    def codes(self, values: pl.Series) -> NDArray[np.uint8]:
        """Return one code per row, shape [N]."""
        rest = len(self.values) + 1
        if not self.values:
            codes = pl.select(pl.lit(rest, dtype=pl.UInt8).repeat_by(values.len()).explode()).to_series()
        else:
            codes = values.replace_strict(list(self.values), list(range(1, rest)), default=rest, return_dtype=pl.UInt8)
        found: NDArray[np.uint8] = np.where(values.is_null().to_numpy(), 0, codes.to_numpy()).astype(np.uint8)
        return found


@dataclass(frozen=True, slots=True)
class NumberBins:
    """Spikes, the numbers many rows share, each on its own; all other numbers between quantiles of the training rows.

    >>> bins = fit_number_bins(pl.Series([0.0] * 50 + [float(i) for i in range(1, 51)]))
    >>> bins.spikes.tolist(), bins.edges.tolist()
    ([0.0], [5.0, 10.0, 15.0, 20.0, 25.0, 30.0, 35.0, 40.0, 45.0])
    >>> bins.codes(pl.Series([None, 0.0, 0.01, 5.0, 5.5, 1e9])).tolist()
    [0, 1, 2, 2, 3, 11]

    Attributes:
        spikes: ascending, [P] float64; may hold infinities.
        edges: ascending upper ends (included) of all quantile bins but the last, [Q - 1] float64.
    """

    spikes: NDArray[np.float64]
    edges: NDArray[np.float64]

    @property
    def size(self) -> int:
        """Number of codes: missing, the spikes, the quantile bins."""
        return 1 + len(self.spikes) + len(self.edges) + 1

    def codes(self, values: pl.Series) -> NDArray[np.uint8]:
        """Return one code per row, shape [N]; numbers beyond the training range fall in the outer bins."""
        numbers = as_numbers(values)
        codes = 1 + len(self.spikes) + np.searchsorted(self.edges, numbers, side="left")
        if len(self.spikes):
            place = np.searchsorted(self.spikes, numbers).clip(max=len(self.spikes) - 1)
            codes = np.where(self.spikes[place] == numbers, 1 + place, codes)
        return np.where(np.isnan(numbers), 0, codes).astype(np.uint8)


def as_numbers(values: pl.Series) -> NDArray[np.float64]:
    """Return a Float64 column as numpy with NaN for missing, shape [N]."""
    return values.fill_null(float("nan")).to_numpy()


def fit_category_bins(training: pl.Series) -> CategoryBins:
    """Take the `TOP_CATEGORIES` most frequent values that at least `MIN_ROWS` rows share."""
    values, counts = count_categories(training)
    return CategoryBins(tuple(values[: min(TOP_CATEGORIES, int((counts >= MIN_ROWS).sum()))]))


def count_categories(column: pl.Series) -> tuple[list[str], NDArray[np.int64]]:
    """Return the distinct values of a String column and their counts, frequent first and ties by value."""
    table = (
        column.drop_nulls().alias("value").value_counts(name="count").sort("count", "value", descending=[True, False])
    )
    return table["value"].to_list(), table["count"].to_numpy().astype(np.int64)


def fit_number_bins(training: pl.Series) -> NumberBins:
    """Find the spikes of a Float64 column and the quantiles of the rest."""
    numbers = as_numbers(training.drop_nulls())
    values, counts = np.unique(numbers, return_counts=True)
    least = MIN_ROWS if len(values) <= DISCRETE_VALUES else max(MIN_ROWS, SPIKE_SHARE * len(numbers))
    spikes = values[counts >= least]
    rest = numbers[~np.isin(numbers, spikes) & np.isfinite(numbers)]
    bins = min(QUANTILES, len(rest) // MIN_ROWS)
    shares = np.arange(1, bins) / max(bins, 1)
    edges = np.unique(np.quantile(rest, shares, method="lower")) if bins > 1 else np.empty(0)
    return NumberBins(spikes, edges)


def fit_bins(training: pl.Series, kind: Kind) -> ColumnBins:
    """Return the bins of one aligned column."""
    return fit_category_bins(training) if kind == "category" else fit_number_bins(training)


@dataclass(frozen=True, slots=True, kw_only=True)
class BinnedTables:
    """The codes of three tables under one set of bins.

    Attributes:
        bins: one per column, in order.
        training, synthetic: codes, [C, N] uint8.
        holdout: likewise, or None.
    """

    bins: tuple[ColumnBins, ...]
    training: NDArray[np.uint8]
    holdout: NDArray[np.uint8] | None
    synthetic: NDArray[np.uint8]


def bin_tables(tables: AlignedTables) -> BinnedTables:
    """Fit bins on the training rows and code all three tables with them."""
    bins = tuple(fit_bins(tables.training[name], kind) for name, kind in tables.kinds.items())

    def codes(table: pl.DataFrame) -> NDArray[np.uint8]:
        return np.stack([made.codes(table[name]) for made, name in zip(bins, tables.kinds, strict=True)])

    return BinnedTables(
        bins=bins,
        training=codes(tables.training),
        holdout=None if tables.holdout is None else codes(tables.holdout),
        synthetic=codes(tables.synthetic),
    )
