"""On change, or weekly at the latest, per data set: the table of O30, through Dagster's own evaluation."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field
from typing import Any

import dagster as dg
import pytest

from argn_assets.orchestration.resources import CatalogueResource
from argn_assets.orchestration.source_versions import READ_FROM, observation
from argn_assets_tests.dagster_world import CHAIN, World, caches, csv_rows, declaration, definitions, world

__all__ = ["world"]

RAW = dg.AssetKey("raw_tables")


@dataclass
class Automated:
    """A world in which the sensors and conditions are asked, as the daemon would; the clock is the test's."""

    world: World
    now: dt.datetime = field(default_factory=lambda: dt.datetime.now(dt.UTC))
    cursor: Any = None
    watched: str | None = None

    def watch(self) -> dg.SensorResult:
        """Let the sensor look at the sources, and record what it saw."""
        sensor = definitions().resolve_sensor_def("source_watch")
        resources = {"catalogue": CatalogueResource()}
        with dg.build_sensor_context(self.world.instance, cursor=self.watched, resources=resources) as context:
            result = sensor(context)
        for event in result.asset_events:
            self.world.instance.report_runless_asset_event(event)
        self.watched = result.cursor
        return result

    def tick(self, *, days: float = 0) -> set[str]:
        """Watch, evaluate all conditions once, and return the data sets that are asked for."""
        self.watch()
        return self.evaluate(days=days)

    def evaluate(self, *, days: float = 0) -> set[str]:
        self.now += dt.timedelta(days=days, minutes=1)
        result = dg.evaluate_automation_conditions(
            definitions(), self.world.instance, evaluation_time=self.now, cursor=self.cursor
        )
        self.cursor = result.cursor
        asked = [result.get_requested_partitions(dg.AssetKey(asset)) for asset in CHAIN]
        assert all(one == asked[0] for one in asked), "the whole chain is asked for, or none of it"
        return {str(name) for name in asked[0]}

    def run(self, dataset: str) -> dg.ExecuteInProcessResult:
        return self.world.run(dataset, ["raw_tables"], tags={"argn/trigger": "automation"})

    def settled(self, *datasets: str) -> Automated:
        """Return after the first load of data sets went well and nothing more is asked for."""
        assert self.tick() == set(datasets)
        for dataset in datasets:
            assert self.run(dataset).success
        assert self.tick() == set()
        return self


@pytest.fixture
def automated(world):
    return Automated(world)


def change(world: World, dataset: str, seed: int = 1) -> None:
    (world.catalogue / f"{dataset}.csv").write_text(csv_rows(seed=seed))


def test_a_first_load_is_asked_for_once(automated):  # O30
    automated.world.declare("tiny")
    assert automated.tick() == {"tiny"}
    assert automated.tick() == set()


def test_the_same_content_asks_for_nothing(automated):  # O30
    automated.world.declare("tiny")
    automated.settled("tiny")
    change(automated.world, "tiny", seed=0)  # written again, with the content it has
    assert automated.watch().asset_events == []
    assert automated.tick() == set()


def test_new_content_asks_for_that_data_set_once(automated):  # O30
    for name in ("still", "tiny"):
        automated.world.declare(name)
    automated.settled("still", "tiny")
    change(automated.world, "tiny")
    assert automated.tick() == {"tiny"}
    assert automated.tick() == set()
    assert automated.run("tiny").success
    assert automated.tick() == set()


def test_two_data_sets_change_at_once(automated):  # O30
    for name in ("one", "two"):
        automated.world.declare(name)
    automated.settled("one", "two")
    for name in ("one", "two"):
        change(automated.world, name)
    assert automated.tick() == {"one", "two"}
    assert automated.tick() == set()


def test_a_failed_run_is_asked_for_again_exactly_once(automated):  # O30
    automated.world.declare("tiny")
    automated.settled("tiny")
    for seed in (1, 2):  # once for every change
        (automated.world.catalogue / "tiny.csv").write_text(csv_rows(seed=seed).replace("r3,", "r2,"))  # a key twice
        assert automated.tick() == {"tiny"}
        assert not automated.run("tiny").success
        assert automated.tick() == {"tiny"}
        assert not automated.run("tiny").success
        assert automated.tick() == set()
        assert automated.tick() == set()


