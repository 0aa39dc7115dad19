"""`argn artifacts …` over what real stages stored: what it prints, what it removes, and its exit codes (§5)."""

from __future__ import annotations

import json
import os
import shutil
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from argn_assets.cli import main
from argn_assets.store import ArtifactStore
from argn_assets_tests.dagster_world import LIGHT, World, csv_rows, declaration

OLD = time.time() - 200 * 86400


def argn(*arguments: str, code: int = 0) -> Result:
    done = CliRunner().invoke(main, ["artifacts", *arguments])
    assert done.exit_code == code, done.output
    return done


def shown(*arguments: str, code: int = 0) -> Any:
    return json.loads(argn(*arguments, "--json", code=code).stdout)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a catalogue and the store that two runs of the first three stages filled."""
    root = tmp_path_factory.mktemp("artifacts")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ARGN_STORE", str(root / "store"))
        patch.setenv("ARGN_DATASETS", str(root / "datasets"))
        with dg.DagsterInstance.ephemeral(tempdir=str(root / "dagster")) as instance:
            world = World(root, instance)
            for seed in (0, 1):
                world.declare("people", csv=csv_rows(seed=seed), yaml=declaration("people", keep="{last: 1, days: 0}"))
                assert world.run("people", LIGHT).success
            world.declare("places")
            assert world.run("places", LIGHT[:1]).success
    return root


@pytest.fixture
def root(template: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the folder of its own, where the environment points to."""
    shutil.copytree(template, tmp_path / "project")
    monkeypatch.setenv("ARGN_STORE", str(tmp_path / "project" / "store"))
    monkeypatch.setenv("ARGN_DATASETS", str(tmp_path / "project" / "datasets"))
    monkeypatch.chdir(tmp_path / "project")
    return tmp_path / "project"


def make_old(root: Path) -> None:
    """Let all that is stored have been made long ago."""
    for file in (root / "store").rglob("*.*"):
        os.utime(file, (OLD, OLD))


def orphan(root: Path, *, old: bool = True) -> str:
    """Store a file that nothing names, as a step does that fails before its commit."""
    store = ArtifactStore.open(str(root / "store"))
    name = store.blobs.put("people", b"lost", artifact_type="model", class_name="Net", extension="bin").path
    if old:
        os.utime(root / "store" / "binaries" / "people" / name, (OLD, OLD))
    return name


def files(root: Path, folder: str) -> set[str]:
    return {str(file.relative_to(root / "store")) for file in (root / "store" / folder).rglob("*") if file.is_file()}


def test_list_orphaned_shows_what_nothing_names(root: Path) -> None:
    assert "No orphaned artifacts." in argn("list-orphaned").output
    name = orphan(root)
    young = orphan(root, old=False)
    assert name == young, "putting it again made it young"
    assert shown("list-orphaned", "--dataset", "people") == []
    assert "1 more, named by nothing yet" in argn("list-orphaned").output
    assert name in argn("list-orphaned", "--grace-hours", "0").output
    orphan_again = orphan(root)
    assert shown("list-orphaned") == [{"dataset": "people", "name": orphan_again, "bytes": 4}]
    assert name in argn("list-orphaned", "--dataset", "people").output
    assert shown("list-orphaned", "--dataset", "places") == []


def test_cleanup_is_a_dry_run_without_force_and_keeps_what_is_declared(root: Path) -> None:
    orphan(root)
    make_old(root)
    before = files(root, "runs") | files(root, "binaries")
    asked = argn("cleanup", "--dataset", "people").output
    assert "Would remove of people: 3 manifests, 4 files" in asked
    assert "Say --force" in asked
    assert files(root, "runs") | files(root, "binaries") == before
    (done,) = shown("cleanup", "--dataset", "people", "--force")
    assert (done["removed"], len(done["manifests"]), len(done["blobs"])) == (True, 3, 4)
    assert files(root, "runs") | files(root, "binaries") == before - {*done["manifests"], *done["blobs"]}
    assert argn("verify").exit_code == 0
    assert "Removed of people: 0 manifests" in argn("cleanup", "--force").output


