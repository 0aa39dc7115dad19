"""Trainings: stopped, resumed, started from what was learnt before, and short of memory."""

from __future__ import annotations

import dataclasses
import math
import re
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import EpochProgress, ModelArtifact, generate_flat, train_flat, train_sequential
from argn_assets.engine.training_state import TrainingState
from argn_assets.errors import ArtifactError, ConfigError, EngineError
from argn_assets_tests.tables_of_truth import customers, shop_orders, visits

SETTINGS = {"random_state": 1, "max_epochs": 4, "device": "cpu"}


@pytest.fixture(scope="module")
def orders() -> pl.DataFrame:
    return shop_orders(1500)


def _stopped_after(n_epochs: int, states: list[bytes]):
    def on_epoch(progress: EpochProgress) -> bool:
        states.append(progress.training_state())
        return len(states) == n_epochs

    return on_epoch


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_epochs": "3"}, "max_epochs is '3'; it must be a number from 0 up"),
        ({"max_epochs": None}, "max_epochs is None"),
        ({"max_epochs": math.nan}, "max_epochs is nan"),
        ({"max_training_time": "1"}, "max_training_time is '1'"),
        ({"max_training_time": -1}, "max_training_time is -1"),
        ({"batch_size": 2.5}, "batch_size is 2.5; it must be a whole number from 1 up, or None"),
        ({"batch_size": "8"}, "batch_size is '8'"),
        ({"validation_split": "0.2"}, "validation_split is '0.2'; it must be a number from 0 up and below 1"),
        ({"validation_split": None}, "validation_split is None"),
        ({"validation_split": 1}, "validation_split is 1"),
        ({"random_state": 1.0}, "random_state is 1.0"),
        ({"encoding_types": ["categorical"]}, "encoding_types is a list; it is a dictionary, by the column's name"),
        ({"column_roles": "drop"}, "column_roles is a str; it is a dictionary"),
        ({"device": "cuda:99"}, "device is 'cuda:99', which this machine does not have. It has 'auto', 'cpu'"),
        ({"device": "meta"}, "device is 'meta'"),
    ],
)
def test_settings_that_mean_nothing_are_refused_with_their_range(orders, arguments, message):
    with pytest.raises(ConfigError, match=message):
        train_flat(orders, **(SETTINGS | arguments))
    arguments = {"tgt_encoding_types" if name == "encoding_types" else name: it for name, it in arguments.items()}
    with pytest.raises(ConfigError, match=message):
        train_sequential(orders, tgt_context_key="country", **(SETTINGS | arguments))


@pytest.mark.parametrize("window", [0, 2.5, None])
def test_a_window_is_a_whole_number_of_rows(orders, window):
    with pytest.raises(ConfigError, match=r"max_sequence_window is .*; it must be a whole number from 1 up"):
        train_sequential(orders, tgt_context_key="country", **SETTINGS, max_sequence_window=window)


def test_without_rows_that_validate_it_is_said_that_columns_have_no_ties():  # E36
    table = pl.DataFrame({"a": ["x", "y"] * 200, "b": ["x", "y"] * 200})
    with pytest.warns(UserWarning, match="Of 400 rows none validates, .* no ties between them"):
        model = train_flat(table, **SETTINGS, validation_split=0)
    made = generate_flat(model, 2000, random_state=1)
    assert 0.4 < (made["a"] == made["b"]).mean() < 0.6
    assert 0.45 < (made["a"] == "x").mean() < 0.55


def test_a_stopped_training_gives_an_artifact(orders):
    stopped = train_flat(orders, **SETTINGS, on_epoch=lambda progress: True)
    assert len(stopped.history) == 1
    assert ModelArtifact.from_bytes(stopped.to_bytes()).history == stopped.history


