"""Usage: how much a data set takes, how much of it is named, and what storing the same bytes once saves."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from argn_assets.store.steps import CommittedStep, list_manifests, read_steps

if TYPE_CHECKING:
    from argn_assets.store.collect import Collector


@dataclass(frozen=True, kw_only=True)
class Usage:
    """Counts and bytes of one data set.

    Attributes:
        blobs, blob_bytes: all stored files.
        referenced_blobs, referenced_bytes: those that manifests name, each once.
        orphaned_blobs, orphaned_bytes: those that nothing names and a collection would take.
        young_blobs, young_bytes: those that nothing names yet, within the grace period.
        missing_blobs: named and not there; `verify` says which.
        manifests: committed steps.
        references, reference_bytes: what manifests name, the same blob as often as it is named.
    """

    dataset: str
    blobs: int
    blob_bytes: int
    referenced_blobs: int
    referenced_bytes: int
    orphaned_blobs: int
    orphaned_bytes: int
    young_blobs: int
    young_bytes: int
    missing_blobs: int
    manifests: int
    references: int
    reference_bytes: int

    @property
    def saved_bytes(self) -> int:
        """What would be stored in addition if every reference had a blob of its own."""
        return self.reference_bytes - self.referenced_bytes

    @property
    def saved_share(self) -> float:
        """`saved_bytes` as a share of all references' bytes, [0, 1]; 0 where nothing is referenced."""
        return self.saved_bytes / self.reference_bytes if self.reference_bytes else 0.0


def measure_usage(collector: Collector, dataset: str) -> Usage:
    """Return the usage of a data set as `collector` sees it; raises as `read_steps`."""
    unnamed = collector.unnamed_blobs(dataset)
    young = [blob for blob in unnamed if blob.touched_at > collector.grace_begins]
    steps = read_steps(collector.store, list_manifests(collector.store, dataset))
    sizes = {entry.path.split("/", 2)[2]: entry.size_bytes for entry in collector.port.entries(f"binaries/{dataset}")}
    named = {name: size for step in steps for name, size in step.blobs.items()}
    unnamed_bytes, young_bytes = (sum(blob.size_bytes for blob in blobs) for blobs in (unnamed, young))
    return Usage(
        dataset=dataset,
        blobs=len(sizes),
        blob_bytes=sum(sizes.values()),
        referenced_blobs=len(named.keys() & sizes.keys()),
        referenced_bytes=sum(size for name, size in named.items() if name in sizes),
        orphaned_blobs=len(unnamed) - len(young),
        orphaned_bytes=unnamed_bytes - young_bytes,
        young_blobs=len(young),
        young_bytes=young_bytes,
        missing_blobs=len(_missing(collector, steps, sizes)),
        manifests=len(steps),
        references=sum(step.n_references for step in steps),
        reference_bytes=sum(step.referenced_bytes for step in steps),
    )


def _missing(collector: Collector, steps: Iterable[CommittedStep], stored: Container[str]) -> set[str]:
    """Return the blobs that are named and not there; a collection beside this one takes the manifest before them."""
    lost = ((step.path, name) for step in steps for name in step.blobs if name not in stored)
    return {name for manifest, name in lost if collector.port.size(manifest) is not None}
