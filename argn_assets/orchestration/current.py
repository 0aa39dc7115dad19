"""What is current of a data set, as Dagster's log has it."""

from __future__ import annotations

import dagster as dg

from argn_assets.orchestration.handles import StoredTables
from argn_assets.store import ArtifactStore


def current_result(instance: dg.DagsterInstance, store: ArtifactStore, asset: str, dataset: str) -> StoredTables | None:
    """Return the newest result of an asset for a data set, as Dagster's log has it; None where there is none.

    Raises:
        StoreError: its manifest cannot be read.
    """
    newest = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[dataset])
    for record in instance.fetch_materializations(newest, limit=20).records:
        materialization = record.asset_materialization
        if materialization is not None and "manifest" in materialization.metadata:
            path = str(materialization.metadata["manifest"].value)
            return StoredTables(store.read_manifest(path), store, asset=asset)
    return None
