"""`argn backfill`: the whole chain of several data sets, twice, as a person would run it."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from argn_assets.orchestration.backfill import DatasetOutcome, run_chain
from argn_assets.orchestration.progress import StageNews
from argn_assets.orchestration.terminal import shown_place
from argn_assets_tests.dagster_world import CHAIN, caches, csv_rows, declaration, definitions, told, versions, world

__all__ = ["world"]

ROOT = Path(__file__).parent.parent
HEAVY = ("torch", "ray", "pandas", "polars", "pyarrow", "numpy", "sklearn", "matplotlib")
ENTER = (
    "import sys\n"
    "from argn_assets.cli import main\n"
    "try:\n    main(sys.argv[1:], prog_name='argn')\n"
    f"finally:\n    print('heavy', [name for name in {HEAVY} if name in sys.modules])\n"
)


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A project with one good data set, one with a broken source, one with a broken file; its chain was run once."""
    root = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "dagster.yaml", root)
    folder = root / "datasets"
    folder.mkdir()
    (folder / "broken.yaml").write_text(declaration("broken", source="nowhere.csv"))
    (folder / "tiny.csv").write_text(csv_rows())
    (folder / "tiny.yaml").write_text(declaration("tiny"))
    (folder / "wrong.yaml").write_text("dataset: wrong\ntables: {wrong: {source: tiny.csv}}\nepochs: 3\n")
    return root, argn(root, "backfill", "--all")


def argn(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", ENTER, *words], cwd=root, capture_output=True, text=True, check=False, timeout=300
    )


def test_a_failing_data_set_does_not_stop_the_others_and_the_exit_code_says_so(project):  # O35
    _, first = project
    assert first.returncode == 1, first.stderr
    assert "trained now" in first.stdout
    lines = first.stderr.strip().splitlines()
    assert sum(line.startswith("broken failed: ") and "nowhere.csv" in line for line in lines) == 1
    assert sum(line.startswith("wrong failed: ") and "epochs" in line for line in lines) == 1
    assert "Traceback" not in first.stderr


def test_the_table_names_files_that_are_there(project):
    root, first = project
    places = [root / line.split()[-1] for line in first.stdout.splitlines() if line.startswith("tiny  ")]
    assert [place.suffix for place in places] == [".parquet", ".html"]
    assert all(place.is_file() for place in places)


def test_a_second_run_computes_nothing_and_imports_nothing_heavy(project):  # O11
    root, _ = project
    again = argn(root, "backfill", "tiny")
    assert again.returncode == 0, again.stderr
    assert "unchanged, from the cache" in again.stdout
    assert again.stdout.count("nothing changed") + again.stdout.count("cached") == len(CHAIN)
    assert "heavy []" in again.stdout


def test_the_runs_are_in_the_projects_own_instance(project, monkeypatch):  # O40
    root, _ = project
    monkeypatch.chdir(root)
    with dg.DagsterInstance.from_config(str(root)) as instance:
        assert instance.get_dynamic_partitions("dataset") == ["broken", "tiny"]
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/partition": "tiny"}))
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        assert {run.tags["argn/trigger"] for run in runs} == {"argn-backfill"}


def test_sync_adds_partitions_and_reports_broken_files(project):  # O2
    root, _ = project
    synced = argn(root, "datasets", "sync")
    assert synced.returncode == 1
    assert "2 data sets declared, 0 new." in synced.stdout
    assert "wrong.yaml" in synced.stderr


def test_sync_makes_all_of_dagsters_state_so_that_webserver_and_daemon_may_begin_together(tmp_path):  # O40
    shutil.copy(ROOT / "dagster.yaml", tmp_path)
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "wrong.yaml").write_text("epochs: 3\n")
    assert argn(tmp_path, "datasets", "sync").returncode == 1  # and `make ui` goes on
    made = list((tmp_path / ".argn" / "dagster").rglob("*.db"))
    assert {path.name for path in made} == {"runs.db", "index.db", "schedules.db"}
    for path in made:
        with sqlite3.connect(path) as database:
            assert database.execute("select count(*) from alembic_version").fetchone() == (1,), path
    syncs = [line for line in (ROOT / "Makefile").read_text().splitlines() if "argn datasets sync" in line]
    assert syncs == ["\t$(BIN)/argn datasets sync || true"]


def test_only_what_failed_is_run_again(project):  # O35
    root, _ = project
    again = argn(root, "backfill", "--failed")
    assert again.returncode == 1
    assert "broken failed: " in again.stderr
    assert not any(line.split()[:1] == ["tiny"] for line in again.stdout.splitlines())


def test_data_sets_are_chosen_by_tag(project):  # O35
    root, _ = project
    (root / "datasets" / "gold.csv").write_text("id,size,kind\n")
    (root / "datasets" / "gold.yaml").write_text(declaration("gold", tags="{tier: gold}"))
    chosen = argn(root, "backfill", "--tag", "tier=gold")
    (root / "datasets" / "gold.yaml").unlink()
    assert [line.split()[0] for line in chosen.stderr.strip().splitlines()] == ["gold"]
    nothing = argn(root, "backfill", "--tag", "tier=silver")
    assert (nothing.returncode, "No data set" in nothing.stdout) == (0, True)
    assert "name=value" in argn(root, "backfill", "--tag", "gold").stderr


