"""Stored bytes that changed, documents that nobody should trust, names from outside: all found out, nothing decoded."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argn_assets.errors import (
    CorruptArtifact,
    MissingArtifact,
    StoreError,
    StoreUnavailable,
    UnsafeName,
    UnsupportedManifestVersion,
)
from argn_assets.store import ArtifactLoader, ArtifactStore, Manifest
from argn_assets.store.documents import seal, unseal
from argn_assets_tests.conformance.journey import DATASET, check_step, check_store, commit_step

PLACES = 100
HOSTILE = [
    "../../store.json", "..", ".", "", "/etc/passwd", "a/../../x", "a\\..\\x", "C:\\x", "a\x00b", "a\nb", "~root",
    "-x/../y", "a/./b", "a//b", "a/", ".hidden", "nul", "con.parquet", "COM1.npz", "x.", "x ", "\u2024\u2024/x",
    "\uff0e\uff0e/x", "a\u2215b", "a\u202eb", "caf\u00e9", "cafe\u0301", "\U0001f984", "a" * 2000, "%2e%2e%2fx", "file:///etc/passwd",
    "*", "$HOME",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(str(tmp_path / "store"))


@pytest.fixture
def manifest(store: ArtifactStore) -> Manifest:
    return commit_step(store, 7)


def places(content: bytes) -> list[int]:
    """Return positions spread over the content, a hundred if it has as many."""
    return sorted({number * len(content) // PLACES for number in range(PLACES)})


def flipped(content: bytes, position: int) -> bytes:
    return content[:position] + bytes([content[position] ^ (1 << position % 8)]) + content[position + 1 :]


def changed(store: ArtifactStore, path: str, content: bytes) -> ArtifactStore:
    """Change stored bytes behind the store's back; return a store that has not seen them yet."""
    store.port.replace(path, content)
    return ArtifactStore.open(store.url)


def opened(store: ArtifactStore, manifest: Manifest) -> ArtifactLoader:
    """Read a stored manifest and return its loader."""
    return ArtifactLoader.from_manifest(store.read_manifest(str(manifest.path)), store)


def edited(store: ArtifactStore, path: str, edit: Callable[[Any], None], *, sealed: bool = True) -> ArtifactStore:
    """Change a stored document, and its hash too unless told otherwise."""
    document = json.loads(store.port.read(path))
    edit(document)
    return changed(store, path, seal(document) if sealed else json.dumps(document).encode())


@pytest.mark.parametrize("change", [flipped, lambda content, position: content[:position]])
def test_every_changed_byte_and_every_cut_of_a_blob_is_found_out(  # T12
    store: ArtifactStore, change: Callable[[bytes, int], bytes]
) -> None:
    registry_manifest = commit_step(store, 1)
    record = registry_manifest.items[1]
    path = f"binaries/{DATASET}/{record.path}"
    content = store.port.read(path)
    for position in range(len(content)):
        broken = changed(store, path, change(content, position))
        with pytest.raises(CorruptArtifact, match=record.path) as caught:
            ArtifactLoader.from_manifest(registry_manifest, broken).load_by_id(record.artifact_id)
        assert caught.value.expected == record.content_hash


@pytest.mark.parametrize("change", [flipped, lambda content, position: content[:position]])
def test_a_changed_manifest_never_reads_as_another_one(  # T6, T12
    store: ArtifactStore, manifest: Manifest, change: Callable[[bytes, int], bytes]
) -> None:
    content, refused = store.port.read(str(manifest.path)), []
    for position in places(content):
        broken = changed(store, str(manifest.path), change(content, position))
        try:
            found = broken.read_manifest(str(manifest.path))
        except StoreError as error:
            refused.append(str(error))
        else:  # a space between fields, or a name that this version does not look at
            assert found.without_extra() == manifest
    assert len(refused) > PLACES // 2
    assert all(str(manifest.path) in message for message in refused)


