"""What every family of generators must do, as a test class: inherit it and give an `artifact` fixture (E31, E38, E41).

The artifact is a flat one, without context, trained in any order; its first two columns have few values, one code each.
"""

from __future__ import annotations

import itertools
import math

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from argn_assets.engine import ModelArtifact, generate_flat, log_probs, predict_proba
from argn_assets.tables.frames import to_polars

MOST_ROWS = 3000  # that are written down one by one
N_DRAWN = 20_000


class FamilyTests:
    """Inherit, beside a fixture `artifact`."""

    @pytest.fixture
    def names(self, artifact: ModelArtifact) -> list[str]:
        return list(artifact.tgt_stats.columns)

    @pytest.mark.parametrize("turn", [0, 1, 2, -1])
    def test_probabilities_sum_to_one_in_every_order(self, artifact, names, turn):
        order = names[1::-1] + names[2:] if turn < 0 else names[turn:] + names[:turn]
        codes, leading = leading_codes(artifact, order)
        found = log_probs(artifact, codes, column_order=order)
        assert np.exp(found[leading].sum(0)).sum() == pytest.approx(1, abs=1e-5)

    def test_a_column_does_not_see_those_after_it(self, artifact, names):
        order = names[1:] + names[:1]
        codes, _ = leading_codes(artifact, order)
        before = log_probs(artifact, codes, column_order=order)
        changed = codes.copy()
        changed[0] = (codes[0] + 1) % next(iter(artifact.tgt_cardinalities.values()))  # the last in this order
        after = log_probs(artifact, changed, column_order=order)
        assert (before[1:] == after[1:]).all()
        assert (before[0] != after[0]).any()

    def test_the_same_seed_gives_the_same_rows(self, artifact):  # E10
        one, other, third = (to_polars(generate_flat(artifact, 100, random_state=seed)) for seed in (3, 3, 4))
        assert one.equals(other)
        assert not one.equals(third)

    def test_probabilities_survive_the_way_through_bytes(self, artifact, names):  # E7
        again = ModelArtifact.from_bytes(artifact.to_bytes())
        codes, _ = leading_codes(artifact, names)
        assert (log_probs(again, codes) == log_probs(artifact, codes)).all()
        assert again.to_bytes() == artifact.to_bytes()

    def test_generated_rows_are_as_frequent_as_the_model_says(self, artifact, names):
        pair = names[:2]
        nothing = pl.DataFrame({pair[0]: pl.Series([None], dtype=pl.String)})
        expected = to_polars(predict_proba(artifact, nothing, pair))
        rows = to_polars(generate_flat(artifact, N_DRAWN, random_state=1)).select(pair)
        texts = rows.select(pl.concat_str(pl.all().cast(pl.String).fill_null("null"), separator=", ")).to_series()
        counts = dict(texts.value_counts().iter_rows())
        assert set(counts) <= set(expected.columns)
        wanted = expected.row(0, named=True)
        large = {name: p * N_DRAWN for name, p in wanted.items() if p * N_DRAWN >= 5}
        distance = sum((counts.get(name, 0) - n) ** 2 / n for name, n in large.items())
        assert distance < chi2.ppf(1 - 1e-5, df=max(1, len(large) - 1))

    def test_predictions_are_the_conditionals_of_the_rows(self, artifact, names):  # E41
        given, target = names[0], names[1]
        order = [given, target, *names[2:]]
        codes, _ = leading_codes(artifact, order)
        _, firsts = np.unique(codes[0], return_index=True)
        values = to_polars(generate_flat(artifact, 500, random_state=2))
        subs = artifact.tgt_stats.sub_columns()
        own = subs[target][0]
        for value in values[given].drop_nulls().unique().sort()[:3]:
            row = pl.DataFrame({given: [value]}, schema={given: values.schema[given]})
            found = to_polars(predict_proba(artifact, row, target)).row(0)
            best = []
            for first in firsts:
                block = np.repeat(codes[:, [first]], own.cardinality, axis=1)
                block[1] = np.arange(own.cardinality)
                p = np.exp(log_probs(artifact, block, column_order=order)[1])
                p[[own.unknown] if own.unknown is not None and own.cardinality > 1 else []] = 0
                best.append(np.abs(np.sort(p / p.sum())[-len(found) :] - np.sort(found)).max())
            assert min(best) < 1e-5, "the probabilities under one of the given column's codes"


def leading_codes(artifact: ModelArtifact, order: list[str]) -> tuple[NDArray[np.int64], list[int]]:
    """Return all combinations of the codes of the first columns of an order, [S, N], and where those stand.

    As many columns are combined as fit into MOST_ROWS; the others have the code 0.
    """
    subs = artifact.tgt_stats.sub_columns()
    starts = dict(zip(subs, itertools.accumulate((len(s) for s in subs.values()), initial=0), strict=False))
    leading: list[int] = []
    sizes: list[int] = []
    for name in order:
        own = [sub.cardinality for sub in subs[name]]
        if leading and math.prod(sizes + own) > MOST_ROWS:
            break
        leading += range(starts[name], starts[name] + len(own))
        sizes += own
        assert math.prod(sizes) <= MOST_ROWS, f"column {name!r} alone has too many combinations of codes"
    codes = np.zeros((len(artifact.tgt_cardinalities), math.prod(sizes)), dtype=np.int64)
    codes[leading] = np.indices(sizes).reshape(len(sizes), -1)
    return codes, leading
