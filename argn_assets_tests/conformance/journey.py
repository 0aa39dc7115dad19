"""One step of a run from bytes to a published ref, and what must hold in a store whatever went wrong on the way."""

from __future__ import annotations

from io import BytesIO

from argn_assets.errors import RefConflict
from argn_assets.store import ArtifactLoader, ArtifactStore, Manifest
from argn_assets.store.documents import unseal
from argn_assets.store.names import digits_in
from argn_assets_tests.conformance.backend import new_registry

DATASET = "cdnow"


def commit_step(store: ArtifactStore, run: int, attempt: int = 0) -> Manifest:
    """Register three artifacts of run number `run` (an object, bytes, a stream), commit them and publish the step."""
    registry = new_registry(store, f"{run:08d}-run", DATASET)
    report = registry.register_object(
        {"rows": run % 3},  # what several runs share
        artifact_id=registry.generate_id(1),
        operation="fit",
        artifact_type="report",
        class_name="Stats",
        format="json",
        name="stats",
    )
    for output, content in ((1, b"bytes of run %d" % run), (2, BytesIO(b"stream of run %d" % run))):
        registry.register(
            content,
            artifact_id=registry.generate_id(1, output=output),
            operation="fit",
            artifact_type="model",
            class_name="Net",
            format="npz",
            name=f"net {output}",
            depends_on=[report],
        )
    manifest = registry.commit(1, attempt=attempt, name="trained_artifact")
    publish(store, manifest)
    return manifest


def publish(store: ArtifactStore, manifest: Manifest) -> None:
    """Point the ref to a manifest, again if another writer moved it meanwhile."""
    while True:
        try:
            store.refs(DATASET).move("trained_artifact", {"manifest": manifest.path})
        except RefConflict:
            continue
        return


def check_step(store: ArtifactStore, path: str, run: int) -> None:
    """Assert that a committed step is there, whole, and is that of `run`."""
    loader = ArtifactLoader.from_manifest(store.read_manifest(path), store)
    report, first, second = loader.ids
    assert loader.load_by_id(report) == {"rows": run % 3}
    assert loader.load_bytes(first) == b"bytes of run %d" % run
    assert loader.load_bytes(second) == b"stream of run %d" % run


def check_store(store: ArtifactStore) -> list[str]:
    """Assert that nothing refers to what is not there and that no name holds a part; return all manifests' paths.

    Orphans are no damage: blobs without a manifest, a manifest without a ref.
    """
    fresh = ArtifactStore(store.port)
    for blob in fresh.port.find(f"binaries/{DATASET}"):
        assert fresh.port.digest(blob).removeprefix("sha256:").startswith(digits_in(blob)), f"{blob} is partial"
    manifests = list(fresh.manifests(DATASET))
    for path in manifests:
        for record in fresh.read_manifest(path).items:
            assert fresh.blobs.verify(DATASET, record.path, record.content_hash), f"{path} dangles: {record.path}"
    refs = fresh.refs(DATASET)
    for name in refs.names():
        for path in refs.manifests_of(name):
            assert path in manifests, f"{name} dangles: {path}"
    for action in fresh.port.find("actions"):
        unseal(fresh.port.read(action), action)
    return manifests
