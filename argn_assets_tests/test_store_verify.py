"""Verify: everything is hashed again, every damage is named, and nothing is guessed (T24)."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from argn_assets.errors import CorruptArtifact
from argn_assets.store import ArtifactRecord, ArtifactStore, Manifest
from argn_assets.store.documents import seal
from argn_assets_tests.store_world import StoreWorld


@pytest.fixture(params=["file", "memory"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> StoreWorld:
    return StoreWorld.at(str(tmp_path / "store") if request.param == "file" else f"memory://{uuid4().hex}")


def findings(world: StoreWorld, dataset: str = "cdnow", *, quarantine: bool = False) -> list[tuple[str, str]]:
    report = world.store.verify_artifacts(dataset, quarantine=quarantine)
    return [(finding.kind, finding.path) for finding in report.findings]


def blob_path(record: ArtifactRecord) -> str:
    return f"binaries/cdnow/{record.path}"


def test_a_whole_store_is_read_completely_and_has_no_findings(world: StoreWorld) -> None:
    source = world.step(b"four", step=0, asset="table_stats")
    world.step(b"seven77", sources=source.items, current=True)
    world.store.pin_artifacts("cdnow", "paper", run=source.run_id)
    report = world.store.verify_artifacts("cdnow")
    assert (report.blobs, report.blob_bytes, report.manifests, report.refs) == (2, 11, 2, 2)
    assert (report.findings, report.damaged) == ([], False)


@pytest.mark.parametrize("change", ["flip", "cut", "empty", "other"])
def test_every_change_of_a_blob_is_corrupt(world: StoreWorld, change: str) -> None:
    content = bytes(range(256))
    record = world.step(content).items[0]
    damaged = {"flip": content[:100] + b"\xff" + content[101:], "cut": content[:-1], "empty": b"", "other": b"x" * 256}
    world.store.port.replace(blob_path(record), damaged[change])
    assert findings(world) == [("corrupt", blob_path(record))]
    assert world.store.verify_artifacts("cdnow").damaged


def test_a_blob_that_is_gone_is_missing_for_each_step_that_names_it(world: StoreWorld) -> None:
    record = world.step(b"the same").items[0]
    world.step(b"the same")
    world.store.port.delete(blob_path(record))
    assert findings(world) == [("missing", blob_path(record))] * 2


def test_what_nothing_names_is_unreferenced_and_no_damage(world: StoreWorld) -> None:
    orphan = world.orphan(b"orphan")
    world.store.port.create("binaries/cdnow/notes.txt", b"somebody's")
    report = world.store.verify_artifacts("cdnow")
    assert [(it.kind, it.path) for it in report.findings] == [
        ("unreferenced", f"binaries/cdnow/{orphan}"),
        ("unreferenced", "binaries/cdnow/notes.txt"),
    ]
    assert not report.damaged


def test_an_unreferenced_blob_is_held_to_the_digits_in_its_name(world: StoreWorld) -> None:
    orphan = world.orphan(b"orphan")
    world.store.port.replace(f"binaries/cdnow/{orphan}", b"orphan!")
    assert findings(world) == [("corrupt", f"binaries/cdnow/{orphan}")]


def test_while_a_manifest_cannot_be_read_nothing_is_called_unreferenced(world: StoreWorld) -> None:
    path = str(world.step().path)
    text = world.store.port.read(path)
    world.store.port.replace(path, text.replace(b'"attempt": 0', b'"attempt": 1'))
    assert findings(world) == [("corrupt", path)]
    world.store.port.replace(path, text.replace(b'"2.0"', b'"3.0"'))
    assert findings(world) == [("other version", path)]
    assert world.store.verify_artifacts("cdnow").damaged


def test_a_manifest_of_another_data_set_is_corrupt(world: StoreWorld) -> None:
    path = str(world.step().path)
    world.store.port.create(path.replace("runs/cdnow", "runs/other"), world.store.port.read(path))
    assert findings(world, "other") == [("corrupt", path.replace("runs/cdnow", "runs/other"))]


def test_refs_are_read_with_their_history_and_must_lead_somewhere(world: StoreWorld) -> None:
    manifest = world.step(current=True)
    world.step(current=True)
    first = "refs/cdnow/trained_artifact/000000000001.json"
    text = world.store.port.read(first)
    world.store.port.replace(first, text.replace(b'"sequence": 1', b'"sequence": 2'))
    assert findings(world) == [("corrupt", "refs/cdnow/trained_artifact")]
    world.store.port.replace(first, text)
    world.store.refs("cdnow").move("elsewhere", {"manifest": str(manifest.path).replace("3_all", "4_all")})
    assert findings(world) == [("missing", str(manifest.path).replace("3_all", "4_all"))]


def test_a_source_that_is_gone_or_has_other_bytes_is_missing(world: StoreWorld) -> None:
    source = world.step(b"source", step=0, asset="table_stats")
    world.step(sources=source.items)
    path, text = str(source.path), world.store.port.read(str(source.path))
    world.store.port.delete(path)
    assert ("missing", path) in findings(world)
    manifest = Manifest.from_bytes(text, path)
    other = replace(manifest.items[0], content_hash="sha256:" + "0" * 64)
    world.store.port.replace(path, replace(manifest, items=(other,)).to_bytes())
    assert ("missing", path) in findings(world)


def test_a_name_in_a_manifest_that_leaves_the_store_is_corrupt_and_not_followed(world: StoreWorld) -> None:  # T26
    path = str(world.step().path)
    document = json.loads(world.store.port.read(path))
    document["artifacts"]["items"][0]["path"] = "../../../etc/passwd"
    world.store.port.replace(path, seal(document))
    assert ("corrupt", "binaries/cdnow/../../../etc/passwd") in findings(world, quarantine=True)


def test_a_ref_folder_of_an_unusable_name_is_corrupt(tmp_path: Path) -> None:
    world = StoreWorld.at(str(tmp_path))
    world.step()
    (tmp_path / "refs" / "cdnow" / "a name").mkdir(parents=True)
    assert findings(world) == [("corrupt", "refs/cdnow/a name")]


def test_quarantine_moves_corrupt_blobs_and_nothing_else(world: StoreWorld) -> None:  # T24
    good, bad = world.step(b"good").items[0], world.step(b"bad").items[0]
    orphan = world.orphan(b"orphan")
    world.store.port.replace(blob_path(bad), b"BAD")
    report = world.store.verify_artifacts("cdnow", quarantine=True)
    (place,) = report.moved.values()
    assert list(report.moved) == [blob_path(bad)]
    assert place.startswith(f"quarantine/cdnow/{bad.path}.")
    assert world.store.port.read(place) == b"BAD"
    assert world.blobs() == {good.path, orphan}
    assert findings(world)[0] == ("missing", blob_path(bad))


def test_a_new_result_of_the_same_content_takes_the_place_of_a_quarantined_one(world: StoreWorld) -> None:  # T24
    record = world.step(b"content").items[0]
    world.store.port.replace(blob_path(record), b"spoilt!")
    assert world.store.verify_artifacts("cdnow", quarantine=True).moved
    assert world.step(b"content").items[0].path == record.path
    assert findings(world) == []


def test_the_same_damage_twice_is_kept_once(world: StoreWorld) -> None:
    record = world.step(b"content").items[0]
    for _ in range(2):
        world.orphan(b"content")
        world.store.port.replace(blob_path(record), b"spoilt!")
        assert world.store.verify_artifacts("cdnow", quarantine=True).moved
    assert len(world.store.port.find("quarantine")) == 1


def test_a_corrupt_blob_stays_where_it_is_when_the_copy_does_not_read_back(world: StoreWorld) -> None:  # T24, rule 3
    record = world.step(b"content").items[0]
    world.store.port.replace(blob_path(record), b"spoilt!")
    (place,) = world.store.verify_artifacts("cdnow", quarantine=True).moved.values()
    world.store.port.replace(place, b"another")
    world.orphan(b"content")
    world.store.port.replace(blob_path(record), b"spoilt!")
    with pytest.raises(CorruptArtifact, match="quarantine/"):
        world.store.verify_artifacts("cdnow", quarantine=True)
    assert world.store.port.read(blob_path(record)) == b"spoilt!"


def test_what_a_collector_removes_meanwhile_is_not_called_missing(world: StoreWorld) -> None:  # rule 4
    source = world.step(b"source", step=0, asset="table_stats")
    made = world.step(b"made", sources=source.items)
    port, digest = world.store.port, world.store.port.digest
    removed: list[str] = []

    def meanwhile(path: str) -> str:
        if not removed:
            for gone in (str(made.path), str(source.path), *map(blob_path, (*made.items, *source.items))):
                port.delete(gone)
                removed.append(gone)
        return digest(path)

    port.digest = meanwhile  # type: ignore[method-assign]
    assert findings(world) == []
    read = port.read
    made = world.step(b"made", step=5)
    port.digest = digest  # type: ignore[method-assign]

    def gone(path: str) -> bytes:
        if path == made.path:
            port.delete(path)
        return read(path)

    port.read = gone  # type: ignore[method-assign]
    assert findings(world) == [("unreferenced", blob_path(made.items[0]))]


def test_a_data_set_that_is_not_there_has_nothing_to_verify(world: StoreWorld) -> None:
    assert ArtifactStore(world.store.port).verify_artifacts("nothing").findings == []


def test_a_blob_that_is_named_rightly_stays_where_a_record_is_wrong_about_it(world: StoreWorld) -> None:  # T24, rule 3
    right, wrong = world.step(b"content"), world.step(b"content", step=4)
    document = json.loads(world.store.port.read(str(wrong.path)))
    del document["document_hash"]  # as if somebody had written it by hand
    document["artifacts"]["items"][0]["content_hash"] = f"sha256:{'0' * 64}"
    world.store.port.replace(str(wrong.path), json.dumps(document).encode())
    report = world.store.verify_artifacts("cdnow", quarantine=True)
    assert [(finding.kind, "0" * 64 in finding.detail) for finding in report.findings] == [("corrupt", True)]
    assert report.moved == {}
    assert world.store.blobs.verify("cdnow", right.items[0].path, right.items[0].content_hash)
