"""Training states: where a training stands that was cut short, so that the next run of the same action goes on (E35).

`training/<dataset>/<key>/<hash of the table>.state`: 32 bytes SHA-256, then the state. Weak like the action cache: one
may be written over, lost or spoilt at any time, and then the training begins anew; nothing is kept because of one.
"""

from __future__ import annotations

import hashlib
import logging

from argn_assets.errors import MissingArtifact
from argn_assets.store.names import check_dataset, check_key, short_hash
from argn_assets.store.port import Entry, Port

_log = logging.getLogger(__name__)
_DIGEST_BYTES = 32


class TrainingStates:
    """(data set, action key, table) → bytes."""

    def __init__(self, port: Port):
        self._port = port

    def get(self, dataset: str, key: str, table: str) -> bytes | None:
        """Return the state that was put last; None if there is none or it went bad."""
        path = self._path(dataset, key, table)
        try:
            stored = self._port.read(path)
        except MissingArtifact:
            return None
        digest, state = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
        if hashlib.sha256(state).digest() != digest:
            _log.warning("training state: the bytes of %s changed; the training begins anew.", path)
            return None
        return state

    def put(self, dataset: str, key: str, table: str, state: bytes) -> None:
        """Store where the training of a table stands, over an earlier state of it."""
        self._port.replace(self._path(dataset, key, table), hashlib.sha256(state).digest() + state)

    def drop(self, dataset: str, key: str) -> None:
        """Forget the states of all tables of an action."""
        for path in self._port.find(self._folder(dataset, key)):
            self._port.delete(path)

    def entries(self, dataset: str) -> list[Entry]:
        """Return the stored states of a data set with their sizes and ages, sorted by path."""
        return sorted(self._port.entries(f"training/{check_dataset(dataset)}"), key=lambda entry: entry.path)

    def _folder(self, dataset: str, key: str) -> str:
        return f"training/{check_dataset(dataset)}/{check_key(key, 'action key')}"

    def _path(self, dataset: str, key: str, table: str) -> str:
        # A table may be called what no file may be called.
        return f"{self._folder(dataset, key)}/{short_hash(table.encode(), 16)}.state"
