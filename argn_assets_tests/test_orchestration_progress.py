"""Progress while training: every epoch a line, observations only now and then."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import dagster as dg
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.orchestration.progress import OBSERVATION_GAP_SECONDS, StageNews, TrainingProgress, listening


@dataclass
class Epoch:
    epoch: float
    elapsed_seconds: float
    rows: int = 1000
    training_loss: float | None = 2.0
    validation_loss: float | None = 2.5
    learning_rate: float = 0.001
    rows_per_second: float = 12_345.6


class Recorder:
    """Stands where Dagster's context does, and keeps what it is told."""

    def __init__(self) -> None:
        self.events: list[dg.AssetObservation] = []
        self.lines: list[str] = []
        self.log = self
        self.asset_key, self.partition_key = dg.AssetKey("trained_artifact"), "tiny"

    def info(self, line: str) -> None:
        self.lines.append(line)

    def log_event(self, event: dg.AssetObservation) -> None:
        self.events.append(event)


def train(times: list[float], max_minutes: float | None = None) -> Recorder:
    recorder, now = Recorder(), [0.0]
    progress = TrainingProgress(recorder, "planes", max_minutes, clock=lambda: now[0])
    for number, at in enumerate(times):
        now[0] = at
        progress(Epoch(epoch=number, elapsed_seconds=at))
    return recorder


@given(gaps=st.lists(st.floats(0.001, 60), min_size=1, max_size=300))
def test_observations_are_seconds_apart_and_every_epoch_has_a_line(gaps):  # O13
    times = [sum(gaps[: i + 1]) for i in range(len(gaps))]
    recorder = train(times)
    assert len(recorder.lines) == len(times)
    observed = [times[int(event.metadata["train/epoch"].value)] for event in recorder.events]
    assert observed[0] == times[0]
    assert all(later - earlier >= OBSERVATION_GAP_SECONDS for earlier, later in pairwise(observed))


def test_a_long_training_leaves_few_observations():  # O13
    hours = 3
    recorder = train([float(second) for second in range(hours * 3600)])
    assert len(recorder.events) <= 200


def test_an_observation_says_epoch_speed_losses_and_time_left_and_moves_no_version():
    (event,) = train([30.0], max_minutes=2).events
    told = {key: value.value for key, value in event.metadata.items()}
    assert told == {
        "table": "planes",
        "train/epoch": 0.0,
        "train/rows_per_second": 12_346.0,
        "train/training_loss": 2.0,
        "train/validation_loss": 2.5,
        "train/learning_rate": 0.001,
        "train/minutes_left": 1.5,
    }
    assert (event.partition, event.tags) == ("tiny", {})


def test_a_listener_hears_what_happens_inside_its_block_only():
    heard: list[StageNews] = []
    with listening(heard.append):
        train([1.0])
    train([2.0])
    (news,) = heard
    assert (news.dataset, news.asset, news.state) == ("tiny", "trained_artifact", "running")
    assert news.text == "planes: epoch 0 · loss 2.0000 · validation 2.5000 · 12,346 rows/s"
