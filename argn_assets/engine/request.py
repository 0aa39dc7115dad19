"""One request to generate a flat table: checked once, then served in any cut of rows."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
import torch

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.context import Context, place_of_keys
from argn_assets.engine.families import FlatGenerator, SequenceGenerator, family_named
from argn_assets.engine.generate import GenerationConfig, Given, generate_codes
from argn_assets.engine.given import check_given, given_from_seed, restore_seed, seeds_in_types
from argn_assets.engine.keys import key_columns, stats_of_request, unmodelled_columns
from argn_assets.engine.rules import DrawRules, with_marks
from argn_assets.engine.train import choose_device
from argn_assets.engine.training_state import TrainingState
from argn_assets.errors import ConfigError, DataError, SchemaError, UserError
from argn_assets.schema import SubColumn, TableSchema, full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.encode import decode_codes
from argn_assets.tables.frames import from_polars, to_polars
from argn_assets.tables.split import row_keys

if TYPE_CHECKING:
    import pyarrow as pa

    from argn_assets.tables.frames import Frame


def root_seed(random_state: int | None, training_state: bytes | None = None) -> Seed:
    """Return the seed of a call: the given one, that of the training to be resumed, or one drawn anew.

    Raises:
        ConfigError: it is no whole number.
        ArtifactError: the training state cannot be read.
    """
    if random_state is None and training_state is not None:
        return Seed(TrainingState.from_bytes(training_state).identity.seed)
    if random_state is None:
        return Seed(secrets.randbits(63))
    if not isinstance(random_state, Integral):
        raise ConfigError(f"random_state is {random_state!r}; it must be a whole number, or None.")
    return Seed(int(random_state))


def generation_config(temperature: float, top_p: float, batch_size: int | None) -> GenerationConfig:
    """Return the checked settings of a call; None chooses the batch size."""
    settings: dict[str, Any] = {} if batch_size is None else {"batch_size": batch_size}
    return GenerationConfig(temperature=temperature, top_p=top_p, **settings)


class FlatRequest:
    """What is to be generated: checked once, then served in any cut of rows."""

    def __init__(
        self,
        artifact: ModelArtifact,
        sample_size: int | None,
        ctx_data: Frame | None,
        seed_data: Frame | None,
        device: str,
        rules: DrawRules,
    ):
        check_flat(artifact)
        if sample_size is not None:
            check_whole("sample_size", sample_size, 0)
        self.artifact, self.rules = artifact, rules
        self.stats = stats_of_request(artifact, ctx_data, seed_data)
        self.context = given_context(artifact, ctx_data)
        self.seed_table = seeds_in_types(to_polars(seed_data) if seed_data is not None else None, self.stats)
        if self.seed_table is not None:
            check_given(artifact, self.seed_table)  # refused here, not at the first batch
            self.context = context_by_key(artifact, self.context, self.seed_table) or self.context
        self.keys = key_columns(self.stats, self.seed_table)
        self.n_rows = self._row_count(sample_size)
        self.model = load_flat(artifact, device) if artifact.weights else None

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
        seeds = self.seed_table[start:stop] if self.seed_table is not None else None
        given = with_context(given_from_seed(self.artifact, seeds, stop - start), self.context, start, stop)
        codes = np.zeros((0, stop - start), dtype=np.uint16)
        if self.model is not None:
            drawn = generate_codes(
                self.model, all_sub_columns(self.artifact), given, seed, config, self.rules, first_row=start
            )
            codes = drawn[self.model.n_context :]
        context_keys = self.context.keys(start, stop) if self.context else None
        keys = unmodelled_columns(self.stats, self.keys, context_keys, seed, start, stop - start)
        decoded = decode_codes(codes, self.stats, seed=seed, first_row=start)
        table = with_marks(decoded, codes, self.stats, self.rules)
        return restore_seed(pl.DataFrame({**table.to_dict(), **keys}), seeds, self.stats.schema)

    def batches(self, seed: Seed, config: GenerationConfig) -> Iterator[pa.RecordBatch]:
        """Yield the rows as Arrow record batches, at least one."""
        for start in range(0, max(1, self.n_rows), config.batch_size):
            table = self.rows(start, min(start + config.batch_size, self.n_rows), seed, config)
            yield record_batch(table, self.stats.schema)

    def frame(self, table: pl.DataFrame) -> Any:
        """Return the table as the kind of frame that was trained on."""
        return from_polars(table, self.stats.schema)


def check_flat(artifact: ModelArtifact) -> None:
    """Refuse an artifact whose rows belong to sequences."""
    if artifact.is_sequential:
        raise UserError("The artifact models sequences. Use generate_sequential, which returns rows per key.")


def load_flat(artifact: ModelArtifact, device: str, dtype: torch.dtype = torch.float32) -> FlatGenerator:
    """Return a flat artifact's network, ready to use."""
    return family_named(artifact.family).load_flat(artifact, choose_device(device), dtype)


