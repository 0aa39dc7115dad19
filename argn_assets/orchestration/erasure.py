"""Erasure: everything that the store holds of a data set goes, and what Dagster still says of it is told (O19)."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from argn_assets.orchestration.stages import RUN_ASSETS
from argn_assets.store import ArtifactStore, Collected

MOST_RUNS = 10_000  # that are counted


@dataclass(frozen=True, kw_only=True)
class Erased:
    """What went, and what stays in Dagster's log: the numbers of its events and runs."""

    gone: Collected
    events: int
    runs: int

    def __str__(self) -> str:
        """Say so in words."""
        gone = self.gone
        lines = [
            f"Erased {len(gone.blobs)} files and {len(gone.training_states)} training states of {gone.size_bytes:,} "
            f"bytes, {len(gone.manifests)} manifests, {len(gone.refs)} refs, and what the action cache had of it."
        ]
        if self.events or self.runs:
            lines.append(
                f"In Dagster's log stay {self.events} events of {self.runs} runs. They say when what was made, names "
                "and types of columns, numbers of rows, losses and figures, paths and digests of what is gone, and "
                "show the first synthetic rows; no row of a source. They go with their runs: in the UI, or with "
                "dagster run delete RUN_ID."
            )
        lines.append("What was exported or downloaded before is where it was put.")
        return "\n".join(lines)


def erase_dataset(store: ArtifactStore, instance: dg.DagsterInstance, dataset: str) -> Erased:
    """Remove blobs, manifests, refs, pins, training states and cached actions of a data set.

    Raises:
        StoreError: artifacts of other data sets were made from some of this one; nothing is removed.
    """
    gone = store.purge_dataset_artifacts(dataset)
    runs = instance.get_run_ids(dg.RunsFilter(tags={"dagster/partition": dataset}), limit=MOST_RUNS)
    events = sum(_events(instance, asset, dataset) for asset in RUN_ASSETS)
    return Erased(gone=gone, events=events, runs=len(runs))


def _events(instance: dg.DagsterInstance, asset: str, dataset: str) -> int:
    asked = dg.AssetRecordsFilter(asset_key=dg.AssetKey(asset), asset_partitions=[dataset])
    found = (instance.fetch_materializations, instance.fetch_observations)
    return sum(len(fetch(asked, limit=MOST_RUNS).records) for fetch in found)
