"""The registry: registering, depending, resolving, committing."""

from __future__ import annotations

from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import polars as pl
import pytest

from argn_assets.errors import ArtifactConflict, ConfigError, MissingArtifact, StoreError, UnsafeName
from argn_assets.store import ArtifactRecord, ArtifactRegistry, ArtifactStore, Dependency, Manifest, Producer
from argn_assets.store.graph import closure, same_bytes
from argn_assets_tests.conformance.backend import NOON, new_registry
from argn_assets_tests.test_store_manifest import record

FRAME = pl.DataFrame({"a": [1, None, 3], "b": ["x", "y", None]})


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore.open(str(tmp_path), now=lambda: NOON)


@pytest.fixture
def registry(store: ArtifactStore) -> ArtifactRegistry:
    return new_registry(store)


def register(
    registry: ArtifactRegistry, step: int = 0, content: bytes | Path | BinaryIO = b"content", **more: Any
) -> ArtifactRecord:
    described = {
        "artifact_id": registry.generate_id(step, output=more.pop("output", 0)), "operation": "fit",
        "artifact_type": "model", "class_name": "Net", "format": "bytes",
    }  # fmt: skip
    return registry.register(content, **{**described, **more})


def register_table(
    registry: ArtifactRegistry, frame: pl.DataFrame = FRAME, step: int = 0, **more: Any
) -> ArtifactRecord:
    described = {
        "artifact_id": registry.generate_id(step), "operation": "transform", "artifact_type": "table",
        "class_name": "users", "format": "parquet",
    }  # fmt: skip
    return registry.register_object(frame, **{**described, **more})


def commit(registry: ArtifactRegistry, step: int = 0, ref: bool = True, **more: Any) -> Manifest:
    manifest = registry.commit(step, **{"name": f"step {step}", **more})
    if ref:
        registry.store.refs(registry.dataset).move(f"step_{step}", {"manifest": manifest.path})
    return manifest


def test_a_record_says_what_was_stored_from_what_and_by_whom(registry: ArtifactRegistry) -> None:  # T5
    producer = Producer(asset_key="trained_artifact", code_version="3", run_id="5f1c9a3e-77aa")
    found = register(registry, 3, params={"epochs": 3, "sizes": (1, 2)}, producer=producer, name="main")
    assert found.artifact_id == "cdnow_1f2e3d4c5b6a:3:all"
    assert (found.step_index, found.branch_path, found.fold_id, found.version) == (3, (), None, 1)
    assert (found.name, found.class_name, found.operation, found.format_version) == ("main", "Net", "fit", "1")
    assert found.params == {"epochs": 3, "sizes": [1, 2]}
    assert found.params_hash.startswith("sha256:")
    assert found.data_hash == found.content_hash
    assert (found.size_bytes, found.created_at, found.producer, found.deduplicated) == (7, NOON, producer, False)
    assert register(registry, 4).producer == Producer(run_id="5f1c9a3e-77aa")


def test_bytes_files_and_streams_are_registered(registry: ArtifactRegistry, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"content")
    first = register(registry)
    assert register(registry, output=1, content=tmp_path / "file").content_hash == first.content_hash
    streamed = register(registry, output=2, content=BytesIO(b"content"))
    assert (streamed.path, streamed.deduplicated) == (first.path, True)


def test_the_same_id_with_the_same_bytes_is_a_no_op_and_with_others_a_conflict(
    registry: ArtifactRegistry,
) -> None:  # T10
    first = register(registry)
    assert register(registry) is first
    with pytest.raises(ArtifactConflict, match=r"cdnow_1f2e3d4c5b6a:0:all.*output=1"):
        register(registry, content=b"other")
    assert registry.records == (first,)


