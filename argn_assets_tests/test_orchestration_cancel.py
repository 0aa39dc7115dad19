"""Cancelling a training and going on with it: by Dagster's signal, by Ctrl-C in a terminal, after a kill (O13, E35)."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import dagster as dg
import pytest

from argn_assets.orchestration import trainings
from argn_assets.orchestration.progress import StageNews, listening
from argn_assets.orchestration.trainings import SAVE_GAP_SECONDS, TrainingsOfAction
from argn_assets.store import ArtifactStore
from argn_assets_tests.dagster_world import (
    CHAIN,
    caches,
    csv_rows,
    declaration,
    failure,
    told,
    versions,
    world,
)

__all__ = ["world"]

ROOT = Path(__file__).parent.parent
EPOCHS = 6
LONG = "{model_size: S, max_epochs: 6}"
TRAINING = CHAIN[:4]


def long_declaration(name: str = "tiny", **fields: str) -> str:
    text = declaration(name, **fields)
    return text.replace("{model_size: S, max_epochs: 1, max_training_time: 0.5}", LONG)


class Canceller:
    """Cancels the run as Dagster's launcher does: it says so, then interrupts the process of the run."""

    def __init__(self, instance: dg.DagsterInstance, *, after: str):
        self.instance, self.after, self.heard = instance, after, list[str]()

    def __call__(self, news: StageNews) -> None:
        if news.state == "running":
            self.heard.append(news.text)
            if self.after in news.text:
                (run,) = self.instance.get_runs(dg.RunsFilter(statuses=[dg.DagsterRunStatus.STARTED]))
                self.instance.report_run_canceling(run)
                os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture(autouse=True)
def every_step_is_kept(monkeypatch):
    """Trainings of a few milliseconds are over before a state is due."""
    monkeypatch.setattr(trainings, "SNAPSHOT_GAP_SECONDS", 0.0)
    monkeypatch.setattr(trainings, "SHARE_OF_TIME", float("inf"))


def cancel(world, dataset: str, *, after: str) -> dg.ExecuteInProcessResult:
    with listening(Canceller(world.instance, after=after)):
        return world.run(dataset, TRAINING)


def resume(world, dataset: str, **config) -> tuple[dg.ExecuteInProcessResult, list[str]]:
    heard: list[str] = []
    with listening(lambda news: heard.append(news.text) if news.state == "running" else None):
        return world.run(dataset, TRAINING, config=config), heard


def states(world, dataset: str = "tiny") -> list[str]:
    return [it.path for it in ArtifactStore.open(str(world.root / "store")).training_states.entries(dataset)]


def test_a_cancelled_training_goes_on_as_if_it_had_not_stopped(world):  # O13, E35
    world.declare("tiny", yaml=long_declaration())
    cancelled = cancel(world, "tiny", after="epoch 3 ")
    assert not cancelled.success
    assert failure(cancelled)[0] == "trained_artifact"
    run = world.instance.get_run_by_id(cancelled.run_id)
    assert run.status == dg.DagsterRunStatus.CANCELED
    assert len(states(world)) == 1

    again, heard = resume(world, "tiny")
    assert again.success
    assert heard[0].startswith("tiny: epoch 3 "), "the first epochs are not trained again"
    assert heard[-1].startswith(f"tiny: epoch {EPOCHS} ")
    assert states(world) == [], "deleted on success"

    anew, heard = resume(world, "tiny", trained_artifact={"force": True})
    assert [text.split(" ·")[0] for text in heard] == [f"tiny: epoch {n}" for n in range(1, EPOCHS + 1)]
    assert versions(anew)["trained_artifact"] == versions(again)["trained_artifact"]


def test_force_begins_anew(world):
    world.declare("tiny", yaml=long_declaration())
    cancel(world, "tiny", after="epoch 3 ")
    _, heard = resume(world, "tiny", trained_artifact={"force": True})
    assert len(heard) == EPOCHS
    assert states(world) == []


def test_another_action_does_not_go_on_from_the_state_of_this_one(world):
    world.declare("tiny", yaml=long_declaration())
    cancel(world, "tiny", after="epoch 3 ")
    _, heard = resume(world, "tiny", trained_artifact={"seed": 7})
    assert len(heard) == EPOCHS
    assert len(states(world)) == 1, "the other one still can"


def test_a_state_that_cannot_be_used_is_said_and_left(world):
    world.declare("tiny", yaml=long_declaration())
    cancel(world, "tiny", after="epoch 3 ")
    store = ArtifactStore.open(str(world.root / "store"))
    (path,) = states(world)
    key = path.split("/")[2]
    state = store.training_states.get("tiny", key, "tiny")
    store.training_states.put("tiny", key, "tiny", state[:9] + b"no training state")
    again, heard = resume(world, "tiny")
    assert again.success
    assert len(heard) == EPOCHS
    assert caches(again)["trained_artifact"] == "miss"


