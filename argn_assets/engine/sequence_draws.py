"""Sequences with missing values: several draws of each side by side, row after row, by what every row says of them.

A missing value is drawn from the context, the rows before it and what its own row has. Draws that make likely what is
given later are then kept more often than others: what is left are draws given everything (a particle filter).
"""

# A sequences that are left, D draws, G sequences, N rows, S sub-columns, C columns, U sub-columns of the context
from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.families import SequenceGenerator
from argn_assets.engine.generate import GenerationConfig, Given, Plan
from argn_assets.engine.given import given_from_seed
from argn_assets.engine.sequence_probability import context_of_sequences, row_log_probs, sequences_in
from argn_assets.engine.siblings import sibling_rows
from argn_assets.seeds import Seed
from argn_assets.tables.encode import EncodedSibling
from argn_assets.tables.sequences import step_key

_MOST_DRAWS = 1 << 14  # draws of all sequences that are made side by side
# Where values are given after a missing one: of so many draws those that fit them are kept. Each costs as much as the
# first; sixteen hold a value of which the rows before give one in ten four times in five.
LEAST_DRAWS = 16


@dataclass(frozen=True)
class GivenSequences:
    """Sequences of which some values may be missing.

    Attributes:
        table: key and columns of the model, the rows of a sequence together, N rows.
        given: the same as codes.
        offsets: where each sequence starts, [G + 1].
        context: codes of each sequence's context, [U, G].
        siblings: of each sequence's context.
        order: number of each row in the table that it came from, [N].
    """

    table: pl.DataFrame
    given: Given
    offsets: NDArray[np.int64]
    context: NDArray[np.integer]
    siblings: tuple[EncodedSibling, ...]
    order: NDArray[np.int64]

    @property
    def sequence(self) -> NDArray[np.int64]:
        """Number of the sequence of each row, [N]."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def first_missing(self) -> NDArray[np.int64]:
        """Return the first row of each sequence that lacks a value, [G]; the number of all rows where none does."""
        found = np.full(len(self.offsets) - 1, len(self.order), dtype=np.int64)
        lacks = np.flatnonzero(~self.given.observed.all(0))
        np.minimum.at(found, self.sequence[lacks], lacks)
        return found

    def last_given(self) -> NDArray[np.int64]:
        """Return the last row of each sequence that has a value, [G]; -1 where none has."""
        found = np.full(len(self.offsets) - 1, -1, dtype=np.int64)
        has = np.flatnonzero(self.given.observed.any(0))
        np.maximum.at(found, self.sequence[has], has)
        return found


def given_sequences(artifact: ModelArtifact, table: pl.DataFrame, ctx_data: Any) -> GivenSequences:
    """Return the sequences of a table with the context key and some columns of the model's table.

    Raises:
        SchemaError: the key is not a column, or context is missing or not used.
        DataError: rows have no key, or one that the context lacks.
        ConfigError: a pattern of missing values that a fixed-order model cannot serve.
    """
    order, offsets = sequences_in(artifact, table)
    names = (str(artifact.tgt_context_key), *artifact.tgt_stats.columns)
    grouped = table[order].select(name for name in names if name in table.columns)
    context, siblings = context_of_sequences(artifact, ctx_data, grouped, offsets)
    given = given_from_seed(artifact, grouped, len(grouped))
    return GivenSequences(grouped, given, offsets, context, siblings, order)


def side_by_side(numbers: NDArray[np.int64], n_draws: int) -> Iterator[NDArray[np.int64]]:
    """Yield some sequences after the other, as many as can be drawn side by side."""
    size = max(1, _MOST_DRAWS // n_draws)
    for start in range(0, len(numbers), size):
        yield numbers[start : start + size]


@dataclass(frozen=True)
class DrawnStep:
    """The next row of each sequence that is left, before anything of it is drawn.

    Attributes:
        step: how many rows come before it.
        rows: its number among all rows, [A].
        numbers: of the sequences, [A].
        base: what it sees from outside, a sequence's draws together, [A * D, ·].
    """

    step: int
    rows: NDArray[np.int64]
    numbers: NDArray[np.int64]
    base: Tensor


class SequenceDraws:
    """Draws of some sequences; `steps` makes them, `write` and `before` read what was made."""

    def __init__(
        self,
        model: SequenceGenerator,
        plan: Plan,
        known: GivenSequences,
        numbers: NDArray[np.int64],
        n_draws: int,
        seed: Seed,
        config: GenerationConfig,
        first_sequence: int = 0,
        lengths: Callable[[Any, Tensor], Tensor] | None = None,
    ):
        """Draw the sequences numbered `numbers`; every draw is a function of (seed, sub-column, sequence, step).

        Args:
            model: the network.
            plan: the order of the columns, and what may be drawn.
            known: the sequences.
            numbers: which of them.
            n_draws: of each.
            seed: of all draws.
            config: settings.
            first_sequence: number of the first sequence of `known` among those that the seed is for.
            lengths: returns how many rows sequences have, [A], of their state and their numbers; None takes them to end
                with what is known.
        """
        self.model, self.plan, self.known, self.numbers = model, plan, known, numbers
        self.n_draws, self.seed, self.config = n_draws, seed, config
        self.first_sequence, self.lengths = first_sequence, lengths
        self.sizes = np.diff(known.offsets)[numbers]
        # Per step: the sequences that are left, the codes of their draws, and which draw of the step before each has.
        self.made: list[tuple[NDArray[np.int64], NDArray[np.uint16], NDArray[np.int64]]] = []

    def steps(self) -> Iterator[DrawnStep]:
        """Yield all first rows, all second rows and so on, and draw what is missing of each after it was yielded."""
        model, known, device = self.model, self.known, self.model.device
        left = np.arange(len(self.numbers))
        context = torch.from_numpy(known.context[:, self.numbers].astype(np.int64)).to(device)
        state = model.begin(context, sibling_rows(tuple(s.of_rows(self.numbers) for s in known.siblings), device))
        lengths = self.sizes
        if self.lengths is not None:
            lengths = self.lengths(state, torch.from_numpy(self.numbers).to(device)).cpu().numpy()
        state = model.keep(state, torch.from_numpy(np.repeat(left, self.n_draws)).to(device))
        for step in range(int(self.sizes.max(initial=0))):
            alive = np.flatnonzero(self.sizes[left] > step)
            origin = (alive[:, None] * self.n_draws + np.arange(self.n_draws)).ravel()
            if len(alive) < len(left):
                left, state = left[alive], model.keep(state, torch.from_numpy(origin).to(device))
            rows = known.offsets[self.numbers[left]] + step
            places = torch.from_numpy(np.repeat(lengths[left] - step, self.n_draws)).to(device)
            next_rows = DrawnStep(step, rows, self.numbers[left], model.base(state, places))
            yield next_rows
            codes, observed, base, kept = self.row(self.plan, known.given, next_rows)
            if kept is not None:
                origin, state = origin[kept.cpu().numpy()], model.keep(state, kept)
            keys = step_key(self._keys(left), step)
            codes = self.plan.fill(codes, observed, keys, self.seed, self.config, base)
            self.made.append((left, codes.cpu().numpy().astype(np.uint16), origin))
            state = model.advance(state, codes)

    def _keys(self, left: NDArray[np.int64]) -> NDArray[np.uint64]:
        """Return a number for each draw of the sequences that are left, [A * D]."""
        own = np.repeat((self.first_sequence + self.numbers[left]) * self.n_draws, self.n_draws)
        return (own + np.tile(np.arange(self.n_draws), len(left))).astype(np.uint64)

    def row(self, plan: Plan, given: Given, step: DrawnStep) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
        """Return of the draws that go on what is given of the next row, and what it sees from outside.

        Returns:
            codes, [S, A * D]; which columns are observed, [C, A * D]; the base, [A * D, ·]; which draws go on, [A * D],
            each as often as it makes likely what is observed, None for all of them.
        """
        each, device = np.repeat(step.rows, self.n_draws), self.model.device
        codes = torch.from_numpy(given.codes[:, each].astype(np.int64)).to(device)
        observed = torch.from_numpy(given.observed[:, each]).to(device)
        if self.n_draws == 1 or step.step == 0 or not observed.any():
            return codes, observed, step.base, None
        weights = self.weights(row_log_probs(plan.steps, codes, step.base, observed[list(plan.columns)]).sum(0))
        uniforms = self.seed.child("kept draw").uniforms(step_key(self._keys_of(step.numbers), step.step))
        kept = kept_draws(weights, torch.from_numpy(uniforms).to(weights.device))
        return codes, observed, step.base[kept], kept

    def _keys_of(self, numbers: NDArray[np.int64]) -> NDArray[np.uint64]:
        return (self.first_sequence + numbers).astype(np.uint64)

    def weights(self, log_likelihoods: Tensor) -> Tensor:
        """Return the share of each draw among those of its sequence, [A, D], of log-likelihoods, [A * D]."""
        return log_likelihoods.view(-1, self.n_draws).softmax(1)

    def before(self, n_steps: int) -> Iterator[NDArray[np.uint16]]:
        """Yield the codes of at most `n_steps` rows before the one that was just yielded, last first, [S, A * D]."""
        if not self.made:
            return
        left = self.made[-1][0]
        alive = np.flatnonzero(self.sizes[left] > len(self.made))
        columns = (alive[:, None] * self.n_draws + np.arange(self.n_draws)).ravel()
        for step in range(len(self.made) - 1, max(-1, len(self.made) - 1 - n_steps), -1):
            _, codes, origin = self.made[step]
            yield codes[:, columns]
            columns = origin[columns]

    def finish(self) -> SequenceDraws:
        """Make all steps; return the same draws."""
        for _ in self.steps():
            pass
        return self

    def write(self, result: NDArray[np.uint16]) -> None:
        """Write the codes of the sequences' rows into `result`, [S, D', N]: as many draws as there is room for."""
        n = result.shape[1]
        uniforms = self.seed.child("chosen draw").uniforms(self._keys_of(self.numbers))
        chosen = ((np.arange(n) + uniforms[:, None]) * (self.n_draws / n)).astype(np.int64)  # [A, D']
        columns = np.zeros((len(self.numbers), n), dtype=np.int64)
        for step in range(len(self.made) - 1, -1, -1):
            left, codes, origin = self.made[step]
            ends = self.sizes[left] == step + 1
            columns[left[ends]] = np.flatnonzero(ends)[:, None] * self.n_draws + chosen[left[ends]]
            rows = self.known.offsets[self.numbers[left]] + step
            result[:, :, rows] = codes[:, columns[left]].transpose(0, 2, 1)
            columns[left] = origin[columns[left]]


def kept_draws(weights: Tensor, uniforms: Tensor) -> Tensor:
    """Return which draws go on, [A * D], each as often as its weight says, up to one more or less.

    Args:
        weights: of the draws of each sequence, summing to 1, [A, D].
        uniforms: one number in [0, 1) per sequence, [A].

    >>> kept_draws(torch.tensor([[0.5, 0.5, 0.0, 0.0]]), torch.tensor([0.5])).tolist()
    [0, 0, 1, 1]
    """
    n_draws = weights.shape[1]
    points = (torch.arange(n_draws, device=weights.device) + uniforms[:, None]) / n_draws
    found = torch.searchsorted(weights.cumsum(1), points.to(weights.dtype)).clamp(max=n_draws - 1)
    return (found + torch.arange(len(weights), device=weights.device)[:, None] * n_draws).flatten()
