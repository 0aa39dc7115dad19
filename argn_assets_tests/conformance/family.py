"""What every network of every family must do, as test classes: inherit one and give a `case` fixture (E31, E38, E41).

`NetworkTests` holds for tables and sequences, with and without context. `TrainedTests` adds what holds for networks
that are trained here, and `LoneTableTests` what holds for tables without context.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from scipy.stats import chi2

from argn_assets.engine import (
    EpochProgress,
    ModelArtifact,
    encode_table,
    generate_flat,
    generate_sequential,
    log_prob,
    predict_proba,
)
from argn_assets.engine.families import family_named
from argn_assets.engine.siblings import of_rows, sibling_rows
from argn_assets.schema import SubColumn
from argn_assets.tables.encode import EncodedTable
from argn_assets.tables.frames import to_polars

MOST_ROWS = 3000  # that are written down one by one
N_DRAWN = 20_000
BEFORE = 2  # rows of a sequence before the one that is looked at
LEFT = 1  # rows from that one on
STEP = 7  # in the middle of the first epoch
SEED = 1  # of trainings
HELD_OUT = 0.2


@dataclass(frozen=True)
class Case:
    """A network and what it needs.

    Attributes:
        artifact: a model whose first columns have few values.
        context: of a few subjects; None for a model without.
    """

    artifact: ModelArtifact
    context: Any = None

    @property
    def names(self) -> list[str]:
        """The columns."""
        return list(self.artifact.tgt_stats.columns)

    @property
    def orders(self) -> list[list[str]]:
        """Orders of the columns that the model serves."""
        names = self.names
        if not self.artifact.enable_flexible_generation:
            return [names]
        return [names[turn:] + names[:turn] for turn in range(min(3, len(names)))] + [names[1::-1] + names[2:]]

    def generate(self, seed: int) -> pl.DataFrame:
        """Generate a few rows or sequences."""
        kind = generate_sequential if self.artifact.is_sequential else generate_flat
        n = {} if self.context is not None else {"sample_size": 100}
        return to_polars(kind(self.artifact, ctx_data=self.context, random_state=seed, device="cpu", **n))

    @cached_property
    def given(self) -> EncodedTable | None:
        """The context as codes."""
        return encode_table(self.context, self.artifact.ctx_stats) if self.artifact.ctx_stats else None

    def begin(self, chosen: NDArray[np.int64]) -> tuple[Any, Any, Any]:
        """Return the model, the codes of the context of chosen subjects, [U, B], and what stands for the siblings.

        That is what rows see of them, or of sequences the state before their first rows.
        """
        import torch

        family, device = family_named(self.artifact.family), torch.device("cpu")
        context, siblings = torch.zeros((0, len(chosen)), dtype=torch.int64), []
        if self.given is not None:
            context = torch.from_numpy(self.given.codes[:, chosen].astype(np.int64))
            siblings = of_rows(sibling_rows(tuple(self.given.siblings.values()), device), chosen)
        if self.artifact.is_sequential:
            model = family.load_sequential(self.artifact, device, torch.float64)
            return model, context, model.begin(context, siblings)
        flat = family.load_flat(self.artifact, device, torch.float64)
        return flat, context, flat.base_of(siblings)

    def log_probs(self, codes: NDArray[np.int64], order: list[str]) -> NDArray[np.float64]:
        """Return the log-probabilities of codes of one row, [S, N], under the first subject's context.

        Of a sequence it is the last of a few rows, whose codes before are 0.
        """
        import torch

        n = codes.shape[1]
        model, context, outside = self.begin(np.zeros(n, dtype=np.int64))
        if self.artifact.is_sequential:
            for _ in range(BEFORE):
                outside = model.advance(outside, torch.zeros(codes.shape, dtype=torch.int64))
            outside, context = model.base(outside, torch.ones(n, dtype=torch.int64)), context[:0]
        n_context, subs = len(context), self.artifact.tgt_stats.sub_columns()
        block = torch.cat([context, torch.from_numpy(codes)])
        shown = torch.zeros(block.shape, dtype=torch.bool)
        shown[:n_context] = True
        starts = starts_of(subs, n_context)
        target = [starts[name] + i for name in order for i in range(len(subs[name]))]
        steps = model.steps([*range(n_context), *target], n_context)
        seen, found = steps.begin(block, shown, outside), np.zeros(codes.shape)
        for step, position in enumerate(steps.order):
            if position >= n_context:
                of_codes = steps.logits(step, seen).log_softmax(1)
                found[position - n_context] = of_codes.gather(1, block[position][:, None]).squeeze(1).detach().numpy()
                steps.show(step, seen, block[position])
        return found

    def length_log_probs(self, sizes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return the log-probability of each subject's number of rows, [G]; of a flat model 0."""
        import torch

        lengths = self.artifact.tgt_stats.lengths
        if not self.artifact.is_sequential or lengths is None:
            return np.zeros(len(sizes))
        model, _, state = self.begin(np.arange(len(sizes)))
        found = model.length_logits(state).log_softmax(1).gather(1, torch.from_numpy(lengths.cell_of(sizes))[:, None])
        return np.asarray(found.squeeze(1).detach())


