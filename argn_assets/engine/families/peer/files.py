"""The files of a model that the peer trained: found in a folder or an archive, and read with nothing in them run."""

from __future__ import annotations

import io
import json
import pickle
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from argn_assets.errors import ArtifactError

TARGET, CONTEXT = "tgt-stats/stats.json", "ctx-stats/stats.json"
CONFIGURATION, WEIGHTS = "model-data/model-configs.json", "model-data/model-weights.pt"
_NAMES = (TARGET, CONTEXT, CONFIGURATION, WEIGHTS)
_STORE = "ModelStore"
# Training with differential privacy leaves the recurrences' weights under other names too.
_PRIVATE_SUFFIXES = ("ih.weight", "ih.bias", "hh.weight", "hh.bias")


@dataclass(frozen=True)
class PeerFiles:
    """Those files of a ModelStore that are needed.

    Attributes:
        place: where they lie, in the caller's words.
        contents: how to read each, by its name in the ModelStore.
    """

    place: str
    contents: Mapping[str, Callable[[], bytes]]

    @classmethod
    def at(cls, path: str | Path) -> PeerFiles:
        """Find the files.

        Args:
            path: a ModelStore, a workspace folder with one, or a `.tar.gz` of either.
        Raises:
            ArtifactError: nothing lies there, or it is no folder and no archive, or more than one model is in it.
        """
        place, path = str(path), Path(path)
        if path.is_dir():
            store = path / _STORE if (path / _STORE).is_dir() else path
            return cls(place, {name: (store / name).read_bytes for name in _NAMES if (store / name).is_file()})
        if path.is_file():
            return cls(place, _archived(path, place))
        raise ArtifactError(
            f"There is nothing at {place!r}. Give the path of the peer's ModelStore, of its workspace, or of a .tar.gz "
            "of either, on this machine."
        )

    def unreadable(self, name: str, why: str) -> ArtifactError:
        """Return the error to raise for a file that is there and cannot be used."""
        return ArtifactError(f"{name} of {self.place!r} {why}")

    @contextmanager
    def understanding(self, name: str) -> Iterator[None]:
        """Name the file in whatever goes wrong with its entries: ArtifactError."""
        try:
            yield
        except ArtifactError as error:
            raise self.unreadable(name, f"cannot be used. {error}") from error
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            why = f"{type(error).__name__}: {error}. Models of mostlyai-engine 2.7 can be imported."
            raise self.unreadable(name, f"has not the entries that were expected, {why}") from error

    def content(self, name: str) -> bytes:
        """Return the bytes of a file; ArtifactError where it is missing."""
        if name not in self.contents:
            raise ArtifactError(
                f"{self.place!r} has no {name}. Give a ModelStore of mostlyai-engine 2.7 whose training has finished, "
                "its workspace, or a .tar.gz of either."
            )
        return self.contents[name]()

    def document(self, name: str) -> dict[str, Any]:
        """Return a file's JSON object; ArtifactError where it is none."""
        try:
            document = json.loads(self.content(name))
        except ValueError as error:
            raise self.unreadable(name, f"is not JSON: {error}. The file was cut or changed.") from error
        if not isinstance(document, dict):
            raise self.unreadable(name, "holds no JSON object. The file was changed.")
        return document

    def weights(self) -> dict[str, NDArray[np.float32]]:
        """Return the weights by the peer's names; ArtifactError where they are none, or not all of them finite."""
        content = self.content(WEIGHTS)
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                broken = archive.testzip()
            if broken is not None:
                raise zipfile.BadZipFile(f"the checksum of {broken} is wrong")
            loaded = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
            weights = {
                name: weight.to(torch.float32).numpy().copy()
                for name, weight in loaded.items()
                if not name.endswith(_PRIVATE_SUFFIXES)
            }
        except (
            zipfile.BadZipFile, zlib.error, RuntimeError, pickle.UnpicklingError, EOFError, AttributeError, ValueError,
        ) as error:  # fmt: skip
            why = f"cannot be read as weights: {type(error).__name__}. It was cut or changed."
            raise self.unreadable(WEIGHTS, why) from error
        for name, weight in weights.items():
            if not np.isfinite(weight).all():
                raise self.unreadable(WEIGHTS, f"has numbers in {name} that are not finite: its training failed.")
        return weights


def _archived(path: Path, place: str) -> dict[str, Callable[[], bytes]]:
    """Return how to read the files of the one ModelStore in an archive, at any depth."""
    try:
        with tarfile.open(path) as archive:
            members = {f"/{member.name.removeprefix('./')}": member for member in archive if member.isfile()}
            roots = {name.removesuffix(TARGET) for name in members if name.endswith(f"/{TARGET}")} or {"/"}
            root = min(roots)
            found = {name: members[root + name] for name in _NAMES if root + name in members}
            contents = {name: archive.extractfile(member).read() for name, member in found.items()}  # type: ignore[union-attr]
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        why = str(error).partition("\n")[0].rstrip(":.")
        raise ArtifactError(f"{place!r} cannot be read as a .tar.gz: {why}. Pack the ModelStore again.") from error
    if len(roots) > 1:
        listed = ", ".join(repr(name.strip("/")) for name in sorted(roots))
        raise ArtifactError(f"{place!r} holds {len(roots)} models, in {listed}. Pack one of them alone.")
    return {name: io.BytesIO(content).getvalue for name, content in contents.items()}
