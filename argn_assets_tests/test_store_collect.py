"""Collection: what goes, what stays, in which order, and what a crash in the middle leaves (T23)."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from argn_assets.errors import (
    ConfigError,
    CorruptArtifact,
    MissingArtifact,
    StoreError,
    StoreUnavailable,
    UnsafeName,
    UnsupportedManifestVersion,
)
from argn_assets.store import ArtifactStore
from argn_assets.store.collect import Collector
from argn_assets.store.retention import Retention
from argn_assets_tests.conformance.meanwhile import MeanwhilePort
from argn_assets_tests.store_world import PIPELINE, StoreWorld


@pytest.fixture(params=["file", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> StoreWorld:
    return StoreWorld.at(str(tmp_path / "store") if request.param == "file" else f"memory://{uuid4().hex}")


def test_an_orphan_goes_when_the_grace_period_is_over_and_not_before(world: StoreWorld) -> None:  # T23, rule 1
    kept = world.step(b"kept").items[0].path
    orphan = world.orphan(b"orphan")
    world.clock.advance(hours=23.9)
    assert world.store.find_orphaned_artifacts("cdnow") == []
    assert world.store.delete_orphaned_artifacts("cdnow", dry_run=False) == ([], 0)
    world.clock.advance(hours=0.2)
    assert world.store.find_orphaned_artifacts("cdnow") == [orphan]
    assert world.store.delete_orphaned_artifacts("cdnow") == ([orphan], 6)
    assert world.blobs() == {kept, orphan}, "a dry run is the default"
    assert world.store.delete_orphaned_artifacts("cdnow", dry_run=False) == ([orphan], 6)
    assert world.blobs() == {kept}
    assert world.store.find_orphaned_artifacts("cdnow") == []


def test_a_registry_offers_what_its_store_offers(world: StoreWorld) -> None:  # T23
    orphan = world.orphan(b"orphan")
    world.clock.advance(days=2)
    registry = world.registry()
    assert registry.find_orphaned_artifacts("cdnow") == [orphan]
    assert registry.delete_orphaned_artifacts("cdnow", False) == ([orphan], 6)


def test_an_old_blob_that_is_put_again_is_young_again(world: StoreWorld) -> None:  # T23, rule 2
    orphan = world.orphan(b"orphan")
    world.clock.advance(days=2)
    assert world.orphan(b"orphan") == orphan
    assert world.store.find_orphaned_artifacts("cdnow") == []


def test_a_commit_makes_young_what_it_names(world: StoreWorld) -> None:  # T23, rule 2
    source = world.step(b"source", step=0, asset="table_stats")
    registry = world.registry()
    registry.register(b"slow", artifact_id=registry.generate_id(3), operation="fit", artifact_type="model",
                      class_name="Net", format="bytes", depends_on=source.items)  # fmt: skip
    world.clock.advance(days=200)
    collector = Collector(world.store)  # has looked at the clock, and at nothing else
    registry.commit(3, name="trained_artifact")
    collector.collect("cdnow", Retention(last=1, days=0))
    assert world.dangling() == []
    assert source.path in world.manifests()


def test_a_blob_that_went_before_its_commit_fails_the_commit(world: StoreWorld) -> None:  # T21
    registry = world.registry()
    registry.register(b"slow", artifact_id=registry.generate_id(3), operation="fit", artifact_type="model",
                      class_name="Net", format="bytes")  # fmt: skip
    world.clock.advance(days=2)
    world.store.delete_orphaned_artifacts("cdnow", dry_run=False)
    with pytest.raises(MissingArtifact, match="register again"):
        registry.commit(3, name="trained_artifact")
    assert world.manifests() == set()


@pytest.mark.parametrize("damage", [b"{not a manifest", b'{"schema_version": "3.0"}'])
def test_a_manifest_that_cannot_be_read_stops_the_collection(world: StoreWorld, damage: bytes) -> None:  # T23, rule 4
    path = str(world.step(b"kept").path)
    orphan = world.orphan(b"orphan")
    world.clock.advance(days=400)
    world.store.port.replace(path, damage)
    for act in (
        lambda: world.store.delete_orphaned_artifacts("cdnow", dry_run=False),
        lambda: world.store.collect_dataset("cdnow", dry_run=False),
        lambda: world.store.find_orphaned_artifacts("cdnow"),
        lambda: world.store.cleanup_failed_run("any"),
        lambda: world.store.delete_pipeline_artifacts(PIPELINE),
    ):
        with pytest.raises((CorruptArtifact, UnsupportedManifestVersion), match="runs/cdnow"):
            act()
    assert orphan in world.blobs()


def test_a_manifest_in_the_folder_of_another_data_set_stops_the_collection(world: StoreWorld) -> None:  # rule 4
    path = str(world.step(b"kept").path)
    world.store.port.create(path.replace("runs/cdnow", "runs/other"), world.store.port.read(path))
    with pytest.raises(CorruptArtifact, match="a manifest of data set other"):
        world.store.find_orphaned_artifacts("other")


def test_a_manifest_without_a_seal_protects_and_one_with_a_field_missing_stops(world: StoreWorld) -> None:  # T6, rule 4
    manifest = world.step(b"kept")
    lines = world.store.port.read(str(manifest.path)).splitlines(keepends=True)
    unsealed = b"".join(line for line in lines if b"document_hash" not in line).replace(b"],\n}", b"]\n}")
    world.store.port.replace(str(manifest.path), unsealed)
    world.clock.advance(days=2)
    assert world.store.delete_orphaned_artifacts("cdnow", dry_run=False) == ([], 0)
    from argn_assets.store.documents import parse, seal

    document = parse(unsealed, "here")
    del document["created_at"]
    world.store.port.replace(str(manifest.path), seal(document))
    with pytest.raises(CorruptArtifact, match="created_at"):
        world.store.find_orphaned_artifacts("cdnow")


def test_a_ref_that_cannot_be_read_stops_the_collection(world: StoreWorld) -> None:  # T23, rule 4
    world.step(current=True)
    world.clock.advance(days=400)
    world.store.port.replace("refs/cdnow/trained_artifact/000000000001.json", b"{}")
    with pytest.raises(CorruptArtifact, match="refs/cdnow/trained_artifact"):
        world.store.collect_dataset("cdnow", dry_run=False)


def test_old_steps_go_with_their_blobs_and_the_last_ones_stay(world: StoreWorld) -> None:  # T23
    made = []
    for _ in range(8):
        made.append(world.step())
        world.clock.advance(days=1)
    world.clock.advance(days=90)
    asked = world.store.collect_dataset("cdnow")
    assert set(asked.manifests) == {manifest.path for manifest in made[:3]}
    assert asked.size_bytes == 3 * 16
    assert len(world.blobs()) == 8, "a dry run is the default"
    done = world.store.collect_dataset("cdnow", dry_run=False)
    assert (set(done.manifests), set(done.blobs)) == (set(asked.manifests), set(asked.blobs))
    assert world.manifests() == {manifest.path for manifest in made[3:]}
    assert world.blobs() == {manifest.items[0].path for manifest in made[3:]}
    assert world.dangling() == []


def test_one_collector_collects_several_data_sets_of_which_one_was_made_from_another(world: StoreWorld) -> None:  # T23
    source = world.step()
    world.step(sources=source.items, dataset="census", pipeline="census_1")
    world.clock.advance(days=1)
    world.step()
    world.step(dataset="census", pipeline="census_1")
    world.clock.advance(days=100)
    collector, last = Collector(world.store), Retention(last=1)
    assert [len(collector.collect(dataset, last).manifests) for dataset in ("cdnow", "census", "cdnow")] == [0, 1, 1]
    assert world.dangling() == []


def test_emptied_folders_go_with_what_was_in_them(world: StoreWorld) -> None:
    world.step()
    world.clock.advance(days=1)
    for _ in range(5):
        world.step()
    world.clock.advance(days=100)
    world.store.collect_dataset("cdnow", dry_run=False)
    assert len(world.store.runs("cdnow")) == 5
    world.store.purge_dataset_artifacts("cdnow")
    assert world.store.datasets() == []


def test_what_is_current_pinned_or_a_source_of_a_kept_step_stays(world: StoreWorld) -> None:  # T23
    source = world.step(step=0, asset="raw_tables")
    current = world.step(sources=source.items, current=True)
    pinned, gone = world.step(), world.step()
    for _ in range(6):
        world.clock.advance(hours=1)
        world.step()
        world.step(step=0, asset="raw_tables")
    world.store.pin_artifacts("cdnow", "paper", run=pinned.run_id)
    world.clock.advance(days=100)
    done = world.store.collect_dataset("cdnow", dry_run=False)
    assert gone.path in done.manifests
    assert {source.path, current.path, pinned.path} <= world.manifests()
    assert world.dangling() == []
    world.store.unpin_artifacts("cdnow", "paper")
    assert pinned.path in world.store.collect_dataset("cdnow", dry_run=False).manifests


def test_a_step_of_another_data_set_keeps_what_it_was_made_from(world: StoreWorld) -> None:  # T23
    source = world.step()
    world.step(sources=source.items, dataset="census", pipeline="census_1")
    world.clock.advance(hours=1)
    for _ in range(5):
        world.step()
    world.clock.advance(days=100)
    assert world.store.collect_dataset("cdnow", dry_run=False).manifests == []
    with pytest.raises(StoreError, match="runs/census"):
        world.store.purge_dataset_artifacts("cdnow")
    assert world.dangling() == []


def test_a_step_that_is_used_again_while_a_collection_runs_stays_with_its_sources(world: StoreWorld) -> None:  # rule 3
    source = world.step(step=0, asset="table_stats")
    used = world.step(sources=source.items)
    for _ in range(5):
        world.clock.advance(hours=1)
        world.step()
        world.step(step=0, asset="table_stats")
    world.clock.advance(days=100)
    port = MeanwhilePort(world.store.port)
    port.before("_remove_if", "runs/", lambda: world.store.reuse_manifest(str(used.path)))
    done = ArtifactStore(port, now=world.clock).collect_dataset("cdnow", dry_run=False)
    assert done.manifests == []
    assert {source.path, used.path} <= world.manifests()
    assert world.dangling() == []


def test_a_manifest_that_appears_after_the_first_look_keeps_its_blobs(world: StoreWorld) -> None:  # rule 5
    orphan = world.orphan(b"found by another writer whose clock is wrong")
    world.clock.advance(days=2)
    collector = Collector(world.store)
    listed = world.store.port.entries

    def meanwhile(folder: str) -> list[object]:
        found = listed(folder)
        if folder.startswith("binaries/") and not world.manifests():
            now, world.clock.time = world.clock.time, collector.grace_begins - timedelta(days=1)
            world.step(b"found by another writer whose clock is wrong")
            world.clock.time = now
        return list(found)

    world.store.port.entries = meanwhile  # type: ignore[method-assign, assignment]
    assert collector.delete_orphans("cdnow").blobs == []
    assert orphan in world.blobs()


def test_a_crash_at_any_removal_leaves_orphans_only(world: StoreWorld) -> None:  # T21, rule 3
    for _ in range(3):
        source = world.step(step=0, asset="table_stats")
        middle = world.step(step=2, asset="encoded_tables", sources=source.items)
        world.step(sources=middle.items)
    world.clock.advance(days=100)
    for _ in range(2):
        world.step(step=0, asset="table_stats")
        world.step(step=2, asset="encoded_tables")
        world.step()
    port, remove_if, left = world.store.port, world.store.port._remove_if, 0

    def crashing(path: str, goes: object) -> bool:
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError(5, "the machine stopped")
        return remove_if(path, goes)  # type: ignore[arg-type]

    port._remove_if = crashing  # type: ignore[method-assign, assignment]
    for at in range(40):
        left = 1
        try:
            world.store.collect_dataset("cdnow", Retention(last=2, days=0), dry_run=False)
            break
        except StoreUnavailable:
            assert world.dangling() == [], at
    assert len(world.manifests()) == len(world.blobs()) == 6


def test_deleting_a_pipeline_takes_its_refs_first_and_leaves_what_others_need(world: StoreWorld) -> None:  # T23
    shared = world.step(b"shared", step=0, asset="raw_tables", current=True)
    world.step(b"model", current=True)
    pinned = world.step(b"pinned", step=4)
    world.store.pin_artifacts("cdnow", "paper", artifact_id=pinned.items[0].artifact_id, run=pinned.run_id)
    other = world.step(b"other", step=2, sources=shared.items, pipeline="cdnow_other", asset="encoded_tables")
    young = world.store.delete_pipeline_artifacts(PIPELINE, dry_run=True)
    assert (young.refs, len(young.manifests), young.blobs) == (["cdnow/trained_artifact"], 1, [])
    world.clock.advance(days=2)
    done = world.store.delete_pipeline_artifacts(PIPELINE)
    assert (done.refs, done.manifests, done.size_bytes) == (young.refs, young.manifests, 5)
    assert world.manifests() == {shared.path, pinned.path, other.path}
    assert world.store.refs("cdnow").names() == ["raw_tables"]
    assert world.dangling() == []
    with pytest.raises(MissingArtifact, match="no data set"):
        world.store.delete_pipeline_artifacts("cdnow_unheard_of")
    with pytest.raises(UnsafeName):
        world.store.delete_pipeline_artifacts("../x")


def test_a_failed_run_keeps_what_a_retry_could_use_and_then_goes(
    world: StoreWorld, caplog: pytest.LogCaptureFixture
) -> None:  # T23
    caplog.set_level(logging.INFO, "argn_assets.store")
    source = world.step(b"first step", step=0, asset="raw_tables", run="failed00-1", current=True)
    world.step(b"second step", step=1, run="failed00-1", sources=source.items)
    world.orphan(b"third step, not committed")
    other = world.step(b"of another run")
    assert world.store.cleanup_failed_run("failed00-1").manifests == []
    assert len(world.blobs()) == 4
    world.clock.advance(days=1)
    done = world.store.cleanup_failed_run(str(source.path).split("/")[2])
    assert [path.split("/")[-2] for path in done.manifests] == ["1_all.0"]
    assert {source.items[0].path, other.items[0].path} == world.blobs()
    assert f"removed {done.manifests[0]}" in caplog.text
    assert "failed run" in caplog.text
    assert world.dangling() == []


def test_a_run_that_nobody_knows_leaves_nothing_to_clean(world: StoreWorld) -> None:
    world.step()
    assert world.store.cleanup_failed_run("unheard-of").manifests == []


def test_purging_takes_everything_of_a_data_set_and_nothing_else(world: StoreWorld) -> None:  # T23
    world.step(b"young and current", current=True)
    world.store.pin_artifacts("cdnow", "paper", run=world.step().run_id)
    world.orphan(b"orphan")
    damaged = str(world.step().path)
    world.store.port.replace(damaged, b"{}")
    other = world.step(dataset="census")
    asked = world.store.purge_dataset_artifacts("cdnow", dry_run=True)
    assert (len(asked.refs), len(asked.manifests), len(asked.blobs)) == (2, 3, 4)
    assert world.manifests() == set(asked.manifests)
    done = world.store.purge_dataset_artifacts("cdnow")
    assert done == asked
    for folder in ("runs", "binaries", "refs"):
        assert world.store.port.find(f"{folder}/cdnow") == []
    assert world.manifests("census") == {other.path}
    with pytest.raises(UnsafeName):
        world.store.purge_dataset_artifacts("../census")


def test_unfinished_files_of_crashed_writers_go_after_the_grace_period(world: StoreWorld) -> None:  # T23
    old, young = (world.store.port.spool_folder() / f"{name}-{uuid4().hex}" for name in ("old", "young"))
    for file, age in ((old, 2), (young, 0)):
        file.write_bytes(b"half a fi")
        stamp = time.time() - age * 86400
        os.utime(file, (stamp, stamp))
    assert old.name in world.store.collect_dataset("cdnow").unfinished
    assert old.exists()
    done = world.store.collect_dataset("cdnow", dry_run=False)
    assert old.name in done.unfinished
    assert not old.exists()
    assert young.exists()
    young.unlink()


def test_files_that_the_store_would_not_make_are_left_alone(tmp_path: Path) -> None:  # T26
    world = StoreWorld.at(str(tmp_path))
    world.orphan(b"orphan")
    foreign = [tmp_path / "binaries" / "cdnow" / name for name in (".DS_Store", "a file")]
    for file in foreign:
        file.write_bytes(b"")
        os.utime(file, (0, 0))
    world.clock.advance(days=2)
    assert len(world.store.delete_orphaned_artifacts("cdnow", dry_run=False)[0]) == 1
    assert all(file.exists() for file in foreign)


def test_pins_are_no_refs(world: StoreWorld) -> None:  # T22
    old, new = world.step(b"old"), world.step(b"new", current=True)
    refs, artifact_id = world.store.refs("cdnow"), old.items[0].artifact_id
    world.store.pin_artifacts("cdnow", "paper", run=old.path.split("/")[2] if old.path else "")
    assert refs.names() == ["trained_artifact"]
    assert refs.pins() == {"paper": (old.path,)}
    assert world.store.find_record("cdnow", artifact_id).content_hash == new.items[0].content_hash
    world.store.pin_artifacts("cdnow", "paper", artifact_id=artifact_id)
    assert refs.pins() == {"paper": (new.path,)}
    world.store.pin_artifacts("cdnow", "release")
    assert refs.pins() == {"paper": (new.path,), "release": (new.path,)}
    for name in ("paper", "release"):
        world.store.unpin_artifacts("cdnow", name)
    assert refs.pins() == {}
    for wrong in ({"run": "unheard-of"}, {"run": "unheard-of", "artifact_id": artifact_id}):
        with pytest.raises(MissingArtifact):
            world.store.pin_artifacts("cdnow", "paper", **wrong)
    with pytest.raises(MissingArtifact, match="anything published"):
        world.store.pin_artifacts("census", "paper")
    with pytest.raises(MissingArtifact, match="no pin 'paper'"):
        world.store.unpin_artifacts("cdnow", "paper")
    with pytest.raises(MissingArtifact):
        refs.pin("paper", ["runs/cdnow/gone/manifest.yaml"])


def test_a_grace_period_shorter_than_the_back_end_can_hold_is_refused(world: StoreWorld) -> None:
    world.store.port.shortest_grace = timedelta(hours=2)
    with pytest.raises(ConfigError, match=r"at least 2\.0 h"):
        world.store.find_orphaned_artifacts("cdnow", grace_period_hours=1)


def test_a_removed_manifest_is_not_remembered(world: StoreWorld) -> None:
    manifest = world.step()
    path = str(manifest.path)
    world.store.read_manifest(path)
    world.clock.advance(days=2)
    world.store.delete_pipeline_artifacts(PIPELINE)
    for read in (world.store.read_manifest, world.store.reuse_manifest):
        with pytest.raises(MissingArtifact):
            read(path)


def test_usage_counts_what_is_named_what_is_not_and_what_storing_once_saves(world: StoreWorld) -> None:  # T7, §5
    for _ in range(4):
        world.step(b"the same")
    world.orphan(b"orphan")
    world.clock.advance(days=2)
    world.orphan(b"young")
    usage = world.store.measure_usage("cdnow")
    assert (usage.blobs, usage.blob_bytes) == (3, 19)
    assert (usage.referenced_blobs, usage.referenced_bytes) == (1, 8)
    assert (usage.orphaned_blobs, usage.orphaned_bytes, usage.young_blobs, usage.young_bytes) == (1, 6, 1, 5)
    assert (usage.manifests, usage.references, usage.reference_bytes) == (4, 4, 32)
    assert (usage.saved_bytes, usage.saved_share, usage.missing_blobs) == (24, 0.75, 0)
    assert world.store.measure_usage("nothing").saved_share == 0.0


@pytest.mark.parametrize("wrong", [{"last": 0}, {"days": -1}, {"last_by_asset": {"raw_tables": 0}}])
def test_keeping_less_than_the_last_one_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="at least 1"):
        Retention(**wrong)


def test_manifests_that_depend_on_each_other_stop_the_collection(world: StoreWorld) -> None:  # rule 4
    first = world.step(b"first", step=0, asset="raw_tables")
    second = world.step(b"second", step=1, sources=first.items)
    for _ in range(5):
        world.clock.advance(days=1)
        world.step(step=0)
        world.step(step=1)
    (record,) = first.items
    cycle = replace(first, items=(replace(record, depends_on=(second.items[0].as_dependency(),)),))
    world.store.port.replace(str(first.path), cycle.to_bytes())
    world.clock.advance(days=400_000 / 24)  # written by hand, with the time of this machine
    with pytest.raises(StoreError, match=r"cycle: runs/.* → runs/"):
        world.store.collect_dataset("cdnow", dry_run=False)


@pytest.mark.slow
def test_marking_a_hundred_thousand_blobs_takes_seconds_and_is_linear(tmp_path: Path) -> None:  # §6
    def seconds(n_manifests: int) -> float:
        world = StoreWorld.at(str(tmp_path / f"{n_manifests}"))
        _fill(world, n_manifests)
        began = time.process_time()  # the machine may be busy with other things
        assert len(world.store.find_orphaned_artifacts("cdnow")) == 0
        return time.process_time() - began

    small, large = seconds(200), seconds(2000)
    assert large <= 5
    assert large <= 15 * small


def _fill(world: StoreWorld, n_manifests: int, items: int = 50) -> None:
    """Write manifests of 50 records, and their blobs as empty files, without waiting for a disk."""
    manifest = world.step(b"")
    root = Path(world.store.url.removeprefix("file://"))
    (record,) = manifest.items
    for number in range(n_manifests):
        names = [f"model_Net_{number * items + item:012x}.bin" for item in range(items)]
        path = root / str(manifest.path).replace("/3_all.0/", f"/{number}_all.1/")
        path.parent.mkdir(parents=True)
        text = replace(manifest, items=tuple(replace(record, path=name) for name in names)).to_bytes()
        path.write_bytes(text)
        for name in names:
            (root / "binaries" / "cdnow" / name).touch()


def test_a_ref_to_a_manifest_that_is_not_there_stops_every_collection(world: StoreWorld) -> None:  # T23, rule 7
    published = world.step(b"published", current=True)
    pinned = world.step(b"pinned", dataset="zoo")
    world.store.pin_artifacts("zoo", "paper", run=pinned.run_id)
    world.clock.advance(days=100)
    lost = [str(published.path), str(pinned.path)]
    for path in lost:  # as if a part of the store were not mounted
        world.store.port.delete(path)
    again = ArtifactStore(world.store.port, now=world.clock)
    collections = (
        lambda: again.collect_dataset("cdnow", dry_run=False),
        lambda: again.delete_orphaned_artifacts("cdnow", dry_run=False),
        lambda: again.cleanup_failed_run("a-run"),
    )
    for collect in collections:
        with pytest.raises(MissingArtifact, match=r"refs/cdnow/trained_artifact points to .* Nothing was removed"):
            collect()
    assert world.blobs() == {published.items[0].path}
    world.step(b"made again", current=True)
    with pytest.raises(MissingArtifact, match=r"refs/zoo/pin\.paper points to"):
        again.collect_dataset("cdnow", dry_run=False)
    again.unpin_artifacts("zoo", "paper")
    assert len(again.collect_dataset("cdnow", dry_run=False).blobs) == 1


def test_what_the_store_did_not_write_is_left_alone(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:  # T23
    world = StoreWorld.at(str(tmp_path / "store"))
    world.step(b"content")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    theirs = [
        elsewhere / "letter.txt",
        tmp_path / "store/binaries/cdnow/.DS_Store",
        tmp_path / "store/binaries/cdnow/a copy",
    ]
    for file in theirs:
        file.write_text("not ours")
        os.utime(file, (0, 0))
    (tmp_path / "store/binaries/cdnow/link").symlink_to(elsewhere)
    copied = tmp_path / "store/runs/cdnow/a copy"
    copied.mkdir()
    (copied / "manifest.yaml").write_text("not ours")
    world.clock.advance(days=2)
    with pytest.raises(UnsafeName, match="a copy"):
        world.store.delete_orphaned_artifacts("cdnow", dry_run=False)
    copied.rename(elsewhere / "a copy")
    assert world.store.delete_orphaned_artifacts("cdnow", dry_run=False) == ([], 0)
    (elsewhere / "a copy").rename(copied)
    done = world.store.purge_dataset_artifacts("cdnow")
    assert len(done.blobs) == 1
    assert world.manifests() == {"runs/cdnow/a copy/manifest.yaml"}
    assert [file.read_text() for file in theirs] == ["not ours"] * 3
    assert "binaries/cdnow/a copy is no file of the store" in caplog.text