def load_sequences(artifact: ModelArtifact, device: str, dtype: torch.dtype = torch.float32) -> SequenceGenerator:
    """Return a sequential artifact's network, ready to use."""
    return family_named(artifact.family).load_sequential(artifact, choose_device(device), dtype)


def all_sub_columns(artifact: ModelArtifact) -> list[SubColumn]:
    """Return the sub-columns of context and target, in the order of the network, [S]."""
    context = full_sub_columns(artifact.ctx_stats.sub_columns()) if artifact.ctx_stats is not None else ()
    return [*context, *full_sub_columns(artifact.tgt_stats.sub_columns())]


def with_context(given: Given, context: Context | None, start: int, stop: int) -> Given:
    """Return what is given of some rows with their context before it, all of it observed, and its siblings."""
    if context is None:
        return given
    width, n_rows = len(context.encoded.columns), stop - start
    codes = np.concatenate([context.encoded.codes[:, start:stop].astype(np.uint16), given.codes])
    observed = np.concatenate([np.ones((width, n_rows), dtype=bool), given.observed])
    siblings = tuple(sibling.of_rows(slice(start, stop)) for sibling in context.encoded.siblings.values())
    return Given(codes, observed, np.concatenate([np.ones(width, dtype=bool), given.offered]), siblings)


def given_context(artifact: ModelArtifact, ctx_data: Frame | None) -> Context | None:
    """Return the encoded context, or None for a model without; SchemaError where one is given and not the other."""
    if artifact.ctx_stats is None:
        if ctx_data is not None:
            raise SchemaError("The model was trained without context, so it cannot use ctx_data. Leave ctx_data out.")
        return None
    if ctx_data is None:
        stats = artifact.ctx_stats
        names = ", ".join(name for part in (stats, *stats.siblings.values()) for name in part.columns)
        raise SchemaError(f"The model was trained with context. Pass ctx_data with the columns {names}.")
    return Context.of_table(to_polars(ctx_data), artifact.ctx_stats)


def record_batch(table: pl.DataFrame, schema: TableSchema) -> pa.RecordBatch:
    """Return rows as one Arrow batch; of the types that were trained on where these were those of pyarrow or polars."""
    import pyarrow as pa

    frame = table if schema.frame_kind == "pandas" else from_polars(table, schema)
    arrow = frame if isinstance(frame, pa.Table) else frame.to_arrow()
    batches = arrow.combine_chunks().to_batches()
    return batches[0] if batches else pa.RecordBatch.from_pylist([], schema=arrow.schema)


def check_whole(name: str, value: object, least: int) -> None:
    """Refuse a setting that is no whole number from `least` up."""
    if isinstance(value, bool) or not isinstance(value, Integral) or value < least:
        raise ConfigError(f"{name} is {value!r}; it must be a whole number from {least} up.")


def context_by_key(artifact: ModelArtifact, context: Context | None, table: pl.DataFrame) -> Context | None:
    """Return the context of the rows of a table by its key; None where one of the two does not have it.

    Raises:
        DataError: a row's key is not among those of the context.
    """
    key, context_key = artifact.ctx_primary_key, artifact.tgt_context_key
    if context is None or key not in context.table.columns or context_key not in table.columns:
        return None
    assert key is not None, "a column has a name"
    assert context_key is not None, "a column has a name"
    return context.of_rows(place_of_keys(context.table, key, row_keys(table, context_key), context_key))


def context_of_rows(artifact: ModelArtifact, ctx_data: Frame | None, table: pl.DataFrame) -> Context | None:
    """Return the context of the rows of a table: by its key where both tables have it, else row by row.

    Raises:
        SchemaError: context is given and not used, or used and not given.
        DataError: a row's key is not among those of the context, or the tables differ in length.
    """
    context = given_context(artifact, ctx_data)
    if context is None:
        return None
    by_key = context_by_key(artifact, context, table)
    if by_key is not None:
        return by_key
    if len(context.table) != len(table):
        raise DataError(
            f"ctx_data has {len(context.table)} rows for {len(table)} rows. Give one for each, or the key columns "
            f"{artifact.tgt_context_key!r} and {artifact.ctx_primary_key!r} in both tables."
        )
    return context
