"""Moving artifacts between stores: the same tar from everywhere, and all of it or nothing on arrival."""

from __future__ import annotations

import errno
import json
import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.errors import (
    ArtifactConflict,
    CorruptArtifact,
    MissingArtifact,
    RefConflict,
    StoreError,
    UnsafeArchive,
    UnsupportedManifestVersion,
)
from argn_assets.store import (
    ArtifactLoader,
    ArtifactRecord,
    ArtifactStore,
    Manifest,
    export_artifact,
    import_artifact,
)
from argn_assets.store.archive import Member, read_archive, write_archive
from argn_assets.store.documents import HASH_FIELD, canonical_json, digest, seal
from argn_assets_tests.conformance.backend import NOON, new_registry
from argn_assets_tests.test_store_registry import FRAME, register, register_table

MODEL = "cdnow_1f2e3d4c5b6a:3:all"


def new_store(folder: Path | str) -> ArtifactStore:
    return ArtifactStore.open(str(folder), now=lambda: NOON)


@pytest.fixture
def here(tmp_path: Path) -> ArtifactStore:
    return new_store(tmp_path / "here")


@pytest.fixture
def there(tmp_path: Path) -> ArtifactStore:
    return new_store(tmp_path / "there")


def train(
    store: ArtifactStore, content: bytes = b"weights", *, run: str = "5f1c9a3e-77aa", ref: bool = True
) -> ArtifactRecord:
    """Commit a table, its summary beside it, and a model that was made from the table."""
    raw = new_registry(store, run)
    register_table(raw)
    register(raw, 0, b"summary", output=1)
    tables = raw.commit(0, name="raw_tables")
    fitted = new_registry(store, run)
    register(fitted, 3, content, depends_on=[tables.items[0]], params={"epochs": 3})
    model = fitted.commit(3, name="trained_artifact", predictions=[{"fidelity": 0.9}])
    for manifest in (tables, model) if ref else ():
        store.refs("cdnow").move(manifest.name, {"manifest": manifest.path})
    return model.items[0]


def export(store: ArtifactStore, artifact_id: str = MODEL, **more: Any) -> bytes:
    target = BytesIO()
    export_artifact(store, "cdnow", artifact_id, target, **more)
    return target.getvalue()


def pack(files: dict[str, bytes]) -> bytes:
    target = BytesIO()
    members = [
        Member(name=name, size_bytes=len(files[name]), open=lambda name=name: nullcontext(BytesIO(files[name])))  # type: ignore[misc]
        for name in sorted(files)
    ]
    write_archive(target, members)
    return target.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    return {member.name: member.content.read(member.size_bytes) for member in read_archive(BytesIO(content))}


def everything(store: ArtifactStore) -> dict[str, bytes]:
    return {path: store.port.read(path) for folder in ("binaries", "runs", "refs") for path in store.port.find(folder)}


def test_an_artifact_arrives_with_all_that_it_was_made_from(here: ArtifactStore, there: ArtifactStore) -> None:  # T14
    sent = train(here)
    found = import_artifact(there, BytesIO(export(here)))
    assert found == sent
    loader = ArtifactLoader.from_manifest(there.read_manifest(str(found.manifest)), there)
    table, model = loader.load_with_dependencies(MODEL).values()
    assert FRAME.equals(cast(pl.DataFrame, table))
    assert model == b"weights"
    assert new_registry(there, "6a").resolve(MODEL) == sent
    assert new_registry(there, "6a").resolve("cdnow_1f2e3d4c5b6a:0.1:all", run="5f1c9a3e-77aa").size_bytes == 7
    for path in here.manifests("cdnow"):
        assert there.read_manifest(path).data_version == here.read_manifest(path).data_version


def test_the_same_artifact_is_the_same_tar_from_every_store(here: ArtifactStore, there: ArtifactStore) -> None:  # T14
    train(here)
    sent = export(here)
    assert export(here) == sent
    # There, the same bytes are stored already, under the name of another class.
    other = new_registry(there, "6a")
    register(other, 9, b"weights", class_name="Other")
    import_artifact(there, BytesIO(sent))
    assert len([path for path in there.port.find("binaries") if "_" in path]) == 3
    assert export(there) == sent
    with tarfile.open(fileobj=BytesIO(sent)) as archive:
        assert archive.getnames() == sorted(archive.getnames())
        assert {(member.mtime, member.uid, member.gid, member.uname) for member in archive} == {(0, 0, 0, "")}


