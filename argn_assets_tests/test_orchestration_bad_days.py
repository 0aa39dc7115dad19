"""Bad days: what fails says why, the other data sets go on, and the last good tables stay current."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
import pytest

from argn_assets.orchestration.progress import StageNews, listening
from argn_assets.store import ArtifactStore
from argn_assets_tests.dagster_world import LIGHT, csv_rows, declaration, definitions, failure, world
from argn_assets_tests.test_store_faults import mounted, needs_mount

__all__ = ["world"]

ROOT = Path(__file__).parent.parent
FAMILY = """
dataset: family
tables:
  parents: {source: parents.csv, primary_key: id}
  children: {source: children.csv, context: {table: parents, key: parent}}
"""


def current(world, dataset: str) -> dict[str, str]:
    """Return the digest of what readers without Dagster find; each is loaded, so each is whole."""
    store = ArtifactStore.open(str(world.root / "store"), create=False)
    found = {}
    for asset in LIGHT:
        value = store.refs(dataset).read(asset).value
        manifest = store.read_manifest(value["manifest"])
        assert all(store.blobs.read(dataset, it.path, it.content_hash) is not None for it in manifest.items)
        found[asset] = value["data_version"]
    return found


@contextmanager
def when(stage: str, happens: Callable[[], object]):
    """Let something happen in the moment in which a stage begins."""

    def hear(news: StageNews) -> None:
        if (news.asset, news.state) == (stage, "started"):
            happens()

    with listening(hear):
        yield


def fails(world, dataset: str, *expected: str, stage: str = "raw_tables") -> None:
    """Run a data set; assert that it fails with all of these in its one message, and that its neighbour does not."""
    step, message = failure(world.run(dataset))
    assert step == stage, message
    for part in expected or [dataset]:
        assert part in message
    world.declare("neighbour")
    assert world.run("neighbour").success


@pytest.fixture
def good(world):
    """A data set `tiny` that went well once; at the end it is still what it was then."""
    world.declare("tiny")
    assert world.run("tiny").success
    before = current(world, "tiny")
    yield world
    assert current(world, "tiny") == before


def test_a_file_that_breaks_while_the_daemon_runs_is_named_by_sensor_and_run(good):
    (good.catalogue / "tiny.yaml").write_text("dataset: tiny\ntables: [")
    (good.catalogue / "fresh.yaml").write_text(declaration("fresh", source="tiny.csv"))
    resources = definitions().resources
    with dg.build_sensor_context(instance=good.instance, resources={"catalogue": resources["catalogue"]}) as context:
        tick = definitions().resolve_sensor_def("catalogue_sync").evaluate_tick(context)
    assert [request.partition_keys for request in tick.dynamic_partitions_requests] == [["fresh"]]
    assert "tiny.yaml" in tick.skip_message
    assert good.instance.get_dynamic_partitions("dataset") == ["tiny"]  # a broken file removes nothing
    fails(good, "tiny", "tiny.yaml", "line")


def test_a_source_that_disappears_is_named(good):
    (good.catalogue / "tiny.csv").unlink()
    fails(good, "tiny", "SourceError", "tiny.csv")


def test_a_source_that_loses_its_key_is_refused_with_the_columns_it_has(good):
    (good.catalogue / "tiny.csv").write_text(csv_rows().replace("id,size,kind", "number,size,kind"))
    fails(good, "tiny", "'id'", "number, size, kind")


def test_a_source_whose_rows_stop_halfway_is_refused_with_the_line(good):
    (good.catalogue / "tiny.csv").write_text(csv_rows() + "r999,3\n")
    fails(good, "tiny", "tiny.csv", "line")


def test_a_parent_without_the_keys_of_its_children_is_refused_with_their_number(world):
    world.declare("family", yaml=FAMILY)
    (world.catalogue / "parents.csv").write_text("id,size\n" + "".join(f"p{row},{row}\n" for row in range(40)))
    children = "parent,step\n" + "".join(f"p{row},{row}\n" for row in range(40))
    (world.catalogue / "children.csv").write_text(children)
    assert world.run("family").success
    before = current(world, "family")
    (world.catalogue / "children.csv").write_text(children + "secret77,1\nsecret78,2\n")
    fails(world, "family", "children", "parents", "2")
    assert "secret77" not in failure(world.run("family"))[1]
    assert current(world, "family") == before


def test_a_partition_without_a_file_says_where_the_file_should_be(good):
    good.instance.add_dynamic_partitions("dataset", ["stranger"])
    fails(good, "stranger", f"{good.catalogue}/stranger.yaml", "remove the partition")


@pytest.mark.parametrize("stage", ["raw_tables", "table_stats"], ids=["before-writing", "before-reading"])
@pytest.mark.parametrize("left", ["empty", "a file"])
def test_a_store_that_goes_away_in_the_middle_is_named_and_a_retry_goes_on(good, stage, left):
    store, away = good.root / "store", good.root / "away"

    def go_away() -> None:
        store.rename(away)
        store.mkdir() if left == "empty" else store.write_text("not a folder")

    try:
        (good.catalogue / "tiny.csv").write_text(csv_rows(seed=7))
        with when(stage, go_away):
            step, message = failure(good.run("tiny"))
    finally:
        shutil.rmtree(store) if left == "empty" else store.unlink()
        away.rename(store)
    assert step == stage
    assert message.startswith("StoreUnavailable: ")
    assert str(store) in message
    assert "force" not in message
    (good.catalogue / "tiny.csv").write_text(csv_rows())
    assert good.run("tiny").success


def test_a_full_disk_is_named_and_nothing_half_written_becomes_current(world):
    needs_mount()
    with mounted(world.root / "store", "-o", "size=2m") as disk:
        world.declare("tiny")
        assert world.run("tiny").success
        before = current(world, "tiny")

        def fill() -> None:
            (disk / "filler").write_bytes(bytes(shutil.disk_usage(disk).free))

        (world.catalogue / "tiny.csv").write_text(csv_rows(rows=2000, seed=7))
        with when("raw_tables", fill):
            step, message = failure(world.run("tiny"))
        assert step == "raw_tables"
        assert "No space left on device" in message
        assert "StoreUnavailable" in message
        assert current(world, "tiny") == before
        (disk / "filler").unlink()
        assert world.run("tiny").success
        assert current(world, "tiny") != before


@pytest.mark.slow
def test_two_runs_of_one_data_set_at_once_both_end_well_with_one_result(tmp_path, monkeypatch):
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "tiny.csv").write_text(csv_rows())
    (tmp_path / "datasets" / "tiny.yaml").write_text(declaration("tiny"))
    argn = str(Path(sys.executable).with_name("argn"))
    assert subprocess.run([argn, "datasets", "sync"], cwd=tmp_path, capture_output=True, check=False).returncode == 0
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("ARGN_", "DAGSTER_"))}
    runs = [
        subprocess.Popen([argn, "backfill", "tiny"], cwd=tmp_path, env=plain, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    ended = [(run.communicate(timeout=300)[1], run.returncode) for run in runs]
    assert [code for _, code in ended] == [0, 0], ended
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        stored = instance.fetch_materializations(dg.AssetKey("synthetic_tables"), limit=10).records
        assert len({record.asset_materialization.metadata["digest"].value for record in stored}) == 1
