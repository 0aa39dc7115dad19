"""Filling in missing values of sequences: row after row, by the context, the rows before and what is given after."""

# N rows, D draws, G sequences, S sub-columns
from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.generate import GenerationConfig, Plan
from argn_assets.engine.given_times import times_from_given
from argn_assets.engine.request import load_sequences
from argn_assets.engine.rules import draw_rules
from argn_assets.engine.sequence_draws import LEAST_DRAWS, GivenSequences, SequenceDraws, given_sequences, side_by_side
from argn_assets.schema import full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.encode import decode_codes
from argn_assets.tables.sequences import starts_at


def drawn_sequences(
    artifact: ModelArtifact,
    table: pl.DataFrame,
    ctx_data: Any,
    n_draws: int,
    filled: list[str],
    config: GenerationConfig,
    seed: Seed,
    device: str,
) -> pl.DataFrame:
    """Return `n_draws` draws of the columns of all rows, one draw after the other, [D * N], in the order of the table.

    Args:
        artifact: a sequential model.
        table: the context key and columns of the model's table, N rows.
        ctx_data: the context of each key; None for a model without.
        n_draws: how many.
        filled: columns whose draws are never null where they have any value.
        config: settings.
        seed: the same seed gives the same draws.
        device: where to compute.
    Raises:
        SchemaError, DataError, ConfigError: as for `given_sequences`.
    """
    stats, n_rows = artifact.tgt_stats, len(table)
    known = given_sequences(artifact, table, ctx_data)
    codes = _drawn_codes(artifact, known, n_draws, filled, config, seed, device)
    sizes = np.tile(np.diff(known.offsets), n_draws)
    offsets = np.append(0, np.cumsum(sizes))
    decoded = decode_codes(codes, stats, seed=seed, starts=starts_at(offsets))
    rows = np.concatenate([known.order + draw * n_rows for draw in range(n_draws)])
    if n_rows:
        decoded = times_from_given(decoded, codes, offsets, table[rows % n_rows], stats, seed)
    return decoded[np.argsort(rows)]


@flushed_denormals()
@torch.inference_mode()
def _drawn_codes(
    artifact: ModelArtifact,
    known: GivenSequences,
    n_draws: int,
    filled: list[str],
    config: GenerationConfig,
    seed: Seed,
    device: str,
) -> NDArray[np.uint16]:
    """Return the codes of all rows, [S, D * N], one draw after the other."""
    given = known.given
    # What lacks nothing stays as it is.
    codes = np.repeat(given.codes.astype(np.uint16)[:, None], n_draws, axis=1)
    if len(codes):
        model, rules = load_sequences(artifact, device), draw_rules(artifact, filled=filled)
        plan = Plan(model, list(full_sub_columns(artifact.tgt_stats.sub_columns())), given.offered, rules)
        first, last = known.first_missing(), known.last_given()
        lacks = first < len(known.order)
        for chosen, n in ((lacks & (first >= last), n_draws), (lacks & (first < last), max(n_draws, LEAST_DRAWS))):
            for numbers in side_by_side(np.flatnonzero(chosen), n):
                SequenceDraws(model, plan, known, numbers, n, seed, config).finish().write(codes)
    return codes.reshape(len(codes), -1)
