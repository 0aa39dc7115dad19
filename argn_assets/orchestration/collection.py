"""Collection as runs and the command line ask for it: by what data sets declare, and after a run that failed.

No Dagster in here, so that the command line answers at once.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from argn_assets.datasets import Catalogue
from argn_assets.errors import StoreError
from argn_assets.store import ArtifactStore
from argn_assets.store.collect import Collected, Collector
from argn_assets.store.retention import Retention

_log = logging.getLogger(__name__)


def declared_retention(catalogue: Catalogue | None, dataset: str) -> Retention:
    """Return what `keep` of a data set's declaration says; the default where it is not declared (any more).

    Raises:
        ConfigError: it is declared by a file that cannot be used.
    """
    if catalogue is None or dataset not in catalogue.declared_names():
        return Retention()
    keep = catalogue.get(dataset).keep
    return Retention(last=keep.last, days=keep.days)


def collect_store(store: ArtifactStore, catalogue: Catalogue, *, dry_run: bool = True) -> dict[str, Collected]:
    """Collect every data set of a store by what it declares; return what went, or would, by data set.

    Raises:
        ConfigError: a declaration cannot be used; nothing was removed.
        CorruptArtifact, UnsupportedManifestVersion: something cannot be read; data sets before it are collected.
    """
    return collect_datasets(Collector(store, dry_run=dry_run), catalogue, store.datasets())


def collect_datasets(
    collector: Collector, catalogue: Catalogue | None, datasets: Iterable[str]
) -> dict[str, Collected]:
    """Collect some data sets by what they declare; None: nothing is declared. Raises as `collect_store`."""
    # All declarations are read before anything goes: a broken one stops it while it can still be mended.
    retentions = {dataset: declared_retention(catalogue, dataset) for dataset in datasets}
    return {dataset: collector.collect(dataset, retention) for dataset, retention in retentions.items()}


def clean_failed_run(store: ArtifactStore, run_id: str) -> Collected:
    """Clean up after a failed run; for a failure hook, so that an error of the store is logged and not raised."""
    try:
        return store.cleanup_failed_run(run_id)
    except StoreError as error:
        _log.warning("failed run %s was not cleaned up, and everything is still there: %s", run_id, error)
        return Collected()


def summary(dataset: str, collected: Collected, *, removed: bool) -> str:
    """Return one line that says how much went, or would.

    >>> summary("members", Collected(blobs=["binaries/members/a_B_0123456789ab.argn"], size_bytes=7), removed=True)
    'Removed of members: 0 manifests, 1 file of 7 bytes, 0 refs, 0 unfinished files.'
    """
    parts = [
        _counted(collected.manifests, "manifest"),
        f"{_counted(collected.blobs, 'file')} of {collected.size_bytes:,} bytes",
        _counted(collected.refs, "ref"),
        _counted(collected.unfinished, "unfinished file"),
    ]
    if collected.training_states:
        parts.append(_counted(collected.training_states, "training state"))
    return f"{'Removed' if removed else 'Would remove'} of {dataset}: {', '.join(parts)}."


def _counted(things: Sequence[object], noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"
