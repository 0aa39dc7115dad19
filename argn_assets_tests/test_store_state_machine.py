"""The store beside a dictionary: whatever is registered, committed, moved, collected or cut off, they agree."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle as States
from hypothesis.stateful import (
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from argn_assets.errors import ArtifactConflict, MissingArtifact
from argn_assets.store import ArtifactLoader, ArtifactRegistry, ArtifactStore, Manifest
from argn_assets.store.port import Port, open_port
from argn_assets.store.retention import Retention
from argn_assets_tests.conformance.backend import NOON, new_registry
from argn_assets_tests.conformance.faulty_backend import FaultyPort
from argn_assets_tests.conformance.journey import DATASET, check_store

GRACE_PERIOD_HOURS = 24.0
CONTENTS = st.sampled_from([b"", b"a", b"b", b"weights" * 100])
OUTPUTS = st.integers(0, 2)
HOURS = st.sampled_from([1.0, 12.0, 25.0, 100.0])
FIELDS = {"operation": "fit", "artifact_type": "model", "class_name": "Net", "format": "bytes"}

Parts = dict[int, bytes]  # output → content


class Crash(BaseException):
    """The process is gone: nothing of the store's may catch this."""


class StoreMachine(RuleBasedStateMachine):
    """Steps of one pipeline; what a dictionary says is compared after every rule."""

    runs = States("runs")

    def __init__(self) -> None:
        super().__init__()
        self.time = NOON
        self.port = FaultyPort(self.new_port())
        self.committed: dict[str, Parts] = {}
        self.committed_at: dict[str, datetime] = {}
        self.current: str | None = None
        self.open: dict[str, tuple[ArtifactRegistry, Parts]] = {}
        self.collections = self.begun = 0
        self.reopen()

    def new_port(self) -> Port:
        return open_port(f"memory://{uuid4().hex}")

    def now(self) -> datetime:
        return self.time

    def reopen(self) -> None:
        """Forget all that a process knew."""
        self.store = ArtifactStore(self.port, self.now)
        self.port.inner.now = self.now
        self.open.clear()

    @initialize()
    def make(self) -> None:
        ArtifactStore.open(self.port.url, now=self.now)

    @rule(target=runs)
    def begin(self) -> str:
        # Not random: the order in which runs sort is part of what Hypothesis repeats.
        self.begun += 1
        run = f"{self.begun:08d}-run"
        self.open[run] = (new_registry(self.store, run), {})
        return run

    @rule(run=runs, output=OUTPUTS, content=CONTENTS)
    def register(self, run: str, output: int, content: bytes) -> None:
        registry, parts = self.open.setdefault(run, (new_registry(self.store, run), {}))
        artifact_id = registry.generate_id(1, output=output)
        if parts.get(output, content) != content:
            with pytest.raises(ArtifactConflict, match=artifact_id):
                registry.register(content, artifact_id=artifact_id, **FIELDS)
            return
        record = registry.register(content, artifact_id=artifact_id, **FIELDS)
        assert registry.register(content, artifact_id=artifact_id, **FIELDS) == record
        parts[output] = content

    @rule(run=consumes(runs))
    def commit(self, run: str) -> None:
        registry, parts = self.open.pop(run, (new_registry(self.store, run), {}))
        before = self.collections
        try:
            manifest = registry.commit(1, name="trained_artifact")
        except MissingArtifact:
            assert before, "only a collection takes a blob away"
            return
        self.remember(manifest, parts)
        assert registry.commit(1, name="trained_artifact") == manifest

    def remember(self, manifest: Manifest, parts: Parts) -> None:
        self.committed[str(manifest.path)] = dict(parts)
        self.committed_at[str(manifest.path)] = self.time

    @precondition(lambda self: self.committed)
    @rule(data=st.data())
    def move_ref(self, data: st.DataObject) -> None:
        path = data.draw(st.sampled_from(sorted(self.committed)))
        self.store.refs(DATASET).move("trained_artifact", {"manifest": path})
        self.current = path

    @rule(output=OUTPUTS)
    def resolve(self, output: int) -> None:
        registry = new_registry(self.store, "reader")
        artifact_id = registry.generate_id(1, output=output)
        if self.current is None or output not in self.committed[self.current]:
            with pytest.raises(MissingArtifact, match=artifact_id):
                registry.resolve(artifact_id)
        else:
            assert registry.resolve(artifact_id).manifest == self.current

    @rule(hours=HOURS)
    def wait(self, hours: float) -> None:
        self.time += timedelta(hours=hours)

    @rule(dry_run=st.booleans())
    def delete_orphans(self, dry_run: bool) -> None:
        stored = set(self.store.port.names(f"binaries/{DATASET}"))
        named = {record.path for path in self.committed for record in self.store.read_manifest(path).items}
        names, _ = self.store.delete_orphaned_artifacts(DATASET, dry_run, grace_period_hours=GRACE_PERIOD_HOURS)
        assert not named.intersection(names)
        left = set(self.store.port.names(f"binaries/{DATASET}"))
        assert left == (stored if dry_run else stored - set(names))
        self.collections += not dry_run

    @rule()
    def collect(self) -> None:
        grace_begins = self.time - timedelta(hours=GRACE_PERIOD_HOURS)
        young = {path for path, time in self.committed_at.items() if time > grace_begins}
        done = self.store.collect_dataset(
            DATASET, Retention(last=1, days=0), dry_run=False, grace_period_hours=GRACE_PERIOD_HOURS
        )
        assert young.union({self.current} - {None}).isdisjoint(done.manifests)
        for path in done.manifests:
            del self.committed[path], self.committed_at[path]
        self.collections += 1

    @rule(run=consumes(runs), output=OUTPUTS, content=CONTENTS, number=st.integers(0, 20), after=st.booleans())
    def crash(self, run: str, output: int, content: bytes, number: int, after: bool) -> None:
        self.open.pop(run, None)
        attempt = new_registry(self.store, run)
        self.port.fail(number, Crash(), after=after)
        try:
            attempt.register(content, artifact_id=attempt.generate_id(1, output=output), **FIELDS)
            manifest = attempt.commit(1, name="trained_artifact")
            self.store.refs(DATASET).move("trained_artifact", {"manifest": manifest.path})
        except Crash:
            pass
        self.port.fails_at = None
        self.reopen()
        for path in set(self.store.manifests(DATASET)) - self.committed.keys():
            self.remember(self.store.read_manifest(path), {output: content})
        ref = self.store.refs(DATASET).read("trained_artifact")
        found = str(ref.value["manifest"]) if ref else None
        assert found == self.current or found in self.committed
        self.current = found

    @rule()
    def crash_between_rules(self) -> None:
        self.reopen()

    @invariant()
    def the_store_agrees(self) -> None:
        assert set(check_store(self.store)) == self.committed.keys()
        for path, parts in self.committed.items():
            loader = ArtifactLoader.from_manifest(self.store.read_manifest(path), self.store)
            ids = {new_registry(self.store).generate_id(1, output=output): part for output, part in parts.items()}
            assert {artifact_id: loader.load_by_id(artifact_id) for artifact_id in loader.ids} == ids


class FileStoreMachine(StoreMachine):
    """The same in a folder."""

    def new_port(self) -> Port:
        memory = Path("/dev/shm")
        self.folder = tempfile.mkdtemp(prefix="argn-test-", dir=memory if memory.is_dir() else None)
        return open_port(self.folder)

    def teardown(self) -> None:
        shutil.rmtree(self.folder)


MACHINES = [StoreMachine, FileStoreMachine]
QUIET = [HealthCheck.too_slow, HealthCheck.data_too_large]


@pytest.mark.parametrize("machine", MACHINES)
def test_the_store_agrees_with_a_dictionary(machine: type[StoreMachine]) -> None:  # T21, T23
    short = settings(max_examples=20, stateful_step_count=20, deadline=None, suppress_health_check=QUIET)
    run_state_machine_as_test(machine, settings=short)


@pytest.mark.slow
@pytest.mark.parametrize("machine", MACHINES)
def test_the_store_agrees_with_a_dictionary_for_longer(machine: type[StoreMachine]) -> None:
    long = settings(max_examples=200, stateful_step_count=50, deadline=None, suppress_health_check=QUIET)
    run_state_machine_as_test(machine, settings=long)