def test_a_later_run_registers_an_id_anew(store: ArtifactStore, registry: ArtifactRegistry) -> None:
    register(registry)
    first = commit(registry)
    later = new_registry(store, "6a000000")
    found = register(later, content=b"other")
    second = commit(later)
    assert second.path != first.path
    assert new_registry(store, "7b").resolve(found.artifact_id) == found
    assert (
        new_registry(store, "7b").resolve(found.artifact_id, run="5f1c9a3e-77aa").content_hash
        == first.items[0].content_hash
    )
    assert later.resolve(found.artifact_id, run="20260301_5f1c9a3e").size_bytes == 7


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"artifact_id": "other:0:all"}, ArtifactConflict),
        ({"artifact_id": "cdnow_1f2e3d4c5b6a"}, UnsafeName),
        ({"artifact_type": "pickle"}, ConfigError),
        ({"format": "pickle"}, ConfigError),
        ({"class_name": "../x"}, UnsafeName),
        ({"params": {"a": float("nan")}}, ConfigError),
        ({"meta_config": {"a": object()}}, ConfigError),
        ({"depends_on": ["cdnow_1f2e3d4c5b6a:9:all"]}, MissingArtifact),
        ({"depends_on": [Dependency(artifact_id="cdnow_1f2e3d4c5b6a:9:all", content_hash="x")]}, MissingArtifact),
        (
            {"depends_on": [record(artifact_id="cdnow_1f2e3d4c5b6a:9:all", manifest="runs/x/manifest.yaml")]},
            MissingArtifact,
        ),
    ],
)
def test_a_description_that_cannot_be_is_refused_before_anything_is_stored(
    registry: ArtifactRegistry, changes: dict[str, Any], error: type[Exception]
) -> None:
    with pytest.raises(error):
        register(registry, **changes)
    assert registry.store.port.find("binaries") == []
    assert registry.records == ()


def test_a_table_that_is_stored_is_not_stored_again_whatever_its_chunks(store: ArtifactStore) -> None:  # T1
    first = register_table(new_registry(store))
    cut = pl.concat([FRAME[:1], FRAME[1:]], rechunk=False)
    again = register_table(new_registry(ArtifactStore(store.port), "6a"), cut, class_name="people")
    assert (again.content_hash, again.path, again.deduplicated) == (first.content_hash, first.path, True)
    assert again.data_hash == first.data_hash != first.content_hash
    assert not register_table(new_registry(store, "7b"), FRAME[:2]).deduplicated


def test_a_table_whose_stored_copy_is_gone_or_bad_is_stored_again(store: ArtifactStore) -> None:
    path = register_table(new_registry(store)).path
    store.port.replace(f"binaries/cdnow/{path}", b"went bad")
    healed = register_table(new_registry(store, "6a"))
    assert (healed.path != path, healed.deduplicated) == (True, False)
    store.port.delete(f"binaries/cdnow/{healed.path}")
    assert register_table(new_registry(store, "7b")).deduplicated is False


def test_a_data_hash_that_the_caller_knows_is_taken(store: ArtifactStore) -> None:
    known = "sha256:" + "5" * 64
    registry = new_registry(store)
    assert register_table(registry, data_hash=known).data_hash == known
    assert register(registry, 1, data_hash=known).data_hash == known
    stats = {"artifact_type": "report", "class_name": "Stats", "format": "json", "data_hash": known}
    assert register_table(registry, {"rows": 3}, step=2, **stats).data_hash == known  # type: ignore[arg-type]


def test_a_commit_is_one_manifest_under_run_pipeline_and_step(store: ArtifactStore, registry: ArtifactRegistry) -> None:
    register(registry, name="users")
    register(registry, output=1, content=b"more", name="purchases")
    manifest = commit(registry, predictions=[{"fidelity": 0.9}])
    store.port.create("runs/cdnow/20260301_5f1c9a3e/notes.txt", b"not a manifest")
    assert manifest.path == "runs/cdnow/20260301_5f1c9a3e/cdnow_1f2e3d4c5b6a/0_all.0/manifest.yaml"
    assert ArtifactStore(store.port).read_manifest(manifest.path) == manifest
    assert [item.name for item in manifest.items] == ["users", "purchases"]
    assert manifest.items[0].manifest == manifest.path
    assert (manifest.run_id, manifest.attempt, manifest.predictions) == ("5f1c9a3e-77aa", 0, ({"fidelity": 0.9},))
    assert list(store.manifests("cdnow")) == list(store.manifests("cdnow", "20260301_5f1c9a3e")) == [manifest.path]
    assert (store.datasets(), store.runs("cdnow")) == (["cdnow"], ["20260301_5f1c9a3e"])


def test_a_branch_and_a_fold_have_a_step_folder_of_their_own(registry: ArtifactRegistry) -> None:  # T3
    artifact_id = registry.generate_id(3, branch_path=(0,), fold_id=0)
    register(registry, artifact_id=artifact_id)
    manifest = registry.commit(3, branch_path=(0,), fold_id=0, attempt=1, name="trained_artifact")
    assert str(manifest.path).endswith("/0_3_0.1/manifest.yaml")
    assert registry.resolve(artifact_id, run="5f1c9a3e-77aa").fold_id == 0


