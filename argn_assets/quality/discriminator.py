"""Classifier two-sample test (C2ST): how well a classifier tells the rows of one table from those of another.

The figure is an AUC: shown one row of each table, how often the classifier names the right one. 0.5 is guessing.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.quality.bins import as_numbers, count_categories
from argn_assets.quality.columns import Kind
from argn_assets.seeds import Seed

ROWS_MIN = 100  # of each table: below, the figure is noise
FOLDS = 3
ROUNDS = 200  # boosting rounds at most; early stopping ends it
VALUES_MIN = 20  # of a column, in both tables together: what one leaf of a tree has to hold
CATEGORIES_MAX = 254  # the classifier takes at most 255 codes
COLUMN_BINS = 128  # at most, for the numbers of one column that are no spikes
BIN_ROWS = 40  # of both tables together in such a bin; fewer would be learnt by heart
INFINITE = 1e30  # stands for infinity, which quantiles cannot take


def tell_apart(
    first: pl.DataFrame, second: pl.DataFrame, kinds: dict[str, Kind], *, seed: Seed, max_rows: int
) -> float | None:
    """Return the cross-validated AUC of gradient boosting that tells `first` from `second`, in [0, 1].

    Equal numbers of rows are drawn, at most `max_rows` of each; None below `ROWS_MIN`.
    """
    sample = _draw(first, second, seed, max_rows)
    if sample is None:
        return None
    usable = [name for name in kinds if is_usable(sample[name])]
    if not usable:
        return 0.5
    features = np.column_stack([_feature(sample[name], kinds[name]) for name in usable])
    categorical = [kinds[name] == "category" for name in usable]
    half = sample.height // 2
    return _boosted_auc(features, np.repeat([0, 1], half), categorical, seed.child("boost").value % 2**32)


def tell_columns_apart(
    first: pl.DataFrame, second: pl.DataFrame, kinds: dict[str, Kind], *, seed: Seed, max_rows: int
) -> list[float | None]:
    """Return one AUC per column, seen alone; a bad one betrays values that only one table has.

    The classifier is a table: the share of synthetic rows per fine bin (frequent values on their own), learnt on one
    half and tried on the other. It costs milliseconds where boosting costs seconds.
    """
    sample = _draw(first, second, seed, max_rows)
    if sample is None:
        return [None] * len(kinds)
    half = sample.height // 2
    truth = np.repeat([0, 1], half)
    fold = seed.child("fold").numpy().permutation(sample.height) % 2
    return [_table_auc(_fine_codes(sample[name], kind), truth, fold) for name, kind in kinds.items()]


def is_usable(column: pl.Series) -> bool:
    """Return whether boosting can use a column: it fails on one without a value in the rows it learns from."""
    return len(column) - column.null_count() >= VALUES_MIN


def take_rows(table: pl.DataFrame, rows: int, seed: Seed) -> pl.DataFrame:
    """Return `rows` rows drawn without replacement; all of them, in order, when there are no more."""
    if table.height <= rows:
        return table
    return table[seed.numpy().permutation(table.height)[:rows]]


def _draw(first: pl.DataFrame, second: pl.DataFrame, seed: Seed, max_rows: int) -> pl.DataFrame | None:
    """Equal numbers of rows of both tables, one under the other."""
    rows = min(first.height, second.height, max_rows)
    if rows < ROWS_MIN:
        return None
    return pl.concat([take_rows(first, rows, seed.child("first")), take_rows(second, rows, seed.child("second"))])


def _feature(column: pl.Series, kind: Kind) -> NDArray[np.float64]:
    """Numbers as they are, categories as ranks of frequency in both tables together; NaN is missing."""
    if kind != "category":
        return np.clip(as_numbers(column), -INFINITE, INFINITE)
    values = count_categories(column)[0][:CATEGORIES_MAX]
    if not values:
        return np.full(len(column), np.nan)
    ranks = column.replace_strict(values, list(range(len(values))), default=len(values), return_dtype=pl.Float64)
    found: NDArray[np.float64] = np.where(column.is_null().to_numpy(), np.nan, ranks.to_numpy())
    return found


def _boosted_auc(
    features: NDArray[np.float64], truth: NDArray[np.int64], categorical: list[bool], random_state: int
) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.model_selection import StratifiedKFold

    chance = np.zeros(len(truth))
    folds = StratifiedKFold(FOLDS, shuffle=True, random_state=random_state)
    with one_thread():
        for fit, test in folds.split(features, truth):
            model = HistGradientBoostingClassifier(
                max_iter=ROUNDS, early_stopping=True, categorical_features=categorical, random_state=random_state
            )
            chance[test] = model.fit(features[fit], truth[fit]).predict_proba(features[test])[:, 1]
    return auc(truth, chance)


def one_thread() -> AbstractContextManager[object]:
    """Hold boosting to one thread: equal figures on any number of cores, and no threads that spin for busy cores."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]  # comes with scikit-learn

    limits: AbstractContextManager[object] = threadpool_limits(limits=1, user_api="openmp")
    return limits


def _fine_codes(column: pl.Series, kind: Kind) -> NDArray[np.int64]:
    """Codes of one column in both tables: frequent values on their own, other numbers in quantile bins."""
    feature = _feature(column, kind)
    if kind == "category":
        return np.where(np.isnan(feature), CATEGORIES_MAX + 1, feature).astype(np.int64)
    present = feature[~np.isnan(feature)]
    values, counts = np.unique(present, return_counts=True)
    bins = int(np.clip(len(present) // BIN_ROWS, 1, COLUMN_BINS))
    spikes = values[counts * bins >= max(len(present), 1)]
    rest = present[~np.isin(present, spikes)]
    edges = np.unique(np.quantile(rest, np.arange(1, bins) / bins)) if len(rest) else np.empty(0)
    codes = 1 + np.searchsorted(edges, feature)
    if len(spikes):
        place = np.searchsorted(spikes, feature).clip(max=len(spikes) - 1)
        codes = np.where(spikes[place] == feature, 2 + len(edges) + place, codes)
    return np.where(np.isnan(feature), 0, codes)


def _table_auc(codes: NDArray[np.int64], truth: NDArray[np.int64], fold: NDArray[np.int64]) -> float:
    size = int(codes.max()) + 1
    scores = []
    for test in (0, 1):
        fit = fold != test
        synthetic = np.bincount(codes[fit], weights=truth[fit], minlength=size)
        chance = (synthetic + 1.0) / (np.bincount(codes[fit], minlength=size) + 2.0)
        scores.append(auc(truth[~fit], chance[codes[~fit]]))
    return sum(scores) / 2


def auc(truth: NDArray[np.int64], chance: NDArray[np.float64]) -> float:
    """Return the area under the ROC curve, rounded to 6 digits so that the order of additions cannot show.

    >>> auc(np.array([0, 0, 1, 1]), np.array([0.1, 0.5, 0.5, 0.9]))
    0.875
    """
    from sklearn.metrics import roc_auc_score

    return round(float(roc_auc_score(truth, chance)), 6)
