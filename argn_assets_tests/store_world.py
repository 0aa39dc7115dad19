"""A store with a clock that tests turn, and steps of one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import uuid4

from argn_assets.store import ArtifactRecord, ArtifactRegistry, ArtifactStore, Manifest

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
PIPELINE = "cdnow_1f2e3d4c5b6a"
_RUNS = count()


class Clock:
    """The time, as the test says."""

    def __init__(self, now: datetime = START):
        self.time = now

    def __call__(self) -> datetime:
        return self.time

    def advance(self, *, days: float = 0, hours: float = 0) -> None:
        self.time += timedelta(days=days, hours=hours)


@dataclass
class StoreWorld:
    """A store, its clock, and what a developer does with it."""

    store: ArtifactStore
    clock: Clock

    @classmethod
    def at(cls, url: str) -> StoreWorld:
        clock = Clock()
        return cls(ArtifactStore.open(url, now=clock), clock)

    def registry(self, run: str = "", dataset: str = "cdnow", pipeline: str = PIPELINE) -> ArtifactRegistry:
        run = run or f"{next(_RUNS):08d}-run"
        return ArtifactRegistry(self.store, dataset, pipeline_id=pipeline, run_id=run, started_at=self.clock())

    def step(
        self,
        content: bytes | None = None,
        *,
        step: int = 3,
        asset: str = "trained_artifact",
        sources: Sequence[ArtifactRecord] = (),
        current: bool = False,
        run: str = "",
        dataset: str = "cdnow",
        pipeline: str = PIPELINE,
    ) -> Manifest:
        """Commit a step with one artifact; `current` moves the asset's ref to it."""
        registry = self.registry(run, dataset, pipeline)
        registry.register(
            uuid4().bytes if content is None else content,
            artifact_id=registry.generate_id(step),
            operation="fit",
            artifact_type="model",
            class_name="Net",
            format="bytes",
            depends_on=sources,
        )
        manifest = registry.commit(step, name=asset)
        if current:
            self.store.refs(dataset).move(asset, {"manifest": manifest.path})
        return manifest

    def orphan(self, content: bytes, dataset: str = "cdnow") -> str:
        """Store bytes that no manifest names; return the blob's name."""
        blob = self.store.blobs.put(dataset, content, artifact_type="model", class_name="Net", extension="bin")
        return blob.path

    def blobs(self, dataset: str = "cdnow") -> set[str]:
        return set(self.store.port.names(f"binaries/{dataset}"))

    def manifests(self, dataset: str = "cdnow") -> set[str]:
        return set(self.store.manifests(dataset))

    def dangling(self) -> list[str]:
        """Return what refs, manifests and dependencies name and is not there, looked at through a store of its own."""
        store = ArtifactStore(self.store.port, now=self.clock)
        names = store.port.names("runs")
        found = [finding for name in names for finding in store.verify_artifacts(name).findings]
        return [f"{it.kind} {it.path}: {it.detail}" for it in found if it.kind != "unreferenced"]