def test_a_failed_first_load_is_asked_for_again_exactly_once(automated):  # O30
    automated.world.declare("tiny", csv="id,size,kind\n")
    assert automated.tick() == {"tiny"}
    assert not automated.run("tiny").success
    assert automated.tick() == {"tiny"}
    assert not automated.run("tiny").success
    assert [automated.tick(), automated.tick()] == [set(), set()]


def test_a_source_that_is_mended_after_a_failed_first_load_is_asked_for(automated):  # O30
    automated.world.declare("tiny", csv="id,size,kind\n")
    for _ in range(2):
        assert automated.tick() == {"tiny"}
        assert not automated.run("tiny").success
    assert automated.tick() == set()
    change(automated.world, "tiny")
    assert automated.tick() == {"tiny"}
    assert automated.run("tiny").success
    assert automated.tick() == set()


def test_a_source_that_was_absent_at_the_first_load_is_asked_for_once_it_is_there(automated):  # O30
    automated.world.declare("still")
    automated.settled("still")
    automated.world.declare("tiny")
    (automated.world.catalogue / "tiny.csv").unlink()
    for _ in range(2):
        assert automated.tick() == {"tiny"}
        assert not automated.run("tiny").success
    assert automated.tick() == set()
    change(automated.world, "tiny")
    assert automated.tick() == {"tiny"}
    assert automated.tick() == set()


def test_an_event_that_a_person_reported_does_not_hide_what_was_read(automated):  # O30
    for name in ("still", "tiny"):
        automated.world.declare(name)
    automated.settled("still", "tiny")
    automated.world.instance.report_runless_asset_event(dg.AssetMaterialization(RAW, partition="tiny"))
    assert automated.tick() == set()
    change(automated.world, "tiny")
    assert automated.tick() == {"tiny"}


def test_the_first_tick_asks_the_log_as_often_for_many_data_sets_as_for_one(automated, monkeypatch):  # O45
    instance, asked = automated.world.instance, []
    for name in [f"set{number}" for number in range(30)]:
        automated.world.declare(name)
        instance.report_runless_asset_event(observation(name, "v1"))
        made = dg.AssetMaterialization(RAW, partition=name, metadata={READ_FROM: "v1"})
        instance.report_runless_asset_event(made)
    fetch = instance.fetch_materializations
    monkeypatch.setattr(instance, "fetch_materializations", lambda *a, **k: asked.append(a) or fetch(*a, **k))
    assert automated.evaluate() == set()
    assert 0 < len(asked) < 10


def test_a_week_later_every_data_set_is_looked_at_again(automated):  # O30
    automated.world.declare("tiny")
    automated.settled("tiny")
    assert automated.tick(days=7) == {"tiny"}
    assert automated.tick() == set()
    assert automated.run("tiny").success
    assert automated.tick() == set()
    assert automated.tick(days=7) == {"tiny"}


@pytest.mark.parametrize(
    ("at_latest", "days"), [("daily", 1), ("weekly", 7), ("monthly", 31), ("never", None)], ids=str
)
def test_each_data_set_says_how_long_at_the_latest(automated, at_latest, days):  # O30
    automated.world.declare("tiny", yaml=declaration("tiny", retrain=f"{{at_latest: {at_latest}}}"))
    automated.settled("tiny")
    assert automated.tick(days=days or 400) == ({"tiny"} if days else set())


def test_a_change_does_not_matter_where_the_declaration_says_so(automated):  # O30
    automated.world.declare("tiny", yaml=declaration("tiny", retrain="{on_change: false}"))
    automated.settled("tiny")
    change(automated.world, "tiny")
    assert automated.tick() == set()
    assert automated.tick(days=7) == {"tiny"}


