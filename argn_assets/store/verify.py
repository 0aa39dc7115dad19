"""Verify: everything of a data set is read and hashed again (T24).

1. Nothing is believed because it was believed before: manifests, refs and blobs are read from the back-end.
2. Four things are said and nothing is guessed: what is missing, corrupt, of another version than this one reads,
   unreferenced. While a manifest cannot be read, nothing is called unreferenced.
3. Only corrupt blobs are moved, only when asked, and never over anything: the bytes are copied to `quarantine/` under a
   name with the digest they have, read back, and only then removed. A crash in between leaves both copies. Bytes that
   anything names rightly stay, and so does what somebody put or used in the same place meanwhile.
4. What is removed while this looks is not called missing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Literal

from argn_assets.errors import CorruptArtifact, MissingArtifact, StoreError, UnsafeName, UnsupportedManifestVersion
from argn_assets.store.manifest import Manifest
from argn_assets.store.names import check_dataset, digits_in
from argn_assets.store.records import ArtifactRecord, Dependency
from argn_assets.store.steps import list_manifests

if TYPE_CHECKING:
    from argn_assets.store.artifact_store import ArtifactStore
    from argn_assets.store.port import Entry
    from argn_assets.store.refs import RefLog

Kind = Literal["missing", "corrupt", "other version", "unreferenced"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that `verify` says: of what kind, about which path, and why."""

    kind: Kind
    path: str
    detail: str


@dataclass(kw_only=True)
class VerifyReport:
    """What `verify` looked at and found.

    Attributes:
        blobs, blob_bytes, manifests, refs: how much was read.
        findings: damage and what is unreferenced, in the order of looking.
        moved: corrupt blob → where it lies now.
    """

    dataset: str
    blobs: int = 0
    blob_bytes: int = 0
    manifests: int = 0
    refs: int = 0
    findings: list[Finding] = field(default_factory=list)
    moved: dict[str, str] = field(default_factory=dict)

    @property
    def damaged(self) -> bool:
        """Whether anything is missing or corrupt, or cannot be read here."""
        return any(finding.kind != "unreferenced" for finding in self.findings)


def verify_dataset(store: ArtifactStore, dataset: str, *, quarantine: bool = False) -> VerifyReport:
    """Verify a data set; with `quarantine` corrupt blobs are moved aside."""
    return _Verification(store, check_dataset(dataset)).run(quarantine=quarantine)


