"""Rows that break the declared constraints of a table: counted in what was read, and in what was generated.

Constraints are looked at, and not yet enforced: a model may break them, and then its tables do not leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from argn_assets.datasets import ConstraintSpec, DatasetSpec
from argn_assets.errors import SchemaError

if TYPE_CHECKING:
    import polars as pl

Counted = Mapping[str, Mapping[str, int]]  # by table and constraint: rows that break it


def count_breaches(
    spec: DatasetSpec, tables: Mapping[str, pl.DataFrame], known: Mapping[str, pl.DataFrame]
) -> dict[str, dict[str, int]]:
    """Return how many rows of each table break each of its constraints; tables without constraints are left out.

    Args:
        spec: declares the constraints.
        tables: the tables to look at.
        known: the tables that were read, which say what combinations there are and how times are written.
    Raises:
        SchemaError: the columns of an inequality cannot be compared.
    """
    return {
        name: {it.said: int(_broken(spec, name, it, tables[name], known[name]).sum()) for it in table.constraints}
        for name, table in spec.tables.items()
        if table.constraints
    }


def _broken(
    spec: DatasetSpec, name: str, constraint: ConstraintSpec, table: pl.DataFrame, known: pl.DataFrame
) -> pl.Series:
    """Return which rows break a constraint, [N]."""
    if constraint.type == "fixed_combinations":
        return _unknown_combinations(table.select(constraint.named), known.select(constraint.named))
    low, high = (_comparable(table[column], known[column]) for column in constraint.named)
    if low is None or high is None or not _are_alike(low, high):
        first, second = constraint.named
        raise SchemaError(
            f"data set {spec.dataset!r}, table {name!r}: the constraint {constraint.said!r} cannot be looked at: "
            f"{first!r} is {table[first].dtype} and {second!r} is {table[second].dtype}. Both must be numbers, both "
            "dates or times (also in text, all written in one way), or both of one other type that has an order."
        )
    return (low > high).fill_null(False)


def _unknown_combinations(table: pl.DataFrame, known: pl.DataFrame) -> pl.Series:
    """Return which rows are no row of `known`; a missing value is a value like any other, [N]."""
    import polars as pl

    # Two columns of categories are of two types, because each lists those that it has.
    as_text = pl.col(pl.Categorical, pl.Enum).cast(pl.String)
    seen = known.with_columns(as_text).unique().with_columns(pl.lit(True).alias("\0seen"))
    found = table.with_columns(as_text).join(
        seen, on=known.columns, how="left", nulls_equal=True, maintain_order="left"
    )
    return found["\0seen"].is_null()


def _comparable(values: pl.Series, known: pl.Series) -> pl.Series | None:
    """Return values that have an order: numbers without NaN, moments in UTC; None for text that holds no times."""
    import polars as pl

    from argn_assets.encodings.base import column_kind
    from argn_assets.encodings.datetime import as_moments
    from argn_assets.tables.times_in_text import formats_that_fit, parse_times

    kind = column_kind(values.dtype)
    if kind == "text":
        fitting = formats_that_fit(known.drop_nulls().cast(pl.String))
        return as_moments(parse_times(values, fitting[0])) if len(fitting) == 1 else None
    if values.dtype.is_float():
        return values.fill_nan(None)
    return as_moments(values) if kind == "moment" else values


def _are_alike(low: pl.Series, high: pl.Series) -> bool:
    return (low.dtype.is_numeric() and high.dtype.is_numeric()) or low.dtype.base_type() == high.dtype.base_type()
