"""The production profile against a real PostgreSQL (O43)."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

from argn_assets_tests.dagster_world import CHAIN, LIGHT, World, csv_rows, declaration, told
from argn_assets_tests.postgres_world import postgres

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "how-to" / "deploy.md"


def command(name: str) -> str:
    return str(Path(sys.executable).with_name(name))


@pytest.fixture(scope="module")
def database():
    with postgres() as environment:
        yield environment


@pytest.fixture
def home(tmp_path, database, monkeypatch):
    """A folder with a copy of `deploy/`, the environment that its page asks for, and one small data set."""
    shutil.copytree(ROOT / "deploy", tmp_path / "deploy")
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "tiny.csv").write_text(csv_rows())
    (tmp_path / "datasets" / "tiny.yaml").write_text(declaration("tiny"))
    monkeypatch.chdir(tmp_path)
    places = {
        "DAGSTER_HOME": str(tmp_path / "deploy"),
        "ARGN_CODE_SERVER": "localhost",
        "ARGN_DATASETS": str(tmp_path / "datasets"),
        "ARGN_STORE": str(tmp_path / "store"),
    }
    for name, value in {**database, **places}.items():
        monkeypatch.setenv(name, value)
    return tmp_path


def test_the_limits_are_those_of_the_project():
    project, deployed = (yaml.safe_load((ROOT / name).read_text()) for name in ("dagster.yaml", "deploy/dagster.yaml"))
    assert project.pop("storage") != deployed.pop("storage")
    assert project == deployed


def test_runs_events_and_partitions_are_stored_and_read_back(home):
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("dataset", ["tiny", "dropped"])
        instance.delete_dynamic_partition("dataset", "dropped")
        result = World(home, instance).run("tiny", LIGHT)
        assert result.success
    with dg.DagsterInstance.get() as again:
        assert "dagster_postgres" in type(again.event_log_storage).__module__
        assert again.has_dynamic_partition("dataset", "tiny")
        assert not again.has_dynamic_partition("dataset", "dropped")
        (run,) = again.get_runs(dg.RunsFilter(tags={"dagster/partition": "tiny"}))
        assert (run.run_id, run.status) == (result.run_id, dg.DagsterRunStatus.SUCCESS)
        events = [event.dagster_event_type for event in again.all_logs(run.run_id) if event.dagster_event_type]
        assert events.count(dg.DagsterEventType.ASSET_MATERIALIZATION) == len(LIGHT)
        stored = {asset: again.get_latest_materialization_event(dg.AssetKey(asset)) for asset in LIGHT}
        digests = {asset: event.asset_materialization.metadata["digest"].value for asset, event in stored.items()}
        assert digests == {asset: metadata["digest"] for asset, metadata in told(result).items()}
        assert set(map(str, again.get_materialized_partitions(dg.AssetKey("encoded_tables")))) == {"tiny"}


def test_the_tables_of_the_database_can_be_migrated(home):
    done = subprocess.run([command("dagster"), "instance", "migrate"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    with dg.DagsterInstance.get() as instance:
        instance.add_dynamic_partitions("dataset", ["later"])
        assert instance.has_dynamic_partition("dataset", "later")


def page_commands() -> list[list[str]]:
    """Return the commands of the three processes, as the page prints them."""
    (block,) = (text for text in re.findall(r"```bash\n(.*?)```", PAGE.read_text(), re.S) if "code-server" in text)
    return [shlex.split(line) for line in block.splitlines()]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture
def deployed(home):
    """The three processes of the page, each on a port that is free here; gives the address of the webserver."""
    ports = {"4000": str(free_port()), "3000": str(free_port())}
    workspace = home / "deploy" / "workspace.yaml"
    workspace.write_text(workspace.read_text().replace("4000", ports["4000"]))
    processes = []
    with (home / "processes.log").open("wb") as log:
        for name, *words in page_commands():
            line = [command(name), *(ports.get(word, word) for word in words)]
            processes.append(subprocess.Popen(line, cwd=home, stdout=log, stderr=log))
            if "code-server" in words:
                wait_for(lambda: socket.create_connection(("localhost", int(ports["4000"])), 1).close() or True, home)
    try:
        address = f"http://localhost:{ports['3000']}"
        wait_for(lambda: urllib.request.urlopen(f"{address}/server_info", timeout=5).close() or True, home)
        yield address
    finally:
        for process in reversed(processes):
            process.terminate()
        for process in processes:
            process.wait(timeout=60)


def wait_for(done: Any, home: Path, seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while True:
        try:
            if done():
                return
        except OSError:
            pass
        assert time.monotonic() < end, (home / "processes.log").read_text()[-4000:]
        time.sleep(1)


def ask(address: str, query: str, variables: dict[str, Any]) -> Any:
    content = json.dumps({"query": query, "variables": variables}).encode()
    request = urllib.request.Request(f"{address}/graphql", content, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        found = json.loads(answer.read())
    assert "errors" not in found, found
    return found["data"]


BACKFILL = """
mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess { backfillId } ... on PythonError { message }
  }
}
"""


@pytest.mark.slow
def test_the_processes_of_the_page_pick_up_a_file_and_run_a_backfill(deployed, home):
    def partitions() -> list[str]:
        with dg.DagsterInstance.get() as instance:
            return list(instance.get_dynamic_partitions("dataset"))

    def runs() -> list[dg.DagsterRun]:
        with dg.DagsterInstance.get() as instance:
            return list(instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "fresh"})))

    (home / "datasets" / "fresh.yaml").write_text(declaration("fresh", source="tiny.csv"))
    wait_for(lambda: "fresh" in partitions(), home)
    params = {"assetSelection": [{"path": [asset]} for asset in CHAIN], "partitionNames": ["fresh"]}
    answer = ask(deployed, BACKFILL, {"params": params})["launchPartitionBackfill"]
    assert answer["__typename"] == "LaunchBackfillSuccess", answer
    wait_for(lambda: [run.is_finished for run in runs()] == [True], home, seconds=240)
    (run,) = runs()
    assert run.status == dg.DagsterRunStatus.SUCCESS
    with dg.DagsterInstance.get() as instance:
        (sensor,) = (state for state in instance.all_instigator_state() if state.name == "catalogue_sync")
        assert instance.get_ticks(sensor.instigator_origin_id, sensor.selector_id)


def test_the_containers_run_the_commands_of_the_page():
    services = yaml.safe_load((ROOT / "deploy" / "compose.yaml").read_text())["services"]
    run = {name: shlex.split(service["command"]) for name, service in services.items() if "command" in service}
    everywhere = [[word.replace("localhost", "0.0.0.0") for word in words] for words in page_commands()]
    assert sorted(run.values()) == sorted(everywhere)
    for name in run:
        assert services[name]["environment"]["ARGN_AUTOMATION"] == "1"
        assert "healthcheck" in services[name] or services[name]["depends_on"]["code"]["condition"] == "service_healthy"
    assert os.path.samefile(ROOT / "deploy" / services["code"]["build"]["context"], ROOT)
