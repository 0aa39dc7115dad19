"""Predicting columns: the model's conditionals given what a row has, all that it lacks marginalised."""

# B rows of a batch, N rows, C columns, L combinations of codes, V outcomes
from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray
from torch import Tensor

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.aggregate import Aggregate, check_aggregate, chosen, in_column, of_draws, of_outcomes
from argn_assets.engine.answers import like_rows, only_column
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.context import Context
from argn_assets.engine.generate import GenerationConfig, blocked_logits, order_of
from argn_assets.engine.given import given_from_seed
from argn_assets.engine.imputation import drawn_rows
from argn_assets.engine.outcomes import (
    MOST_COMBINATIONS,
    Outcomes,
    combination_log_probs,
    n_combinations,
    outcomes_of,
)
from argn_assets.engine.probability_labels import labelled
from argn_assets.engine.request import check_whole, context_of_rows, load_flat, load_sequences, root_seed, with_context
from argn_assets.engine.rules import draw_rules
from argn_assets.engine.sequence_imputation import drawn_sequences, filled_sequences
from argn_assets.engine.sequence_probability import bases_of
from argn_assets.engine.siblings import of_rows, sibling_rows
from argn_assets.errors import ConfigError, SchemaError
from argn_assets.schema import TableSchema
from argn_assets.seeds import Seed
from argn_assets.tables.dtypes import dtype_named
from argn_assets.tables.frames import to_polars

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame

_MOST_BRANCHES = 1 << 14  # rows times codes computed at once
_MOST_NUMBERS = 1 << 22  # rows times combinations kept at once


def predict(
    artifact: ModelArtifact,
    df: Frame,
    target: str | Sequence[str],
    *,
    ctx_data: Frame | None = None,
    aggregate: Aggregate = "auto",
    n_draws: int = 100,
    device: str = "auto",
    random_state: int | None = None,
) -> Any:
    """Predict one or several columns of each row from the columns that it has.

    Exact where the values of a column can be listed (categories, booleans, numbers, short digits and dates), else from
    draws. A prediction is a value: it is missing only where the column knows no value. Targets are predicted each for
    itself; what `df` says of them is not looked at, and missing values of other columns are marginalised.

    Args:
        artifact: the model. Rows of sequences are predicted from their context, the rows of their key before them,
            whose missing values are drawn, and what they have.
        df: rows with some or all of the other columns; of sequences with their key.
        target: a column, or several.
        ctx_data: the context of each row, or of each key, for a model that was trained with context.
        aggregate: `mean`, `median` or `mode` (the likeliest value); `auto` is the mean of numbers and times and the
            mode of everything else.
        n_draws: draws per row for columns whose values cannot be listed, from 1 up.
        device: `auto`, `cpu`, `cuda:0` …
        random_state: of draws, and of what is missing in the rows before; None draws one.
    Returns:
        for one target a column, for several a table, of the kind of `df`; means of numbers are floats.
    Raises:
        ConfigError: a setting out of range, or given columns that a fixed-order model cannot serve.
        SchemaError: a target is not a modelled column, a given column has another type, or `ctx_data` is missing or
            not used.
    """
    targets = _targets(artifact, target)
    check_whole("n_draws", n_draws, 1)
    schema = artifact.tgt_stats.schema
    dtypes = {name: dtype_named(schema.column(name).dtype) for name in targets}
    check_aggregate(aggregate, dtypes)
    seed = root_seed(random_state)
    asked = _asked(artifact, df, targets, ctx_data, seed, device)
    found = {}
    for name in targets:
        if n_combinations(artifact.tgt_stats, name) <= MOST_COMBINATIONS:
            outcomes = [outcomes_of(artifact.tgt_stats, name)]
            parts = _probabilities(artifact, asked, [name], outcomes, device)
            values = pl.concat([of_outcomes(part, outcomes[0], aggregate) for part in parts])[asked.places]
        else:
            draws = _draws(artifact, df, asked, ctx_data, name, n_draws, seed, device)
            values = of_draws(draws[name], n_draws, aggregate)
        is_mean = chosen(aggregate, dtypes[name]) == "mean" and dtypes[name].is_numeric()
        found[name] = values.cast(pl.Float64) if is_mean else in_column(values, dtypes[name])
    answer = like_rows(pl.DataFrame(found), df, _with_floats(schema, found))
    return only_column(answer) if isinstance(target, str) else answer


