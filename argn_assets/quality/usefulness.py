"""Train on synthetic, test on real: a model learnt from synthetic rows, tried on rows nobody trained on."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.quality.bins import as_numbers, count_categories
from argn_assets.quality.columns import AlignedTables
from argn_assets.quality.discriminator import CATEGORIES_MAX, INFINITE, is_usable, one_thread, take_rows
from argn_assets.quality.figures import Usefulness
from argn_assets.seeds import Seed

CLASSES_MAX = 20  # a number with at most so many distinct values counts as a class
ROUNDS = 200
ROWS_MIN = 100


def try_on_holdout(tables: AlignedTables, target: str, *, seed: Seed, max_rows: int) -> Usefulness | None:
    """Train gradient boosting on real and on as many synthetic rows and try both on the holdout.

    Returns None where that says nothing: fewer than `ROWS_MIN` rows with a target anywhere, or a constant target.
    """
    if tables.holdout is None or len(tables.kinds) < 2:
        return None
    known = [table.drop_nulls(target) for table in (tables.training, tables.synthetic, tables.holdout)]
    rows = min(known[0].height, known[1].height, max_rows)
    if min(rows, known[2].height) < ROWS_MIN:
        return None
    real, made, held = (take_rows(table, rows, seed.child(place)) for place, table in enumerate(known))
    if real[target].n_unique() < 2 or made[target].n_unique() < 2 or held[target].n_unique() < 2:
        return None
    classes = tables.kinds[target] == "category" or real[target].n_unique() <= CLASSES_MAX
    if classes and real[target].n_unique() > CLASSES_MAX:
        return None
    features = _Features(real, made, tables, target)
    if not features.names:
        return None
    score = _classes if classes else _numbers
    state = seed.child("fit").value % 2**32
    with one_thread():
        return Usefulness(
            target=target,
            measure="auc" if classes else "r2",
            trained_on_real=score(features, real, held, state),
            trained_on_synthetic=score(features, made, held, state),
        )


class _Features:
    """All columns but the target as numbers, coded alike for every table."""

    def __init__(self, like: pl.DataFrame, made: pl.DataFrame, tables: AlignedTables, target: str):
        self.target = target
        others = [name for name in tables.kinds if name != target]
        self.names = [name for name in others if is_usable(like[name]) and is_usable(made[name])]
        self.categorical = [tables.kinds[name] == "category" for name in self.names]
        self.values = {
            name: count_categories(like[name])[0][:CATEGORIES_MAX]
            for name, text in zip(self.names, self.categorical, strict=True)
            if text
        }

    def of(self, table: pl.DataFrame) -> NDArray[np.float64]:
        """Return [N, C - 1] float64, NaN for missing and for categories that `like` does not have."""
        return np.column_stack([self._column(table[name]) for name in self.names])

    def _column(self, column: pl.Series) -> NDArray[np.float64]:
        if column.name not in self.values:
            return np.clip(as_numbers(column), -INFINITE, INFINITE)
        values = self.values[column.name]
        ranks = column.replace_strict(values, list(range(len(values))), default=None, return_dtype=pl.Float64)
        return as_numbers(ranks)


def _classes(features: _Features, fit: pl.DataFrame, test: pl.DataFrame, random_state: int) -> float:
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.metrics import roc_auc_score

    model = HistGradientBoostingClassifier(
        max_iter=ROUNDS, early_stopping=True, categorical_features=features.categorical, random_state=random_state
    )
    # Text, so that the same class is one class whether the column came as a number or not.
    model.fit(features.of(fit), fit[features.target].cast(pl.String).to_numpy())
    chance, truth = model.predict_proba(features.of(test)), test[features.target].cast(pl.String).to_numpy()
    scores = []
    for value in np.unique(truth):
        place = np.flatnonzero(model.classes_ == value)
        if len(place) == 0:  # a class the table lacks cannot be told at all
            scores.append(0.5)
        elif len(np.unique(truth)) > 1:
            scores.append(float(roc_auc_score(truth == value, chance[:, place[0]])))
    return round(float(np.mean(scores)), 6)


def _numbers(features: _Features, fit: pl.DataFrame, test: pl.DataFrame, random_state: int) -> float:
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.metrics import r2_score

    model = HistGradientBoostingRegressor(
        max_iter=ROUNDS, early_stopping=True, categorical_features=features.categorical, random_state=random_state
    )
    clipped = [np.clip(as_numbers(table[features.target]), -INFINITE, INFINITE) for table in (fit, test)]
    model.fit(features.of(fit), clipped[0])
    return round(float(r2_score(clipped[1], model.predict(features.of(test)))), 6)