def test_what_was_trained_on_other_columns_is_refused_with_the_reason(orders):
    states: list[bytes] = []
    other = train_flat(orders.select("gift", "country"), **SETTINGS, on_epoch=_stopped_after(1, states))
    with pytest.raises(ConfigError, match="The training state is of another network"):
        train_flat(orders, **SETTINGS, training_state=states[-1])
    with pytest.raises(ConfigError, match="both given"):
        train_flat(orders, **SETTINGS, training_state=states[-1], warm_start=other)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"random_state": 2}, "seed was 1 and is 2"),
        ({"batch_size": 16}, "batch_size was None and is 16"),
        ({"any_order": False}, "any_order was True and is False"),
        ({"validation_split": 0.5}, "its rows were others, or others of them validated"),
        ({"data": shop_orders(400).reverse()}, "its rows were others, or others of them validated"),
    ],
)
def test_a_training_goes_on_with_nothing_but_its_own_rows_and_settings(change, told):  # E35
    states: list[bytes] = []
    table = shop_orders(400).select("price", "country", "gift")
    train_flat(table, **SETTINGS, on_epoch=_stopped_after(1, states))
    if "data" in change:
        change = {"data": change["data"].select(table.columns)}
    with pytest.raises(ConfigError, match=f"The training state is of another training: {told}. Pass what"):
        train_flat(**({"data": table} | SETTINGS | change), training_state=states[0])


@pytest.mark.parametrize("train", [train_flat, train_sequential])
def test_a_training_without_a_seed_goes_on_with_the_one_it_drew(train):  # E35
    states: list[bytes] = []
    table, settings = visits(customers(60)).drop("visit"), {"tgt_context_key": "customer", "max_epochs": 3}
    whole = train(table, **settings, on_epoch=lambda progress: states.append(progress.training_state()))
    assert train(table, **settings, training_state=states[0]).to_bytes() == whole.to_bytes()
    longer = train(table, **settings | {"max_epochs": 5}, training_state=states[2])
    assert longer.history[:3] == whole.history
    assert len(longer.history) == 5


@pytest.mark.parametrize("cut", [0, 5, 40, -1])
def test_a_training_state_that_was_cut_is_refused(orders, cut):
    states: list[bytes] = []
    train_flat(orders, **SETTINGS, on_epoch=_stopped_after(1, states))
    with pytest.raises(ArtifactError, match="training state"):
        train_flat(orders, **SETTINGS, training_state=states[0][:cut])


@pytest.fixture(params=["rows", "sequences"])
def train(request, orders):
    if request.param == "rows":
        return partial(train_flat, orders.head(400), **SETTINGS)
    table = visits(customers(60)).drop("visit")
    return partial(train_sequential, table, tgt_context_key="customer", **SETTINGS)


def _poisoned(state: bytes, *kinds: str) -> bytes:
    """Return a training state whose weights, averages or best weights are not numbers."""
    read = TrainingState.from_bytes(state)
    broken = {n: t * math.nan if n.split(".")[0] in kinds else t for n, t in read.tensors.items()}
    return dataclasses.replace(read, tensors=broken).to_bytes()


@pytest.mark.filterwarnings("ignore:The loss became non-finite")
def test_a_loss_that_is_no_number_recovers_to_the_best_weights(train):  # E35
    states: list[bytes] = []
    two = train(max_epochs=2, on_epoch=lambda progress: states.append(progress.training_state()))
    broken = _poisoned(states[1], "weight", "averaged")
    with pytest.warns(UserWarning, match="The loss became non-finite .* goes on from the best weights"):
        three = train(max_epochs=3, training_state=broken)
    assert three.history == two.history
    assert all((three.weights[name] == two.weights[name]).all() for name in two.weights)
    on = train(max_epochs=6, training_state=broken)
    assert on.history[-1].validation_loss < two.history[-1].validation_loss
    assert on.history[-1].learning_rate < two.history[-1].learning_rate


@pytest.mark.filterwarnings("ignore:The loss became non-finite")
def test_a_first_epoch_that_is_no_number_costs_no_more_than_itself(train):  # E35
    states: list[bytes] = []
    train(max_epochs=1, on_step=lambda seconds, state: states.append(state()))
    broken = _poisoned(states[0], "weight", "averaged")
    model = train(training_state=broken)
    assert [round(record.epoch) for record in model.history] == [2, 3, 4]
    assert np.isfinite([record.validation_loss for record in model.history]).all()
    with pytest.raises(EngineError, match="not finite in any of 1 epochs"):
        train(max_epochs=1, training_state=broken)
    with pytest.raises(EngineError, match="not finite in any of 4 epochs"):
        train(max_epochs=9, training_state=_poisoned(states[0], "weight", "averaged", "best"))


