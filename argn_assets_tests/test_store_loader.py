"""The loader and the store's door: lazy, verified, cached, and nobody spoils the next one's value."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from argn_assets.errors import ConfigError, CorruptArtifact, MissingArtifact, UnsafeName, UnsupportedManifestVersion
from argn_assets.store import ArtifactLoader, ArtifactStore, Manifest
from argn_assets.store.documents import JsonObject, seal
from argn_assets_tests.conformance.backend import NOON, new_registry
from argn_assets_tests.test_store_registry import FRAME, commit, register, register_table


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(str(tmp_path), now=lambda: NOON)


@pytest.fixture
def manifest(store: ArtifactStore) -> Manifest:
    """Two outputs of step 0: a table and its summary, which depends on it."""
    registry = new_registry(store)
    table = register_table(registry)
    registry.register_object(
        {"rows": [3]}, artifact_id=registry.generate_id(0, output=1), operation="fit", artifact_type="report",
        class_name="Summary", format="json", depends_on=[table],
    )  # fmt: skip
    return commit(registry)


def spoil(store: ArtifactStore, manifest: Manifest, item: int, content: bytes | None) -> None:
    path = f"binaries/cdnow/{manifest.items[item].path}"
    if content is None:
        store.port.delete(path)
    else:
        store.port.replace(path, content)


def test_an_artifact_is_loaded_by_its_id(store: ArtifactStore, manifest: Manifest) -> None:  # T11
    loader = ArtifactLoader.from_manifest(manifest, store)
    table, summary = loader.ids
    assert loader.record(table) == manifest.items[0]
    assert FRAME.equals(loader.load_by_id(table))  # type: ignore[arg-type]
    assert loader.load_by_id(summary) == {"rows": [3]}
    assert loader.load_bytes(summary) == b'{"rows":[3]}'


def test_a_loader_can_be_made_from_a_url_and_from_several_manifests(store: ArtifactStore, manifest: Manifest) -> None:
    registry = new_registry(store, "6a")
    register(registry, 1)
    loader = ArtifactLoader.from_manifest([manifest, commit(registry, 1)], store.url)
    assert len(loader.ids) == 3
    with pytest.raises(MissingArtifact, match="no artifact store"):
        ArtifactLoader.from_manifest(manifest, f"{store.url}/nothing")


def test_what_a_caller_does_to_a_value_does_not_reach_the_next_one(store: ArtifactStore, manifest: Manifest) -> None:
    loader = ArtifactLoader.from_manifest(manifest, store)
    table, summary = loader.ids
    first = loader.load_by_id(summary)
    assert isinstance(first, dict)
    first["rows"].append("spoilt")
    frame = loader.load_by_id(table)
    assert isinstance(frame, pl.DataFrame)
    frame.insert_column(0, pl.Series("spoilt", [1, 2, 3]))
    assert loader.load_by_id(summary) == {"rows": [3]}
    assert FRAME.equals(loader.load_by_id(table))  # type: ignore[arg-type]


def test_nothing_is_read_before_it_is_asked_for(store: ArtifactStore, manifest: Manifest) -> None:
    spoil(store, manifest, 0, None)
    loader = ArtifactLoader.from_manifest(manifest, store)
    assert loader.load_by_id(loader.ids[1]) == {"rows": [3]}
    with pytest.raises(MissingArtifact, match="binaries/cdnow/table_users_"):
        loader.load_by_id(loader.ids[0])


def test_bytes_that_changed_are_corrupt_and_never_decoded(store: ArtifactStore, manifest: Manifest) -> None:  # T12
    spoil(store, manifest, 1, b'{"rows":[4]}')
    loader = ArtifactLoader.from_manifest(manifest, store)
    for load in (loader.load_by_id, loader.load_bytes, loader.load_with_dependencies):
        with pytest.raises(CorruptArtifact) as caught:
            load(loader.ids[1])
        assert caught.value.expected == manifest.items[1].content_hash
    unverified = ArtifactLoader.from_manifest(manifest, store, verify=False)
    assert unverified.load_by_id(loader.ids[1]) == {"rows": [4]}


def test_a_step_is_loaded_in_order_of_its_outputs(store: ArtifactStore) -> None:
    registry = new_registry(store)
    for output in (10, 2, 0):
        register(registry, 3, b"%d" % output, output=output)
    loader = ArtifactLoader.from_manifest(commit(registry, 3), store)
    assert list(loader.load_for_step(3).values()) == [b"0", b"2", b"10"]


def test_fold_zero_a_branch_and_what_all_folds_share_are_different_steps(store: ArtifactStore) -> None:  # T3
    manifests = []
    for branch, fold in (((), None), ((), 0), ((0,), None), ((0,), 0)):
        registry = new_registry(store)
        artifact_id = registry.generate_id(3, branch_path=branch, fold_id=fold)
        register(registry, content=f"{branch} {fold}".encode(), artifact_id=artifact_id)
        manifests.append(registry.commit(3, branch_path=branch, fold_id=fold, name="trained_artifact"))
    loader = ArtifactLoader.from_manifest(manifests, store)
    assert list(loader.load_for_step(3).values()) == [b"() None"]
    assert list(loader.load_for_step(3, (), 0).values()) == [b"() 0"]
    assert list(loader.load_for_step(3, [0]).values()) == [b"(0,) None"]
    assert list(loader.load_for_step(3, [0], 0).values()) == [b"(0,) 0"]
    with pytest.raises(MissingArtifact, match=r"step 3, branch \[\], fold 1"):
        loader.load_for_step(3, fold_id=1)
    with pytest.raises(MissingArtifact, match=r"branch .*fold all has no artifact here; there are none"):
        ArtifactLoader.from_manifest([], store).load_for_step(3)


def test_dependencies_are_loaded_first_from_wherever_they_were_committed(
    store: ArtifactStore, manifest: Manifest
) -> None:
    registry = new_registry(store, "6a")
    model = register(registry, 3, depends_on=list(manifest.items))
    later = commit(registry, 3)
    assert list(ArtifactLoader.from_manifest(later, store).load_with_dependencies(model.artifact_id)) == [
        *(item.artifact_id for item in manifest.items),
        model.artifact_id,
    ]
    both = ArtifactLoader.from_manifest([manifest, later], store)
    assert list(both.load_with_dependencies(model.artifact_id).values())[1:] == [{"rows": [3]}, b"content"]


def test_a_dependency_within_an_uncommitted_step_is_found_among_the_records(store: ArtifactStore) -> None:
    registry = new_registry(store)
    first = register(registry)
    second = register(registry, output=1, content=b"second", depends_on=[first])
    draft = Manifest(
        uid="u",
        pipeline_id=registry.pipeline_id,
        name="draft",
        dataset="cdnow",
        created_at=NOON,
        items=registry.records,
    )
    loader = ArtifactLoader.from_manifest(draft, store)
    assert list(loader.load_with_dependencies(second.artifact_id).values()) == [b"content", b"second"]


def test_an_id_that_is_not_there_is_missing_with_those_that_are(store: ArtifactStore, manifest: Manifest) -> None:
    loader = ArtifactLoader.from_manifest(manifest, store)
    for load in (loader.load_by_id, loader.load_bytes, loader.record, loader.load_with_dependencies):
        with pytest.raises(MissingArtifact, match=r"p:9:all is not in the manifest; there are cdnow_.*:0:all"):
            load("p:9:all")


def test_the_cache_is_bounded_by_entries_and_by_bytes_and_counts(store: ArtifactStore) -> None:  # T11
    registry = new_registry(store)
    for output in range(4):
        register(registry, content=b"%d" % output * 100, output=output)
    loader = ArtifactLoader.from_manifest(commit(registry), store)
    loader.set_cache_size(2)
    for artifact_id in [*loader.ids, loader.ids[3], loader.ids[2], loader.ids[0], loader.ids[2]]:
        loader.load_by_id(artifact_id)
    found = loader.cache_info()
    assert (found.entries, found.size_bytes, found.max_entries) == (2, 200, 2)
    assert (found.hits, found.misses) == (3, 5)  # 2 was used after 3, so 0 took the place of 3
    loader.set_cache_size(10, max_bytes=250)
    loader.preload_artifacts()
    assert loader.cache_info().size_bytes == 200
    loader.set_cache_size(10, max_bytes=99)
    loader.preload_artifacts([loader.ids[0]])
    assert loader.cache_info().entries == 0
    loader.set_cache_size(0)
    assert loader.load_by_id(loader.ids[0]) == b"0" * 100


def test_a_store_is_described_in_a_file_and_opened_again(store: ArtifactStore, tmp_path: Path) -> None:
    described = json.loads((tmp_path / "store.json").read_bytes())
    assert described["format"] == "argn-artifact-store"
    assert {"created", "hash", "min_reader_version"} <= set(described)
    assert ArtifactStore.open(str(tmp_path), create=False).url == store.url == f"file://{tmp_path}"
    with pytest.raises(MissingArtifact, match="create=True"):
        ArtifactStore.open(f"{tmp_path}/elsewhere", create=False)
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("change", [{"min_reader_version": 2}, {"min_reader_version": "1"}, {"format": "other"}])
def test_a_store_of_a_later_version_is_refused_untouched(
    store: ArtifactStore, tmp_path: Path, change: JsonObject
) -> None:
    described = json.loads((tmp_path / "store.json").read_bytes())
    store.port.replace("store.json", seal({**described, **change}))
    with pytest.raises(UnsupportedManifestVersion, match="later argn_assets"):
        ArtifactStore.open(str(tmp_path))


def test_a_manifest_is_read_once_and_only_from_its_place(store: ArtifactStore, manifest: Manifest) -> None:
    assert store.read_manifest(str(manifest.path)) is store.read_manifest(str(manifest.path))
    for path in ("store.json", "runs/../store.json", "runs/x", "../runs/x/manifest.yaml", "runs/../../manifest.yaml"):
        with pytest.raises(UnsafeName):
            store.read_manifest(path)
    with pytest.raises(MissingArtifact):
        store.read_manifest("runs/x/manifest.yaml")


def test_a_url_nobody_speaks_is_refused() -> None:
    with pytest.raises(ConfigError):
        ArtifactStore.open("ftp://host/store")


def test_manifests_refs_and_actions_are_read_without_a_table_library(store: ArtifactStore, manifest: Manifest) -> None:
    store.actions.put("ab12", {"manifest": manifest.path})
    script = f"""
import sys
from argn_assets.store import ArtifactLoader, ArtifactStore
store = ArtifactStore.open({store.url!r}, create=False)
found = store.actions.get("ab12")
manifest = store.read_manifest(found["manifest"])
assert store.refs("cdnow").read("step_0").value == found
assert ArtifactLoader.from_manifest(manifest, store).load_by_id(manifest.by_name("Summary").artifact_id)
heavy = {{"numpy", "pandas", "polars", "pyarrow", "torch", "yaml", "fsspec", "dagster"}} & set(sys.modules)
assert not heavy, heavy
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
