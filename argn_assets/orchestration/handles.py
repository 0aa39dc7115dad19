"""Stored results as lazy handles: what an asset is given as its input."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from argn_assets.errors import CorruptArtifact, StoreError, StoreUnavailable
from argn_assets.store import ArtifactLoader, ArtifactRecord, ArtifactStore, Manifest


class StoredTables:
    """The stored result of one asset for one data set; nothing is read before it is asked for.

    Attributes:
        asset: the asset that made it.
        digest: the data version of the whole result, `sha256:…`.
        manifest: the manifest that lists its parts.
    """

    def __init__(self, manifest: Manifest, store: ArtifactStore, *, asset: str):
        self.asset, self.manifest, self.digest = asset, manifest, manifest.data_version
        self._store = store
        self._loader = ArtifactLoader.from_manifest(manifest, store)

    def names(self) -> tuple[str, ...]:
        """Return the names of the parts (the tables, but for a report) in the order they were stored."""
        return tuple(record.name for record in self.manifest.items)

    def load(self, name: str) -> object:
        """Read and decode one part; its digest is verified.

        Raises:
            StoreError: it is missing or corrupt; names asset, data set, part and digest.
            StoreUnavailable: the store does not answer, or is not there any more.
        """
        record = self.manifest.by_name(name)
        with self._explained(record):
            return self._loader.load_by_id(record.artifact_id)

    def load_bytes(self, name: str) -> bytes:
        """Read the stored bytes of one part; errors as for `load`."""
        record = self.manifest.by_name(name)
        with self._explained(record):
            return self._loader.load_bytes(record.artifact_id)

    @contextmanager
    def _explained(self, record: ArtifactRecord) -> Iterator[None]:
        try:
            yield
        except StoreUnavailable:
            raise  # says what to do; making the result again would not help
        except StoreError as error:
            self._store.ensure_present()
            state = "is corrupt" if isinstance(error, CorruptArtifact) else "cannot be read"
            raise StoreError(
                f"{self.asset} of data set {self.manifest.dataset!r}, {record.name!r}, {record.content_hash} {state}: "
                f"{error} Materialise {self.asset} of this data set again with force."
            ) from error