def test_cleanup_touches_nothing_young(root: Path) -> None:
    (done,) = shown("cleanup", "--dataset", "people", "--force")
    assert done["manifests"] == done["blobs"] == []


def test_cleanup_of_what_is_declared_no_more_keeps_the_default(root: Path) -> None:
    (root / "datasets" / "people.yaml").unlink()
    make_old(root)
    assert shown("cleanup", "--dataset", "people")[0]["manifests"] == []


def test_cleanup_of_a_store_without_a_catalogue_keeps_the_default(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.rmtree(root / "datasets")
    assert "not a folder" in argn("cleanup", code=1).stderr, "the environment names one, so it should be there"
    monkeypatch.delenv("ARGN_DATASETS")
    orphan(root)
    assert [(it["dataset"], len(it["blobs"])) for it in shown("cleanup")] == [("people", 1), ("places", 0)]


def test_cleanup_stops_at_a_broken_declaration_before_anything_goes(root: Path) -> None:
    orphan(root)
    (root / "datasets" / "places.yaml").write_text("dataset: places\nkeep: {last: 0}\n")
    assert "keep.last" in argn("cleanup", "--force", code=1).stderr
    assert len(shown("list-orphaned")) == 1


def test_stats_says_totals_references_orphans_and_savings(root: Path) -> None:
    orphan(root)
    (people, places) = shown("stats")
    assert (people["dataset"], places["dataset"]) == ("people", "places")
    assert people["blobs"] == people["referenced_blobs"] + 1
    assert (people["orphaned_blobs"], people["orphaned_bytes"], people["missing_blobs"]) == (1, 4, 0)
    assert people["blob_bytes"] == people["referenced_bytes"] + 4
    assert people["references"] == 6
    text = argn("stats", "--dataset", "people").output
    for part in ("Total artifacts", "Referenced", "Orphaned               1 files, 4 bytes", "Deduplication savings"):
        assert part in text


def test_purge_takes_a_data_set_with_force_alone(root: Path) -> None:
    assert "Would remove of people: 6 manifests" in argn("purge", "--dataset", "people").output
    assert any("people" in path for path in files(root, "runs"))
    argn("purge", "--dataset", "people", "--force")
    for folder in ("runs", "binaries", "refs"):
        assert not (root / "store" / folder / "people").exists()
    assert [row["dataset"] for row in shown("ls")] == ["places"]
    assert "it has: places" in argn("purge", "--dataset", "people", code=1).stderr


def test_ls_show_and_tree_agree(root: Path) -> None:
    rows = shown("ls", "--dataset", "people")
    assert [row["asset"] for row in rows] == list(LIGHT)
    by_name = shown("show", "people", "encoded_tables")
    artifact_id = by_name["parts"][0]["artifact_id"]
    assert shown("show", artifact_id) == shown("show", "--dataset", "people", "encoded_tables") == by_name
    run = by_name["run_id"]
    assert shown("show", artifact_id, "--run", run) == by_name
    (tree,) = shown("tree", artifact_id)
    assert tree["artifact_id"] == artifact_id
    assert {source["artifact_id"] for source in tree["sources"]} == set(by_name["parts"][0]["made_from"])
    lines = argn("tree", "people", "encoded_tables").output.splitlines()
    assert lines[0].startswith(artifact_id)
    assert any(line.startswith("└─ ") for line in lines)
    assert any(line.startswith(("│  └─ ", "   └─ ")) for line in lines), "the sources of a source"
    assert "Name a data set and an asset" in argn("tree", "people", code=2).stderr


def test_ls_leaves_out_a_ref_that_publishes_nothing(root: Path) -> None:
    assets = [row["asset"] for row in shown("ls", "people")]
    ArtifactStore.open(str(root / "store")).refs("people").move("note", {"written": "by hand"})
    assert [row["asset"] for row in shown("ls", "people")] == assets


def test_tree_says_which_source_is_gone_with_exit_code_2(root: Path) -> None:
    (tree,) = shown("tree", "people", "table_stats")
    (root / "store" / tree["sources"][0]["manifest"]).unlink()
    (broken,) = shown("tree", "people", "table_stats", code=2)
    assert "not in the store" in broken["sources"][0]["problem"]
    assert "not in the store" in argn("tree", "people", "table_stats", code=2).output


def test_verify_is_quiet_about_what_is_whole(root: Path) -> None:
    reports = shown("verify")
    assert [(it["dataset"], it["damaged"], it["findings"]) for it in reports] == [
        ("people", False, []),
        ("places", False, []),
    ]
    assert "whole" in argn("verify", "--dataset", "people").output


def test_verify_of_damage_is_exit_code_2_and_quarantine_lets_a_new_result_in(root: Path) -> None:  # T24
    (part,) = shown("show", "places", "raw_tables")["parts"]
    blob = Path(part["file"].removeprefix("file://"))
    content = blob.read_bytes()
    blob.chmod(0o644)
    blob.write_bytes(content[:-1] + b"?")
    assert f"corrupt: binaries/places/{blob.name}" in argn("verify", code=2).output
    assert blob.exists()
    moved = argn("verify", "--dataset", "places", "--quarantine", code=2).output
    assert "moved binaries/places/" in moved
    assert not blob.exists()
    assert "missing" in argn("verify", "--dataset", "places", code=2).output
    assert "MISSING" in argn("stats", "--dataset", "places", code=2).output
    ArtifactStore.open(str(root / "store")).blobs.put(
        "places", content, artifact_type="table", class_name=blob.name.split("_")[1], extension="parquet"
    )
    assert "whole" in argn("verify", "--dataset", "places").output


def test_a_damaged_manifest_stops_removal_with_exit_code_2(root: Path) -> None:  # T23
    orphan(root)
    manifest = root / "store" / shown("ls", "people")[0]["manifest"]
    manifest.chmod(0o644)
    stored = files(root, "binaries")
    manifest.write_bytes(manifest.read_bytes().replace(b"raw_tables", b"raw_fables"))
    for command in (["list-orphaned"], ["cleanup", "--force"]):
        assert "reads back as" in argn(*command, code=2).stderr
    assert files(root, "binaries") == stored


def test_pins_are_set_shown_and_removed(root: Path) -> None:  # T22
    assert "No pins." in argn("pin").output
    run = shown("show", "people", "raw_tables")["run_id"]
    (pinned,) = shown("pin", "paper", "--dataset", "people", "--run", run)
    assert (pinned["pin"], len(pinned["manifests"])) == ("paper", 3)
    assert "paper" in argn("pin", "--dataset", "people").output
    make_old(root)
    argn("pin", "now", "--dataset", "places")
    assert shown("pin", "--dataset", "places")[0]["manifests"] == [shown("show", "places", "raw_tables")["manifest"]]
    artifact_id = shown("show", "people", "raw_tables")["parts"][0]["artifact_id"]
    assert len(shown("pin", "paper", "--dataset", "people", "--artifact", artifact_id)[0]["manifests"]) == 1
    argn("pin", "paper", "--dataset", "people", "--remove")
    assert shown("pin", "--dataset", "people") == []
    assert "--dataset" in argn("pin", "paper", code=2).stderr
    assert "A pin has a name" in argn("pin", "--remove", code=1).stderr
    assert "no pin 'paper'" in argn("pin", "paper", "--dataset", "people", "--remove", code=1).stderr


def test_without_data_sets_there_is_nothing_to_say(root: Path) -> None:
    for dataset in ("people", "places"):
        argn("purge", "--dataset", dataset, "--force")
    assert "Nothing is stored." in argn("stats").output
    assert "Nothing is published" in argn("ls").output
    assert argn("verify").output == ""
