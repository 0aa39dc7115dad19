"""Filling in missing values of sequences: row after row, each from its context, the rows before it and what it has."""

# N rows, D draws, G sequences
from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.generate import GenerationConfig
from argn_assets.engine.generate_sequences import Prefixes, generate_sequences
from argn_assets.engine.given import given_from_seed
from argn_assets.engine.given_times import times_from_given
from argn_assets.engine.request import load_sequences
from argn_assets.engine.rules import draw_rules
from argn_assets.engine.sequence_probability import KnownSequences, context_of_sequences, sequences_in
from argn_assets.schema import full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.encode import decode_codes
from argn_assets.tables.sequences import starts_at


def filled_sequences(
    artifact: ModelArtifact,
    table: pl.DataFrame,
    ctx_data: Any,
    n_draws: int,
    filled: list[str],
    config: GenerationConfig,
    seed: Seed,
    device: str,
) -> KnownSequences:
    """Return the codes of all rows with every missing value drawn, one draw after the other, D times G sequences.

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
        SchemaError: the key is not a column, or context is missing or not used.
        DataError: rows have no key, or one that the context lacks.
    """
    stats = artifact.tgt_stats
    order, offsets = sequences_in(artifact, table)
    names = (str(artifact.tgt_context_key), *stats.columns)
    grouped = table[order].select(name for name in names if name in table.columns)
    context, siblings = context_of_sequences(artifact, ctx_data, grouped, offsets)
    given = given_from_seed(artifact, grouped, len(grouped)).tiled(n_draws)
    sizes = np.tile(np.diff(offsets), n_draws)
    prefixes = Prefixes(given, np.append(0, np.cumsum(sizes)))
    context = np.tile(context, (1, n_draws))
    siblings = tuple(sibling.of_rows(np.tile(np.arange(len(offsets) - 1), n_draws)) for sibling in siblings)
    assert stats.lengths is not None, "a sequential artifact has lengths"
    made = generate_sequences(
        load_sequences(artifact, device), list(full_sub_columns(stats.sub_columns())), context, prefixes,
        stats.lengths, seed, config, draw_rules(artifact, filled=filled), 0, siblings, only_given=True,
    )  # fmt: skip
    rows = np.concatenate([order + draw * len(table) for draw in range(n_draws)])
    return KnownSequences(made.codes, made.offsets, context, siblings, rows)


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
    """Return `n_draws` draws of all rows, [D * N], in the order of the table; see `filled_sequences`."""
    made = filled_sequences(artifact, table, ctx_data, n_draws, filled, config, seed, device)
    stats, codes = artifact.tgt_stats, made.codes.astype(np.uint16)
    decoded = decode_codes(codes, stats, seed=seed, starts=starts_at(made.offsets))
    if len(table):
        decoded = times_from_given(decoded, codes, made.offsets, table[made.order % len(table)], stats, seed)
    return decoded[np.argsort(made.order)]