@pytest.mark.parametrize("change", [flipped, lambda content, position: content[:position]])
def test_a_changed_ref_never_points_elsewhere(
    store: ArtifactStore, manifest: Manifest, change: Callable[[bytes, int], bytes]
) -> None:
    path = f"refs/{DATASET}/trained_artifact/000000000001.json"
    content, refused = store.port.read(path), []
    for position in places(content):
        broken = changed(store, path, change(content, position))
        try:
            ref = broken.refs(DATASET).read("trained_artifact")
        except CorruptArtifact as error:
            refused.append(error.path)
        else:
            assert ref is not None
            assert ref.value == {"manifest": manifest.path}
    assert len(refused) > PLACES // 2
    assert set(refused) == {path}


def test_an_empty_blob_and_two_that_were_swapped_are_found_out(store: ArtifactStore, manifest: Manifest) -> None:
    _, first, second = manifest.items
    paths = [f"binaries/{DATASET}/{record.path}" for record in (first, second)]
    contents = [store.port.read(path) for path in paths]
    for replacement in ([b"", b""], contents[::-1]):
        for path, content in zip(paths, replacement, strict=True):
            store.port.replace(path, content)
        for record in (first, second):
            with pytest.raises(CorruptArtifact, match=record.path):
                ArtifactLoader.from_manifest(manifest, ArtifactStore.open(store.url)).load_by_id(record.artifact_id)
    for path, record in zip(paths, (first, second), strict=True):
        store.port.delete(path)
        with pytest.raises(MissingArtifact, match=path):
            ArtifactLoader.from_manifest(manifest, store).load_by_id(record.artifact_id)


def test_a_manifest_in_anothers_place_is_found_out(store: ArtifactStore, manifest: Manifest) -> None:
    elsewhere = str(manifest.path).replace(f"runs/{DATASET}/", "runs/census/")
    store.port.create(elsewhere, store.port.read(str(manifest.path)))
    with pytest.raises(CorruptArtifact, match=elsewhere):
        store.read_manifest(elsewhere)


@pytest.mark.parametrize(
    "content",
    [
        b"", b"\x00" * 100, b"\xff\xfe\x00", b"schema_version: [", b"- a\n- b\n", b"just text", b"{", b"null",
        b"'\xed\xa0\x80'",
        b"a: &a [x, x]\nb: &b [*a, *a]\nartifacts: [*b, *b]\n", b"!!python/object/apply:os.system ['true']",
        b"[" * 100_000, b'{"schema_version": "2.0", "artifacts": NaN}', b"key: value\nkey: other\n\tbad",
    ],
)  # fmt: skip
def test_what_is_not_a_manifest_is_refused_by_its_path(  # T6
    store: ArtifactStore, manifest: Manifest, content: bytes
) -> None:
    broken = changed(store, str(manifest.path), content)
    with pytest.raises((CorruptArtifact, UnsupportedManifestVersion), match=str(manifest.path)):
        broken.read_manifest(str(manifest.path))


def test_unknown_fields_of_a_later_minor_version_survive(store: ArtifactStore, manifest: Manifest) -> None:  # T6
    def add_fields(document: Any) -> None:
        document["schema_version"] = "2.7"
        document["weather"] = "rain"
        document["artifacts"]["items"][0]["colour"] = "blue"

    later = edited(store, str(manifest.path), add_fields)
    found = later.read_manifest(str(manifest.path))
    assert json.loads(found.to_bytes())["weather"] == "rain"
    assert json.loads(found.to_bytes())["artifacts"]["items"][0]["colour"] == "blue"
    check_step(later, str(manifest.path), 7)


