"""The Dagster project: what it adds to plain calls, and how it bears many data sets.

    python benchmarks/orchestration.py            # two to three minutes; writes its section of RESULTS.md
    python benchmarks/orchestration.py --quick    # does it run? the figures mean nothing

| row | what it is |
|---|---|
| definitions | a new process imports `argn_assets.definitions` and resolves the asset graph; the fastest |
| chain | the assets in one process with a store and a Dagster instance, a table of 10,000 rows that trains for seconds.
|       | Beside it: `pipeline.synthesize`, which stores nothing. In turn, after one uncounted round; medians |
| cache hits | the same assets again: nothing changed. Beside it: the same assets and checks, doing nothing |
| sync | one tick of `catalogue_sync` over so many YAML files: at first all are new, then none |
| sensor | one tick of `source_watch` over so many data sets, each with a small CSV file that was seen before |
| automation | one evaluation of all conditions over so many data sets, all materialised: the first there is, a tick
|            | in which nothing happened, and one after 20 sources changed |

Each tick runs in this process as the daemon would run it; the slowest of its repeats counts. Steps run with the
in-process executor, the default.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import median
from time import perf_counter

import dagster as dg
from environments import BENCH_FOLDER
from results import HERE, Row, commit, machine, seconds, verdict, write_section
from stages import say

from argn_assets.datasets import Catalogue
from argn_assets.definitions import defs
from argn_assets.orchestration.checks import check_specs
from argn_assets.orchestration.partitions import DATASETS
from argn_assets.orchestration.resources import CatalogueResource
from argn_assets.orchestration.source_versions import READ_FROM, observation, seen_versions
from argn_assets.orchestration.source_watch import look_at_sources
from argn_assets.orchestration.stages import STAGES, Stage

CHAIN = [stage.asset for stage in STAGES]
QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}
LOAD = "from argn_assets.definitions import defs; defs().resolve_asset_graph()"


@cache
def definitions() -> dg.Definitions:
    """Return the project's definitions; what loading them costs is a row of its own."""
    return defs()


def took(call: Callable[[], object]) -> float:
    """Return how many seconds a call takes."""
    began = perf_counter()
    call()
    return perf_counter() - began


def places(folder: Path) -> None:
    """Let catalogue, store and Dagster's state lie in a folder."""
    os.environ["ARGN_DATASETS"], os.environ["ARGN_STORE"] = str(folder / "datasets"), str(folder / "store")
    (folder / "datasets").mkdir(parents=True)


def instance_in(folder: Path) -> dg.DagsterInstance:
    (folder / "dagster").mkdir()
    return dg.DagsterInstance.local_temp(str(folder / "dagster"), overrides={"telemetry": {"enabled": False}})


def declare(folder: Path, name: str, rows: int, epochs: int) -> None:
    draw = random.Random(name)
    lines = ["id,size,weight,kind,place"]
    for row in range(rows):
        size = draw.randint(1, 400)
        kind = "large" if size > 200 else "small"
        lines.append(f"r{row},{size},{size * draw.random():.3f},{kind},{draw.choice('abcdefgh')}")
    (folder / "datasets" / f"{name}.csv").write_text("\n".join(lines) + "\n")
    (folder / "datasets" / f"{name}.yaml").write_text(
        f"dataset: {name}\ntables: {{t: {{source: {name}.csv, primary_key: id}}}}\n"
        f"generator: {{model_size: S, max_epochs: {epochs}}}\n"
    )


# -------------------------------------------------------------------------------------------------- definitions
def load(repeats: int) -> list[Row]:
    best = min(took(lambda: subprocess.run([sys.executable, "-c", LOAD], check=True)) for _ in range(repeats))
    bare = min(
        took(lambda: subprocess.run([sys.executable, "-c", "import dagster"], check=True)) for _ in range(repeats)
    )
    return [Row("definitions, new process", seconds(best), seconds(bare), "–", verdict("< 2.5 s", best < 2.5))]


