"""Tables, statistics and artifacts as the facts that are told about them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from argn_assets.datasets import DatasetSpec
from argn_assets.orchestration.facts import ColumnFacts, EpochFacts
from argn_assets.schema import ColumnSchema, SubColumn, TableSchema

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.artifact import ModelArtifact
    from argn_assets.tables import TableStats

PREVIEW_ROWS = 10


def raw_columns(spec: DatasetSpec, table: str, frame: pl.DataFrame) -> tuple[ColumnFacts, ...]:
    """Return the columns of a read or generated table."""
    key, context = spec.tables[table].primary_key, spec.tables[table].context
    notes = {context.key: f"key of {context.table}"} if context is not None else {}
    notes |= {key: "primary key"} if key is not None and key not in notes else {}
    return tuple(
        ColumnFacts(
            name=name,
            dtype=str(dtype).lower(),
            note=notes.get(name, ""),
            nullable=bool(frame[name].null_count()),
            unique=name == key,
        )
        for name, dtype in frame.schema.items()
    )


def encoded_columns(stats: TableStats) -> tuple[ColumnFacts, ...]:
    """Return the columns of a table with their encodings."""
    schema, subs = stats.schema, stats.sub_columns()
    return tuple(
        ColumnFacts(
            name=column.name,
            dtype=column.dtype,
            encoding=column.encoding,
            note=_role_note(column, schema) or _note(column, subs[column.name]),
            unique=column.name == schema.primary_key,
        )
        for column in schema.columns
    )


def _role_note(column: ColumnSchema, schema: TableSchema) -> str:
    if column.name == schema.context_key:
        return "key of the context"
    if column.name == schema.primary_key:
        return "primary key"
    return {"key": "key, regenerated", "pattern": "made anew in its form"}.get(column.role, "")


def _note(column: ColumnSchema, subs: Sequence[SubColumn]) -> str:
    """Return why the encoding was chosen, and how many codes each sub-column has."""
    sizes = " × ".join(str(sub.cardinality) for sub in subs) or "no"
    return " · ".join(filter(None, (column.reason, f"{sizes} codes")))


def history_of(artifact: ModelArtifact) -> tuple[EpochFacts, ...]:
    """Return the epochs of a training."""
    return tuple(
        EpochFacts(
            epoch=record.epoch,
            rows=record.rows,
            training_loss=record.training_loss,
            validation_loss=record.validation_loss,
            learning_rate=record.learning_rate,
        )
        for record in artifact.history
    )


def preview_of(table: pl.DataFrame) -> tuple[dict[str, str], ...]:
    """Return the first rows of a synthetic table as text."""
    return tuple(
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in table.head(PREVIEW_ROWS).to_dicts()
    )
