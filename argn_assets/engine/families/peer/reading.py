"""Reads what the peer left on disk: its ModelStore, a workspace that holds one, or either as a `.tar.gz`."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from argn_assets import __version__
from argn_assets.artifact import ModelArtifact
from argn_assets.encodings.base import Stats
from argn_assets.encodings.peer import stats_of_column
from argn_assets.encodings.peer.lists import PeerListStats
from argn_assets.engine.families.peer.family import Peer
from argn_assets.engine.families.peer.layout import PeerColumn, PeerLayout
from argn_assets.engine.keys import IMPORTED
from argn_assets.errors import ArtifactError
from argn_assets.schema import ColumnSchema, TableSchema
from argn_assets.tables.sequences import SequenceLengths
from argn_assets.tables.stats import TableStats

TARGET, CONTEXT = "tgt-stats/stats.json", "ctx-stats/stats.json"
CONFIGURATION, WEIGHTS = "model-data/model-configs.json", "model-data/model-weights.pt"
_STORE = "ModelStore"
_SIZES = {"Small": "S", "Medium": "M", "Large": "L"}
# The type of a column as words, and as pandas names it: that of the peer's own output.
_DTYPES = {
    "peer_datetime": ("datetime[ns]", "datetime64[ns]"), "peer_datetime_relative": ("datetime[us]", "datetime64[us]"),
    "int": ("int64", "Int64"), "float": ("float64", "Float64"), "text": ("string", "string"),
}  # fmt: skip
# Training with differential privacy leaves the recurrences' weights under other names too.
_PRIVATE_SUFFIXES = ("ih.weight", "ih.bias", "hh.weight", "hh.bias")


def read_model(path: str | Path) -> ModelArtifact:
    """Return the model that the peer left at `path`.

    Args:
        path: the peer's `ModelStore` folder, a workspace folder with one, or a `.tar.gz` of either.
    Raises:
        ArtifactError: there is none, it was not trained, it models free text, or it is of a version that has other
            files; the message names the file or the column.
    """
    files = _files_at(Path(path))
    target = _json(files, TARGET, path)
    context = _json(files, CONTEXT, path) if CONTEXT in files else {"columns": {}}
    configuration = _json(files, CONFIGURATION, path)
    tgt_stats = _table_stats(target)
    ctx_stats = _table_stats(context, target) if context["columns"] else None
    lengths = tgt_stats.lengths or SequenceLengths((1,), (1,), 1, tgt_stats.n_rows)
    medians = [int(column["seq_len"]["median"]) for column in context["columns"].values() if "seq_len" in column]
    layout = PeerLayout(
        _columns(context, ctx_stats),
        _columns(target, tgt_stats),
        target["seq_len"]["max"] if target["is_sequential"] else 0,
    )
    artifact = ModelArtifact(
        weights=_weights(files, path),
        is_sequential=target["is_sequential"],
        model_size=_SIZES.get(str(configuration.get("model_id")).rpartition("/")[2], "M"),
        network=layout.to_json(),
        tgt_cardinalities=_cardinalities(tgt_stats),
        ctx_cardinalities=_cardinalities(ctx_stats),
        enable_flexible_generation=configuration.get("enable_flexible_generation", True),
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
        provenance={"argn_assets": __version__, "imported": configuration.get("model_id")},
    )
    _check_weights(artifact)
    return artifact


def _files_at(path: Path) -> dict[str, Callable[[], bytes]]:
    """Return how to read each file of the ModelStore at `path`, by its name there."""
    wanted = (TARGET, CONTEXT, CONFIGURATION, WEIGHTS)
    if path.is_dir():
        store = path / _STORE if (path / _STORE).is_dir() else path
        return {name: (store / name).read_bytes for name in wanted if (store / name).is_file()}
    if not path.is_file():
        raise ArtifactError(
            f"There is nothing at {str(path)!r}. Give the peer's ModelStore, its workspace, or a .tar.gz of it."
        )
    try:
        with tarfile.open(path) as archive:
            members = {member.name.removeprefix("./"): member for member in archive if member.isfile()}
            found = {name: m for name in wanted for known, m in members.items() if f"/{known}".endswith(f"/{name}")}
            contents = {name: archive.extractfile(member).read() for name, member in found.items()}  # type: ignore[union-attr]
    except (tarfile.TarError, OSError, EOFError) as error:
        raise ArtifactError(
            f"{str(path)!r} cannot be read as a .tar.gz: {error}. Pack the ModelStore again."
        ) from error
    return {name: io.BytesIO(content).getvalue for name, content in contents.items()}


def _json(files: dict[str, Callable[[], bytes]], name: str, path: str | Path) -> dict[str, Any]:
    try:
        document: dict[str, Any] = json.loads(_content(files, name, path))
    except ValueError as error:
        raise ArtifactError(f"{name} of {str(path)!r} is not JSON: {error}. The file was cut or changed.") from error
    return document


def _content(files: dict[str, Callable[[], bytes]], name: str, path: str | Path) -> bytes:
    if name not in files:
        raise ArtifactError(
            f"{str(path)!r} has no {name}. Give a ModelStore of mostlyai-engine 2.7 whose training has finished, its "
            "workspace, or a .tar.gz of either."
        )
    return files[name]()


def _weights(
    files: dict[str, Callable[[], bytes]], path: str | Path
) -> dict[str, NDArray[np.float16] | NDArray[np.float32]]:
    """Return the weights by the peer's names; nothing in the file is executed."""
    content = _content(files, WEIGHTS, path)
    try:
        weights = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        return {
            name: weight.to(torch.float32).numpy().copy()
            for name, weight in weights.items()
            if not name.endswith(_PRIVATE_SUFFIXES)
        }
    except (RuntimeError, pickle.UnpicklingError, EOFError, AttributeError) as error:
        raise ArtifactError(
            f"{WEIGHTS} of {str(path)!r} cannot be read as weights: {type(error).__name__}. It was cut or changed."
        ) from error


def _check_weights(artifact: ModelArtifact) -> None:
    """Load the network once; ArtifactError where weights are missing or of other shapes than the columns ask for."""
    load = Peer.load_sequential if artifact.is_sequential else Peer.load_flat
    try:
        load(artifact, torch.device("cpu"))
    except (KeyError, RuntimeError) as error:
        raise ArtifactError(
            f"The peer's weights do not belong to its statistics: {error}. Models of mostlyai-engine 2.7 can be "
            "imported."
        ) from error


def _table_stats(document: dict[str, Any], target: dict[str, Any] | None = None) -> TableStats:
    """Return our statistics of a table; of a context the number of rows stands in the target's."""
    target = target or document
    keys = document.get("keys", {})
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
