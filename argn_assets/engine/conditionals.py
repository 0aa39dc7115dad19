"""What a model says of some columns given others: probabilities of their outcomes, row by row."""

# B rows of a batch, N rows, C columns, S sub-columns, L combinations of codes, V outcomes
from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.families import RowGenerator
from argn_assets.engine.generate import Given, blocked_logits, order_of
from argn_assets.engine.outcomes import MOST_BRANCHES, Outcomes, combination_log_probs
from argn_assets.engine.rules import draw_rules
from argn_assets.engine.sequence_probability import row_log_probs

_MOST_NUMBERS = 1 << 22  # rows times combinations kept at once


class Conditionals:
    """Probabilities of the joint outcomes of the targets, given what rows have besides."""

    def __init__(
        self, artifact: ModelArtifact, model: RowGenerator, given: Given, outcomes: list[Outcomes], hidden: list[str]
    ):
        """Ask about the columns of `outcomes` given all that `given` says of N rows, but for the columns `hidden`."""
        names = list(artifact.tgt_stats.columns)
        first = model.columns[model.n_context]
        columns = [names.index(own.name) + first for own in outcomes]
        self.codes, self.device = given.codes, model.device
        shown = without(given, [names.index(name) + first for name in hidden])
        self.shown, offered = shown.observed[list(model.columns)], shown.offered  # [S, N], [C]
        self.n_given = sum(bool(offered[column]) for column in model.columns)
        self.steps = model.steps(order_of(model.columns, offered, columns), self.n_given)
        self.n_steps = sum(column in columns for column in model.columns)
        self.blocked = blocked_logits(model, draw_rules(artifact))
        place = _outcome_of_combination(columns, outcomes)
        last = list(artifact.tgt_stats.sub_columns().values())[max(columns) - first][-1].cardinality
        self.n_outcomes = math.prod(len(own.values) for own in outcomes)
        self.n_rows_at_once = max(1, min(MOST_BRANCHES * last // len(place), _MOST_NUMBERS // len(place)))
        self.outcome_of = torch.from_numpy(place).to(self.device)

    def probabilities(self, rows: NDArray[np.int64], base: Any) -> Tensor:
        """Return the probabilities of the outcomes for some rows, [B, V] float64; they sum to 1.

        Args:
            rows: their numbers, [B].
            base: what each of them sees from outside.
        """
        codes, shown = self._of_rows(rows)
        seen = self.steps.begin(codes, shown, base)
        own = combination_log_probs(self.steps, self.n_given, self.n_steps, seen, self.blocked).double().exp()
        found = torch.zeros(len(own), self.n_outcomes, dtype=torch.float64, device=own.device)
        found = found.index_add_(1, self.outcome_of, own)
        return found / found.sum(1, keepdim=True)

    def log_likelihoods(self, rows: NDArray[np.int64], base: Any) -> Tensor:
        """Return the log-probability of all that is given of some rows, in nats, [B]; arguments as `probabilities`."""
        codes, shown = self._of_rows(rows)
        return row_log_probs(self.steps, codes, base, shown).sum(0)

    def _of_rows(self, rows: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        codes = torch.from_numpy(self.codes[:, rows].astype(np.int64)).to(self.device)
        return codes, torch.from_numpy(self.shown[:, rows]).to(self.device)


def without(given: Given, columns: list[int]) -> Given:
    """Return what is given without some columns, by number."""
    kept = ~np.isin(np.arange(len(given.offered)), columns)
    return dataclasses.replace(given, observed=given.observed & kept[:, None], offered=given.offered & kept)


def _outcome_of_combination(columns: list[int], outcomes: list[Outcomes]) -> NDArray[np.int64]:
    """Return the joint outcome, targets in their own order, of each combination of codes, in the table's order, [L]."""
    in_order = np.argsort(columns)
    grids = np.meshgrid(*(outcomes[i].of_codes for i in in_order), indexing="ij")
    by_target = {int(i): grid.ravel() for i, grid in zip(in_order, grids, strict=True)}
    joint = np.zeros(len(grids[0].ravel()), dtype=np.int64)
    for i, own in enumerate(outcomes):
        # What is never drawn has probability 0 wherever it is counted.
        joint = joint * len(own.values) + np.maximum(by_target[i], 0)
    return joint
