"""Records: what the store knows about one artifact (T2, T5), and how that is written down.

Fields that this version does not know are kept in `extra` and written again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, cast

from argn_assets.store.documents import JsonObject, JsonValue


class ArtifactType(StrEnum):
    """What kind of thing an artifact is (T2)."""

    MODEL = "model"
    TRANSFORMER = "transformer"
    SPLITTER = "splitter"
    ENCODER = "encoder"
    META_MODEL = "meta_model"
    TABLE = "table"
    REPORT = "report"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """What an artifact was made from, by bytes and not by name alone.

    Attributes:
        artifact_id: of the source.
        content_hash: `sha256:<64 hex>` of the source's bytes.
        manifest: path of the manifest that records the source; None within the same step.
    """

    artifact_id: str
    content_hash: str
    manifest: str | None = None
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Dependency:
        """Read a source of an item; KeyError or TypeError if it is not one."""
        check_kind(document, str, "artifact_id", "content_hash")
        if document.get("manifest") is not None:
            check_kind(document, str, "manifest")
        return cls(**split_known(cls, document))


@dataclass(frozen=True, slots=True, kw_only=True)
class Producer:
    """What made an artifact: the asset's key (parts joined by `/`), its code version, the run's full id."""

    asset_key: str = ""
    code_version: str = ""
    run_id: str = ""
    extra: Mapping[str, JsonValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactRecord:
    """Everything the store knows about one artifact.

    Attributes:
        artifact_id: `pipeline_id[:branch…]:step[.output]:fold`.
        name: of this part among the parts of its step: a table's name, say.
        content_hash: `sha256:<64 hex>` of the stored bytes; verified on every read.
        data_hash: `sha256:<64 hex>` of the logical content; the data version.
        path: of the blob, relative to `binaries/<dataset>/`.
        operation: `fit`, `transform`, `predict` …
        fold_id: from 0; None when all folds share it.
        depends_on: what it was made from.
        version: reserved, 1.
        params: what it was made with, and `params_hash` of their canonical JSON.
        meta_config: of a meta-model: its sources in feature order.
        deduplicated: the blob was there before; said by `register`, not stored.
        manifest: path of the manifest that it was read from; not stored.
        extra: fields of later versions, kept as they are.
    """

    artifact_id: str
    name: str
    content_hash: str
    data_hash: str
    path: str
    pipeline_id: str
    branch_path: tuple[int, ...] = ()
    step_index: int
    operation: str
    fold_id: int | None = None
    artifact_type: ArtifactType
    class_name: str
    depends_on: tuple[Dependency, ...] = ()
    format: str
    format_version: str
    argn_assets_version: str
    version: int = 1
    size_bytes: int
    created_at: datetime
    params: Mapping[str, JsonValue] = field(default_factory=dict)
    params_hash: str
    meta_config: Mapping[str, JsonValue] | None = None
    producer: Producer = field(default_factory=Producer)
    deduplicated: bool = field(default=False, compare=False)
    manifest: str | None = field(default=None, compare=False)
    extra: Mapping[str, JsonValue] = field(default_factory=dict)

    def as_dependency(self) -> Dependency:
        """Return what another artifact names to depend on this one."""
        return Dependency(artifact_id=self.artifact_id, content_hash=self.content_hash, manifest=self.manifest)

    def without_extra(self) -> ArtifactRecord:
        """Return the record with the fields of this version alone."""
        sources = tuple(replace(source, extra={}) for source in self.depends_on)
        return replace(self, depends_on=sources, producer=replace(self.producer, extra={}), extra={})

    def to_document(self) -> JsonObject:
        """Return the record as an item of a manifest."""
        return plain(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any], manifest: str | None) -> ArtifactRecord:
        """Read an item of the manifest at path `manifest`; KeyError, TypeError or ValueError if it is not one."""
        values = split_known(cls, document)
        values.setdefault("name", values["class_name"])
        check_kind(values, str, "artifact_id", "name", "content_hash", "data_hash", "path", "class_name", "format")
        check_kind(values, int, "size_bytes", "step_index")
        values["branch_path"] = tuple(values.get("branch_path", ()))
        values["artifact_type"] = ArtifactType(values["artifact_type"])
        values["created_at"] = read_time(values["created_at"])
        values["depends_on"] = tuple(map(Dependency.from_document, values.get("depends_on", ())))
        values["producer"] = Producer(**split_known(Producer, values.get("producer", {})))
        return cls(**values, manifest=manifest)


def check_kind(document: Mapping[str, Any], kind: type, *names: str) -> None:
    """Raise KeyError or TypeError unless these fields are there and of one kind: people write what they like."""
    for name in names:
        if not isinstance(document[name], kind):
            raise TypeError(f"{name} is {document[name]!r:.80}, not of type {kind.__name__}")


def plain(thing: object, *, leave_out: frozenset[str] = frozenset()) -> JsonObject:
    """Return a frozen dataclass as JSON: fields that are None are left out, `extra` is poured in."""
    values = {name: getattr(thing, name) for name in stored_fields(type(thing)) if name not in leave_out}
    known = {name: _json(value) for name, value in values.items() if value is not None}
    return {**known, **getattr(thing, "extra", {})}


def split_known(kind: type, document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a document as arguments of a dataclass: the fields it has, and the rest as `extra`."""
    known = stored_fields(kind)
    arguments = {name: value for name, value in document.items() if name in known}
    return {**arguments, "extra": {name: value for name, value in document.items() if name not in known}}


def stored_fields(kind: type) -> tuple[str, ...]:
    """Return the names of a dataclass's fields that are written down: all but `extra` and those not compared."""
    return tuple(item.name for item in fields(kind) if item.compare and item.name != "extra")


def read_time(text: str) -> datetime:
    """Return the time of an ISO 8601 text with a zone, in UTC; ValueError without one."""
    time = datetime.fromisoformat(text)
    if time.tzinfo is None:
        raise ValueError(f"the time {text!r} has no zone")
    return time.astimezone(UTC)


def time_text(time: datetime) -> str:
    """Return a time as ISO 8601 in UTC with microseconds and `Z`.

    >>> time_text(datetime(2026, 3, 1, tzinfo=UTC))
    '2026-03-01T00:00:00.000000Z'
    """
    return time.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _json(value: object) -> JsonValue:
    if isinstance(value, datetime):
        return time_text(value)
    if isinstance(value, Dependency | Producer):
        return plain(value)
    if isinstance(value, tuple | list):
        return [_json(item) for item in value]
    return cast(JsonValue, dict(value) if isinstance(value, Mapping) else value)
