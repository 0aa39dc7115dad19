"""Records and manifests: what is written is read back, and what is not ours is refused."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.errors import CorruptArtifact, MissingArtifact, UnsupportedManifestVersion
from argn_assets.store import ArtifactRecord, ArtifactType, Dependency, Manifest, Producer
from argn_assets.store.documents import seal
from argn_assets.store.records import read_time, time_text
from argn_assets_tests.conformance.backend import NOON
from argn_assets_tests.test_store_documents import values

LAW = settings(derandomize=True, deadline=None, max_examples=60)

texts = st.text(max_size=12)
numbers = st.integers(0, 10**6)
times = st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30))]))
unknown = st.dictionaries(st.sampled_from(["later", "fields"]), values, max_size=2)
dependencies = st.builds(Dependency, artifact_id=texts, content_hash=texts, manifest=st.none() | texts, extra=unknown)
records = st.builds(
    ArtifactRecord,
    artifact_id=texts, name=texts, content_hash=texts, data_hash=texts, path=texts, pipeline_id=texts,
    branch_path=st.lists(numbers, max_size=3).map(tuple), step_index=numbers, operation=texts,
    fold_id=st.none() | numbers, artifact_type=st.sampled_from(ArtifactType), class_name=texts,
    depends_on=st.lists(dependencies, max_size=2).map(tuple), format=texts, format_version=texts,
    argn_assets_version=texts, version=numbers, size_bytes=numbers, created_at=times,
    params=st.dictionaries(texts, values, max_size=2), params_hash=texts,
    meta_config=st.none() | st.dictionaries(texts, values, max_size=2),
    producer=st.builds(Producer, asset_key=texts, code_version=texts, run_id=texts, extra=unknown),
    manifest=st.none(), extra=unknown,
)  # fmt: skip
manifests = st.builds(
    Manifest,
    schema_version=st.sampled_from(["2.0", "2.7"]), uid=texts, pipeline_id=texts, name=texts, dataset=texts,
    run_id=texts, attempt=numbers, created_at=times, items=st.lists(records, max_size=2).map(tuple),
    predictions=st.lists(st.dictionaries(texts, values, max_size=2), max_size=2).map(tuple), path=st.none(),
    extra=unknown,
)  # fmt: skip


def record(**changes: Any) -> ArtifactRecord:
    described: dict[str, Any] = {
        "artifact_id": "p:3:all", "name": "users", "content_hash": "sha256:c", "data_hash": "sha256:d",
        "path": "table_users_c.parquet", "pipeline_id": "p", "step_index": 3, "operation": "fit",
        "artifact_type": ArtifactType.TABLE, "class_name": "users", "format": "parquet", "format_version": "1",
        "argn_assets_version": "0.1.0", "size_bytes": 5, "created_at": NOON, "params_hash": "sha256:p",
    }  # fmt: skip
    return ArtifactRecord(**{**described, **changes})


def manifest(*items: ArtifactRecord) -> Manifest:
    return Manifest(uid="u", pipeline_id="p", name="raw_tables", dataset="cdnow", created_at=NOON, items=items)


def changed(text: bytes, **fields: Any) -> bytes:
    """Return a manifest's text with other fields and the hash that belongs to them; None leaves a field out."""
    content = {key: value for key, value in {**json.loads(text), **fields}.items() if value is not None}
    return seal(content)


@given(manifests)
@LAW
def test_a_manifest_reads_back_as_it_was_written(written: Manifest) -> None:  # T6
    assert Manifest.from_bytes(written.to_bytes()) == written


def test_a_manifest_has_the_fields_of_the_specification() -> None:  # T5, T6
    found = yaml.safe_load(manifest(record()).to_bytes())
    assert next(iter(found)) == "schema_version"
    assert found["schema_version"] == "2.0"
    assert {"uid", "pipeline_id", "name", "dataset", "created_at", "artifacts", "predictions"} <= set(found)
    assert found["created_at"] == "2026-03-01T12:00:00.000000Z"
    assert found["artifacts"]["registry_version"] == 1
    assert found["predictions"] == []
    item = found["artifacts"]["items"][0]
    assert {
        "artifact_id", "content_hash", "data_hash", "path", "pipeline_id", "branch_path", "step_index", "operation",
        "artifact_type", "class_name", "depends_on", "format", "format_version", "argn_assets_version", "version",
        "size_bytes", "created_at", "params", "params_hash", "producer",
    } <= set(item)  # fmt: skip
    assert "fold_id" not in item  # absent when all folds share it
    assert "deduplicated" not in item


def test_unknown_fields_survive_at_every_level() -> None:  # T6
    written = json.loads(manifest(record(depends_on=(Dependency(artifact_id="p:1:all", content_hash="x"),))).to_bytes())
    del written["document_hash"]
    item = written["artifacts"]["items"][0]
    for place in (written, written["artifacts"], item, item["producer"], item["depends_on"][0]):
        place["from_2_9"] = {"kept": [1, 2.5, None]}
    read = Manifest.from_bytes(seal({**written, "schema_version": "2.9"}))
    again = json.loads(replace(read, name="renamed").to_bytes())
    del again["document_hash"]
    assert again == {**written, "schema_version": "2.9", "name": "renamed"}


