"""Training states in the store: kept under an action's key, weak, gone when old or with their data set (E35, T23)."""

from __future__ import annotations

from uuid import uuid4

import pytest

from argn_assets.errors import UnsafeName
from argn_assets.store.retention import Retention
from argn_assets_tests.store_world import StoreWorld

KEY = "0" * 64


@pytest.fixture(params=["file", "memory"])
def world(request: pytest.FixtureRequest, tmp_path) -> StoreWorld:
    return StoreWorld.at(str(tmp_path / "store") if request.param == "file" else f"memory://{uuid4().hex}")


def test_the_last_state_of_a_table_is_kept_under_the_key_of_its_action(world):
    states = world.store.training_states
    assert states.get("cdnow", KEY, "users") is None
    states.put("cdnow", KEY, "users", b"one")
    states.put("cdnow", KEY, "users", b"two")
    states.put("cdnow", KEY, "con", b"a table that no file can be called like")
    assert states.get("cdnow", KEY, "users") == b"two"
    assert states.get("cdnow", "1" * 64, "users") is None
    assert states.get("other", KEY, "users") is None
    states.drop("cdnow", KEY)
    assert states.get("cdnow", KEY, "users") is states.get("cdnow", KEY, "con") is None


def test_bytes_that_changed_are_no_state(world, caplog):
    states = world.store.training_states
    states.put("cdnow", KEY, "users", b"state")
    (entry,) = states.entries("cdnow")
    world.store.port.replace(entry.path, world.store.port.read(entry.path)[:-1])
    assert states.get("cdnow", KEY, "users") is None
    assert "begins anew" in caplog.text


@pytest.mark.parametrize(("dataset", "key"), [("../x", KEY), ("cdnow", "a/b")])
def test_a_name_that_would_leave_the_store_is_refused(world, dataset, key):  # T26
    with pytest.raises(UnsafeName):
        world.store.training_states.put(dataset, key, "users", b"state")


def test_a_state_goes_when_it_is_older_than_what_is_kept_and_holds_nothing_else(world):  # E35, T23
    world.store.training_states.put("cdnow", KEY, "users", b"state")
    (entry,) = world.store.training_states.entries("cdnow")
    world.store.port.touch(entry.path)  # weak files are stamped by the machine, which does not know this clock
    world.clock.advance(days=9)
    assert world.store.collect_dataset("cdnow", Retention(days=10), False).training_states == []
    world.clock.advance(days=2)
    would = world.store.collect_dataset("cdnow", Retention(days=10))
    assert (would.training_states, would.size_bytes) == ([entry.path], entry.size_bytes)
    assert world.store.training_states.get("cdnow", KEY, "users") == b"state", "a dry run is the default"
    assert world.store.collect_dataset("cdnow", Retention(days=10), False) == would
    assert world.store.training_states.entries("cdnow") == []


def test_a_purge_takes_states_and_what_the_action_cache_says_of_the_data_set(world):  # O19, T24
    store = world.store
    for dataset in ("cdnow", "other"):
        store.training_states.put(dataset, KEY, "users", b"state")
        store.actions.put(dataset, {"manifest": str(world.step(dataset=dataset).path)})
    gone = store.purge_dataset_artifacts("cdnow")
    assert len(gone.training_states) == 1
    assert gone.size_bytes >= 32 + len(b"state")
    assert store.training_states.entries("cdnow") == []
    assert store.actions.get("cdnow") is None
    assert store.training_states.get("other", KEY, "users") == b"state"
    assert store.actions.get("other") is not None
