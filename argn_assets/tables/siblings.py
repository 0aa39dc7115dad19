"""Siblings: sequences of rows that are given of each context row, as list columns of the context table.

A list column named `orders::amount` is the column `amount` of the sequence `orders`; list columns without `::` are the
columns of one sequence without a name. `nest` makes such columns of tables whose rows name the context row.
"""

# N context rows, R rows of a sibling
from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.errors import DataError, SchemaError
from argn_assets.tables.frames import to_polars
from argn_assets.tables.stats import TableStats, compute_stats

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame
    from argn_assets.tables.stats import EncodingTypes

SEPARATOR = "::"


@dataclass(frozen=True)
class SiblingTable:
    """The rows of one sibling of every context row.

    Attributes:
        rows: one column per list column, under its whole name; those of a context row stand together, R rows.
        sizes: rows of each context row, [N].
    """

    rows: pl.DataFrame
    sizes: NDArray[np.int64]


def sibling_columns(table: pl.DataFrame) -> dict[str, list[str]]:
    """Return the list columns of each sibling, by its name, in the order of the table.

    >>> sibling_columns(pl.DataFrame({"id": [1], "orders::amount": [[5]], "orders::day": [[3]], "logins": [[1, 2]]}))
    {'orders': ['orders::amount', 'orders::day'], '': ['logins']}
    """
    found: dict[str, list[str]] = {}
    for name, dtype in table.schema.items():
        if dtype in (pl.List, pl.Array):
            found.setdefault(name.partition(SEPARATOR)[0] if SEPARATOR in name else "", []).append(name)
    return found


def take_apart(table: pl.DataFrame, columns: list[str], most: int | None = None) -> SiblingTable:
    """Return the rows of one sibling, out of its list columns; a missing list is an empty one.

    Args:
        table: the context.
        columns: the list columns of the sibling, at least one.
        most: rows of a context row that are kept, the first ones; None keeps all.
    Raises:
        DataError: the lists of a row differ in length; names the column, and how many rows are so.
        SchemaError: a column holds no lists.
    """
    lists = [_as_lists(table[name]) for name in columns]
    sizes = sizes_of_lists(lists)
    kept = sizes if most is None else np.minimum(sizes, most)
    filled = pl.Series(kept > 0)  # exploding an empty list would give a row
    cut = [column if most is None else column.list.head(most) for column in lists]
    return SiblingTable(pl.DataFrame([column.filter(filled).explode() for column in cut]), kept)


def sizes_of_lists(lists: list[pl.Series]) -> NDArray[np.int64]:
    """Return how many elements every one of some list columns has in each row, [N].

    Raises:
        DataError: the lists of a row differ in length; names the column, and how many rows are so.
    """
    sizes = [column.list.len().fill_null(0).to_numpy().astype(np.int64) for column in lists]
    for column, own in zip(lists, sizes, strict=True):
        n_other = int((own != sizes[0]).sum())
        if n_other:
            raise DataError(
                f"{n_other} of {len(column)} context rows have another number of elements in {column.name!r} than in "
                f"{lists[0].name!r}. The list columns of one sequence (all that share the name before {SEPARATOR!r}) "
                "are the columns of its rows, so each row needs lists of one length."
            )
    return sizes[0]


def _as_lists(column: pl.Series) -> pl.Series:
    if column.dtype == pl.Array:
        return column.arr.to_list()
    if column.dtype == pl.Null:
        return column.cast(pl.List(pl.Null))
    if column.dtype != pl.List:
        raise SchemaError(
            f"Column {column.name!r} is {column.dtype}; the model was trained with lists, one per context row. Collect "
            "the values of each context row in a list."
        )
    return column


def compute_context_stats(
    context: Frame,
    encoding_types: EncodingTypes | None = None,
    *,
    primary_key: str,
    subjects: NDArray[np.uint64] | None = None,
    value_protection: bool = False,
    seed: int = 0,
) -> TableStats:
    """Return the statistics of a context table, and of its siblings.

    Arguments and errors as for `compute_stats`; `encoding_types` names list columns too, for their elements. `subjects`
    says whom each context row and its siblings are about, [N], where each context row is not a subject of its own. A
    sibling that has no row anywhere is left out.

    Raises:
        DataError: the lists of a sibling differ in length.
    """
    table, declared = to_polars(context), dict(encoding_types or {})
    columns = sibling_columns(table)
    siblings: dict[str, TableStats] = {}
    for name, own in columns.items():
        sibling = take_apart(table, own)
        own_types = {column: declared.pop(column) for column in own if column in declared}
        if len(sibling.rows):
            subject = pl.Series(primary_key, np.repeat(np.arange(len(table)), sibling.sizes))
            rows = sibling.rows.insert_column(0, subject)
            siblings[name] = compute_stats(
                rows, own_types, primary_key, value_protection=value_protection, seed=seed,
                subjects=None if subjects is None else np.repeat(subjects, sibling.sizes),
            )  # fmt: skip
    # A context without lists is passed on as it came: the frame's own types are part of the statistics.
    flat = table.drop(column for own in columns.values() for column in own) if columns else context
    stats = compute_stats(
        flat, declared, primary_key=primary_key, is_sequential=False, subjects=subjects,
        value_protection=value_protection, seed=seed,
    )  # fmt: skip
    return dataclasses.replace(stats, siblings=siblings)


def nest(
    context: pl.DataFrame, key: str, siblings: Mapping[str, pl.DataFrame], sibling_keys: Mapping[str, str]
) -> pl.DataFrame:
    """Return the context with the rows of other tables as list columns `<table>::<column>`, in the rows' order.

    Args:
        context: one row per key.
        key: its key column.
        siblings: tables by name, whose rows belong to a context row. Rows of no context row are left out.
        sibling_keys: the column of each of them that holds the key.
    Raises:
        SchemaError: a key is not a column or is of another type than the context's, or two columns share a name.

    >>> orders = pl.DataFrame({"customer": [2, 1, 2], "amount": [5, 7, 9]})
    >>> nest(pl.DataFrame({"id": [1, 2, 3]}), "id", {"orders": orders}, {"orders": "customer"}).rows()
    [(1, [7]), (2, [5, 9]), (3, [])]
    """
    _check_key(context, key, "the context")
    for name, sibling in siblings.items():
        own = sibling_keys[name]
        _check_key(sibling, own, repr(name))
        if sibling[own].dtype != context[key].dtype:
            raise SchemaError(
                f"{own!r} of {name!r} is {sibling[own].dtype} and {key!r} of the context is {context[key].dtype}. Cast "
                "one of them, so that keys can be compared."
            )
        names = {column: f"{name}{SEPARATOR}{column}" for column in sibling.columns if column != own}
        for column in set(names.values()) & set(context.columns):
            raise SchemaError(f"The context has a column {column!r} already, which {name!r} would bring. Rename it.")
        lists = sibling.rename({own: key, **names}).group_by(key, maintain_order=True).agg(pl.all())
        context = context.join(lists, on=key, how="left", maintain_order="left")
        context = context.with_columns(pl.col(column).fill_null([]) for column in names.values())
    return context


def _check_key(table: pl.DataFrame, key: str, what: str) -> None:
    if key not in table.columns:
        raise SchemaError(f"The key {key!r} is not a column of {what}. Its columns: {', '.join(table.columns)}.")
