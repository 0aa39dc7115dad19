"""The action cache: `actions/<key>.json` says what came out the last time (O11).

Weak: an entry may be written over, lost or spoilt at any time, and then it is a miss; it protects nothing from
collection. Whoever takes a hit looks whether what it names is still there.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import cast

from argn_assets.errors import CorruptArtifact, MissingArtifact
from argn_assets.store.documents import JsonObject, seal, strict_json, unseal
from argn_assets.store.names import check_dataset, check_key
from argn_assets.store.port import Port

_log = logging.getLogger(__name__)


class ActionCache:
    """Key → strict JSON; the key is a hash over all that goes in, 64 hex digits say."""

    def __init__(self, port: Port):
        self._port = port

    def get(self, key: str) -> JsonObject | None:
        """Return what was put under a key; None if nothing was or it went bad; UnsafeName for a key with `:` or `/`."""
        path = self._path(key)
        try:
            entry = unseal(self._port.read(path), path)
        except MissingArtifact:
            return None
        except CorruptArtifact as error:
            _log.warning("action cache: %s Taken for a miss.", error)
            return None
        return cast(JsonObject, entry["value"]) if entry.get("key") == key else None

    def put(self, key: str, value: Mapping[str, object]) -> None:
        """Store what came out under a key; ConfigError if `value` is not strict JSON."""
        entry: JsonObject = {"key": key, "value": strict_json(value, f"action {key}")}
        self._port.replace(self._path(key), seal(entry))

    def drop(self, key: str) -> None:
        """Forget what was put under a key."""
        self._port.delete(self._path(key))

    def drop_all_of(self, dataset: str) -> None:
        """Forget everything that names a data set in `dataset`, or a manifest of it in `manifest`."""
        folder = f"runs/{check_dataset(dataset)}/"
        for name in self._port.names("actions"):
            key = name.removesuffix(".json")
            value = self.get(key)
            if value is None:
                continue
            if value.get("dataset") == dataset or str(value.get("manifest", "")).startswith(folder):
                self.drop(key)

    def _path(self, key: str) -> str:
        return f"actions/{check_key(key, 'action key')}.json"
