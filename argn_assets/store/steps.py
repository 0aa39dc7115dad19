"""Committed steps as a collector sees them: what each manifest names, and nothing else.

A record is not built from every item: a collector reads all manifests of a data set, and marking 100,000 blobs should
take seconds. A manifest that cannot be trusted stops the reading, whatever its size.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import TYPE_CHECKING, Any

from argn_assets.errors import CorruptArtifact, MissingArtifact, StoreError
from argn_assets.store.documents import check_seal, parse
from argn_assets.store.manifest import SCHEMA_VERSION, Manifest, check_version
from argn_assets.store.names import check_dataset
from argn_assets.store.records import read_time

if TYPE_CHECKING:
    from argn_assets.store.artifact_store import ArtifactStore
    from argn_assets.store.port import Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class CommittedStep:
    """What one manifest says that matters to collection.

    Attributes:
        path: of the manifest, relative to the root.
        run: the run's folder, and `run_id` its full id.
        step_name: the step within its pipeline, `0_3_4` say, without the attempt.
        asset: the manifest's name.
        created_at: when it was committed.
        touched_at: when its file was made or used again; the grace period counts from here.
        blobs: path → size in bytes of what it names, relative to `binaries/<dataset>/`.
        n_references, referenced_bytes: items, and their bytes, the same blob counted as often as it is named.
        sources: the manifests that its artifacts were made from, itself not included.
    """

    path: str
    dataset: str
    pipeline_id: str
    run: str
    run_id: str
    step_name: str
    asset: str
    created_at: datetime
    touched_at: datetime
    blobs: Mapping[str, int]
    n_references: int
    referenced_bytes: int
    sources: frozenset[str]


def list_manifests(store: ArtifactStore, dataset: str) -> list[Entry]:
    """Return the manifests of a data set, with their ages, sorted by path."""
    found = store.port.entries(f"runs/{check_dataset(dataset)}")
    return sorted((entry for entry in found if entry.path.endswith("/manifest.yaml")), key=lambda entry: entry.path)


def read_steps(store: ArtifactStore, entries: Iterable[Entry]) -> list[CommittedStep]:
    """Return what listed manifests say; those that were removed since are left out.

    Raises:
        CorruptArtifact: a manifest cannot be read, or lies in the folder of another data set.
        UnsupportedManifestVersion: a manifest is of another major version.
    """
    steps = []
    for entry in entries:
        try:
            steps.append(_read_step(store.port.read(entry.path), entry))
        except MissingArtifact:
            continue
    return steps


def all_steps(store: ArtifactStore, datasets: Iterable[str] | None = None) -> list[CommittedStep]:
    """Return the committed steps of data sets, of all if none are named; raises as `read_steps`."""
    wanted = store.datasets() if datasets is None else datasets
    return [step for dataset in wanted for step in read_steps(store, list_manifests(store, dataset))]


def manifest_ages(store: ArtifactStore, datasets: Iterable[str]) -> dict[str, datetime]:
    """Return manifest → when it was made or used again, of data sets."""
    return {entry.path: entry.touched_at for name in datasets for entry in list_manifests(store, name)}


def as_listed(steps: Iterable[CommittedStep], ages: Mapping[str, datetime]) -> list[CommittedStep]:
    """Return those of the steps that were there when `ages` were taken, with the age that they had then."""
    return [replace(step, touched_at=ages[step.path]) for step in steps if step.path in ages]


def with_sources(paths: Iterable[str], steps: Mapping[str, CommittedStep]) -> set[str]:
    """Return `paths` and the manifests that they were made from, however long the chain."""
    found: set[str] = set()
    waiting = list(paths)
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(steps[path].sources if path in steps else ())
    return found


def dependents_first(steps: Iterable[CommittedStep]) -> list[CommittedStep]:
    """Return steps in the order of removal: what was made from a step comes before it, whatever the clocks say.

    Raises:
        StoreError: they form a cycle, which is named; immutable manifests cannot, so somebody wrote them by hand.
    """
    by_path = {step.path: step for step in steps}
    sorter: TopologicalSorter[str] = TopologicalSorter(dict.fromkeys(by_path, ()))
    for step in by_path.values():
        for source in step.sources & by_path.keys():
            sorter.add(source, step.path)
    try:
        return [by_path[path] for path in sorter.static_order()]
    except CycleError as error:
        raise StoreError(
            f"manifests depend on each other in a cycle: {' → '.join(error.args[1])}. Nothing was removed; "
            "look who wrote them."
        ) from error


def _read_step(text: bytes, entry: Entry) -> CommittedStep:
    path = entry.path
    document: dict[str, Any] = {**parse(text, path)}
    check_version(document, path)
    try:
        check_seal(document, path)
    except CorruptArtifact:
        Manifest.from_bytes(text, path)  # reads what other writers left unsealed, and raises for what is damaged
    try:
        step = _step(document, entry)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise CorruptArtifact(path, f"a manifest of version {SCHEMA_VERSION}", f"{error!r}") from error
    if path.split("/")[1] != step.dataset:
        raise CorruptArtifact(path, f"a manifest of data set {path.split('/')[1]}", f"one of {step.dataset!r}")
    return step


def _step(document: Mapping[str, Any], entry: Entry) -> CommittedStep:
    items = document["artifacts"]["items"]
    named = {source.get("manifest") for item in items for source in item.get("depends_on", ())}
    run, step = entry.path.split("/")[2], entry.path.split("/")[-2]
    return CommittedStep(
        path=entry.path,
        dataset=document["dataset"],
        pipeline_id=document["pipeline_id"],
        run=run,
        run_id=document.get("run_id", ""),
        step_name=step.rpartition(".")[0],
        asset=document["name"],
        created_at=read_time(document["created_at"]),
        touched_at=entry.touched_at,
        blobs={item["path"]: item["size_bytes"] for item in items},
        n_references=len(items),
        referenced_bytes=sum(item["size_bytes"] for item in items),
        sources=frozenset(named - {None, entry.path}),
    )
