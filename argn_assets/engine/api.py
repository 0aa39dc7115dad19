"""The engine's door: train a table, generate a table."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.config import ModelSize, TrainingConfig, check_validation_split
from argn_assets.engine.context import join_context
from argn_assets.engine.request import FlatRequest, generation_config, root_seed
from argn_assets.engine.rules import Rare, Rebalancing, draw_rules
from argn_assets.engine.run import OnEpoch, OnStep
from argn_assets.engine.sequence_request import SequenceRequest
from argn_assets.engine.sequences import sequences_at_once
from argn_assets.engine.train import Beginning, train_model
from argn_assets.tables.encode import encode_table
from argn_assets.tables.stats import EncodingTypes, compute_stats

if TYPE_CHECKING:
    import pyarrow as pa

    from argn_assets.schema import ColumnRole
    from argn_assets.tables.frames import Frame


def train_flat(
    data: Frame,
    encoding_types: EncodingTypes | None = None,
    *,
    column_roles: Mapping[str, ColumnRole] | None = None,
    primary_key: str | None = None,
    ctx_data: Frame | None = None,
    ctx_primary_key: str | None = None,
    tgt_context_key: str | None = None,
    ctx_encoding_types: EncodingTypes | None = None,
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
    """Train a model of one table whose rows are independent, or depend on one context row each.

    Args:
        data: pandas, polars or pyarrow, at least one row.
        encoding_types: encoding per column, by name or class; what is not named is inferred.
        column_roles: `key` (regenerated), `pattern` (made anew in its form: names, e-mails, phones) or `drop`, per
            column; what is not named is modelled.
        primary_key: column that names the row; regenerated, not modelled.
        ctx_data: table of what is given, one row per key. Its list columns are sequences of rows that are given:
            `orders::amount` and `orders::day` are columns of the sequence `orders`, and lists without `::` of one
            without a name.
        ctx_primary_key: the key in `ctx_data`.
        tgt_context_key: the same key in `data`.
        ctx_encoding_types: as `encoding_types`, for `ctx_data`.
        model_size: `S`, `M` or `L`.
        max_epochs: passes over the rows, at most; may be a fraction.
        max_training_time: minutes, at most; a training that needs four fifths of it or more depends on the clock.
        batch_size: rows per step; None chooses.
        device: `auto`, `cpu`, `cuda:0` …
        validation_split: share of the rows (of the subjects, with a context key) that only validate, in [0, 1);
            with 0 nothing says when to stop, and the model has the shares of each column, and no ties between them.
        any_order: train every order of the columns, so that any of them may be given when generating.
        value_protection: hide what fewer than five to seven distinct subjects share.
        random_state: the same number gives the same artifact on one CPU at one thread count; None draws one.
        on_epoch: told after every epoch (`EpochProgress`); returning True ends the training.
        on_step: told after every step the seconds so far, and what makes the training state in the middle of an epoch.
        warm_start: artifact of an earlier training of the same size; its weights go on as far as columns and their
            codes mean what they meant; `provenance["warm_start"]` says which do not.
        training_state: what `EpochProgress.training_state()` or that of `on_step` gave, to go on from there with the
            same data and settings; time and epochs may be others. Its seed stands where `random_state` is None.
    Raises:
        DataError: no rows, or context keys that do not match.
        SchemaError: a column is missing or has a type that no encoding takes.
        ConfigError: a setting out of range.
        EngineError: the training cannot go on.
    """
    check_validation_split(validation_split)
    config = TrainingConfig(
        model_size=model_size, max_epochs=max_epochs, max_training_time=max_training_time, batch_size=batch_size,
        any_order=any_order, device=device,
    )  # fmt: skip
    root = root_seed(random_state, training_state)
    stats = compute_stats(
        data, encoding_types, tgt_context_key, primary_key, column_roles=column_roles, is_sequential=False,
        value_protection=value_protection, seed=root.value,
    )  # fmt: skip
    encoded = encode_table(data, stats, seed=root.value, validation_split=validation_split)
    context = None
    if ctx_data is not None:
        context = join_context(
            encoded, ctx_data, tgt_context_key, ctx_primary_key, ctx_encoding_types,
            value_protection=value_protection, seed=root.value,
        )  # fmt: skip
    # Rows of one key are rows for themselves here.
    rows = dataclasses.replace(encoded, keys=None, offsets=None)
    return train_model(
        rows, stats, config, root, on_epoch=on_epoch, on_step=on_step,
        context=context.encoded if context else None, context_stats=context.stats if context else None,
        beginning=Beginning(warm_start=warm_start, training_state=training_state),
    )  # fmt: skip


def generate_flat(
    artifact: ModelArtifact,
    sample_size: int | None = None,
    *,
    ctx_data: Frame | None = None,
    seed_data: Frame | None = None,
    sampling_temperature: float = 1.0,
    sampling_top_p: float = 1.0,
    rebalancing: Rebalancing | None = None,
    rare: Rare = "sample",
    device: str = "auto",
    batch_size: int | None = None,
    random_state: int | None = None,
) -> Any:
    """Generate rows of a flat model.

    Args:
        artifact: what `train_flat` returned.
        sample_size: rows; None is as many as were trained on, or as `seed_data` or `ctx_data` have.
        ctx_data: context rows, one generated row each; required by a model that was trained with context.
        seed_data: given values: any columns of the table, in any subset per row (a missing value is generated). They
            come back verbatim. Where `tgt_context_key` is among them, each row has the context of its key. A value
            that the model never saw decides nothing: the rest of its row is generated as if it were missing.
        sampling_temperature: from 0 up; below 1 prefers the likely.
        sampling_top_p: in (0, 1]; leaves out the unlikely codes beyond this probability.
        rebalancing: per column the share that values get in the generated rows, `{"country": {"US": 0.5}}`; for
            numbers also ranges, `{"age": {(18, 30): 0.4}}`, without the high end, None for an open end. What is not
            named shares the rest as before, and other columns follow. Shares of several columns hold each for itself.
        rare: `sample` draws another value where the model would draw a rare one; `constant` writes `_RARE_` into
            columns of text, and leaves columns of other types missing.
        device: `auto`, `cpu`, `cuda:0` …
        batch_size: rows at a time, of each thread; None chooses. The rows do not depend on it.
        random_state: the same number gives the same rows of the same artifact; None draws one.
    Returns:
        a table of the kind, with the columns and types, that the model was trained on.
    Raises:
        UserError: the artifact is sequential; use `generate_sequential`.
        ConfigError: a setting out of range, given or rebalanced columns that a fixed-order model cannot serve, or
            shares that cannot be met.
        SchemaError: `seed_data` or `ctx_data` lack columns or have others.
    """
    rules = draw_rules(artifact, rare=rare, rebalancing=rebalancing)
    request = FlatRequest(artifact, sample_size, ctx_data, seed_data, device, rules)
    config = generation_config(sampling_temperature, sampling_top_p, batch_size)
    return request.frame(request.rows(0, request.n_rows, root_seed(random_state), config))


def generate_batches(
    artifact: ModelArtifact,
    sample_size: int | None = None,
    *,
    ctx_data: Frame | None = None,
    seed_data: Frame | None = None,
    sampling_temperature: float = 1.0,
    sampling_top_p: float = 1.0,
    rebalancing: Rebalancing | None = None,
    rare: Rare = "sample",
    device: str = "auto",
    batch_size: int | None = None,
    random_state: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Generate the rows of `generate_flat`, or of `generate_sequential`, as Arrow record batches in constant memory.

    A batch has `batch_size` rows, or that many whole sequences. Arguments and errors are those of the two functions;
    errors are raised at the call, not at the first batch.
    """
    rules = draw_rules(artifact, rare=rare, rebalancing=rebalancing)
    kind = SequenceRequest if artifact.is_sequential else FlatRequest
    request = kind(artifact, sample_size, ctx_data, seed_data, device, rules)
    if batch_size is None and artifact.is_sequential:
        batch_size = sequences_at_once(artifact)
    config = generation_config(sampling_temperature, sampling_top_p, batch_size)
    return request.batches(root_seed(random_state), config)
