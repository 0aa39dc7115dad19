"""The engine's door for sequences: train on the rows of each key, generate rows per key."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.config import ModelSize, TrainingConfig, check_validation_split
from argn_assets.engine.context import Context, place_of_keys
from argn_assets.engine.request import generation_config, root_seed
from argn_assets.engine.rules import Rare, Rebalancing, draw_rules
from argn_assets.engine.run import OnEpoch, OnStep
from argn_assets.engine.sequence_request import SequenceRequest
from argn_assets.engine.train import Beginning, train_model
from argn_assets.errors import ConfigError, DataError, SchemaError
from argn_assets.tables.encode import EncodedTable, encode_table
from argn_assets.tables.frames import to_polars
from argn_assets.tables.siblings import compute_context_stats
from argn_assets.tables.split import row_keys
from argn_assets.tables.stats import EncodingTypes, compute_stats, with_empty_sequences

if TYPE_CHECKING:
    from argn_assets.schema import ColumnRole
    from argn_assets.tables.frames import Frame

SEQUENCES_AT_ONCE = 1 << 14
SIBLING_STEPS_AT_ONCE = 1 << 19  # sequences times the longest sibling of each, all of which are attended to


def train_sequential(
    tgt_data: Frame,
    tgt_encoding_types: EncodingTypes | None = None,
    tgt_context_key: str | None = None,
    *,
    column_roles: Mapping[str, ColumnRole] | None = None,
    tgt_primary_key: str | None = None,
    ctx_data: Frame | None = None,
    ctx_primary_key: str | None = None,
    ctx_encoding_types: EncodingTypes | None = None,
    max_sequence_window: int = 100,
    model_size: ModelSize = "M",
    max_epochs: float = 100.0,
    max_training_time: float = 14400.0,
    batch_size: int | None = None,
    device: str = "auto",
    validation_split: float = 0.2,
    any_order: bool = True,
    value_protection: bool = False,
    random_state: int | None = None,
    on_epoch: OnEpoch | None = None,
    on_step: OnStep | None = None,
    warm_start: ModelArtifact | None = None,
    training_state: bytes | None = None,
) -> ModelArtifact:
    """Train a model of sequences: of the rows that share a key, in the order they have in the table.

    Args:
        tgt_data: pandas, polars or pyarrow, at least one row; rows of a key need not stand together.
        tgt_encoding_types: encoding per column, by name or class; what is not named is inferred.
        tgt_context_key: column that names the sequence of each row; required.
        column_roles: `key` (regenerated), `pattern` (made anew in its form: names, e-mails, phones) or `drop`, per
            column of `tgt_data`; what is not named is modelled.
        tgt_primary_key: column that names the row; regenerated, not modelled.
        ctx_data: table of what is given of each sequence, one row per key. Keys without rows in `tgt_data` are
            sequences of length 0. Its list columns are sequences of rows that are given: `orders::amount` and
            `orders::day` are columns of the sequence `orders`, and lists without `::` one without a name.
        ctx_primary_key: the key in `ctx_data`; None takes the name of `tgt_context_key`.
        ctx_encoding_types: as `tgt_encoding_types`, for `ctx_data`.
        max_sequence_window: rows of a sequence that are trained on together, at most.
        model_size: `S`, `M` or `L`.
        max_epochs: passes over the rows, at most; may be a fraction.
        max_training_time: minutes, at most; a training that needs four fifths of it or more depends on the clock.
        batch_size: rows (not sequences) per step; None chooses.
        device: `auto`, `cpu`, `cuda:0` …
        validation_split: share of the sequences that only validate, in [0, 1); as in `train_flat`.
        any_order: train every order of the columns of a row, so that any of them may be given when generating.
        value_protection: hide what fewer than five to seven sequences share.
        random_state: the same number gives the same artifact on one CPU at one thread count; None draws one.
        on_epoch: told after every epoch (`EpochProgress`); returning True ends the training.
        on_step: told after every step the seconds so far, and what makes the training state in the middle of an epoch.
        warm_start: artifact of an earlier training of the same size; its weights go on as far as columns and their
            codes mean what they meant; `provenance["warm_start"]` says which do not.
        training_state: what `EpochProgress.training_state()` or that of `on_step` gave, to go on from there with the
            same data and settings; time and epochs may be others. Its seed stands where `random_state` is None.
    Raises:
        DataError: no rows, rows without a key, or keys that `ctx_data` lacks.
        SchemaError: a column is missing or has a type that no encoding takes.
        ConfigError: a setting out of range, or no `tgt_context_key`.
        EngineError: the training cannot go on.
    """
    check_validation_split(validation_split)
    if tgt_context_key is None:
        raise ConfigError("train_sequential needs tgt_context_key: the column that names the sequence of each row.")
    config = TrainingConfig(
        model_size=model_size, max_epochs=max_epochs, max_training_time=max_training_time, batch_size=batch_size,
        max_sequence_window=max_sequence_window, any_order=any_order, device=device,
    )  # fmt: skip
    root = root_seed(random_state, training_state)
    stats = compute_stats(
        tgt_data, tgt_encoding_types, tgt_context_key, tgt_primary_key, column_roles=column_roles,
        value_protection=value_protection, seed=root.value,
    )  # fmt: skip
    n_without = to_polars(tgt_data)[tgt_context_key].null_count()
    if n_without:
        raise DataError(
            f"{n_without} rows have no value in {tgt_context_key!r}, so they belong to no sequence. Leave them out."
        )
    encoded = encode_table(tgt_data, stats, seed=root.value, validation_split=validation_split)
    context = None
    if ctx_data is not None:
        table, ctx_key = to_polars(ctx_data), ctx_primary_key or tgt_context_key
        if ctx_key not in table.columns:
            raise SchemaError(
                f"ctx_data has no column {ctx_key!r} to hold the keys of {tgt_context_key!r}. Name the one that does "
                f"as ctx_primary_key: {', '.join(table.columns)}."
            )
        ctx_stats = compute_context_stats(
            ctx_data, ctx_encoding_types, primary_key=ctx_key, value_protection=value_protection, seed=root.value
        )
        codes = encode_table(table, ctx_stats, seed=root.value, validation_split=validation_split)
        context = Context(table, codes, ctx_stats)
        encoded = sequences_of_context(encoded, context, tgt_context_key)
        stats = with_empty_sequences(
            stats, row_keys(table, ctx_key)[_without_rows(encoded)], value_protection=value_protection, seed=root.value
        )
    return train_model(
        encoded, stats, config, root, on_epoch=on_epoch, on_step=on_step,
        context=context.encoded if context else None, context_stats=context.stats if context else None,
        beginning=Beginning(warm_start=warm_start, training_state=training_state),
    )  # fmt: skip


def sequences_of_context(encoded: EncodedTable, context: Context, context_key: str) -> EncodedTable:
    """Return the table with one sequence per row of the context, in its order; keys without rows have empty ones.

    Raises:
        DataError: context keys are missing or stand twice, or a sequence's key is not among them.
    """
    assert encoded.keys is not None, "a table with a context key has sequences"
    assert encoded.offsets is not None, "a table with a context key has sequences"
    key = str(context.stats.schema.primary_key)
    places = place_of_keys(context.table, key, encoded.keys, context_key)
    sizes = np.zeros(len(context.table), dtype=np.int64)
    sizes[places] = np.diff(encoded.offsets)
    order = np.argsort(np.repeat(places, np.diff(encoded.offsets)), kind="stable")
    return dataclasses.replace(
        encoded,
        codes=encoded.codes[:, order],
        validation=np.repeat(context.encoded.validation, sizes),
        keys=None,
        offsets=np.append(0, np.cumsum(sizes)),
    )


def _without_rows(encoded: EncodedTable) -> NDArray[np.bool_]:
    """Return which sequences have no rows, [G]."""
    assert encoded.offsets is not None, "a table with a context key has sequences"
    without: NDArray[np.bool_] = np.diff(encoded.offsets) == 0
    return without


def generate_sequential(
    artifact: ModelArtifact,
    *,
    ctx_data: Frame | None = None,
    sample_size: int | None = None,
    seed_data: Frame | None = None,
    sampling_temperature: float = 1.0,
    sampling_top_p: float = 1.0,
    rebalancing: Rebalancing | None = None,
    rare: Rare = "sample",
    device: str = "auto",
    batch_size: int | None = None,
    random_state: int | None = None,
) -> Any:
    """Generate sequences of a sequential model.

    Args:
        artifact: what `train_sequential` returned.
        ctx_data: context rows, one generated sequence each; required by a model that was trained with context.
        sample_size: sequences; None is one per row of `ctx_data`, one per key of `seed_data`, or as many as were
            trained on.
        seed_data: given first rows of sequences, with the context key and any other columns; a sequence goes on after
            them. A missing value is generated; the others come back verbatim.
        sampling_temperature: from 0 up; below 1 prefers the likely.
        sampling_top_p: in (0, 1]; leaves out the unlikely codes beyond this probability.
        rebalancing: per column the share that values get, as for `generate_flat`.
        rare: `sample` or `constant`, as for `generate_flat`.
        device: `auto`, `cpu`, `cuda:0` …
        batch_size: sequences at a time; None chooses. The rows do not depend on it.
        random_state: the same number gives the same rows of the same artifact; None draws one.
    Returns:
        a table of the kind, with the columns and types, that the model was trained on; the rows of a key stand together
        in their order. A sequence of length 0 has no rows.
    Raises:
        UserError: the artifact is flat; use `generate_flat`.
        ConfigError: a setting out of range, or given columns that a fixed-order model cannot serve.
        SchemaError: `seed_data` or `ctx_data` lack columns or have others.
        DataError: keys that stand twice, or a key of `seed_data` that `ctx_data` lacks.
    """
    rules = draw_rules(artifact, rare=rare, rebalancing=rebalancing)
    request = SequenceRequest(artifact, sample_size, ctx_data, seed_data, device, rules)
    at_once = sequences_at_once(artifact) if batch_size is None else batch_size
    config = generation_config(sampling_temperature, sampling_top_p, at_once)
    return request.frame(root_seed(random_state), config)


def sequences_at_once(artifact: ModelArtifact) -> int:
    """Return how many sequences are generated at a time where the caller does not say."""
    siblings = artifact.ctx_stats.siblings.values() if artifact.ctx_stats else ()
    longest = max((stats.lengths.most for stats in siblings if stats.lengths), default=1)
    return max(1, min(SEQUENCES_AT_ONCE, SIBLING_STEPS_AT_ONCE // longest))
