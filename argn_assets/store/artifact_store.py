"""The artifact store: blobs, manifests, refs and actions under one root.

    <root>/store.json                       format, created, hash, min reader version
           binaries/<dataset>/…             blobs.py
           runs/<dataset>/…/manifest.yaml   manifest.py, one per committed step
           refs/<dataset>/…                 refs.py
           actions/…                        actions.py
           training/<dataset>/…             training_states.py

Order is the protocol: blobs, then manifest, then ref; deleting goes the other way. A crash may leave orphans, never a
dangling reference (T21).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from threading import Lock

from argn_assets.errors import (
    ArtifactConflict,
    CorruptArtifact,
    MissingArtifact,
    StoreUnavailable,
    UnsafeName,
    UnsupportedManifestVersion,
)
from argn_assets.store.actions import ActionCache
from argn_assets.store.blobs import BlobStore
from argn_assets.store.collection import CollectionMethods
from argn_assets.store.documents import JsonObject, seal, unseal
from argn_assets.store.ids import ExecutionPath, parse_artifact_id
from argn_assets.store.manifest import Manifest
from argn_assets.store.names import check_dataset, check_path, check_pipeline_id, slug
from argn_assets.store.port import Port, open_port, utc_now
from argn_assets.store.records import ArtifactRecord, time_text
from argn_assets.store.refs import RefLog
from argn_assets.store.training_states import TrainingStates

STORE_FORMAT = "argn-artifact-store"
STORE_VERSION = 1

_HASH = "sha256"
_MANIFEST = "manifest.yaml"


class ArtifactStore(CollectionMethods):
    """A store on any URL that a back-end speaks; use `ArtifactStore.open`."""

    def __init__(self, port: Port, now: Callable[[], datetime] = utc_now):
        self.port, self.now = port, now
        port.now = now
        self.url = port.url
        self.blobs = BlobStore(port)
        self.actions = ActionCache(port)
        self.training_states = TrainingStates(port)
        self._lock = Lock()
        self._manifests: dict[str, Manifest] = {}
        self._refs: dict[str, RefLog] = {}
        self._run_folders: dict[tuple[str, str], list[str]] = {}
        self._refs_of_ids: dict[tuple[str, str], str] = {}

    @classmethod
    def open(
        cls,
        url: str,
        *,
        create: bool = True,
        options: Mapping[str, object] | None = None,
        now: Callable[[], datetime] = utc_now,
    ) -> ArtifactStore:
        """Open a store, or make one.

        Args:
            url: a folder, `file:///data/store`, `memory://name`, `s3://bucket/prefix`.
            create: False refuses a place where there is no store.
            options: what the back-end's file system takes; see `open_port`.
            now: the clock that manifests and refs are stamped with.
        Raises:
            ConfigError: no back-end for this URL.
            MissingArtifact: no store there, and `create` is False.
            UnsupportedManifestVersion: the store was made by a later version.
            StoreUnavailable: the back-end does not answer.
        """
        store = cls(open_port(url, options), now)
        if store.port.size("store.json") is None:
            if not create:
                raise MissingArtifact(f"there is no artifact store at {url}; open it with create=True to make one.")
            store.port.create("store.json", seal(store._description()))
        store._check_description(unseal(store.port.read("store.json"), f"{store.url}/store.json"))
        return store

    def ensure_present(self) -> None:
        """Do nothing while the store is where it was opened.

        Raises:
            StoreUnavailable: its description is gone: the folder is not mounted any more, or was removed.
        """
        if self.port.size("store.json") is None:
            raise StoreUnavailable(
                f"the artifact store at {self.url} is not there any more: store.json is missing. Mount or restore it, "
                "then run again; what the finished steps made is found in it."
            )

    def refs(self, dataset: str) -> RefLog:
        """Return the refs of a data set; UnsafeName for a name that no data set has."""
        with self._lock:
            return self._refs.setdefault(dataset, RefLog(self.port, dataset, self.now))

    def datasets(self) -> list[str]:
        """Return the sorted names of the data sets that have committed runs."""
        return self.port.names("runs")

    def runs(self, dataset: str) -> list[str]:
        """Return the sorted run folders of a data set, `<YYYYMMDD>_<run8>`, oldest day first."""
        return self.port.names(f"runs/{check_dataset(dataset)}")

    def manifests(self, dataset: str, run: str | None = None) -> Iterator[str]:
        """Yield the sorted paths of a data set's manifests, those of one run folder if `run` is given."""
        folder = f"runs/{check_dataset(dataset)}"
        for path in self.port.find(folder if run is None else f"{folder}/{run}"):
            if path.endswith(f"/{_MANIFEST}"):
                yield path

    def read_manifest(self, path: str) -> Manifest:
        """Return a manifest, parsed once per store object: it never changes.

        Args:
            path: relative to the root, as `Manifest.path` gives it.
        Raises:
            MissingArtifact, CorruptArtifact, UnsupportedManifestVersion, UnsafeName: it cannot be used.
        """
        with self._lock:
            known = self._manifests.get(path)
        if known is not None:
            return known
        if not path.startswith("runs/") or not path.endswith(f"/{_MANIFEST}"):
            raise UnsafeName(f"{path[:200]!r} is not the path of a manifest; accepted: runs/…/{_MANIFEST}.")
        manifest = Manifest.from_bytes(self.port.read(check_path(path)), path)
        _, dataset, _, pipeline = path.split("/")[:4]
        if (manifest.dataset, manifest.pipeline_id) != (dataset, pipeline):
            found = f"one of {manifest.dataset[:80]!r} and {manifest.pipeline_id[:80]!r}"
            raise CorruptArtifact(path, f"a manifest of {dataset!r} and {pipeline!r}", found)
        with self._lock:
            self._manifests[path] = manifest
        return manifest

    def write_manifest(self, manifest: Manifest) -> None:
        """Store a manifest at its path, once.

        Raises:
            MissingArtifact: a blob or a manifest that it names is not there; no manifest is left.
            ArtifactConflict: another manifest is there.
        """
        path, text = check_path(manifest.path or ""), manifest.to_bytes()
        self._touch_named(manifest)
        if not self.port.publish(path, text):
            raise ArtifactConflict(f"{path} is committed already; a repeated step needs the next attempt number.")
        try:
            # Whoever was put to sleep before it was visible may have outlived the grace period.
            self._touch_named(manifest)
        except MissingArtifact:
            self.port.delete(path)
            raise

    def reuse_manifest(self, path: str) -> Manifest:
        """Return a manifest whose artifacts are to be used again, and make it young: no collector takes it for now.

        Raises:
            MissingArtifact: it is not there (any more); and as `read_manifest`.
        """
        manifest = self.read_manifest(path)
        self.port.touch(path)
        return manifest

    def forget_manifest(self, path: str) -> None:
        """Let go of what was parsed from a manifest that is removed."""
        with self._lock:
            self._manifests.pop(path, None)

    def find_record(self, dataset: str, artifact_id: str, run: str | None = None) -> ArtifactRecord:
        """Return the record of an id.

        Args:
            dataset: the data set that it belongs to.
            artifact_id: see `ids`.
            run: a run's id or folder; None takes what the data set's refs point to.
        Raises:
            UnsafeName: it is not an artifact id.
            MissingArtifact: no such run, or it has no such artifact, or no ref leads to one.
        """
        wanted = parse_artifact_id(artifact_id)
        if run is None:
            found = self._published(dataset, artifact_id)
        else:
            found = next(filter(None, (_record(it, artifact_id) for it in self._committed(dataset, run, wanted))), None)
        if found is None:
            where = f"run {run}" if run else "what its refs point to"
            raise MissingArtifact(f"{artifact_id} of {dataset} is not in {where}. Name the run that made it.")
        return found

    def _place(self) -> ArtifactStore:
        return self

    def _touch_named(self, manifest: Manifest) -> None:
        """Make all that a manifest names young, so that it is there when the manifest is."""
        for record in manifest.items:
            sources = {source.manifest for source in record.depends_on} - {None, manifest.path}
            for path in (f"binaries/{manifest.dataset}/{record.path}", *map(str, sources)):
                try:
                    self.port.touch(path)
                except MissingArtifact as error:
                    raise MissingArtifact(
                        f"{path} of {record.artifact_id} is gone before its manifest; register again."
                    ) from error

    def _published(self, dataset: str, artifact_id: str) -> ArtifactRecord | None:
        """Return what the ref of an id's asset points to; what another ref does, if that one does not have it."""
        refs, key, other = self.refs(dataset), (dataset, artifact_id), None
        # The ref that had it the last time is asked first: usually no other one is read.
        for name in sorted(refs.names(), key=lambda name: name != self._refs_of_ids.get(key)):
            for manifest in map(self.read_manifest, refs.manifests_of(name)):
                found = _record(manifest, artifact_id)
                # `trained_artifact`, and `trained_artifact.0_all` of a branch
                if found is not None and name.partition(".")[0] == slug(manifest.name):
                    self._refs_of_ids[key] = name
                    return found
                other = other or found
        return other

    def _committed(self, dataset: str, run: str, wanted: ExecutionPath) -> Iterator[Manifest]:
        """Yield the manifests of one step of a run, the last attempt first."""
        for folder in self._folders_of(dataset, run):
            steps = f"runs/{dataset}/{folder}/{wanted.pipeline_id}"
            found = [name.rpartition(".") for name in self.port.names(steps)]
            attempts = [int(attempt) for step, _, attempt in found if step == wanted.step_name and attempt.isdecimal()]
            for attempt in sorted(attempts, reverse=True):
                with suppress(MissingArtifact):  # a commit that was cut short leaves an empty folder
                    manifest = self.read_manifest(manifest_path(dataset, folder, wanted, attempt))
                    # The folder carries eight digits of the run's id only.
                    if run in (folder, manifest.run_id):
                        yield manifest

    def _folders_of(self, dataset: str, run: str) -> Iterator[str]:
        """Yield the folders that a run may have, by its id or folder, the last day first; each once."""
        # Folders keep their names: those that were seen are looked at before all are listed.
        seen = self._run_folders.get((dataset, run), [])
        yield from seen
        folders = [name for name in self.runs(dataset) if name == run or name.partition("_")[2] == run[:8]]
        self._run_folders[dataset, run] = folders[::-1]
        yield from (name for name in folders[::-1] if name not in seen)

    def _description(self) -> JsonObject:
        return {
            "format": STORE_FORMAT,
            "format_version": STORE_VERSION,
            "min_reader_version": STORE_VERSION,
            "hash": _HASH,
            "created": time_text(self.now()),
        }

    def _check_description(self, found: JsonObject) -> None:
        described = (found.get("format"), found.get("hash"))
        needed = found.get("min_reader_version")
        if described != (STORE_FORMAT, _HASH) or not isinstance(needed, int) or needed > STORE_VERSION:
            raise UnsupportedManifestVersion(
                f"{self.url} is a store of format {described[0]} with hash {described[1]} that needs reader version "
                f"{needed}; this reads {STORE_FORMAT}, {_HASH}, {STORE_VERSION}. Install a later argn_assets."
            )


def _record(manifest: Manifest, artifact_id: str) -> ArtifactRecord | None:
    return next((item for item in manifest.items if item.artifact_id == artifact_id), None)


def manifest_path(dataset: str, run_folder: str, step: ExecutionPath, attempt: int) -> str:
    """Return where the manifest of a step is stored, relative to the root.

    >>> step = parse_artifact_id("p:0:3:4")
    >>> manifest_path("cdnow", "20260301_5f1c9a3e", step, 1)
    'runs/cdnow/20260301_5f1c9a3e/p/0_3_4.1/manifest.yaml'
    """
    pipeline = check_pipeline_id(step.pipeline_id)
    return check_path(f"runs/{check_dataset(dataset)}/{run_folder}/{pipeline}/{step.step_name}.{attempt}/{_MANIFEST}")
