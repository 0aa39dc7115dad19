"""Blobs: stored once, named by content, verified on every read, never written over."""

from __future__ import annotations

import hashlib
import multiprocessing
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest

from argn_assets.errors import CorruptArtifact, MissingArtifact, UnsafeName
from argn_assets.store import ArtifactStore
from argn_assets.store.blobs import Blob, BlobStore

WEIGHTS = bytes(range(256)) * 40
DIGITS = hashlib.sha256(WEIGHTS).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(str(tmp_path))


def put(store: ArtifactStore, content: Any = WEIGHTS, class_name: str = "Net", dataset: str = "cdnow") -> Blob:
    return store.blobs.put(dataset, content, artifact_type="model", class_name=class_name, extension="argn")


def spoil(store: ArtifactStore, path: str, content: bytes) -> None:
    """Change stored bytes behind the store's back."""
    store.port.replace(f"binaries/cdnow/{path}", content)


def test_a_blob_is_named_by_type_class_and_twelve_digits(store: ArtifactStore) -> None:  # T1
    assert put(store) == Blob(
        path=f"model_Net_{DIGITS[:12]}.argn", content_hash=f"sha256:{DIGITS}", size_bytes=len(WEIGHTS)
    )
    assert store.port.find("binaries") == [f"binaries/cdnow/model_Net_{DIGITS[:12]}.argn"]


def test_bytes_a_file_and_a_stream_are_the_same_blob(store: ArtifactStore, tmp_path: Path) -> None:
    (tmp_path / "weights").write_bytes(WEIGHTS)
    stream = BytesIO(b"skipped" + WEIGHTS)
    stream.seek(7)
    blobs = [put(store, WEIGHTS), put(store, tmp_path / "weights"), put(store, stream)]
    assert {(blob.path, blob.content_hash, blob.size_bytes) for blob in blobs} == {
        (f"model_Net_{DIGITS[:12]}.argn", f"sha256:{DIGITS}", len(WEIGHTS))
    }
    assert [blob.deduplicated for blob in blobs] == [False, True, True]
    assert not stream.closed


def test_the_same_bytes_are_stored_once_per_data_set_whatever_they_are_called(store: ArtifactStore) -> None:  # T7
    first = put(store)
    again = put(ArtifactStore(store.port), class_name="Other")
    assert (again.path, again.deduplicated) == (first.path, True)
    assert put(store, dataset="census").deduplicated is False
    assert len(store.port.find("binaries")) == 2


def test_a_name_taken_by_other_content_is_lengthened(store: ArtifactStore) -> None:  # T1
    for digits in (12, 16):
        store.port.create(f"binaries/cdnow/model_Net_{DIGITS[:digits]}.argn", b"other content")
    blob = put(store)
    assert blob.path == f"model_Net_{DIGITS[:24]}.argn"
    assert put(ArtifactStore(store.port)).path == blob.path
    assert store.blobs.read("cdnow", blob.path, blob.content_hash) == WEIGHTS


def test_content_put_again_after_its_blob_went_bad_gets_another_name(store: ArtifactStore) -> None:
    bad = put(store)
    spoil(store, bad.path, b"\x01" + WEIGHTS[1:])
    healed = put(store)
    assert (healed.path, healed.deduplicated) == (f"model_Net_{DIGITS[:16]}.argn", False)
    assert store.blobs.read("cdnow", healed.path, healed.content_hash) == WEIGHTS
    assert not store.blobs.verify("cdnow", bad.path, bad.content_hash)


def test_content_whose_every_name_went_bad_is_corrupt(store: ArtifactStore) -> None:
    for digits in (12, 16, 24, 64):
        store.port.create(f"binaries/cdnow/model_Net_{DIGITS[:digits]}.argn", b"other content")
    with pytest.raises(CorruptArtifact, match=DIGITS):
        put(store)


def test_a_blob_that_another_process_deleted_is_stored_again(store: ArtifactStore) -> None:
    blob = put(store)
    store.port.delete(f"binaries/cdnow/{blob.path}")
    assert not store.blobs.exists("cdnow", blob.path)
    assert not store.blobs.verify("cdnow", blob.path, blob.content_hash)
    assert put(store).deduplicated is False
    assert store.blobs.exists("cdnow", blob.path)


def test_every_flipped_byte_and_every_cut_is_detected(store: ArtifactStore) -> None:  # T12
    blob = put(store)
    for position in range(0, len(WEIGHTS), len(WEIGHTS) // 50):
        flipped = WEIGHTS[:position] + bytes([WEIGHTS[position] ^ 0x10]) + WEIGHTS[position + 1 :]
        for changed in (flipped, WEIGHTS[:position]):
            spoil(store, blob.path, changed)
            with pytest.raises(CorruptArtifact) as caught:
                store.blobs.read("cdnow", blob.path, blob.content_hash)
            assert (caught.value.expected, caught.value.path) == (blob.content_hash, f"binaries/cdnow/{blob.path}")


def test_verification_can_be_left_out_of_hot_loops(store: ArtifactStore) -> None:
    blob = put(store)
    spoil(store, blob.path, b"changed")
    assert store.blobs.read("cdnow", blob.path, blob.content_hash, verify=False) == b"changed"


def test_a_blob_that_is_not_there_is_missing(store: ArtifactStore) -> None:
    with pytest.raises(MissingArtifact, match="binaries/cdnow/model_Net"):
        store.blobs.read("cdnow", "model_Net_000000000000.argn", "sha256:0")


@pytest.mark.parametrize("path", ["../../store.json", "/etc/passwd", ""])
def test_a_path_from_outside_cannot_leave_the_data_sets_folder(store: ArtifactStore, path: str) -> None:  # T26
    with pytest.raises(UnsafeName):
        store.blobs.read("cdnow", path, "sha256:0")
    with pytest.raises(UnsafeName):
        put(store, dataset="../x")


def test_a_stream_that_breaks_leaves_nothing(store: ArtifactStore, tmp_path: Path) -> None:
    class Broken(BytesIO):
        def read(self, size: int | None = -1) -> bytes:
            if self.tell():
                raise ConnectionError("source went away")
            return super().read(10)

    with pytest.raises(ConnectionError):
        put(store, Broken(WEIGHTS))
    assert list((tmp_path / ".spool").iterdir()) == []
    assert store.port.find("binaries") == []


def _put_in_process(url: str, number: int) -> None:
    blobs = BlobStore(ArtifactStore.open(url).port)
    for content in range(10):
        for seen in (b"shared %d" % content, b"own %d of %d" % (content, number)):
            blobs.put("d", seen, artifact_type="model", class_name="Net", extension="bin")


def test_processes_that_put_at_once_store_each_content_once(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_put_in_process, args=(str(tmp_path), number)) for number in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0] * 4
    port = ArtifactStore.open(str(tmp_path), create=False).port
    stored = port.find("binaries")
    assert len(stored) == 10 + 4 * 10
    assert all(port.digest(path)[7:19] in path for path in stored)
    assert list((tmp_path / ".spool").iterdir()) == []