@pytest.mark.parametrize("version", ["1.0", "3.0", "10", 2000, None, ["2.0"]])
def test_a_later_manifest_is_refused_before_anything_is_touched(
    store: ArtifactStore, manifest: Manifest, version: object
) -> None:
    later = edited(store, str(manifest.path), lambda document: document.update(schema_version=version))
    with pytest.raises(UnsupportedManifestVersion, match=str(manifest.path)):
        later.read_manifest(str(manifest.path))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_path_in_a_manifest_cannot_leave_the_folder_of_its_data_set(  # T26
    store: ArtifactStore, manifest: Manifest, name: str, tmp_path: Path
) -> None:
    (tmp_path / "store.json").write_bytes(b"outside the root")
    hostile = edited(store, str(manifest.path), lambda document: document["artifacts"]["items"][1].update(path=name))
    with pytest.raises((UnsafeName, CorruptArtifact)):
        opened(hostile, manifest).load_by_id(manifest.items[1].artifact_id)


@pytest.mark.parametrize("name", HOSTILE)
def test_a_data_set_or_a_source_named_by_a_manifest_cannot_leave_the_root(  # T26
    store: ArtifactStore, manifest: Manifest, name: str
) -> None:
    hostile = edited(store, str(manifest.path), lambda document: document.update(dataset=name))
    with pytest.raises((UnsafeName, CorruptArtifact)):
        opened(hostile, manifest).preload_artifacts()

    def name_source(document: Any) -> None:
        document["dataset"] = DATASET
        document["artifacts"]["items"][1]["depends_on"][0]["manifest"] = f"runs/{name}/manifest.yaml"

    hostile = edited(store, str(manifest.path), name_source)
    with pytest.raises((UnsafeName, CorruptArtifact, MissingArtifact)):
        opened(hostile, manifest).load_with_dependencies(manifest.items[1].artifact_id)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_door_takes_a_name_that_could_leave_the_root(store: ArtifactStore, name: str) -> None:  # T26
    put = {"artifact_type": "model", "class_name": "Net", "extension": "bin"}
    doors: list[Callable[[], object]] = [
        lambda: store.refs(name),
        lambda: store.refs(DATASET).read(name),
        lambda: store.refs(DATASET).move(name, {}),
        lambda: store.actions.get(name),
        lambda: store.runs(name),
        lambda: store.read_manifest(f"runs/{name}/manifest.yaml"),
        lambda: store.blobs.put(name, b"", **put),
        lambda: store.blobs.put(DATASET, b"", **{**put, "class_name": name}),
        lambda: store.blobs.put(DATASET, b"", **{**put, "extension": name}),
        lambda: store.blobs.read(DATASET, name, "sha256:0"),
    ]
    for door in doors:
        with pytest.raises(UnsafeName):
            door()
    assert store.port.find("binaries") == []


@pytest.mark.parametrize(
    "fields",
    [
        {"format": "somebody-elses-store"}, {"hash": "blake3"}, {"hash": None}, {"min_reader_version": 2},
        {"min_reader_version": "1"}, {"min_reader_version": None},
    ],
)  # fmt: skip
def test_a_store_of_another_format_is_refused_before_anything_is_touched(
    store: ArtifactStore, fields: dict[str, Any]
) -> None:
    before = store.port.find("runs")
    store.port.replace("store.json", seal({**unseal(store.port.read("store.json"), "store.json"), **fields}))
    with pytest.raises(UnsupportedManifestVersion, match=store.url):
        ArtifactStore.open(store.url)
    assert store.port.find("runs") == before


@pytest.mark.parametrize("content", [b"", b"{}", b'{"format": "argn-artifact-store", "hash": "sha256"}', b"\xff"])
def test_a_store_whose_description_went_bad_is_corrupt(store: ArtifactStore, content: bytes) -> None:
    store.port.replace("store.json", content)
    with pytest.raises(CorruptArtifact, match=r"store\.json"):
        ArtifactStore.open(store.url)


def test_damage_to_one_step_leaves_the_others_usable(store: ArtifactStore, manifest: Manifest) -> None:
    store.port.replace(str(manifest.path), b"{")
    other = commit_step(store, 8)
    check_step(ArtifactStore.open(store.url), str(other.path), 8)
    store.port.delete(str(manifest.path))
    store.port.delete(f"refs/{DATASET}/trained_artifact/000000000001.json")
    assert check_store(store) == [other.path]


