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
_READ = dg.DagsterEventType.ASSET_MATERIALIZATION
EVENTS_AT_ONCE = 500  # of a query


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


def read_versions(instance: dg.DagsterInstance, datasets: Collection[str]) -> dict[str, str]:
    """Return the version of the sources that `raw_tables` of each data set was last read from; absent: never read.

    A few queries for all: the first tick of the automation asks for every data set that there is.
    """
    if not datasets:
        return {}
    newest = instance.get_latest_storage_id_by_partition(RAW, _READ, set(datasets))
    numbers, versions = sorted(newest.values()), dict[str, str]()
    for start in range(0, len(numbers), EVENTS_AT_ONCE):
        asked = dg.AssetRecordsFilter(asset_key=RAW, storage_ids=numbers[start : start + EVENTS_AT_ONCE])
        versions |= _noted(instance, asked)
    # An event that a person reported by hand says nothing of sources; the one before may.
    for dataset in newest.keys() - versions.keys():
        versions |= _noted(instance, dg.AssetRecordsFilter(asset_key=RAW, asset_partitions=[dataset]), limit=20)
    return versions


def _noted(
    instance: dg.DagsterInstance, asked: dg.AssetRecordsFilter, *, limit: int = EVENTS_AT_ONCE
) -> dict[str, str]:
    """Return the versions that events of `raw_tables` note, the newest of each data set."""
    versions: dict[str, str] = {}
    for record in instance.fetch_materializations(asked, limit=limit).records:  # the newest first
        event = record.asset_materialization
        if event is not None and event.partition is not None and READ_FROM in event.metadata:
            versions.setdefault(event.partition, str(event.metadata[READ_FROM].value))
    return versions


def touched_since(instance: dg.DagsterInstance, storage_id: int) -> tuple[set[str], int]:
    """Return the data sets whose sources were seen or read after an event, and the newest such event's number."""
    kinds = ((SOURCE, dg.DagsterEventType.ASSET_OBSERVATION), (RAW, _READ))
    newest = [
        instance.get_latest_storage_id_by_partition(asset, kind, after_cursor=storage_id) for asset, kind in kinds
    ]
    return {dataset for ids in newest for dataset in ids}, max(
        (number for ids in newest for number in ids.values()), default=storage_id
    )
