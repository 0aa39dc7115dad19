"""How each check of the chain is answered: plain functions from what a stage computed to outcomes."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

from argn_assets.datasets import DatasetSpec, check_foreign_keys, check_tables
from argn_assets.errors import ArgnError, DataError, SchemaError
from argn_assets.orchestration.checks import (
    CODES_IN_RANGE,
    FIDELITY_FLOOR,
    FINITE_LOSS,
    LOADS,
    RAW_FOREIGN_KEYS,
    RAW_NON_EMPTY,
    RAW_PRIMARY_KEY,
    RAW_SCHEMA,
    SYNTHETIC_KEYS,
    SYNTHETIC_ROWS,
    SYNTHETIC_SCHEMA,
)
from argn_assets.orchestration.facts import CheckOutcome, EpochFacts, Number, failed, passed

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.tables import EncodedTable, TableStats


def raw_checks(spec: DatasetSpec, tables: Mapping[str, pl.DataFrame]) -> tuple[CheckOutcome, ...]:
    """Look at the raw tables: rows, declared columns, keys; only the failed check, where one fails."""
    rows = {name: table.height for name, table in tables.items()}
    try:
        check_tables(spec, tables)
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
    )


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


def codes_check(tables: Mapping[str, EncodedTable]) -> CheckOutcome:
    """Compare every sub-column's largest code with its cardinality."""
    for name, encoded in tables.items():
        for codes, sub in zip(encoded.codes, encoded.sub_columns, strict=True):
            if encoded.n_rows and int(codes.max()) >= sub.cardinality:
                return failed(
                    CODES_IN_RANGE.name,
                    f"Table {name!r}, sub-column {sub.name!r} has the code {int(codes.max())}; codes are below "
                    f"{sub.cardinality}. The statistics belong to other data: materialise table_stats with force.",
                )
    widest = max((sub.cardinality for encoded in tables.values() for sub in encoded.sub_columns), default=0)
    return passed(CODES_IN_RANGE.name, "Every code is below its cardinality.", largest_cardinality=widest)


def loss_check(history: Mapping[str, tuple[EpochFacts, ...]]) -> CheckOutcome:
    """Look for a loss that is not a finite number."""
    for name, epochs in history.items():
        for epoch in epochs:
            losses = [loss for loss in (epoch.training_loss, epoch.validation_loss) if loss is not None]
            if not all(map(math.isfinite, losses)):
                return failed(
                    FINITE_LOSS.name,
                    f"Table {name!r} reached a loss of {losses} in epoch {epoch.epoch:g}; a finite number was "
                    "expected. Train with another seed, or a smaller model.",
                )
    return passed(FINITE_LOSS.name, "Every recorded loss is finite.", epochs=sum(map(len, history.values())))


def loads_check(stored: Mapping[str, bytes]) -> CheckOutcome:
    """Read every artifact back from its bytes and write it again."""
    from argn_assets.artifact import ModelArtifact

    for name, content in stored.items():
        try:
            again = ModelArtifact.from_bytes(content).to_bytes()
        except ArgnError as error:
            return failed(LOADS.name, f"The artifact of table {name!r} does not read back: {error}")
        if again != content:
            return failed(LOADS.name, f"The artifact of table {name!r} reads back as other bytes.")
    return passed(LOADS.name, "The stored bytes read back.", bytes=sum(map(len, stored.values())))


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


def floor_check(spec: DatasetSpec, fidelities: Mapping[str, float]) -> CheckOutcome:
    """Compare the fidelity of every synthetic table with the declared floor."""
    floor = spec.floors.fidelity
    if floor is None:
        return passed(FIDELITY_FLOOR.name, "No floor is declared.", **fidelities)
    below = {name: fidelity for name, fidelity in fidelities.items() if fidelity < floor}
    if below:
        told = ", ".join(f"{name!r} {fidelity:.4f}" for name, fidelity in below.items())
        return failed(
            FIDELITY_FLOOR.name,
            f"Fidelity below the floor of {floor}: {told}. Train longer, with a larger model_size, or lower it.",
            fidelities,
        )
    return passed(FIDELITY_FLOOR.name, f"Every table reaches the floor of {floor}.", **fidelities)
