"""What writers, collectors and repairs do to each other between any two operations: nothing dangles, nothing is lost.

Another process has its turn just before one operation of the call under test.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import pytest

from argn_assets.errors import MissingArtifact, StoreError
from argn_assets.store import ArtifactStore, Retention
from argn_assets.store.collect import Collector
from argn_assets_tests.conformance.meanwhile import MeanwhilePort
from argn_assets_tests.store_world import StoreWorld

OTHER = "cdnow_ffffffffffff"


class Interleaved(StoreWorld):
    """A world, and the store of a second process that is told what happens in the middle of its calls."""

    @property
    def slow(self) -> ArtifactStore:
        return self._slow

    @property
    def port(self) -> MeanwhilePort:
        return self._port

    @classmethod
    def at(cls, url: str) -> Interleaved:
        world = super().at(url)
        assert isinstance(world, Interleaved)
        world._port = MeanwhilePort(world.store.port)
        world._slow = ArtifactStore(world._port, now=world.clock)
        return world

    def slow_commit(self, content: bytes) -> None:
        StoreWorld(self.slow, self.clock).step(content)


@pytest.fixture(params=["file", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Interleaved:
    return Interleaved.at(str(tmp_path / "store") if request.param == "file" else f"memory://{uuid4().hex}")


@pytest.mark.parametrize("moment", ["manifest.yaml", "binaries"])
def test_a_commit_that_slept_through_the_grace_period_fails_and_publishes_nothing(
    world: Interleaved, moment: str
) -> None:  # T21, T23, rule 6
    def sleep_while_another_collects() -> None:
        world.clock.advance(hours=25)
        world.store.collect_dataset("cdnow", dry_run=False)

    world.port.before("_create" if moment == "manifest.yaml" else "_touch", moment, sleep_while_another_collects)
    with pytest.raises(MissingArtifact, match="register again"):
        world.slow_commit(b"put, and then the machine slept")
    assert world.manifests() == set()
    assert world.blobs() == set()


def test_a_source_that_goes_before_its_user_is_visible_ends_the_commit(world: Interleaved) -> None:  # T21, rule 6
    source = world.step(b"source", step=2, asset="encoded_tables", pipeline=OTHER)
    world.port.before("_create", "manifest.yaml", lambda: world.store.delete_pipeline_artifacts(OTHER))
    with pytest.raises(MissingArtifact, match="register again"):
        StoreWorld(world.slow, world.clock).step(b"made from it", sources=source.items)
    assert world.manifests() == set()


@pytest.mark.parametrize("verb", ["_entries", "_open", "_remove_if"])
@pytest.mark.parametrize("skip", [0, 1, 2, 3])
def test_a_pipeline_that_is_deleted_keeps_what_another_one_comes_to_need(
    world: Interleaved, verb: str, skip: int
) -> None:  # T23, rule 2
    early = world.step(b"early", step=1, asset="raw_tables", pipeline=OTHER, dataset="zoo")
    source = world.step(b"source", step=2, asset="encoded_tables", pipeline=OTHER, sources=early.items, dataset="zoo")
    world.clock.advance(hours=1)
    world.port.before(verb, "runs/", lambda: _use(world, source.items), skip=skip)
    world.slow.delete_pipeline_artifacts(OTHER, grace_period_hours=0)
    assert world.dangling() == []


@pytest.mark.parametrize("verb", ["_entries", "_open", "_remove_if"])
@pytest.mark.parametrize("skip", [0, 1, 2, 3, 4, 5])
def test_a_purge_leaves_whole_what_somebody_uses_meanwhile(world: Interleaved, verb: str, skip: int) -> None:  # T23
    early = world.step(b"early", step=1, asset="raw_tables", dataset="zoo")
    source = world.step(b"source", step=2, asset="encoded_tables", sources=early.items, dataset="zoo")
    world.step(b"unrelated")
    world.clock.advance(hours=1)
    world.port.before(verb, "", lambda: _use(world, source.items), skip=skip)
    with suppress(StoreError):  # which says that it cannot be purged now
        world.slow.purge_dataset_artifacts("zoo")
    assert world.dangling() == []


def _use(world: StoreWorld, sources: object) -> None:
    """Make something from artifacts, unless they are gone."""
    try:
        world.step(b"made from it", sources=sources)  # type: ignore[arg-type]
    except MissingArtifact:
        return


def test_a_result_that_is_used_again_during_a_purge_keeps_its_blobs(world: Interleaved) -> None:  # T23
    made = world.step(b"made once", current=True)
    path = str(made.path)

    def publish_again() -> None:
        world.store.reuse_manifest(path)
        world.store.refs("cdnow").move("trained_artifact", {"manifest": path, "again": True})

    world.clock.advance(hours=1)
    world.port.before("_remove_if", path, publish_again)
    done = world.slow.purge_dataset_artifacts("cdnow")
    assert (done.manifests, done.blobs) == ([], [])
    assert world.store.find_record("cdnow", made.items[0].artifact_id).manifest == path
    assert world.dangling() == []


def test_a_step_that_is_committed_during_a_purge_stays_whole(world: Interleaved) -> None:  # T23
    world.step(b"shared", step=1, asset="raw_tables")
    world.clock.advance(hours=1)
    world.port.before("_remove_if", "manifest.yaml", lambda: world.step(b"shared", current=True))
    done = world.slow.purge_dataset_artifacts("cdnow")
    assert len(done.manifests) == 1
    assert done.blobs == []
    assert len(world.manifests()) == 1
    assert world.dangling() == []


def test_a_ref_that_moves_while_its_pipeline_is_deleted_stays(world: Interleaved) -> None:  # T22, T23
    world.step(b"going", pipeline=OTHER, current=True)
    world.port.before("_delete", "refs/", lambda: world.step(b"newer", current=True))
    world.slow.delete_pipeline_artifacts(OTHER)
    (left,) = world.manifests()
    assert world.store.refs("cdnow").manifests_of("trained_artifact") == (left,)
    assert world.dangling() == []


def test_a_ref_that_is_deleted_between_the_look_and_the_reading_is_none(world: Interleaved) -> None:  # T22
    world.step(b"going", current=True)
    world.port.before("_open", "refs/", lambda: world.store.purge_dataset_artifacts("cdnow"))
    assert world.slow.refs("cdnow").read("trained_artifact") is None


def test_a_collection_is_not_stopped_by_a_purge_beside_it(world: Interleaved) -> None:  # T23, rule 7
    world.step(b"purged", current=True, dataset="zoo")
    world.orphan(b"orphan")
    world.clock.advance(days=2)
    world.port.before("_size", "runs/zoo", lambda: world.store.purge_dataset_artifacts("zoo"))
    assert len(Collector(world.slow).delete_orphans("cdnow").blobs) == 1


@pytest.mark.parametrize(("verb", "skip"), [("_open", 1), ("_remove_if", 0)])
def test_a_good_blob_in_the_place_of_a_corrupt_one_is_not_moved_aside(
    world: Interleaved, verb: str, skip: int
) -> None:  # T24, rule 3
    made = world.step(b"good content")
    path = f"binaries/cdnow/{made.items[0].path}"
    world.store.port.replace(path, b"bad content!")

    def repair() -> None:
        world.store.verify_artifacts("cdnow", quarantine=True)
        world.clock.advance(hours=1)
        world.step(b"good content")

    world.port.before(verb, path, repair, skip=skip)
    assert world.slow.verify_artifacts("cdnow", quarantine=True).moved == {}
    assert world.store.port.read(path) == b"good content"
    assert world.dangling() == []


def test_a_corrupt_blob_that_somebody_else_moved_aside_is_no_error(world: Interleaved) -> None:  # T24
    path = f"binaries/cdnow/{world.step(b'good content').items[0].path}"
    world.store.port.replace(path, b"bad content!")
    world.port.before("_open", path, lambda: world.store.verify_artifacts("cdnow", quarantine=True), skip=1)
    report = world.slow.verify_artifacts("cdnow", quarantine=True)
    assert [finding.kind for finding in report.findings] == ["corrupt"]
    assert report.moved == {}


def test_a_step_that_is_committed_again_is_young_again(world: Interleaved) -> None:  # T10, T23
    first = world.step(b"content", run="5f1c9a3e-77aa")
    for _ in range(3):
        world.step()
    registry = world.registry("5f1c9a3e-77aa")
    world.clock.advance(days=200)
    registry.register(
        b"content", artifact_id=registry.generate_id(3), operation="fit", artifact_type="model", class_name="Net",
        format="bytes",
    )  # fmt: skip
    again = registry.commit(3, name="trained_artifact")
    assert again.path == first.path
    world.slow.collect_dataset("cdnow", Retention(last=1, days=0), dry_run=False)
    assert str(again.path) in world.manifests()


def test_a_run_that_is_repeated_after_a_purge_sees_what_is_stored_now(world: Interleaved) -> None:  # T10
    world.step(b"before the purge", run="5f1c9a3e-77aa")
    (path,) = world.manifests()
    world.slow.read_manifest(path)
    world.store.purge_dataset_artifacts("cdnow")
    world.step(b"after the purge", run="5f1c9a3e-77aa")
    again = StoreWorld(world.slow, world.clock).step(b"after the purge", run="5f1c9a3e-77aa")
    assert again.items[0].size_bytes == len(b"after the purge")


def test_what_is_collected_while_it_is_counted_is_not_called_missing(world: Interleaved) -> None:  # T23
    world.step(b"collected", pipeline=OTHER)
    world.clock.advance(days=2)
    world.port.before("_entries", "binaries/", lambda: world.store.delete_pipeline_artifacts(OTHER), skip=1)
    assert world.slow.measure_usage("cdnow").missing_blobs == 0
    lost = world.step(b"lost")
    world.store.port.delete(f"binaries/cdnow/{lost.items[0].path}")
    assert world.slow.measure_usage("cdnow").missing_blobs == 1