def predict_proba(
    artifact: ModelArtifact,
    df: Frame,
    target: str | Sequence[str],
    *,
    ctx_data: Frame | None = None,
    device: str = "auto",
    random_state: int | None = None,
) -> Any:
    """Return the probability of each value of one column, or of each combination of values of several, per row.

    These are the model's conditionals given the columns that a row has; the columns it lacks, and its missing values,
    are marginalised. Rows sum to 1. A missing value is an outcome where the column has some. Numbers of many values are
    the narrow cells of their encoding.

    Args:
        artifact: the model; of sequences as for `predict`.
        df: rows with some or all of the other columns; what a row says of the targets is not looked at for itself.
        target: a column, or several for their joint distribution.
        ctx_data: the context of each row, or of each key, for a model that was trained with context.
        device: `auto`, `cpu`, `cuda:0` …
        random_state: of what is missing in the rows before, in sequences; None draws one.
    Returns:
        a table of the kind of `df`, one column per outcome. In pandas its columns are the values themselves, intervals
        for cells, tuples for several targets; in polars and pyarrow their text: `yes`, `[10.5, 11.0]`, `yes, red`.
    Raises:
        SchemaError: as for `predict`.
        ConfigError: the outcomes are too many to list, or given columns that a fixed-order model cannot serve.
    """
    targets = _targets(artifact, target)
    stats = artifact.tgt_stats
    sizes = {name: n_combinations(stats, name) for name in targets}
    if len(targets) > 1 and math.prod(sizes.values()) > MOST_COMBINATIONS:
        counted = ", ".join(f"{name!r} {size:,}" for name, size in sizes.items())
        raise ConfigError(
            f"The targets have {math.prod(sizes.values()):,} combinations of codes ({counted}); at most "
            f"{MOST_COMBINATIONS:,} can be listed. Ask for fewer targets at once."
        )
    outcomes = [outcomes_of(stats, name) for name in targets]
    asked = _asked(artifact, df, targets, ctx_data, root_seed(random_state), device)
    parts = list(_probabilities(artifact, asked, targets, outcomes, device))
    return labelled(np.concatenate(parts)[asked.places], outcomes, df)


def _targets(artifact: ModelArtifact, target: str | Sequence[str]) -> list[str]:
    targets = [target] if isinstance(target, str) else list(target)
    names = artifact.tgt_stats.columns
    strange = [name for name in targets if name not in names]
    if strange or not targets or len(set(targets)) < len(targets):
        found = f"There is no {strange[0]!r} among them" if strange else f"Found {targets}"
        raise SchemaError(f"target must be one or several of the modelled columns: {', '.join(names)}. {found}.")
    return targets


@dataclass(frozen=True)
class _Asked:
    """What may be given of the rows, without the targets.

    Attributes:
        table: columns of the model; rows of a sequence stand together.
        context: of the rows of a flat model.
        bases: what each row of a sequence sees from outside, [N, ·]; None for a flat model.
        places: place in `table` of each row that was asked about, [N].
    """

    table: pl.DataFrame
    context: Context | None
    bases: Tensor | None
    places: NDArray[np.int64]


def _asked(
    artifact: ModelArtifact, df: Frame, targets: list[str], ctx_data: Frame | None, seed: Seed, device: str
) -> _Asked:
    table, context, bases, places = to_polars(df), None, None, np.arange(len(to_polars(df)))
    key = [str(artifact.tgt_context_key)] if artifact.is_sequential else []
    if artifact.is_sequential:
        names = [name for name in artifact.tgt_stats.columns if name in table.columns]
        known = filled_sequences(artifact, table, ctx_data, 1, names, GenerationConfig(), seed, device)
        bases = bases_of(load_sequences(artifact, device), known)
        table, places = table[known.order], np.argsort(known.order)
    else:
        context = context_of_rows(artifact, ctx_data, table)
    given = [name for name in artifact.tgt_stats.columns if name in table.columns and name not in targets]
    # A row without any column is still a row.
    empty = pl.Series([None] * len(table), dtype=dtype_named(artifact.tgt_stats.schema.column(targets[0]).dtype))
    asked = table.select(given) if given else pl.DataFrame({targets[0]: empty})
    if not artifact.enable_flexible_generation:
        _check_fixed_order(asked.select(given), list(artifact.tgt_stats.columns), targets)
    return _Asked(asked.with_columns(table[name] for name in key), context, bases, places)


def _draws(
    artifact: ModelArtifact, df: Frame, asked: _Asked, ctx_data: Frame | None, target: str, n_draws: int, seed: Seed,
    device: str,
) -> pl.DataFrame:  # fmt: skip
    """Return draws of the rows' columns, one draw after the other, in the order of `df`."""
    if not artifact.is_sequential:
        return drawn_rows(artifact, asked.table, asked.context, n_draws, [target], GenerationConfig(), seed, device)
    others = to_polars(df).drop(target, strict=False)
    return drawn_sequences(artifact, others, ctx_data, n_draws, [target], GenerationConfig(), seed, device)


