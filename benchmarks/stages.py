"""One stage of a benchmark = one process: how the child reports, and how the parent runs it and what it notes.

Both sides use this file, and the peer's side runs in an environment of its own: only the standard library here, and
the parent stays small, because a child's peak memory starts from what its parent held.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

Stage = Callable[..., dict[str, Any]]


class StageError(RuntimeError):
    """A stage ended with an error; the message names its log."""


# -------------------------------------------------------------------------------------------------- in the child
def serve(stages: dict[str, Stage], description: str | None) -> None:
    """Run the stage that the command line names with the JSON object beside it; print its result as JSON."""
    if len(sys.argv) != 3:
        print(f"{description}\n\nStages, run by benchmarks/flat.py: {', '.join(stages)}")
        return
    name, arguments = sys.argv[1:]
    with contextlib.redirect_stdout(sys.stderr):  # libraries print; the result stands alone on stdout
        result = stages[name](**json.loads(arguments))
    print(json.dumps(result | {"peak_bytes": _peak_bytes()}))


def _peak_bytes() -> int:
    """Return the most memory this process held, with that of its largest child, in bytes."""
    unit = 1 if sys.platform == "darwin" else 1024
    return unit * sum(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))


def timed(call: Callable[[], Any], repeats: int) -> list[float]:
    """Return the seconds of every call."""
    seconds = []
    for _ in range(repeats):
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds


@contextlib.contextmanager
def written_files(folder: Path) -> Iterator[set[str]]:
    """Collect the files written inside the block.

    Two nets: what Python opens for writing anywhere (also what is deleted again), and what lies changed below `folder`
    afterwards, because compiled code opens files without telling Python. `folder` is the process's working, temporary
    and cache folder, so that both sides write there.
    """
    written: set[str] = set()
    active = True

    def note(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path, _, flags = arguments
            if isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
                written.add(os.path.abspath(os.fsdecode(path)))

    sys.addaudithook(note)
    before = _states(folder)
    yield written
    active = False
    written |= {path for path, state in _states(folder).items() if before.get(path) != state}
    written -= {path for path in written if path.startswith(("/dev/", "/proc/"))}


def _states(folder: Path) -> dict[str, tuple[int, int]]:
    files = (path for path in folder.resolve().rglob("*") if path.is_file())
    return {str(path): (path.stat().st_mtime_ns, path.stat().st_size) for path in files}


# -------------------------------------------------------------------------------------------------- in the parent
class Runner:
    """Runs the stages of one data set, each in a process, with logs and scratch files below one folder."""

    def __init__(self, folder: Path, pythons: dict[str, Path]):
        self.folder, self.pythons = folder, pythons
        self.load_averages: list[float] = []

    def run(self, side: str, stage: str, label: str = "", **arguments: Any) -> dict[str, Any]:
        """Run a stage of `ours` or `peer`; return its result with wall and CPU seconds and the load before it."""
        label = label or stage
        script = Path(__file__).with_name(f"{side}.py")
        command = [str(self.pythons[side]), str(script), stage, json.dumps(arguments, default=str)]
        say(f"{self.folder.name}: {label}, {side} …", end=" ")
        result = self.execute(f"{label}-{side}", command)
        result |= json.loads(result.pop("output").strip().splitlines()[-1])
        say(f"{result['process_seconds']:.1f} s")
        return result

    def execute(self, label: str, command: list[str]) -> dict[str, Any]:
        """Run a command to its end; StageError if it fails."""
        scratch = self.folder / "scratch"
        scratch.mkdir(exist_ok=True)
        # The caches of the peer's libraries too: they would make a second run faster than a first one.
        places = dict.fromkeys(("TMPDIR", "HF_HOME", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR"), str(scratch))
        load, cpu, started = os.getloadavg()[0], _cpu_seconds(), time.perf_counter()
        log = self.folder / f"{label}.log"
        with log.open("w") as stream:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=stream, text=True, cwd=scratch, check=False,
                env={**os.environ, **places, "PYTHONDONTWRITEBYTECODE": "1"},
            )  # fmt: skip
        wall = time.perf_counter() - started
        if done.returncode:
            raise StageError(f"{label} ended with exit code {done.returncode}. Its log: {log}")
        self.load_averages.append(load)
        return {
            "process_seconds": wall,
            "cpu_seconds": _cpu_seconds() - cpu,
            "load_before": load,
            "output": done.stdout,
        }


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def say(text: str, end: str = "\n") -> None:
    """Write a line of progress."""
    print(text, end=end, file=sys.stderr, flush=True)


def middle(values: list[float]) -> float:
    """Return the median."""
    return statistics.median(values)