@pytest.mark.parametrize("version", ["1.0", "1", "3.0", "20", "", None])
def test_another_major_version_is_refused_and_named(version: str | None) -> None:  # T6
    text = changed(manifest(record()).to_bytes(), schema_version=version)
    with pytest.raises(UnsupportedManifestVersion, match=f"runs/x.* version {version}"):
        Manifest.from_bytes(text, "runs/x")


def test_a_manifest_of_version_1_is_recognised_by_its_list_of_artifacts() -> None:
    with pytest.raises(UnsupportedManifestVersion, match="version 1 "):
        Manifest.from_bytes(b'pipeline_id: "0001_pls"\nartifacts:\n- {hash: "sha256:ab", name: scaler.pkl, step: 0}\n')


def test_another_registry_version_is_refused_and_named() -> None:
    text = changed(manifest().to_bytes(), artifacts={"registry_version": 2, "items": []})
    with pytest.raises(UnsupportedManifestVersion, match="registry version 2"):
        Manifest.from_bytes(text)


@pytest.mark.parametrize(
    "fields",
    [
        {"uid": None},
        {"created_at": "yesterday"},
        {"created_at": "2026-03-01T12:00:00"},
        {"created_at": 7},
        {"predictions": [1]},
        {"artifacts": {"registry_version": 1, "items": [{"artifact_id": "p:3:all"}]}},
        {"artifacts": {"registry_version": 1, "items": ["p:3:all"]}},
        {"artifacts": {"registry_version": 1}},
        {"artifacts": [], "x": 1},
    ],
)
def test_a_sealed_manifest_with_fields_of_another_kind_is_corrupt(fields: dict[str, Any]) -> None:
    with pytest.raises(CorruptArtifact, match="runs/x"):
        Manifest.from_bytes(changed(manifest(record()).to_bytes(), **fields), "runs/x")


def test_a_manifest_whose_bytes_changed_is_corrupt() -> None:
    text = manifest(record()).to_bytes()
    with pytest.raises(CorruptArtifact):
        Manifest.from_bytes(text.replace(b'"size_bytes": 5', b'"size_bytes": 6'))


def test_a_manifest_that_would_read_back_differently_is_not_written() -> None:
    with pytest.raises(CorruptArtifact, match="reads back"):
        manifest(record(params={"a": (1, 2)})).to_bytes()


def test_the_data_version_is_of_the_parts_and_not_of_their_order_numbers_or_runs() -> None:  # T14
    users, purchases = record(), record(artifact_id="p:3.1:all", name="purchases", data_hash="sha256:e")
    version = manifest(users, purchases).data_version
    swapped = manifest(replace(purchases, artifact_id="p:3:all"), replace(users, artifact_id="p:3.1:all"))
    assert version == swapped.data_version == replace(swapped, uid="other", run_id="other").data_version
    assert version.startswith("sha256:")
    assert version != manifest(users).data_version
    assert version != manifest(users, replace(purchases, name="orders")).data_version
    assert version != manifest(users, replace(purchases, data_hash="sha256:f")).data_version


def test_a_record_is_found_by_id_and_by_name_or_the_others_are_listed() -> None:
    found = manifest(record())
    assert found.record("p:3:all") is found.by_name("users") is found.items[0]
    for ask in (found.record, found.by_name):
        with pytest.raises(MissingArtifact, match=r"records (users|p:3:all)\."):
            ask("nothing")
        with pytest.raises(MissingArtifact, match="records none"):
            getattr(manifest(), ask.__name__)("nothing")


def test_times_are_written_in_utc_and_need_a_zone() -> None:
    assert time_text(datetime(2026, 3, 1, 1, tzinfo=timezone(timedelta(hours=2)))) == "2026-02-28T23:00:00.000000Z"
    assert read_time("2026-03-01T14:00:00+02:00") == NOON
    with pytest.raises(ValueError, match="zone"):
        read_time("2026-03-01T14:00:00")


def test_a_field_added_by_hand_is_no_damage_and_a_changed_one_is() -> None:  # T6
    written = json.loads(manifest(record()).to_bytes())
    written["from_2_9"] = "kept"
    written["artifacts"]["items"][0]["note"] = "kept too"
    read = Manifest.from_bytes(json.dumps(written).encode())
    assert read.extra["from_2_9"] == "kept"
    assert read.items[0].extra["note"] == "kept too"
    written["name"] = "changed"
    with pytest.raises(CorruptArtifact):
        Manifest.from_bytes(json.dumps(written).encode())


def test_a_manifest_without_a_hash_is_read() -> None:  # T6
    written = json.loads(manifest(record()).to_bytes())
    del written["document_hash"]
    assert Manifest.from_bytes(yaml.safe_dump(written, sort_keys=False).encode()) == manifest(record())
