"""The back-ends of the store, each held to the same promises, and what is particular to each."""

from __future__ import annotations

import errno
import multiprocessing
import os
import resource
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import Any
from uuid import uuid4

import pytest
from fsspec.implementations.memory import MemoryFileSystem

from argn_assets.errors import ConfigError, MissingArtifact, StoreUnavailable
from argn_assets.store import ArtifactStore
from argn_assets.store.backends import object_store
from argn_assets.store.backends.local import LocalPort
from argn_assets.store.backends.object_store import ObjectPort
from argn_assets.store.port import Port, open_port
from argn_assets_tests.conformance.backend import BackendTests


class TestLocal(BackendTests):
    @pytest.fixture
    def port(self, tmp_path: Path) -> Port:
        return open_port(f"file://{tmp_path}/a%20store")


class TestMemory(BackendTests):
    @pytest.fixture
    def port(self) -> Port:
        return open_port(f"memory://{uuid4().hex}")


class Refusal(OSError):
    """An error as object stores report it: the HTTP status is in the cause's response."""

    def __init__(self, status: int):
        super().__init__(errno.EINVAL, "refused")
        self.__cause__ = ServerAnswer(status)


class ServerAnswer(Exception):
    def __init__(self, status: int):
        super().__init__(str(status))
        self.response = {"ResponseMetadata": {"HTTPStatusCode": status}}


class Objects(MemoryFileSystem):  # type: ignore[misc]
    """An object store in memory: create-only puts that are one step, and a fault before or after the next of them."""

    cachable = False

    def __init__(self) -> None:
        super().__init__()
        self.store: dict[str, Any] = {}
        self.pseudo_dirs = [""]
        self.fault: tuple[str, OSError] | None = None
        self._one_at_a_time = RLock()

    def pipe_file(self, path: str, value: bytes, mode: str = "overwrite", **kwargs: object) -> None:
        fault, self.fault = self.fault, None
        if fault is not None and fault[0] == "before":
            raise fault[1]
        with self._one_at_a_time:
            super().pipe_file(path, value, mode)
        if fault is not None:
            raise fault[1]

    def put_file(self, lpath: str, rpath: str, mode: str = "overwrite", **kwargs: object) -> None:
        self.pipe_file(rpath, Path(lpath).read_bytes(), mode)

    def _open(self, path: str, mode: str = "rb", **kwargs: object) -> Any:
        with self._one_at_a_time:
            stream = super()._open(path, mode, **kwargs)
            return BytesIO(stream.getvalue()) if mode == "rb" else stream


@pytest.fixture
def objects() -> Objects:
    return Objects()


@pytest.fixture
def object_port(objects: Objects) -> Port:
    return ObjectPort("s3://bucket/store", objects, "/bucket/store")


class TestObjects(BackendTests):
    @pytest.fixture
    def port(self, object_port: Port) -> Port:
        return object_port


def test_an_object_store_is_any_fsspec_file_system_with_create_only_puts() -> None:
    port = object_store.open_port("memory://bucket/prefix/", {})
    assert port.create("a/b", b"content") is True
    assert port.find("a") == ["a/b"]
    assert port.url == "memory://bucket/prefix"


def test_a_put_whose_answer_is_lost_counts_as_created(object_port: Port, objects: Objects) -> None:  # T20
    objects.fault = ("after", TimeoutError("no answer"))
    assert object_port.create("a/b", b"arrived") is True
    objects.fault = ("after", TimeoutError("no answer"))
    spooled = object_port.spool_folder() / uuid4().hex
    spooled.write_bytes(b"arrived too")
    assert object_port.create("a/c", spooled) is True
    spooled.unlink()
    assert object_port.read("a/c") == b"arrived too"


def test_a_put_that_did_not_arrive_is_an_error_with_its_cause(object_port: Port, objects: Objects) -> None:
    objects.fault = ("before", TimeoutError("no answer"))
    with pytest.raises(StoreUnavailable, match="s3://bucket/store/a/b") as caught:
        object_port.create("a/b", b"content")
    assert isinstance(caught.value.__cause__, TimeoutError)
    assert object_port.find("a") == []


