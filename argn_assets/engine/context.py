"""Context rows: what is given to a model, encoded and lined up with the rows it belongs to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.errors import ConfigError, DataError, SchemaError
from argn_assets.tables.encode import EncodedTable, encode_table
from argn_assets.tables.frames import to_polars
from argn_assets.tables.siblings import SEPARATOR, compute_context_stats, sizes_of_lists
from argn_assets.tables.split import row_keys
from argn_assets.tables.stats import EncodingTypes, TableStats

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame


@dataclass(frozen=True)
class Context:
    """A context table and its codes, with its siblings, one row per row to be trained or generated."""

    table: pl.DataFrame
    encoded: EncodedTable
    stats: TableStats

    @classmethod
    def of_table(cls, table: pl.DataFrame, stats: TableStats) -> Context:
        """Encode a context table; SchemaError names the columns that it lacks, DataError those of unequal lists."""
        encoded = encode_table(table, stats)
        sequences: dict[str, list[pl.Series]] = {}  # of an imported model, whose lists are columns
        for name in stats.columns:
            if isinstance(table.schema[name], pl.List):
                sequences.setdefault(name.partition(SEPARATOR)[0], []).append(table[name])
        for lists in sequences.values():
            sizes_of_lists(lists)
        return cls(table, encoded, stats)

    def of_rows(self, rows: NDArray[np.int64]) -> Context:
        """Return the context of some rows, by their number."""
        return Context(self.table[rows], self.encoded.of_rows(rows), self.stats)

    def keys(self, start: int, stop: int) -> pl.Series | None:
        """Return the keys of some rows; None where the context has no key column."""
        key = self.stats.schema.primary_key
        return self.table[key][start:stop] if key is not None and key in self.table.columns else None


def join_context(
    encoded: EncodedTable,
    context: Frame,
    context_key: str | None,
    primary_key: str | None,
    encoding_types: EncodingTypes | None,
    *,
    value_protection: bool,
    seed: int,
) -> Context:
    """Return the context of every row of `encoded`.

    Raises:
        ConfigError: one of the two keys is not named.
        DataError: context keys are missing or stand twice, or rows have a key that the context lacks.
    """
    if context_key is None or primary_key is None or encoded.keys is None or encoded.offsets is None:
        raise ConfigError(
            "ctx_data needs tgt_context_key and ctx_primary_key: the columns that connect the two tables."
        )
    rows_given = to_polars(context)
    places = place_of_keys(rows_given, primary_key, encoded.keys, context_key)
    stats = compute_context_stats(
        context, encoding_types, primary_key=primary_key, value_protection=value_protection, seed=seed
    )
    rows = np.repeat(places, np.diff(encoded.offsets))
    return Context.of_table(rows_given, stats).of_rows(rows)


def place_of_keys(
    context: pl.DataFrame, primary_key: str, wanted: NDArray[np.uint64], context_key: str
) -> NDArray[np.int64]:
    """Return for each wanted key, [G], the row of the context that has it.

    Raises:
        SchemaError: the primary key is not a column of the context.
        DataError: its values are missing or stand twice, or a wanted key is not among them.
    """
    if primary_key not in context.columns:
        raise SchemaError(f"ctx_data has no column {primary_key!r}. Its columns: {', '.join(context.columns)}.")
    n_double = len(context) - context[primary_key].n_unique()
    if n_double or context[primary_key].null_count():
        raise DataError(
            f"Context key {primary_key!r} has {n_double} repeated and {context[primary_key].null_count()} missing "
            "values; every context row needs a key of its own."
        )
    keys = row_keys(context, primary_key)
    order = np.argsort(keys)
    place = order[np.minimum(np.searchsorted(keys[order], wanted), max(0, len(keys) - 1))] if len(keys) else order
    n_missing = int((keys[place] != wanted).sum()) if len(keys) else len(wanted)
    if n_missing:
        raise DataError(
            f"{n_missing} of {len(wanted)} values of {context_key!r} are not among the {primary_key!r} of ctx_data. "
            "Add the context rows or leave the rows of these keys out."
        )
    return place
