"""Predicting columns: the model's conditionals given what a row has, all that it lacks marginalised."""

# B rows of a batch, D draws, N rows, V outcomes
from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence, Sized
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.aggregate import Aggregate, check_aggregate, chosen, in_column, of_draws, of_outcomes
from argn_assets.engine.answers import like_rows, only_column
from argn_assets.engine.arithmetic import flushed_denormals
from argn_assets.engine.conditionals import Conditionals
from argn_assets.engine.generate import GenerationConfig
from argn_assets.engine.given import given_from_seed
from argn_assets.engine.imputation import drawn_rows
from argn_assets.engine.outcomes import MOST_COMBINATIONS, Outcomes, is_listed, n_combinations, outcomes_of
from argn_assets.engine.probability_labels import labelled
from argn_assets.engine.request import check_whole, context_of_rows, load_flat, load_sequences, root_seed, with_context
from argn_assets.engine.sequence_draws import given_sequences
from argn_assets.engine.sequence_prediction import sequence_probabilities, sequence_values
from argn_assets.engine.siblings import of_rows, sibling_rows
from argn_assets.errors import ConfigError, SchemaError
from argn_assets.schema import TableSchema
from argn_assets.seeds import Seed
from argn_assets.tables.dtypes import dtype_named
from argn_assets.tables.frames import to_polars

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame


@flushed_denormals()
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
    itself; what a row says of them is not looked at, and missing values of other columns are marginalised.

    Rows of sequences are predicted from their context, all that the rows of their key before them say, of the targets
    too, and what they have besides the targets; not from the rows after them, but for how many these are. Over what is
    missing in the rows before it is the mean of `n_draws` draws, each weighted by how likely it makes what is given.

    Args:
        artifact: the model.
        df: rows with some or all columns; of sequences with their key, in their order.
        target: a column, or several.
        ctx_data: the context of each row, or of each key, for a model that was trained with context.
        aggregate: `mean`, `median` or `mode` (the likeliest value); `auto` is the mean of numbers and times and the
            mode of everything else.
        n_draws: draws per row for columns whose values cannot be listed, and of what is missing in the rows before,
            from 1 up.
        device: `auto`, `cpu`, `cuda:0` …
        random_state: of the draws; None draws one.
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
    asked = _Asked(artifact, df, targets, ctx_data, n_draws, root_seed(random_state), device)
    found = {}
    for name in targets:
        if is_listed(artifact.tgt_stats, name):
            outcomes = outcomes_of(artifact.tgt_stats, name)
            parts = [(rows, of_outcomes(own, outcomes, aggregate)) for rows, own in asked.probabilities([outcomes])]
            nothing = of_outcomes(np.zeros((0, len(outcomes.values))), outcomes, aggregate)
            values = pl.concat([nothing, *(own for _, own in parts)])[_in_order(parts)]
        else:
            values = of_draws(asked.draws(name), n_draws, aggregate)
        is_mean = chosen(aggregate, dtypes[name]) == "mean" and dtypes[name].is_numeric()
        found[name] = values.cast(pl.Float64) if is_mean else in_column(values, dtypes[name])
    answer = like_rows(pl.DataFrame(found), df, _with_floats(schema, found))
    return only_column(answer) if isinstance(target, str) else answer


@flushed_denormals()
def predict_proba(
    artifact: ModelArtifact,
    df: Frame,
    target: str | Sequence[str],
    *,
    ctx_data: Frame | None = None,
    n_draws: int = 100,
    device: str = "auto",
    random_state: int | None = None,
) -> Any:
    """Return the probability of each value of one column, or of each combination of values of several, per row.

    These are the model's conditionals given the columns that a row has; the columns it lacks, and its missing values,
    are marginalised. Rows sum to 1. A missing value is an outcome where the column has some. Numbers of many values are
    the narrow cells of their encoding.

    Args:
        artifact: the model; of sequences as for `predict`.
        df: rows with some or all columns; what a row says of the targets is not looked at for itself.
        target: a column, or several for their joint distribution.
        ctx_data: the context of each row, or of each key, for a model that was trained with context.
        n_draws: of what is missing in the rows before, in sequences, from 1 up.
        device: `auto`, `cpu`, `cuda:0` …
        random_state: of these draws; None draws one.
    Returns:
        a table of the kind of `df`, one column per outcome. In pandas its columns are the values themselves, intervals
        for cells, tuples for several targets; in polars and pyarrow their text: `yes`, `[10.5, 11.0]`, `yes, red`.
    Raises:
        SchemaError: as for `predict`.
        ConfigError: the outcomes are too many to list, or given columns that a fixed-order model cannot serve.
    """
    targets = _targets(artifact, target)
    check_whole("n_draws", n_draws, 1)
    stats = artifact.tgt_stats
    sizes = {name: n_combinations(stats, name) for name in targets}
    if len(targets) > 1 and math.prod(sizes.values()) > MOST_COMBINATIONS:
        counted = ", ".join(f"{name!r} {size:,}" for name, size in sizes.items())
        raise ConfigError(
            f"The targets have {math.prod(sizes.values()):,} combinations of codes ({counted}); at most "
            f"{MOST_COMBINATIONS:,} can be listed. Ask for fewer targets at once."
        )
    outcomes = [outcomes_of(stats, name) for name in targets]
    asked = _Asked(artifact, df, targets, ctx_data, n_draws, root_seed(random_state), device)
    parts = list(asked.probabilities(outcomes))
    nothing = np.zeros((0, math.prod(len(own.values) for own in outcomes)))
    return labelled(np.concatenate([nothing, *(own for _, own in parts)])[_in_order(parts)], outcomes, df)


