"""How the checks of tables are answered: plain functions from what a stage computed to outcomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from argn_assets.datasets import DatasetSpec, check_foreign_keys, check_tables
from argn_assets.errors import DataError, SchemaError
from argn_assets.orchestration.checks import (
    FIDELITY_FLOOR,
    RAW_CONSTRAINTS,
    RAW_FOREIGN_KEYS,
    RAW_NON_EMPTY,
    RAW_PRIMARY_KEY,
    RAW_SCHEMA,
    SYNTHETIC_CONSTRAINTS,
    SYNTHETIC_KEYS,
    SYNTHETIC_RANGES,
    SYNTHETIC_ROWS,
    SYNTHETIC_SCHEMA,
)
from argn_assets.orchestration.constraints import Counted, count_breaches
from argn_assets.orchestration.facts import CheckOutcome, Number, failed, passed, warned

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.tables import TableStats


def raw_checks(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame]) -> tuple[CheckOutcome, ...]:
    """Look at the raw tables: rows, declared columns, keys, constraints; only the failed check, where one stops."""
    rows = {name: table.height for name, table in tables.items()}
    try:
        check_tables(spec, tables)
        breaches = count_breaches(spec, tables, tables)
    except SchemaError as error:
        return (failed(RAW_SCHEMA.name, str(error)),)
    except DataError as error:
        return (failed(RAW_PRIMARY_KEY.name if all(rows.values()) else RAW_NON_EMPTY.name, str(error), rows),)
    try:
        check_foreign_keys(spec, tables)
    except (SchemaError, DataError) as error:
        return (failed(RAW_FOREIGN_KEYS.name, str(error), rows),)
    return (
        passed(RAW_NON_EMPTY.name, "Every table has rows.", **rows),
        passed(RAW_SCHEMA.name, "Every declared column is there."),
        passed(RAW_PRIMARY_KEY.name, "Primary keys are unique and never null."),
        passed(RAW_FOREIGN_KEYS.name, "Every key names a row of its parent table.", **_relations(spec)),
        raw_constraints_check(breaches),
    )


def raw_constraints_check(breaches: Counted) -> CheckOutcome:
    """Say which declared constraints the read rows break themselves."""
    numbers, told = _breaches(breaches)
    if not told:
        said = "Every row keeps the declared constraints." if numbers else "No constraints are declared."
        return passed(RAW_CONSTRAINTS.name, said, **numbers)
    return warned(
        RAW_CONSTRAINTS.name,
        f"Rows that were read break declared constraints: {told}. Correct the constraints, or the rows: what a model "
        "learns from these it will generate, and synthetic tables that break constraints are not exported.",
        numbers,
    )


def synthetic_constraints_check(spec: DatasetSpec, breaches: Counted) -> CheckOutcome:
    """Say which declared constraints synthetic rows break; one that was not looked at is not kept.

    Args:
        spec: the constraints as they are declared by now.
        breaches: what was counted when the report was made.
    """
    declared = {name: [it.said for it in table.constraints] for name, table in spec.tables.items()}
    unknown = [f"{name}: {it}" for name, said in declared.items() for it in said if it not in breaches.get(name, {})]
    if unknown:
        told = f"Constraints were declared after the report was made: {'; '.join(unknown)}. Materialise quality_report."
        return failed(SYNTHETIC_CONSTRAINTS.name, told)
    counted = {name: {it: breaches[name][it] for it in said} for name, said in declared.items() if said}
    numbers, told = _breaches(counted)
    if not told:
        said = "Every synthetic row keeps the declared constraints." if numbers else "No constraints are declared."
        return passed(SYNTHETIC_CONSTRAINTS.name, said, **numbers)
    return failed(
        SYNTHETIC_CONSTRAINTS.name,
        f"Synthetic rows break declared constraints: {told}. Constraints are looked at and not enforced: train longer "
        "or with a larger model_size, derive one of the columns from the other afterwards, or remove the constraint.",
        numbers,
    )


def _breaches(counted: Counted) -> tuple[dict[str, Number], str]:
    """Return the rows that break each constraint as numbers, and in words those that any break."""
    rows = {f"{name}/{it}": n for name, said in counted.items() for it, n in said.items()}
    told = [f"{name!r} {it} in {_rows(n)}" for name, said in counted.items() for it, n in said.items() if n]
    return {f"rows_breaking/{name}": n for name, n in rows.items()}, "; ".join(told)


def keys_check(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame]) -> CheckOutcome:
    """Look for repeated primary keys, and keys that name no row, in synthetic tables."""
    for name, table in tables.items():
        key = spec.tables[name].primary_key
        if key is not None and table[key].n_unique() < table.height:
            message = f"Synthetic table {name!r} repeats values of its primary key {key!r}; each row needs its own."
            return failed(SYNTHETIC_KEYS.name, message)
    try:
        check_foreign_keys(spec, tables)
    except (SchemaError, DataError) as error:
        return failed(SYNTHETIC_KEYS.name, f"Synthetic tables: {error}")
    told = "Primary keys are unique, and every key names a row of its parent table."
    return passed(SYNTHETIC_KEYS.name, told, **_relations(spec))


def _relations(spec: DatasetSpec) -> dict[str, Number]:
    return {
        name: f"{table.context.key} of {table.context.table}" for name, table in spec.tables.items() if table.context
    }


def row_check(tables: Mapping[str, pl.DataFrame], wanted: Mapping[str, int]) -> CheckOutcome:
    """Count the synthetic rows; those of a table with a context are as many as belong to its parent's rows."""
    for name, rows in wanted.items():
        if tables[name].height != rows:
            message = f"Synthetic table {name!r} has {tables[name].height:,} rows; {rows:,} were asked for."
            return failed(SYNTHETIC_ROWS.name, message)
    counted = {name: table.height for name, table in tables.items()}
    return passed(SYNTHETIC_ROWS.name, "As many rows as asked for.", **counted)