def test_a_deleted_data_set_is_never_asked_for_again(automated):  # O30
    for name in ("gone", "tiny"):
        automated.world.declare(name)
    automated.settled("gone", "tiny")
    change(automated.world, "gone")
    (automated.world.catalogue / "gone.yaml").unlink()
    assert automated.tick(days=7) == {"tiny"}
    automated.world.instance.delete_dynamic_partition("dataset", "gone")
    assert automated.tick() == set()
    assert automated.tick(days=7) == {"tiny"}


def test_a_change_while_a_run_is_in_progress_is_asked_for_after_it(automated):  # O30
    automated.world.declare("tiny")
    automated.settled("tiny")
    change(automated.world, "tiny", seed=1)
    automated.watch()
    change(automated.world, "tiny", seed=2)
    run = automated.world.started("tiny")
    assert automated.tick() == set()
    automated.world.instance.report_run_canceled(run)
    assert automated.tick() == {"tiny"}


def test_content_that_changed_back_before_it_was_read_asks_for_nothing(automated):
    automated.world.declare("tiny")
    automated.settled("tiny")
    change(automated.world, "tiny", seed=1)
    automated.watch()
    change(automated.world, "tiny", seed=0)
    assert automated.tick() == set()


def test_what_changed_while_the_automation_was_off_is_asked_for_when_it_begins(automated):
    automated.world.declare("tiny")
    automated.settled("tiny")
    change(automated.world, "tiny")
    automated.cursor = None
    assert automated.tick() == {"tiny"}


def test_a_tick_reads_the_source_again_and_confirms_equal_content(automated):  # O30
    automated.world.declare("tiny")
    automated.settled("tiny")
    (automated.world.catalogue / "tiny.csv").touch()
    result = automated.run("tiny")
    assert caches(result) == {"raw_tables": "miss"}
    first, second = automated.world.instance.fetch_materializations(RAW, limit=2).records
    versions = [record.asset_materialization.tags["dagster/data_version"] for record in (first, second)]
    assert versions[0] == versions[1]
    assert first.timestamp > second.timestamp


def test_a_person_may_observe_a_source_too(automated):
    automated.world.declare("tiny")
    assert automated.world.run("tiny", ["source"]).success
    assert automated.watch().asset_events == []


def test_a_source_that_cannot_be_reached_does_not_stop_the_others(automated):
    automated.world.declare("gone")
    automated.world.declare("tiny")
    (automated.world.catalogue / "gone.csv").unlink()
    result = automated.watch()
    assert [event.partition for event in result.asset_events] == ["tiny"]
    assert "gone.csv" in result.skip_reason.skip_message


def test_the_tick_fails_where_no_source_can_be_reached(automated):
    automated.world.declare("gone")
    (automated.world.catalogue / "gone.csv").unlink()
    with pytest.raises(Exception, match=r"gone\.csv"):
        automated.watch()


def test_the_automation_is_off_unless_it_is_asked_for(monkeypatch):  # O30
    from argn_assets.errors import ConfigError
    from argn_assets.orchestration.environment import automation_status

    assert automation_status() == dg.DefaultSensorStatus.STOPPED
    monkeypatch.setenv("ARGN_AUTOMATION", "1")
    assert automation_status() == dg.DefaultSensorStatus.RUNNING
    monkeypatch.setenv("ARGN_AUTOMATION", "yes")
    with pytest.raises(ConfigError, match=r"'yes'.*1, for on"):
        automation_status()


def test_the_automation_asks_for_one_run_per_data_set(automated):  # O31
    for name in ("one", "two"):
        automated.world.declare(name)
    automated.watch()
    sensor = definitions().resolve_sensor_def("automation")
    repository = definitions().get_repository_def()
    with dg.build_sensor_context(automated.world.instance, repository_def=repository) as context:
        result = sensor.evaluate_tick(context)
    assert {request.partition_key for request in result.run_requests} == {"one", "two"}
    for request in result.run_requests:
        assert {key.path[-1] for key in request.asset_selection} >= set(CHAIN)
        assert request.tags["argn/trigger"] == "automation"
