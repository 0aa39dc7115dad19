"""Categories that a column's type declares beside those that its values have: polars Enum, pandas category.

They stand in `ColumnSchema.frame_dtype`: `enum ["low", "high"]`, `category [1, 2]`, `ordered category`. Without a list,
the categories are those of the values.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Collection, Sequence
from typing import Any, Literal

from argn_assets.schema import ColumnSchema, TableSchema

CategoryKind = Literal["enum", "category", "ordered category"]
Categories = list[Any]  # texts, or numbers

_NAME = re.compile(r"(enum|category|ordered category)(?: (\[.*\]))?", re.DOTALL)


def categories_name(kind: CategoryKind, categories: Sequence[Any]) -> str:
    """Write a type with the categories it declares; what JSON does not say (times, ranges, booleans) is left out.

    >>> categories_name("enum", ["low", "high"])
    'enum ["low", "high"]'
    """
    is_said = {type(category) for category in categories} in ({str}, {int}, {float}, set())
    return f"{kind} {json.dumps(list(categories), ensure_ascii=False)}" if is_said else kind


def category_kind(column: ColumnSchema) -> CategoryKind | None:
    """Return how the column's type declares categories; None for another type."""
    match = _NAME.fullmatch(column.frame_dtype or "")
    return match[1] if match else None  # type: ignore[return-value]


def declared_categories(column: ColumnSchema) -> Categories | None:
    """Return the categories that the column's type lists, in its order; None where it lists none."""
    match = _NAME.fullmatch(column.frame_dtype or "")
    categories: Categories | None = json.loads(match[2]) if match and match[2] else None
    return categories


def with_categories(column: ColumnSchema, shown: Collection[Any] | None) -> ColumnSchema:
    """Return the column with a type that lists the `shown` ones of its categories; None lists none.

    An Enum always lists its categories: where they cannot be told it becomes a plain categorical.
    """
    kind, declared = category_kind(column), declared_categories(column)
    if kind is None or declared is None:
        return column
    unlisted = None if kind == "enum" else str(kind)
    listed = unlisted if shown is None else categories_name(kind, [c for c in declared if c in shown])
    return dataclasses.replace(column, frame_dtype=listed)


def with_all_categories(schemas: Sequence[TableSchema]) -> list[TableSchema]:
    """Return the schemas of several batches, with the categories of all where pandas gave each batch its own.

    Categories in another order than that of the values (`ordered`, Enum) belong to the type: they stay as they are.
    """
    found: dict[str, list[ColumnSchema]] = {}
    for schema in schemas:
        for column in schema.columns:
            found.setdefault(column.name, []).append(column)
    unions = {name: _union(columns) for name, columns in found.items() if len({c.frame_dtype for c in columns}) > 1}
    return [
        dataclasses.replace(
            schema,
            columns=tuple(
                dataclasses.replace(c, frame_dtype=unions[c.name]) if unions.get(c.name) else c for c in schema.columns
            ),
        )
        for schema in schemas
    ]


def _union(columns: Sequence[ColumnSchema]) -> str | None:
    if any(category_kind(column) != "category" for column in columns):
        return None
    lists = [declared_categories(column) for column in columns]
    if None in lists:
        return "category"
    return categories_name("category", sorted({category for found in lists for category in found or ()}))
