"""The definitions: every asset is fully described, the sensor follows the catalogue, the commands load them."""

from __future__ import annotations

import warnings
from pathlib import Path

import dagster as dg
import pytest
import yaml

from argn_assets.errors import ConfigError
from argn_assets.orchestration.checks import CHECKS
from argn_assets.orchestration.environment import chosen_executor
from argn_assets.orchestration.partitions import DATASETS
from argn_assets.orchestration.resources import CatalogueResource
from argn_assets.orchestration.stages import RUN_ASSETS, STAGES
from argn_assets_tests.dagster_world import CHAIN, declaration, definitions, failure, world

__all__ = ["world"]

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.asset)
def test_every_asset_is_fully_described(stage):  # O12
    asset = definitions().resolve_assets_def(stage.asset)
    spec = asset.get_asset_spec(dg.AssetKey(stage.asset))
    assert spec.description.endswith(".")
    assert spec.group_name == "synthesis"
    assert 1 <= len(spec.kinds) <= 3
    assert spec.owners
    assert spec.tags["argn/stage"] == str(stage.index)
    assert spec.code_version == stage.code_version
    assert spec.partitions_def == DATASETS


def test_the_chain_is_the_chain_of_the_specification():
    graph = definitions().resolve_asset_graph()
    parents = {key.path[-1]: {p.path[-1] for p in graph.get(key).parent_keys} for key in graph.get_all_asset_keys()}
    assert parents == {
        "source": set(),
        "raw_tables": {"source"},
        "table_stats": {"raw_tables"},
        "encoded_tables": {"raw_tables", "table_stats"},
        "trained_artifact": {"table_stats", "encoded_tables"},
        "synthetic_tables": {"trained_artifact"},
        "quality_report": {"raw_tables", "encoded_tables", "synthetic_tables"},
        "exported_tables": {"synthetic_tables", "quality_report"},
        "overview": set(RUN_ASSETS),
    }
    assert graph.materializable_asset_keys == {dg.AssetKey(asset) for asset in (*RUN_ASSETS, "overview")}
    assert set(CHAIN) < set(RUN_ASSETS)


def test_every_check_is_partitioned_like_its_asset():  # O20
    graph = definitions().resolve_asset_graph()
    assert {(key.asset_key.path[-1], key.name) for key in graph.asset_check_keys} == {
        (check.stage.asset, check.name) for check in CHECKS
    }
    for key in graph.asset_check_keys:
        assert graph.get(key).partitions_def == DATASETS
        assert graph.get(key).description


def test_the_definitions_are_valid_and_load_without_a_warning_of_ours():  # O40, O41
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("error", category=UserWarning)
        dg.Definitions.validate_loadable(definitions())
    assert not [warning for warning in seen if "argn_assets" in str(warning.filename)]


def test_only_one_training_runs_at_a_time():  # O42
    assert definitions().resolve_assets_def("trained_artifact").op.pool == "trainer"


def test_the_executor_is_chosen_by_the_environment(monkeypatch):  # O42
    assert chosen_executor().name == "in_process"
    monkeypatch.setenv("ARGN_EXECUTOR", "multiprocess")
    assert chosen_executor().name == "multiprocess"
    monkeypatch.setenv("ARGN_EXECUTOR", "cluster")
    with pytest.raises(ConfigError, match=r"'cluster'.*in_process or multiprocess"):
        chosen_executor()


def evaluate(world) -> dg.SensorResult:
    sensor = definitions().resolve_sensor_def("catalogue_sync")
    resources = {"catalogue": CatalogueResource()}
    with dg.build_sensor_context(instance=world.instance, resources=resources) as context:
        return sensor.evaluate_tick(context)


def test_the_sensor_is_on_and_looks_twice_a_minute():  # O2
    sensor = definitions().resolve_sensor_def("catalogue_sync")
    assert sensor.default_status == dg.DefaultSensorStatus.RUNNING
    assert sensor.minimum_interval_seconds <= 60


def test_a_new_file_becomes_a_partition_and_a_broken_one_is_reported(world):  # O2
    world.declare("known")
    (world.catalogue / "fresh.yaml").write_text(declaration("fresh"))
    (world.catalogue / "broken.yaml").write_text("dataset: broken\ntables: 3\n")
    tick = evaluate(world)
    (request,) = tick.dynamic_partitions_requests
    assert request.partition_keys == ["fresh"]
    assert "1 new: fresh" in tick.skip_message
    assert "broken.yaml" in tick.skip_message


def test_an_unreadable_catalogue_is_a_reason_and_not_a_crash(world):
    tick = evaluate(world)
    assert not tick.dynamic_partitions_requests
    assert "datasets" in tick.skip_message


def test_a_partition_without_a_file_fails_with_the_file_that_should_be_there(world):  # O2
    world.declare("tiny")
    world.instance.add_dynamic_partitions("dataset", ["stranger"])
    step, message = failure(world.run("stranger"))
    assert step == "raw_tables"
    assert "stranger.yaml" in message
    assert str(world.catalogue) in message


def test_a_broken_data_set_does_not_stop_another(world):
    world.declare("broken", csv="")
    world.declare("tiny")
    assert not world.run("broken").success
    assert world.run("tiny").success


def test_the_instance_keeps_its_state_in_the_project_and_limits_what_runs():  # O40, O42
    settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
    assert settings["storage"]["sqlite"]["base_dir"].startswith(".argn/")
    assert settings["telemetry"] == {"enabled": False}
    assert settings["nux"] == {"enabled": False}
    runs, pools = settings["concurrency"]["runs"], settings["concurrency"]["pools"]
    (per_dataset,) = runs["tag_concurrency_limits"]
    assert per_dataset == {"key": "dagster/partition", "value": {"applyLimitPerUniqueValue": True}, "limit": 1}
    assert pools["default_limit"] == 1
    assert settings["run_monitoring"]["enabled"]
    assert settings["run_monitoring"]["free_slots_after_run_end_seconds"] > 0


def test_dagster_accepts_the_settings(tmp_path, monkeypatch):
    (tmp_path / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        instance.add_dynamic_partitions("dataset", ["kept"])
    with dg.DagsterInstance.from_config(str(tmp_path)) as again:
        assert again.get_dynamic_partitions("dataset") == ["kept"]
    assert {path.name for path in tmp_path.iterdir()} == {"dagster.yaml", ".argn"}
