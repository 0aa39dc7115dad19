"""Predicting columns of sequences: each row from its context and all that the rows before it say."""

# A sequences that are left, D draws, N rows, V outcomes
from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.encodings.datetime_relative import DatetimeRelativeStats
from argn_assets.engine.conditionals import Conditionals, without
from argn_assets.engine.families import SequenceGenerator
from argn_assets.engine.generate import GenerationConfig, Given, Plan
from argn_assets.engine.given_times import times_from_given
from argn_assets.engine.outcomes import Outcomes, says_gaps
from argn_assets.engine.rules import draw_rules
from argn_assets.engine.sequence_draws import DrawnStep, GivenSequences, SequenceDraws, side_by_side
from argn_assets.schema import full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.dtypes import dtype_named
from argn_assets.tables.encode import decode_codes
from argn_assets.tables.sequences import starts_at, step_key
from argn_assets.tables.stats import TableStats


@torch.inference_mode()
def sequence_probabilities(
    artifact: ModelArtifact,
    model: SequenceGenerator,
    known: GivenSequences,
    outcomes: list[Outcomes],
    hidden: list[str],
    n_draws: int,
    seed: Seed,
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
    """Yield numbers of rows, [B], and the probabilities of the joint outcomes of columns in them, [B, V].

    Args:
        artifact: a sequential model.
        model: its network.
        known: the sequences.
        outcomes: of the columns.
        hidden: columns of which what a row says counts for the rows after it only.
        n_draws: draws of what is missing in the rows before, over which the probabilities are means.
        seed: of these draws.
    """
    asked = Conditionals(artifact, model, known.given, outcomes, hidden)
    for draws in _draws(artifact, model, known, n_draws, seed):
        size = max(1, asked.n_rows_at_once // draws.n_draws)
        for step in draws.steps():
            for start in range(0, len(step.rows), size):
                rows = step.rows[start : start + size]
                each = np.repeat(rows, draws.n_draws)
                base = step.base[start * draws.n_draws : start * draws.n_draws + len(each)]
                found = asked.probabilities(each, base).view(len(rows), draws.n_draws, -1)
                if draws.n_draws > 1:
                    found = found * draws.weights(asked.log_likelihoods(each, base))[:, :, None]
                yield rows, found.sum(1).cpu().numpy()


@torch.inference_mode()
def sequence_values(
    artifact: ModelArtifact,
    model: SequenceGenerator,
    known: GivenSequences,
    target: str,
    hidden: list[str],
    n_draws: int,
    seed: Seed,
) -> pl.Series:
    """Return draws of the column `target` in all rows, one draw after the other, [D * N].

    The other arguments are those of `sequence_probabilities`.
    """
    stats, n_rows = artifact.tgt_stats, len(known.order)
    names = list(stats.columns)
    own = without(known.given, [names.index(name) for name in hidden])
    sub_columns = list(full_sub_columns(stats.sub_columns()))
    plan = Plan(model, sub_columns, own.offered, draw_rules(artifact, filled=[target]))
    of_target = np.array(plan.columns) == names.index(target)
    only = dataclasses.replace(stats, columns={target: stats.columns[target]})
    rows: list[NDArray[np.int64]] = [np.zeros(0, dtype=np.int64)]
    values = [pl.Series(target, [], dtype=dtype_named(stats.schema.column(target).dtype))]
    for draws in _draws(artifact, model, known, n_draws, seed):
        for step in draws.steps():
            # The last of the rows that a value needs to be read is its own.
            codes = _with_rows_before(plan, own, draws, step, _n_rows_before(known, target, only, step), n_draws, seed)
            values.append(_read(known, codes[:, of_target], only, step, seed, sum(map(len, rows))))
            rows.append((step.rows[:, None] + np.arange(n_draws) * n_rows).ravel())
    return pl.concat(values)[np.argsort(np.concatenate(rows))]


def _with_rows_before(
    plan: Plan, given: Given, draws: SequenceDraws, step: DrawnStep, n_before: int, n_draws: int, seed: Seed
) -> NDArray[np.uint16]:
    """Return draws of the codes of a step's rows after those of `n_before` rows before each, [T, S, A * D]."""
    codes, observed, base, kept = draws.row(plan, given, step)
    columns = np.arange(codes.shape[1]) if kept is None else kept.cpu().numpy()
    times = n_draws // draws.n_draws
    codes, observed, base = (
        codes.repeat_interleave(times, 1),
        observed.repeat_interleave(times, 1),
        base.repeat_interleave(times, 0),
    )
    columns = np.repeat(columns, times)
    of_draw = np.tile(np.arange(n_draws, dtype=np.uint64), len(step.rows))
    keys = step_key(np.repeat(step.numbers.astype(np.uint64), n_draws) * np.uint64(n_draws) + of_draw, step.step)
    drawn = plan.fill(codes, observed, keys, seed.child("prediction"), GenerationConfig(), base)
    before = [own[:, columns] for own in draws.before(n_before)]
    return np.stack([*before[::-1], drawn.cpu().numpy().astype(np.uint16)])


def _n_rows_before(known: GivenSequences, target: str, only: TableStats, step: DrawnStep) -> int:
    """Return how many rows before those of a step are needed to read its values: none, but where codes say gaps."""
    own = only.columns[target]
    if not says_gaps(own):
        return 0
    if not isinstance(own, DatetimeRelativeStats) or target not in known.table.columns:
        return step.step
    # Gaps count from the last moment that is given.
    has = np.where(known.table[target].is_not_null().to_numpy(), np.arange(len(known.table)), -1)
    last = np.maximum.accumulate(np.append(-1, has[:-1]))[step.rows]
    begins = known.offsets[step.numbers]
    return int((step.rows - np.maximum(last, begins)).max())


def _read(
    known: GivenSequences, codes: NDArray[np.uint16], only: TableStats, step: DrawnStep, seed: Seed, first_row: int
) -> pl.Series:
    """Return the values that the last of some rows' codes say, [T, S, A * D] -> [A * D]."""
    n_steps, _, n_values = codes.shape
    offsets = np.arange(n_values + 1) * n_steps
    block = codes.transpose(1, 2, 0).reshape(codes.shape[1], -1)
    target = next(iter(only.columns))
    decoded = decode_codes(block, only, seed=seed, first_row=first_row, starts=starts_at(offsets))
    if n_steps > 1 and target in known.table.columns:
        rows = np.repeat(step.rows, n_values // len(step.rows))[:, None] + np.arange(1 - n_steps, 1)
        is_before = np.tile(np.arange(n_steps) < n_steps - 1, n_values)
        given = known.table.select(target)[rows.ravel()].select(pl.when(pl.Series(is_before)).then(pl.all()))
        decoded = times_from_given(decoded, block, offsets, given, only, seed, first_row)
    return decoded[target].gather(offsets[1:] - 1)


def _draws(
    artifact: ModelArtifact, model: SequenceGenerator, known: GivenSequences, n_draws: int, seed: Seed
) -> Iterator[SequenceDraws]:
    """Yield draws of all sequences: one of those that lack nothing before their last row, else `n_draws`."""
    sub_columns = list(full_sub_columns(artifact.tgt_stats.sub_columns()))
    plan = Plan(model, sub_columns, known.given.offered, draw_rules(artifact))
    lacks = known.first_missing() < known.offsets[1:] - 1
    for chosen, n in ((~lacks, 1), (lacks, n_draws)):
        for numbers in side_by_side(np.flatnonzero(chosen), n_draws):
            yield SequenceDraws(model, plan, known, numbers, n, seed, GenerationConfig())
