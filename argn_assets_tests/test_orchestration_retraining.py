"""What a training follows: the next seed, the last artifact, and what makes it unnecessary."""

from __future__ import annotations

import re

import dagster as dg
import pytest

from argn_assets_tests.dagster_world import CHAIN, caches, csv_rows, declaration, told, versions, world

__all__ = ["world"]

TRAINED = CHAIN[:4]
ANOTHER_SEED = {"trained_artifact": {"seed": 5}}  # of the training alone, so statistics and codes stay


def trained(world, **fields: str) -> dict[str, object]:
    """Run the chain up to the artifact and return what is told about it."""
    (world.catalogue / "tiny.yaml").write_text(declaration("tiny", **fields))
    result = world.run("tiny", TRAINED)
    assert result.success
    return told(result)["trained_artifact"]


def test_changes_that_reach_neither_stats_nor_codes_end_before_the_training(world):  # O31
    yaml = declaration("tiny").replace("primary_key: id", "columns: {id: {role: drop}}")
    world.declare("tiny", yaml=yaml)
    first = world.run("tiny", CHAIN)
    assert first.success
    (world.catalogue / "tiny.csv").write_text(csv_rows().replace("r3,", "other,"))
    second = world.run("tiny", CHAIN)
    assert caches(second)["raw_tables"] == "miss"
    assert {caches(second)[asset] for asset in ("trained_artifact", "synthetic_tables")} == {"hit"}
    for asset in ("table_stats", "encoded_tables", "trained_artifact", "synthetic_tables"):
        assert versions(second)[asset] == versions(first)[asset]


def test_always_trains_with_the_next_seed_though_nothing_changed(world):  # O30
    world.declare("tiny")
    seen = [trained(world, retrain="{always: true}", seed="7") for _ in range(3)]
    assert [it["seed"] for it in seen] == [7, 8, 9]
    assert [it["cache"] for it in seen] == ["miss"] * 3
    assert len({it["digest"] for it in seen}) == 3


def test_a_training_of_a_failed_run_is_not_repeated_where_every_run_trains(world):  # O30, O35
    world.declare("tiny")
    (world.catalogue / "tiny.yaml").write_text(declaration("tiny", retrain="{always: true}"))
    assert world.run("tiny", TRAINED).success
    world.instance.report_run_failed(world.instance.get_runs(limit=1)[0])
    again = world.run("tiny", TRAINED)
    assert (told(again)["trained_artifact"]["seed"], caches(again)["trained_artifact"]) == (0, "hit")


def test_a_seed_from_the_launchpad_stands_where_every_run_trains(world):  # O14, O30
    world.declare("tiny")
    trained(world, retrain="{always: true}")
    result = world.run("tiny", ["trained_artifact"], ANOTHER_SEED)
    assert told(result)["trained_artifact"]["seed"] == 5


def test_a_warm_start_goes_on_from_the_last_artifact_and_says_so(world):  # O33
    world.declare("tiny")
    first = trained(world, retrain="{warm_start: true}")
    assert "started_from" not in first
    second = told(world.run("tiny", ["trained_artifact"], ANOTHER_SEED))["trained_artifact"]
    assert (second["cache"], second["started_from"]) == ("miss", first["digest"])
    assert second["warm_start/tiny"] == "yes"
    trained(world)
    cold = told(world.run("tiny", ["trained_artifact"], ANOTHER_SEED))["trained_artifact"]
    assert "started_from" not in cold
    assert cold["digest"] != second["digest"]


def test_nothing_is_trained_where_nothing_changed_since_a_warm_start(world):  # O11, O33
    world.declare("tiny")
    trained(world, retrain="{warm_start: true}")
    second = told(world.run("tiny", ["trained_artifact"], ANOTHER_SEED))["trained_artifact"]
    for _ in range(2):
        again = told(world.run("tiny", TRAINED, ANOTHER_SEED))["trained_artifact"]
        assert (again["cache"], again["digest"]) == ("hit", second["digest"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            {"generator": "{model_size: M, max_epochs: 1, max_training_time: 0.5}"},
            "no: .* model_size is S, and M is asked for",
        ),
        (
            {"tables": "{tiny: {source: tiny.csv, primary_key: id, columns: {kind: {role: drop}}}}"},
            r"yes, but for columns that differ: kind \(gone\)",
        ),
    ],
    ids=["another size", "a column less"],
)
def test_a_warm_start_in_another_network_says_what_could_not_go_on(world, change, said):  # O33
    world.declare("tiny")
    trained(world, retrain="{warm_start: true}")
    yaml = declaration("tiny", retrain="{warm_start: true}")
    field, text = next(iter(change.items()))
    lines = [line for line in yaml.splitlines() if not line.startswith(f"{field}:")]
    (world.catalogue / "tiny.yaml").write_text("\n".join([*lines, f"{field}: {text}"]))
    result = world.run("tiny", TRAINED)
    assert result.success
    assert re.match(said, told(result)["trained_artifact"]["warm_start/tiny"])


def test_a_warm_start_on_grown_data_says_what_is_new(world):  # O33
    world.declare("tiny")
    trained(world, retrain="{warm_start: true}")
    (world.catalogue / "tiny.csv").write_text(csv_rows().replace("7,small", "7,tiny"))
    again = trained(world, retrain="{warm_start: true}")
    assert again["warm_start/tiny"].startswith("yes, but for codes that are new: kind.value (1)")


def test_always_and_warm_start_go_together(world):  # O30, O33
    world.declare("tiny")
    seen = [trained(world, retrain="{always: true, warm_start: true}") for _ in range(3)]
    assert [it["seed"] for it in seen] == [0, 1, 2]
    assert [it.get("started_from") for it in seen] == [None, seen[0]["digest"], seen[1]["digest"]]


def test_a_last_artifact_that_is_gone_is_said_and_the_training_begins_anew(world):  # O33
    world.declare("tiny")
    trained(world, retrain="{warm_start: true}")
    for blob in world.blobs:
        if blob.suffix == ".argn":
            blob.unlink()
    second = told(world.run("tiny", ["trained_artifact"], ANOTHER_SEED))["trained_artifact"]
    assert second["warm_start/tiny"].startswith("no: the last artifact cannot be read")


def test_the_log_decides_what_was_trained_last(world):  # O10
    from argn_assets.orchestration.retraining import last_training

    world.declare("tiny")
    assert last_training(world.instance, "tiny") is None
    first = trained(world)
    last = last_training(world.instance, "tiny")
    assert (last.digest, last.seed, last.started_from, last.completed) == (first["digest"], 0, None, True)
    world.instance.report_runless_asset_event(dg.AssetMaterialization("trained_artifact", partition="other"))
    assert last_training(world.instance, "other") is None