def schema_check(tables: Mapping[str, pl.DataFrame], stats: Mapping[str, TableStats]) -> CheckOutcome:
    """Compare columns and types of the synthetic tables with those the statistics were made of."""
    from argn_assets.tables.dtypes import dtype_name

    for name, table in tables.items():
        expected = {column.name: column.dtype for column in stats[name].schema.columns}
        found = {column: dtype_name(dtype, column) for column, dtype in table.schema.items()}
        differing = sorted(c for c in expected.keys() | found.keys() if expected.get(c) != found.get(c))
        if differing:
            shown = "; ".join(
                f"{c}: {found.get(c, 'absent')} instead of {expected.get(c, 'absent')}" for c in differing
            )
            return failed(SYNTHETIC_SCHEMA.name, f"Synthetic table {name!r} differs from the raw table in {shown}.")
    return passed(SYNTHETIC_SCHEMA.name, "Columns and types equal the raw table's.", tables=len(tables))


def _rows(n: int) -> str:
    return f"{n:,} row" if n == 1 else f"{n:,} rows"


def ranges_check(
    tables: Mapping[str, pl.DataFrame], stats: Mapping[str, TableStats], *, always_shown: str | None
) -> CheckOutcome:
    """Look for synthetic values that the statistics would not show: out of range, or of no known category.

    Args:
        tables: the synthetic tables.
        stats: of the tables that were read.
        always_shown: the text that stands for rare values, where the declaration asks for one.
    """
    from argn_assets.tables.ranges import rows_outside

    outside = {
        f"{name}/{column}": rows
        for name, table in tables.items()
        for column, rows in rows_outside(table, stats[name], always_shown=always_shown).items()
    }
    if not outside:
        columns = sum(len(stats[name].columns) for name in tables)
        return passed(SYNTHETIC_RANGES.name, "Every value is one that may be shown.", columns=columns)
    told = ", ".join(f"{name} in {_rows(rows)}" for name, rows in outside.items())
    return warned(
        SYNTHETIC_RANGES.name,
        f"Values outside the ranges and categories that the statistics show: {told}. They were not learnt from "
        "values that enough subjects share: do not pass them on, and report it with the encodings of these columns.",
        {f"rows_outside/{name}": rows for name, rows in outside.items()},
    )


def floor_check(spec: DatasetSpec, fidelities: Mapping[str, float]) -> CheckOutcome:
    """Compare the fidelity of every synthetic table with the declared floor."""
    floor = spec.floors.fidelity
    numbers = {name: round(fidelity, 6) for name, fidelity in fidelities.items()}
    if floor is None:
        return passed(FIDELITY_FLOOR.name, "No floor is declared.", **numbers)
    below = {name: fidelity for name, fidelity in fidelities.items() if fidelity < floor}
    if below:
        told = ", ".join(f"{name!r} {fidelity:.4f}" for name, fidelity in below.items())
        return failed(
            FIDELITY_FLOOR.name,
            f"Fidelity below the floor of {floor}: {told}. Train longer, with a larger model_size, or lower it.",
            numbers,
        )
    return passed(FIDELITY_FLOOR.name, f"Every table reaches the floor of {floor}.", **numbers)
