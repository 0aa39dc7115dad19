"""The two places a run works with: the catalogue of data sets and the artifact store."""

from __future__ import annotations

from functools import lru_cache

import dagster as dg
from pydantic import Field

from argn_assets.datasets import Catalogue, DatasetSpec
from argn_assets.errors import ConfigError
from argn_assets.orchestration.environment import store_url
from argn_assets.store import ArtifactStore


class CatalogueResource(dg.ConfigurableResource[Catalogue]):
    """The declared data sets."""

    url: str = Field(default="", description="Folder of YAML files, any fsspec URL; empty: ARGN_DATASETS or datasets/.")

    def open(self) -> Catalogue:
        """Return the catalogue; nothing is read yet."""
        return Catalogue(self.url or None)

    def get(self, dataset: str) -> DatasetSpec:
        """Return one declared data set; ConfigError names the file that should declare it."""
        found = self.open()
        try:
            return found.get(dataset)
        except ConfigError as error:
            if dataset in found.declared_names():
                raise
            folder = str(found.url).rstrip("/")
            raise ConfigError(
                f"{error} Declare it in {folder}/{dataset}.yaml, or remove the partition {dataset!r}."
            ) from error


class StoreResource(dg.ConfigurableResource[ArtifactStore]):
    """The artifact store."""

    url: str = Field(default="", description="Any fsspec URL; empty: ARGN_STORE or .argn/store.")

    def open(self) -> ArtifactStore:
        """Return the store, made if it is not there yet."""
        return _open_store(self.url or store_url())


@lru_cache(maxsize=8)
def _open_store(url: str) -> ArtifactStore:
    return ArtifactStore.open(url)
