"""What a table is made of: columns, their types and roles, and the sub-columns that encode them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

FrameKind = Literal["pandas", "polars", "pyarrow"]
ColumnRole = Literal["value", "key", "pattern", "drop"]


@dataclass(frozen=True, slots=True)
class SubColumn:
    """One integer code of an encoded column.

    Attributes:
        name: unique within the column.
        cardinality: codes are in [0, cardinality).
        unknown: the code of what stats do not know or do not show; never drawn when another code can be.
        null: the code that stands for a missing value, where this sub-column says so.
    """

    name: str
    cardinality: int
    unknown: int | None = None
    null: int | None = None


def full_sub_columns(columns: Mapping[str, tuple[SubColumn, ...]]) -> tuple[SubColumn, ...]:
    """Return the sub-columns of all columns in order, named `column.sub-column`, [S]."""
    return tuple(replace(sub, name=f"{column}.{sub.name}") for column, subs in columns.items() for sub in subs)


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnSchema:
    """One column of a table.

    Attributes:
        name: the column's name in the caller's table.
        dtype: the logical type, written as `tables.frames` writes it: `int32`, `string`, `datetime[us, Europe/Paris]`.
        frame_dtype: the type as the caller's frame library names it, where that says more than `dtype`; else None.
        role: `value` is modelled, `key` regenerated, `pattern` made anew in its form; a dropped column has no schema.
        encoding: name of the encoding (= its file name); None for what is not modelled.
        reason: one clause that says why this encoding was chosen, for people.
        text_format: how times are written (as strptime says it), where text is encoded as times; else None.
    """

    name: str
    dtype: str
    frame_dtype: str | None = None
    role: ColumnRole = "value"
    encoding: str | None = None
    reason: str = ""
    text_format: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """The columns of one table in order, its keys, and the kind of data frame it came in."""

    columns: tuple[ColumnSchema, ...]
    frame_kind: FrameKind = "polars"
    primary_key: str | None = None
    context_key: str | None = None

    def column(self, name: str) -> ColumnSchema:
        """Return the column called `name`; KeyError if the table has none."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(name)