def test_a_short_name_that_is_taken_there_does_not_matter(here: ArtifactStore, there: ArtifactStore) -> None:  # T1
    sent = train(here)
    there.port.create(f"binaries/cdnow/{sent.path}", b"other content of the same twelve digits")
    found = import_artifact(there, BytesIO(export(here)))
    assert found.path != sent.path
    assert ArtifactLoader.from_manifest(there.read_manifest(str(found.manifest)), there).load_by_id(MODEL) == b"weights"
    assert export(there) == export(here)


def test_importing_again_changes_nothing_here_or_there(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    sent = export(here)
    import_artifact(there, BytesIO(sent))
    before = everything(there), everything(here)
    for store in (there, here, new_store(there.url)):
        import_artifact(store, BytesIO(sent))
    assert (everything(there), everything(here)) == before


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    contents=st.lists(st.binary(max_size=40), min_size=1, max_size=5),
    links=st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), max_size=8),
    data=st.data(),
)
def test_any_graph_of_artifacts_travels_through_any_number_of_stores(
    contents: list[bytes],
    links: list[tuple[int, int]],
    data: st.DataObject,
) -> None:  # T14
    store, second, third = (new_store(f"memory://travel-{uuid4().hex}") for _ in range(3))
    made: list[ArtifactRecord] = []
    for step, content in enumerate(contents):
        registry = new_registry(store)
        sources = sorted({source for maker, source in links if maker == step and source < step})
        register(registry, step, content, depends_on=[made[source] for source in sources])
        made.append(registry.commit(step, name=f"asset_{step}").items[0])
    wanted = data.draw(st.sampled_from(made)).artifact_id
    sent = export(store, wanted, run="5f1c9a3e-77aa")
    import_artifact(second, BytesIO(sent))
    assert export(second, wanted) == sent
    assert import_artifact(third, BytesIO(export(second, wanted))).artifact_id == wanted
    path = str(third.find_record("cdnow", wanted).manifest)
    loaders = [ArtifactLoader.from_manifest(at.read_manifest(path), at) for at in (store, third)]
    assert loaders[0].load_with_dependencies(wanted) == loaders[1].load_with_dependencies(wanted)


def test_sources_of_other_data_sets_come_along(here: ArtifactStore, there: ArtifactStore) -> None:
    raw = new_registry(here, dataset="weather")
    register(raw, 0, b"weights")
    source = raw.commit(0, name="raw_tables").items[0]
    model = new_registry(here)
    register(model, 3, b"weights", depends_on=[source])
    model.commit(3, name="trained_artifact")
    found = import_artifact(there, BytesIO(export(here, run="5f1c9a3e-77aa")))
    assert there.blobs.exists("weather", source.path)
    assert there.blobs.exists("cdnow", found.path)


def test_a_branch_and_a_fold_are_published_under_a_ref_of_their_own(here: ArtifactStore, there: ArtifactStore) -> None:
    for branch, fold in (((), None), ((0, 2), None), ((), 0)):
        registry = new_registry(here)
        artifact_id = registry.generate_id(3, branch_path=branch, fold_id=fold)
        register(registry, 3, f"{branch} {fold}".encode(), artifact_id=artifact_id)
        registry.commit(3, branch_path=branch, fold_id=fold, name="trained_artifact")
        import_artifact(there, BytesIO(export(here, artifact_id, run="5f1c9a3e-77aa")))
        assert new_registry(there, "6a").resolve(artifact_id).fold_id == fold
    assert there.refs("cdnow").names() == ["trained_artifact", "trained_artifact.0", "trained_artifact.0_2_all"]


