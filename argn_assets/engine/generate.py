"""Generating codes: column after column, each from all that stand before it, in batches of rows."""

# B rows, S sub-columns, C columns, K cardinality, L combinations of the codes of one column
from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import partial
from numbers import Integral, Real
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.families import FlatGenerator, RowGenerator
from argn_assets.engine.memory import by_halves
from argn_assets.engine.outcomes import MOST_BRANCHES, codes_of_combinations, combination_log_probs
from argn_assets.engine.parallel import parts_of, threads_for
from argn_assets.engine.rules import ColumnShares, DrawRules
from argn_assets.engine.sampling import draw, draw_codes, sampled_probabilities
from argn_assets.engine.siblings import of_rows, sibling_rows
from argn_assets.errors import ConfigError
from argn_assets.schema import SubColumn
from argn_assets.seeds import Seed
from argn_assets.tables.encode import EncodedSibling


@dataclass(frozen=True, kw_only=True)
class GenerationConfig:
    """Settings of one generation: see `generate_flat` for their meaning and ranges."""

    temperature: float = 1.0
    top_p: float = 1.0
    batch_size: int = 4096

    def __post_init__(self) -> None:
        """Check the ranges."""
        if not isinstance(self.temperature, Real) or not 0 <= self.temperature < math.inf:
            raise ConfigError(f"sampling_temperature is {self.temperature!r}; it must be a number from 0 up.")
        if not isinstance(self.top_p, Real) or not 0 < self.top_p <= 1:
            raise ConfigError(f"sampling_top_p is {self.top_p!r}; it must be above 0 and at most 1.")
        if not isinstance(self.batch_size, Integral) or self.batch_size < 1:
            raise ConfigError(f"batch_size is {self.batch_size!r}; it must be a whole number from 1 up.")


@dataclass(frozen=True)
class Given:
    """What is fixed before generating.

    Attributes:
        codes: codes of all sub-columns, context first, [S, N]; only the observed ones count.
        observed: which column of which row is given, [C, N].
        offered: which columns any row of the whole request may be given, [C]. They are generated first; a property of
            the request and not of the N rows, so that rows do not depend on their batch.
        siblings: of the rows' context.
    """

    codes: NDArray[np.generic]
    observed: NDArray[np.bool_]
    offered: NDArray[np.bool_]
    siblings: tuple[EncodedSibling, ...] = ()

    def tiled(self, times: int) -> Given:
        """Return what is given of all rows again and again, [N] -> [times * N]."""
        rows = np.tile(np.arange(self.observed.shape[1]), times)
        siblings = tuple(sibling.of_rows(rows) for sibling in self.siblings)
        return Given(self.codes[:, rows], self.observed[:, rows], self.offered, siblings)


@flushed_denormals()
@torch.inference_mode()
def generate_codes(
    model: FlatGenerator,
    sub_columns: list[SubColumn],
    given: Given,
    seed: Seed,
    config: GenerationConfig,
    rules: DrawRules,
    first_row: int = 0,
) -> NDArray[np.uint16]:
    """Generate the codes of all sub-columns, context included, [S, N].

    Args:
        model: the network.
        sub_columns: all sub-columns, context first, [S].
        given: what is fixed, for N rows.
        seed: every draw is a function of (seed, sub-column, row number).
        config: settings.
        rules: what may be drawn.
        first_row: number of the first of the N rows.
    """
    n_rows = given.observed.shape[1]
    plan = Plan(model, sub_columns, given.offered, rules)
    siblings = sibling_rows(given.siblings, model.device)
    result = np.empty((len(sub_columns), n_rows), dtype=np.uint16)

    @torch.inference_mode()  # a property of a thread
    def generate(rows: slice) -> None:
        keys = np.arange(first_row + rows.start, first_row + rows.stop, dtype=np.uint64)
        codes = torch.from_numpy(given.codes[:, rows].astype(np.int64)).to(model.device)
        observed = torch.from_numpy(given.observed[:, rows]).to(model.device)
        base = model.base_of(of_rows(siblings, rows))
        result[:, rows] = plan.fill(codes, observed, keys, seed, config, base).cpu().numpy().astype(np.uint16)

    parts = parts_of(n_rows, config.batch_size, model.device)
    with threads_for(model.device, len(parts)) as threads:
        threads.map(partial(by_halves, generate, device=model.device), parts)
    return result


def order_of(columns: Sequence[int], offered: NDArray[np.bool_], first: Collection[int] = ()) -> list[int]:
    """Return the sub-columns in the order of generation, [S]: offered columns, those to come first, all others.

    Args:
        columns: number of the column of each sub-column, [S].
        offered: which columns may be given, [C].
        first: numbers of the columns that come before all that are not offered.
    """
    # A stable sort: each part stays in the table's order.
    return sorted(range(len(columns)), key=lambda s: (not offered[columns[s]], columns[s] not in first))


