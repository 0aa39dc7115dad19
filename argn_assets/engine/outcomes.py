"""The values that a column's codes can say, listed, and the probabilities of their combinations."""

# B rows, S sub-columns, K cardinality, L combinations of the codes of one or several columns, V outcomes
from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.encodings.base import Stats, encoding_named
from argn_assets.encodings.datetime_relative import DatetimeRelativeStats
from argn_assets.encodings.peer.moments import PeerDatetimeRelativeStats
from argn_assets.engine.families import FlatSteps
from argn_assets.errors import ConfigError
from argn_assets.seeds import Seed
from argn_assets.tables.encode import decode_codes
from argn_assets.tables.stats import TableStats

MOST_BRANCHES = 1 << 14  # rows times codes that are computed at once where combinations of codes are listed
MOST_COMBINATIONS = 1 << 15  # of codes that are listed; rows of 16-bit codes stay within memory


@dataclass(frozen=True)
class Outcomes:
    """The values of one column, ascending, null last where the column knows it.

    Attributes:
        name: the column.
        of_codes: outcome of each combination of codes, [L], the last sub-column fastest; -1 for what is never drawn.
        values: one value of each outcome, [V], in the column's type; the middle of a range, as a float.
        lows, highs: ends of each outcome, [V], equal unless it is a range of numbers.
    """

    name: str
    of_codes: NDArray[np.int64]
    values: pl.Series
    lows: pl.Series
    highs: pl.Series

    @property
    def is_numeric(self) -> bool:
        """Whether outcomes are numbers."""
        return self.values.dtype.is_numeric()

    @property
    def null(self) -> int | None:
        """The outcome that is a missing value."""
        return len(self.values) - 1 if self.values.null_count() else None

    def exact_values(self) -> list[Any]:
        """Return the value of each outcome, [V]; (low, high) for a range."""
        ends = zip(self.lows.to_list(), self.highs.to_list(), strict=True)
        return [low if low == high else (low, high) for low, high in ends]


def n_combinations(stats: TableStats, name: str) -> int:
    """Return in how many ways the codes of a column combine."""
    return math.prod(sub.cardinality for sub in stats.sub_columns()[name])


def is_listed(stats: TableStats, name: str) -> bool:
    """Return whether the values of a column can be listed: they are not too many, and its codes alone say them."""
    return n_combinations(stats, name) <= MOST_COMBINATIONS and not says_gaps(stats.columns[name])


def says_gaps(stats: Stats) -> bool:
    """Return whether codes of a column say how long after the row before their moment lies."""
    if isinstance(stats, DatetimeRelativeStats):
        return stats.gap_low is not None
    return isinstance(stats, PeerDatetimeRelativeStats)


def outcomes_of(stats: TableStats, name: str) -> Outcomes:
    """List the values of a column; ConfigError where there are too many, or its codes alone do not say them."""
    subs = stats.sub_columns()[name]
    n = n_combinations(stats, name)
    if says_gaps(stats.columns[name]):
        raise ConfigError(
            f"Column {name!r} is encoded as the time since the row before, so its values cannot be listed. Use "
            "`predict`, which draws, or the encoding 'datetime'."
        )
    if n > MOST_COMBINATIONS:
        raise ConfigError(
            f"Column {name!r} is encoded as {stats.columns[name].NAME!r} with {n:,} combinations of codes; at most "
            f"{MOST_COMBINATIONS:,} can be listed. Use `predict`, which draws, or encode the column more coarsely."
        )
    codes = np.indices([sub.cardinality for sub in subs]).reshape(len(subs), n).astype(np.uint16)  # [S, L]
    table = _ends(stats, name, codes)
    listed = table.unique().sort("low", "high", nulls_last=True)
    of_codes = table.join(
        listed.with_row_index("outcome"), on=["low", "high"], how="left", nulls_equal=True, maintain_order="left"
    )["outcome"].to_numpy().astype(np.int64)  # fmt: skip
    first = subs[0]
    if first.unknown is not None and first.cardinality > 1:
        of_codes[codes[0] == first.unknown] = -1
    kept = np.unique(of_codes[of_codes >= 0])
    places = np.full(len(listed), -1)
    places[kept] = np.arange(len(kept))
    listed = listed[kept]
    lows, highs = listed["low"], listed["high"]
    middle = lows if lows.equals(highs) else (lows.cast(pl.Float64) + (highs - lows).cast(pl.Float64) / 2)
    return Outcomes(name, np.where(of_codes >= 0, places[of_codes], -1), middle, lows, highs)


def _ends(stats: TableStats, name: str, codes: NDArray[np.uint16]) -> pl.DataFrame:
    """Return the smallest and largest value of each combination of codes, `low` and `high`, in the column's type."""
    lows, highs = encoding_named(stats.columns[name].NAME).ranges(codes.T, stats.columns[name])
    if not lows.equals(highs):
        return pl.DataFrame({"low": lows, "high": highs})
    only = dataclasses.replace(stats, columns={name: stats.columns[name]})
    values = decode_codes(codes, only, seed=Seed(0))[name]
    return pl.DataFrame({"low": values, "high": values})


def combination_log_probs(
    steps: FlatSteps, first: int, n_steps: int, seen: Any, forbidden: Mapping[int, Tensor]
) -> Tensor:
    """Return the log-probability of every combination of the codes of some steps in a row, [B, L].

    Args:
        steps: the model.
        first: the first of the steps.
        n_steps: how many.
        seen: what the first step sees.
        forbidden: by position of a sub-column what is added to its logits, [K]: -inf for what is never drawn.
    """
    logits = steps.logits(first, seen)
    position = steps.order[first]
    if position in forbidden:
        logits = logits + forbidden[position]
    own = torch.log_softmax(logits, 1)  # [B, K]
    if n_steps == 1:
        return own
    n_rows, n_codes = own.shape
    branches = steps.repeat(seen, n_codes)
    steps.show(first, branches, torch.arange(n_codes, device=own.device).repeat(n_rows))
    rest = combination_log_probs(steps, first + 1, n_steps - 1, branches, forbidden)  # [B*K, L']
    return (own[:, :, None] + rest.view(n_rows, n_codes, rest.shape[1])).flatten(1)


def codes_of_combinations(combination: Tensor, cardinalities: Sequence[int]) -> list[Tensor]:
    """Return the code of each sub-column, S times [B], for the number of a combination, [B]."""
    return list(torch.unravel_index(combination, tuple(cardinalities)))
