"""The statistics of a table as they are kept: a value, its JSON and its bytes."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass, field
from typing import Any

from argn_assets.encodings.base import Stats, encoding_named
from argn_assets.errors import ConfigError, DataError
from argn_assets.schema import ColumnSchema, SubColumn, TableSchema
from argn_assets.tables.pattern import PatternStats
from argn_assets.tables.sequences import SequenceLengths

FORMAT_VERSION = 1


@dataclass(frozen=True)
class TableStats:
    """Everything that encoding and decoding a table need, and nothing else: no counts, no rare values.

    Attributes:
        schema: the table's columns, keys and frame kind.
        columns: stats of every modelled column, in the table's order.
        n_rows: rows the statistics were made of.
        lengths: rows per key of the context key; None without one.
        patterns: stats of every column that is made anew in its form.
        siblings: of a context, the statistics of each sequence of rows in its list columns, by name.
    """

    schema: TableSchema
    columns: dict[str, Stats]
    n_rows: int
    lengths: SequenceLengths | None = None
    patterns: dict[str, PatternStats] = field(default_factory=dict)
    siblings: dict[str, TableStats] = field(default_factory=dict)

    def sub_columns(self) -> dict[str, tuple[SubColumn, ...]]:
        """Return the sub-columns of each modelled column, in order."""
        return {name: encoding_named(stats.NAME).sub_columns(stats) for name, stats in self.columns.items()}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        schema = dataclasses.asdict(self.schema)
        schema["columns"] = [
            {k: v for k, v in column.items() if k == "name" or v not in (None, "")} for column in schema["columns"]
        ]
        columns = {name: {"encoding": stats.NAME, **stats.to_json()} for name, stats in self.columns.items()}
        document = {"format_version": FORMAT_VERSION, "n_rows": self.n_rows, "schema": schema, "columns": columns}
        if self.lengths is not None:
            document["lengths"] = dataclasses.asdict(self.lengths)
        if self.patterns:
            document["patterns"] = {name: stats.to_json() for name, stats in self.patterns.items()}
        if self.siblings:
            document["siblings"] = {name: stats.to_json() for name, stats in self.siblings.items()}
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TableStats:
        """Read what `to_json` wrote; DataError for another format version."""
        if document.get("format_version") != FORMAT_VERSION:
            raise DataError(
                f"Statistics have the format version {document.get('format_version')!r}; this version reads "
                f"{FORMAT_VERSION}. Compute them again."
            )
        schema = dict(document["schema"])
        schema["columns"] = tuple(ColumnSchema(**column) for column in schema["columns"])
        columns: dict[str, Stats] = {}
        for name, column in document["columns"].items():
            values = dict(column)
            columns[name] = encoding_named(values.pop("encoding")).STATS.from_json(values)
        lengths = SequenceLengths.from_json(document["lengths"]) if "lengths" in document else None
        patterns = {name: PatternStats.from_json(stats) for name, stats in document.get("patterns", {}).items()}
        siblings = {name: cls.from_json(stats) for name, stats in document.get("siblings", {}).items()}
        return cls(TableSchema(**schema), columns, document["n_rows"], lengths, patterns, siblings)

    def to_bytes(self) -> bytes:
        """Return the canonical byte form: equal stats give equal bytes."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TableStats:
        """Read what `to_bytes` wrote; DataError for anything else."""
        try:
            return cls.from_json(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise DataError(
                f"These {len(data):,} bytes are not statistics of a table: {type(error).__name__}. Compute them again."
            ) from error
