"""One request to generate sequences: checked once, then served in any cut of sequences."""

# G sequences, U sub-columns of the context
from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.artifact import ModelArtifact
from argn_assets.engine.families import SequenceGenerator
from argn_assets.engine.generate import GenerationConfig
from argn_assets.engine.generate_sequences import Prefixes, generate_sequences
from argn_assets.engine.given import check_given, given_from_seed, restore_seed, seeds_in_types
from argn_assets.engine.given_times import times_from_given
from argn_assets.engine.keys import key_columns, stats_of_request, unmodelled_columns
from argn_assets.engine.request import check_whole, given_context, load_sequences, record_batch
from argn_assets.engine.rules import DrawRules, with_marks
from argn_assets.errors import DataError, SchemaError, UserError
from argn_assets.schema import full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.dtypes import dtype_named
from argn_assets.tables.encode import EncodedSibling, decode_codes
from argn_assets.tables.frames import from_polars, to_polars
from argn_assets.tables.sequences import bring_together, starts_at
from argn_assets.tables.split import row_keys
from argn_assets.tables.stats import TableStats

if TYPE_CHECKING:
    import pyarrow as pa

    from argn_assets.tables.frames import Frame


class SequenceRequest:
    """What is to be generated of a sequential model."""

    def __init__(
        self,
        artifact: ModelArtifact,
        sample_size: int | None,
        ctx_data: Frame | None,
        seed_data: Frame | None,
        device: str,
        rules: DrawRules,
    ):
        if not artifact.is_sequential:
            raise UserError("The artifact models rows, not sequences. Use generate_flat, which returns rows.")
        if sample_size is not None:
            check_whole("sample_size", sample_size, 0)
        lengths = artifact.tgt_stats.lengths
        assert lengths is not None, "a sequential artifact has lengths"
        self.artifact, self.rules, self.lengths = artifact, rules, lengths
        self.stats = stats_of_request(artifact, ctx_data, seed_data)
        self.key = str(self.stats.schema.context_key)
        self.context = given_context(artifact, ctx_data)
        self.seeds = _SeedRows.of(artifact, self.stats, to_polars(seed_data) if seed_data is not None else None)
        self.new_keys = key_columns(self.stats, self.seeds.table if self.seeds is not None else None)
        self.known_keys = self._known_keys()
        self.n_sequences = self._count(sample_size)
        self.model: SequenceGenerator = load_sequences(artifact, device)

    def _known_keys(self) -> pl.Series | None:
        """Return the keys that the request names: of the context, or of the given rows."""
        if self.context is None:
            return self.seeds.keys if self.seeds is not None else None
        keys = self.context.keys(0, len(self.context.table))
        if keys is None:
            name = self.context.stats.schema.primary_key
            raise SchemaError(f"ctx_data lacks its key {name!r}, which names the sequences. Add it.")
        if keys.n_unique() < len(keys) or keys.null_count():
            raise DataError(
                f"ctx_data has {len(keys) - keys.n_unique()} repeated and {keys.null_count()} missing values in "
                f"{keys.name!r}; every sequence needs a key of its own."
            )
        if self.seeds is not None:
            self.seeds.line_up(keys)
        return keys

    def _count(self, sample_size: int | None) -> int:
        n_known = len(self.known_keys) if self.known_keys is not None else 0
        if sample_size is None:
            return n_known if self.known_keys is not None else self.lengths.n_keys
        if self.context is not None and n_known < sample_size:
            raise DataError(
                f"sample_size is {sample_size} but ctx_data has {n_known} rows; each sequence needs one of its own."
            )
        return sample_size

    def _keys(self, start: int, stop: int, seed: Seed) -> pl.Series:
        """Return the keys of some sequences, [G]."""
        new = self.new_keys[self.key]
        if self.known_keys is None:
            return new.make(seed, start, stop - start)
        known = self.known_keys[start:stop].cast(dtype_named(self.stats.schema.column(self.key).dtype))
        if len(known) == stop - start:
            return known
        return pl.concat([known, new.make(seed, start + len(known), stop - start - len(known))])

    def rows(self, start: int, stop: int, first_row: int, seed: Seed, config: GenerationConfig) -> pl.DataFrame:
        """Generate the sequences from `start` to `stop`, whose first row is number `first_row` of all rows."""
        stats, n_sequences = self.stats, stop - start
        prefixes, seed_rows = self._prefixes(start, stop)
        context: NDArray[np.generic] = np.zeros((0, n_sequences), dtype=np.uint8)
        siblings: list[EncodedSibling] = []
        if self.context is not None:
            context = self.context.encoded.codes[:, start:stop]
            siblings = [s.of_rows(slice(start, stop)) for s in self.context.encoded.siblings.values()]
        sub_columns = list(full_sub_columns(stats.sub_columns()))
        made = generate_sequences(
            self.model, sub_columns, context, prefixes, self.lengths, seed, config, self.rules, start, siblings
        )
        sizes, n_rows = np.diff(made.offsets), int(made.offsets[-1])
        decoded = decode_codes(made.codes, stats, seed=seed, first_row=first_row, starts=starts_at(made.offsets))
        table = with_marks(decoded, made.codes, stats, self.rules)
        keys = self._keys(start, stop, seed).gather(np.repeat(np.arange(n_sequences), sizes))
        others = unmodelled_columns(stats, self.new_keys, keys, seed, first_row, n_rows)
        given = _placed(seed_rows, prefixes.offsets, made.offsets) if seed_rows is not None else None
        if given is not None:
            table = times_from_given(table, made.codes, made.offsets, given, stats, seed, first_row)
        return restore_seed(pl.DataFrame({**table.to_dict(), **others}), given, stats.schema)

    def _prefixes(self, start: int, stop: int) -> tuple[Prefixes, pl.DataFrame | None]:
        """Return the given first rows of some sequences, and their values."""
        if self.seeds is None:
            return Prefixes(given_from_seed(self.artifact, None, 0), np.zeros(stop - start + 1, dtype=np.int64)), None
        missing = max(0, stop + 1 - len(self.seeds.offsets))  # sequences after all that have given rows
        offsets = np.pad(self.seeds.offsets, (0, missing), mode="edge")
        offsets = offsets[start : stop + 1]
        rows = self.seeds.table[int(offsets[0]) : int(offsets[-1])]
        return Prefixes(given_from_seed(self.artifact, rows, len(rows)), offsets - offsets[0]), rows

    def tables(self, seed: Seed, config: GenerationConfig) -> Iterator[pl.DataFrame]:
        """Yield the sequences in tables of about `config.batch_size` sequences; at least one table."""
        first_row = 0
        for start in range(0, max(1, self.n_sequences), config.batch_size):
            table = self.rows(start, min(start + config.batch_size, self.n_sequences), first_row, seed, config)
            first_row += len(table)
            yield table

    def batches(self, seed: Seed, config: GenerationConfig) -> Iterator[pa.RecordBatch]:
        """Yield the sequences as Arrow record batches of whole sequences."""
        for table in self.tables(seed, config):
            yield record_batch(table, self.stats.schema)

    def frame(self, seed: Seed, config: GenerationConfig) -> Any:
        """Return all sequences as the kind of frame that was trained on."""
        return from_polars(pl.concat(self.tables(seed, config)), self.stats.schema)


