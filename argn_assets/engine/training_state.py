"""Where a training stands, as bytes: weights, optimizer, schedule and generator, so that it can be resumed.

The bytes are: magic `ARGT`, format version (uint16), length of the document (uint32), the document as JSON, then the
tensors as safetensors.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import struct
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import load, save
from torch import Tensor

from argn_assets.artifact import EpochRecord
from argn_assets.engine.config import TrainingConfig
from argn_assets.engine.epoch import EpochCounts
from argn_assets.errors import ArtifactError, ConfigError
from argn_assets.seeds import Seed
from argn_assets.tables.encode import EncodedTable

MAGIC = b"ARGT"
FORMAT_VERSION = 3
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
class Identity:
    """What a training is of; one that is resumed is of the same.

    Attributes:
        seed: root of all chance.
        any_order, batch_size, max_sequence_window: settings; see `TrainingConfig`.
        data: digest of the codes, and of which rows validate.
    """

    seed: int
    any_order: bool
    batch_size: int | None
    max_sequence_window: int
    data: str

    @classmethod
    def of(cls, encoded: EncodedTable, context: EncodedTable | None, config: TrainingConfig, seed: Seed) -> Identity:
        """Return the identity of a training."""
        arrays: list[NDArray[Any]] = [encoded.codes, encoded.validation]
        if encoded.offsets is not None:
            arrays.append(encoded.offsets)
        if context is not None:
            arrays += [context.codes, context.validation]
            for sibling in context.siblings.values():
                arrays += [sibling.codes, sibling.starts, sibling.sizes]
        digest = hashlib.blake2b(digest_size=16)
        for array in arrays:
            digest.update(f"{array.dtype.str}{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        window = config.max_sequence_window
        return cls(seed.value, config.any_order, config.batch_size, window, digest.hexdigest())

    def check_same(self, now: Identity) -> None:
        """Refuse to go on with another training; ConfigError says what differs."""
        was, is_now = dataclasses.asdict(self), dataclasses.asdict(now)
        told = [f"{k} was {was[k]!r} and is {is_now[k]!r}" for k in was if k != "data" and was[k] != is_now[k]]
        if not told and self.data != now.data:
            told = ["its rows were others, or others of them validated"]
        if told:
            raise ConfigError(
                f"The training state is of another training: {', '.join(told)}. Pass what it was made with, or train "
                "from the start."
            )


@dataclass(frozen=True)
class TrainingState:
    """A training between two epochs, or between two batches of one.

    Attributes:
        identity: what is trained.
        schedule: counters and learning rate.
        history: the epochs so far.
        tensors: `weight.*`, `averaged.*` and `best.*` per parameter, what the optimizer keeps of it (`step.*`,
            `exp_avg.*`, `exp_avg_sq.*`), `generator`, and `epoch.*` of the epoch in progress.
        epoch: numbers of the epoch in progress; None between two epochs.
        warm_start: what of an artifact the training began with, for people; None where it began with drawn weights.
    """

    identity: Identity
    schedule: Schedule
    history: tuple[EpochRecord, ...]
    tensors: dict[str, Tensor]
    epoch: EpochCounts | None = None
    warm_start: str | None = None

    def to_bytes(self) -> bytes:
        """Return the state as bytes; see the module."""
        document = {
            "identity": dataclasses.asdict(self.identity),
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
                raise ArtifactError(
                    f"These {len(data)} bytes are not a training state of version {FORMAT_VERSION}. Train from the "
                    "start."
                )
            document = json.loads(data[_HEAD.size : _HEAD.size + length])
            history = tuple(EpochRecord(*record) for record in document["history"])
            tensors = data[_HEAD.size + length :]
            epoch = EpochCounts(*document["epoch"]) if document["epoch"] else None
            identity, schedule = Identity(**document["identity"]), Schedule(**document["schedule"])
            return cls(identity, schedule, history, load(tensors), epoch, document["warm_start"])
        except ArtifactError:
            raise
        except Exception as error:
            raise ArtifactError(f"The training state cannot be read: {error}. Train from the start.") from error
