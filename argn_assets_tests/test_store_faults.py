"""Every operation of a commit failed once, in every way: nothing dangles, nothing is half-written, a retry succeeds."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest

from argn_assets.errors import StoreError, StoreUnavailable
from argn_assets.store import ArtifactStore, Manifest
from argn_assets.store.port import Port, open_port
from argn_assets_tests.conformance.faulty_backend import FaultyPort
from argn_assets_tests.conformance.file_operations import file_operations
from argn_assets_tests.conformance.journey import check_step, check_store, commit_step

# A run that shares its report's bytes with run 0, and one that shares nothing.
SHARING, ALONE = 3, 4
OLD_STATE = 0
WAYS = [(errno.EIO, False), (errno.EIO, True)]
MORE_WAYS = [
    *((code, False) for code in (errno.ENOSPC, errno.EACCES, errno.EROFS, errno.EMFILE, errno.EDQUOT)),
    *((code, True) for code in (errno.ETIMEDOUT, errno.ENOSPC)),
]


@pytest.fixture
def quick_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder in memory where there is one: hundreds of stores are made, and fsync costs nothing there."""
    memory = Path("/dev/shm")
    if not (memory.is_dir() and os.access(memory, os.W_OK)):
        yield tmp_path
        return
    folder = Path(tempfile.mkdtemp(prefix="argn-test-", dir=memory))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def check_after_fault(store: ArtifactStore, run: int) -> None:
    """Assert that the old state is intact and nothing is broken, then that a retry of the step succeeds."""
    before = check_store(store)
    check_step(ArtifactStore(store.port), before[0], OLD_STATE)
    again = commit_step(ArtifactStore(store.port), run, attempt=1)
    check_step(ArtifactStore(store.port), str(again.path), run)
    newest = store.refs("cdnow").read("trained_artifact")
    assert newest is not None
    assert newest.value["manifest"] == again.path
    assert set(before) <= set(check_store(store))


def try_commit(store: ArtifactStore, run: int) -> Manifest | StoreError:
    """Commit a step; return the store's error if it was not acknowledged."""
    try:
        return commit_step(store, run)
    except StoreError as error:
        return error


def check_outcome(store: ArtifactStore, run: int, outcome: Manifest | StoreError) -> bool:
    """Assert that what was acknowledged is there, or that the error names its cause; say whether it was an error."""
    if isinstance(outcome, StoreError):
        assert isinstance(outcome.__cause__, OSError), outcome
        assert store.url in str(outcome), outcome
        return True
    check_step(ArtifactStore(store.port), str(outcome.path), run)
    return False


def fail_at_every_file_operation(folder: Path, run: int, code: int, after: bool) -> int:
    """Fail operation after operation of a commit, each in a copy of one store; return how many commits failed."""
    commit_step(ArtifactStore.open(str(folder / "old")), OLD_STATE)
    shutil.copytree(folder / "old", folder / "clean")
    clean = ArtifactStore.open(str(folder / "clean"))
    with file_operations() as operations:
        commit_step(clean, run)
    failed = 0

    def fault() -> None:
        raise OSError(code, os.strerror(code))

    for number in range(len(operations)):
        root = shutil.copytree(folder / "old", folder / f"{number}")
        store = ArtifactStore.open(str(root))
        with file_operations(number, fault, after=after):
            outcome = try_commit(store, run)
        failed += check_outcome(store, run, outcome)
        check_after_fault(store, run)
        shutil.rmtree(root)
    assert len(operations) > 60
    return failed


@pytest.mark.parametrize("run", [SHARING, ALONE])
@pytest.mark.parametrize(("code", "after"), WAYS)
def test_a_commit_survives_a_fault_at_every_file_operation(  # T20, T21
    quick_folder: Path, run: int, code: int, after: bool
) -> None:
    assert fail_at_every_file_operation(quick_folder, run, code, after) > 0


@pytest.mark.slow
@pytest.mark.parametrize("run", [SHARING, ALONE])
@pytest.mark.parametrize(("code", "after"), MORE_WAYS)
def test_a_commit_survives_faults_of_every_kind(quick_folder: Path, run: int, code: int, after: bool) -> None:
    assert fail_at_every_file_operation(quick_folder, run, code, after) > 0


def new_local(folder: Path) -> Port:
    return open_port(str(folder / uuid4().hex))


def new_memory(folder: Path) -> Port:
    return open_port(f"memory://{uuid4().hex}")


