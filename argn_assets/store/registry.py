"""The registry: what one execution of a step makes, registered piece by piece and committed once (T10).

1. An id stands for one content within an execution: again with the same bytes is a no-op, with others a conflict.
2. A dependency must exist when it is named, and is named by its bytes.
3. Blobs are stored before the manifest that names them (T21); until `commit` nobody sees the records.
4. A commit is one immutable manifest: again with the same records is a no-op; repeating a step with others takes the
   next attempt number.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from threading import Lock
from typing import BinaryIO, Unpack, cast
from uuid import uuid4

from argn_assets.errors import ArtifactConflict, MissingArtifact
from argn_assets.store.artifact_store import ArtifactStore, manifest_path
from argn_assets.store.blobs import Blob
from argn_assets.store.collection import CollectionMethods
from argn_assets.store.documents import JsonValue, canonical_json, digest
from argn_assets.store.drafts import Description, Details, Source, draft_record, plain_object
from argn_assets.store.formats import encode_value, find_format, value_hash
from argn_assets.store.graph import DEPTH_LIMIT, closure, same_bytes
from argn_assets.store.ids import generate_artifact_id, parse_artifact_id
from argn_assets.store.manifest import Manifest
from argn_assets.store.meta_models import build_meta_config
from argn_assets.store.names import check_dataset, check_pipeline_id, run_folder
from argn_assets.store.records import ArtifactRecord, ArtifactType, Dependency


class ArtifactRegistry(CollectionMethods):
    """Registers the artifacts of one step execution of a run.

    Args:
        store: where they go.
        dataset: the data set that they belong to.
        pipeline_id: see `ids.pipeline_id`.
        run_id: the run's full id.
        started_at: when the run began, with a time zone; its UTC date is part of the run's folder.
    Raises:
        UnsafeName: a name cannot be part of a path, or the time has no zone.
    """

    def __init__(self, store: ArtifactStore, dataset: str, *, pipeline_id: str, run_id: str, started_at: datetime):
        self.store, self.dataset, self.run_id = store, check_dataset(dataset), run_id
        self.pipeline_id = check_pipeline_id(pipeline_id)
        self.run_folder = run_folder(started_at, run_id)
        self._records: dict[str, ArtifactRecord] = {}
        self._lock = Lock()

    @property
    def records(self) -> tuple[ArtifactRecord, ...]:
        """What was registered so far, in order."""
        return tuple(self._records.values())

    def generate_id(
        self, step_index: int, *, branch_path: Sequence[int] = (), fold_id: int | None = None, output: int = 0
    ) -> str:
        """Return the id of an output of a step of this pipeline; UnsafeName for a negative number."""
        return generate_artifact_id(self.pipeline_id, branch_path, step_index, fold_id, output)

    def register(self, content: bytes | Path | BinaryIO, **description: Unpack[Description]) -> ArtifactRecord:
        """Store the bytes of an artifact and record it.

        Args:
            content: bytes, a file, or a stream read to its end; of the format named, which is not checked.
            description: see `Description`; a `data_hash` that is not given is the hash of the bytes.
        Returns:
            the record; its `deduplicated` says whether the bytes were there before.
        Raises:
            ArtifactConflict: the id has other bytes already, or is of another pipeline.
            MissingArtifact: a dependency is not there.
            ConfigError: no such format or type, or `params` are not strict JSON.
            UnsafeName: a name cannot be part of a path.
        """
        draft = self._draft(description)
        return self._keep(draft, self._put(content, draft), description.get("data_hash"))

    def register_object(self, value: object, **description: Unpack[Description]) -> ArtifactRecord:
        """Store a value in a format of the table and record it, as `register` does.

        A table whose data hash is stored for the data set already is not encoded again: its blob is used (T1).

        Raises:
            ConfigError: the value is not what the format holds; and as `register`.
        """
        draft = self._draft(description)
        data_hash = description.get("data_hash") or value_hash(value, draft.format)
        if find_format(draft.format).data_hash is None or data_hash is None:
            return self._keep(draft, self._put(encode_value(value, draft.format), draft), data_hash)
        key = self._encoding_key(draft, data_hash)
        blob = self._encoded_before(key)
        if blob is None:
            blob = self._put(encode_value(value, draft.format), draft)
            stored = {"path": blob.path, "content_hash": blob.content_hash, "size_bytes": blob.size_bytes}
            self.store.actions.put(key, {"dataset": self.dataset, **stored})
        return self._keep(draft, blob, data_hash)

    def register_meta_model(
        self,
        value: object,
        *,
        sources: Sequence[Source],
        feature_columns: Sequence[str],
        **details: Unpack[Details],
    ) -> ArtifactRecord:
        """Store a model over other artifacts and record it, as `register_object` does.

        Args:
            value: the meta-model.
            sources: ids, dependencies or records of what gives its features, in the order of the features.
            feature_columns: the feature of each source, in the same order.
            details: see `Details`.
        Raises:
            ConfigError: there is not one feature for each source, or one is named twice; and as `register_object`.
        """
        named = [self._dependency(source) for source in sources]
        config = build_meta_config(named, feature_columns, details["artifact_id"])
        description: Description = {
            **details,
            "artifact_type": ArtifactType.META_MODEL,
            "depends_on": named,
            "meta_config": config,
        }
        return self.register_object(value, **description)

    def resolve(self, artifact_id: str, run: str | None = None) -> ArtifactRecord:
        """Return the record of an id: of this execution, else of `run`, else of what the data set's refs point to.

        Args:
            artifact_id: see `ids`.
            run: a run's id or folder; given, only that run is looked at.
        Raises:
            MissingArtifact: it is not there.
        """
        if run is None and artifact_id in self._records:
            return self._records[artifact_id]
        return self.store.find_record(self.dataset, artifact_id, run)

    def add_dependency(self, artifact_id: str, source: Source) -> ArtifactRecord:
        """Add a source to a registered artifact and return its new record.

        Raises:
            MissingArtifact: the artifact was not registered here, or the source is not there.
            StoreError: the source is made from this artifact; the cycle is named.
        """
        added = self._dependency(source)
        with self._lock:
            record = self._registered(artifact_id)
            if added in record.depends_on:
                return record
            record = replace(record, depends_on=(*record.depends_on, added))
            # Looked up in place of what is registered, so that a cycle through it is seen before it is there.
            closure(
                record, lambda maker, named: record if named == record.as_dependency() else self._find(maker, named)
            )
            self._records[artifact_id] = record
        return record

    def get_dependencies(self, artifact_id: str) -> tuple[Dependency, ...]:
        """Return what an artifact was made from directly, in order; MissingArtifact if it is not there."""
        return self.resolve(artifact_id).depends_on

    def resolve_dependencies(self, artifact_id: str, depth_limit: int = DEPTH_LIMIT) -> list[ArtifactRecord]:
        """Return all that an artifact was made from, sources first.

        Raises:
            MissingArtifact: one of them is not there.
            StoreError: a cycle, which is named, or a chain longer than `depth_limit`.
        """
        return closure(self.resolve(artifact_id), self._find, depth_limit)

    def commit(
        self,
        step_index: int,
        *,
        branch_path: Sequence[int] = (),
        fold_id: int | None = None,
        attempt: int = 0,
        name: str,
        predictions: Sequence[Mapping[str, object]] = (),
    ) -> Manifest:
        """Publish what was registered as one immutable manifest.

        Args:
            step_index: the step; every registered artifact must be one of its outputs.
            branch_path: of the step.
            fold_id: of the step.
            attempt: of the step within its run, from 0.
            name: for people: the asset's name.
            predictions: rows of the quality summary, strict JSON.
        Returns:
            the manifest, with its path; the one that is there, if this attempt was committed with the same records.
        Raises:
            ArtifactConflict: this attempt is committed with other records, or an artifact is of another step.
            MissingArtifact: a blob is gone; nothing was published.
        """
        step = parse_artifact_id(self.generate_id(step_index, branch_path=branch_path, fold_id=fold_id))
        for record in self.records:
            if parse_artifact_id(record.artifact_id).step_name != step.step_name:
                raise ArtifactConflict(f"{record.artifact_id} is not of the step {step.step_name} that is committed.")
        rows = [plain_object(row, f"predictions[{index}] of {name}") for index, row in enumerate(predictions)]
        path = manifest_path(self.dataset, self.run_folder, step, attempt)
        manifest = Manifest(
            uid=str(uuid4()),
            pipeline_id=self.pipeline_id,
            name=name,
            dataset=self.dataset,
            run_id=self.run_id,
            attempt=attempt,
            created_at=self.store.now(),
            items=tuple(replace(record, manifest=path) for record in self.records),
            predictions=tuple(rows),
            path=path,
        )
        return self._publish(manifest, path)

    def _place(self) -> ArtifactStore:
        return self.store

    def _draft(self, description: Description) -> ArtifactRecord:
        """Check a description before anything is stored; return a record that wants its blob."""
        sources = tuple(map(self._dependency, description.get("depends_on", ())))
        draft = draft_record(description, sources, run_id=self.run_id, created_at=self.store.now())
        if draft.pipeline_id != self.pipeline_id:
            raise ArtifactConflict(f"{draft.artifact_id} is not of the pipeline {self.pipeline_id}; use generate_id.")
        return draft

    def _publish(self, manifest: Manifest, path: str) -> Manifest:
        """Write a manifest, or return the one of the same artifacts that is there."""
        try:
            self.store.write_manifest(manifest)
        except ArtifactConflict:
            self.store.forget_manifest(path)  # another process may have purged the data set and committed anew
            known = self.store.reuse_manifest(path)
            if not known.says_the_same(manifest):
                raise
            return known
        return manifest

    def _put(self, content: bytes | Path | BinaryIO, draft: ArtifactRecord) -> Blob:
        extension = find_format(draft.format).extension
        return self.store.blobs.put(
            self.dataset, content, artifact_type=draft.artifact_type, class_name=draft.class_name, extension=extension
        )

    def _keep(self, draft: ArtifactRecord, blob: Blob, data_hash: str | None) -> ArtifactRecord:
        """Remember a record; the same id with the same bytes stays what it was."""
        record = replace(
            draft,
            content_hash=blob.content_hash,
            data_hash=data_hash or blob.content_hash,
            path=blob.path,
            size_bytes=blob.size_bytes,
            deduplicated=blob.deduplicated,
        )
        with self._lock:
            known = self._records.setdefault(record.artifact_id, record)
        if known.content_hash != record.content_hash:
            raise ArtifactConflict(
                f"{record.artifact_id} has the bytes {known.content_hash} in run {self.run_id} and cannot have "
                f"{record.content_hash} too; a second output of a step has an id of its own (output=1)."
            )
        return known

    def _encoding_key(self, draft: ArtifactRecord, data_hash: str) -> str:
        """Return the action key of encoding a table for this data set."""
        made_from = ["encode table", self.dataset, draft.format, draft.format_version, data_hash]
        return digest(canonical_json(cast(JsonValue, made_from))).removeprefix("sha256:")

    def _encoded_before(self, key: str) -> Blob | None:
        """Return the blob of the same table, if it is still there and whole."""
        found = self.store.actions.get(key)
        if found is None:
            return None
        path, content_hash, size = str(found["path"]), str(found["content_hash"]), cast(int, found["size_bytes"])
        if not self.store.blobs.reuse(self.dataset, path, content_hash):
            return None
        return Blob(path=path, content_hash=content_hash, size_bytes=size, deduplicated=True)

    def _dependency(self, source: Source) -> Dependency:
        """Return a source by its bytes, and make sure that they are there."""
        named = source.as_dependency() if isinstance(source, ArtifactRecord) else source
        record = self.resolve(named) if isinstance(named, str) else self._find(None, named)
        dataset = self.store.read_manifest(record.manifest).dataset if record.manifest else self.dataset
        if not self.store.blobs.exists(dataset, record.path):
            raise MissingArtifact(
                f"{record.path} of {record.artifact_id} is not in the store; it cannot be depended on."
            )
        return record.as_dependency()

    def _find(self, maker: ArtifactRecord | None, source: Dependency) -> ArtifactRecord:
        """Return the record behind a dependency of `maker`."""
        manifest = source.manifest or (maker.manifest if maker else None)
        if manifest is not None:
            return same_bytes(self.store.read_manifest(manifest).record(source.artifact_id), source)
        return same_bytes(self.resolve(source.artifact_id), source)

    def _registered(self, artifact_id: str) -> ArtifactRecord:
        if artifact_id not in self._records:
            ids = ", ".join(self._records) or "nothing"
            raise MissingArtifact(f"{artifact_id} was not registered in this execution; {ids} was.")
        return self._records[artifact_id]
