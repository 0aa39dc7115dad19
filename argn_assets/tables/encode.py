"""Whole tables as one block of small unsigned integers, and back."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Rows, Stats, column_kind, encoding_named
from argn_assets.errors import DataError, SchemaError
from argn_assets.schema import ColumnSchema, SubColumn, TableSchema, full_sub_columns
from argn_assets.seeds import Seed
from argn_assets.tables.dtypes import as_dtype, as_ticks, dtype_named
from argn_assets.tables.frames import from_polars, to_polars
from argn_assets.tables.partial_stats import check_kind
from argn_assets.tables.sequences import bring_together, starts_at, step_keys
from argn_assets.tables.siblings import take_apart
from argn_assets.tables.split import row_keys, validation_mask
from argn_assets.tables.stats import TableStats
from argn_assets.tables.times_in_text import read_times, write_times

if TYPE_CHECKING:
    import pyarrow as pa

    from argn_assets.tables.frames import Frame

CodeBlock = NDArray[np.uint8] | NDArray[np.uint16]


@dataclass(frozen=True)
class EncodedSibling:
    """The rows of one sibling as codes, and where those of each context row stand. Context rows may share rows.

    Attributes:
        columns: the sub-columns of each column, in order; in all S sub-columns.
        codes: the codes, [S, R].
        starts: where the rows of each context row begin, [N].
        sizes: how many they are, [N].
    """

    columns: dict[str, tuple[SubColumn, ...]]
    codes: CodeBlock
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]

    def of_rows(self, rows: NDArray[np.int64] | slice) -> EncodedSibling:
        """Return the rows of some context rows; the codes are the same block."""
        return dataclasses.replace(self, starts=self.starts[rows], sizes=self.sizes[rows])


@dataclass(frozen=True)
class EncodedTable:
    """A table as codes.

    Attributes:
        columns: the sub-columns of each column, in order; in all S sub-columns.
        codes: the codes, [S, N], of the smallest unsigned type that holds every cardinality.
        validation: which rows validate and are never trained on, [N].
        keys: key of each sequence, [G], as `row_keys` gives it; None where every row stands alone.
        offsets: where each sequence starts and the last one ends, [G + 1]; None where every row stands alone.
        siblings: of a context, the sequences of rows in its list columns, by name.
    """

    columns: dict[str, tuple[SubColumn, ...]]
    codes: CodeBlock
    validation: NDArray[np.bool_]
    keys: NDArray[np.uint64] | None = None
    offsets: NDArray[np.int64] | None = None
    siblings: dict[str, EncodedSibling] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        """Rows of the table."""
        return int(self.codes.shape[1])

    @property
    def sub_columns(self) -> tuple[SubColumn, ...]:
        """All sub-columns in the order of the block, named `column.sub-column`, [S]."""
        return full_sub_columns(self.columns)

    def of_rows(self, rows: NDArray[np.int64]) -> EncodedTable:
        """Return some rows, in any order and number, of a table whose rows stand alone."""
        siblings = {name: sibling.of_rows(rows) for name, sibling in self.siblings.items()}
        return EncodedTable(self.columns, self.codes[:, rows], self.validation[rows], siblings=siblings)

    def to_arrow(self) -> pa.Table:
        """Return an Arrow table, without siblings; the layout stands in its metadata.

        Its columns are the sub-columns, then `sequence` where there are sequences, each row's key; then `validation`.
        """
        import pyarrow as pa

        names = [f"{i}:{sub.name}" for i, sub in enumerate(self.sub_columns)]
        arrays = [pa.array(codes) for codes in self.codes]
        layout = [[name, [dataclasses.astuple(s) for s in subs]] for name, subs in self.columns.items()]
        metadata = {"argn_layout": json.dumps(layout, ensure_ascii=False)}
        if self.keys is not None and self.offsets is not None:
            names.append("sequence")
            arrays.append(pa.array(np.repeat(self.keys, np.diff(self.offsets))))
        return pa.table([*arrays, pa.array(self.validation)], names=[*names, "validation"], metadata=metadata)

    @classmethod
    def from_arrow(cls, table: pa.Table) -> EncodedTable:
        """Read what `to_arrow` wrote; DataError for another table."""
        layout = (table.schema.metadata or {}).get(b"argn_layout")
        if layout is None:
            raise DataError("The Arrow table is not an encoded table: its metadata has no `argn_layout`.")
        columns = {name: tuple(SubColumn(*sub) for sub in subs) for name, subs in json.loads(layout)}
        n_sub_columns = sum(map(len, columns.values()))
        arrays = [column.to_numpy() for column in table.columns]
        codes = np.stack(arrays[:n_sub_columns]) if n_sub_columns else np.empty((0, table.num_rows), dtype=np.uint8)
        keys = offsets = None
        if "sequence" in table.column_names:
            _, offsets = bring_together(arrays[-2])
            keys = arrays[-2][offsets[:-1]]
        return cls(columns, codes, arrays[-1].astype(bool), keys, offsets)


def encode_table(
    df: Frame, stats: TableStats, *, seed: int = 0, validation_split: float = 0.0, first_row: int = 0
) -> EncodedTable:
    """Write a table as codes; with a context key, rows of one key stand together, in the order they had.

    Args:
        df: a table with the columns that `stats` knows, in any order; others are ignored.
        stats: statistics of the table.
        seed: decides what stands under nulls and which rows validate.
        validation_split: share of the subjects that validate, in [0, 1).
        first_row: number of the first row, where the table is one batch of a table without a key.
    Raises:
        SchemaError: a column is missing, or cannot be read as the type it had.
    """
    table = to_polars(df)
    schema, present = stats.schema, set(table.columns)
    wanted = [s for of_one in (stats, *stats.siblings.values()) for s in of_one.columns]
    missing = [name for name in wanted if name not in present]
    if missing:
        raise SchemaError(f"The table lacks {', '.join(missing)}. Its columns: {', '.join(table.columns)}.")
    subjects = offsets = None
    if schema.context_key in present:
        subjects = row_keys(table, schema.context_key)
        order, offsets = bring_together(subjects)
        table, subjects = table[order], subjects[order]
    rows = _rows_of(table, schema, subjects, offsets, first_row)
    layout, block = _encode_columns(table, stats, rows, seed)
    siblings = {name: _encode_sibling(table, own, rows.keys, seed) for name, own in stats.siblings.items()}
    if subjects is None or offsets is None:
        validation = validation_mask(rows.keys, validation_split, Seed(seed))
        return EncodedTable(layout, block, validation, siblings=siblings)
    validation = validation_mask(subjects, validation_split, Seed(seed))
    return EncodedTable(layout, block, validation, subjects[offsets[:-1]], offsets)


def _encode_columns(
    table: pl.DataFrame, stats: TableStats, rows: Rows, seed: int
) -> tuple[dict[str, tuple[SubColumn, ...]], CodeBlock]:
    """Return the sub-columns of the modelled columns, and their codes, [S, N]."""
    layout = stats.sub_columns()
    largest = max((sub.cardinality for subs in layout.values() for sub in subs), default=0)
    n_sub_columns = sum(len(subs) for subs in layout.values())
    dtype: type[np.uint8] | type[np.uint16] = np.uint8 if largest <= 256 else np.uint16
    block: Any = np.empty((n_sub_columns, len(table)), dtype=dtype)
    columns, at = {column.name: column for column in stats.schema.columns}, 0
    for name, subs in layout.items():
        block[at : at + len(subs)] = encode_column(
            table[name], columns[name], stats.columns[name], dataclasses.replace(rows, seed=Seed(seed).child(name))
        ).T
        at += len(subs)
    return layout, block


def _encode_sibling(
    context: pl.DataFrame, stats: TableStats, context_keys: NDArray[np.uint64], seed: int
) -> EncodedSibling:
    """Write the rows of one sibling as codes; rows beyond the longest length that may be shown are left out."""
    assert stats.lengths is not None, "a sibling's statistics count its rows"
    sibling = take_apart(context, list(stats.columns), stats.lengths.most)
    offsets = np.append(0, np.cumsum(sibling.sizes))
    rows = Rows(Seed(0), step_keys(context_keys, offsets), starts_at(offsets))
    columns, codes = _encode_columns(sibling.rows, stats, rows, seed)
    return EncodedSibling(columns, codes, offsets[:-1], sibling.sizes)


def _rows_of(
    table: pl.DataFrame,
    schema: TableSchema,
    subjects: NDArray[np.uint64] | None,
    offsets: NDArray[np.int64] | None,
    first_row: int,
) -> Rows:
    """Return the keys of the rows and where sequences start; of a sequence without a primary key, its steps count."""
    primary_key = schema.primary_key if schema.primary_key in table.columns else None
    if subjects is None or offsets is None:
        return Rows(Seed(0), row_keys(table, primary_key, first_row))
    keys = row_keys(table, primary_key) if primary_key else step_keys(subjects[offsets[:-1]], offsets)
    return Rows(Seed(0), keys, starts_at(offsets))


def encode_column(values: pl.Series, column: ColumnSchema, stats: Stats, rows: Rows) -> NDArray[np.uint16]:
    """Write one column as codes, [N, S]; SchemaError if it cannot be read as the type that it had."""
    if column.text_format is not None and column_kind(values.dtype) == "text":
        values = read_times(values, column.text_format)
    try:
        values = as_ticks(values, dtype_named(column.dtype))
        check_kind(values, stats.NAME)
        return encoding_named(stats.NAME).encode(values, stats, rows)
    except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise SchemaError(
            f"Column {column.name!r} is {values.dtype} and cannot be encoded as {stats.NAME!r}; the statistics were "
            f"made of {column.dtype}. Convert the column, or compute the statistics again."
        ) from error


def decode_table(encoded: EncodedTable, stats: TableStats, *, seed: int = 0, first_row: int = 0) -> Any:
    """Read codes back to a table of the kind and with the types that the statistics were made of; keys are left out."""
    starts = starts_at(encoded.offsets) if encoded.offsets is not None else None
    table = decode_codes(encoded.codes, stats, seed=Seed(seed), first_row=first_row, starts=starts)
    return from_polars(table, stats.schema)


def decode_codes(
    codes: CodeBlock,
    stats: TableStats,
    *,
    seed: Seed,
    first_row: int = 0,
    starts: NDArray[np.bool_] | None = None,
) -> pl.DataFrame:
    """Read a block of codes, [S, N], back to polars columns with their logical dtypes.

    Args:
        codes: the codes.
        stats: statistics of the table.
        seed: decides the places inside cells.
        first_row: number of the first row.
        starts: which rows begin a sequence, [N]; None where every row stands alone.
    """
    keys = np.arange(first_row, first_row + codes.shape[1], dtype=np.uint64)
    decoded: dict[str, pl.Series] = {}
    schemas = {column.name: column for column in stats.schema.columns}
    at = 0
    for name, subs in stats.sub_columns().items():
        column = stats.columns[name]
        block = codes[at : at + len(subs)].T.astype(np.uint16)
        values = encoding_named(column.NAME).decode(block, column, Rows(seed.child(name), keys, starts))
        text_format = schemas[name].text_format
        decoded[name] = as_dtype(write_times(values, text_format) if text_format else values, schemas[name].dtype)
        at += len(subs)
    return pl.DataFrame(decoded)


def encode_batch_for_ray(
    batch: Frame, stats: TableStats, *, seed: int = 0, first_row: int = 0
) -> dict[str, NDArray[np.generic]]:
    """Return the codes of a batch as arrays by sub-column name, [B] each, for `map_batches`.

    With a primary key, or a context key whose rows stay together, batches may be cut anywhere. Rows without a key are
    known by their number: then `first_row` is the number of the batch's first, or what stands under nulls depends on
    the cut. Other arguments and errors as for `encode_table`.
    """
    encoded = encode_table(batch, stats, seed=seed, first_row=first_row)
    names = [sub.name for sub in encoded.sub_columns]
    return dict(zip(names, encoded.codes, strict=True))
