"""Context rows: what is given to a model, encoded and lined up with the rows it belongs to."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from argn_assets.errors import ConfigError, DataError, SchemaError
from argn_assets.tables.encode import EncodedTable, encode_table
from argn_assets.tables.frames import to_polars
from argn_assets.tables.stats import EncodingTypes, TableStats, compute_stats

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame


@dataclass(frozen=True)
class Context:
    """A context table and its codes, one row per row to be trained or generated."""

    table: pl.DataFrame
    encoded: EncodedTable
    stats: TableStats

    @classmethod
    def of_table(cls, table: pl.DataFrame, stats: TableStats) -> Context:
        """Encode a context table; SchemaError names the columns that it lacks."""
        return cls(table, encode_table(table, stats), stats)

    def keys(self, start: int, stop: int) -> pl.Series | None:
        """Return the keys of some rows; None where the context has no key column."""
        key = self.stats.schema.primary_key
        return self.table[key][start:stop] if key is not None and key in self.table.columns else None


def join_context(
    table: pl.DataFrame,
    context: Frame,
    context_key: str | None,
    primary_key: str | None,
    encoding_types: EncodingTypes | None,
    *,
    value_protection: bool,
    seed: int,
) -> Context:
    """Return the context of every row of `table`.

    Raises:
        ConfigError: one of the two keys is not named.
        SchemaError: a named key is not a column.
        DataError: context keys are missing or stand twice, or rows have a key that the context lacks.
    """
    if context_key is None or primary_key is None:
        raise ConfigError(
            "ctx_data needs tgt_context_key and ctx_primary_key: the columns that connect the two tables."
        )
    rows_given = to_polars(context)
    stats = compute_stats(
        context, encoding_types, primary_key=primary_key, value_protection=value_protection, seed=seed
    )
    keys = rows_given[primary_key]
    n_double = len(keys) - keys.n_unique()
    if n_double or keys.null_count():
        raise DataError(
            f"Context key {primary_key!r} has {n_double} repeated and {keys.null_count()} missing values; every "
            "context row needs a key of its own."
        )
    if context_key not in table.columns:
        raise SchemaError(f"The context key {context_key!r} is not a column. Columns: {', '.join(table.columns)}.")
    places = pl.DataFrame({"key": keys, "place": np.arange(len(keys))})
    wanted = pl.DataFrame({"key": table[context_key].cast(keys.dtype)})
    place = wanted.join(places, on="key", how="left", maintain_order="left")["place"]
    if place.null_count():
        raise DataError(
            f"{place.null_count()} of {len(place)} rows have a {context_key!r} that is not among the "
            f"{primary_key!r} of ctx_data. Add the context rows or leave those rows out."
        )
    encoded = Context.of_table(rows_given, stats).encoded
    rows = place.to_numpy()
    aligned = dataclasses.replace(encoded, codes=encoded.codes[:, rows], validation=encoded.validation[rows])
    return Context(rows_given[rows], aligned, stats)
