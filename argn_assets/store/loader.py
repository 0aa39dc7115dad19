"""The loader: artifacts of manifests, verified, decoded and cached (T11, T12).

1. Nothing is read before it is asked for.
2. Bytes are verified before they are decoded, and decoded by the format that their record names.
3. What is cached are bytes: every caller gets a value of its own and cannot spoil the next one's.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from argn_assets.errors import ArtifactConflict, ConfigError, MissingArtifact
from argn_assets.store.artifact_store import ArtifactStore
from argn_assets.store.cache import BytesCache, CacheInfo
from argn_assets.store.formats import decode_value
from argn_assets.store.graph import DEPTH_LIMIT, closure, same_bytes
from argn_assets.store.ids import ExecutionPath, parse_artifact_id
from argn_assets.store.manifest import Manifest
from argn_assets.store.meta_models import MetaModel, check_branches, read_meta_config
from argn_assets.store.records import ArtifactRecord, Dependency


class ArtifactLoader:
    """Loads the artifacts of some manifests; use `ArtifactLoader.from_manifest`."""

    def __init__(self, manifests: Sequence[Manifest], store: ArtifactStore, *, verify: bool = True):
        self.store, self.verify = store, verify
        self._owners = {item.artifact_id: (item, manifest) for manifest in manifests for item in manifest.items}
        self._cache = BytesCache(max_entries=64, max_bytes=256 << 20)

    @classmethod
    def from_manifest(
        cls, manifest: Manifest | Iterable[Manifest], root: ArtifactStore | Path | str, *, verify: bool = True
    ) -> ArtifactLoader:
        """Make a loader of one manifest, or of those of several steps; of two with one id the later counts.

        Args:
            manifest: what may be asked for.
            root: the store that holds the blobs, or its URL or folder.
            verify: False skips the hash of every read, for hot loops over blobs that were verified once.
        """
        manifests = [manifest] if isinstance(manifest, Manifest) else list(manifest)
        store = root if isinstance(root, ArtifactStore) else ArtifactStore.open(str(root), create=False)
        return cls(manifests, store, verify=verify)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids that can be loaded, in order."""
        return tuple(self._owners)

    def record(self, artifact_id: str) -> ArtifactRecord:
        """Return the record of an id; MissingArtifact (which lists the ids there are) if no manifest has it."""
        return self._owner(artifact_id)[0]

    def load_by_id(self, artifact_id: str) -> object:
        """Return the value of an artifact.

        Raises:
            MissingArtifact: no manifest has it, or its blob is gone.
            CorruptArtifact: its bytes changed; they were not decoded.
        """
        record, manifest = self._owner(artifact_id)
        return self._decoded(record, manifest.dataset)

    def load_bytes(self, artifact_id: str) -> bytes:
        """Return the verified bytes of an artifact; raises as `load_by_id`."""
        record, manifest = self._owner(artifact_id)
        return self._bytes(record, manifest.dataset)

    def load_for_step(
        self, step_index: int, branch_path: Sequence[int] = (), fold_id: int | None = None
    ) -> dict[str, object]:
        """Return all outputs of a step as id → value, in order of their number.

        Raises:
            MissingArtifact: no manifest has an output of this step, branch and fold, or a blob is gone.
            CorruptArtifact: bytes changed.
        """
        found = {
            path.output: artifact_id
            for path, artifact_id in self._of_step(step_index, branch_path)
            if path.fold_id == fold_id
        }
        if not found:
            step = f"step {step_index}, branch {list(branch_path)}, fold {'all' if fold_id is None else fold_id}"
            raise MissingArtifact(f"{step} has no artifact here; there are {', '.join(self._owners) or 'none'}.")
        return {found[output]: self.load_by_id(found[output]) for output in sorted(found)}

    def load_fold_models(
        self, step_index: int, branch_path: Sequence[int] = (), *, n_folds: int, output: int = 0
    ) -> dict[int, object]:
        """Return the models of all folds of a step as fold → value, in order.

        Args:
            step_index: the step.
            branch_path: of the step; models of other branches do not count.
            n_folds: how many folds there must be, numbered from 0; what all folds share is none of them.
            output: which output of the step.
        Raises:
            ConfigError: `n_folds` is below 1.
            MissingArtifact: not these folds are here, all of them and no other; nothing was read.
            CorruptArtifact: bytes changed.
        """
        if n_folds < 1:
            raise ConfigError(f"n_folds is {n_folds}; accepted: 1 or more.")
        found = {
            path.fold_id: artifact_id
            for path, artifact_id in self._of_step(step_index, branch_path)
            if path.output == output and path.fold_id is not None
        }
        if sorted(found) != list(range(n_folds)):
            raise MissingArtifact(
                f"step {step_index}, branch {list(branch_path)} should have the folds 0 to {n_folds - 1} and has "
                f"{sorted(found) or 'none'}. Give the loader the manifests of all folds."
            )
        return {fold: self.load_by_id(found[fold]) for fold in range(n_folds)}

    def load_with_dependencies(self, artifact_id: str, depth_limit: int = DEPTH_LIMIT) -> dict[str, object]:
        """Return an artifact and all that it was made from as id → value, sources first, itself last.

        Raises:
            MissingArtifact: one of them is not there.
            StoreError: the dependencies form a cycle, or a chain longer than `depth_limit`.
            ArtifactConflict: it was made from the same id of two runs; load them by their manifests.
            CorruptArtifact: bytes changed.
        """
        record, manifest = self._owner(artifact_id)
        sources = closure(record, self._find, depth_limit)
        ids = [artifact_id, *(source.artifact_id for source in sources)]
        if len(ids) > len(set(ids)):
            twice = next(name for name in ids if ids.count(name) > 1)
            raise ArtifactConflict(
                f"{artifact_id} was made from {twice} of two runs; load each from the manifest of its run."
            )
        loaded = {source.artifact_id: self._decoded(source, self._dataset_of(source)) for source in sources}
        return {**loaded, artifact_id: self._decoded(record, manifest.dataset)}

    def load_meta_model_with_sources(self, artifact_id: str) -> MetaModel:
        """Return a meta-model with the artifacts that give its features, in the order of the features.

        Raises:
            ConfigError: it is no meta-model.
            MissingArtifact: it or a source is not there.
            StoreError: the order of its sources is not that of its features.
            CorruptArtifact: bytes changed.
        """
        record, _ = self._owner(artifact_id)
        sources, columns = self._sources(record)
        return self._meta_model(record, sources, columns)

    def load_meta_model_for_prediction(
        self, artifact_id: str, branch_path: Sequence[int] = (), feature_columns: Sequence[str] | None = None
    ) -> MetaModel:
        """Return a meta-model as `load_meta_model_with_sources` does, if it fits what is to be predicted.

        Args:
            artifact_id: of the meta-model.
            branch_path: where it is to predict: its own branch, or one below.
            feature_columns: the features that the caller has, in their order; None takes the meta-model's.
        Raises:
            ConfigError: it is of another branch, a source is, or the features are others or in another order; nothing
                was read.
        """
        record, _ = self._owner(artifact_id)
        sources, columns = self._sources(record)
        check_branches(record, sources, branch_path)
        if feature_columns is not None and tuple(feature_columns) != columns:
            raise ConfigError(
                f"{artifact_id} takes the features {', '.join(columns)} in this order, not "
                f"{', '.join(feature_columns) or 'none'}."
            )
        return self._meta_model(record, sources, columns)

    def preload_artifacts(self, artifact_ids: Iterable[str] | None = None) -> None:
        """Read bytes into the cache: of these ids, or of all."""
        for artifact_id in self.ids if artifact_ids is None else artifact_ids:
            self.load_bytes(artifact_id)

    def set_cache_size(self, max_entries: int, max_bytes: int = 256 << 20) -> None:
        """Set how many artifacts and bytes are kept; 0 entries turn the cache off."""
        self._cache.resize(max_entries, max_bytes)

    def cache_info(self) -> CacheInfo:
        """Return what is kept and how often it served."""
        return self._cache.info()

    def _owner(self, artifact_id: str) -> tuple[ArtifactRecord, Manifest]:
        if artifact_id not in self._owners:
            raise MissingArtifact(
                f"{artifact_id} is not in the manifest; there are {', '.join(self._owners) or 'none'}."
            )
        return self._owners[artifact_id]

    def _of_step(self, step_index: int, branch_path: Sequence[int]) -> list[tuple[ExecutionPath, str]]:
        """Return the ids of a step in a branch, with what they say."""
        paths = [(parse_artifact_id(artifact_id), artifact_id) for artifact_id in self._owners]
        wanted = step_index, tuple(branch_path)
        return [(path, artifact_id) for path, artifact_id in paths if (path.step_index, path.branch_path) == wanted]

    def _sources(self, record: ArtifactRecord) -> tuple[list[ArtifactRecord], tuple[str, ...]]:
        """Return the records of a meta-model's sources, and its features."""
        sources, columns = read_meta_config(record)
        return [self._find(record, source) for source in sources], columns

    def _meta_model(
        self, record: ArtifactRecord, sources: Sequence[ArtifactRecord], columns: tuple[str, ...]
    ) -> MetaModel:
        loaded = {source.artifact_id: self._decoded(source, self._dataset_of(source)) for source in sources}
        value = self.load_by_id(record.artifact_id)
        return MetaModel(record=record, value=value, sources=loaded, feature_columns=columns)

    def _find(self, maker: ArtifactRecord, source: Dependency) -> ArtifactRecord:
        """Return the record behind a dependency: in the manifest that it names, in its maker's, or here."""
        path = source.manifest or maker.manifest
        if path is None:
            return same_bytes(self.record(source.artifact_id), source)
        return same_bytes(self.store.read_manifest(path).record(source.artifact_id), source)

    def _dataset_of(self, record: ArtifactRecord) -> str:
        known = self._owners.get(record.artifact_id)
        if known is not None and known[0].content_hash == record.content_hash:
            return known[1].dataset
        return self.store.read_manifest(str(record.manifest)).dataset

    def _decoded(self, record: ArtifactRecord, dataset: str) -> object:
        return decode_value(self._bytes(record, dataset), record.format, f"binaries/{dataset}/{record.path}")

    def _bytes(self, record: ArtifactRecord, dataset: str) -> bytes:
        content = self._cache.get(record.content_hash)
        if content is None:
            content = self.store.blobs.read(dataset, record.path, record.content_hash, verify=self.verify)
            self._cache.put(record.content_hash, content)
        return content