class _Verification:
    """One look at a data set."""

    def __init__(self, store: ArtifactStore, dataset: str):
        self.store, self.port, self.dataset = store, store.port, dataset
        self.report = VerifyReport(dataset=dataset)
        self.manifests: dict[str, Manifest] = {}
        self.corrupt_blobs: list[tuple[Entry, str]] = []  # with the digest they have

    def run(self, *, quarantine: bool) -> VerifyReport:
        blobs = {entry.path: entry for entry in self.port.entries(f"binaries/{self.dataset}")}
        readable = self._read_manifests()
        self._check_refs()
        expected = self._expected_blobs()
        self._check_dependencies()
        for path in sorted({*blobs, *expected}):
            self._check_blob(path, blobs.get(path), expected.get(path), readable=readable)
        if quarantine:
            for entry, found in self.corrupt_blobs:
                self._move_aside(entry, found)
        return self.report

    def _found(self, kind: Kind, path: str, detail: str) -> None:
        self.report.findings.append(Finding(kind, path, detail))

    def _read_manifests(self) -> bool:
        """Read all manifests; say whether all could be."""
        entries = list_manifests(self.store, self.dataset)
        for entry in entries:
            self.report.manifests += 1
            self._attempt(entry.path, partial(self._read_manifest, entry.path))
        return all(entry.path in self.manifests or self.port.size(entry.path) is None for entry in entries)

    def _read_manifest(self, path: str) -> None:
        manifest = Manifest.from_bytes(self.port.read(path), path)
        if manifest.dataset != self.dataset:
            raise CorruptArtifact(path, f"a manifest of data set {self.dataset}", f"one of {manifest.dataset!r}")
        self.manifests[path] = manifest

    def _check_refs(self) -> None:
        refs = self.store.refs(self.dataset)
        for folder in self.port.names(f"refs/{self.dataset}"):
            self.report.refs += 1
            path = f"refs/{self.dataset}/{folder}"
            if not self._attempt(path, partial(refs.history, folder)):
                continue
            self._attempt(path, partial(self._check_ref, refs, folder))

    def _check_ref(self, refs: RefLog, name: str) -> None:
        for manifest in refs.manifests_of(name):
            if manifest not in self.manifests and self.port.size(manifest) is None:
                self._found("missing", manifest, f"refs/{self.dataset}/{name} points to it")

    def _expected_blobs(self) -> dict[str, list[tuple[Manifest, ArtifactRecord]]]:
        """Return blob → what names it."""
        expected: dict[str, list[tuple[Manifest, ArtifactRecord]]] = {}
        for manifest in self.manifests.values():
            for record in manifest.items:
                named = expected.setdefault(f"binaries/{self.dataset}/{record.path}", [])
                named.append((manifest, record))
        return expected

    def _check_dependencies(self) -> None:
        for manifest in self.manifests.values():
            for record in manifest.items:
                for source in record.depends_on:
                    problem = self._dependency_problem(manifest, source)
                    if problem and self._is_there(manifest):
                        used = f"{record.artifact_id} was made from {source.artifact_id} in it: {problem}"
                        self._found("missing", source.manifest or str(manifest.path), used)

    def _dependency_problem(self, maker: Manifest, source: Dependency) -> str:
        try:
            path = source.manifest or str(maker.path)
            manifest = self.manifests.get(path) or Manifest.from_bytes(self.port.read(path), path)
            found = manifest.record(source.artifact_id).content_hash
        except StoreError as error:
            return str(error)
        return "" if found == source.content_hash else f"it has the bytes {found}, not {source.content_hash}"

    def _check_blob(
        self,
        path: str,
        listed: Entry | None,
        expected: list[tuple[Manifest, ArtifactRecord]] | None,
        *,
        readable: bool,
    ) -> None:
        """Hash a blob and compare it with all that name it; with the digits in its name where nothing does."""
        try:
            found = self.port.digest(path)
        except UnsafeName:
            self._found("unreferenced" if expected is None else "corrupt", path, "the store gives no such names")
            return
        except MissingArtifact:
            for manifest, record in expected or ():
                if self._is_there(manifest):
                    self._found("missing", path, f"{manifest.path} names it as {record.artifact_id}")
            return
        self.report.blobs += 1
        self.report.blob_bytes += self.port.size(path) or 0
        wanted = {record.content_hash for _, record in expected or ()} or {f"sha256:{digits_in(path)}"}
        wrong = {digest for digest in wanted if not found.startswith(digest)}
        if wrong:
            if listed is not None and wrong == wanted:
                self.corrupt_blobs.append((listed, found))
            self._found("corrupt", path, f"should be {', '.join(sorted(wrong))} and reads back as {found}")
        elif expected is None and readable:
            self._found("unreferenced", path, "no manifest names it")

    def _is_there(self, manifest: Manifest) -> bool:
        return self.port.size(str(manifest.path)) is not None

    def _attempt(self, path: str, read: Callable[[], object]) -> bool:
        """Read something; say whether it could be used, and why not."""
        try:
            read()
        except MissingArtifact:
            return False  # removed since it was listed
        except UnsupportedManifestVersion as error:
            self._found("other version", path, str(error))
        except (CorruptArtifact, UnsafeName) as error:
            self._found("corrupt", path, str(error))
        else:
            return True
        return False

    def _move_aside(self, blob: Entry, found: str) -> None:
        """Move a corrupt blob to `quarantine/`, unless it is another one by now."""
        target = f"quarantine/{self.dataset}/{blob.path.rpartition('/')[2]}.{found.removeprefix('sha256:')[:12]}"
        try:
            with self.port.open(blob.path) as stream, self.port.spool(stream) as (copy, digest, _):
                if digest != found:
                    return
                self.port.create(target, copy)
        except MissingArtifact:
            return
        if self.port.digest(target) != found:
            raise CorruptArtifact(target, found, self.port.digest(target))
        if self.port.remove_listed({blob.path: blob.touched_at}):
            self.report.moved[blob.path] = target
