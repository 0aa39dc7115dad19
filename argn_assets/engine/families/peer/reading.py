"""Reads what the peer left on disk, its statistics and its weights, as an artifact."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argn_assets import __version__
from argn_assets.artifact import ModelArtifact
from argn_assets.encodings.base import Stats
from argn_assets.encodings.peer import stats_of_column
from argn_assets.encodings.peer.lists import PeerListStats
from argn_assets.encodings.peer.moments import PeerDatetimeStats
from argn_assets.engine.families.peer.family import Peer
from argn_assets.engine.families.peer.files import CONFIGURATION, CONTEXT, TARGET, WEIGHTS, PeerFiles
from argn_assets.engine.families.peer.layout import PeerColumn, PeerLayout
from argn_assets.engine.families.peer.shapes import mismatches
from argn_assets.engine.keys import IMPORTED
from argn_assets.schema import ColumnSchema, TableSchema
from argn_assets.tables.sequences import SequenceLengths
from argn_assets.tables.stats import TableStats

_SIZES = {"MOSTLY_AI/Small": "S", "MOSTLY_AI/Medium": "M", "MOSTLY_AI/Large": "L"}
# The type of a column as words, and as pandas names it: that of the peer's own output.
_DTYPES = {
    "moment": ("datetime[ns]", "datetime64[ns]"), "far moment": ("datetime[us]", "datetime64[us]"),
    "peer_datetime_relative": ("datetime[us]", "datetime64[us]"),
    "int": ("int64", "Int64"), "float": ("float64", "Float64"), "text": ("string", "string"),
}  # fmt: skip
_MOST_NANOSECONDS = (1 << 63) // 1_000_000  # milliseconds from 1970 that nanoseconds reach
_MOST_NAMED = 3  # weights that an error lists


def read_model(path: str | Path) -> ModelArtifact:
    """Return the model that the peer left at `path`.

    Args:
        path: the peer's `ModelStore` folder, a workspace folder with one, or a `.tar.gz` of either.
    Raises:
        ArtifactError: there is none, it was not trained, it models free text, or it is of a version that has other
            files; the message names the file or the column.
    """
    files = PeerFiles.at(path)
    target, configuration = files.document(TARGET), files.document(CONFIGURATION)
    with files.understanding(TARGET):
        tgt_stats = _table_stats(target)
        tgt_columns = _columns(target, tgt_stats)
        most = target["seq_len"]["max"] if target["is_sequential"] else 0
    model_size, any_order = _configured(files, configuration)
    context: dict[str, Any] = {"columns": {}}
    with files.understanding(CONFIGURATION):
        has_context = any(name.startswith("embedder@ctx") for name in configuration["model_units"])
    if has_context or CONTEXT in files.contents:
        context = files.document(CONTEXT)
    with files.understanding(CONTEXT):
        ctx_stats = _table_stats(context, target) if context["columns"] else None
        ctx_columns = _columns(context, ctx_stats)
        medians = [int(column["seq_len"]["median"]) for column in context["columns"].values() if "seq_len" in column]
    lengths = tgt_stats.lengths or SequenceLengths((1,), (1,), 1, tgt_stats.n_rows)
    layout = PeerLayout(ctx_columns, tgt_columns, most)
    return ModelArtifact(
        weights=_weights(files, layout),
        is_sequential=most > 0,
        model_size=model_size,
        network=layout.to_json(),
        tgt_cardinalities=_cardinalities(tgt_stats),
        ctx_cardinalities=_cardinalities(ctx_stats),
        enable_flexible_generation=any_order,
        tgt_stats=tgt_stats,
        ctx_stats=ctx_stats,
        tgt_seq_len_min=lengths.least,
        tgt_seq_len_max=lengths.most,
        tgt_seq_len_median=lengths.median,
        ctx_seq_len_median=max(medians, default=1),
        tgt_primary_key=tgt_stats.schema.primary_key,
        tgt_context_key=tgt_stats.schema.context_key,
        ctx_primary_key=ctx_stats.schema.primary_key if ctx_stats else None,
        family=Peer.NAME,
        provenance={"argn_assets": __version__, "imported": configuration["model_id"]},
    )


def _configured(files: PeerFiles, configuration: dict[str, Any]) -> tuple[str, bool]:
    """Return the model's size, and whether it was trained in any order."""
    model_id = str(configuration.get("model_id"))
    if model_id not in _SIZES:
        raise files.unreadable(
            CONFIGURATION, f"names the model {model_id!r}; {', '.join(_SIZES)} can be imported, and no other."
        )
    with files.understanding(CONFIGURATION):
        return _SIZES[model_id], bool(configuration["enable_flexible_generation"])