def test_an_attempt_is_committed_once_and_the_last_attempt_counts(store: ArtifactStore) -> None:
    first, second = new_registry(store), new_registry(store)
    found = register(first)
    commit(first, ref=False)
    register(second, content=b"other")
    with pytest.raises(ArtifactConflict, match="next attempt"):
        commit(second)
    for attempt in (1, 2, 10):
        retry = new_registry(store)
        register(retry, content=b"attempt %d" % attempt)
        commit(retry, attempt=attempt, ref=False)
    store.port.create("runs/cdnow/20260301_5f1c9a3e/cdnow_1f2e3d4c5b6a/0_all.notes/x", b"")
    assert new_registry(store, "6a").resolve(found.artifact_id, run="5f1c9a3e-77aa").size_bytes == len("attempt 10")


def test_two_runs_with_the_same_first_eight_characters_are_told_apart(store: ArtifactStore) -> None:
    registry = new_registry(store, "5f1c9a3e-one")
    found = register(registry)
    commit(registry)
    with pytest.raises(MissingArtifact, match="run 5f1c9a3e-two"):
        registry.resolve(found.artifact_id, run="5f1c9a3e-two")


def test_an_artifact_of_another_step_is_not_committed(registry: ArtifactRegistry) -> None:
    register(registry, 1)
    with pytest.raises(ArtifactConflict, match="step 0_all"):
        commit(registry, 0)


def test_a_manifest_is_not_written_when_a_blob_is_gone(registry: ArtifactRegistry) -> None:  # T21
    path = register(registry).path
    registry.store.port.delete(f"binaries/cdnow/{path}")
    with pytest.raises(MissingArtifact, match="register again"):
        commit(registry)
    assert registry.store.port.find("runs") == []


def test_resolve_knows_this_execution_then_the_refs_and_nothing_else(store: ArtifactStore) -> None:  # T10
    first = new_registry(store)
    found = register(first)
    assert first.resolve(found.artifact_id) is found
    with pytest.raises(MissingArtifact, match="what its refs point to"):
        new_registry(store, "6a").resolve(found.artifact_id)
    commit(first)
    store.refs("cdnow").move("pin", {"note": "no manifest"})
    store.refs("cdnow").move("other", {"manifest": commit_other(store)})
    assert new_registry(store, "6a").resolve(found.artifact_id) == found
    with pytest.raises(UnsafeName):
        first.resolve("not an id")


def commit_other(store: ArtifactStore) -> str:
    other = new_registry(store, "0000")
    register(other, 7)
    return str(commit(other, 7, ref=False).path)


def test_dependencies_name_bytes_and_the_manifest_that_records_them(store: ArtifactStore) -> None:  # T10
    upstream = new_registry(store)
    raw = register_table(upstream)
    committed = commit(upstream).items[0]
    downstream = new_registry(store, "6a")
    for source in (raw.artifact_id, committed, committed.as_dependency()):
        made = register(downstream, 1, depends_on=[source])
        assert made.depends_on == (committed.as_dependency(),)
        assert made.depends_on[0].content_hash == raw.content_hash
    assert downstream.get_dependencies(made.artifact_id) == made.depends_on
    assert downstream.resolve_dependencies(made.artifact_id) == [committed]


def test_a_dependency_on_other_bytes_of_the_same_id_is_missing(store: ArtifactStore) -> None:
    upstream = new_registry(store)
    raw = register(upstream)
    committed = commit(upstream).items[0]
    downstream = new_registry(store, "6a")
    for named in (replace(raw.as_dependency(), content_hash="sha256:0"), replace(committed, content_hash="sha256:0")):
        with pytest.raises(MissingArtifact, match="with the bytes sha256:0"):
            register(downstream, 1, depends_on=[named])


def test_a_dependency_whose_blob_is_gone_is_missing(store: ArtifactStore) -> None:
    upstream = new_registry(store)
    raw = register(upstream)
    committed = commit(upstream).items[0]
    store.port.delete(f"binaries/cdnow/{raw.path}")
    with pytest.raises(MissingArtifact, match="cannot be depended on"):
        register(new_registry(store, "6a"), 1, depends_on=[committed])


