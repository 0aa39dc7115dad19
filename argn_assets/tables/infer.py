"""Which encoding suits a column, and why."""

from __future__ import annotations

import polars as pl

from argn_assets.errors import ConfigError, SchemaError


def infer_encodings(
    table: pl.DataFrame, declared: dict[str, str] | None = None, keys: tuple[str | None, ...] = ()
) -> dict[str, tuple[str, str]]:
    """Return the encoding of every column that is modelled, with a clause that says why.

    Args:
        table: the data.
        declared: encodings that the user chose, by column.
        keys: columns that are keys; they get no encoding.
    Raises:
        SchemaError: a declared column is not in the table.
        ConfigError: a declared encoding does not exist, or is declared for a key.
    """
    from argn_assets.encodings.base import encoding_named

    declared = declared or {}
    for name, encoding in declared.items():
        if name not in table.columns:
            raise SchemaError(
                f"Column {name!r} is declared as {encoding!r} but the table has no such column. "
                f"Its columns: {', '.join(table.columns)}."
            )
        if name in keys:
            raise ConfigError(f"Column {name!r} is a key and is regenerated; it cannot be encoded as {encoding!r}.")
        encoding_named(encoding)
    return {
        name: (declared[name], "declared") if name in declared else _infer(dtype)
        for name, dtype in table.schema.items()
        if name not in keys
    }


def _infer(dtype: pl.DataType) -> tuple[str, str]:
    if dtype == pl.Boolean:
        return "boolean", "true and false"
    if dtype.is_numeric():
        return "numeric_auto", "numbers"
    if dtype in (pl.Date, pl.Datetime):
        return "datetime", "dates or times"
    return "categorical", "text with repeated values" if dtype != pl.Null else "no values at all"
