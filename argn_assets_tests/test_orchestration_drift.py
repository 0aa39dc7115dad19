"""Retraining only on drift: new rows are scored under the current artifact, and the score is recorded either way."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.events import RunFailureReason
from dagster._core.execution.retries import auto_reexecution_should_retry_run

from argn_assets_tests.dagster_world import CHAIN, csv_rows, declaration, definitions, world
from argn_assets_tests.test_orchestration_automation import Automated

__all__ = ["world"]

ROOT = Path(__file__).parent.parent
GENERATOR = "{model_size: S, max_epochs: 20, max_training_time: 0.5}"


def declared(margin: float) -> str:
    yaml = declaration("tiny", retrain=f"{{only_on_drift: {margin}}}").splitlines()
    lines = [line for line in yaml if not line.startswith("generator")]
    return "\n".join([*lines, f"generator: {GENERATOR}"])


@pytest.fixture
def automated(world):
    """A data set that is trained, and retrained only where rows fall by more than a fifth of a nat."""
    world.declare("tiny", csv=csv_rows(400), yaml=declared(0.2))
    automated = Automated(world)
    assert automated.tick() == {"tiny"}
    assert world.run("tiny", CHAIN[:4]).success
    assert automated.tick() == set()
    return automated


def score(automated: Automated) -> dict[str, object]:
    """Let the sensor ask for the score, run it as the daemon would, and return what was recorded."""
    result = automated.watch()
    (request,) = result.run_requests
    assert not result.asset_events
    job = definitions().resolve_job_def("score_drift")
    done = job.execute_in_process(
        instance=automated.world.instance, partition_key=request.partition_key, resources=definitions().resources
    )
    assert done.success
    key = dg.AssetRecordsFilter(asset_key=dg.AssetKey("trained_artifact"), asset_partitions=["tiny"])
    told = automated.world.instance.fetch_observations(key, limit=1).records[0].asset_observation.metadata
    return {name: value.value for name, value in told.items()}


def append(automated: Automated, rows: list[str]) -> None:
    with (automated.world.catalogue / "tiny.csv").open("a") as file:
        file.writelines(f"{row}\n" for row in rows)


def test_rows_like_those_before_are_scored_and_ask_for_nothing(automated):  # O32
    append(automated, [f"n{line}" for line in csv_rows(200, seed=9).splitlines()[1:]])
    told = score(automated)
    assert told["drift/new_rows/tiny"] == 200
    assert abs(told["drift/fall/tiny"]) < 0.2
    assert not told["drift/retraining"]
    assert automated.evaluate() == set()


def test_rows_that_the_artifact_finds_unlikely_ask_for_retraining(automated):  # O32
    # Sizes that were there, with the kind that never went with them.
    append(automated, [f"n{row},{1 + row % 20},large" for row in range(200)])
    told = score(automated)
    assert told["drift/fall/tiny"] > 0.2
    assert told["drift/retraining"]
    assert automated.evaluate() == {"tiny"}
    assert automated.evaluate() == set()


@pytest.mark.parametrize("row", ["{},{},large", "{},7,enormous"], ids=["numbers beyond the range", "a new category"])
def test_values_that_the_artifact_cannot_show_ask_for_retraining(automated, row):  # O32
    append(automated, [row.format(f"n{number}", 1000 + number) for number in range(200)])
    told = score(automated)
    assert told["drift/fall/tiny"] > 1
    assert told["drift/retraining"]


def test_rows_that_cannot_be_scored_ask_for_retraining_and_say_why(automated):  # O32
    text = (automated.world.catalogue / "tiny.csv").read_text()
    (automated.world.catalogue / "tiny.csv").write_text(text.replace("kind", "sort", 1))
    told = score(automated)
    assert told["drift/retraining"]
    assert "kind" in told["drift/unscored"]
    assert automated.evaluate() == {"tiny"}


def test_the_same_rows_are_scored_once_under_one_artifact(automated):  # O32
    append(automated, ["n1,3,small"])
    first, second = automated.watch(), automated.watch()
    assert first.run_requests[0].run_key == second.run_requests[0].run_key


def test_a_scoring_that_fails_is_repeated_once(automated):  # O30, O32
    append(automated, ["n1,3,small"])
    (request,) = automated.watch().run_requests
    job = definitions().resolve_job_def("score_drift")
    with dg.DagsterInstance.ephemeral(settings=yaml.safe_load((ROOT / "dagster.yaml").read_text())) as instance:
        assert instance.run_retries_enabled
        failed = [
            instance.create_run_for_job(job, status=dg.DagsterRunStatus.FAILURE, tags=tags)
            for tags in (dict(request.tags), {})
        ]
        repeated = [auto_reexecution_should_retry_run(instance, run, RunFailureReason.STEP_FAILURE) for run in failed]
    assert repeated == [True, False], "a step that fails is not repeated unless the request says so"
    assert request.tags["dagster/max_retries"] == "1"


def test_a_data_set_without_an_artifact_is_trained_and_not_scored(world):  # O30, O32
    world.declare("tiny", yaml=declared(0.2))
    automated = Automated(world)
    assert not automated.watch().run_requests
    assert automated.evaluate() == {"tiny"}
