"""What every back-end of the store must do, as a test class: inherit it and give a `port` fixture.

The promises are those of `argn_assets.store.port` (T20, T25), and the store's journey on top of them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import count
from threading import Barrier, Event
from typing import TypeVar

import pytest

from argn_assets.errors import MissingArtifact, RefConflict, UnsafeName
from argn_assets.store import ArtifactLoader, ArtifactRegistry, ArtifactStore
from argn_assets.store.port import Port

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
RACERS = 8

Result = TypeVar("Result")


def new_registry(store: ArtifactStore, run_id: str = "5f1c9a3e-77aa", dataset: str = "cdnow") -> ArtifactRegistry:
    """Return the registry of a step of the run `run_id`, begun at noon."""
    return ArtifactRegistry(store, dataset, pipeline_id="cdnow_1f2e3d4c5b6a", run_id=run_id, started_at=NOON)


def race(task: Callable[[int], Result]) -> list[Result]:
    """Run `task(0)` … `task(7)` in threads that start together."""
    barrier = Barrier(RACERS)

    def racer(number: int) -> Result:
        barrier.wait()
        return task(number)

    with ThreadPoolExecutor(RACERS) as pool:
        return list(pool.map(racer, range(RACERS)))


class BackendTests:
    """Inherit and define the fixture `port`: an empty root of the back-end."""

    def test_what_is_created_is_read_back(self, port: Port) -> None:
        assert port.create("binaries/d/x_X_1.bin", b"\x00content") is True
        assert port.read("binaries/d/x_X_1.bin") == b"\x00content"
        assert port.size("binaries/d/x_X_1.bin") == 8
        assert port.digest("binaries/d/x_X_1.bin") == "sha256:" + hashlib.sha256(b"\x00content").hexdigest()

    def test_an_empty_object_is_an_object(self, port: Port) -> None:
        assert port.create("a/empty", b"") is True
        assert port.size("a/empty") == 0
        assert port.create("a/empty", b"late") is False
        assert port.read("a/empty") == b""

    def test_a_name_that_was_created_never_changes(self, port: Port) -> None:
        port.create("a/b", b"first")
        assert port.create("a/b", b"second") is False
        assert port.create("a/b", b"first") is False
        assert port.read("a/b") == b"first"

    def test_a_spooled_file_is_created_and_stays_the_callers(self, port: Port) -> None:
        spooled = port.spool_folder() / "conformance_spooled"
        spooled.write_bytes(b"from a file")
        try:
            assert port.create("a/b", spooled) is True
            assert port.create("a/b", spooled) is False
            assert port.read("a/b") == b"from a file"
            assert spooled.exists()
        finally:
            spooled.unlink()

    def test_of_many_racers_for_one_name_exactly_one_creates_it(self, port: Port) -> None:
        for round_number in range(20):
            path = f"race/{round_number}"
            won = race(lambda number, path=path: port.create(path, f"racer {number}".encode()))  # type: ignore[misc]
            assert won.count(True) == 1
            assert port.read(path) == f"racer {won.index(True)}".encode()

    def test_what_is_not_there_is_missing(self, port: Port) -> None:
        for ask in (port.read, port.digest):
            with pytest.raises(MissingArtifact, match="a/nothing"):
                ask("a/nothing")
        assert port.size("a/nothing") is None
        assert port.names("nothing") == []
        assert port.find("nothing") == []
        port.delete("a/nothing")

    def test_a_folder_is_not_an_object(self, port: Port) -> None:
        port.create("a/b/c", b"")
        assert port.size("a/b") is None
        with pytest.raises(MissingArtifact):
            port.read("a/b")

    def test_an_object_is_not_a_folder(self, port: Port) -> None:
        port.create("a/b", b"content")
        assert (port.names("a/b"), port.find("a/b"), port.entries("a/b")) == ([], [], [])

    def test_names_that_begin_alike_are_different_folders(self, port: Port) -> None:
        port.create("a/b", b"1")
        port.create("ab/c", b"2")
        port.create("a/bc/d", b"3")
        assert port.find("a") == ["a/b", "a/bc/d"]
        assert port.names("a") == ["b", "bc"]

    def test_an_object_has_a_size_and_an_age_and_goes_only_when_it_is_old(self, port: Port) -> None:  # T23
        port.create("a/b", b"content")
        (entry,) = port.entries("a")
        assert (entry.path, entry.size_bytes) == ("a/b", 7)
        assert abs(entry.touched_at - datetime.now(UTC)) < timedelta(minutes=1)
        assert port.remove_old(["a/b", "a/nothing"], datetime.now(UTC) - timedelta(hours=1)) == []
        port.touch("a/b")
        assert port.read("a/b") == b"content"
        assert port.remove_old(["a/b", "a/nothing"], datetime.now(UTC) + timedelta(hours=1)) == ["a/b"]
        assert port.find("a") == []
        with pytest.raises(MissingArtifact, match="a/b"):
            port.touch("a/b")

    def test_a_publication_is_known_again_when_it_is_repeated(self, port: Port) -> None:  # T20
        assert port.publish("a/b", b"ours, uid 1") is True
        assert port.publish("a/b", b"ours, uid 1") is True
        assert port.publish("a/b", b"theirs, uid 2") is False

    def test_listings_see_what_another_door_to_the_same_place_created(self, port: Port) -> None:
        assert port.names("a") == []
        port.create("a/y", b"1")
        port.create("a/b/x", b"2")
        assert port.names("a") == ["b", "y"]
        assert port.names("") == ["a"]
        assert port.find("a") == ["a/b/x", "a/y"]
        port.delete("a/y")
        assert port.find("a") == ["a/b/x"]

    def test_a_listing_holds_all_that_stays_while_folders_beside_it_come_and_go(self, port: Port) -> None:  # T23
        stays = [f"runs/d/stays{number}/manifest.yaml" for number in range(3)]
        for path in stays:
            port.create(path, b"stays")
        done = Event()

        def come_and_go() -> None:
            for number in count():
                if done.is_set():
                    return
                path = f"runs/d/{number}/deep/manifest.yaml"
                port.create(path, b"goes")
                port.remove_old([path], datetime.max.replace(tzinfo=UTC))

        with ThreadPoolExecutor(2) as pool:
            coming = [pool.submit(come_and_go) for _ in range(2)]
            try:
                for _ in range(200):
                    assert set(stays) <= set(port.find("runs/d"))
                    assert set(stays) <= {entry.path for entry in port.entries("runs/d")}
            finally:
                done.set()
        assert [task.result() for task in coming] == [None, None]

    def test_a_weak_file_is_written_over_whole(self, port: Port) -> None:
        port.replace("actions/k.json", b"a longer first")
        port.replace("actions/k.json", b"second")
        assert port.read("actions/k.json") == b"second"
        assert port.names("actions") == ["k.json"]

    def test_a_listing_tells_sizes_and_ages(self, port: Port) -> None:  # T23
        assert port.entries("a") == []
        port.create("a/y", b"1")
        port.create("a/b/x", b"22")
        found = sorted(port.entries("a"), key=lambda entry: entry.path)
        assert [(entry.path, entry.size_bytes) for entry in found] == [("a/b/x", 2), ("a/y", 1)]
        assert all(abs(entry.touched_at - port.now()) < HOUR for entry in found)

    def test_touching_makes_young_and_changes_nothing_else(self, port: Port) -> None:  # T23
        port.create("a/y", b"content")
        (before,) = port.entries("a")
        port.touch("a/y")
        (after,) = port.entries("a")
        assert after.touched_at >= before.touched_at
        assert port.read("a/y") == b"content"
        with pytest.raises(MissingArtifact):
            port.touch("a/nothing")

    def test_only_what_is_old_is_removed(self, port: Port) -> None:  # T23
        for name in ("x", "y"):
            port.create(f"a/{name}", b"")
        asked = ["a/nothing", "a/x"]
        assert port.remove_old(asked, port.now() - HOUR) == []
        assert port.remove_old(asked, port.now() + HOUR) == ["a/x"]
        assert port.find("a") == ["a/y"]
        assert port.create("a/x", b"again") is True

    @pytest.mark.parametrize(
        "path", ["", "/etc/passwd", "../x", "a/../x", "a//b", "a/.hidden", "a\\b", "a/b\x00", "a/nul"]
    )
    def test_no_path_leaves_the_root(self, port: Port, path: str) -> None:  # T26
        for ask in (port.read, port.size, port.digest, port.delete):
            with pytest.raises(UnsafeName):
                ask(path)
        with pytest.raises(UnsafeName):
            port.create(path, b"")
        with pytest.raises(UnsafeName):
            port.replace(path, b"")

    def test_racing_puts_of_one_content_store_it_once(self, port: Port) -> None:  # T7
        store = ArtifactStore(port)
        blobs = race(
            lambda _: store.blobs.put("d", b"the same", artifact_type="model", class_name="M", extension="bin")
        )
        assert len({blob.path for blob in blobs}) == 1
        assert [blob.deduplicated for blob in blobs].count(False) == 1
        assert len(port.find("binaries")) == 1

    def test_racing_moves_of_a_ref_have_one_winner_each(self, port: Port) -> None:  # T22
        refs = ArtifactStore(port).refs("cdnow")

        def move(number: int) -> bool:
            try:
                refs.move("current", {"racer": number}, after=0)
            except RefConflict:
                return False
            return True

        won = race(move)
        newest = refs.read("current")
        assert won.count(True) == 1
        assert newest is not None
        assert newest.value == {"racer": won.index(True)}

    def test_a_step_is_registered_committed_found_and_loaded(self, port: Port) -> None:
        store = ArtifactStore(port)
        registry = new_registry(store)
        first = registry.generate_id(1)
        registry.register_object(
            {"rows": 3}, artifact_id=first, operation="fit", artifact_type="report", class_name="Stats", format="json"
        )
        manifest = registry.commit(1, name="table_stats")
        store.refs("cdnow").move("table_stats", {"manifest": manifest.path})
        fresh = ArtifactStore(port)
        found = new_registry(fresh, "another-run").resolve(first)
        assert fresh.read_manifest(found.manifest or "") == manifest
        assert ArtifactLoader.from_manifest(manifest, fresh).load_by_id(first) == {"rows": 3}