def test_the_same_run_with_other_bytes_is_a_conflict_and_nothing_is_stored(
    here: ArtifactStore, there: ArtifactStore
) -> None:
    train(here)
    train(there, b"other weights", ref=False)
    before = everything(there)
    for move_ref in (False, True):
        with pytest.raises(ArtifactConflict, match=rf"other bytes for {MODEL}"):
            import_artifact(there, BytesIO(export(here)), move_ref=move_ref)
    assert everything(there) == before


def test_the_same_run_with_the_same_bytes_is_a_no_op(here: ArtifactStore, there: ArtifactStore) -> None:  # T10
    train(here)
    train(there)
    before = everything(there)
    import_artifact(there, BytesIO(export(here)))
    assert everything(there) == before


def test_the_same_bytes_with_another_name_are_a_conflict(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    sent = retell(export(here), lambda it: item(it).update(name="other"))
    import_artifact(there, BytesIO(sent))
    with pytest.raises(ArtifactConflict, match="other names"):
        import_artifact(there, BytesIO(export(here)))


def test_a_ref_that_another_writer_moved_meanwhile_is_not_moved_back(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    sent = export(here)

    class Overtaken(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() < len(sent) - 1024:
                return super().read(size)
            new_store(there.url).refs("cdnow").move("trained_artifact", {"note": "newer"})
            return super().read(size)

    with pytest.raises(RefConflict, match="another writer moved it"):
        import_artifact(there, Overtaken(sent))


def test_what_is_published_with_other_bytes_stays_unless_it_is_to_move(
    here: ArtifactStore, there: ArtifactStore
) -> None:
    train(here)
    train(there, b"other weights", run="6a000000")
    before = everything(there)
    with pytest.raises(ArtifactConflict, match=rf"{MODEL} of cdnow.*has the bytes sha256.*--move-ref"):
        import_artifact(there, BytesIO(export(here)))
    assert everything(there) == before
    found = import_artifact(there, BytesIO(export(here)), move_ref=True)
    assert new_registry(there, "7b").resolve(MODEL) == found
    assert [ref.sequence for ref in there.refs("cdnow").history("trained_artifact")] == [1, 2]


def test_a_ref_to_another_configuration_stays_unless_it_is_to_move(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    there.refs("cdnow").move("trained_artifact", {"note": "of another configuration"})
    with pytest.raises(ArtifactConflict, match=r"ref trained_artifact .* another artifact.*--move-ref"):
        import_artifact(there, BytesIO(export(here)))
    assert import_artifact(there, BytesIO(export(here)), move_ref=True).artifact_id == MODEL


def test_what_another_run_made_alike_stays_published(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    train(there, run="6a000000")
    import_artifact(there, BytesIO(export(here)))
    assert "6a000000" in str(new_registry(there, "7b").resolve(MODEL).manifest)
    assert new_registry(there, "7b").resolve(MODEL, run="5f1c9a3e-77aa").size_bytes == 7


def test_a_first_import_into_an_empty_store_needs_no_word(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    assert import_artifact(there, BytesIO(export(here)), move_ref=True).artifact_id == MODEL


def test_what_is_not_there_or_changed_is_not_exported(here: ArtifactStore, there: ArtifactStore) -> None:
    sent = train(here)
    with pytest.raises(MissingArtifact):
        export(here, "cdnow_1f2e3d4c5b6a:9:all")
    here.port.replace(f"binaries/cdnow/{sent.path}", b"WEIGHTS")
    target = BytesIO()
    with pytest.raises(CorruptArtifact, match=sent.path):
        export_artifact(here, "cdnow", MODEL, target)
    with pytest.raises(StoreError):
        import_artifact(there, BytesIO(target.getvalue()))
    assert everything(there) == {}
    here.port.delete(f"binaries/cdnow/{sent.path}")
    with pytest.raises(MissingArtifact):
        export(here)


def test_a_tar_that_was_cut_anywhere_leaves_nothing(here: ArtifactStore, there: ArtifactStore) -> None:  # T21
    train(here)
    sent = export(here)
    for length in (*range(0, len(sent), 512), len(sent) - 1):
        with pytest.raises(StoreError):
            import_artifact(there, BytesIO(sent[:length]))
    assert everything(there) == {}
    assert not list(there.port.spool_folder().iterdir())


@settings(derandomize=True, deadline=None, max_examples=100)
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_byte_that_changed_anywhere_is_noticed_and_nothing_is_stored(place: float, bit: int) -> None:  # T12
    here, there = new_store(f"memory://flip-{uuid4().hex}"), new_store(f"memory://flip-{uuid4().hex}")
    train(here)
    sent = export(here)
    changed = bytearray(sent)
    changed[int(place * len(sent))] ^= 1 << bit
    try:
        import_artifact(there, BytesIO(bytes(changed)))
    except StoreError:
        assert everything(there) == {}
    else:  # white space of the JSON that still means the same
        assert export(there) == sent


Document = dict[str, Any]


def retell(sent: bytes, change: Callable[[Document], object]) -> bytes:
    """Return a tar whose contents say something else, and whose own hashes are right again."""
    files = unpack(sent)
    document = json.loads(files["artifact.json"])
    change(document)
    if isinstance(document.get("manifests"), dict):
        for manifest in document["manifests"].values():
            if isinstance(manifest, dict):
                manifest.pop(HASH_FIELD, None)
                manifest[HASH_FIELD] = digest(canonical_json(manifest))
    files["artifact.json"] = seal(document)
    return pack(files)


def of_model(document: Document) -> Document:
    return cast(Document, document["manifests"][document["manifest"]])


def item(document: Document) -> Document:
    return cast(Document, of_model(document)["artifacts"]["items"][0])


def source(document: Document) -> Document:
    return cast(Document, item(document)["depends_on"][0])


def move(document: Document, path: str) -> None:
    document["manifests"][path] = document["manifests"].pop(document["manifest"])
    document["manifest"] = path


def extra_manifest(document: Document) -> None:
    document["manifests"]["runs/cdnow/20260301_5f1c9a3e/cdnow_1f2e3d4c5b6a/9_all.0/manifest.yaml"] = of_model(document)


def raw_from_model(document: Document) -> None:
    raw = next(manifest for path, manifest in document["manifests"].items() if path != document["manifest"])
    raw["artifacts"]["items"][0]["depends_on"] = [
        {"artifact_id": MODEL, "content_hash": item(document)["content_hash"], "manifest": document["manifest"]}
    ]


LIES: dict[str, Callable[[Document], object]] = {
    "no manifests": lambda it: it.pop("manifests"),
    "manifests as a list": lambda it: it.update(manifests=[]),
    "a manifest that is not there": lambda it: it.update(manifest="runs/cdnow/x/y/3_all.0/manifest.yaml"),
    "a manifest that is no mapping": lambda it: it["manifests"].update({it["manifest"]: 7}),
    "an artifact that is not there": lambda it: it.update(artifact_id="cdnow_1f2e3d4c5b6a:4:all"),
    "a manifest that is not needed": extra_manifest,
    "a source that is not there": lambda it: source(it).update(manifest="runs/x/manifest.yaml"),
    "a source with other bytes": lambda it: source(it).update(content_hash="sha256:" + "0" * 64),
    "a source that this step does not have": lambda it: source(it).pop("manifest"),
    "steps in a cycle": raw_from_model,
    "an artifact made from itself": lambda it: item(it).update(
        depends_on=[{"artifact_id": MODEL, "content_hash": item(it)["content_hash"]}]
    ),
    "one id twice": lambda it: of_model(it)["artifacts"]["items"].append(item(it)),
    "two sizes of one blob": lambda it: of_model(it)["artifacts"]["items"].append(
        {**item(it), "artifact_id": "cdnow_1f2e3d4c5b6a:3.1:all", "size_bytes": 1}
    ),
    **{
        f"the place {path}": lambda it, path=path: move(it, path)  # type: ignore[misc]
        for path in (
            "runs/cdnow/20260301_5f1c9a3e/cdnow_1f2e3d4c5b6a/3_all.1/manifest.yaml",
            "runs/cdnow/20260301_5f1c9a3e/cdnow_1f2e3d4c5b6a/4_all.0/manifest.yaml",
            "runs/cdnow/20260301_5f1c9a3e/other/3_all.0/manifest.yaml",
            "runs/cdnow/20260301_00000000/cdnow_1f2e3d4c5b6a/3_all.0/manifest.yaml",
            "runs/cdnow/march_5f1c9a3e/cdnow_1f2e3d4c5b6a/3_all.0/manifest.yaml",
            "runs/other/20260301_5f1c9a3e/cdnow_1f2e3d4c5b6a/3_all.0/manifest.yaml",
            "runs/../20260301_5f1c9a3e/cdnow_1f2e3d4c5b6a/3_all.0/manifest.yaml",
            "/etc/passwd",
            "../../x",
            "x",
            "binaries/cdnow/x",
        )
    },
    **{
        f"the manifest's {field} {value!r}": lambda it, field=field, value=value: of_model(it).update({field: value})  # type: ignore[misc]
        for field, value in (
            ("dataset", ".."),
            ("dataset", "../../x"),
            ("dataset", "/x"),
            ("dataset", 7),
            ("pipeline_id", "a:b"),
            ("pipeline_id", "other"),
            ("run_id", "other"),
            ("run_id", None),
            ("attempt", 1),
            ("created_at", "noon"),
            ("artifacts", {"registry_version": 1, "items": 7}),
        )
    },
    **{
        f"the record's {field} {value!r}": lambda it, field=field, value=value: item(it).update({field: value})  # type: ignore[misc]
        for field, value in (
            ("class_name", "../x"),
            ("class_name", "a/b"),
            ("class_name", 7),
            ("artifact_type", "pickle"),
            ("format", "pickle"),
            ("format", "../x"),
            ("path", "../../etc/passwd"),
            ("path", "model_Net_0.bin"),
            ("content_hash", "sha256:../x"),
            ("content_hash", "md5:0"),
            ("content_hash", 7),
            ("artifact_id", "x"),
            ("artifact_id", 7),
            ("pipeline_id", "other"),
            ("step_index", 4),
            ("branch_path", [1]),
            ("fold_id", 0),
            ("size_bytes", -1),
            ("size_bytes", "7"),
            ("size_bytes", True),
            ("depends_on", 7),
        )
    },
}


@pytest.mark.parametrize("name", LIES)
def test_contents_that_cannot_be_are_refused_with_nothing_stored(
    here: ArtifactStore, there: ArtifactStore, name: str
) -> None:  # T26
    train(here)
    with pytest.raises((UnsafeArchive, CorruptArtifact)):
        import_artifact(there, BytesIO(retell(export(here), LIES[name])))
    assert everything(there) == {}


def test_a_tar_of_another_version_is_refused_with_its_version(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    for change in ({"format_version": 2}, {"format": "other"}):
        with pytest.raises(UnsupportedManifestVersion, match="argn-artifact-tar 1"):
            import_artifact(there, BytesIO(retell(export(here), lambda it, change=change: it.update(change))))  # type: ignore[misc]
    with pytest.raises(UnsupportedManifestVersion, match=r"version 3\.0"):
        import_artifact(
            there, BytesIO(retell(export(here), lambda it: of_model(it).update(schema_version="3.0")))
        )  # fmt: skip


def test_members_that_nobody_named_or_that_are_missing_are_refused(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    files = unpack(export(here))
    blobs = sorted(name for name in files if name.startswith("blobs/"))
    for changed in (
        {**files, "blobs/" + "f" * 64: b""},
        {**files, "zzz": b""},
        {**files, "aaa": b""},
        {**files, blobs[0]: files[blobs[0]] + b"x"},
        {**files, blobs[0]: bytes(len(files[blobs[0]]))},
        {name: files[name] for name in files if name != blobs[0]},
        {name: files[name] for name in files if name != blobs[-1]},
        {name: files[name] for name in files if name != "artifact.json"},
        {},
    ):
        with pytest.raises((UnsafeArchive, CorruptArtifact)):
            import_artifact(there, BytesIO(pack(changed)))
    assert everything(there) == {}


def test_contents_larger_than_any_are_refused_unread(there: ArtifactStore) -> None:
    header = tarfile.TarInfo("artifact.json")
    header.size = 1 << 40
    with pytest.raises(UnsafeArchive, match="at most"):
        import_artifact(there, BytesIO(header.tobuf(tarfile.GNU_FORMAT)))


def test_contents_nested_beyond_reason_are_refused(there: ArtifactStore) -> None:
    for text in (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", b"[]", b"", b"\xff"):
        with pytest.raises((UnsafeArchive, CorruptArtifact)):
            import_artifact(there, BytesIO(pack({"artifact.json": text})))


def test_fields_of_later_versions_travel_along(here: ArtifactStore, there: ArtifactStore) -> None:  # T6
    train(here)
    sent = retell(export(here), lambda it: item(it).update(colour="blue"))
    found = import_artifact(there, BytesIO(sent))
    assert found.extra == {"colour": "blue"}
    assert export(there) == sent


def test_a_writer_that_commits_the_same_meanwhile_is_no_conflict(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    sent = export(here)

    class Late:
        """A tar whose reader is overtaken by another import of it."""

        def __init__(self) -> None:
            self._stream, self._read = BytesIO(sent), 0

        def read(self, size: int, /) -> bytes:
            chunk = self._stream.read(size)
            if self._read < len(sent) - 1024 <= self._read + len(chunk):
                import_artifact(new_store(there.url), BytesIO(sent))
            self._read += len(chunk)
            return chunk

    assert import_artifact(there, Late(), move_ref=True).artifact_id == MODEL
    assert export(there) == sent


def test_a_writer_that_commits_another_one_meanwhile_wins(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    sent = export(here)

    class Overtaken(BytesIO):
        raced = False

        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() > len(sent) - 1024 and not self.raced:
                self.raced = True
                train(new_store(there.url), b"other weights", ref=False)
            return super().read(size)

    with pytest.raises(ArtifactConflict):
        import_artifact(there, Overtaken(sent))
    assert there.refs("cdnow").names() == []


def test_memory_stays_the_same_for_any_size(here: ArtifactStore, there: ArtifactStore, tmp_path: Path) -> None:
    import tracemalloc

    size = 48 << 20
    with (tmp_path / "large").open("wb") as file:
        file.truncate(size)
    registry = new_registry(here)
    register(registry, 3, tmp_path / "large")
    registry.commit(3, name="trained_artifact")
    tracemalloc.start()
    try:
        with (tmp_path / "tar").open("wb") as target:
            export_artifact(here, "cdnow", MODEL, target, run="5f1c9a3e-77aa")
        with (tmp_path / "tar").open("rb") as stream:
            assert import_artifact(there, stream).size_bytes == size
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


def test_an_import_repairs_a_blob_that_is_gone(here: ArtifactStore, there: ArtifactStore) -> None:
    train(here)
    found = import_artifact(there, BytesIO(export(here)))
    there.port.delete(f"binaries/cdnow/{found.path}")
    again = import_artifact(new_store(there.url), BytesIO(export(here)))
    assert replace(again, manifest=None) == replace(found, manifest=None)
    assert ArtifactLoader.from_manifest(there.read_manifest(str(found.manifest)), there).load_by_id(MODEL) == b"weights"


def test_a_manifest_reads_the_same_on_both_sides(here: ArtifactStore, there: ArtifactStore) -> None:
    sent = train(here)
    import_artifact(there, BytesIO(export(here)))
    path = str(sent.manifest)
    assert Manifest.from_bytes(there.port.read(path)) == Manifest.from_bytes(here.port.read(path))


class FullDisk(BytesIO):
    """A target with room for the contents of a tar and not for its blobs."""

    def write(self, content: Any, /) -> int:
        if self.tell() + len(content) > 20 << 10:
            raise OSError(errno.ENOSPC, "no space left for the archive")
        return super().write(content)


def test_a_target_that_is_full_is_not_called_a_store_that_cannot_be_read(here: ArtifactStore) -> None:  # T14
    train(here, b"weights" * 10_000)
    with pytest.raises(OSError, match="no space left for the archive"):
        export_artifact(here, "cdnow", MODEL, FullDisk())
