"""The artifact store beside the bare file system: what durability, verification and deterministic ids cost.

    python benchmarks/store.py              # a few minutes; writes its section of RESULTS.md
    python benchmarks/store.py --quick      # does it run? the figures mean nothing

Everything happens in one process, in a folder below `.argn/bench`, on the disk of the checkout. Ours and the bare
operation run in turn; the fastest of each counts. Reads come from the page cache on both sides.

| row | what it is |
|---|---|
| put | `BlobStore.put` of new random bytes until they are durable. Bare: SHA-256, write, fsync of file and folder |
| get | `BlobStore.read`, verified. Bare: the slower one of reading the file and of SHA-256 alone |
| load | `ArtifactLoader.load_by_id` without its cache. Bare: reading and decoding the same file, nothing else |
| resolve | the record of an id, of a data set with so many committed runs, manifests parsed before |
| list | all manifests of that data set, from names to parsed records, parsed before; first time: not parsed before |
| mark | which of so many blobs no manifest names; nothing was parsed before |

The last three are CPU seconds, user and system: one thread that waits for nothing, so other work does not count.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

from environments import BENCH_FOLDER
from results import HERE, Row, commit, machine, seconds, verdict, write_section
from stages import say

from argn_assets.store import ArtifactLoader, ArtifactRegistry, ArtifactStore, Manifest
from argn_assets.store.documents import digest

DATASET, PIPELINE = "cdnow", "cdnow_1f2e3d4c5b6a"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIB = 1 << 20
LINEAR = 11.0  # times as long for ten times as many, at most


def took(call: Callable[[], object], clock: Callable[[], float] = perf_counter) -> float:
    """Return how many seconds a call takes."""
    began = clock()
    call()
    return clock() - began


def in_turn(repeats: int, *calls: Callable[[], object], clock: Callable[[], float] = perf_counter) -> list[float]:
    """Return the fewest seconds of each call, all run in turn, after one uncounted round."""
    rounds = [[took(call, clock) for call in calls] for _ in range(repeats + 1)][1:]
    return [min(times) for times in zip(*rounds, strict=True)]


def new_registry(store: ArtifactStore, run: int = 0) -> ArtifactRegistry:
    run_id, started_at = f"{run:08x}-run", NOON + timedelta(minutes=run)
    return ArtifactRegistry(store, DATASET, pipeline_id=PIPELINE, run_id=run_id, started_at=started_at)


# -------------------------------------------------------------------------------------------------- bytes
def bare_put(folder: Path, content: bytes) -> None:
    hashlib.sha256(content).hexdigest()
    with (folder / os.urandom(8).hex()).open("wb", buffering=0) as file:
        view = memoryview(content)
        while view:
            view = view[file.write(view) :]
        os.fsync(file.fileno())
    handle = os.open(folder, os.O_RDONLY)
    os.fsync(handle)
    os.close(handle)


def put_and_get(folder: Path, size: int, repeats: int) -> list[Row]:
    store = ArtifactStore.open(str(folder / "store"))
    (folder / "bare").mkdir()
    contents = iter([os.urandom(size) for _ in range(3 * (repeats + 1))])

    def put(content: bytes | io.BytesIO) -> Any:
        return store.blobs.put(DATASET, content, artifact_type="model", class_name="Net", extension="bin")

    ours, ours_stream, bare = in_turn(
        repeats,
        lambda: put(next(contents)),
        lambda: put(io.BytesIO(next(contents))),
        lambda: bare_put(folder / "bare", next(contents)),
    )
    blob = put(os.urandom(size))
    file = folder / "store" / "binaries" / DATASET / blob.path
    content = file.read_bytes()
    get, read, hashed = in_turn(
        2 * repeats + 1,
        lambda: store.blobs.read(DATASET, blob.path, blob.content_hash),
        file.read_bytes,
        lambda: digest(content),
    )
    text = f"{size // MIB} MiB"
    return [
        rate_row(f"put {text}, durable", size, ours, bare, 0.6),
        rate_row(f"put {text} from a stream, durable", size, ours_stream, bare, 0.6),
        rate_row(f"get {text}, verified", size, get, max(read, hashed), 0.8),
    ]


def rate_row(measure: str, size: int, ours: float, bare: float, least: float) -> Row:
    return Row(
        measure, f"{size / MIB / ours:,.0f} MiB/s", f"{size / MIB / bare:,.0f} MiB/s", f"{bare / ours:.2f}",
        verdict(f"≥ {least:g}", bare / ours >= least),
    )  # fmt: skip


# -------------------------------------------------------------------------------------------------- values
def load(folder: Path, n_rows: int, repeats: int) -> list[Row]:
    import numpy as np
    import polars as pl

    rng = np.random.default_rng(1)
    words = np.array([f"word {number}" for number in range(1000)])
    table = pl.DataFrame(
        {
            "id": np.arange(n_rows),
            "amount": rng.normal(size=n_rows),
            "word": words[rng.integers(0, 1000, n_rows)],
            "day": rng.integers(0, 3650, n_rows),
        }
    )
    store = ArtifactStore.open(str(folder / "values"))
    registry = new_registry(store)
    record = registry.register_object(
        table, artifact_id=registry.generate_id(0), operation="transform", artifact_type="table", class_name="Table",
        format="parquet",
    )  # fmt: skip
    manifest = registry.commit(0, name="raw_tables")
    loader = ArtifactLoader.from_manifest(manifest, store)
    loader.set_cache_size(0)
    file = folder / "values" / "binaries" / DATASET / record.path
    unverified = ArtifactLoader.from_manifest(manifest, store, verify=False)
    unverified.set_cache_size(0)
    ours, trusting, plain = in_turn(
        3 * repeats,
        lambda: loader.load_by_id(record.artifact_id),
        lambda: unverified.load_by_id(record.artifact_id),
        lambda: pl.read_parquet(io.BytesIO(file.read_bytes())),
    )
    measure = f"load a table of {n_rows:,} rows (Parquet, {file.stat().st_size / 1e6:.0f} MB)"
    return [load_row(measure, ours, plain), load_row("… not verified, for hot loops", trusting, plain)]


def load_row(measure: str, ours: float, plain: float, most: float = 1.1) -> Row:
    target = verdict(f"≤ {most:g}", ours / plain <= most)
    return Row(measure, seconds(ours), seconds(plain), f"{ours / plain:.2f}", target)


# -------------------------------------------------------------------------------------------------- many runs
def template(folder: Path) -> Manifest:
    """Return a manifest as a step commits it."""
    store = ArtifactStore.open(str(folder / "template"))
    registry = new_registry(store)
    for output in range(2):
        registry.register_object(
            {"output": output}, artifact_id=registry.generate_id(3, output=output), operation="fit",
            artifact_type="report", class_name="Stats", format="json",
        )  # fmt: skip
    return registry.commit(3, name="trained_artifact")


def write_runs(root: Path, one: Manifest, n_runs: int, items_per_run: int) -> ArtifactStore:
    """Write the manifests of many runs and the files that they name, as a store does but without its fsync."""
    store = ArtifactStore.open(str(root))
    blobs = root / "binaries" / DATASET
    blobs.mkdir(parents=True)
    for run in range(n_runs):
        registry = new_registry(store, run)
        path = f"runs/{DATASET}/{registry.run_folder}/{PIPELINE}/3_all.0/manifest.yaml"
        items = []
        for output in range(items_per_run):
            content_hash = digest(f"{run} {output}".encode())
            name = f"report_Stats_{content_hash[7:19]}.json"
            (blobs / name).touch()
            known = {"content_hash": content_hash, "path": name, "manifest": path}
            items.append(replace(one.items[0], artifact_id=registry.generate_id(3, output=output), **known))
        manifest = replace(one, uid=f"{run:032x}", run_id=registry.run_id, items=tuple(items), path=path)
        (root / path).parent.mkdir(parents=True)
        (root / path).write_bytes(manifest.to_bytes())
    return store


def find(folder: Path, n_runs: int, repeats: int) -> list[Row]:
    store = write_runs(folder / "runs", template(folder), n_runs, 2)
    last = new_registry(store, n_runs - 1)
    wanted = last.generate_id(3)
    paths = list(store.manifests(DATASET))
    refs = folder / "runs" / "refs" / DATASET
    for name in ("raw_tables", "table_stats", "encoded_tables", "trained_artifact", "synthetic_tables"):
        store.refs(DATASET).move(name, {"manifest": paths[-1]})
        newest = (refs / name / f"{1:012d}.json").rename(refs / name / f"{n_runs:012d}.json")
        newest.write_text(newest.read_text().replace('"sequence": 1,', f'"sequence": {n_runs},'))
        reseal(newest)
        for sequence in range(1, n_runs):
            (refs / name / f"{sequence:012d}.json").touch()

    def everything() -> list[Manifest]:
        return [store.read_manifest(path) for path in store.manifests(DATASET)]

    cold = took(everything, process_time)
    published, of_run, listed = in_turn(
        10 * repeats,
        lambda: store.find_record(DATASET, wanted),
        lambda: store.find_record(DATASET, wanted, last.run_id),
        everything,
        clock=process_time,
    )
    runs = f"{n_runs:,} runs"
    return [
        time_row(f"resolve an id among {runs}, published", published, 0.001),
        time_row(f"resolve an id among {runs}, of a named run", of_run, 0.001),
        time_row(f"list {runs}, warm", listed, 0.3),
        Row("… the first time in a process", seconds(cold)),
    ]


def reseal(file: Path) -> None:
    from argn_assets.store.documents import seal

    file.write_bytes(seal(json.loads(file.read_text())))


def mark(folder: Path, n_blobs: int) -> list[Row]:
    one, per_run = template(folder), 10

    def measured(count: int) -> float:
        root = folder / f"blobs-{count}"
        write_runs(root, one, count // per_run, per_run)
        store = ArtifactStore.open(str(root))
        return took(lambda: store.find_orphaned_artifacts(DATASET, grace_period_hours=0), process_time)

    fewer, all_of_them = measured(n_blobs // 10), measured(n_blobs)
    growth = all_of_them / fewer
    return [
        time_row(f"mark {n_blobs:,} blobs of {n_blobs // per_run:,} manifests", all_of_them, 5.0),
        Row("… against a tenth of them", f"{growth:.1f} ×", target=verdict(f"≤ {LINEAR:g} ×", growth <= LINEAR)),
    ]


def time_row(measure: str, ours: float, most: float) -> Row:
    shown = f"{1e6 * ours:,.0f} µs" if ours < 0.001 else seconds(ours)
    return Row(measure, shown, target=verdict(f"≤ {seconds(most)}", ours <= most))


# -------------------------------------------------------------------------------------------------- the page
def section(rows: list[Row], loads: list[float]) -> str:
    """Return the Markdown of a run."""
    facts, now = machine(), datetime.now(UTC)
    lines = [
        "## The artifact store",
        "",
        f"{now:%Y-%m-%d %H:%M} UTC · commit {commit()} · Python {facts['python']} · {facts['cores']} cores "
        f"({facts['cpu']}), {facts['system']} · load average {loads[0]:.1f} before, {loads[1]:.1f} after, so "
        "other work ran on it if that is above 1 · the ratio is ours against the bare operation: of rates (more is "
        "better), for loading of times (less is better)",
        "",
        "| measure | ours | bare | ratio | target of the specification |",
        "|---|---|---|---|---|",
        *map(Row.line, rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little of everything")
    parser.add_argument("--repeats", type=int, default=7, help="of each measurement; the fastest counts")
    options = parser.parse_args()
    scale, repeats = (20, 1) if options.quick else (1, options.repeats)
    loads = [os.getloadavg()[0]]
    folder = BENCH_FOLDER / "work" / "store"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows: list[Row] = []
    try:
        for measure in (
            lambda: put_and_get(folder, max(64 // scale, 1) * MIB, repeats),
            lambda: load(folder, 1_000_000 // scale, repeats),
            lambda: find(folder, 10_000 // scale, repeats),
            lambda: mark(folder, 100_000 // scale),
        ):
            rows += measure()
            say(rows[-1].measure)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = section(rows, [*loads, os.getloadavg()[0]])
    if not options.quick:
        write_section(HERE / "RESULTS.md", "store", text)
    print(text)


if __name__ == "__main__":
    main()