@pytest.mark.parametrize("words", [(), ("tiny", "--all"), ("--failed", "--tag", "a=b")])
def test_names_or_all_but_not_both(project, words):
    root, _ = project
    refused = argn(root, "backfill", *words)
    assert refused.returncode == 2
    assert "--all" in refused.stderr


def test_an_undeclared_name_is_refused_before_anything_runs(project):
    root, _ = project
    refused = argn(root, "backfill", "tiny", "tinny")
    assert refused.returncode == 1
    assert "'tinny'" in refused.stderr
    assert "cached" not in refused.stdout


def test_the_chain_ends_with_figures_and_places_and_every_stage_is_heard(world):
    world.declare("tiny")
    heard: list[StageNews] = []
    (first,) = run_chain(definitions(), world.instance, ["tiny"], listener=heard.append)
    assert first.error is None
    assert first.rows == 240
    assert first.trained_now
    assert 0 <= first.fidelity <= 1
    assert set(first.places) == {"tiny", "report"}
    assert [news.asset for news in heard if news.state == "done"] == list(CHAIN)
    assert any(news.state == "running" and "epoch" in news.text for news in heard)
    (second,) = run_chain(definitions(), world.instance, ["tiny"])
    assert (second.trained_now, second.training_seconds, second.fidelity) == (
        False,
        first.training_seconds,
        first.fidelity,
    )


def test_the_whole_chain_is_described_and_its_second_run_is_all_hits(world):  # O11, O12, O13, O20
    world.declare("tiny")
    first, second = world.run("tiny", CHAIN), world.run("tiny", CHAIN)
    assert first.success
    assert set(caches(second).values()) == {"hit"}
    assert versions(first) == versions(second)
    metadata = told(first)
    for asset in CHAIN:
        assert {"dagster/uri", "dagster/size_bytes", "digest", "manifest", "cache"} <= set(metadata[asset]), asset
    assert "data:image/svg+xml" in metadata["trained_artifact"]["loss_curve/tiny"]
    assert "preview/tiny" in metadata["synthetic_tables"]
    assert not any("preview" in key for asset in CHAIN if asset != "synthetic_tables" for key in metadata[asset])
    assert {"fidelity", "path/report"} <= set(metadata["quality_report"])
    checks = {(it.asset_key.path[-1], it.check_name) for it in second.get_asset_check_evaluations() if it.passed}
    assert checks >= {
        ("trained_artifact", "finite_loss"),
        ("trained_artifact", "loads"),
        ("synthetic_tables", "schema"),
    }


def test_the_assets_make_what_the_plain_calls_make(world):
    import polars as pl

    from argn_assets.datasets import Catalogue
    from argn_assets.pipeline import synthesize

    world.declare("tiny")
    place = told(world.run("tiny", CHAIN))["synthetic_tables"]["path/tiny"]
    plain = synthesize(Catalogue(str(world.catalogue)).get("tiny"))["tiny"]
    assert pl.read_parquet(place).equals(plain.synthetic)


def test_launchpad_settings_make_another_result_and_are_remembered_too(world):  # O14
    world.declare("tiny")
    world.run("tiny", CHAIN)
    config = {"synthetic_tables": {"rows": 17, "seed": 5}}
    more = world.run("tiny", ["synthetic_tables"], config)
    assert told(more)["synthetic_tables"]["dagster/row_count"] == 17
    assert caches(world.run("tiny", ["synthetic_tables"], config)) == {"synthetic_tables": "hit"}


def test_places_below_the_working_folder_are_shown_relative(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shown_place(str(tmp_path / ".argn" / "a.html")) == ".argn/a.html"
    assert shown_place("/elsewhere/a.html") == "/elsewhere/a.html"
    assert shown_place("s3://bucket/a.html") == "s3://bucket/a.html"


def test_the_display_shows_every_data_set_with_its_stage_and_its_epoch():
    from io import StringIO

    from rich.console import Console

    from argn_assets.orchestration.terminal import Display

    drawn = StringIO()
    with Display(["a", "b"], console=Console(file=drawn, force_terminal=True, width=120)) as display:
        display.hear(StageNews(dataset="a", asset="trained_artifact", state="started"))
        display.hear(StageNews(dataset="a", asset="trained_artifact", state="running", text="epoch 3"))
        display.hear(StageNews(dataset="b", asset="raw_tables", state="failed", text="no such file"))
    for part in ("trained_artifact", "epoch 3", "no such file", "✗"):
        assert part in drawn.getvalue()


def test_an_outcome_without_figures_is_a_failure_that_can_still_be_shown(capsys):
    from rich.console import Console

    from argn_assets.orchestration.terminal import show_outcomes

    show_outcomes([DatasetOutcome(dataset="gone", error="why")], console=Console(width=100))
    printed = capsys.readouterr()
    assert "gone" in printed.out
    assert printed.err == "gone failed: why\n"
