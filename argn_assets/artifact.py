"""A trained model as one value, and as bytes: schema, statistics, configuration, numpy weights, history.

The bytes are: magic `ARGN`, format version (uint16), SHA-256 of the rest, length of the metadata (uint32), the
metadata as zlib-compressed JSON, then the weights as safetensors; integers are little-endian. Equal artifacts have
equal bytes: neither clock nor speed nor run id is in them.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
import zlib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from argn_assets import __version__
from argn_assets.errors import ArgnError, ArtifactError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import torch
    from numpy.typing import NDArray

    from argn_assets.tables.stats import TableStats

MAGIC = b"ARGN"
FORMAT_VERSION = 1
_HEAD = struct.Struct("<4sH32s")
_LENGTH = struct.Struct("<I")


@dataclass(frozen=True, slots=True)
class EpochRecord:
    """One epoch of training: losses are nats per row, summed over the columns."""

    epoch: float
    rows: int
    training_loss: float
    validation_loss: float | None
    learning_rate: float


@dataclass(frozen=True, kw_only=True, eq=False)
class ModelArtifact:
    """A trained generator with everything that generating needs.

    Attributes:
        weights: parameters by name, arrays of float16 or float32.
        is_sequential: rows are generated as sequences per key.
        model_size: `S`, `M` or `L`.
        network: layer widths and layout, as the family wrote them.
        tgt_cardinalities, ctx_cardinalities: codes of each sub-column, named `column.sub-column`.
        enable_flexible_generation: trained in any order, so that any columns may be given.
        tgt_seq_len_min, tgt_seq_len_max, tgt_seq_len_median, ctx_seq_len_median: rows per key; 1 for a flat table.
        tgt_stats, ctx_stats: statistics of the table and of its context.
        tgt_primary_key, tgt_context_key, ctx_primary_key: key columns.
        family: generator family.
        history: one record per epoch.
        provenance: what made the artifact (package version, configuration, seed), for people.
        version: format version of the bytes.
    """

    weights: dict[str, NDArray[np.float16] | NDArray[np.float32]]
    is_sequential: bool
    model_size: str
    network: dict[str, Any]
    tgt_cardinalities: dict[str, int]
    ctx_cardinalities: dict[str, int]
    enable_flexible_generation: bool
    tgt_stats: TableStats
    ctx_stats: TableStats | None = None
    tgt_seq_len_min: int = 1
    tgt_seq_len_max: int = 1
    tgt_seq_len_median: int = 1
    ctx_seq_len_median: int = 1
    tgt_primary_key: str | None = None
    tgt_context_key: str | None = None
    ctx_primary_key: str | None = None
    family: str = "argn"
    history: tuple[EpochRecord, ...] = ()
    provenance: dict[str, Any] = field(default_factory=lambda: {"argn_assets": __version__})
    version: int = FORMAT_VERSION

    def get_weights_state_dict(self, device: str = "cpu") -> dict[str, torch.Tensor]:
        """Return the weights as float32 torch tensors on `device`."""
        import torch

        return {name: torch.tensor(array, dtype=torch.float32, device=device) for name, array in self.weights.items()}

    def to_bytes(self) -> bytes:
        """Return the artifact as bytes; see the module for the layout."""
        from safetensors.numpy import save

        document = {
            f.name: getattr(self, f.name) for f in dataclasses.fields(self) if f.name not in ("weights", "version")
        }
        document["tgt_stats"] = self.tgt_stats.to_json()
        document["ctx_stats"] = self.ctx_stats.to_json() if self.ctx_stats else None
        document["history"] = [dataclasses.astuple(record) for record in self.history]
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        metadata = zlib.compress(text.encode(), 9)
        body = _LENGTH.pack(len(metadata)) + metadata + save(self.weights)
        head = _HEAD.pack(MAGIC, self.version, hashlib.sha256(body).digest())
        return b"".join([head, body])

    @classmethod
    def from_workspace(cls, path: str | Path) -> ModelArtifact:
        """Import a model that mostlyai-engine 2.7 trained; its family is `peer`.

        Args:
            path: its `ModelStore` folder, a workspace folder with one, or a `.tar.gz` of either.
        Raises:
            ArtifactError: there is no such model, or it cannot be imported; the message names file or column.
        """
        # The one import upwards: an artifact is what every family gives, and only the family can read its foreign form.
        from argn_assets.engine.families.peer.reading import read_model

        return read_model(path)

    @classmethod
    def from_bytes(cls, data: bytes) -> ModelArtifact:
        """Read what `to_bytes` wrote.

        Raises:
            ArtifactError: other bytes, a newer format version, or bytes that changed; before any tensor is built.
        """
        if len(data) < _HEAD.size + _LENGTH.size or data[:4] != MAGIC:
            raise ArtifactError(f"These {len(data)} bytes are not a model artifact: they do not start with {MAGIC!r}.")
        _, version, digest = _HEAD.unpack_from(data)
        if version != FORMAT_VERSION:
            raise ArtifactError(
                f"The artifact has the format version {version}; this version of argn_assets ({__version__}) reads "
                f"{FORMAT_VERSION}. Install the version that wrote it, or train again."
            )
        body = memoryview(data)[_HEAD.size :]
        if hashlib.sha256(body).digest() != digest:
            raise ArtifactError(
                f"The artifact's {len(data)} bytes do not match the digest inside: they were cut or changed. "
                "Fetch it again or train again."
            )
        return cls._from_body(body)

    @classmethod
    def _from_body(cls, body: memoryview) -> ModelArtifact:
        from safetensors.numpy import load

        from argn_assets.tables.stats import TableStats

        (length,) = _LENGTH.unpack_from(body)
        end = _LENGTH.size + length
        try:
            document = json.loads(zlib.decompress(body[_LENGTH.size : end]))
            document["tgt_stats"] = TableStats.from_json(document["tgt_stats"])
            document["ctx_stats"] = TableStats.from_json(document["ctx_stats"]) if document["ctx_stats"] else None
            document["history"] = tuple(EpochRecord(*record) for record in document["history"])
            return cls(weights=load(bytes(body[end:])), **document)
        except (ValueError, KeyError, TypeError, zlib.error, ArgnError) as error:
            raise ArtifactError(
                f"The artifact is whole but cannot be read: {error}. It was written wrongly."
            ) from error
