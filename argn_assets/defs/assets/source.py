"""source: what lies outside, observed and never made; its data version is the sources' fingerprint."""

import dagster as dg

from argn_assets.datasets import fingerprint_sources
from argn_assets.orchestration.partitions import DATASETS
from argn_assets.orchestration.resources import CatalogueResource
from argn_assets.orchestration.source_versions import SOURCE
from argn_assets.orchestration.stage_asset import GROUP


@dg.observable_source_asset(
    key=SOURCE,
    description="The declared sources, as they are outside: files, queries, databases. A sensor watches them.",
    group_name=GROUP,
    partitions_def=DATASETS,
)
def source(context: dg.OpExecutionContext, catalogue: CatalogueResource) -> dg.DataVersionsByPartition:
    """Look at the sources of the data sets that are asked for; all sensors' ticks do the same by themselves."""
    declared = catalogue.open()
    asked = set(context.partition_keys) if context.has_partition_key or context.has_partition_key_range else None
    names = [name for name in declared.names() if asked is None or name in asked]
    return dg.DataVersionsByPartition({name: fingerprint_sources(declared.get(name)) for name in names})