class NetworkTests:
    """Inherit, beside a fixture `case`."""

    def test_probabilities_sum_to_one_in_every_order(self, case):
        for order in case.orders:
            codes, leading = leading_codes(case.artifact, order)
            found = case.log_probs(codes, order)
            assert np.exp(found[leading].sum(0)).sum() == pytest.approx(1, abs=1e-5), order

    def test_a_column_does_not_see_those_after_it(self, case):
        order = case.orders[-1]
        codes, _ = leading_codes(case.artifact, order)
        subs = case.artifact.tgt_stats.sub_columns()
        last = starts_of(subs)[order[-1]] + len(subs[order[-1]]) - 1
        others = [s for s in range(len(codes)) if s != last]
        before = case.log_probs(codes, order)
        codes[last] = (codes[last] + 1) % [*case.artifact.tgt_cardinalities.values()][last]
        after = case.log_probs(codes, order)
        assert (before[others] == after[others]).all()
        assert (before[last] != after[last]).any()

    def test_the_same_seed_gives_the_same_rows(self, case):  # E10
        one, other, third = (case.generate(seed) for seed in (3, 3, 4))
        assert one.equals(other)
        assert not one.equals(third)

    def test_probabilities_and_rows_survive_the_way_through_bytes(self, case):  # E7
        again = dataclasses.replace(case, artifact=ModelArtifact.from_bytes(case.artifact.to_bytes()))
        assert again.artifact.to_bytes() == case.artifact.to_bytes()
        codes, _ = leading_codes(case.artifact, case.names)
        assert (again.log_probs(codes, case.names) == case.log_probs(codes, case.names)).all()
        assert again.generate(3).equals(case.generate(3))


@dataclass(frozen=True)
class Training:
    """A training of a small table without missing values, whose rows of a key stand together.

    Attributes:
        table: what is trained on.
        train: trains it, with arguments of `train_flat`.
        context: one row per subject, in the order of the table's keys; None without.
    """

    table: pl.DataFrame
    train: Callable[..., ModelArtifact]
    context: pl.DataFrame | None = None


