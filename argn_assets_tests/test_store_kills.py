"""Real processes ended by SIGKILL in the middle of a commit: what they acknowledged is there, and nothing is broken."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from argn_assets.store import ArtifactStore
from argn_assets_tests.conformance.journey import check_step, check_store, commit_step

WRITER = [sys.executable, "-m", "argn_assets_tests.conformance.writer"]
FOLDER = Path(__file__).resolve().parent.parent

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")


def acknowledged(output: str) -> dict[int, str]:
    """Return run → manifest of the commits that a writer has acknowledged."""
    lines = [line.split() for line in output.splitlines() if line.startswith("ack ")]
    return {int(run): path for _, run, path in lines}


def check_kept(root: Path, acks: dict[int, str]) -> None:
    """Assert that every acknowledged commit is there and whole, and that the store is not damaged."""
    store = ArtifactStore.open(str(root), create=False)
    assert set(acks.values()) <= set(check_store(store))
    for run, path in acks.items():
        check_step(store, path, run)


def kill_at_every_step(root: Path, first_run: int) -> int:
    """Run a commit for each of its file operations, killed there; return how many were killed."""
    done = subprocess.run(
        [*WRITER, "steps", str(root), str(first_run)], cwd=FOLDER, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    check_kept(root, acknowledged(done.stdout))
    killed = done.stdout.count("killed ")
    # The last one was not killed; the steps that were are finished now, by the next attempt.
    assert first_run + killed in acknowledged(done.stdout)
    store = ArtifactStore.open(str(root))
    for run in range(first_run, first_run + killed, 7):
        check_step(store, str(commit_step(store, run, attempt=1).path), run)
    check_store(store)
    return killed


def test_a_commit_killed_at_every_step_loses_and_breaks_nothing(tmp_path: Path) -> None:  # T21
    assert kill_at_every_step(tmp_path, 0) > 60


@pytest.mark.slow
def test_a_commit_killed_at_every_step_twenty_times(tmp_path: Path) -> None:
    for repeat in range(20):
        assert kill_at_every_step(tmp_path / f"{repeat % 4}", 1000 * repeat) > 60


def kill_at_random(root: Path, kills: int, writers: int, seed: int) -> int:
    """Kill one of some writers at random moments and start another one; return how many commits were acknowledged."""
    chance = random.Random(seed)
    ArtifactStore.open(str(root))
    started: list[tuple[subprocess.Popen[bytes], Path]] = []

    def start() -> subprocess.Popen[bytes]:
        output = root.parent / f"{root.name}-writer-{len(started)}"
        command = [*WRITER, "forever", str(root), str(100_000 * len(started))]
        with output.open("wb") as sink:
            process = subprocess.Popen(command, cwd=FOLDER, stdout=sink)
        started.append((process, output))
        return process

    def kill(process: subprocess.Popen[bytes]) -> None:
        process.send_signal(signal.SIGKILL)
        assert process.wait(timeout=60) == -signal.SIGKILL, "a writer ended by itself"

    running = [start() for _ in range(writers)]
    try:
        for _ in range(kills):
            victim = chance.randrange(writers)
            wait_for_first_commit(started[[process for process, _ in started].index(running[victim])][1])
            time.sleep(chance.uniform(0, 0.1))
            kill(running[victim])
            running[victim] = start()
    finally:
        for process in running:
            kill(process)
    acks: dict[int, str] = {}
    for _, output in started:
        acks |= acknowledged(output.read_text().rpartition("\n")[0])
    check_kept(root, acks)
    check_step(ArtifactStore.open(str(root)), str(commit_step(ArtifactStore.open(str(root)), 99_999).path), 99_999)
    return len(acks)


def wait_for_first_commit(output: Path) -> None:
    """Wait until a writer is at work."""
    until = time.monotonic() + 60
    while not output.stat().st_size:
        assert time.monotonic() < until, "a writer did not begin"
        time.sleep(0.01)


def test_writers_killed_at_random_lose_nothing_they_acknowledged(tmp_path: Path) -> None:  # T21
    assert kill_at_random(tmp_path / "store", kills=4, writers=2, seed=1) >= 4


@pytest.mark.slow
def test_sixty_random_kills_of_four_writers(tmp_path: Path) -> None:
    assert kill_at_random(tmp_path / "store", kills=60, writers=4, seed=2) >= 60
