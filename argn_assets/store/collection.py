"""What stores and registries offer to keep their place tidy: the names of T22 to T24."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from argn_assets.errors import MissingArtifact
from argn_assets.store.collect import GRACE_PERIOD_HOURS, Collected, Collector
from argn_assets.store.purge import purge_dataset
from argn_assets.store.retention import Retention
from argn_assets.store.usage import Usage, measure_usage
from argn_assets.store.verify import VerifyReport, verify_dataset

if TYPE_CHECKING:
    from argn_assets.store.artifact_store import ArtifactStore
    from argn_assets.store.refs import Ref

_log = logging.getLogger(__name__)


class CollectionMethods(ABC):
    """Finds, removes, keeps and verifies what is stored; `grace_period_hours` spares what is younger."""

    def find_orphaned_artifacts(self, dataset: str, *, grace_period_hours: float = GRACE_PERIOD_HOURS) -> list[str]:
        """Return the sorted names, in `binaries/<dataset>/`, of blobs that no manifest names and that are not young.

        Raises:
            CorruptArtifact, UnsupportedManifestVersion: a manifest that may name them cannot be read.
        """
        collector = Collector(self._place(), grace_period_hours=grace_period_hours)
        return _names([blob.path for blob in collector.find_orphans(dataset)])

    def delete_orphaned_artifacts(
        self, dataset: str, dry_run: bool = True, *, grace_period_hours: float = GRACE_PERIOD_HOURS
    ) -> tuple[list[str], int]:
        """Remove orphaned blobs; return their names in `binaries/<dataset>/` and their bytes.

        Args:
            dataset: the data set.
            dry_run: True removes nothing and says what would go.
            grace_period_hours: younger blobs are never touched.
        Raises:
            CorruptArtifact, UnsupportedManifestVersion: a manifest or ref cannot be read; nothing was removed.
            MissingArtifact: a ref points to a manifest that is not there; nothing was removed.
        """
        collector = Collector(self._place(), grace_period_hours=grace_period_hours, dry_run=dry_run)
        done = collector.delete_orphans(dataset)
        return _names(done.blobs), done.size_bytes

    def collect_dataset(
        self,
        dataset: str,
        retention: Retention | None = None,
        dry_run: bool = True,
        *,
        grace_period_hours: float = GRACE_PERIOD_HOURS,
    ) -> Collected:
        """Remove the manifests that `retention` does not keep, then orphaned blobs, then unfinished files.

        Args:
            dataset: the data set.
            retention: None: the last 5 of every step, and 90 days.
            dry_run: True removes nothing and says what would go.
            grace_period_hours: what is younger stays.
        Raises:
            CorruptArtifact, UnsupportedManifestVersion: a manifest or ref cannot be read; nothing was removed.
            MissingArtifact: a ref points to a manifest that is not there; nothing was removed.
        """
        collector = Collector(self._place(), grace_period_hours=grace_period_hours, dry_run=dry_run)
        return collector.collect(dataset, retention or Retention())

    def delete_pipeline_artifacts(
        self, pipeline_id: str, *, dry_run: bool = False, grace_period_hours: float = GRACE_PERIOD_HOURS
    ) -> Collected:
        """Remove the manifests of a pipeline, of any age, the refs to them first, and blobs that are orphans then.

        What is pinned stays, and what artifacts of other pipelines were made from. Young blobs stay until they are not.

        Raises:
            MissingArtifact: no data set has such a pipeline, or a ref points to a manifest that is not there.
            CorruptArtifact, UnsupportedManifestVersion: a manifest or ref cannot be read; nothing was removed.
        """
        collector = Collector(self._place(), grace_period_hours=grace_period_hours, dry_run=dry_run)
        return collector.delete_pipeline(pipeline_id)

    def cleanup_failed_run(self, run: str, *, grace_period_hours: float = GRACE_PERIOD_HOURS) -> Collected:
        """Remove what a failed run left that no retry can use any more, and log it.

        For the grace period everything stays: a retry finds the steps that went well, and blobs that are stored.
        After it go the run's manifests that no ref or pin points to and nothing was made from, and orphaned blobs.

        Args:
            run: the run's id or its folder.
            grace_period_hours: what is younger stays.
        Raises:
            CorruptArtifact, UnsupportedManifestVersion: a manifest or ref cannot be read; nothing was removed.
            MissingArtifact: a ref points to a manifest that is not there; nothing was removed.
        """
        done = Collector(self._place(), grace_period_hours=grace_period_hours).clean_run(run)
        _log.info(
            "failed run %s: removed %d manifests, %d blobs of %d bytes, %d unfinished files; a retry can use the rest",
            run, len(done.manifests), len(done.blobs), done.size_bytes, len(done.unfinished),
        )  # fmt: skip
        return done

    def purge_dataset_artifacts(self, dataset: str, *, dry_run: bool = False) -> Collected:
        """Remove everything of a data set, young or pinned or damaged, refs first.

        Raises:
            StoreError: artifacts of other data sets were made from some of this one; they are named.
        """
        return purge_dataset(self._place(), dataset, dry_run=dry_run)

    def pin_artifacts(self, dataset: str, name: str, *, run: str | None = None, artifact_id: str | None = None) -> Ref:
        """Keep what a run made, one artifact or else what is current, and its sources, until `unpin_artifacts`.

        Args:
            dataset: the data set.
            name: of the pin; an older pin of this name is moved.
            run: the run's id or folder. Without an artifact: all that it committed.
            artifact_id: keeps the step that made it; without a run: of what the data set's refs point to.
        Raises:
            MissingArtifact: there is no such run or artifact, or nothing is current.
        """
        store = self._place()
        refs = store.refs(dataset)
        if artifact_id is not None:
            manifests = [str(store.find_record(dataset, artifact_id, run).manifest)]
        elif run is not None:
            manifests = [path for path in store.manifests(dataset) if _is_of_run(store, path, run)]
        else:
            manifests = [path for name in refs.names() for path in refs.manifests_of(name)]
        if not manifests:
            asked = "anything published" if run is None else f"a run {run}"
            last = ", ".join(store.runs(dataset)[-5:]) or "none"
            raise MissingArtifact(f"data set {dataset!r} does not have {asked}; its last runs: {last}.")
        return refs.pin(name, manifests)

    def unpin_artifacts(self, dataset: str, name: str) -> None:
        """Let a pin keep nothing any more; MissingArtifact (which lists the pins) if there is none of this name."""
        self._place().refs(dataset).unpin(name)

    def measure_usage(self, dataset: str, *, grace_period_hours: float = GRACE_PERIOD_HOURS) -> Usage:
        """Return how much is stored, named and orphaned, and what storing once saves; raises as `collect_dataset`."""
        return measure_usage(Collector(self._place(), grace_period_hours=grace_period_hours), dataset)

    def verify_artifacts(self, dataset: str, *, quarantine: bool = False) -> VerifyReport:
        """Hash everything of a data set again and say what is missing, corrupt or unreferenced.

        Args:
            dataset: the data set.
            quarantine: True moves corrupt blobs to `quarantine/<dataset>/`, so that the next result of the same content
                takes their place.
        """
        return verify_dataset(self._place(), dataset, quarantine=quarantine)

    @abstractmethod
    def _place(self) -> ArtifactStore:
        """Return the store."""


def _names(paths: list[str]) -> list[str]:
    return [path.split("/", 2)[2] for path in paths]


def _is_of_run(store: ArtifactStore, path: str, run: str) -> bool:
    folder = path.split("/")[2]
    # The folder carries eight digits of the run's id only.
    return run == folder or (folder.partition("_")[2] == run[:8] and store.read_manifest(path).run_id == run)