def _check_fixed_order(given: pl.DataFrame, names: list[str], targets: list[str]) -> None:
    """Refuse targets that a fixed-order model does not predict next after what all rows have."""
    complete = {name for name in given.columns if not given[name].null_count()}
    n_given = len(given.columns)
    is_next = set(given.columns) == set(names[:n_given]) == complete
    if not is_next or set(targets) != set(names[n_given : n_given + len(targets)]):
        raise ConfigError(
            f"The model was trained in a fixed order of columns, so {', '.join(map(repr, targets))} can be predicted "
            f"from all columns before, without missing values, and from no others. The order: {', '.join(names)}. "
            "Train with any_order=True to predict any from any."
        )


@flushed_denormals()
@torch.inference_mode()
def _probabilities(
    artifact: ModelArtifact, asked: _Asked, targets: list[str], outcomes: list[Outcomes], device: str
) -> Iterator[NDArray[np.float64]]:
    """Yield the probabilities of the outcomes of the targets in batches of rows, [B, V1 * V2 …], in their order."""
    names, n_rows = list(artifact.tgt_stats.columns), len(asked.table)
    model: Any = load_sequences(artifact, device) if artifact.is_sequential else load_flat(artifact, device)
    given = with_context(given_from_seed(artifact, asked.table, n_rows), asked.context, 0, n_rows)
    offset = model.columns[model.n_context]
    columns = [names.index(name) + offset for name in targets]
    offered = given.offered.copy()
    offered[columns] = False
    steps = model.steps(order_of(model.columns, offered, columns), n_given := sum(offered[c] for c in model.columns))
    n_steps = sum(column in columns for column in model.columns)
    blocked = blocked_logits(model, draw_rules(artifact))
    place = _outcome_of_combination(columns, outcomes)
    parents = len(place) // _last_cardinality(artifact, max(columns) - offset)
    size = max(1, min(_MOST_BRANCHES // parents, _MOST_NUMBERS // len(place)))
    target = torch.from_numpy(np.maximum(place, 0)).to(model.device)
    siblings = sibling_rows(given.siblings, model.device)
    n_outcomes = math.prod(len(o.values) for o in outcomes)
    for start in range(0, max(1, n_rows), size):
        rows = slice(start, start + size)
        codes = torch.from_numpy(given.codes[:, rows].astype(np.int64)).to(model.device)
        shown = torch.from_numpy(given.observed[:, rows][list(model.columns)]).to(model.device)
        base = model.base_of(of_rows(siblings, rows)) if asked.bases is None else asked.bases[rows]
        seen = steps.begin(codes, shown, base)
        own = combination_log_probs(steps, n_given, n_steps, seen, blocked).double().exp()
        found = torch.zeros(len(own), n_outcomes, dtype=torch.float64, device=own.device).index_add_(1, target, own)
        yield (found / found.sum(1, keepdim=True)).cpu().numpy()


def _outcome_of_combination(columns: list[int], outcomes: list[Outcomes]) -> NDArray[np.int64]:
    """Return the joint outcome, targets in their own order, of each combination of codes, in the table's order, [L]."""
    in_order = np.argsort(columns)
    grids = np.meshgrid(*(outcomes[i].of_codes for i in in_order), indexing="ij")
    by_target = {int(i): grid.ravel() for i, grid in zip(in_order, grids, strict=True)}
    joint = np.zeros(len(grids[0].ravel()), dtype=np.int64)
    for i, own in enumerate(outcomes):
        joint = joint * len(own.values) + np.maximum(by_target[i], 0)
    # What is never drawn has probability 0 wherever it is counted.
    return joint


def _last_cardinality(artifact: ModelArtifact, column: int) -> int:
    return list(artifact.tgt_stats.sub_columns().values())[column][-1].cardinality


def _with_floats(schema: TableSchema, found: dict[str, pl.Series]) -> TableSchema:
    """Return the schema with the type float64 for columns that were predicted as floats."""
    own = {"pandas": "float64", "polars": None, "pyarrow": "double"}[schema.frame_kind]
    columns = tuple(
        dataclasses.replace(c, dtype="float64", frame_dtype=own)
        if c.name in found and found[c.name].dtype == pl.Float64
        else c
        for c in schema.columns
    )
    return dataclasses.replace(schema, columns=columns)
