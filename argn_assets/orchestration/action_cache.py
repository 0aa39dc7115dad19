"""The action cache: what was computed before is found again by what it would be computed from.

A key is the hash of everything a stage's result depends on: the stage and its version, the data set, the settings that
reach the stage, and the digests of its inputs. Where it runs (device, executor) and `force` are not part of it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from argn_assets.errors import StoreError
from argn_assets.orchestration.facts import CheckOutcome, StageFacts
from argn_assets.orchestration.stages import Stage
from argn_assets.store import ArtifactStore, Manifest


class StoredAction(BaseModel):
    """A remembered result: where its manifest is, and what was told and checked about it."""

    model_config = ConfigDict(frozen=True, extra="ignore", ser_json_inf_nan="strings")

    manifest: str
    data_version: str
    facts: StageFacts
    checks: tuple[CheckOutcome, ...] = ()


def action_key(stage: Stage, dataset: str, settings: Mapping[str, JsonValue], input_digests: Mapping[str, str]) -> str:
    """Return the key of one action, 64 hexadecimal digits.

    >>> from argn_assets.orchestration.stages import RAW_TABLES
    >>> action_key(RAW_TABLES, "a", {"x": 1, "y": 2}, {}) == action_key(RAW_TABLES, "a", {"y": 2, "x": 1}, {})
    True
    """
    named = {
        "stage": stage.asset,
        "version": stage.version,
        "dataset": dataset,
        "settings": dict(settings),
        "inputs": dict(input_digests),
    }
    text = json.dumps(named, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def find_action(store: ArtifactStore, key: str) -> tuple[StoredAction, Manifest] | None:
    """Return the remembered result under `key`; None when there is none, or when any of its blobs is gone.

    The cache is weak: whatever cannot be read is a miss, and the stage is computed again.
    """
    try:
        document = store.actions.get(key)
        if document is None:
            return None
        action = StoredAction.model_validate(document)
        manifest = store.reuse_manifest(action.manifest)
        complete = all(store.blobs.exists(manifest.dataset, record.path) for record in manifest.items)
    except (StoreError, ValidationError):
        return None
    return (action, manifest) if complete and manifest.data_version == action.data_version else None


def remember_action(store: ArtifactStore, key: str, action: StoredAction) -> None:
    """Store a result under its key, over an older one."""
    store.actions.put(key, action.model_dump(mode="json"))