def test_a_lost_answer_does_not_claim_another_writers_object(object_port: Port, objects: Objects) -> None:
    object_port.create("a/b", b"theirs")
    objects.fault = ("before", TimeoutError("no answer"))
    with pytest.raises(StoreUnavailable):
        object_port.create("a/b", b"ours")


def test_a_failed_precondition_counts_as_taken_whatever_its_type(object_port: Port, objects: Objects) -> None:
    objects.fault = ("before", Refusal(412))
    assert object_port.create("a/b", b"content") is False
    objects.fault = ("before", Refusal(503))
    with pytest.raises(StoreUnavailable):
        object_port.create("a/b", b"content")


def test_an_object_that_is_not_young_is_touched_by_a_copy_onto_itself(object_port: Port) -> None:  # T23
    object_port.create("a/b", b"content")
    (made,) = object_port.entries("a")
    object_port.touch("a/b")
    assert object_port.entries("a") == [made], "young enough: no request is spent"
    later = object_port.now() + timedelta(hours=2)
    object_port.now = lambda: later
    object_port.touch("a/b")
    (touched,) = object_port.entries("a")
    assert touched.touched_at > made.touched_at
    assert object_port.read("a/b") == b"content"


def test_local_files_are_read_only_and_nothing_is_left_in_the_spool(tmp_path: Path) -> None:
    store = ArtifactStore.open(str(tmp_path))
    blob = store.blobs.put("d", BytesIO(b"streamed"), artifact_type="model", class_name="M", extension="bin")
    again = store.blobs.put("d", b"streamed", artifact_type="model", class_name="M", extension="bin")
    store.port.replace("actions/k.json", b"{}")
    stored = tmp_path / "binaries" / "d" / blob.path
    assert not stat.S_IMODE(stored.stat().st_mode) & 0o222
    assert stored.stat().st_nlink == 1
    assert again.deduplicated
    assert list((tmp_path / ".spool").iterdir()) == []


