"""Facts and records as Dagster metadata, under the keys that its UI treats specially."""

from __future__ import annotations

import base64
from collections.abc import Mapping

import dagster as dg

from argn_assets.charts import loss_curve_svg
from argn_assets.orchestration.facts import ColumnFacts, EpochFacts, StageFacts
from argn_assets.store import Manifest

Metadata = dict[str, dg.MetadataValue | str | int | float]

MOST_HISTORY_ROWS = 200


def facts_metadata(facts: StageFacts) -> Metadata:
    """Return what is told about a result: row counts, columns with encodings, losses, figures, synthetic rows."""
    metadata: Metadata = {"dagster/row_count": facts.rows} if facts.tables else {}
    if len(facts.tables) > 1:
        metadata |= {f"rows/{table}": told.rows for table, told in facts.tables.items()}
    if any(told.columns for told in facts.tables.values()):
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(_column_schema(facts))
    metadata |= dict(facts.numbers)
    for table, epochs in facts.history.items():
        metadata[f"loss_curve/{table}"] = dg.MetadataValue.md(_loss_curve(table, epochs))
        metadata[f"history/{table}"] = _history_table(epochs)
    for table, rows in facts.preview.items():
        metadata[f"preview/{table}"] = dg.MetadataValue.table(
            [dg.TableRecord(dict(row)) for row in rows],
            schema=dg.TableSchema([dg.TableColumn(name) for name in (rows[0] if rows else {})]),
        )
    return metadata


def storage_metadata(manifest: Manifest, places: Mapping[str, str], *, cache: str) -> Metadata:
    """Return where a result is stored.

    Args:
        manifest: the committed manifest.
        places: URL or path of each part, by name; the first one is the headline.
        cache: `hit` or `miss` of the action cache.
    """
    size = sum(record.size_bytes for record in manifest.items)
    metadata: Metadata = {
        "dagster/uri": next(iter(places.values()), ""),
        "dagster/size_bytes": size,
        "digest": manifest.data_version,
        "manifest": str(manifest.path),
        "cache": cache,
        "deduplicated_bytes": sum(it.size_bytes for it in manifest.items if it.deduplicated or cache == "hit"),
    }
    return metadata | {f"path/{name}": dg.MetadataValue.path(place) for name, place in places.items()}


def _column_schema(facts: StageFacts) -> dg.TableSchema:
    several = len(facts.tables) > 1
    return dg.TableSchema(
        [
            _column(f"{table}.{column.name}" if several else column.name, column)
            for table, told in facts.tables.items()
            for column in told.columns
        ]
    )


def _column(name: str, column: ColumnFacts) -> dg.TableColumn:
    return dg.TableColumn(
        name,
        type=column.dtype,
        description=" · ".join(filter(None, (column.encoding, column.note))) or None,
        constraints=dg.TableColumnConstraints(nullable=column.nullable, unique=column.unique),
        tags={"encoding": column.encoding} if column.encoding else {},
    )


def _loss_curve(table: str, epochs: tuple[EpochFacts, ...]) -> str:
    """Return Markdown that shows the curve inside a page of the UI: its sanitiser lets `data:` images through."""
    svg = loss_curve_svg(
        [epoch.epoch for epoch in epochs],
        [epoch.training_loss for epoch in epochs],
        [epoch.validation_loss for epoch in epochs],
        [epoch.learning_rate for epoch in epochs],
    )
    return f"![loss of {table}](data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()})"


def _history_table(epochs: tuple[EpochFacts, ...]) -> dg.MetadataValue:
    kept = epochs[:: max(1, -(-len(epochs) // MOST_HISTORY_ROWS))]
    numbers = [{key: value for key, value in epoch.model_dump().items() if value is not None} for epoch in kept]
    columns = {"epoch": "float", "rows": "int", "training_loss": "float", "validation_loss": "float"}
    schema = dg.TableSchema([dg.TableColumn(name, type=dtype) for name, dtype in columns.items()])
    return dg.MetadataValue.table([dg.TableRecord({k: row.get(k) for k in columns}) for row in numbers], schema=schema)
