"""Refs and actions: what is published, and what is only remembered."""

from __future__ import annotations

from pathlib import Path

import pytest

from argn_assets.errors import ConfigError, CorruptArtifact, RefConflict, UnsafeName
from argn_assets.store import ArtifactStore
from argn_assets_tests.conformance.backend import NOON


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(str(tmp_path), now=lambda: NOON)


def test_a_ref_that_was_never_moved_points_nowhere(store: ArtifactStore) -> None:
    refs = store.refs("cdnow")
    assert refs.read("raw_tables") is None
    assert refs.history("raw_tables") == ()
    assert refs.names() == []


def test_moving_a_ref_keeps_its_history_in_numbered_files(store: ArtifactStore) -> None:  # T22
    refs = store.refs("cdnow")
    refs.move("raw_tables", {"manifest": "runs/a"})
    newest = refs.move("raw_tables", {"manifest": "runs/b"})
    assert (newest.sequence, newest.moved_at) == (2, NOON)
    assert refs.read("raw_tables") == newest
    assert [ref.value["manifest"] for ref in refs.history("raw_tables")] == ["runs/a", "runs/b"]
    assert store.port.find("refs") == [f"refs/cdnow/raw_tables/{number:012d}.json" for number in (1, 2)]
    assert refs.names() == ["raw_tables"]


def test_moving_a_ref_to_where_it_points_writes_nothing(store: ArtifactStore) -> None:
    refs = store.refs("cdnow")
    first = refs.move("raw_tables", {"manifest": "runs/a"})
    assert refs.move("raw_tables", {"manifest": "runs/a"}) == first
    assert len(store.port.find("refs")) == 1


def test_a_move_after_a_stale_look_is_a_conflict(store: ArtifactStore) -> None:
    refs = store.refs("cdnow")
    seen = refs.move("raw_tables", {"n": 1}, after=0)
    refs.move("raw_tables", {"n": 2}, after=seen.sequence)
    with pytest.raises(RefConflict, match="is at 2, not at 1"):
        refs.move("raw_tables", {"n": 3}, after=seen.sequence)


def test_a_ref_whose_newest_file_went_bad_is_not_taken_for_an_older_one(store: ArtifactStore) -> None:
    refs = store.refs("cdnow")
    refs.move("raw_tables", {"n": 1})
    refs.move("raw_tables", {"n": 2})
    path = "refs/cdnow/raw_tables/000000000002.json"
    store.port.replace(path, store.port.read(path).replace(b'"n": 2', b'"n": 3'))
    with pytest.raises(CorruptArtifact, match=path):
        refs.read("raw_tables")


def test_a_ref_file_in_the_wrong_place_is_corrupt(store: ArtifactStore) -> None:
    refs = store.refs("cdnow")
    refs.move("raw_tables", {"n": 1})
    store.port.create("refs/cdnow/other/000000000001.json", store.port.read("refs/cdnow/raw_tables/000000000001.json"))
    store.port.create("refs/cdnow/other/notes.txt", b"ignored")
    with pytest.raises(CorruptArtifact, match="move 1 of raw_tables"):
        refs.read("other")


@pytest.mark.parametrize("name", ["", "../x", "a/b", "a:b", ".x"])
def test_a_ref_cannot_leave_its_folder(store: ArtifactStore, name: str) -> None:  # T26
    with pytest.raises(UnsafeName, match="ref"):
        store.refs("cdnow").move(name, {})
    with pytest.raises(UnsafeName, match="data set"):
        store.refs(name)


def test_a_refs_value_is_strict_json(store: ArtifactStore) -> None:
    with pytest.raises(ConfigError, match=r"value of ref current\.x is nan"):
        store.refs("cdnow").move("current", {"x": float("nan")})


def test_an_action_comes_back_and_is_written_over(store: ArtifactStore) -> None:  # O11
    assert store.actions.get("ab12") is None
    store.actions.put("ab12", {"manifest": "runs/a", "rows": [1, 2]})
    store.actions.put("ab12", {"manifest": "runs/b"})
    assert ArtifactStore(store.port).actions.get("ab12") == {"manifest": "runs/b"}
    store.actions.drop("ab12")
    assert store.actions.get("ab12") is None


@pytest.mark.parametrize("spoilt", [b"", b"{", b'{"key": "ab12", "value": {"manifest": "runs/c"}}'])
def test_an_action_that_went_bad_is_a_miss(store: ArtifactStore, spoilt: bytes) -> None:
    store.actions.put("ab12", {"manifest": "runs/a"})
    store.port.replace("actions/ab12.json", spoilt)
    assert store.actions.get("ab12") is None


def test_an_action_under_anothers_key_is_a_miss(store: ArtifactStore) -> None:
    store.actions.put("ab12", {"manifest": "runs/a"})
    store.port.replace("actions/cd34.json", store.port.read("actions/ab12.json"))
    assert store.actions.get("cd34") is None


def test_an_actions_key_and_value_are_checked(store: ArtifactStore) -> None:
    with pytest.raises(UnsafeName, match="action key"):
        store.actions.get("sha256:ab12")
    with pytest.raises(ConfigError, match="action ab12"):
        store.actions.put("ab12", {"x": object()})


def test_a_ref_that_others_moved_or_deleted_since_is_read_anew(tmp_path: Path) -> None:  # T22
    ours = ArtifactStore.open(str(tmp_path)).refs("cdnow")
    theirs = ArtifactStore.open(str(tmp_path)).refs("cdnow")
    for number in range(1, 6):
        ours.move("current", {"move": number})
    for number in range(6, 9):
        theirs.move("current", {"move": number})
    assert [ref.sequence for ref in (ours.read("current"), theirs.read("current")) if ref] == [8, 8]
    theirs.delete("current", through=8)
    assert ours.read("current") is None
    theirs.move("current", {"move": "first again"})
    newest = ours.read("current")
    assert newest is not None
    assert (newest.sequence, newest.value) == (1, {"move": "first again"})


def test_a_ref_is_deleted_up_to_the_move_that_was_seen(store: ArtifactStore) -> None:  # T22
    refs = store.refs("cdnow")
    for number in (1, 2, 3):
        refs.move("current", {"move": number})
    refs.delete("current", through=2)
    assert [ref.sequence for ref in refs.history("current")] == [3]
    assert refs.move("current", {"move": 4}).sequence == 4


def test_a_purge_passes_over_actions_that_went_bad(store: ArtifactStore) -> None:
    store.actions.put("ours", {"dataset": "cdnow"})
    store.actions.put("theirs", {"dataset": "zoo"})
    store.port.replace("actions/bad.json", b"{")
    store.purge_dataset_artifacts("cdnow")
    assert store.port.names("actions") == ["bad.json", "theirs.json"]
