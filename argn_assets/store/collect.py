"""Collection: what nobody names any more goes, and what anybody might still name stays (T23).

1. A blob goes only when no manifest names it and nobody made or used it within the grace period. The age counts from
   before the first look, so a collector that sleeps in the middle takes nothing younger.
2. Whoever uses something again touches it first and then looks whether it is there; a commit touches every blob and
   every manifest that it names before its own manifest is visible. `Port.remove_old` looks at the age and removes in
   one.
3. Removal goes the other way than writing: refs, manifests, blobs; and a manifest after those that were made from it. A
   crash in the middle leaves orphans, never a dangling reference (T21).
4. A manifest or ref that cannot be read, or is of a later version, stops the collection before anything goes: it may
   name what looks unused.
5. Just before blobs go, the manifests that appeared since the first look are read as well.
6. A commit looks once more when its manifest is visible, and takes it back if something that it names has gone.
7. A ref to a manifest that is not there stops the collection: a part of the store is not mounted, or was lost, and what
   it names looks unused.

Rules 2 and 6 are exact in folders and in memory. Object stores have no removal on condition of an age: there the look
is one request before the delete, and rule 5 and a long grace period have to do. Clocks of writers and collectors must
agree to a fraction of the grace period; what bears a time to come counts as young.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING

from argn_assets.errors import ConfigError, MissingArtifact
from argn_assets.store.names import check_dataset, check_pipeline_id, is_path
from argn_assets.store.retention import Retention, expired_steps
from argn_assets.store.spool import discard
from argn_assets.store.steps import (
    CommittedStep,
    all_steps,
    as_listed,
    dependents_first,
    list_manifests,
    manifest_ages,
    read_steps,
    with_sources,
)

if TYPE_CHECKING:
    from argn_assets.store.artifact_store import ArtifactStore
    from argn_assets.store.port import Entry

GRACE_PERIOD_HOURS = 24.0  # longer than the longest step, and than clocks may differ
_BATCH = 1000
_DEPTH = 2  # slashes in binaries/<data set>/<blob>
_LOST = (
    "{ref} points to {path}, which is not there: a part of the store is not mounted, or was lost, and what it names "
    "looks unused. Nothing was removed. Mount or restore it; else materialise the asset again, or remove the pin."
)

_log = logging.getLogger(__name__)


@dataclass(kw_only=True)
class Collected:
    """What was removed, or would be.

    Attributes:
        refs: `<data set>/<name>`.
        manifests: paths relative to the root.
        blobs: paths relative to the root.
        training_states: paths relative to the root, of trainings that were cut short.
        unfinished: names of files that crashed writers left.
        size_bytes: of the blobs and training states.
    """

    refs: list[str] = field(default_factory=list)
    manifests: list[str] = field(default_factory=list)
    blobs: list[str] = field(default_factory=list)
    training_states: list[str] = field(default_factory=list)
    unfinished: list[str] = field(default_factory=list)
    size_bytes: int = 0


class Collector:
    """One collection: removes from a store what is no longer needed, as of the time it was made.

    One collector may collect one data set after another: manifests and refs are read once, however many there are.
    What is committed or used after it was made is too young for it.

    Args:
        store: its clock tells the ages.
        grace_period_hours: younger blobs are never touched.
        dry_run: say what would go, and remove nothing.
    Raises:
        ConfigError: the grace period is shorter than the back-end can hold.
    """

    def __init__(self, store: ArtifactStore, *, grace_period_hours: float = GRACE_PERIOD_HOURS, dry_run: bool = False):
        grace_period, shortest = timedelta(hours=grace_period_hours), store.port.shortest_grace
        if grace_period < shortest:
            raise ConfigError(
                f"a grace period of {grace_period_hours} h on {store.url}: at least {shortest / timedelta(hours=1)} h."
            )
        self.store, self.port, self.dry_run = store, store.port, dry_run
        self.now = store.now()
        self.grace_begins = self.now - grace_period
        self._steps: dict[str, CommittedStep] = {}
        self._kept: set[str] = set()

    def unnamed_blobs(self, dataset: str) -> list[Entry]:
        """Return the blobs of a data set that no manifest names, young ones too, sorted; raises as `read_steps`."""
        blobs = self.port.entries(f"binaries/{check_dataset(dataset)}")
        return _unnamed(blobs, read_steps(self.store, list_manifests(self.store, dataset)))

    def find_orphans(self, dataset: str) -> list[Entry]:
        """Return those of `unnamed_blobs` that nobody touched within the grace period."""
        return [blob for blob in self.unnamed_blobs(dataset) if blob.touched_at <= self.grace_begins]

    def delete_orphans(self, dataset: str) -> Collected:
        """Remove orphaned blobs and unfinished files; raises as `collect`."""
        steps = all_steps(self.store, [check_dataset(dataset)])
        self._kept_by_refs(steps)
        return self._remove([dataset], steps, [])

    def collect(self, dataset: str, retention: Retention) -> Collected:
        """Remove manifests that are not kept, then blobs that are orphans, then unfinished files.

        Training states go when they are older than `retention.days`: nobody went on from them.

        Raises:
            MissingArtifact: a ref points to a manifest that is not there (rule 7); and as `read_steps`.
        """
        check_dataset(dataset)
        if not self._steps:
            self._steps = {step.path: step for step in all_steps(self.store)}
            self._kept = self._kept_by_refs(self._steps.values())
        steps = list(self._steps.values())
        expired = expired_steps(
            dataset,
            steps,
            retention=retention,
            named_by_refs=self._kept,
            now=self.now,
            touched_before=self.grace_begins,
        )
        done = self._remove([dataset], steps, expired)
        self._remove_training_states(dataset, retention, done)
        return done

    def _remove_training_states(self, dataset: str, retention: Retention, done: Collected) -> None:
        """Remove the training states of a data set that were last written before the days that are kept."""
        before = min(self.grace_begins, self.now - timedelta(days=retention.days))
        old = {it.path: it.size_bytes for it in self.store.training_states.entries(dataset) if it.touched_at <= before}
        done.training_states = list(old) if self.dry_run else self.port.remove_old(list(old), before)
        done.size_bytes += sum(old[path] for path in done.training_states)

    def clean_run(self, run: str) -> Collected:
        """Remove what a failed run left that is past its grace period and that nobody names; raises as `collect`.

        Args:
            run: the run's id or folder.
        """
        steps = all_steps(self.store)
        mine = {step.path: step for step in steps if run in (step.run, step.run_id)}
        old = {path for path, step in mine.items() if step.touched_at <= self.grace_begins}
        others = {step.path for step in steps} - old
        kept = with_sources(others | self._kept_by_refs(steps), {step.path: step for step in steps})
        going = dependents_first(mine[path] for path in old - kept)
        return self._remove(sorted({step.dataset for step in mine.values()}), steps, going)

    def delete_pipeline(self, pipeline_id: str) -> Collected:
        """Remove the manifests of a pipeline, of any age, with the refs to them, and blobs that are orphans then.

        What is pinned stays, and what other pipelines' artifacts were made from.

        Raises:
            MissingArtifact: no data set has such a pipeline; and as `collect`.
        """
        check_pipeline_id(pipeline_id)
        # No grace period: what is removed must be as it was before the first look at what was made from it.
        ages = manifest_ages(self.store, self.store.datasets())
        steps = all_steps(self.store)
        mine = {step.path: step for step in as_listed(steps, ages) if step.pipeline_id == pipeline_id}
        if not mine:
            raise MissingArtifact(f"no data set in {self.store.url} has a pipeline {pipeline_id}.")
        self._kept_by_refs(steps)
        pins = [pin for dataset in self.port.names("refs") for pin in self.store.refs(dataset).pins().values()]
        others = {step.path for step in steps} - mine.keys()
        kept = with_sources(others.union(*pins), {step.path: step for step in steps})
        going = dependents_first(mine[path] for path in mine.keys() - kept)
        refs = self._remove_refs({step.path for step in going})
        done = self._remove(sorted({step.dataset for step in going}), steps, going)
        done.refs = refs
        return done

    def _remove(
        self, datasets: Iterable[str], steps: Sequence[CommittedStep], going: Sequence[CommittedStep]
    ) -> Collected:
        """Remove the manifests `going` (rule 3), then what is orphaned in `datasets`, then unfinished files.

        Args:
            datasets: whose blobs may go.
            steps: all that there are in these, and whatever else.
            going: those of them that go, what was made from others first.
        """
        done = Collected(manifests=self._remove_manifests(going))
        gone = set(done.manifests)
        for dataset in datasets:
            left = [step for step in steps if step.dataset == dataset and step.path not in gone]
            removed = self._remove_blobs(dataset, left)
            done.blobs += removed.blobs
            done.size_bytes += removed.size_bytes
        done.unfinished = self._remove_unfinished()
        if not self.dry_run:
            for path in (*done.manifests, *done.blobs, *done.unfinished):
                _log.info("removed %s", path)
        return done

    def _remove_refs(self, manifests: Set[str]) -> list[str]:
        """Remove the refs that point to any of these manifests; return `<data set>/<name>`."""
        removed = []
        for dataset in self.port.names("refs"):
            refs = self.store.refs(dataset)
            for name in self.port.names(f"refs/{dataset}"):
                ref = refs.read(name)
                if ref is not None and not manifests.isdisjoint(ref.manifests):
                    removed.append(f"{dataset}/{name}")
                    if not self.dry_run:
                        refs.delete(name, through=ref.sequence)
        return removed

    def _remove_manifests(self, going: Sequence[CommittedStep]) -> list[str]:
        if self.dry_run:
            return [step.path for step in going]
        removed = remove_manifests(self.store, going)
        for path in removed:
            self._steps.pop(path, None)
        return removed

    def _remove_blobs(self, dataset: str, steps: Sequence[CommittedStep]) -> Collected:
        """Remove the orphans of a data set; `steps` are those that are left, read before this is called."""
        blobs = {blob.path: blob for blob in self.port.entries(f"binaries/{dataset}")}
        orphans = [blob.path for blob in _unnamed(blobs.values(), steps) if blob.touched_at <= self.grace_begins]
        if not self.dry_run:
            orphans = self._remove_unless_named(dataset, orphans, {step.path for step in steps})
        return Collected(blobs=orphans, size_bytes=sum(blobs[path].size_bytes for path in orphans))

    def _remove_unless_named(self, dataset: str, orphans: list[str], known: Set[str]) -> list[str]:
        """Remove old blobs in batches, each after a look at the manifests that are not `known` yet (rule 5)."""
        removed: list[str] = []
        for start in range(0, len(orphans), _BATCH):
            new = [entry for entry in list_manifests(self.store, dataset) if entry.path not in known]
            named = named_blobs(dataset, read_steps(self.store, new))
            batch = [path for path in orphans[start : start + _BATCH] if path not in named]
            removed += self.port.remove_old(batch, self.grace_begins)
        return removed

    def _kept_by_refs(self, steps: Iterable[CommittedStep]) -> set[str]:
        """Return the manifests that refs and pins of all data sets point to.

        Raises:
            MissingArtifact: one of them is neither among `steps` nor there (rule 7).
        """
        known = {step.path for step in steps}
        kept: set[str] = set()
        for dataset in self.port.names("refs"):
            refs = self.store.refs(dataset)
            for name in self.port.names(f"refs/{dataset}"):
                for path in refs.manifests_of(name):
                    # Looked at again: it may have been deleted with its manifest in between.
                    if path not in known and self.port.size(path) is None and path in refs.manifests_of(name):
                        raise MissingArtifact(_LOST.format(ref=f"refs/{dataset}/{name}", path=path))
                    kept.add(path)
        return kept

    def _remove_unfinished(self) -> list[str]:
        left = self.port.unfinished(self.now - self.grace_begins)
        if not self.dry_run:
            for file in left:
                discard(file)
        return [file.name for file in left]


def _unnamed(blobs: Iterable[Entry], steps: Iterable[CommittedStep]) -> list[Entry]:
    """Return the blobs of a data set that none of its steps name, sorted; names that we do not give are left alone."""
    named = {name for step in steps for name in step.blobs}
    found = [blob for blob in blobs if blob.path.split("/", 2)[2] not in named and is_ours(blob.path)]
    return sorted(found, key=lambda blob: blob.path)


def remove_manifests(store: ArtifactStore, going: Sequence[CommittedStep]) -> list[str]:
    """Remove manifests in this order; one that was used since it was listed stays, with all that it was made from."""
    by_path = {step.path: step for step in going}
    removed: list[str] = []
    spared: set[str] = set()
    for step in going:
        if step.path not in spared and store.port.remove_listed({step.path: step.touched_at}):
            store.forget_manifest(step.path)
            removed.append(step.path)
        else:
            spared |= with_sources([step.path], by_path)
    return removed


def named_blobs(dataset: str, steps: Iterable[CommittedStep]) -> set[str]:
    """Return the paths of the blobs that steps of a data set name, relative to the root."""
    return {f"binaries/{dataset}/{name}" for step in steps for name in step.blobs}


def is_ours(path: str) -> bool:
    """Say whether the store puts blobs under such a path: a name that it gives, and no folder below the data set's.

    What lies in a folder there may be anybody's: a link may lead to it.
    """
    return is_path(path) and path.count("/") == _DEPTH
