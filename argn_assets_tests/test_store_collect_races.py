"""Writers and collectors at the same time, and the law of what is kept (T23, §6).

Time is compressed: a thread turns the clock by hours while the others work. The one thing it respects is what the
grace period is for: it does not turn so far that a commit takes longer than that.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Lock
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.errors import MissingArtifact, RefConflict
from argn_assets.store import ArtifactStore
from argn_assets.store.retention import Retention, expired_steps
from argn_assets.store.steps import CommittedStep, with_sources
from argn_assets_tests.store_world import START, Clock, StoreWorld

GRACE = timedelta(hours=24)
POOL = [f"content {number}".encode() for number in range(10)]  # few, so that old blobs are used again
ASSETS = ("raw_tables", "table_stats", "trained_artifact")


class Passing(Clock):
    """A clock that others turn, but never past the grace period of a commit that has begun."""

    def __init__(self) -> None:
        super().__init__()
        self._lock, self._begun = Lock(), dict[int, object]()

    @contextmanager
    def commit(self) -> Iterator[None]:
        key = uuid4().int
        with self._lock:
            self._begun[key] = self.time
        try:
            yield
        finally:
            with self._lock:
                del self._begun[key]

    def turn(self, hours: float) -> None:
        with self._lock:
            later = self.time + timedelta(hours=hours)
            if all(later - begun < GRACE for begun in self._begun.values()):  # type: ignore[operator]
                self.time = later


class Writer:
    """Commits steps of a few contents, from others that it finds, and says what went wrong."""

    def __init__(self, store: ArtifactStore, clock: Passing, seed: int):
        self.draw, self.clock, self.committed, self.refused = random.Random(seed), clock, 0, 0
        self.world = StoreWorld(ArtifactStore(store.port, now=clock), clock)

    def work(self, done: Event) -> None:
        while not done.is_set():
            try:
                self._commit_one()
                self.committed += 1
            except MissingArtifact:  # what it wanted to use again was collected: a step that would be run again
                self.refused += 1
            except RefConflict:
                continue

    def _commit_one(self) -> None:
        step = self.draw.randrange(len(ASSETS))
        registry = self.world.registry(run=uuid4().hex, pipeline=f"cdnow_{self.draw.randrange(2)}")
        known = sorted(self.world.manifests())
        sources = self.world.store.read_manifest(self.draw.choice(known)).items if known else ()
        registry.register(
            self.draw.choice(POOL), artifact_id=registry.generate_id(step), operation="fit", artifact_type="model",
            class_name="Net", format="bytes", depends_on=sources if self.draw.random() < 0.5 else (),
        )  # fmt: skip
        if self.draw.random() < 0.2:
            time.sleep(0.01)  # days may pass between storing a blob and naming it
        with self.clock.commit():
            manifest = registry.commit(step, name=ASSETS[step])
            for record in manifest.items:
                assert self.world.store.blobs.verify("cdnow", record.path, record.content_hash), (
                    "acknowledged, and gone"
                )
            refs = self.world.store.refs("cdnow")
            if self.draw.random() < 0.5:
                refs.move(ASSETS[step], {"manifest": manifest.path})
            if self.draw.random() < 0.1:
                refs.pin(f"pin{self.draw.randrange(3)}", [str(manifest.path)])


def collect(store: ArtifactStore, clock: Passing, done: Event) -> int:
    """Collect with a rule that keeps as little as can be; return how much went."""
    removed, mine = 0, ArtifactStore(store.port, now=clock)
    while not done.is_set():
        removed += len(mine.collect_dataset("cdnow", Retention(last=1, days=0), dry_run=False).manifests)
        removed += len(mine.delete_orphaned_artifacts("cdnow", dry_run=False)[0])
    return removed


def pass_time(clock: Passing, done: Event) -> None:
    draw = random.Random(0)
    while not done.is_set():
        clock.turn(hours=draw.choice([1, 6, 20]))
        time.sleep(0.002)


def write_and_collect(url: str, seconds: float) -> tuple[int, int]:
    """Let four writers and two collectors work; return how many steps were committed and how much was removed."""
    clock, done = Passing(), Event()
    store = ArtifactStore.open(url, now=clock)
    writers = [Writer(store, clock, seed) for seed in range(4)]
    with ThreadPoolExecutor(7) as pool:
        working = [pool.submit(writer.work, done) for writer in writers]
        collecting = [pool.submit(collect, store, clock, done) for _ in range(2)]
        passing = pool.submit(pass_time, clock, done)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and not any(task.done() for task in (*working, *collecting, passing)):
            time.sleep(0.05)
        done.set()
        for task in working:
            task.result()
        passing.result()
        removed = sum(task.result() for task in collecting)
    assert StoreWorld(store, clock).dangling() == []
    return sum(writer.committed for writer in writers), removed


def places(tmp_path: Path) -> dict[str, Callable[[], str]]:
    return {"file": lambda: str(tmp_path / "store"), "memory": lambda: f"memory://{uuid4().hex}"}


@pytest.mark.parametrize("backend", ["file", "memory"])
def test_writers_and_collectors_together_leave_nothing_dangling(tmp_path: Path, backend: str) -> None:  # T23
    committed, removed = write_and_collect(places(tmp_path)[backend](), seconds=2)
    assert committed > 5
    assert removed > 0


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["file", "memory"])
def test_a_minute_of_writers_and_collectors_leaves_nothing_dangling(tmp_path: Path, backend: str) -> None:  # §6
    committed, removed = write_and_collect(places(tmp_path)[backend](), seconds=60)
    assert committed > 100
    assert removed > 100


# The rule of retention, over histories that Hypothesis invents


@st.composite
def histories(draw: st.DrawFn) -> list[CommittedStep]:
    """Steps of two data sets, each made from some of those before it, at times in no order."""
    steps: list[CommittedStep] = []
    for number in range(draw(st.integers(0, 14))):
        dataset = draw(st.sampled_from(["cdnow", "cdnow", "census"]))
        asset = draw(st.sampled_from(ASSETS))
        created_at = START - timedelta(days=draw(st.integers(0, 12)))
        named = draw(st.sets(st.sampled_from(steps), max_size=2)) if steps else set()
        steps.append(
            CommittedStep(
                path=f"runs/{dataset}/r/p/{number}/manifest.yaml",
                dataset=dataset,
                pipeline_id=draw(st.sampled_from("pq")),
                run="r",
                run_id="r",
                step_name=asset,
                asset=asset,
                created_at=created_at,
                touched_at=created_at + timedelta(days=draw(st.sampled_from([0, 0, 0, 30]))),
                blobs=_HashableDict(),
                n_references=0,
                referenced_bytes=0,
                sources=frozenset(step.path for step in named),
            )
        )
    return steps


class _HashableDict(dict[str, int]):
    def __hash__(self) -> int:  # type: ignore[override]
        return 0


def going(steps: list[CommittedStep], retention: Retention, refs: set[str]) -> list[str]:
    expired = expired_steps(
        "cdnow", steps, retention=retention, named_by_refs=refs, now=START, touched_before=START - GRACE
    )
    return [step.path for step in expired]


keeps = st.builds(lambda last, days: Retention(last=last, days=days), st.integers(1, 4), st.integers(0, 8))


@given(steps=histories(), retention=keeps, data=st.data())
def test_what_goes_is_old_unnamed_beyond_the_last_and_nothing_kept_was_made_from_it(
    steps: list[CommittedStep], retention: Retention, data: st.DataObject
) -> None:  # T23
    by_path = {step.path: step for step in steps}
    refs = data.draw(st.sets(st.sampled_from(sorted(by_path)), max_size=2)) if steps else set()
    expired = going(steps, retention, refs)
    kept = by_path.keys() - set(expired)
    assert not with_sources(kept, by_path) & set(expired), "a kept step was made from one that goes"
    for path in expired:
        step = by_path[path]
        assert step.dataset == "cdnow"
        assert path not in refs
        assert START - step.touched_at >= GRACE
        group = [
            it
            for it in steps
            if (it.dataset, it.pipeline_id, it.step_name) == (step.dataset, step.pipeline_id, step.step_name)
        ]
        newer = sum((it.created_at, it.path) > (step.created_at, path) for it in group)
        if step.asset == "raw_tables":
            assert newer >= min(retention.last, 2)
        else:
            assert newer >= retention.last
            assert START - step.created_at >= timedelta(days=retention.days)


@given(steps=histories(), retention=keeps)
def test_what_stays_has_a_reason(steps: list[CommittedStep], retention: Retention) -> None:  # T23
    by_path = {step.path: step for step in steps}
    kept = by_path.keys() - set(going(steps, retention, set()))
    for path in kept:
        step = by_path[path]
        group = [
            it
            for it in steps
            if (it.dataset, it.pipeline_id, it.step_name) == (step.dataset, step.pipeline_id, step.step_name)
        ]
        newer = sum((it.created_at, it.path) > (step.created_at, path) for it in group)
        large = step.asset == "raw_tables"
        assert (
            step.dataset != "cdnow"
            or newer < (min(2, retention.last) if large else retention.last)
            or (not large and START - step.created_at < timedelta(days=retention.days))
            or START - step.touched_at < GRACE
            or any(path in by_path[other].sources for other in kept)
        )


@given(steps=histories(), retention=keeps, seed=st.randoms())
def test_the_order_of_removal_puts_what_was_made_from_a_step_before_it(
    steps: list[CommittedStep], retention: Retention, seed: random.Random
) -> None:  # T21
    expired = going(steps, retention, set())
    place = {path: number for number, path in enumerate(expired)}
    by_path = {step.path: step for step in steps}
    for path in expired:
        assert all(place[path] < place[source] for source in by_path[path].sources if source in place)
    shuffled = list(steps)
    seed.shuffle(shuffled)
    assert set(going(shuffled, retention, set())) == set(expired), "the order of reading does not count"


@given(steps=histories(), retention=keeps, last=st.integers(0, 3), days=st.integers(0, 5))
def test_keeping_more_never_removes_more(
    steps: list[CommittedStep], retention: Retention, last: int, days: int
) -> None:  # T23
    more = Retention(last=retention.last + last, days=retention.days + days)
    assert set(going(steps, more, set())) <= set(going(steps, retention, set()))