@pytest.mark.parametrize("other", ["store.json", "actions", "manifest", "no mapping"])
def test_a_ref_with_another_document_in_its_place_is_corrupt_and_stops_a_collection(
    store: ArtifactStore, manifest: Manifest, other: str
) -> None:  # T22, T23
    store.actions.put("key", {"manifest": manifest.path})
    sealed = {
        "store.json": store.port.read("store.json"),
        "actions": store.port.read("actions/key.json"),
        "manifest": store.port.read(str(manifest.path)),
        "no mapping": seal({"ref": "trained_artifact", "sequence": 1, "value": 5, "moved_at": "2026-03-01T00:00:00Z"}),
    }
    path = f"refs/{DATASET}/trained_artifact/000000000001.json"
    store.port.replace(path, sealed[other])
    fresh = ArtifactStore.open(store.url)
    for use in (
        lambda: fresh.refs(DATASET).read("trained_artifact"),
        lambda: fresh.find_record(DATASET, manifest.items[0].artifact_id),
        lambda: fresh.collect_dataset(DATASET),
    ):
        with pytest.raises(CorruptArtifact, match=path):
            use()
    assert [finding.kind for finding in fresh.verify_artifacts(DATASET).findings] == ["corrupt"]


def test_a_ref_that_points_out_of_the_root_is_corrupt_and_verify_goes_on(
    store: ArtifactStore, manifest: Manifest
) -> None:  # T24, T26
    moved = {
        "ref": "trained_artifact",
        "sequence": 2,
        "value": {"manifest": "../../x"},
        "moved_at": "2026-03-01T00:00Z",
    }
    store.port.replace(f"refs/{DATASET}/trained_artifact/000000000002.json", seal(moved))
    report = store.verify_artifacts(DATASET)
    assert [(finding.kind, finding.path) for finding in report.findings] == [
        ("corrupt", f"refs/{DATASET}/trained_artifact")
    ]
    assert report.blobs == len({item.path for item in manifest.items})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("artifact_id", 5), ("path", ["x"]), ("path", 5), ("content_hash", 5), ("size_bytes", "5"), ("format", None),
        ("depends_on", [{"artifact_id": "a:1:all", "content_hash": "sha256:0", "manifest": ["x"]}]),
        ("depends_on", [{"artifact_id": ["a"], "content_hash": "sha256:0"}]),
    ],
)  # fmt: skip
def test_a_manifest_of_somebody_elses_hand_with_a_field_of_another_kind_is_corrupt(
    store: ArtifactStore, manifest: Manifest, field: str, value: Any
) -> None:  # T6
    document = json.loads(store.port.read(str(manifest.path)))
    del document["document_hash"]
    document["artifacts"]["items"][0][field] = value
    store.port.replace(str(manifest.path), json.dumps(document).encode())
    fresh = ArtifactStore.open(store.url)
    for use in (lambda: fresh.read_manifest(str(manifest.path)), lambda: fresh.collect_dataset(DATASET)):
        with pytest.raises(CorruptArtifact, match=str(manifest.path)):
            use()


def test_a_source_by_hand_that_names_no_manifest_is_of_the_same_step(store: ArtifactStore, manifest: Manifest) -> None:
    document = json.loads(store.port.read(str(manifest.path)))
    del document["document_hash"]
    document["artifacts"]["items"][1]["depends_on"][0]["manifest"] = None
    store.port.replace(str(manifest.path), json.dumps(document).encode())
    assert ArtifactStore.open(store.url).read_manifest(str(manifest.path)).items[1].depends_on[0].manifest is None


def test_a_store_that_is_not_mounted_any_more_is_unavailable(store: ArtifactStore) -> None:  # T21
    store.ensure_present()
    store.port.delete("store.json")
    with pytest.raises(StoreUnavailable, match="not there any more"):
        store.ensure_present()
