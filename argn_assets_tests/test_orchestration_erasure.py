"""Erasure: nothing of a data set is left in the store, and what is left elsewhere is said (O19)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from argn_assets.orchestration.erasure import erase_dataset
from argn_assets.store import ArtifactStore
from argn_assets_tests.dagster_world import LIGHT, csv_rows, declaration, world

__all__ = ["world"]


def files_of(root: Path, name: str) -> list[Path]:
    """Return every stored file that is of a data set, by its path or its content."""
    files = [path for path in (root / "store").rglob("*") if path.is_file()]
    return [path for path in files if name in path.relative_to(root).parts or name.encode() in path.read_bytes()]


def test_nothing_of_the_data_set_is_left_in_the_store_and_nothing_else_goes(world):  # O19
    for name in ("erased", "spared"):
        world.declare(name)
        assert world.run(name, LIGHT).success
    store = ArtifactStore.open(str(world.root / "store"))
    store.training_states.put("erased", "0" * 64, "erased", b"state of erased")
    store.pin_artifacts("erased", "kept")
    spared = files_of(world.root, "spared")
    assert len(files_of(world.root, "erased")) > 10
    done = erase_dataset(store, world.instance, "erased")
    assert files_of(world.root, "erased") == []
    assert files_of(world.root, "spared") == spared
    assert len(done.gone.training_states) == 1
    assert (done.events, done.runs) == (len(LIGHT), 1)
    assert "stay 3 events of 1 runs" in str(done)
    assert world.run("spared", LIGHT).success


@pytest.fixture
def project(tmp_path):
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "tiny.csv").write_text(csv_rows())
    (tmp_path / "datasets" / "tiny.yaml").write_text(declaration("tiny"))
    (tmp_path / "dagster.yaml").write_text((Path(__file__).parent.parent / "dagster.yaml").read_text())
    return tmp_path


def argn(root: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from argn_assets.cli import main; main()", *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False, timeout=300)


def test_the_command_removes_declaration_and_artifacts_and_says_what_stays(project):  # O19, O18
    assert argn(project, "backfill", "tiny").returncode == 0
    said = argn(project, "rollback", "tiny")
    assert said.returncode == 1
    assert "no synthetic tables but the current ones" in said.stderr
    done = argn(project, "datasets", "remove", "tiny", "--purge", "--yes")
    assert done.returncode == 0, done.stderr
    assert "Deleted" in done.stdout
    assert "In Dagster's log stay" in done.stdout
    left = [path.name for path in (project / ".argn" / "store").rglob("*") if path.is_file()]
    assert sorted(left) == [".lock", "store.json"], "not even digests of its tables"
    assert (project / "datasets" / "tiny.csv").is_file(), "sources are never touched"
    again = argn(project, "datasets", "remove", "tiny", "--purge", "--yes")
    assert again.returncode == 1
    assert "tiny" in again.stderr