SHORT_OF_MEMORY = """
import resource, sys, warnings
import numpy as np, polars as pl
from argn_assets.engine import train_flat
megabytes, batch_size = map(int, sys.argv[1:])
rng = np.random.default_rng(0)
table = pl.DataFrame({f"c{i}": rng.integers(0, 100, 60_000).astype(str) for i in range(30)})
train_flat(table.head(500), max_epochs=1, random_state=1)
used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (used + megabytes * 1_000_000, resource.RLIM_INFINITY))
seen, states = [], []
warnings.showwarning = lambda message, *more: seen.append(str(message))
settings = {"batch_size": batch_size, "model_size": "L", "random_state": 1}
def on_epoch(progress):
    states.append(progress.training_state())
model = train_flat(table, **settings, max_epochs=0.3, on_epoch=on_epoch)
print([text for text in seen if "did not fit" in text][-1])
assert all(record.rows and record.training_loss for record in model.history)
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
again = train_flat(table, **settings, max_epochs=0.3, training_state=states[-1])
assert again.to_bytes() == model.to_bytes()
print("provenance", model.provenance["batch_size"])
"""


def _short_of_memory(megabytes: int, batch_size: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", SHORT_OF_MEMORY, str(megabytes), str(batch_size)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="limits the memory of a process as Linux does")


@needs_limits
def test_a_batch_that_does_not_fit_into_memory_is_halved_and_said():  # E35
    done = _short_of_memory(1200, 32_768)
    assert done.returncode == 0, done.stderr[-2000:]
    said, provenance = done.stdout.splitlines()
    size = int(re.search(r"training goes on with (\d+) rows", said)[1])
    assert size < 32_768
    assert provenance == f"provenance {size}"


@needs_limits
def test_a_training_for_which_memory_does_not_suffice_at_all_ends_with_an_error_that_says_so():  # E35
    done = _short_of_memory(40, 1024)
    assert "EngineError: The training does not fit into the memory of cpu. Choose a smaller model_size" in done.stderr


GENERATED_SHORT_OF_MEMORY = """
import resource, warnings
import numpy as np, polars as pl, torch
from argn_assets.engine import generate_flat, generate_sequential, train_flat, train_sequential
torch.set_num_threads(1)
rng = np.random.default_rng(0)
columns = {f"c{i}": rng.integers(0, 900, 6000).astype(str) for i in range(3)}
table = pl.DataFrame({"key": np.arange(6000) // 2, **columns})
settings = {"max_epochs": 0, "random_state": 1, "tgt_context_key": "key"}
calls = (
    (lambda n: generate_flat(rows, n, random_state=2), train_flat),
    (lambda n: generate_sequential(rows, sample_size=n, batch_size=n, random_state=2), train_sequential),
)
for generate, train in calls:
    rows = train(table, **settings)
    generate(40)
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 8_000_000, resource.RLIM_INFINITY))
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        halved = generate(4096)
    print([str(w.message) for w in seen if "did not fit" in str(w.message)][0])
    resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    assert halved.equals(generate(4096))
"""


@needs_limits
def test_rows_that_do_not_fit_into_memory_together_are_generated_by_halves_and_are_the_same():  # E3
    done = subprocess.run(
        [sys.executable, "-c", GENERATED_SHORT_OF_MEMORY], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("at once did not fit into the memory of cpu: generation goes on with") == 2


INTERRUPTED = """
import polars as pl, torch
from argn_assets.engine import generate_flat, train_flat
torch.set_num_threads(2)
model = train_flat(pl.DataFrame({f"c{i}": range(90) for i in range(10)}), max_epochs=0, random_state=1)
print("begun", flush=True)
generate_flat(model, 5_000_000, random_state=1)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="sends a signal")
def test_an_interrupt_ends_what_several_threads_do_at_once():
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        assert process.stdout.readline() == "begun\n"
        time.sleep(2)
        process.send_signal(signal.SIGINT)
        told = process.communicate(timeout=8)[1]
    finally:
        process.kill()
    assert told.rstrip().endswith("KeyboardInterrupt")
