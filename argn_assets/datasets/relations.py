"""How the rows of related tables belong together: parents, subjects, and what is given of each sequence.

The tables are read or generated ones: what trains a model and what it generates from are put together here alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argn_assets.datasets.messages import listing, shows_values
from argn_assets.errors import DataError, SchemaError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from argn_assets.datasets.spec import DatasetSpec

_MOST_SHOWN = 10  # rows and values that a message lists


@dataclass(frozen=True, slots=True, kw_only=True)
class Sequences:
    """Whose sequences the rows of a table are.

    Attributes:
        key: the column of the table that names the sequence of each row.
        primary_key: the column of the parents that it refers to.
        training, holdout, synthetic: the parents of each table's rows with what is given of a sequence, one row per
            sequence; those without rows too. No holdout leaves out every figure that needs it.
    """

    key: str
    primary_key: str
    training: pl.DataFrame
    holdout: pl.DataFrame | None
    synthetic: pl.DataFrame


def check_foreign_keys(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame]) -> None:
    """Look for rows whose key names no row of their parent table.

    Raises:
        DataError: there are such rows; says how many values and rows. Values are shown with ARGN_SHOW_VALUES=1.
        SchemaError: the two keys are of types that cannot be compared.
    """
    for name in spec.ordered_tables():
        context = spec.tables[name].context
        if context is None:
            continue
        where = f"data set {spec.dataset!r}, table {name!r}"
        key, primary_key = tables[name][context.key], tables[context.table][str(spec.tables[context.table].primary_key)]
        if not _comparable(key.dtype, primary_key.dtype):
            raise SchemaError(
                f"{where}: the key {key.name!r} is {key.dtype}, and {primary_key.name!r} of table {context.table!r} is "
                f"{primary_key.dtype}. Write both alike."
            )
        unresolved = parent_rows(key, primary_key).is_null()
        if unresolved.any():
            raise DataError(f"{where}: {_unresolved(key, unresolved, f'{primary_key.name!r} of {context.table!r}')}")


def _comparable(one: pl.DataType, other: pl.DataType) -> bool:
    kinds = [dtype.is_numeric() or ("text" if _is_text(dtype) else dtype.base_type()) for dtype in (one, other)]
    return kinds[0] == kinds[1]


def _is_text(dtype: pl.DataType) -> bool:
    return dtype.base_type().__name__ in ("String", "Categorical", "Enum")


def _unresolved(key: pl.Series, unresolved: pl.Series, parent: str) -> str:
    values, rows = key.filter(unresolved), unresolved.arg_true()
    distinct = values.unique(maintain_order=True)
    missing = f" One of them is the missing value, in {values.null_count():,} rows." if values.null_count() else ""
    shown = f" ({listing(distinct.drop_nulls().head(_MOST_SHOWN))} …)" if shows_values() else ""
    return (
        f"{len(distinct):,} of {key.n_unique():,} values of the key {key.name!r} are no {parent}{shown}: they stand in "
        f"{len(rows):,} of {len(key):,} rows, such as {listing(row + 1 for row in rows.head(_MOST_SHOWN))}.{missing} "
        "Leave these rows out, for example with a query as the source, or add what they refer to. ARGN_SHOW_VALUES=1 "
        "shows values."
    )


def parent_rows(key: pl.Series, primary_key: pl.Series) -> pl.Series:
    """Return for each value of a foreign key the number of the row that it names; null where there is none.

    >>> import polars as pl
    >>> parent_rows(pl.Series([7, 5, None, 6]), pl.Series([5.0, 7.0])).to_list()
    [1, 0, None, None]
    """
    import polars as pl

    dtype: pl.DataType | type[pl.DataType] = pl.String
    if key.dtype.is_numeric():
        dtype = pl.Int128 if key.dtype.is_integer() and primary_key.dtype.is_integer() else pl.Float64
    places = pl.DataFrame({"key": primary_key.cast(dtype)}).with_row_index("place")
    return pl.DataFrame({"key": key.cast(dtype)}).join(places, on="key", how="left", maintain_order="left")["place"]


def subject_rows(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame]) -> dict[str, NDArray[np.int64]]:
    """Return whom each row of each table is about, as a row number of the first ancestor: of the table itself if none.

    Args:
        spec: the data set.
        tables: its tables; their foreign keys resolve.
    """
    import numpy as np

    subjects: dict[str, NDArray[np.int64]] = {}
    for name in spec.ordered_tables():
        context = spec.tables[name].context
        if context is None:
            subjects[name] = np.arange(len(tables[name]))
        else:
            primary_key = tables[context.table][str(spec.tables[context.table].primary_key)]
            subjects[name] = subjects[context.table][parent_rows(tables[name][context.key], primary_key).to_numpy()]
    return subjects


def context_table(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame], table: str) -> pl.DataFrame:
    """Return what is given of each sequence of a table: one row per row of its parent, in its order.

    Columns are the parent's primary key, the parent's values, and the values of its ancestors, named `ancestor.column`.

    Args:
        spec: the data set.
        tables: its tables, at least the ancestors of `table`; their foreign keys resolve.
        table: a table with a context.
    Raises:
        SchemaError: a column of the parent is called like one of an ancestor.
    """
    context = spec.tables[table].context
    assert context is not None, "a table with a context is asked for"
    parent, key = context.table, str(spec.tables[context.table].primary_key)
    given = tables[parent].select(key, *value_columns(spec, tables, parent))
    above = spec.tables[parent].context
    if above is None:
        return given
    primary_key = tables[above.table][str(spec.tables[above.table].primary_key)]
    values = context_table(spec, tables, parent).drop(primary_key.name)
    named = values.rename({column: f"{above.table}.{column}" for column in values.columns})
    for column in set(named.columns) & set(given.columns):
        raise SchemaError(
            f"data set {spec.dataset!r}, table {parent!r} has a column {column!r}, which is what a column of "
            f"{above.table!r} is called beside it. Rename one of the two."
        )
    return given.hstack(named[parent_rows(tables[parent][above.key], primary_key)])


def value_columns(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame], table: str) -> list[str]:
    """Return the columns of a table that a model learns."""
    regenerated = spec.tables[table].regenerated()
    return [column for column in tables[table].columns if column not in regenerated]
