"""What happens by the clock, and after a failure: schedules, ages, alerts."""

from __future__ import annotations

import datetime as dt
import http.server
import json
import socketserver
import threading
import time
from contextlib import contextmanager

import dagster as dg
import pytest

from argn_assets.datasets import Catalogue
from argn_assets.errors import ConfigError
from argn_assets.orchestration.ages import age_evaluations
from argn_assets.orchestration.alerts import RunFailure, run_failure, send_everywhere
from argn_assets.orchestration.environment import retrain_tags
from argn_assets.orchestration.resources import CatalogueResource
from argn_assets_tests.dagster_world import CHAIN, World, declaration, definitions, world

__all__ = ["world"]

TICK = dt.datetime(2026, 11, 21, 2, tzinfo=dt.UTC)
FAILURE = RunFailure(
    dataset="tiny", run_id="r1", asset="trained_artifact", message="no", last_loss=1.5, link="http://ui/runs/r1"
)


@pytest.fixture
def kept_world(tmp_path, world):
    """The same world with an instance on disk, which is what a schedule opens."""
    (tmp_path / "kept").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "kept")) as instance:
        yield World(tmp_path, instance)


def requests(world: World, schedule: str) -> tuple[list[dg.RunRequest], str | None]:
    with dg.build_schedule_context(
        instance=world.instance,
        scheduled_execution_time=TICK,
        resources={"catalogue": CatalogueResource()},
        repository_def=definitions().get_repository_def(),
    ) as context:
        data = definitions().resolve_schedule_def(schedule).evaluate_tick(context)
    return list(data.run_requests), data.skip_message


def test_retraining_all_asks_for_one_run_per_data_set(kept_world):  # O34
    for name in ("one", "two"):
        kept_world.declare(name)
    asked, _ = requests(kept_world, "retrain_all")
    assert [request.partition_key for request in asked] == ["one", "two"]
    assert len({request.run_key for request in asked}) == 2
    assert {request.tags["argn/trigger"] for request in asked} == {"schedule"}
    job = definitions().resolve_job_def("retrain")
    assert {key.path[-1] for key in job.asset_layer.selected_asset_keys} >= set(CHAIN)


def test_retraining_goes_by_tag_too(kept_world, monkeypatch):  # O34
    kept_world.declare("gold", yaml=declaration("gold", tags="{tier: gold, team: risk}"))
    kept_world.declare("plain")
    monkeypatch.setenv("ARGN_RETRAIN_TAGS", "tier=gold, team=risk")
    assert [request.partition_key for request in requests(kept_world, "retrain_all")[0]] == ["gold"]
    monkeypatch.setenv("ARGN_RETRAIN_TAGS", "tier=silver")
    asked, reason = requests(kept_world, "retrain_all")
    assert not asked
    assert "silver" in reason
    monkeypatch.setenv("ARGN_RETRAIN_TAGS", "gold")
    with pytest.raises(ConfigError, match=r"ARGN_RETRAIN_TAGS.*'gold'.*name=value"):
        retrain_tags()


def test_the_scheduled_collection_is_a_dry_run_unless_the_environment_says_otherwise(world, monkeypatch):  # O34
    def force() -> bool:
        ((request,), _) = requests(world, "collect_store_weekly")
        return request.run_config["ops"]["collect_artifacts"]["config"]["force"]

    assert force() is False
    monkeypatch.setenv("ARGN_COLLECT", "1")
    assert force() is True


def test_nothing_ticks_by_itself_without_the_automation():  # O30, O34
    schedules = definitions().schedules
    assert {schedule.name for schedule in schedules} == {"retrain_all", "collect_store_weekly", "check_ages_daily"}
    assert {schedule.default_status for schedule in schedules} == {dg.DefaultScheduleStatus.STOPPED}


def aged(world: World, *, days: float) -> dict[str, bool]:
    found = age_evaluations(world.instance, Catalogue(), now=time.time() + days * 86_400)
    return {evaluation.partition: evaluation.passed for evaluation in found}


def made(world: World, dataset: str) -> None:
    world.instance.report_runless_asset_event(dg.AssetMaterialization("synthetic_tables", partition=dataset))


def test_each_data_set_says_how_old_its_synthetic_tables_may_be(world):  # O20, O34
    world.declare("quick", yaml=declaration("quick", max_age_days="2"))
    world.declare("slow")
    world.declare("never_made")
    for name in ("quick", "slow"):
        made(world, name)
    assert aged(world, days=1) == {"quick": True, "slow": True}
    assert aged(world, days=3) == {"quick": False, "slow": True}
    assert aged(world, days=9) == {"quick": False, "slow": False}


