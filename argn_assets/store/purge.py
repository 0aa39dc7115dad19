"""Purge: a data set leaves the store, whatever state it is in.

Refs, manifests, blobs, in this order, then what is weak: training states and the entries of the action cache, which
hold column names and a few synthetic rows. What was made from something goes before it. There is no grace period, and
no clock is asked: what is there when the call begins goes, unless somebody uses it from then on. A manifest that stays
so keeps its sources and its blobs; a step that is about to be committed finds its blobs gone, and fails.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from argn_assets.errors import StoreError
from argn_assets.store.collect import Collected, is_ours, named_blobs, remove_manifests
from argn_assets.store.names import check_dataset, is_path
from argn_assets.store.steps import (
    CommittedStep,
    all_steps,
    as_listed,
    dependents_first,
    list_manifests,
    read_steps,
    with_sources,
)

if TYPE_CHECKING:
    from argn_assets.store.artifact_store import ArtifactStore
    from argn_assets.store.port import Entry

_log = logging.getLogger(__name__)


def purge_dataset(store: ArtifactStore, dataset: str, *, dry_run: bool) -> Collected:
    """Remove everything of a data set: refs and pins, manifests, blobs of any age, moved aside or not, training states.

    Manifests that cannot be read go too. Files that the store never wrote are left, and logged.

    Raises:
        StoreError: artifacts of other data sets were made from some of this one; they are named.
    """
    port, refs = store.port, store.refs(dataset)
    newest = {name: refs.newest(name) for name in port.names(f"refs/{dataset}")}
    manifests = list_manifests(store, check_dataset(dataset))
    ages = _ages(manifests)
    entries = [entry for place in ("binaries", "quarantine") for entry in port.entries(f"{place}/{dataset}")]
    blobs = sorted((entry for entry in entries if is_ours(entry.path)), key=lambda entry: entry.path)
    states = store.training_states.entries(dataset)
    # After the listings: who comes to need something of this data set from now on touches it, and it stays.
    _check_nobody_needs(store, dataset)
    going, unreadable = _in_order_of_removal(store, dataset, ages)
    done = Collected(
        refs=[f"{dataset}/{name}" for name in newest],
        manifests=[*(step.path for step in going), *(entry.path for entry in unreadable)],
        blobs=[entry.path for entry in blobs],
        training_states=[entry.path for entry in states],
    )
    if not dry_run:
        for name, sequence in newest.items():
            refs.delete(name, through=sequence)
        done.manifests = [*remove_manifests(store, going), *port.remove_listed(_ages(unreadable))]
        kept = named_blobs(dataset, read_steps(store, _manifests(store, dataset)))
        done.blobs = port.remove_listed(_ages(entry for entry in blobs if entry.path not in kept))
        done.training_states = port.remove_listed(_ages(states))
        store.actions.drop_all_of(dataset)
        _tell_of_strangers([*entries, *manifests])
        _log.info("purged %s: %d manifests, %d blobs", dataset, len(done.manifests), len(done.blobs))
    sizes = {entry.path: entry.size_bytes for entry in (*blobs, *states)}
    done.size_bytes = sum(sizes[path] for path in (*done.blobs, *done.training_states))
    return done


def _tell_of_strangers(entries: Iterable[Entry]) -> None:
    """Log what the store never wrote, which nobody but its owner should remove."""
    for entry in entries:
        if not (is_path(entry.path) if entry.path.startswith("runs/") else is_ours(entry.path)):
            _log.warning("%s is no file of the store and is left there; remove it by hand.", entry.path)


def _ages(entries: Iterable[Entry]) -> dict[str, datetime]:
    return {entry.path: entry.touched_at for entry in entries}


def _manifests(store: ArtifactStore, dataset: str) -> list[Entry]:
    return [entry for entry in list_manifests(store, dataset) if is_path(entry.path)]


def _check_nobody_needs(store: ArtifactStore, dataset: str) -> None:
    """Raise StoreError if a manifest of another data set names one of this one."""
    others = all_steps(store, [other for other in store.datasets() if other != dataset])
    users = [step.path for step in others if any(source.startswith(f"runs/{dataset}/") for source in step.sources)]
    if users:
        raise StoreError(
            f"data set {dataset!r} cannot be purged: {', '.join(users[:3])}{' and others' if users[3:] else ''} "
            "were made from it. Purge those data sets first."
        )


def _in_order_of_removal(
    store: ArtifactStore, dataset: str, ages: Mapping[str, datetime]
) -> tuple[list[CommittedStep], list[Entry]]:
    """Return the manifests that go, in the order of their removal, and those of them that cannot be read.

    What is not in `ages` was committed since, and stays with all that it was made from.
    """
    steps: list[CommittedStep] = []
    unreadable = []
    for entry in _manifests(store, dataset):
        try:
            steps += read_steps(store, [entry])
        except StoreError:
            unreadable.append(entry)
    going = as_listed(steps, ages)
    new = {step.path for step in steps} - {step.path for step in going}
    kept = with_sources(new, {step.path: step for step in steps})
    return dependents_first(step for step in going if step.path not in kept), unreadable
