"""Parcels: what an exported artifact consists of, and the document that says so (T14, T26).

A parcel is the step of an artifact and every step that it was made from, closed under dependencies. What comes from
outside is believed in nothing: names, places, digests and dependencies are checked before anything is read on.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from argn_assets.errors import (
    ArgnError,
    CorruptArtifact,
    MissingArtifact,
    StoreError,
    UnsafeArchive,
    UnsupportedManifestVersion,
)
from argn_assets.store.artifact_store import manifest_path
from argn_assets.store.documents import JsonObject, JsonValue, seal, unseal
from argn_assets.store.formats import find_format
from argn_assets.store.graph import closure, same_bytes
from argn_assets.store.ids import ExecutionPath, parse_artifact_id
from argn_assets.store.manifest import Manifest
from argn_assets.store.names import check_class_name, check_path
from argn_assets.store.records import ArtifactRecord, Dependency

CONTENTS = "artifact.json"
MOST_CONTENTS_BYTES = 64 << 20

_FORMAT = "argn-artifact-tar"
_VERSION = 1
_DIGEST = re.compile(r"sha256:([0-9a-f]{64})")
_DATE = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """An artifact with all that it was made from.

    Attributes:
        artifact_id: of the artifact.
        path: of its step's manifest.
        steps: path → manifest, sources first; their paths to blobs are those of the tar.
    """

    artifact_id: str
    path: str
    steps: Mapping[str, Manifest]

    @property
    def root(self) -> Manifest:
        """The manifest of the artifact's step."""
        return self.steps[self.path]

    @property
    def record(self) -> ArtifactRecord:
        """The artifact's record."""
        return self.root.record(self.artifact_id)

    @classmethod
    def gather(cls, path: str, artifact_id: str, read: Callable[[str], Manifest]) -> Parcel:
        """Collect a step and all that its artifacts were made from.

        Args:
            path: of the step's manifest.
            artifact_id: of one of its artifacts.
            read: gives the manifest at a path.
        Raises:
            MissingArtifact: one of them is not there, or has other bytes than were used.
            StoreError: the dependencies form a cycle, or a chain that is too long.
        """
        steps = _steps(path, read)

        def find(maker: ArtifactRecord, source: Dependency) -> ArtifactRecord:
            found = steps[source.manifest or str(maker.manifest)].record(source.artifact_id)
            return same_bytes(found, source)

        for manifest in steps.values():
            for item in manifest.items:
                for source in item.depends_on:
                    find(item, source)
        closure(steps[path].record(artifact_id), find)
        return cls(artifact_id=artifact_id, path=path, steps=steps)

    def blobs(self) -> list[tuple[str, str, int]]:
        """Return (member, digest, size in bytes) of the blobs, sorted; UnsafeArchive if one digest has two sizes."""
        sizes: dict[str, int] = {}
        for manifest in self.steps.values():
            for item in manifest.items:
                if sizes.setdefault(item.content_hash, item.size_bytes) != item.size_bytes:
                    raise UnsafeArchive(f"{item.content_hash} is said to have two sizes; one of them is wrong.")
        return [(_member(digest), digest, sizes[digest]) for digest in sorted(sizes)]

    def to_bytes(self) -> bytes:
        """Return the document that names all manifests, with the paths that blobs have in the tar."""
        manifests: JsonObject = {path: json.loads(portable(self.steps[path]).to_bytes()) for path in sorted(self.steps)}
        return seal(
            {
                "format": _FORMAT,
                "format_version": _VERSION,
                "artifact_id": self.artifact_id,
                "manifest": self.path,
                "manifests": manifests,
            }
        )

    @classmethod
    def from_bytes(cls, text: bytes) -> Parcel:
        """Read and check the document of a tar.

        Raises:
            UnsafeArchive: a name, a place, a digest or a dependency in it cannot be, or it names more than it needs.
            UnsupportedManifestVersion: a later version wrote it.
            CorruptArtifact: bytes of it changed.
        """
        try:
            return cls._checked(unseal(text, CONTENTS))
        except (CorruptArtifact, UnsupportedManifestVersion):
            raise
        except (ArgnError, LookupError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UnsafeArchive(f"{CONTENTS} of the archive cannot be used: {error}") from error

    @classmethod
    def _checked(cls, document: JsonObject) -> Parcel:
        if (document.get("format"), document.get("format_version")) != (_FORMAT, _VERSION):
            raise UnsupportedManifestVersion(
                f"the archive is of format {document.get('format')} {document.get('format_version')}; this version of "
                f"argn_assets reads {_FORMAT} {_VERSION}."
            )
        stored = cast("Mapping[str, JsonValue]", document["manifests"])

        def read(path: str) -> Manifest:
            if path not in stored:
                raise MissingArtifact(f"{path} is named, and is not in the archive.")
            manifest = Manifest.from_bytes(json.dumps(stored[path]).encode(), path)
            _check_place(manifest, path)
            return manifest

        parcel = cls.gather(str(document["manifest"]), str(document["artifact_id"]), read)
        if extra := sorted(set(stored) - set(parcel.steps)):
            raise UnsafeArchive(f"the artifact was not made from {extra[0]}")
        return parcel


def portable(manifest: Manifest) -> Manifest:
    """Return a manifest whose records have the paths that their blobs have in a tar."""
    return replace(manifest, items=tuple(replace(item, path=_member(item.content_hash)) for item in manifest.items))


def _steps(root: str, read: Callable[[str], Manifest]) -> dict[str, Manifest]:
    """Return path → manifest of a step and of all steps that it was made from, sources first."""
    ordered: dict[str, Manifest] = {}
    chain: dict[str, tuple[Manifest, Iterator[str]]] = {}
    found: str | None = root
    while True:
        if found is not None and found in chain:
            raise StoreError(f"steps form a cycle: {' → '.join([*chain, found])}. One cannot be made from the other.")
        if found is not None and found not in ordered:
            manifest = read(found)
            chain[found] = manifest, iter(_sources(manifest, found))
        elif not chain:
            return ordered
        path, (manifest, sources) = next(reversed(chain.items()))
        found = next(sources, None)
        if found is None:
            del chain[path]
            ordered[path] = manifest


def _sources(manifest: Manifest, path: str) -> list[str]:
    """Return the other manifests that a step's artifacts name, each once."""
    named = {source.manifest or path: None for item in manifest.items for source in item.depends_on}
    return [source for source in named if source != path]


def _check_place(manifest: Manifest, path: str) -> None:
    """Raise UnsafeArchive unless a manifest from outside is where its own fields put it, and its names can be names."""
    folder = check_path(path).split("/")[2]
    date, _, run = folder.partition("_")
    for item in manifest.items:
        made = parse_artifact_id(item.artifact_id)
        _check_item(item, made)
        if path != manifest_path(manifest.dataset, folder, made, manifest.attempt):
            raise UnsafeArchive(f"{path} is not the place of {item.artifact_id}")
        if not _DATE.fullmatch(date) or run != manifest.run_id[:8] or made.pipeline_id != manifest.pipeline_id:
            raise UnsafeArchive(f"{path} is not the place of run {manifest.run_id} of {manifest.pipeline_id}")
    if len({item.artifact_id for item in manifest.items}) != len(manifest.items):
        raise UnsafeArchive(f"{path} records one id twice")


def _check_item(item: ArtifactRecord, made: ExecutionPath) -> None:
    """Raise unless the fields of a record from outside belong together and its names can be names."""
    told = (item.pipeline_id, item.branch_path, item.step_index, item.fold_id)
    size: Any = item.size_bytes
    check_class_name(item.class_name)
    find_format(item.format)
    if (
        told != (made.pipeline_id, made.branch_path, made.step_index, made.fold_id)
        or not _DIGEST.fullmatch(item.content_hash)
        or item.path != _member(item.content_hash)
        or isinstance(size, bool)
        or not isinstance(size, int)
        or size < 0
    ):
        raise UnsafeArchive(f"the record of {item.artifact_id} does not hold together")


def _member(digest: str) -> str:
    return f"blobs/{digest.removeprefix('sha256:')}"