def test_a_folder_that_cannot_be_written_is_reported_with_its_cause(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    port = open_port(str(tmp_path / "file"))
    for write in (port.create, port.replace):
        with pytest.raises((StoreUnavailable, MissingArtifact)) as caught:
            write("a/b", b"content")
        assert isinstance(caught.value.__cause__, OSError)


def test_a_write_that_fails_half_way_leaves_neither_a_name_nor_a_spooled_file(tmp_path: Path) -> None:
    port = open_port(str(tmp_path))
    unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, unlimited[1]))
    try:
        with pytest.raises(StoreUnavailable, match="Nothing half-written is visible"):
            port.create("binaries/d/x", b"x" * 10_000)
        with pytest.raises(StoreUnavailable):
            port.replace("actions/k.json", b"x" * 10_000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
    assert port.find("binaries") == []
    assert list((tmp_path / ".spool").iterdir()) == []


@pytest.mark.parametrize("path", ["binaries/x", "binaries/d/x", "actions/x"])
def test_a_file_where_a_folder_should_be_is_reported_and_the_spool_is_clean(tmp_path: Path, path: str) -> None:
    (tmp_path / path.partition("/")[0]).write_text("not a folder")
    port = open_port(str(tmp_path))
    write = port.replace if path.startswith("actions") else port.create
    with pytest.raises((StoreUnavailable, MissingArtifact)):
        write(path, b"content")
    assert list((tmp_path / ".spool").iterdir()) == []


def test_a_folder_on_another_file_system_is_refused_with_the_way_out(tmp_path: Path) -> None:
    elsewhere = Path("/dev/shm")
    if not elsewhere.is_dir() or elsewhere.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("needs a second file system")
    (tmp_path / "binaries").symlink_to(elsewhere)
    with pytest.raises(StoreUnavailable, match="use one file system"):
        open_port(str(tmp_path)).create(f"binaries/{uuid4().hex}", b"content")


def _create_in_process(url: str, number: int, barrier: Any, won: Any) -> None:
    port = open_port(url)
    for round_number in range(25):
        barrier.wait(timeout=60)
        if port.create(f"race/{round_number}", f"{number}".encode() * 1000):
            won.put((round_number, number))


def test_of_many_processes_exactly_one_creates_a_name(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    barrier, won = context.Barrier(4), context.Queue()
    racers = [
        context.Process(target=_create_in_process, args=(str(tmp_path), number, barrier, won)) for number in range(4)
    ]
    for racer in racers:
        racer.start()
    winners = dict(won.get(timeout=60) for _ in range(25))
    for racer in racers:
        racer.join(timeout=60)
    assert won.empty()
    assert sorted(winners) == list(range(25))
    port = open_port(str(tmp_path))
    assert all(port.read(f"race/{number}") == f"{winner}".encode() * 1000 for number, winner in winners.items())


def test_a_url_that_no_back_end_speaks_is_refused_with_those_that_are_spoken() -> None:
    with pytest.raises(ConfigError, match=r"sftp.*file://.*memory://.*s3://"):
        open_port("sftp://host/store")


def test_a_back_end_whose_package_is_missing_says_which() -> None:
    with pytest.raises(ConfigError, match="az"):
        open_port("az://bucket/store")


@pytest.fixture(autouse=True)
def _no_leftovers_in_memory() -> Iterator[None]:
    yield
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]


def test_an_error_of_who_reads_is_not_the_stores(tmp_path: Path) -> None:  # T20
    port = open_port(str(tmp_path))
    port.create("a/b", b"content")
    with pytest.raises(IsADirectoryError), port.open("a/b") as stream:
        tmp_path.write_bytes(stream.read(3))


class CutOff(Objects):
    """An object store whose answers break off in the middle."""

    def _open(self, path: str, mode: str = "rb", **kwargs: object) -> Any:
        return super()._open(path, mode, **kwargs) if mode != "rb" else BrokenStream()


class BrokenStream(BytesIO):
    def read(self, size: int | None = -1, /) -> bytes:
        raise OSError(errno.EIO, "the connection broke")


def test_an_answer_that_breaks_off_is_the_stores_error() -> None:  # T20
    port = ObjectPort("s3://bucket/store", CutOff(), "/bucket/store")
    with port.open("a/b") as stream, pytest.raises(StoreUnavailable, match="cannot read s3://bucket/store/a/b"):
        stream.read(3)
    with pytest.raises(StoreUnavailable, match="the connection broke"):
        port.read("a/b")


class RemovedAtOnce(LocalPort):
    """A folder where another process removes what was created, and its folder, as soon as it may."""

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        with super()._locked(kind):
            yield
        other = LocalPort(self.root)
        other.remove_old(other.find("runs"), datetime.max.replace(tzinfo=UTC))


def test_what_is_removed_the_moment_it_was_created_was_created(tmp_path: Path) -> None:  # T20
    port = RemovedAtOnce(tmp_path)
    assert port.create("runs/a/b", b"content") is True
    assert LocalPort(tmp_path).size("runs/a/b") is None


def test_a_folder_of_the_store_cannot_be_touched(tmp_path: Path) -> None:  # T23
    port = open_port(str(tmp_path))
    port.create("a/b/c", b"content")
    with pytest.raises(MissingArtifact):
        port.touch("a/b")


@pytest.mark.parametrize("trap", ["link", "folder"])
def test_a_spool_that_somebody_else_laid_out_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, object_port: Port, trap: str
) -> None:  # T26
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    folder = object_port.spool_folder()
    if trap == "link":
        folder.rmdir()
        folder.symlink_to(tmp_path)
    else:
        another_user = folder.stat().st_uid + 1
        monkeypatch.setattr("os.getuid", lambda: another_user)
        folder.rename(folder.with_name(f"argn-spool-{another_user}"))
    store = ArtifactStore(object_port)
    with pytest.raises(StoreUnavailable, match="not a folder of this user"):
        store.blobs.put("d", BytesIO(b"secret"), artifact_type="model", class_name="M", extension="bin")


def test_a_name_that_may_not_survive_a_power_cut_is_not_acknowledged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # T20
    port, fsync = open_port(str(tmp_path)), os.fsync

    def broken_disk(handle: int) -> None:
        if stat.S_ISDIR(os.fstat(handle).st_mode):
            raise OSError(errno.EIO, "the disk does not answer")
        fsync(handle)

    port.create("a/other", b"")
    monkeypatch.setattr("os.fsync", broken_disk)
    with pytest.raises(StoreUnavailable, match="the disk does not answer"):
        port.create("a/b", b"content")
