"""Where a training stands, as bytes: weights, optimizer, schedule and generator, so that it can be resumed.

The bytes are: magic `ARGT`, format version (uint16), length of the document (uint32), the document as JSON, then the
tensors as safetensors.
"""

from __future__ import annotations

import dataclasses
import json
import struct
from dataclasses import dataclass

from safetensors.torch import load, save
from torch import Tensor

from argn_assets.artifact import EpochRecord
from argn_assets.engine.epoch import EpochCounts
from argn_assets.errors import ArtifactError

MAGIC = b"ARGT"
FORMAT_VERSION = 2
_HEAD = struct.Struct("<4sHI")


@dataclass(frozen=True)
class Schedule:
    """Counters of a training; see `train`."""

    learning_rate: float
    batch_size: int
    steps: int
    rows: int
    drops: int
    stale: int
    recoveries: int
    best_loss: float | None


@dataclass(frozen=True)
class TrainingState:
    """A training between two epochs, or between two batches of one.

    Attributes:
        schedule: counters and learning rate.
        history: the epochs so far.
        tensors: `weight.*`, `averaged.*` and `best.*` per parameter, what the optimizer keeps of it (`step.*`,
            `exp_avg.*`, `exp_avg_sq.*`), `generator`, and `epoch.*` of the epoch in progress.
        epoch: numbers of the epoch in progress; None between two epochs.
        warm_start: what of an artifact the training began with, for people; None where it began with drawn weights.
    """

    schedule: Schedule
    history: tuple[EpochRecord, ...]
    tensors: dict[str, Tensor]
    epoch: EpochCounts | None = None
    warm_start: str | None = None

    def to_bytes(self) -> bytes:
        """Return the state as bytes; see the module."""
        document = {
            "schedule": dataclasses.asdict(self.schedule),
            "history": [dataclasses.astuple(record) for record in self.history],
            "epoch": self.epoch,
            "warm_start": self.warm_start,
        }
        text = json.dumps(document).encode()
        tensors: bytes = save(self.tensors)
        return _HEAD.pack(MAGIC, FORMAT_VERSION, len(text)) + text + tensors

    @classmethod
    def from_bytes(cls, data: bytes) -> TrainingState:
        """Read what `to_bytes` wrote; ArtifactError for anything else."""
        try:
            magic, version, length = _HEAD.unpack_from(data)
            if magic != MAGIC or version != FORMAT_VERSION:
                raise ArtifactError(f"These {len(data)} bytes are not a training state of version {FORMAT_VERSION}.")
            document = json.loads(data[_HEAD.size : _HEAD.size + length])
            history = tuple(EpochRecord(*record) for record in document["history"])
            tensors = data[_HEAD.size + length :]
            epoch = EpochCounts(*document["epoch"]) if document["epoch"] else None
            return cls(Schedule(**document["schedule"]), history, load(tensors), epoch, document["warm_start"])
        except ArtifactError:
            raise
        except Exception as error:
            raise ArtifactError(f"The training state cannot be read: {error}. Train from the start.") from error
