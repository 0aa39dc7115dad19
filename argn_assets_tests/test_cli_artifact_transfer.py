"""`argn artifacts export` and `import`: from one store to another by a file."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from argn_assets.cli import main
from argn_assets.store import ArtifactStore
from argn_assets_tests.conformance.backend import new_registry
from argn_assets_tests.test_store_registry import register
from argn_assets_tests.test_store_transfer import MODEL, everything, train


def argn(*arguments: str) -> Result:
    return CliRunner().invoke(main, ["artifacts", *arguments])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ARGN_STORE", str(tmp_path / "here"))
    monkeypatch.chdir(tmp_path)
    train(ArtifactStore.open(str(tmp_path / "here")))
    return tmp_path


def test_an_artifact_goes_into_a_file_and_comes_out_in_another_store(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:  # T14
    done = argn("export", MODEL, "--to", "model.tar")
    assert (done.exit_code, f"Wrote {MODEL} of cdnow to model.tar" in done.output) == (0, True)
    monkeypatch.setenv("ARGN_STORE", str(folder / "there"))
    for _ in range(2):
        done = argn("import", "model.tar")
        assert (done.exit_code, f"Imported {MODEL}" in done.output) == (0, True)
    assert argn("export", MODEL, "--to", "again.tar").exit_code == 0
    assert (folder / "again.tar").read_bytes() == (folder / "model.tar").read_bytes()
    assert sorted(path.name for path in folder.iterdir()) == ["again.tar", "here", "model.tar", "there"]


def test_the_run_and_the_data_set_can_be_named(folder: Path) -> None:
    store = ArtifactStore.open(str(folder / "here"))
    other = new_registry(store, dataset="other")
    register(other, 3)
    store.refs("other").move("trained_artifact", {"manifest": other.commit(3, name="trained_artifact").path})
    done = argn("export", MODEL, "--to", "model.tar")
    assert (done.exit_code, "several data sets. Name one with --dataset: cdnow, other" in done.stderr) == (1, True)
    assert argn("export", MODEL, "--dataset", "other", "--run", "20260301_5f1c9a3e", "--to", "a.tar").exit_code == 0


def test_what_is_not_there_is_said_and_no_file_is_left(folder: Path) -> None:
    done = argn("export", "cdnow:9:all", "--to", "model.tar")
    assert (done.exit_code, "is not in what is published in" in done.stderr) == (1, True)
    done = argn("export", MODEL, "--run", "6a", "--to", "model.tar")
    assert (done.exit_code, "is not in run 6a in" in done.stderr) == (1, True)
    done = argn("export", MODEL, "--to", "nowhere/model.tar")
    assert (done.exit_code, "nowhere/model.tar cannot be written" in done.stderr) == (1, True)
    assert [path.name for path in folder.iterdir()] == ["here"]


def test_a_conflict_says_the_way_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    argn("export", MODEL, "--to", "model.tar")
    monkeypatch.setenv("ARGN_STORE", str(folder / "there"))
    there = ArtifactStore.open(str(folder / "there"))
    train(there, b"other", run="6a000000")
    before = everything(there)
    done = argn("import", "model.tar")
    assert (done.exit_code, "--move-ref" in done.stderr) == (1, True)
    assert everything(there) == before
    assert argn("import", "model.tar", "--move-ref").exit_code == 0


def test_a_file_that_is_no_export_is_refused(folder: Path) -> None:
    (folder / "x.tar").write_bytes(b"no tar" * 500)
    done = argn("import", "x.tar")
    assert (done.exit_code, "not a tar" in done.stderr) == (1, True)
