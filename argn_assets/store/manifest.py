"""Manifests: the artifacts of one committed step (T6).

Wire format apart from the model: a manifest is written as JSON-flow YAML, read back and compared before anything is
stored; fields that this version does not know survive a read and a write; another major version is refused before
anything is touched.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, cast

from argn_assets.errors import CorruptArtifact, MissingArtifact, UnsupportedManifestVersion
from argn_assets.store.documents import (
    HASH_FIELD,
    JsonObject,
    JsonValue,
    canonical_json,
    check_seal,
    content_digest,
    digest,
    parse,
    seal,
)
from argn_assets.store.records import ArtifactRecord, check_kind, plain, read_time, split_known

SCHEMA_VERSION = "2.0"
REGISTRY_VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One committed step: its artifacts in order of registration; immutable.

    Attributes:
        uid: random, to tell a lost answer from a lost race.
        name: for people: the asset's name.
        run_id: the run's full id.
        attempt: of the step within its run, from 0.
        items: the records.
        predictions: rows of the quality summary.
        path: where it is stored, relative to the store's root; None before.
        extra: fields of later versions, kept as they are.
    """

    schema_version: str = SCHEMA_VERSION
    uid: str
    pipeline_id: str
    name: str
    dataset: str
    run_id: str = ""
    attempt: int = 0
    created_at: datetime
    items: tuple[ArtifactRecord, ...]
    predictions: tuple[Mapping[str, JsonValue], ...] = ()
    path: str | None = field(default=None, compare=False)
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @property
    def data_version(self) -> str:
        """`sha256:<64 hex>` over the sorted (name, data_hash) of the items: equal parts, equal version (T14)."""
        return digest(
            canonical_json([list(part) for part in sorted((item.name, item.data_hash) for item in self.items)])
        )

    def record(self, artifact_id: str) -> ArtifactRecord:
        """Return the record of an id; MissingArtifact (which lists the ids there are) if this step has none."""
        for item in self.items:
            if item.artifact_id == artifact_id:
                return item
        ids = ", ".join(item.artifact_id for item in self.items) or "none"
        raise MissingArtifact(f"{artifact_id} is not in the manifest {self.path or self.uid}; it records {ids}.")

    def by_name(self, name: str) -> ArtifactRecord:
        """Return the record of a part; MissingArtifact (which lists the names there are) if this step has none."""
        for item in self.items:
            if item.name == name:
                return item
        names = ", ".join(item.name for item in self.items) or "none"
        raise MissingArtifact(f"{name} is not in the manifest {self.path or self.uid}; it records {names}.")

    def says_the_same(self, other: Manifest) -> bool:
        """Say whether another manifest is of the same run and artifacts, whenever it was written."""
        mine, others = (
            [(it.artifact_id, it.name, it.content_hash, it.params_hash, it.depends_on) for it in manifest.items]
            for manifest in (self, other)
        )
        return mine == others and (self.run_id, self.predictions) == (other.run_id, other.predictions)

    def to_bytes(self) -> bytes:
        """Return the manifest's text; it has been read back and compared."""
        text = seal(self._document())
        if Manifest.from_bytes(text) != self:
            raise CorruptArtifact(self.path or self.uid, "a manifest that reads back as it was written", "another one")
        return text

    @classmethod
    def from_bytes(cls, text: bytes, path: str | None = None) -> Manifest:
        """Read a manifest, from JSON or other YAML.

        Args:
            text: the stored bytes.
            path: where they were stored, for messages and for `Manifest.path`.
        Raises:
            UnsupportedManifestVersion: of another major version.
            CorruptArtifact: bytes of it changed, or a field is missing or of another kind.
        """
        where = path or "the manifest"
        document = parse(text, where)
        check_version(document, where)
        try:
            manifest = _manifest({key: value for key, value in document.items() if key != HASH_FIELD}, path)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CorruptArtifact(where, f"a manifest of version {SCHEMA_VERSION}", f"{error!r}") from error
        # A field that somebody added says nothing that this version reads, so it may stand beside the hash. Without a
        # hash the manifest was written by somebody else: the digests of its items still guard what it names.
        known = content_digest(manifest.without_extra()._document(), where)
        if document.get(HASH_FIELD, known) != known:
            check_seal(document, where)
        return manifest

    def without_extra(self) -> Manifest:
        """Return the manifest with the fields of this version alone."""
        return replace(self, items=tuple(item.without_extra() for item in self.items), extra={})

    def _document(self) -> JsonObject:
        items = [item.to_document() for item in self.items]
        unknown = cast("Mapping[str, JsonValue]", self.extra.get("artifacts", {}))
        artifacts: JsonObject = {**unknown, "registry_version": REGISTRY_VERSION, "items": cast(JsonValue, items)}
        return {**plain(self, leave_out=frozenset({"items"})), "artifacts": artifacts}


def check_version(document: Mapping[str, JsonValue], where: str) -> None:
    """Raise UnsupportedManifestVersion unless the document is of this major version."""
    version = document.get("schema_version")
    if version is None and isinstance(document.get("artifacts"), list):
        version = "1 (artifacts as a list, no schema_version)"
    registry = document.get("artifacts")
    registry_version = registry.get("registry_version") if isinstance(registry, dict) else None
    major = str(version).partition(".")[0]
    if major == "2" and registry_version in (None, REGISTRY_VERSION):
        return
    found = f"version {version}" if major != "2" else f"registry version {registry_version}"
    raise UnsupportedManifestVersion(
        f"{where} is a manifest of {found}; this version of argn_assets reads 2.x with registry version "
        f"{REGISTRY_VERSION}. Read it with the version that wrote it, or materialise the asset again."
    )


def _manifest(content: JsonObject, path: str | None) -> Manifest:
    artifacts: dict[str, Any] = {**cast("Mapping[str, Any]", content.pop("artifacts"))}
    items, _ = artifacts.pop("items"), artifacts.pop("registry_version")
    values = split_known(Manifest, {**content, **({"artifacts": artifacts} if artifacts else {})})
    check_kind(values, str, "uid", "pipeline_id", "name", "dataset")
    values["created_at"] = read_time(values["created_at"])
    values["predictions"] = tuple(dict(row) for row in values.get("predictions", ()))
    return Manifest(**values, items=tuple(ArtifactRecord.from_document(item, path) for item in items), path=path)