def _weights(files: PeerFiles, layout: PeerLayout) -> dict[str, NDArray[np.float16] | NDArray[np.float32]]:
    """Return the weights by the peer's names, of the shapes that the columns ask for."""
    weights = files.weights()
    wrong = mismatches(layout, {name: weight.shape for name, weight in weights.items()})
    if wrong:
        more = f"; and {len(wrong) - _MOST_NAMED} more" if len(wrong) > _MOST_NAMED else ""
        raise files.unreadable(
            WEIGHTS,
            f"does not belong to the statistics beside it: {'; '.join(wrong[:_MOST_NAMED])}{more}. Models of "
            "mostlyai-engine 2.7 can be imported.",
        )
    return {**weights}


def _table_stats(document: dict[str, Any], target: dict[str, Any] | None = None) -> TableStats:
    """Return our statistics of a table; of a context the number of rows stands in the target's."""
    target = target or document
    keys = document["keys"]
    columns = {name: stats_of_column(name, column) for name, column in document["columns"].items()}
    schemas = [
        ColumnSchema(name=key, dtype="string", frame_dtype="string", role="key", reason=IMPORTED)
        for key in dict.fromkeys(keys.values())
    ]
    schemas += [_column_schema(name, stats) for name, stats in columns.items()]
    n_rows = target["no_of_training_records"] + target["no_of_validation_records"]
    lengths = None
    if document.get("is_sequential"):
        seq_len = document["seq_len"]
        every = tuple(range(seq_len["min"], seq_len["max"] + 1))
        lengths = SequenceLengths(every, every, int(seq_len["median"]), n_rows)
    schema = TableSchema(
        columns=tuple(schemas),
        frame_kind="pandas",
        primary_key=keys.get("primary_key"),
        context_key=keys.get("context_key"),
    )
    return TableStats(schema, columns, n_rows, lengths)


def _column_schema(name: str, stats: Stats) -> ColumnSchema:
    inner = stats.element if isinstance(stats, PeerListStats) else stats
    lowest = getattr(inner, "lowest", None)
    kind = "text" if lowest is None else "float" if lowest < 0 else "int"
    if isinstance(inner, PeerDatetimeStats):
        inside = not any(end is not None and abs(end) > _MOST_NANOSECONDS for end in (inner.low, inner.high))
        kind = "moment" if inside else "far moment"
    dtype, own = _DTYPES.get(inner.NAME, _DTYPES[kind])
    return ColumnSchema(name=name, dtype=dtype, frame_dtype=own, encoding=stats.NAME, reason=IMPORTED)


def _columns(document: dict[str, Any], stats: TableStats | None) -> tuple[PeerColumn, ...]:
    """Return the columns under the peer's names, in the order of their sub-columns in `stats`."""
    if stats is None:
        return ()
    found = []
    for name, own in stats.columns.items():
        entry = document["columns"][name]
        full_name = f"{entry['argn_processor']}:{entry['argn_table']}/{entry['argn_column']}"
        cardinalities = entry["cardinalities"]
        n_steps = own.most if isinstance(own, PeerListStats) else 0
        found.append(PeerColumn(full_name, tuple(cardinalities), tuple(cardinalities.values()), n_steps))
    return tuple(found)


def _cardinalities(stats: TableStats | None) -> dict[str, int]:
    layout = stats.sub_columns() if stats else {}
    return {f"{name}.{sub.name}": sub.cardinality for name, subs in layout.items() for sub in subs}
