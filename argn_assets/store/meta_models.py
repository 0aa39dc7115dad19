"""Meta-models: a model over other artifacts, its sources, whose order is the order of its features (T10, T11)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from argn_assets.errors import ConfigError, StoreError
from argn_assets.store.documents import JsonObject
from argn_assets.store.records import ArtifactRecord, ArtifactType, Dependency


@dataclass(frozen=True, slots=True, kw_only=True)
class MetaModel:
    """A loaded meta-model.

    Attributes:
        record: what the store knows about it.
        value: itself.
        sources: id → value of what gives its features, in the order of the features.
        feature_columns: the feature of each source, in the same order.
    """

    record: ArtifactRecord
    value: object
    sources: Mapping[str, object]
    feature_columns: tuple[str, ...]


def build_meta_config(sources: Sequence[Dependency], feature_columns: Sequence[str], artifact_id: str) -> JsonObject:
    """Return `meta_config` of a record: sources by bytes and features, in one order.

    Raises:
        ConfigError: there is no source, not one feature for each, or one of them is named twice.
    """
    ids = [source.artifact_id for source in sources]
    if not ids or len(ids) != len(feature_columns):
        raise ConfigError(
            f"{artifact_id} has {len(ids)} sources and {len(feature_columns)} feature columns; accepted: one feature "
            "column for each source, in the same order, and at least one."
        )
    for kind, names in (("source", ids), ("feature column", list(feature_columns))):
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise ConfigError(f"{kind} {twice[0]!r} of {artifact_id} is named twice; name each once.")
    models = [
        {"artifact_id": source.artifact_id, "content_hash": source.content_hash, "feature_index": index}
        for index, source in enumerate(sources)
    ]
    return cast(JsonObject, {"source_models": models, "feature_columns": list(feature_columns)})


def read_meta_config(record: ArtifactRecord) -> tuple[list[Dependency], tuple[str, ...]]:
    """Return the sources and the features of a meta-model, in order.

    Raises:
        ConfigError: the artifact is no meta-model.
        StoreError: its sources are not in the order of its features, or not what it depends on.
    """
    if record.artifact_type is not ArtifactType.META_MODEL or record.meta_config is None:
        raise ConfigError(f"{record.artifact_id} is a {record.artifact_type}, not a meta-model; use load_by_id.")
    known = {(source.artifact_id, source.content_hash): source for source in record.depends_on}
    try:
        models = cast("list[Mapping[str, object]]", record.meta_config["source_models"])
        columns = tuple(map(str, cast("list[str]", record.meta_config["feature_columns"])))
        places = [model["feature_index"] for model in models]
        sources = [known[str(model["artifact_id"]), str(model["content_hash"])] for model in models]
    except (KeyError, TypeError) as error:
        raise StoreError(
            f"meta_config of {record.artifact_id} does not name sources that it depends on: {error!r}. Register the "
            "meta-model again with register_meta_model."
        ) from error
    if not places or places != list(range(len(columns))):
        raise StoreError(
            f"meta_config of {record.artifact_id} has sources for the features {places} of {len(columns)}; accepted: "
            "one source for each feature, in order. Register the meta-model again with register_meta_model."
        )
    return sources, columns


def check_branches(record: ArtifactRecord, sources: Sequence[ArtifactRecord], branch_path: Sequence[int]) -> None:
    """Raise ConfigError unless a meta-model holds in a branch, and its sources are of its own line of branches."""
    wanted, own = tuple(branch_path), record.branch_path
    if wanted[: len(own)] != own:
        raise ConfigError(
            f"{record.artifact_id} is of branch {list(own)} and cannot predict in branch {list(wanted)}; load the "
            "meta-model of that branch."
        )
    for source in sources:
        shorter = min(len(own), len(source.branch_path))
        if source.branch_path[:shorter] != own[:shorter]:
            raise ConfigError(
                f"{record.artifact_id} of branch {list(own)} has the source {source.artifact_id} of branch "
                f"{list(source.branch_path)}; accepted: sources of its own branch, or of one above or below it."
            )
