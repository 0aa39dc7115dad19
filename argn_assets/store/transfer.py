"""Moving an artifact, with all that it was made from, between stores: one deterministic tar (T14, T26).

    artifact.json       which artifact, and the manifests of its step and of every step that it was made from
    blobs/<64 hex>      the bytes that they name

1. The same artifact gives the same tar from every store: in it, a record's path is its blob's member.
2. Steps move whole: the parts of one manifest belong together, and its data version is a digest over all of them.
3. An import shows nothing before the tar was read to its end and every digest in it was verified. Then come the blobs,
   then the manifests, sources first, then the ref (T21).
4. What is there already stays as it is: again is a no-op, and other bytes under the same id are a conflict.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from argn_assets.errors import ArtifactConflict, CorruptArtifact, MissingArtifact, RefConflict, UnsafeArchive
from argn_assets.store.archive import Member, MemberRead, read_archive, write_archive
from argn_assets.store.artifact_store import ArtifactStore
from argn_assets.store.formats import find_format
from argn_assets.store.manifest import Manifest
from argn_assets.store.names import slug
from argn_assets.store.parcel import CONTENTS, MOST_CONTENTS_BYTES, Parcel
from argn_assets.store.port import Readable
from argn_assets.store.records import ArtifactRecord


def export_artifact(
    store: ArtifactStore, dataset: str, artifact_id: str, target: BinaryIO, *, run: str | None = None
) -> ArtifactRecord:
    """Write an artifact and all that it was made from as a tar.

    Args:
        store: where they are.
        dataset: the data set that the artifact belongs to.
        artifact_id: see `ids`.
        target: is left open; after an error it holds an unfinished tar, which `import_artifact` refuses.
        run: a run's id or folder; None takes what the data set's refs point to.
    Returns:
        the artifact's record.
    Raises:
        MissingArtifact: it, or something that it was made from, is not there.
        CorruptArtifact: stored bytes changed.
        StoreError: its dependencies form a cycle.
    """
    record = store.find_record(dataset, artifact_id, run)
    parcel = Parcel.gather(str(record.manifest), artifact_id, store.read_manifest)
    contents = parcel.to_bytes()
    paths = {
        item.content_hash: f"binaries/{manifest.dataset}/{item.path}"
        for manifest in parcel.steps.values()
        for item in manifest.items
    }
    blobs = [
        Member(name=name, size_bytes=size, open=partial(_verified, store, paths[digest], digest))
        for name, digest, size in parcel.blobs()
    ]
    first = Member(name=CONTENTS, size_bytes=len(contents), open=lambda: BytesIO(contents))
    write_archive(target, [first, *blobs])
    return record


def import_artifact(store: ArtifactStore, source: Readable, *, move_ref: bool = False) -> ArtifactRecord:
    """Take an artifact and all that it was made from out of a tar, and publish it.

    Args:
        store: where they go.
        source: the tar, read once from where it stands to its end; a pipe will do.
        move_ref: True publishes it in place of what its ref points to.
    Returns:
        the artifact's record, as it is stored here.
    Raises:
        UnsafeArchive, UnsafeName, UnsupportedManifestVersion: it is not a tar that `export_artifact` wrote.
        CorruptArtifact: bytes differ from their digest, or are missing.
        ArtifactConflict: the id has other bytes here, or its ref points to another artifact; nothing was stored.
        RefConflict: another writer moved the ref meanwhile; import again.
    """
    members = read_archive(source)
    parcel = _contents(members)
    for manifest in reversed(list(parcel.steps.values())):  # the artifact's own step has the clearest message
        _is_stored(store, manifest)
    after = _ref_to_move(store, parcel, move_ref)
    with ExitStack() as until_stored:
        files = _spool(store, members, parcel, until_stored)
        for manifest in parcel.steps.values():
            _publish(store, manifest, files)
    if after is not None:
        _move_ref(store, parcel, after)
    return store.read_manifest(parcel.path).record(parcel.artifact_id)


@contextmanager
def _verified(store: ArtifactStore, path: str, digest: str) -> Iterator[Readable]:
    """Give a stored blob as a stream; CorruptArtifact at its end if the digest is another one."""
    with store.port.open(path) as stream:
        reader = _HashingReader(stream)
        yield reader
    if reader.digest != digest:
        raise CorruptArtifact(path, digest, reader.digest)


class _HashingReader:
    """Reads a stream and hashes what it reads."""

    def __init__(self, stream: Readable):
        self._stream, self._hasher = stream, hashlib.sha256()

    def read(self, size: int) -> bytes:
        chunk = self._stream.read(size)
        self._hasher.update(chunk)
        return chunk

    @property
    def digest(self) -> str:
        return f"sha256:{self._hasher.hexdigest()}"


def _contents(members: Iterator[MemberRead]) -> Parcel:
    """Read the first member: what else there must be."""
    first = next(members, None)
    if first is None or first.name != CONTENTS or first.size_bytes > MOST_CONTENTS_BYTES:
        found = f"{first.name} of {first.size_bytes} bytes" if first else "nothing"
        raise UnsafeArchive(
            f"the archive begins with {found}; accepted: {CONTENTS} of at most {MOST_CONTENTS_BYTES} bytes, as "
            "`argn artifacts export` writes it."
        )
    return Parcel.from_bytes(first.content.read(first.size_bytes))


def _spool(
    store: ArtifactStore, members: Iterator[MemberRead], parcel: Parcel, until_stored: ExitStack
) -> dict[str, Path]:
    """Read all blobs, to the end of the tar; return digest → file, there until the context ends."""
    files: dict[str, Path] = {}
    expected = iter(parcel.blobs())
    for member in members:
        name, digest, size = next(expected, ("its end", "", 0))
        if (member.name, member.size_bytes) != (name, size):
            raise UnsafeArchive(
                f"the archive holds {member.name} of {member.size_bytes} bytes where {CONTENTS} names {name} of {size}."
            )
        file, found, _ = until_stored.enter_context(store.port.spool(member.content))
        if found != digest:
            raise CorruptArtifact(name, digest, found)
        files[digest] = file
    if missing := next(expected, None):
        raise CorruptArtifact("the archive", f"one with {missing[0]}", "one that ends before it")
    return files


def _publish(store: ArtifactStore, manifest: Manifest, files: Mapping[str, Path]) -> None:
    """Store the blobs of a step and its manifest, or make the one that is there young."""
    items = []
    for item in manifest.items:
        blob = store.blobs.put(
            manifest.dataset,
            files[item.content_hash],
            artifact_type=item.artifact_type,
            class_name=item.class_name,
            extension=find_format(item.format).extension,
        )
        items.append(replace(item, path=blob.path))
    try:
        store.write_manifest(replace(manifest, items=tuple(items)))
    except ArtifactConflict:
        _is_stored(store, manifest)
        store.reuse_manifest(str(manifest.path))


def _is_stored(store: ArtifactStore, manifest: Manifest) -> bool:
    """Say whether a step is there; ArtifactConflict if the run has other artifacts in its place."""
    path = str(manifest.path)
    try:
        known = store.read_manifest(path)
    except MissingArtifact:
        return False
    if not known.says_the_same(manifest):
        ids = {item.artifact_id: item.content_hash for item in known.items}
        other = [item.artifact_id for item in manifest.items if ids.get(item.artifact_id) != item.content_hash]
        told = f"other bytes for {', '.join(other)}" if other else "other names, parameters or sources"
        raise ArtifactConflict(
            f"{path} is committed in {store.url} with {told}; a run has one artifact for each id. Import it into "
            "another store."
        )
    return True


def _ref_to_move(store: ArtifactStore, parcel: Parcel, move_ref: bool) -> int | None:
    """Return the sequence from which the ref is moved, None where it stays; ArtifactConflict if it must not move."""
    record, dataset, name = parcel.record, parcel.root.dataset, _ref_name(parcel)
    ref = store.refs(dataset).read(name)
    if ref is not None and ref.value.get("manifest") == parcel.path:
        return None
    if move_ref:
        return ref.sequence if ref else 0
    current = _current(store, dataset, record.artifact_id)
    if current is not None and current.content_hash != record.content_hash:
        raise ArtifactConflict(
            f"{record.artifact_id} of {dataset} in {store.url} has the bytes {current.content_hash}, the archive has "
            f"{record.content_hash}; import with move_ref=True (`--move-ref`) to publish these in their place."
        )
    if ref is None:
        return 0
    if current is None:
        raise ArtifactConflict(
            f"the ref {name} of {dataset} in {store.url} points to another artifact, {ref.value.get('manifest')}; "
            "import with move_ref=True (`--move-ref`) to publish this one in its place."
        )
    return None  # another run made the same bytes, and they are published


def _move_ref(store: ArtifactStore, parcel: Parcel, after: int) -> None:
    """Publish an artifact; RefConflict if another one was published meanwhile."""
    refs, name = store.refs(parcel.root.dataset), _ref_name(parcel)
    try:
        refs.move(name, {"manifest": parcel.path}, after=after)
    except RefConflict:
        ref = refs.read(name)
        if ref is None or ref.value.get("manifest") != parcel.path:
            raise


def _current(store: ArtifactStore, dataset: str, artifact_id: str) -> ArtifactRecord | None:
    """Return what the data set's refs say an id is."""
    try:
        return store.find_record(dataset, artifact_id)
    except MissingArtifact:
        return None


def _ref_name(parcel: Parcel) -> str:
    """Return the ref that publishes an artifact: its asset, and the branch and fold if it has one."""
    record, asset = parcel.record, slug(parcel.root.name)
    if not record.branch_path and record.fold_id is None:
        return asset
    fold = "all" if record.fold_id is None else str(record.fold_id)
    return f"{asset}.{'_'.join([*map(str, record.branch_path), fold])}"
