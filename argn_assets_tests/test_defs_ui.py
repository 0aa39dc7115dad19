"""The real UI in a headless browser, used as a person would (O44): every click is a click, every word is on the page.

Screenshots go to the folder in ARGN_SCREENSHOTS, if it is set.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import dagster as dg
import pytest

from argn_assets_tests.browser import PROGRAM, Browser, browser
from argn_assets_tests.dagster_world import CHAIN, csv_rows, declaration

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
LONG = "generator: {model_size: L, max_epochs: 1000, max_training_time: 10}"


@dataclass
class Project:
    """A project whose webserver and daemon run, and the browser that looks at it."""

    root: Path
    address: str
    page: Browser

    @property
    def lineage(self) -> str:
        return f"{self.address}/locations/argn_assets/asset-groups/synthesis/lineage"

    def declare(self, name: str, *, csv: str = "", generator: str = "") -> None:
        (self.root / "datasets" / f"{name}.csv").write_text(csv or csv_rows())
        lines = declaration(name).splitlines()
        told = [generator if generator and line.startswith("generator") else line for line in lines]
        (self.root / "datasets" / f"{name}.yaml").write_text("\n".join(told) + "\n")

    def runs(self) -> list[tuple[str, str, str]]:
        """Return data set, status and id of every run, the newest first."""
        with dg.DagsterInstance.from_config(str(self.root)) as instance:
            runs = instance.get_runs()
        return [(run.tags.get("dagster/partition", ""), run.status.value, run.run_id) for run in runs]

    def partitions(self) -> set[str]:
        with dg.DagsterInstance.from_config(str(self.root)) as instance:
            return set(instance.get_dynamic_partitions("dataset"))

    def launch(self, which: str, said: str, button: str) -> None:
        """Choose data sets in the dialog of the whole chain, and launch."""
        self.page.go(self.lineage)
        self.page.wait_for(*CHAIN)
        self.page.click("Materialize all")
        self.page.click(which)
        self.page.wait_for(said)
        self.page.picture("dialog")
        self.page.click(button)

    def ended(self, number: int) -> list[tuple[str, str, str]]:
        """Wait until so many runs have ended; return them, the newest first."""
        wait_until(lambda: sum(status in ("SUCCESS", "FAILURE") for _, status, _ in self.runs()) == number)
        return self.runs()


def wait_until(done: Callable[[], bool], seconds: float = 180) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(1)


def command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(url: str) -> bool:
    try:
        urllib.request.urlopen(url, timeout=5).close()
    except OSError:
        return False
    return True


@pytest.fixture
def project(tmp_path, monkeypatch):
    """An empty project as `make ui` leaves it: a catalogue without a file, a webserver, a daemon, automation off."""
    if PROGRAM is None:
        pytest.skip("no Chromium on this machine")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "datasets").mkdir()
    monkeypatch.chdir(tmp_path)
    for name in ("ARGN_DATASETS", "ARGN_STORE", "ARGN_AUTOMATION", "ARGN_EXECUTOR"):
        monkeypatch.delenv(name, raising=False)
    subprocess.run([command("argn"), "datasets", "sync"], check=True, capture_output=True)
    port = free_port()
    webserver = ["dagster-webserver", "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)]
    home = {**os.environ, "DAGSTER_HOME": str(tmp_path)}
    with (tmp_path / "log").open("wb") as log:
        processes = [
            subprocess.Popen([command(name), *words], env=home, stdout=log, stderr=log)
            for name, *words in (webserver, ["dagster-daemon", "run", "-w", "workspace.yaml"])
        ]
    address = f"http://127.0.0.1:{port}"
    try:
        wait_until(lambda: answers(f"{address}/server_info"))
        with browser(tmp_path / "profile") as page:
            yield Project(tmp_path, address, page)
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=60)


def test_a_file_becomes_a_data_set_that_turns_green_and_has_a_report(project):
    page = project.page
    project.declare("tiny")
    wait_until(lambda: project.partitions() == {"tiny"}, seconds=60)  # O2: within a minute
    project.launch("All", "1 partition", "Launch 1 run")
    project.ended(1)
    page.go(project.lineage)
    page.wait_for(*CHAIN)
    time.sleep(3)
    page.picture("green")
    page.go(f"{project.address}/assets/trained_artifact?view=partitions&partition=tiny")
    page.wait_for("Materialized", "dagster/row_count", "loss_curve/tiny", "training_seconds")
    page.picture("trained_artifact")
    page.go(f"{project.address}/assets/raw_tables?view=checks")
    page.wait_for("non_empty", "declared_schema", "primary_key")
    page.picture("checks")
    page.go(f"{project.address}/assets/quality_report?view=partitions&partition=tiny")
    told = page.wait_for("fidelity", "path/report", ".html").splitlines()
    page.picture("quality_report")
    (report,) = {Path(line) for line in told if line.startswith("/") and line.endswith(".html")}
    page.go(f"file://{quote(str(report))}")
    page.wait_for("tiny", "size", "kind", "C2ST")
    page.picture("report")


def test_a_backfill_goes_on_past_a_failure_and_only_what_failed_is_repeated(project):  # O35
    page = project.page
    for name in ("first", "second"):
        project.declare(name)
    project.declare("broken", csv=csv_rows() + "r1,2,small\n")
    wait_until(lambda: len(project.partitions()) == 3, seconds=60)
    project.launch("All", "3 partitions", "Launch backfill")
    runs = project.ended(3)
    assert {(dataset, status) for dataset, status, _ in runs} == {
        ("first", "SUCCESS"), ("second", "SUCCESS"), ("broken", "FAILURE"),
    }  # fmt: skip
    (failed,) = (run for _, status, run in runs if status == "FAILURE")
    page.go(f"{project.address}/runs/{failed}")
    page.wait_for("DataError", "primary key")
    page.picture("failed_run")
    project.declare("broken")
    project.launch("Failed", "1 partition", "Launch 1 run")
    assert project.ended(4)[0][:2] == ("broken", "SUCCESS")
    page.go(f"{project.address}/assets/synthetic_tables?view=partitions")
    page.wait_for("Failed (0)", "Materialized (3)")
    page.picture("partitions")


def test_a_training_is_watched_and_cancelled(project):  # O13
    page = project.page
    project.declare("long", csv=csv_rows(rows=20_000), generator=LONG)
    wait_until(lambda: project.partitions() == {"long"}, seconds=60)
    project.launch("All", "1 partition", "Launch 1 run")
    wait_until(lambda: bool(project.runs()))
    ((_, _, run),) = project.runs()
    page.go(f"{project.address}/runs/{run}")
    page.wait_for("epoch", seconds=180)
    page.picture("training")
    page.click("Terminate")
    page.picture("terminate")
    page.click("Terminate 1 run")
    began = time.monotonic()
    wait_until(lambda: project.runs()[0][1] == "CANCELED", seconds=60)
    assert time.monotonic() - began < 5 * 3, "three times the promise, for a busy machine"
    page.picture("cancelled")