def _targets(artifact: ModelArtifact, target: str | Sequence[str]) -> list[str]:
    targets = [target] if isinstance(target, str) else list(target)
    names = artifact.tgt_stats.columns
    strange = [name for name in targets if name not in names]
    if strange or not targets or len(set(targets)) < len(targets):
        found = f"There is no {strange[0]!r} among them" if strange else f"Found {targets}"
        raise SchemaError(f"target must be one or several of the modelled columns: {', '.join(names)}. {found}.")
    return targets


class _Asked:
    """Rows that are asked about: what is given of them, and what the model says of columns that are not."""

    def __init__(
        self, artifact: ModelArtifact, df: Frame, targets: list[str], ctx_data: Frame | None, n_draws: int, seed: Seed,
        device: str,
    ):  # fmt: skip
        self.artifact, self.targets, self.n_draws, self.seed, self.device = artifact, targets, n_draws, seed, device
        table, stats = to_polars(df), artifact.tgt_stats
        given = [name for name in stats.columns if name in table.columns and name not in targets]
        if not artifact.enable_flexible_generation:
            _check_fixed_order(table.select(given), list(stats.columns), targets)
        if artifact.is_sequential:
            self.sequences = given_sequences(artifact, table, ctx_data)
            return
        self.context = context_of_rows(artifact, ctx_data, table)
        # A row without any column is still a row; of pandas, whose index has it, even one of a table without columns.
        n_rows = len(df) if isinstance(df, Sized) else len(table)
        empty = pl.Series([None] * n_rows, dtype=dtype_named(stats.schema.column(targets[0]).dtype))
        self.table = table.select(given) if given else pl.DataFrame({targets[0]: empty})

    def probabilities(self, outcomes: list[Outcomes]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """Yield numbers of rows, [B], and the probabilities of the joint outcomes of columns in them, [B, V]."""
        if not self.artifact.is_sequential:
            yield from self._of_rows(outcomes)
            return
        model = load_sequences(self.artifact, self.device)
        for rows, found in sequence_probabilities(
            self.artifact, model, self.sequences, outcomes, self.targets, self.n_draws, self.seed
        ):
            yield self.sequences.order[rows], found

    @torch.inference_mode()
    def _of_rows(self, outcomes: list[Outcomes]) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64]]]:
        model, n_rows = load_flat(self.artifact, self.device), len(self.table)
        given = with_context(given_from_seed(self.artifact, self.table, n_rows), self.context, 0, n_rows)
        asked = Conditionals(self.artifact, model, given, outcomes, self.targets)
        siblings = sibling_rows(given.siblings, model.device)
        for start in range(0, n_rows, asked.n_rows_at_once):
            rows = np.arange(start, min(start + asked.n_rows_at_once, n_rows))
            yield rows, asked.probabilities(rows, model.base_of(of_rows(siblings, rows))).cpu().numpy()

    def draws(self, target: str) -> pl.Series:
        """Return draws of a column in all rows, one draw after the other, [D * N]."""
        if not self.artifact.is_sequential:
            config = GenerationConfig()
            drawn = drawn_rows(
                self.artifact, self.table, self.context, self.n_draws, [target], config, self.seed, self.device
            )
            return drawn[target]
        model = load_sequences(self.artifact, self.device)
        return sequence_values(self.artifact, model, self.sequences, target, self.targets, self.n_draws, self.seed)


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


def _in_order(parts: list[tuple[NDArray[np.int64], Any]]) -> NDArray[np.int64]:
    """Return the place of each row among all parts, [N]."""
    return np.argsort(np.concatenate([np.zeros(0, dtype=np.int64), *(rows for rows, _ in parts)]))


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