# -------------------------------------------------------------------------------------------------- one data set
def run_chain(instance: dg.DagsterInstance, dataset: str) -> None:
    result = (
        definitions()
        .resolve_implicit_global_asset_job_def()
        .execute_in_process(
            instance=instance,
            partition_key=dataset,
            asset_selection=[dg.AssetKey(asset) for asset in CHAIN],
            run_config=QUIET,
        )
    )
    assert result.success


def empty_chain(instance: dg.DagsterInstance) -> Callable[[], object]:
    """Return a run of the same chain, partitions and checks, in which every step does nothing."""
    assets = [empty_asset(stage, CHAIN[:number][-1:]) for number, stage in enumerate(STAGES)]
    job = dg.Definitions(assets=assets).resolve_implicit_global_asset_job_def()
    instance.add_dynamic_partitions("dataset", ["empty"])
    return lambda: job.execute_in_process(instance=instance, partition_key="empty", run_config=QUIET)


def empty_asset(stage: Stage, before: list[str]) -> dg.AssetsDefinition:
    specs = check_specs(stage)

    @dg.asset(name=stage.asset, deps=before, partitions_def=DATASETS, check_specs=specs)
    def nothing() -> dg.MaterializeResult:
        passed = [dg.AssetCheckResult(check_name=spec.name, passed=True) for spec in specs]
        return dg.MaterializeResult(check_results=passed)

    return nothing


def chain(folder: Path, rows: int, repeats: int) -> list[Row]:
    from argn_assets.pipeline import synthesize

    places(folder)
    names = [f"chain{number}" for number in range(repeats + 1)]
    ours, plain, hits, empty = [], [], [], []
    with instance_in(folder) as instance:
        instance.add_dynamic_partitions("dataset", names)
        nothing = empty_chain(instance)
        for name in names:
            declare(folder, name, rows, epochs=10)
            ours.append(took(lambda name=name: run_chain(instance, name)))
            plain.append(took(lambda name=name: synthesize(Catalogue().get(name))))
            for _ in range(3):  # a second each, so single ones say little
                hits.append(took(lambda name=name: run_chain(instance, name)))
                empty.append(took(nothing))
    whole, bare, again, idle = (median(times[1:]) for times in (ours, plain, hits, empty))
    allowed = max(0.1 * bare, 2.0)
    return [
        Row(
            f"chain, {rows:,} rows", seconds(whole), seconds(bare), f"{whole / bare:.2f}",
            verdict("≤ 10 % or 2 s more", whole - bare <= allowed),
        ),
        Row(
            "chain, cache hits", seconds(again), seconds(idle), f"{again / idle:.2f}",
            verdict("≤ 1.5", again <= 1.5 * idle),
        ),
    ]  # fmt: skip


# -------------------------------------------------------------------------------------------------- many data sets
def many(folder: Path, number: int, repeats: int) -> list[Row]:
    places(folder)
    names = [f"set{at:04}" for at in range(number)]
    for name in names:
        declare(folder, name, rows=5, epochs=1)
    said = f", {number:,} data sets"
    with instance_in(folder) as instance:
        first = took(lambda: tick(instance, "catalogue_sync", f"{number} new"))
        instance.add_dynamic_partitions("dataset", names)
        synced = max(
            took(lambda: tick(instance, "catalogue_sync", f"{number} data sets", "0 new")) for _ in range(repeats)
        )
        observe_all(instance)
        materialise(instance, names)
        looked = max(
            took(lambda: tick(instance, "source_watch", f"{number} of {number}", "0 changed")) for _ in range(repeats)
        )
        begun, quiet, changed = automation(instance, names, repeats)
    return [
        limited(f"catalogue sync, all new{said}", first, 5),
        limited(f"catalogue sync, none new{said}", synced, 5),
        limited(f"sensor tick, nothing changed{said}", looked, 5),
        limited(f"automation tick, the very first{said}", begun, 2),
        limited(f"automation tick, nothing happened{said}", quiet, 2),
        limited(f"automation tick, 20 changed{said}", changed, 2),
    ]