class _SeedRows:
    """Given first rows: those of a key stand together; offsets say where each sequence's rows are."""

    def __init__(self, table: pl.DataFrame, key: str):
        order, self.offsets = bring_together(row_keys(table, key))
        self.table = table[order]
        self.keys = self.table[key].gather(self.offsets[:-1])

    @classmethod
    def of(cls, artifact: ModelArtifact, stats: TableStats, table: pl.DataFrame | None) -> _SeedRows | None:
        """Return the given rows; SchemaError where they do not say whose they are."""
        table, key = seeds_in_types(table, stats), str(stats.schema.context_key)
        if table is None:
            return None
        if key not in table.columns:
            raise SchemaError(
                f"seed_data has no column {key!r}, which says what sequence a row begins. "
                f"Its columns: {', '.join(table.columns)}."
            )
        if table[key].null_count():
            raise DataError(f"seed_data has {table[key].null_count()} rows without a value of {key!r}.")
        check_given(artifact, table)  # refused here, not at the first batch
        return cls(table, key)

    def line_up(self, keys: pl.Series) -> None:
        """Bring the rows into the order of the sequences, [G]; DataError names how many keys are none of them."""
        wanted = self.keys.cast(keys.dtype, strict=False)
        places = pl.DataFrame({"key": keys, "place": np.arange(len(keys))})
        place = pl.DataFrame({"key": wanted}).join(places, on="key", how="left", maintain_order="left")["place"]
        if place.null_count():
            raise DataError(
                f"{place.null_count()} of {len(place)} values of {keys.name!r} in seed_data are not in ctx_data. Add "
                "their context or leave their rows out."
            )
        sizes = np.zeros(len(keys), dtype=np.int64)
        sizes[place.to_numpy()] = np.diff(self.offsets)
        of_row = np.repeat(place.to_numpy(), np.diff(self.offsets))
        self.table = self.table[np.argsort(of_row, kind="stable")]
        self.offsets = np.append(0, np.cumsum(sizes))


def _placed(rows: pl.DataFrame, given: NDArray[np.int64], made: NDArray[np.int64]) -> pl.DataFrame:
    """Return given rows where they stand among all rows, and nulls elsewhere."""
    sizes = np.diff(given)
    at = np.repeat(made[:-1], sizes) + np.arange(len(rows)) - np.repeat(given[:-1], sizes)
    places = np.full(int(made[-1]), -1, dtype=np.int64)
    places[at] = np.arange(len(rows))
    if not len(rows):
        return rows.clear(len(places))
    return rows[np.maximum(places, 0)].select(pl.when(pl.Series(places) >= 0).then(pl.all()))
