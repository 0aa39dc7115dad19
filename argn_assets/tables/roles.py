"""What becomes of each column: modelled, regenerated as a key, made anew in its form, or left out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import get_args

import polars as pl

from argn_assets.errors import ConfigError, SchemaError
from argn_assets.schema import ColumnRole


def roles_of(
    table: pl.DataFrame, declared: Mapping[str, ColumnRole] | None, context_key: str | None, primary_key: str | None
) -> dict[str, ColumnRole]:
    """Return the role of every column.

    Raises:
        SchemaError: a named column is not in the table, or its type cannot have the role.
        ConfigError: there is no such role, or the context key or the primary key is given another one.
    """
    keys = {"context key": context_key, "primary key": primary_key}
    for what, key in keys.items():
        if key is not None and key not in table.columns:
            raise SchemaError(f"The {what} {key!r} is not a column. Columns: {', '.join(table.columns)}.")
    for name, role in (declared or {}).items():
        if name not in table.columns:
            raise SchemaError(
                f"Column {name!r} has the role {role!r} but the table has no such column. "
                f"Its columns: {', '.join(table.columns)}."
            )
        if role not in get_args(ColumnRole):
            raise ConfigError(f"Column {name!r}: there is no role {role!r}. Roles: {', '.join(get_args(ColumnRole))}.")
        for what, key in keys.items():
            if name == key and role != "key":
                raise ConfigError(f"Column {name!r} is the {what}; it has the role 'key' and cannot have {role!r}.")
        if role == "key":
            _check_key_type(table[name])
    roles: dict[str, ColumnRole] = dict.fromkeys(table.columns, "value")
    return roles | dict(declared or {}) | {key: "key" for key in keys.values() if key is not None}


def check_modelled(roles: Mapping[str, ColumnRole], encodings: Mapping[str, str]) -> None:
    """Raise ConfigError if an encoding is declared for a column that is not modelled."""
    for name, encoding in encodings.items():
        if roles.get(name) in ("pattern", "drop"):
            raise ConfigError(
                f"Column {name!r} has the role {roles[name]!r}, so it is not modelled and cannot be encoded as "
                f"{encoding!r}. Remove one of the two."
            )


def _check_key_type(values: pl.Series) -> None:
    dtype = values.dtype
    if not dtype.is_numeric() and dtype not in (pl.String, pl.Categorical, pl.Null):
        raise SchemaError(
            f"Column {values.name!r} is {dtype}; keys are numbers or text. Model it, or give it the role 'drop'."
        )
