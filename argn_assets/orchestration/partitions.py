"""One data set is one dynamic partition; the catalogue says which there should be."""

from __future__ import annotations

from collections.abc import Collection

import dagster as dg

from argn_assets.orchestration.pools import introduce_pools

DATASETS = dg.DynamicPartitionsDefinition(name="dataset")


def missing_partitions(declared: Collection[str], known: Collection[str]) -> list[str]:
    """Return the declared data sets that are not a partition yet, sorted.

    A partition whose declaration went away stays: its history does, and its name must not come to mean other data.

    >>> missing_partitions(["weather", "planes"], ["planes", "gone"])
    ['weather']
    """
    return sorted(set(declared) - set(known))


def sync_partitions(instance: dg.DagsterInstance, declared: Collection[str]) -> list[str]:
    """Add a partition for every declared data set that has none; return the names added."""
    introduce_pools(instance)
    added = missing_partitions(declared, instance.get_dynamic_partitions(partitions_def_name="dataset"))
    if added:
        instance.add_dynamic_partitions("dataset", added)
    return added
