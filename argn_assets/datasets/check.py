"""What a table must be before anything is computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from argn_assets.datasets.messages import listing, shows_values, suggestion
from argn_assets.errors import DataError, SchemaError

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.datasets.spec import DatasetSpec
    from argn_assets.datasets.table_spec import TableSpec

_MOST_ROWS = 10  # row positions that a message lists


def check_tables(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame]) -> None:
    """Look at the tables of a data set.

    Raises:
        SchemaError: a table, a declared column, or the target is missing; there are no columns; a column holds lists.
        DataError: a table is empty; the primary key has nulls or repeats itself. Rows are counted from 1.
    """
    for table, declared in spec.tables.items():
        where = f"data set {spec.dataset!r}, table {table!r}"
        if table not in tables:
            raise SchemaError(f"{where} was not read. Tables: {listing(tables)}.")
        _check_columns(where, declared, tables[table])
        if tables[table].is_empty():
            raise DataError(f"{where}: {declared.shown} holds no rows. At least one row is needed.")
        if declared.primary_key is not None:
            _check_key(where, declared.primary_key, tables[table])
    target = spec.target_column()
    if target is not None and target[1] not in tables[target[0]].columns:
        names = tables[target[0]].columns
        raise SchemaError(
            f"data set {spec.dataset!r}, table {target[0]!r} has no target column {target[1]!r}."
            f"{suggestion(target[1], names)} Its columns: {listing(names)}."
        )


def _check_columns(where: str, declared: TableSpec, table: pl.DataFrame) -> None:
    expected = [declared.primary_key] if declared.primary_key else []
    expected += [declared.context.key] if declared.context else []
    expected += [name for name, column in declared.columns.items() if column.role != "drop"]
    expected += [name for constraint in declared.constraints for name in constraint.named]
    for name in expected:
        if name not in table.columns:
            hint = suggestion(name, table.columns)
            raise SchemaError(f"{where} has no column {name!r}.{hint} Its columns: {listing(table.columns)}.")
    if not table.columns:
        raise SchemaError(f"{where}: {declared.shown} has no columns left to read. At least one is needed.")
    for name, dtype in table.schema.items():
        if dtype.is_nested() or dtype.base_type().__name__ in ("Binary", "Object"):
            raise SchemaError(
                f"{where}: column {name!r} holds {dtype}, and a value is one number, text, date or boolean. "
                f"Split it into columns, or leave it out with columns: {{{name}: {{role: drop}}}}."
            )


def _check_key(where: str, key: str, table: pl.DataFrame) -> None:
    column = table[key]
    missing = column.is_null()
    if missing.any():
        raise DataError(
            f"{where}: primary key {key!r} is missing in {missing.sum()} of {len(column)} rows: "
            f"{_rows(missing.arg_true())}. Fill it in, or remove primary_key."
        )
    repeated = ~column.is_first_distinct()
    if repeated.any():
        positions = repeated.arg_true()
        values = f" ({listing(column.gather(positions.head(_MOST_ROWS)))})" if shows_values() else ""
        raise DataError(
            f"{where}: primary key {key!r} repeats an earlier row's value in {len(positions)} of {len(column)} rows: "
            f"{_rows(positions)}{values}. Remove the repeated rows, or choose another key."
        )


def _rows(positions: pl.Series) -> str:
    numbers = [position + 1 for position in positions.head(_MOST_ROWS)]
    more = len(positions) - len(numbers)
    return f"row{'s' if len(positions) > 1 else ''} {listing(numbers)}" + (f" and {more} more" if more else "")