def test_the_job_answers_the_age_check_of_every_data_set(world):  # O20, O34
    world.declare("tiny")
    made(world, "tiny")
    assert len(requests(world, "check_ages_daily")[0]) == 1
    for _ in range(2):  # of two days
        assert definitions().resolve_job_def("check_ages").execute_in_process(instance=world.instance).success
    key = dg.AssetCheckKey(dg.AssetKey("synthetic_tables"), "age")
    records = world.instance.event_log_storage.get_asset_check_execution_history(key, limit=5)
    assert [record.partition for record in records] == ["tiny", "tiny"]
    assert all(record.event.dagster_event.asset_check_evaluation_data.passed for record in records)


@contextmanager
def webhook(status: int = 200):
    """Serve a real address that remembers what is posted to it."""
    heard: list[dict[str, object]] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(status)
            self.end_headers()

        def log_message(self, *words: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/hook-with-a-secret", heard
        server.shutdown()


@contextmanager
def mail_server():
    """Serve enough of SMTP to take an e-mail."""
    heard: list[str] = []

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            self.wfile.write(b"220 here\r\n")
            while line := self.rfile.readline().decode().strip():
                if line.upper() == "DATA":
                    self.wfile.write(b"354 go on\r\n")
                    while (text := self.rfile.readline().decode()) != ".\r\n":
                        heard.append(text.rstrip())
                heard.append(line)
                self.wfile.write(b"221 bye\r\n" if line.upper() == "QUIT" else b"250 ok\r\n")

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"smtp://127.0.0.1:{server.server_address[1]}", heard
        server.shutdown()


def failed_run(world: World, dataset: str = "tiny") -> dg.ExecuteInProcessResult:
    world.declare(dataset, csv="id,size,kind\n")
    result = world.run(dataset)
    assert not result.success
    return result


def alarm(world: World, result: dg.ExecuteInProcessResult) -> None:
    """Let the failure sensor hear of a run."""
    context = dg.build_run_status_sensor_context(
        sensor_name="failed_runs",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=world.instance,
        dagster_run=result.dagster_run,
        resources={"store": definitions().resources["store"]},
    ).for_run_failure()
    definitions().resolve_sensor_def("failed_runs")(context)


def test_a_failed_run_is_told_with_data_set_link_and_reason(world, monkeypatch):  # O34
    with webhook() as (url, heard):
        monkeypatch.setenv("ARGN_ALERT_WEBHOOK", url)
        monkeypatch.setenv("ARGN_UI_URL", "https://argn.example.org/")
        result = failed_run(world)
        alarm(world, result)
    (told,) = heard
    assert (told["dataset"], told["asset"], told["run_id"]) == ("tiny", "raw_tables", result.run_id)
    assert told["link"] == f"https://argn.example.org/runs/{result.run_id}"
    for part in ("tiny failed at raw_tables", "no rows", told["link"]):
        assert part in told["text"], told["text"]


def test_the_last_loss_of_the_training_is_told(world):  # O34
    result = failed_run(world)
    for loss in (3.0, 2.5):
        event = dg.AssetObservation(
            "trained_artifact", partition="tiny", metadata={"table": "tiny", "train/validation_loss": loss}
        )
        world.observed(result.dagster_run, event)
    failure = run_failure(world.instance, result.dagster_run, result.get_run_failure_event())
    assert failure.last_loss == 2.5
    assert "Last loss: 2.5000." in failure.text


def test_an_e_mail_is_sent_where_addresses_are_named(monkeypatch):  # O34
    with mail_server() as (server, heard):
        monkeypatch.setenv("ARGN_ALERT_EMAIL", "a@example.org,b@example.org")
        monkeypatch.setenv("ARGN_SMTP", server)
        send_everywhere(FAILURE)
    mail = "\n".join(heard)
    for part in ("Subject: tiny failed", "rcpt TO:<b@example.org>", "http://ui/runs/r1", "1.5000"):
        assert part in mail, mail


def test_a_place_that_does_not_take_it_is_named_without_its_secret_and_the_others_are_tried(monkeypatch):  # O34
    with webhook(status=500) as (url, _), mail_server() as (server, heard):
        monkeypatch.setenv("ARGN_ALERT_WEBHOOK", url)
        monkeypatch.setenv("ARGN_ALERT_EMAIL", "a@example.org")
        monkeypatch.setenv("ARGN_SMTP", server)
        with pytest.raises(ConfigError, match=r"ARGN_ALERT_WEBHOOK.*500") as refused:
            send_everywhere(FAILURE)
    assert "secret" not in str(refused.value)
    assert any("tiny failed" in line for line in heard)


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [("ARGN_ALERT_WEBHOOK", "file:///etc/passwd", "https://"), ("ARGN_ALERT_EMAIL", "a@example.org", "ARGN_SMTP")],
)
def test_a_place_that_makes_no_sense_is_explained(monkeypatch, variable, value, said):
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=said):
        send_everywhere(FAILURE)


def test_the_failure_sensor_is_on():  # O34
    assert definitions().resolve_sensor_def("failed_runs").default_status == dg.DefaultSensorStatus.RUNNING