class TrainedTests(NetworkTests):
    """Inherit, beside fixtures `case` and `training`."""

    def test_the_same_seed_trains_the_same_bytes_be_it_cut_short_or_not(self, training):  # E10 E35
        states: dict[str, bytes] = {}

        def after_epoch(progress: EpochProgress) -> None:
            states.setdefault("first epoch", progress.training_state())

        steps = itertools.count(1)

        def after_step(seconds: float, training_state: Callable[[], bytes]) -> None:
            if next(steps) == STEP:
                states["middle"] = training_state()

        whole = training.train(on_epoch=after_epoch, on_step=after_step).to_bytes()
        assert [*states] == ["middle", "first epoch"]
        assert training.train().to_bytes() == whole
        for when, state in states.items():
            assert training.train(training_state=state).to_bytes() == whole, when

    def test_a_warm_start_on_the_same_table_begins_with_the_very_probabilities(self, case, training):  # E35
        begun = training.train(random_state=SEED + 1, max_epochs=0, warm_start=case.artifact)
        assert begun.provenance["warm_start"] == "yes"
        again = dataclasses.replace(case, artifact=begun)
        codes, _ = leading_codes(case.artifact, case.names)
        assert (again.log_probs(codes, case.names) == case.log_probs(codes, case.names)).all()
        sizes = np.arange(4)
        assert (again.length_log_probs(sizes) == case.length_log_probs(sizes)).all()

    def test_the_loss_of_a_training_is_that_of_the_probabilities_in_use(self, training):
        artifact = training.train(any_order=False, max_epochs=1)
        case, key = Case(artifact, training.context), artifact.tgt_context_key
        rows = -log_prob(artifact, training.table, ctx_data=training.context)
        held = encode_table(training.table, artifact.tgt_stats, seed=SEED, validation_split=HELD_OUT).validation
        total, n_rows = rows[held].sum(), held.sum()
        if artifact.is_sequential:
            subjects = training.table[key].unique(maintain_order=True)
            if training.context is not None:
                subjects = training.context[str(artifact.ctx_primary_key)]
                held = encode_table(
                    training.context, artifact.ctx_stats, seed=SEED, validation_split=HELD_OUT
                ).validation
            else:
                held = held[(training.table[key] != training.table[key].shift()).fill_null(True).to_numpy()]
            counts = dict(training.table[key].value_counts().iter_rows())
            sizes = np.array([counts.get(subject, 0) for subject in subjects])
            held_rows = training.table[key].is_in(subjects.filter(pl.Series(held)).implode()).to_numpy()
            total = rows[held_rows].sum() - case.length_log_probs(sizes)[held].sum()
            n_rows = np.maximum(1, sizes[held]).sum()
        # Kept weights are rounded to sixteen bits.
        assert total / n_rows == pytest.approx(artifact.history[0].validation_loss, rel=2e-3)


class LoneTableTests:
    """Inherit, beside a fixture `case` of a table without context; its first two columns have one code each."""

    def test_generated_rows_are_as_frequent_as_the_model_says(self, case):
        artifact, pair = case.artifact, case.names[:2]
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

    def test_predictions_are_the_conditionals_of_the_rows(self, case):  # E41
        artifact, names = case.artifact, case.names
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
                p = np.exp(case.log_probs(block, order)[1])
                p[[own.unknown] if own.unknown is not None and own.cardinality > 1 else []] = 0
                best.append(np.abs(np.sort(p / p.sum())[-len(found) :] - np.sort(found)).max())
            assert min(best) < 1e-5, "the probabilities under one of the given column's codes"


def leading_codes(artifact: ModelArtifact, order: list[str]) -> tuple[NDArray[np.int64], list[int]]:
    """Return all combinations of the codes of the first sub-columns of an order, [S, N], and where those stand.

    As many sub-columns are combined as fit into MOST_ROWS; the others have the code 0.
    """
    subs = artifact.tgt_stats.sub_columns()
    starts = starts_of(subs)
    leading: list[int] = []
    sizes: list[int] = []
    in_order = [(starts[name] + i, sub.cardinality) for name in order for i, sub in enumerate(subs[name])]
    for position, cardinality in in_order:
        if math.prod([*sizes, cardinality]) > MOST_ROWS:
            break
        leading.append(position)
        sizes.append(cardinality)
    codes = np.zeros((len(artifact.tgt_cardinalities), math.prod(sizes)), dtype=np.int64)
    codes[leading] = np.indices(sizes).reshape(len(sizes), -1)
    return codes, leading


def starts_of(subs: Mapping[str, tuple[SubColumn, ...]], first: int = 0) -> dict[str, int]:
    """Return the position of each column's first sub-column."""
    return dict(zip(subs, itertools.accumulate(map(len, subs.values()), initial=first), strict=False))