def test_a_table_that_was_trained_is_not_trained_again_because_another_was_cancelled(world):  # O13, O4
    world.declare("tiny", csv=csv_rows(60))
    rows = "".join(f"k{row},r{row % 60},{row % 5}\n" for row in range(240))
    (world.catalogue / "visits.csv").write_text(f"visit,id,cost\n{rows}")
    tables = (
        "{tiny: {source: tiny.csv, primary_key: id}, visits: {source: visits.csv, context: {table: tiny, key: id}}}"
    )
    (world.catalogue / "tiny.yaml").write_text(f"dataset: tiny\ntables: {tables}\ngenerator: {LONG}\n")
    cancel(world, "tiny", after="visits: epoch 2 ")
    assert len(states(world)) == 2
    again, heard = resume(world, "tiny")
    assert again.success
    assert not [text for text in heard if text.startswith("tiny:")]
    assert len([text for text in heard if text.startswith("visits:")]) < EPOCHS
    assert states(world) == []
    assert told(again)["trained_artifact"]["training_seconds"] > 0
    anew, _ = resume(world, "tiny", trained_artifact={"force": True})
    assert versions(anew)["trained_artifact"] == versions(again)["trained_artifact"]


@pytest.fixture
def train():
    """Trains a table of two coins; a cut training is interrupted after so many steps."""
    from argn_assets.engine.train import Beginning, train_model
    from argn_assets.seeds import Seed
    from argn_assets.tables import compute_stats, encode_table
    from argn_assets_tests.tables_of_truth import two_coins

    table = two_coins(200)
    stats = compute_stats(table, seed=1)
    encoded = encode_table(table, stats, seed=1, validation_split=0.2)

    def train(config, state, on_epoch, on_step, cut_after=None):
        steps: list[float] = []

        def hear_step(seconds, training_state) -> None:
            on_step(seconds, training_state)
            steps.append(seconds)
            if len(steps) == cut_after:
                raise KeyboardInterrupt

        beginning = Beginning(training_state=state)
        return train_model(encoded, stats, config, Seed(1), on_epoch=on_epoch, on_step=hear_step, beginning=beginning)

    return train


@pytest.mark.parametrize("cut_after", [1, 13, 20, 33])  # steps; an epoch has 20
def test_a_training_cancelled_in_the_middle_of_an_epoch_goes_on_there(world, train, cut_after):  # O13, E35
    from argn_assets.engine.config import TrainingConfig

    config = TrainingConfig(max_epochs=3, device="cpu")
    store, epochs = ArtifactStore.open(f"memory://{world.root}"), list[float]()
    with pytest.raises(KeyboardInterrupt):
        TrainingsOfAction(store, "tiny", "0" * 64).train(
            "tiny", config, partial(train, cut_after=cut_after), lambda progress: epochs.append(progress.epoch)
        )
    again = TrainingsOfAction(store, "tiny", "0" * 64)
    resumed = again.train("tiny", config, train, lambda progress: epochs.append(progress.epoch))
    assert epochs == [1, 2, 3], "each ends once"
    uncut = TrainingsOfAction(store, "tiny", "1" * 64).train("tiny", config, train, lambda progress: None)
    assert resumed.to_bytes() == uncut.to_bytes()


class Killed(BaseException):
    """Ends a training so that nothing can be saved any more."""


def test_a_training_that_is_killed_goes_on_from_what_was_saved_every_half_minute(world, train):  # O13
    from argn_assets.engine.config import TrainingConfig

    store, now, epochs = ArtifactStore.open(f"memory://{world.root}"), [0.0], list[float]()

    def hear(progress) -> None:
        epochs.append(progress.epoch)
        now[0] += SAVE_GAP_SECONDS / 2 + 1

    config = TrainingConfig(model_size="S", max_epochs=EPOCHS, device="cpu")
    killing = TrainingsOfAction(store, "tiny", "0" * 64, clock=lambda: now[0])
    saved: list[int] = []

    def killed(progress) -> None:
        hear(progress)
        saved.append(len(store.training_states.entries("tiny")))
        if progress.epoch == 4:
            killing._snapshot = None  # what only a process that lives can save
            raise Killed

    with pytest.raises(Killed):
        killing.train("tiny", config, train, killed)
    assert saved == [0, 0, 1, 1], "not more often than every half minute"
    epochs.clear()
    resumed = TrainingsOfAction(store, "tiny", "0" * 64, clock=lambda: now[0]).train("tiny", config, train, hear)
    assert epochs == [3, 4, 5, 6]
    uncut = TrainingsOfAction(store, "tiny", "1" * 64).train("tiny", config, train, lambda progress: None)
    assert resumed.to_bytes() == uncut.to_bytes()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_ctrl_c_stops_a_backfill_within_five_seconds_and_the_data_sets_after_it(
    tmp_path, monkeypatch, signal_number
):  # O13
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    (tmp_path / "datasets").mkdir()
    for name in ("first", "second"):
        (tmp_path / "datasets" / f"{name}.csv").write_text(csv_rows(2000))
        endless = declaration(name).replace(
            "max_epochs: 1, max_training_time: 0.5", "max_epochs: 100000, batch_size: 8"
        )
        (tmp_path / "datasets" / f"{name}.yaml").write_text(endless)
    command = [sys.executable, "-c", "from argn_assets.cli import main; main()", "backfill", "--all"]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert any("trained_artifact   first: epoch" in line for line in process.stdout)
            began = time.monotonic()
            process.send_signal(signal_number)
            out, err = process.communicate(timeout=60)
            seconds = time.monotonic() - began
        finally:
            process.kill()
    assert seconds < 5
    assert process.returncode == 130, err
    assert "goes on from here" in err
    assert "Traceback" not in err
    assert "second" not in out
    store = ArtifactStore.open(str(tmp_path / ".argn" / "store"), create=False)
    assert len(store.training_states.entries("first")) == 1
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        (run,) = instance.get_runs()
    assert run.status == dg.DagsterRunStatus.CANCELED
