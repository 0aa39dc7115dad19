"""Purge: a data set leaves the store, whatever state it is in.

Refs, manifests, blobs, in this order, then what is weak: training states and the entries of the action cache, which
hold column names and a few synthetic rows. What was made from something goes before it. There is no grace period: what
is made or used after the call began stays; a step that runs meanwhile finds its blobs gone at its commit, and fails.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from argn_assets.errors import StoreError
from argn_assets.store.collect import Collected
from argn_assets.store.names import check_dataset
from argn_assets.store.steps import CommittedStep, all_steps, dependents_first, list_manifests, read_steps

if TYPE_CHECKING:
    from argn_assets.store.artifact_store import ArtifactStore

_log = logging.getLogger(__name__)


def purge_dataset(store: ArtifactStore, dataset: str, *, dry_run: bool) -> Collected:
    """Remove everything of a data set: refs and pins, manifests, blobs of any age, moved aside or not, training states.

    Manifests that cannot be read go too.

    Raises:
        StoreError: artifacts of other data sets were made from some of this one; they are named.
    """
    port, refs = store.port, store.refs(dataset)
    _check_nobody_needs(store, dataset)
    names, manifests = port.names(f"refs/{dataset}"), _in_order_of_removal(store, dataset)
    entries = [*port.entries(f"binaries/{dataset}"), *port.entries(f"quarantine/{dataset}")]
    states = store.training_states.entries(dataset)
    sizes = {entry.path: entry.size_bytes for entry in (*entries, *states)}
    # Another clock may have stamped what is there: what is listed goes, unless it is touched from here on.
    listed = max([store.now(), *(entry.touched_at for entry in (*entries, *states, *list_manifests(store, dataset)))])
    done = Collected(refs=[f"{dataset}/{name}" for name in names], manifests=manifests)
    done.blobs, done.training_states = sorted(entry.path for entry in entries), [entry.path for entry in states]
    if not dry_run:
        for name in names:
            refs.delete(name)
        done.manifests = [path for path in manifests if port.remove_old([path], listed)]
        for path in done.manifests:
            store.forget_manifest(path)
        done.blobs = port.remove_old(done.blobs, listed)
        done.training_states = port.remove_old(done.training_states, listed)
        store.actions.drop_all_of(dataset)
        _log.info("purged %s: %d manifests, %d blobs", dataset, len(done.manifests), len(done.blobs))
    done.size_bytes = sum(sizes[path] for path in (*done.blobs, *done.training_states))
    return done


def _check_nobody_needs(store: ArtifactStore, dataset: str) -> None:
    """Raise StoreError if a manifest of another data set names one of this one."""
    others = all_steps(store, [other for other in store.datasets() if other != dataset])
    users = [step.path for step in others if any(source.startswith(f"runs/{dataset}/") for source in step.sources)]
    if users:
        raise StoreError(
            f"data set {dataset!r} cannot be purged: {', '.join(users[:3])}{' and others' if users[3:] else ''} "
            "were made from it. Purge those data sets first."
        )


def _in_order_of_removal(store: ArtifactStore, dataset: str) -> list[str]:
    """Return the paths of all manifests of a data set, those that cannot be read last."""
    steps: list[CommittedStep] = []
    unreadable = []
    for entry in list_manifests(store, check_dataset(dataset)):
        try:
            steps += read_steps(store, [entry])
        except StoreError:
            unreadable.append(entry.path)
    return [*(step.path for step in dependents_first(steps)), *unreadable]
