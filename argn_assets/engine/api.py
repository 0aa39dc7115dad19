"""The engine's door: train a table, generate a table."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.config import ModelSize, TrainingConfig
from argn_assets.engine.context import Context, join_context
from argn_assets.engine.generate import GenerationConfig, Given, generate_codes, load_model
from argn_assets.engine.given import given_from_seed, restore_seed
from argn_assets.engine.keys import generated_keys
from argn_assets.engine.train import OnEpoch, choose_device, train_model
from argn_assets.errors import ConfigError, DataError, SchemaError, UserError
from argn_assets.schema import full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.encode import decode_codes, encode_table
from argn_assets.tables.frames import from_polars, to_polars
from argn_assets.tables.stats import EncodingTypes, compute_stats

if TYPE_CHECKING:
    import pyarrow as pa

    from argn_assets.tables.frames import Frame


def train_flat(
    data: Frame,
    encoding_types: EncodingTypes | None = None,
    *,
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
) -> ModelArtifact:
    """Train a model of one table whose rows are independent, or depend on one context row each.

    Args:
        data: pandas, polars or pyarrow, at least one row.
        encoding_types: encoding per column, by name or class; what is not named is inferred.
        primary_key: column that names the row; regenerated, not modelled.
        ctx_data: table of what is given, one row per key.
        ctx_primary_key: the key in `ctx_data`.
        tgt_context_key: the same key in `data`.
        ctx_encoding_types: as `encoding_types`, for `ctx_data`.
        model_size: `S`, `M` or `L`.
        max_epochs: passes over the rows, at most; may be a fraction.
        max_training_time: minutes, at most.
        batch_size: rows per step; None chooses.
        device: `auto`, `cpu`, `cuda:0` …
        validation_split: share of the rows (of the subjects, with a context key) that only validate, in [0, 1).
        any_order: train every order of the columns, so that any of them may be given when generating.
        value_protection: hide what fewer than five to seven distinct subjects share.
        random_state: the same number gives the same artifact on one CPU at one thread count; None draws one.
        on_epoch: told after every epoch (`EpochProgress`); returning True ends the training.
    Raises:
        DataError: no rows, or context keys that do not match.
        SchemaError: a column is missing or has a type that no encoding takes.
        ConfigError: a setting out of range.
        EngineError: the training cannot go on.
    """
    if not 0 <= validation_split < 1:
        raise ConfigError(f"validation_split is {validation_split!r}; it must be from 0 up and below 1.")
    config = TrainingConfig(
        model_size=model_size, max_epochs=max_epochs, max_training_time=max_training_time, batch_size=batch_size,
        any_order=any_order, device=device,
    )  # fmt: skip
    root = _root(random_state)
    stats = compute_stats(
        data, encoding_types, tgt_context_key, primary_key, value_protection=value_protection, seed=root.value
    )
    encoded = encode_table(data, stats, seed=root.value, validation_split=validation_split)
    context = None
    if ctx_data is not None:
        context = join_context(
            to_polars(data), ctx_data, tgt_context_key, ctx_primary_key, ctx_encoding_types,
            value_protection=value_protection, seed=root.value,
        )  # fmt: skip
    return train_model(
        encoded, stats, config, root, on_epoch=on_epoch,
        context=context.encoded if context else None, context_stats=context.stats if context else None,
    )  # fmt: skip


def generate_flat(
    artifact: ModelArtifact,
    sample_size: int | None = None,
    *,
    ctx_data: Frame | None = None,
    seed_data: Frame | None = None,
    sampling_temperature: float = 1.0,
    sampling_top_p: float = 1.0,
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
            come back verbatim.
        sampling_temperature: from 0 up; below 1 prefers the likely.
        sampling_top_p: in (0, 1]; leaves out the unlikely codes beyond this probability.
        device: `auto`, `cpu`, `cuda:0` …
        batch_size: rows at a time; None chooses. The rows do not depend on it.
        random_state: the same number gives the same rows of the same artifact; None draws one.
    Returns:
        a table of the kind, with the columns and types, that the model was trained on.
    Raises:
        UserError: the artifact is sequential; use `generate_sequential`.
        ConfigError: a setting out of range, or given columns that a fixed-order model cannot serve.
        SchemaError: `seed_data` or `ctx_data` lack columns or have others.
    """
    request = _Request(artifact, sample_size, ctx_data, seed_data, device)
    config = _generation_config(sampling_temperature, sampling_top_p, batch_size)
    return request.frame(request.rows(0, request.n_rows, _root(random_state), config))