class Plan:
    """The order of generation and what may be drawn at each step."""

    def __init__(self, model: RowGenerator, sub_columns: list[SubColumn], offered: NDArray[np.bool_], rules: DrawRules):
        self.model, self.sub_columns, self.columns = model, sub_columns, model.columns
        n_context_columns = self.columns[model.n_context] if model.n_context else 0
        self.shares = {number + n_context_columns: shares for number, shares in rules.shares.items()}
        self.n_given = sum(bool(offered[column]) for column in self.columns)
        self.steps = model.steps(order_of(self.columns, offered, self.shares), self.n_given)
        self.blocked = blocked_logits(model, rules)
        self.null_of = null_flags(sub_columns, self.columns)

    def fill(
        self,
        codes: Tensor,
        observed: Tensor,
        keys: NDArray[np.uint64],
        seed: Seed,
        config: GenerationConfig,
        base: Any = None,
    ) -> Tensor:
        """Return `codes`, [S, B], with everything that is not observed, [C, B], drawn.

        `base` is what rows see from outside them; see `SequenceGenerator.base` and `FlatGenerator.base_of`.
        """
        shown = observed[list(self.columns)]  # [S, B]
        n_missing = (~shown).sum(1).tolist()
        seen = self.steps.begin(codes, shown, base)
        for step, position in enumerate(self.steps.order):
            if not n_missing[position]:
                continue
            column = self.columns[position]
            uniforms = torch.from_numpy(seed.child(self.sub_columns[position].name).uniforms(keys)).to(codes.device)
            # The first step of all draws from one distribution, where rows see nothing given and nothing from outside.
            same = step == 0 and not self.n_given and base is None
            if column not in self.shares:
                # Where most rows have the value, only the others are computed.
                some = (~shown[position]).nonzero().squeeze(1) if 2 * n_missing[position] < len(uniforms) else None
                self._show(step, seen, codes, shown, self._draw(step, seen, uniforms, config, some, same))
            elif position == 0 or self.columns[position - 1] != column:
                drawn = self._draw_rebalanced(step, seen, uniforms, config, same)
                for own, code in enumerate(drawn):
                    self._show(step + own, seen, codes, shown, code)
        return codes

    def _draw(
        self, step: int, seen: Any, uniforms: Tensor, config: GenerationConfig, some: Tensor | None, same: bool
    ) -> Tensor:
        """Draw the code of every row, [B], or of the rows numbered `some`, leaving 0 in the others.

        `same` says that all rows have the same distribution of it, which is then computed once.
        """
        own = seen if some is None else self.steps.rows(seen, some)
        own = self.steps.rows(own, slice(0, 1)) if same else own
        logits = self.steps.logits(step, own)
        blocked = self.blocked.get(self.steps.order[step])
        logits = logits if blocked is None else logits + blocked
        if some is None:
            return draw_codes(logits, uniforms, config.temperature, config.top_p)
        drawn = draw_codes(logits, uniforms[some], config.temperature, config.top_p)
        return torch.zeros(len(uniforms), dtype=drawn.dtype, device=drawn.device).index_copy_(0, some, drawn)

    def _show(self, step: int, seen: Any, codes: Tensor, shown: Tensor, drawn: Tensor) -> None:
        position = self.steps.order[step]
        codes[position] = torch.where(shown[position], codes[position], drawn)
        null = self.null_of.get(position)
        # What stands under a missing value means nothing, so nothing sees it.
        real = None if null is None else codes[null[0]] != null[1]
        self.steps.show(step, seen, codes[position], real)

    def _draw_rebalanced(
        self, step: int, seen: Any, uniforms: Tensor, config: GenerationConfig, same: bool
    ) -> list[Tensor]:
        """Draw all codes of the rebalanced column that begins at `step`, one per sub-column, [B] each.

        `same` says that all rows have the same distribution of it, which is then computed once.
        """
        column = self.columns[self.steps.order[step]]
        own = [self.sub_columns[s].cardinality for s in range(len(self.columns)) if self.columns[s] == column]
        shares = self.shares[column]
        n_parents = max(1, len(shares.groups) // own[-1])
        size = 1 if same else max(1, MOST_BRANCHES // n_parents)
        drawn = []
        for part in [slice(0, 1)] if same else _parts(len(uniforms), size):
            log_probs = combination_log_probs(self.steps, step, len(own), self.steps.rows(seen, part), self.blocked)
            probabilities = _with_shares(log_probs, shares, config)
            at = slice(None) if same else part
            drawn.append(draw(probabilities, uniforms[at]))
        return codes_of_combinations(torch.cat(drawn), own)


def null_flags(sub_columns: Sequence[SubColumn], columns: Sequence[int]) -> dict[int, tuple[int, int]]:
    """Return for each sub-column behind one that says null: where that one stands, and the code that says it.

    >>> null_flags([SubColumn("bin", 3, null=1), SubColumn("slot", 2), SubColumn("value", 4, null=1)], [0, 0, 1])
    {1: (0, 1)}
    """
    firsts = {column: position for position, column in reversed(list(enumerate(columns)))}
    found = {}
    for position, column in enumerate(columns):
        null = sub_columns[firsts[column]].null
        if position != firsts[column] and null is not None:
            found[position] = (firsts[column], null)
    return found


def blocked_logits(model: RowGenerator, rules: DrawRules) -> dict[int, Tensor]:
    """Return by position of a sub-column, context counted, what is added to its logits, [K]: 0, or -inf for never."""
    return {
        position + model.n_context: torch.from_numpy(np.where(never, -np.inf, 0.0).astype(np.float32)).to(model.device)
        for position, never in rules.forbidden.items()
    }


def _parts(n_rows: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def _with_shares(log_probs: Tensor, shares: ColumnShares, config: GenerationConfig) -> Tensor:
    """Return probabilities in which each group has its share, [B, L]; temperature and top-p act within the groups."""
    group = torch.from_numpy(shares.groups).to(log_probs.device)
    result = torch.zeros_like(log_probs)
    for number, share in enumerate(shares.shares):
        members = (group == number).nonzero().squeeze(1)
        if share > 0 and len(members):
            inside = sampled_probabilities(log_probs[:, members], config.temperature, config.top_p)
            result[:, members] = share * inside / inside.sum(1, keepdim=True)
    return result
