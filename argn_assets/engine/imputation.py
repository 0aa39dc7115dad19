"""Filling in missing values: each row's own, given all that the row has, in one batch."""

# N rows, D draws
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.aggregate import Aggregate, check_aggregate, in_column, of_draws
from argn_assets.engine.answers import same_columns
from argn_assets.engine.context import Context
from argn_assets.engine.generate import GenerationConfig, generate_codes
from argn_assets.engine.given import given_from_seed
from argn_assets.engine.request import (
    all_sub_columns,
    check_whole,
    context_of_rows,
    generation_config,
    load_flat,
    root_seed,
    with_context,
)
from argn_assets.engine.rules import draw_rules
from argn_assets.engine.sequence_imputation import drawn_sequences
from argn_assets.seeds import Seed
from argn_assets.tables.encode import decode_codes
from argn_assets.tables.frames import to_polars

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame


def impute(
    artifact: ModelArtifact,
    df: Frame,
    *,
    ctx_data: Frame | None = None,
    n_draws: int = 1,
    aggregate: Aggregate | None = "auto",
    sampling_temperature: float = 1.0,
    sampling_top_p: float = 1.0,
    device: str = "auto",
    batch_size: int | None = None,
    random_state: int | None = None,
) -> Any:
    """Fill in the missing values of a table, each row from all that it has.

    A filled cell is never missing where the column knows any value. What is given comes back verbatim, with the types,
    the order and the columns of `df`; keys and columns that the model does not know stay as they are.

    Args:
        artifact: the model. Rows of sequences are filled from their context, the rows of their key before them and
            what they have; by the rows after them one of several draws is chosen.
        df: rows with some or all columns of the table; of sequences with their key.
        ctx_data: the context of each row, or of each key, for a model that was trained with context.
        n_draws: draws per missing value, from 1 up, all made at once.
        aggregate: what several draws become: `mean`, `median`, `mode`; `auto` is the mean of numbers and times and the
            mode of everything else; None returns the draws as a list of `n_draws` tables.
        sampling_temperature: from 0 up; below 1 prefers the likely.
        sampling_top_p: in (0, 1]; leaves out the unlikely codes beyond this probability.
        device: `auto`, `cpu`, `cuda:0` …
        batch_size: rows at a time, of each thread; None chooses. The values do not depend on it.
        random_state: the same number gives the same values; None draws one.
    Returns:
        a table of the kind of `df`, or a list of them.
    Raises:
        ConfigError: a setting out of range, or a pattern of missing values that a fixed-order model cannot serve.
        SchemaError: a column has another type, or `ctx_data` is missing or not used.
    """
    check_whole("n_draws", n_draws, 1)
    if aggregate is not None:
        check_aggregate(aggregate, {})
    config = generation_config(sampling_temperature, sampling_top_p, batch_size)
    table = to_polars(df)
    known = [name for name in artifact.tgt_stats.columns if name in table.columns]
    context = None if artifact.is_sequential else context_of_rows(artifact, ctx_data, table)
    empty = [table[name].is_null().to_numpy() for name in known]
    rows = np.flatnonzero(np.any(empty, axis=0)) if known else np.empty(0, dtype=np.int64)
    seed = root_seed(random_state)
    if artifact.is_sequential:
        # What a row is filled with depends on the rows before it, also on those that lack nothing.
        rows = np.arange(len(table))
        draws = drawn_sequences(artifact, table, ctx_data, n_draws, known, config, seed, device)
    else:
        holes = table.select(known)[rows]
        own = context.of_rows(rows) if context else None
        draws = drawn_rows(artifact, holes, own, n_draws, known, config, seed, device)
    if aggregate is None:
        parts = [draws[at * len(rows) : (at + 1) * len(rows)] for at in range(n_draws)]
        return [same_columns(_filled(table, part, rows), df, artifact.tgt_stats.schema) for part in parts]
    one = draws if n_draws == 1 else pl.DataFrame({n: of_draws(draws[n], n_draws, aggregate) for n in known})
    return same_columns(_filled(table, one, rows), df, artifact.tgt_stats.schema)


def drawn_rows(
    artifact: ModelArtifact,
    table: pl.DataFrame,
    context: Context | None,
    n_draws: int,
    filled: list[str],
    config: GenerationConfig,
    seed: Seed,
    device: str,
) -> pl.DataFrame:
    """Return `n_draws` draws of the columns of all rows, one draw after the other, [D * N], given what they have.

    Args:
        artifact: a flat model.
        table: columns of the model's table, N rows.
        context: the context of the rows, N rows.
        n_draws: how many.
        filled: columns whose draws are never null where they have any value.
        config: settings.
        seed: the same seed gives the same draws.
        device: where to compute.
    """
    stats, n_rows = artifact.tgt_stats, len(table)
    given = with_context(given_from_seed(artifact, table, n_rows), context, 0, n_rows).tiled(n_draws)
    codes = np.zeros((0, n_rows * n_draws), dtype=np.uint16)
    if artifact.weights:
        model, rules = load_flat(artifact, device), draw_rules(artifact, filled=filled)
        codes = generate_codes(model, all_sub_columns(artifact), given, seed, config, rules)[model.n_context :]
    return decode_codes(codes, stats, seed=seed)


def _filled(table: pl.DataFrame, drawn: pl.DataFrame, rows: np.ndarray) -> pl.DataFrame:
    """Return the table with its missing cells taken from `drawn`, which holds the rows numbered `rows`."""
    columns = {}
    for name in drawn.columns:
        if name not in table.columns or not table[name].null_count() or drawn[name].dtype == pl.Null:
            continue
        own, new = table[name], drawn[name]
        if own.dtype == pl.Null:
            own = own.cast(new.dtype)
        whole = pl.Series([None] * len(own), dtype=own.dtype).scatter(rows, in_column(new, own.dtype))
        columns[name] = pl.select(pl.when(own.is_not_null()).then(own).otherwise(whole)).to_series()
    return table.with_columns(**columns)