def generate_batches(
    artifact: ModelArtifact,
    sample_size: int | None = None,
    *,
    ctx_data: Frame | None = None,
    seed_data: Frame | None = None,
    sampling_temperature: float = 1.0,
    sampling_top_p: float = 1.0,
    device: str = "auto",
    batch_size: int | None = None,
    random_state: int | None = None,
) -> Iterator[pa.RecordBatch]:
    """Generate the rows of `generate_flat` as Arrow record batches of `batch_size` rows, in constant memory.

    Arguments and errors are those of `generate_flat`; errors are raised at the call, not at the first batch.
    """
    request = _Request(artifact, sample_size, ctx_data, seed_data, device)
    config = _generation_config(sampling_temperature, sampling_top_p, batch_size)
    return request.batches(_root(random_state), config)


def _root(random_state: int | None) -> Seed:
    return Seed(secrets.randbits(63) if random_state is None else random_state)


def _generation_config(temperature: float, top_p: float, batch_size: int | None) -> GenerationConfig:
    settings: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    return GenerationConfig(temperature=temperature, top_p=top_p, **settings)


class _Request:
    """What is to be generated: checked once, then served in any cut of rows."""

    def __init__(
        self,
        artifact: ModelArtifact,
        sample_size: int | None,
        ctx_data: Frame | None,
        seed_data: Frame | None,
        device: str,
    ):
        if artifact.is_sequential:
            raise UserError("The artifact models sequences. Use generate_sequential, which returns rows per key.")
        if sample_size is not None and sample_size < 0:
            raise ConfigError(f"sample_size is {sample_size!r}; it must be a whole number from 0 up.")
        self.artifact, self.stats = artifact, artifact.tgt_stats
        self.context = _given_context(artifact, ctx_data)
        self.seed_table = to_polars(seed_data) if seed_data is not None else None
        self.n_rows = self._row_count(sample_size)
        self.model = load_model(artifact, choose_device(device)) if artifact.weights else None

    def _row_count(self, sample_size: int | None) -> int:
        tables = {"seed_data": self.seed_table, "ctx_data": self.context.table if self.context else None}
        sizes = {name: len(table) for name, table in tables.items() if table is not None}
        if sample_size is None:
            sample_size = next(iter(sizes.values()), self.stats.n_rows)
        for name, size in sizes.items():
            if size < sample_size:
                raise DataError(
                    f"sample_size is {sample_size} but {name} has {size} rows; each row needs one of its own."
                )
        return sample_size

    def rows(self, start: int, stop: int, seed: Seed, config: GenerationConfig) -> pl.DataFrame:
        """Generate the rows from `start` to `stop` with logical dtypes and keys."""
        n_rows = stop - start
        seeds = self.seed_table[start:stop] if self.seed_table is not None else None
        sub_columns = list(full_sub_columns(self.stats.sub_columns()))
        codes = np.zeros((0, n_rows), dtype=np.uint16)
        if self.model is not None:
            given = given_from_seed(self.artifact, seeds, n_rows)
            n_context = 0
            if self.context is not None:
                block = self.context.encoded.codes[:, start:stop]
                n_context, width = len(block), len(self.context.encoded.columns)
                observed = np.concatenate([np.ones((width, n_rows), dtype=bool), given.observed])
                offered = np.concatenate([np.ones(width, dtype=bool), given.offered])
                given = Given(np.concatenate([block.astype(np.uint16), given.codes]), observed, offered)
                sub_columns = [*self.context.encoded.sub_columns, *sub_columns]
            codes = generate_codes(self.model, sub_columns, given, seed, config, start)[n_context:]
        table = decode_codes(codes, self.stats, seed=seed, first_row=start)
        keys = generated_keys(
            self.stats.schema, self.context.keys(start, stop) if self.context else None, seed, start, n_rows
        )
        return restore_seed(pl.DataFrame({**table.to_dict(), **keys}), seeds, self.stats.schema)

    def batches(self, seed: Seed, config: GenerationConfig) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow record batches."""
        for start in range(0, self.n_rows, config.batch_size):
            table = self.rows(start, min(start + config.batch_size, self.n_rows), seed, config)
            yield from table.to_arrow().combine_chunks().to_batches()

    def frame(self, table: pl.DataFrame) -> Any:
        """Return the table as the kind of frame that was trained on."""
        return from_polars(table, self.stats.schema)


def _given_context(artifact: ModelArtifact, ctx_data: Frame | None) -> Context | None:
    if artifact.ctx_stats is None:
        if ctx_data is not None:
            raise SchemaError("The model was trained without context, so it cannot use ctx_data. Leave ctx_data out.")
        return None
    if ctx_data is None:
        names = ", ".join(artifact.ctx_stats.columns)
        raise SchemaError(f"The model was trained with context. Pass ctx_data with the columns {names}.")
    return Context.of_table(to_polars(ctx_data), artifact.ctx_stats)