def test_dependencies_are_resolved_through_all_steps_sources_first(store: ArtifactStore) -> None:
    made: list[ArtifactRecord] = []
    for step in range(4):
        registry = new_registry(store)
        sources = [item.artifact_id for item in made[-2:]]
        register(registry, step, b"step %d" % step, depends_on=sources)
        made.append(commit(registry, step).items[0])
    assert registry.resolve_dependencies(made[-1].artifact_id) == made[:-1]
    assert registry.resolve_dependencies(made[0].artifact_id) == []
    with pytest.raises(StoreError, match="more than 1 artifacts"):
        registry.resolve_dependencies(made[-1].artifact_id, depth_limit=1)


def test_a_source_can_be_added_until_the_commit_and_a_cycle_is_named(registry: ArtifactRegistry) -> None:  # T10
    first = register(registry, content=b"0")
    second = register(registry, output=1, content=b"1", depends_on=[first.artifact_id])
    third = register(registry, output=2, content=b"2")
    added = registry.add_dependency(third.artifact_id, second.artifact_id)
    assert registry.add_dependency(third.artifact_id, second) == added
    assert [item.artifact_id for item in registry.resolve_dependencies(third.artifact_id)] == [
        first.artifact_id, second.artifact_id,
    ]  # fmt: skip
    with pytest.raises(StoreError, match=r"cycle: \S+:0:all → \S+:0.2:all → \S+:0.1:all → \S+:0:all"):
        registry.add_dependency(first.artifact_id, third.artifact_id)
    with pytest.raises(StoreError, match=r"cycle: \S+:0:all → \S+:0:all"):
        registry.add_dependency(first.artifact_id, first.artifact_id)
    assert registry.get_dependencies(first.artifact_id) == ()
    with pytest.raises(MissingArtifact, match="was not registered in this execution"):
        registry.add_dependency(registry.generate_id(9), first.artifact_id)
    commit(registry)


def test_a_long_chain_is_followed_without_recursion_up_to_its_limit() -> None:
    chain = {f"p:{step}:all": record(artifact_id=f"p:{step}:all", step_index=step) for step in range(5000)}
    linked = {
        name: replace(
            item, depends_on=(chain[f"p:{item.step_index - 1}:all"].as_dependency(),) if item.step_index else ()
        )
        for name, item in chain.items()
    }

    def find(_: ArtifactRecord, source: Dependency) -> ArtifactRecord:
        return same_bytes(linked[source.artifact_id], source)

    assert len(closure(linked["p:4999:all"], find, depth_limit=5000)) == 4999
    assert len(closure(linked["p:100:all"], find)) == 100
    with pytest.raises(StoreError, match="more than 100"):
        closure(linked["p:101:all"], find)


def test_a_registry_refuses_names_that_cannot_be_paths(store: ArtifactStore) -> None:
    for names in ({"dataset": "../x"}, {"run_id": "a/b"}):
        with pytest.raises(UnsafeName):
            new_registry(store, **names)
    with pytest.raises(UnsafeName):
        ArtifactRegistry(store, "cdnow", pipeline_id="a:b", run_id="r", started_at=NOON)


def test_a_commit_that_was_cut_short_hides_no_earlier_attempt(tmp_path: Path) -> None:  # T10
    store = ArtifactStore.open(str(tmp_path))
    registry = new_registry(store, "5f1c9a3e-77aa")
    record = register(registry)
    committed = tmp_path / str(commit(registry, ref=False).path)
    (committed.parent.with_name(committed.parent.name.replace(".0", ".1"))).mkdir()
    assert store.find_record("cdnow", record.artifact_id, "5f1c9a3e-77aa") == record


def test_the_ref_of_the_asset_says_what_an_id_is_whatever_other_refs_are_called(store: ArtifactStore) -> None:  # T10
    manifests = []
    for run in ("old", "current", "newest"):
        registry = new_registry(store, run)
        record = registry.register(
            run.encode(), artifact_id=registry.generate_id(3), operation="fit", artifact_type="model",
            class_name="Net", format="bytes",
        )  # fmt: skip
        manifests.append(registry.commit(3, name="trained_artifact").path)
    refs, moves = store.refs("cdnow"), dict(zip(("a_backup", "trained_artifact", "zoo"), manifests, strict=True))
    refs.pin("paper", manifests[:1])
    for name, path in moves.items():
        refs.move(name, {"manifest": path})
    assert store.find_record("cdnow", record.artifact_id).manifest == moves["trained_artifact"]
    refs.delete("trained_artifact", through=1)
    assert store.find_record("cdnow", record.artifact_id).manifest == moves["a_backup"]
