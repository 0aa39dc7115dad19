"""What is current, read without Dagster: the tables and artifacts that the store's refs point to (O17).

Dagster's event log decides what is current; the ref of an asset is moved with its event.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, cast

from argn_assets.datasets.locations import in_project
from argn_assets.datasets.messages import listing, shown_url, suggestion
from argn_assets.errors import ConfigError, MissingArtifact

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.store import ArtifactStore, Manifest

SYNTHETIC = "synthetic_tables"


def open_store(url: str | None = None) -> ArtifactStore:
    """Open a store, the project's if none is named; MissingArtifact says how to make something where there is none."""
    from argn_assets.store import ArtifactStore

    url = url or in_project(os.environ.get("ARGN_STORE") or ".argn/store")
    try:
        return ArtifactStore.open(url, create=False)
    except MissingArtifact as error:
        raise MissingArtifact(
            f"There is no artifact store at {shown_url(url)}. Make something first (argn backfill --all), "
            "or set ARGN_STORE."
        ) from error


def find_manifest(store: ArtifactStore, dataset: str, asset: str) -> Manifest:
    """Return what is published of an asset; MissingArtifact says what there is."""
    refs = store.refs(dataset)
    ref = refs.read(asset)
    if ref is None:
        known = ", ".join(refs.names())
        there = f"It has: {known}." if known else f"Make something: argn backfill {dataset}"
        raise MissingArtifact(f"Data set {dataset!r} has no {asset} in {shown_url(store.url)}. {there}")
    return store.read_manifest(str(ref.value["manifest"]))


def read_table(dataset: str, table: str | None = None, *, store: str | None = None) -> pl.DataFrame:
    """Return a current synthetic table of a data set, verified.

    Args:
        dataset: the data set.
        table: its table; may be left out where it is the only one.
        store: where artifacts are, any fsspec URL; None: `ARGN_STORE`, else the project's.
    Raises:
        MissingArtifact: there is no store, or nothing was made of the data set yet.
        ConfigError: the data set has several tables or none of this name; the message lists them.
        CorruptArtifact: the stored bytes changed.
    """
    from argn_assets.store import ArtifactLoader

    place = open_store(store)
    manifest = find_manifest(place, dataset, SYNTHETIC)
    names = [record.name for record in manifest.items]
    if table is None and len(names) > 1:
        raise ConfigError(f"Data set {dataset!r} has several tables; name one of: {listing(names)}.")
    if table is not None and table not in names:
        hint = suggestion(table, names)
        raise ConfigError(f"Data set {dataset!r} has no table {table!r}.{hint} Tables: {listing(names)}.")
    record = manifest.by_name(table or names[0])
    return cast("pl.DataFrame", ArtifactLoader.from_manifest(manifest, place).load_by_id(record.artifact_id))