def limited(measure: str, value: float, limit: float) -> Row:
    return Row(measure, seconds(value), "–", "–", verdict(f"≤ {limit:g} s", value <= limit))


def tick(instance: dg.DagsterInstance, sensor: str, *said: str) -> None:
    """Evaluate a sensor once; its reason says what it did, and these are part of it."""
    with dg.build_sensor_context(instance=instance, resources={"catalogue": CatalogueResource()}) as context:
        told = definitions().resolve_sensor_def(sensor).evaluate_tick(context).skip_message or ""
    assert all(words in told for words in said), told


def observe_all(instance: dg.DagsterInstance) -> None:
    """Let every source be seen as it is, as `source_watch` does in some ticks."""
    after = ""
    known = instance.get_dynamic_partitions("dataset")
    for _ in range(1 + len(known) // 10):
        sweep = look_at_sources(Catalogue(), lambda names: seen_versions(instance, names), known=known, after=after)
        for name, version in sweep.changed.items():
            instance.report_runless_asset_event(observation(name, version))
        after = sweep.last or ""
        if len(seen_versions(instance, known)) == len(known):
            return


def materialise(instance: dg.DagsterInstance, names: list[str]) -> None:
    """Let every asset of the chain be there, made from the sources as they were last seen."""
    seen = seen_versions(instance, names)
    for name in names:
        for asset in CHAIN:
            metadata = {READ_FROM: seen[name]} if asset == "raw_tables" else {}
            instance.report_runless_asset_event(dg.AssetMaterialization(asset, partition=name, metadata=metadata))


def automation(instance: dg.DagsterInstance, names: list[str], repeats: int) -> tuple[float, float, float]:
    """Return the seconds of the first tick there is, of the slowest quiet one, and of one after 20 sources changed."""
    began = perf_counter()
    found = dg.evaluate_automation_conditions(definitions(), instance)
    begun = perf_counter() - began
    quiet = 0.0
    for _ in range(repeats):
        began = perf_counter()
        found = dg.evaluate_automation_conditions(definitions(), instance, cursor=found.cursor)
        quiet = max(quiet, perf_counter() - began)
    for name in names[:20]:
        instance.report_runless_asset_event(observation(name, "changed"))
    began = perf_counter()
    asked = dg.evaluate_automation_conditions(definitions(), instance, cursor=found.cursor)
    busy = perf_counter() - began
    assert asked.get_num_requested(dg.AssetKey("raw_tables")) == min(20, len(names)), "the tick asks for what changed"
    return begun, quiet, busy


# -------------------------------------------------------------------------------------------------- the page
def section(rows: list[Row], loads: list[float]) -> str:
    facts = machine()
    lines = [
        "## The Dagster project",
        "",
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC · commit {commit()} · Python {facts['python']} · "
        f"{facts['cores']} cores ({facts['cpu']}), {facts['system']} · load average {loads[0]:.1f} before, "
        f"{loads[1]:.1f} after, so other work ran on it if that is far above 1 · beside ours: Dagster's import, "
        "the plain calls, empty steps",
        "",
        "| measure | ours | beside it | ratio | target of the specification |",
        "|---|---|---|---|---|",
        *map(Row.line, rows),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="little of everything")
    options = parser.parse_args()
    folder = BENCH_FOLDER / "work" / "orchestration"
    shutil.rmtree(folder, ignore_errors=True)
    repeats, rows, number = (1, 500, 30) if options.quick else (2, 10_000, 1_000)
    loads, found = [os.getloadavg()[0]], []
    try:
        for measure in (
            lambda: load(repeats),
            lambda: chain(folder / "one", rows, repeats),
            lambda: many(folder / "many", number, repeats),
        ):
            found += measure()
            say(found[-1].measure)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    text = section(found, [*loads, os.getloadavg()[0]])
    if not options.quick:
        write_section(HERE / "RESULTS.md", "orchestration", text)
    print(text)


if __name__ == "__main__":
    main()
