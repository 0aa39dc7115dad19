"""A process that commits steps and says so, to be killed: `python -m argn_assets_tests.conformance.writer …`.

    steps ROOT RUN         for every file operation of a commit, a child that dies of SIGKILL there: runs RUN, RUN + 1 …
    forever ROOT RUN       one commit after the other, runs RUN, RUN + 1, …, until it is killed

A line of the output is `ack <run> <manifest>` after a commit, or, for `steps`, `killed <run>` after a child died.
"""

from __future__ import annotations

import os
import signal
import sys

from argn_assets.store import ArtifactStore
from argn_assets_tests.conformance.file_operations import file_operations
from argn_assets_tests.conformance.journey import commit_step


def commit_and_say_so(root: str, run: int) -> None:
    """Open the store, commit run number `run`, and acknowledge it in one write."""
    manifest = commit_step(ArtifactStore.open(root), run)
    os.write(1, f"ack {run} {manifest.path}\n".encode())


def die() -> None:
    """End this process as a power cut of its own."""
    os.kill(os.getpid(), signal.SIGKILL)


def commit_and_die(root: str, run: int, number: int) -> bool:
    """Commit in a child that is killed at file operation `number`; say whether it got that far."""
    child = os.fork()
    if child == 0:
        with file_operations(number, die):
            commit_and_say_so(root, run)
        os._exit(0)
    _, status = os.waitpid(child, 0)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        sys.exit(f"run {run}, killed at {number}, ended with {os.WEXITSTATUS(status)}")
    return os.WIFSIGNALED(status)


def main() -> None:
    mode, root, run = sys.argv[1], sys.argv[2], int(sys.argv[3])
    if mode == "forever":
        while True:
            commit_and_say_so(root, run)
            run += 1
    number = 0
    while commit_and_die(root, run + number, number):
        os.write(1, f"killed {run + number}\n".encode())
        number += 1


if __name__ == "__main__":
    main()
