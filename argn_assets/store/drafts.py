"""Drafts: what is said of an artifact when it is registered, checked before anything is stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Required, TypedDict, cast

from argn_assets import __version__
from argn_assets.errors import ConfigError
from argn_assets.store.documents import JsonObject, canonical_json, digest, strict_json
from argn_assets.store.formats import find_format
from argn_assets.store.ids import parse_artifact_id
from argn_assets.store.names import check_class_name
from argn_assets.store.records import ArtifactRecord, ArtifactType, Dependency, Producer

Source = str | Dependency | ArtifactRecord


class Details(TypedDict, total=False):
    """What is said of every artifact when it is registered.

    Attributes:
        artifact_id: from `generate_id`, of the registry's pipeline.
        operation: `fit`, `transform`, `predict` …
        class_name: an identifier; second part of the blob's file name.
        format: a row of the format table.
        name: of this part among the outputs of the step, a table's name say; else the class name.
        params: what it was made with; strict JSON.
        data_hash: `sha256:<64 hex>` of the logical content, where the caller knows it.
        producer: asset, code version, run; else the registry's run.
    """

    artifact_id: Required[str]
    operation: Required[str]
    class_name: Required[str]
    format: Required[str]
    name: str | None
    params: Mapping[str, object] | None
    data_hash: str | None
    producer: Producer | None


class Description(Details, total=False):
    """All that is said of an artifact when it is registered.

    Attributes:
        artifact_type: one of `ArtifactType`; first part of the blob's file name.
        depends_on: ids, dependencies or records of what it was made from.
        meta_config: of a meta-model, see `register_meta_model`; strict JSON.
    """

    artifact_type: Required[ArtifactType | str]
    depends_on: Sequence[Source]
    meta_config: Mapping[str, object] | None


def draft_record(
    description: Description, depends_on: tuple[Dependency, ...], *, run_id: str, created_at: datetime
) -> ArtifactRecord:
    """Return the record of a description, without its blob: hashes and path are empty, the size is 0.

    Args:
        description: as the caller gave it.
        depends_on: its sources, looked up.
        run_id: the producer's, where the description names none.
        created_at: with a time zone.
    Raises:
        UnsafeName: the id or the class cannot be names in the store.
        ConfigError: no such format or type, or `params` are not strict JSON.
    """
    artifact_id, meta_config = description["artifact_id"], description.get("meta_config")
    path, class_name = parse_artifact_id(artifact_id), check_class_name(description["class_name"])
    params = plain_object(description.get("params") or {}, f"params of {artifact_id}")
    return ArtifactRecord(
        artifact_id=artifact_id,
        name=description.get("name") or class_name,
        content_hash="",
        data_hash="",
        path="",
        pipeline_id=path.pipeline_id,
        branch_path=path.branch_path,
        step_index=path.step_index,
        operation=description["operation"],
        fold_id=path.fold_id,
        artifact_type=_artifact_type(description["artifact_type"]),
        class_name=class_name,
        depends_on=depends_on,
        format=description["format"],
        format_version=find_format(description["format"]).version,
        argn_assets_version=__version__,
        size_bytes=0,
        created_at=created_at,
        params=params,
        params_hash=digest(canonical_json(params)),
        meta_config=None if meta_config is None else plain_object(meta_config, f"meta_config of {artifact_id}"),
        producer=description.get("producer") or Producer(run_id=run_id),
    )


def plain_object(value: Mapping[str, object], where: str) -> JsonObject:
    """Return a mapping as strict JSON; ConfigError (which says where) if it is not."""
    return cast(JsonObject, strict_json(value, where))


def _artifact_type(name: ArtifactType | str) -> ArtifactType:
    try:
        return ArtifactType(name)
    except ValueError as error:
        raise ConfigError(f"{name!r} is not a type of artifact; accepted: {', '.join(ArtifactType)}.") from error
