"""Which version of its sources a data set has: as they were last seen, and as they were last read.

The asset `source` stands for what lies outside: it is observed, never made, and its data version is the fingerprint of
the sources. `raw_tables` notes with each of its events the fingerprint that it read.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import dagster as dg

SOURCE = dg.AssetKey("source")
RAW = dg.AssetKey("raw_tables")
READ_FROM = "source_version"  # metadata of raw_tables: the fingerprint of the sources that it was read from
_VERSION_TAG = "dagster/data_version"


def observation(dataset: str, fingerprint: str) -> dg.AssetObservation:
    """Return the event that says which version the sources of a data set have now."""
    return dg.AssetObservation(asset_key=SOURCE, partition=dataset, tags={_VERSION_TAG: fingerprint})


def seen_versions(instance: dg.DagsterInstance, datasets: Collection[str] | None = None) -> Mapping[str, str]:
    """Return the version that was last seen of each data set's sources; one query for all.

    Dagster has no public way to ask this of many partitions at once: this function is the only one that knows of the
    storage behind, and a test holds it.
    """
    if datasets is not None and not datasets:
        return {}
    found = instance.event_log_storage.get_latest_tags_by_partition(
        SOURCE,
        dg.DagsterEventType.ASSET_OBSERVATION,
        [_VERSION_TAG],
        asset_partitions=None if datasets is None else sorted(datasets),
    )
    return {dataset: tags[_VERSION_TAG] for dataset, tags in found.items() if _VERSION_TAG in tags}


def read_version(instance: dg.DagsterInstance, dataset: str) -> str | None:
    """Return the version of the sources that `raw_tables` was last read from; None where it never was."""
    found = instance.fetch_materializations(
        dg.AssetRecordsFilter(asset_key=RAW, asset_partitions=[dataset]), limit=20
    ).records
    for record in found:
        materialization = record.asset_materialization
        if materialization is not None and READ_FROM in materialization.metadata:
            return str(materialization.metadata[READ_FROM].value)
    return None


def touched_since(instance: dg.DagsterInstance, storage_id: int) -> tuple[set[str], int]:
    """Return the data sets whose sources were seen or read after an event, and the newest such event's number."""
    kinds = ((SOURCE, dg.DagsterEventType.ASSET_OBSERVATION), (RAW, dg.DagsterEventType.ASSET_MATERIALIZATION))
    newest = [instance.get_latest_storage_id_by_partition(asset, kind) for asset, kind in kinds]
    touched = {dataset for ids in newest for dataset, number in ids.items() if number > storage_id}
    return touched, max((number for ids in newest for number in ids.values()), default=storage_id)
