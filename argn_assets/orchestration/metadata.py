"""Facts and records as Dagster metadata, under the keys that its UI treats specially."""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from typing import Any

import dagster as dg

from argn_assets.charts import loss_curve_svg
from argn_assets.datasets import DatasetSpec
from argn_assets.orchestration.facts import ColumnFacts, EpochFacts, Number, StageFacts
from argn_assets.orchestration.stages import RAW_TABLES, Stage
from argn_assets.store import Manifest

Metadata = dict[str, dg.MetadataValue[Any] | dg.TableColumnLineage | Number | None]

HISTORY_ROWS = 12  # the page shows them all at once


def facts_metadata(facts: StageFacts) -> Metadata:
    """Return what is told about a result: row counts, columns with encodings, losses, figures, synthetic rows."""
    metadata: Metadata = {"dagster/row_count": facts.rows} if facts.tables else {}
    if len(facts.tables) > 1:
        metadata |= {f"rows/{table}": told.rows for table, told in facts.tables.items()}
    if any(told.columns for told in facts.tables.values()):
        metadata["dagster/column_schema"] = dg.MetadataValue.table_schema(_column_schema(facts))
    metadata |= {name: _shown(number) for name, number in facts.numbers.items()}
    for table, epochs in facts.history.items():
        metadata[f"loss_curve/{table}"] = dg.MetadataValue.md(_loss_curve(table, epochs))
        metadata[f"history/{table}"] = _history_table(epochs)
    for table, rows in facts.preview.items():
        metadata[f"preview/{table}"] = dg.MetadataValue.table(
            [dg.TableRecord(dict(row)) for row in rows],
            schema=dg.TableSchema([dg.TableColumn(name) for name in (rows[0] if rows else {})]),
        )
    return metadata


def lineage_metadata(stage: Stage, spec: DatasetSpec, facts: StageFacts) -> Metadata:
    """Return which column of the raw tables each column of a result follows; keys that are made anew follow none."""
    if stage is RAW_TABLES or not any(told.columns for told in facts.tables.values()):
        return {}
    several = len(facts.tables) > 1
    names = [
        f"{table}.{column.name}" if several else column.name
        for table, told in facts.tables.items()
        for column in told.columns
        if column.name not in spec.tables[table].regenerated()
    ]
    follows = {name: [dg.TableColumnDep(asset_key=dg.AssetKey(RAW_TABLES.asset), column_name=name)] for name in names}
    return {"dagster/column_lineage": dg.TableColumnLineage(follows)}


def declared_metadata(spec: DatasetSpec) -> Metadata:
    """Return what the data set says about itself: owners and tags, where it has any."""
    metadata: Metadata = {"owners": ", ".join(spec.owners)} if spec.owners else {}
    return metadata | {f"tag/{name}": text for name, text in spec.tags.items()}


def storage_metadata(manifest: Manifest, places: Mapping[str, str], *, uri: str, cache: str) -> Metadata:
    """Return where a result is stored.

    Args:
        manifest: the committed manifest.
        places: URL or path of each part, by name.
        uri: of the first part, the headline.
        cache: `hit` or `miss` of the action cache.
    """
    size = sum(record.size_bytes for record in manifest.items)
    # In the order of the page: what a person opens stands before what programs need.
    metadata: Metadata = {f"path/{name}": dg.MetadataValue.path(place) for name, place in places.items()}
    return metadata | {
        "dagster/uri": uri,
        "dagster/size_bytes": size,
        "cache": cache,
        "deduplicated_bytes": sum(it.size_bytes for it in manifest.items if it.deduplicated or cache == "hit"),
        "digest": manifest.data_version,
        "manifest": str(manifest.path),
    }


def export_metadata(spec: DatasetSpec, places: Mapping[str, str], digest: str) -> Metadata:
    """Return where tables were exported to, and which they are."""
    metadata: Metadata = {**declared_metadata(spec), "digest": digest}
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


def _history_table(epochs: tuple[EpochFacts, ...]) -> dg.MetadataValue[Any]:
    """Return a table short enough to stand on the page: epochs evenly apart, the last one among them."""
    step = max(1, math.ceil(len(epochs) / HISTORY_ROWS))
    kept = epochs[::-1][::step][::-1]
    columns = {"epoch": "float", "rows": "int", "training_loss": "float", "validation_loss": "float"}
    schema = dg.TableSchema([dg.TableColumn(name, type=dtype) for name, dtype in columns.items()])
    records = [dg.TableRecord({name: _shown(getattr(epoch, name)) for name in columns}) for epoch in kept]
    return dg.MetadataValue.table(records, schema=schema)


def _shown(value: Number | None) -> Number | None:
    return round(value, 5) if isinstance(value, float) else value
