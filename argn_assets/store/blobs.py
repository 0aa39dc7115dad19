"""Blobs: immutable bytes under `binaries/<dataset>/<type>_<class>_<hash12>.<ext>`, named and verified by SHA-256.

The same bytes are stored once per data set, whatever their type and class are called the second time (T7). Twelve
digits of the hash are in the name; where they are taken by other content, 16, 24 or all 64 are (T1), so a record's
`path` is what counts. Nothing is ever written over: a stored blob that went bad keeps its name, and the same content
put again goes under a longer one.

A blob that is found stored is touched before it is looked at: from then on it is too young for a collector.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import BinaryIO

from argn_assets.errors import CorruptArtifact, MissingArtifact
from argn_assets.store.documents import digest
from argn_assets.store.names import HASH_DIGITS, blob_name, check_dataset, digits_in
from argn_assets.store.port import Port


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """Stored bytes.

    Attributes:
        path: relative to `binaries/<dataset>/`.
        content_hash: `sha256:<64 hex>` of the bytes.
        size_bytes: their number.
        deduplicated: the bytes were there before.
    """

    path: str
    content_hash: str
    size_bytes: int
    deduplicated: bool = False


class BlobStore:
    """The blobs of a store; safe to use from several threads and processes at once."""

    def __init__(self, port: Port):
        self._port = port
        self._lock = Lock()
        self._known: dict[str, dict[str, set[str]]] = {}

    def put(
        self, dataset: str, content: bytes | Path | BinaryIO, *, artifact_type: str, class_name: str, extension: str
    ) -> Blob:
        """Store bytes, or find them stored.

        Args:
            dataset: the data set that they belong to.
            content: bytes, a file, or a stream read from where it stands to its end.
            artifact_type: first part of the file name.
            class_name: second part of the file name.
            extension: without a dot.
        Raises:
            UnsafeName: a name cannot be part of a path.
            CorruptArtifact: every name for these bytes is taken by bytes that went bad.
            StoreUnavailable: the back-end refused or is full.
        """
        check_dataset(dataset)
        with self._finished(content) as (body, content_hash, size):
            found = self._stored(dataset, content_hash, size)
            if found is not None:
                return Blob(path=found, content_hash=content_hash, size_bytes=size, deduplicated=True)
            for digits in HASH_DIGITS:
                name = blob_name(artifact_type, class_name, content_hash, extension, digits)
                created = self._port.create(self._full(dataset, name), body)
                if created or self._holds(dataset, name, content_hash, size):
                    self._remember(dataset, name)
                    return Blob(path=name, content_hash=content_hash, size_bytes=size, deduplicated=not created)
        raise CorruptArtifact(self._full(dataset, name), content_hash, self._port.digest(self._full(dataset, name)))

    def read(self, dataset: str, path: str, content_hash: str, *, verify: bool = True) -> bytes:
        """Return a blob's bytes.

        Args:
            dataset: the data set that it belongs to.
            path: relative to `binaries/<dataset>/`; from outside, and checked.
            content_hash: what the bytes must hash to.
            verify: False skips the hash, for hot loops over blobs that were verified once.
        Raises:
            MissingArtifact: there is no such blob.
            CorruptArtifact: the bytes changed; they are not returned.
        """
        full = self._full(dataset, path)
        if not verify:
            return self._port.read(full)
        content, found = self._port.read_hashed(full)
        if found != content_hash:
            raise CorruptArtifact(full, content_hash, found)
        return content

    def exists(self, dataset: str, path: str) -> bool:
        """Say whether there is a blob of this name, without looking at its bytes."""
        return self._port.size(self._full(dataset, path)) is not None

    def verify(self, dataset: str, path: str, content_hash: str) -> bool:
        """Say whether a blob is there and its bytes are whole."""
        try:
            return self._port.digest(self._full(dataset, path)) == content_hash
        except MissingArtifact:
            return False

    def reuse(self, dataset: str, path: str, content_hash: str) -> bool:
        """Make a blob young and say whether its bytes are whole; False too if it is not there (any more)."""
        try:
            self.touch(dataset, path)
        except MissingArtifact:
            return False
        return self.verify(dataset, path, content_hash)

    def touch(self, dataset: str, path: str) -> None:
        """Make a blob young, so that no collector takes it for the grace period; MissingArtifact if it is gone."""
        self._port.touch(self._full(dataset, path))

    @contextmanager
    def _finished(self, content: bytes | Path | BinaryIO) -> Iterator[tuple[bytes | Path, str, int]]:
        """Give finished bytes, or a finished file of the spool, with their hash and size."""
        if isinstance(content, bytes):
            yield content, digest(content), len(content)
            return
        opened = content.open("rb") if isinstance(content, Path) else nullcontext(content)
        with opened as stream, self._port.spool(stream) as finished:
            yield finished

    def _stored(self, dataset: str, content_hash: str, size: int) -> str | None:
        """Return the name under which these bytes are stored already."""
        short = content_hash.removeprefix("sha256:")[: HASH_DIGITS[0]]
        with self._lock:
            if dataset not in self._known:
                self._known[dataset] = self._listed(dataset)
            candidates = sorted(self._known[dataset].get(short, ()))
        return next((name for name in candidates if self._holds(dataset, name, content_hash, size)), None)

    def _listed(self, dataset: str) -> dict[str, set[str]]:
        """Return first digits → names in the folder: a hint, since others write and delete there too."""
        known: dict[str, set[str]] = {}
        for name in self._port.names(f"binaries/{dataset}"):
            known.setdefault(digits_in(name)[: HASH_DIGITS[0]], set()).add(name)
        return known

    def _remember(self, dataset: str, name: str) -> None:
        with self._lock:
            self._known[dataset].setdefault(digits_in(name)[: HASH_DIGITS[0]], set()).add(name)

    def _holds(self, dataset: str, name: str, content_hash: str, size: int) -> bool:
        full = self._full(dataset, name)
        return self._port.size(full) == size and self.reuse(dataset, name, content_hash)

    def _full(self, dataset: str, path: str) -> str:
        return f"binaries/{check_dataset(dataset)}/{path}"
