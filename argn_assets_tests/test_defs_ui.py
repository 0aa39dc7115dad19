"""The real UI in a headless browser (O44, first form): the graph, and one asset's page with its metadata.

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
from pathlib import Path

import pytest

from argn_assets_tests.dagster_world import CHAIN, csv_rows, declaration

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def _command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def ui(tmp_path_factory):
    """A project whose chain was run once, and a webserver over it as workspace.yaml starts it; gives the address."""
    if BROWSER is None:
        pytest.skip("no Chromium on this machine")
    root = tmp_path_factory.mktemp("project")
    for name in ("dagster.yaml", "workspace.yaml"):
        shutil.copy(ROOT / name, root)
    (root / "datasets").mkdir()
    (root / "datasets" / "tiny.csv").write_text(csv_rows())
    (root / "datasets" / "tiny.yaml").write_text(declaration("tiny"))
    subprocess.run([_command("argn"), "backfill", "--all"], cwd=root, check=True, capture_output=True)
    port = _free_port()
    server = subprocess.Popen(
        [_command("dagster-webserver"), "-w", "workspace.yaml", "-h", "127.0.0.1", "-p", str(port)],
        cwd=root,
        env={**os.environ, "DAGSTER_HOME": str(root)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        _wait_for(f"{address}/server_info")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait_for(url: str, seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.5)
    raise AssertionError(f"{url} did not answer within {seconds} s")


def page(url: str, name: str, folder: Path) -> str:
    """Return the text of a page after its scripts ran; keep a picture of it where one is wanted."""
    plain = [
        str(BROWSER), "--headless=new", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder}",
        "--window-size=1600,1200", "--virtual-time-budget=20000",
    ]  # fmt: skip
    pictures = os.environ.get("ARGN_SCREENSHOTS")
    if pictures:
        Path(pictures).mkdir(parents=True, exist_ok=True)
        subprocess.run(
            [*plain, f"--screenshot={pictures}/{name}.png", url], check=True, capture_output=True, timeout=120
        )
    found = subprocess.run([*plain, "--dump-dom", url], check=True, capture_output=True, text=True, timeout=120)
    return found.stdout


def test_the_graph_shows_the_chain(ui, tmp_path):
    text = page(f"{ui}/locations/argn_assets/asset-groups/synthesis/lineage", "graph", tmp_path)
    for asset in CHAIN:
        assert asset in text


def test_an_assets_page_shows_its_metadata(ui, tmp_path):
    text = page(f"{ui}/assets/trained_artifact?view=partitions&partition=tiny", "trained_artifact", tmp_path)
    for told in ("Materialized", "dagster/row_count", "loss_curve/tiny", "training_seconds"):
        assert told in text


def test_the_checks_of_an_asset_are_listed(ui, tmp_path):
    text = page(f"{ui}/assets/raw_tables?view=checks", "checks", tmp_path)
    for check in ("non_empty", "declared_schema", "primary_key"):
        assert check in text