@pytest.mark.parametrize("new_port", [new_local, new_memory])
@pytest.mark.parametrize("run", [SHARING, ALONE])
@pytest.mark.parametrize("after", [False, True])
def test_a_commit_survives_a_fault_at_every_operation_of_the_back_end(  # T20, T21
    quick_folder: Path, new_port: type[Port], run: int, after: bool
) -> None:
    number, succeeded = 0, 0
    while True:
        port = FaultyPort(new_port(quick_folder))
        commit_step(ArtifactStore(port), OLD_STATE)
        store = ArtifactStore(port)
        port.fail(number, TimeoutError("no answer"), after=after)
        outcome = try_commit(store, run)
        reached = len(port.done) > number
        succeeded += not check_outcome(ArtifactStore(port.inner), run, outcome)
        if not reached:
            break
        check_after_fault(ArtifactStore(port.inner), run)
        number += 1
    assert number > 10
    # Puts whose answers are lost are found out by reading back; the commit goes on.
    assert succeeded > 1 if after else succeeded == 1


def test_a_stream_that_does_not_fit_is_unavailable_and_leaves_nothing(tmp_path: Path) -> None:
    store = ArtifactStore.open(str(tmp_path))
    with largest_file(4096), pytest.raises(StoreUnavailable, match="File too large") as caught:
        store.blobs.put("d", BytesIO(bytes(10_000)), artifact_type="model", class_name="M", extension="bin")
    assert isinstance(caught.value.__cause__, OSError)
    assert list((tmp_path / ".spool").iterdir()) == []
    assert store.port.find("binaries") == []


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let this process write no file larger than `size` bytes: a write goes as far as that, then fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


@pytest.mark.parametrize("size", [*range(0, 60, 7), 600, 1300])
def test_a_write_cut_off_anywhere_leaves_the_old_state(tmp_path: Path, size: int) -> None:  # T21
    store = ArtifactStore.open(str(tmp_path))
    commit_step(store, OLD_STATE)
    with largest_file(size), pytest.raises(StoreUnavailable, match=f"{tmp_path}/"):
        commit_step(ArtifactStore.open(str(tmp_path)), ALONE)
    check_after_fault(store, ALONE)


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[Path]:
    """Mount a small file system in memory; skips the test where this user may not."""
    folder.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", *options, "tmpfs", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        pytest.skip(f"mounting is not permitted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def needs_mount() -> None:
    if sys.platform != "linux" or shutil.which("mount") is None:
        pytest.skip("needs Linux and mount(8)")


def test_a_full_disk_is_reported_and_the_old_state_stays(tmp_path: Path) -> None:
    needs_mount()
    with mounted(tmp_path / "small", "-o", "size=1m") as folder:
        store = ArtifactStore.open(str(folder / "store"))
        commit_step(store, OLD_STATE)
        for content in (os.urandom(2 << 20), BytesIO(os.urandom(2 << 20))):
            with pytest.raises(StoreUnavailable, match="No space left on device") as caught:
                store.blobs.put("cdnow", content, artifact_type="model", class_name="Net", extension="npz")
            assert isinstance(caught.value.__cause__, OSError)
        assert list((folder / "store" / ".spool").iterdir()) == []
        (folder / "filler").write_bytes(bytes(shutil.disk_usage(folder).free))
        with pytest.raises(StoreUnavailable, match="No space left on device"):
            commit_step(ArtifactStore.open(str(folder / "store")), ALONE)
        (folder / "filler").unlink()
        check_after_fault(store, ALONE)


def test_a_read_only_store_is_read_and_refuses_writers_by_name(tmp_path: Path) -> None:
    needs_mount()
    with mounted(tmp_path / "disk") as folder:
        store = ArtifactStore.open(str(folder / "store"))
        path = str(commit_step(store, OLD_STATE).path)
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        reader = ArtifactStore.open(str(folder / "store"))
        check_step(reader, path, OLD_STATE)
        for run in (SHARING, ALONE):
            with pytest.raises(StoreUnavailable, match=r"binaries/cdnow/report_Stats_\w+\.json.*Read-only file system"):
                commit_step(reader, run)
        for content in (b"x", BytesIO(b"x")):
            with pytest.raises(StoreUnavailable, match="Read-only file system"):
                reader.blobs.put("cdnow", content, artifact_type="model", class_name="Net", extension="npz")
        with pytest.raises(StoreUnavailable, match="Read-only file system"):
            ArtifactStore.open(str(folder / "another"))
        subprocess.run(["mount", "-o", "remount,rw", str(folder)], check=True)
        check_after_fault(store, ALONE)


def test_a_folder_without_permission_is_reported(tmp_path: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("the superuser may write everywhere")
    store = ArtifactStore.open(str(tmp_path))
    path = str(commit_step(store, OLD_STATE).path)
    folder = tmp_path / "binaries" / "cdnow"
    folder.chmod(0o555)
    try:
        with pytest.raises(StoreUnavailable, match=r"binaries/cdnow/.*Permission denied"):
            commit_step(ArtifactStore.open(str(tmp_path)), ALONE)
        check_step(ArtifactStore.open(str(tmp_path)), path, OLD_STATE)
    finally:
        folder.chmod(0o755)
    check_after_fault(store, ALONE)
