"""Tables leave the store: by the reading door, as files, as tables of a database; only what passed its checks (O17)."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path

import dagster as dg
import polars as pl
import pytest

import argn_assets
from argn_assets.datasets import DatasetSpec
from argn_assets.errors import ConfigError, MissingArtifact
from argn_assets.orchestration.partitions import DATASETS
from argn_assets.orchestration.release import copy_check
from argn_assets_tests.dagster_world import CHAIN, csv_rows, declaration, failure, told, world

__all__ = ["world"]

ALL = (*CHAIN, "exported_tables")
ONLY_EXPORT = ("exported_tables",)


def declare(world, **fields: str) -> None:
    (world.catalogue / "tiny.yaml").write_text(declaration("tiny", **fields))


@pytest.fixture(scope="module")
def _made(tmp_path_factory):
    """A world whose chain was run once, for the tests that look at what is there afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("export")
        patch.setenv("ARGN_STORE", str(root / "store"))
        patch.setenv("ARGN_DATASETS", str(root / "datasets"))
        from argn_assets_tests.dagster_world import World

        with dg.DagsterInstance.ephemeral(tempdir=str(root / "dagster")) as instance:
            made = World(root, instance)
            made.declare("tiny")
            assert made.run("tiny", ALL).success
            yield made


@pytest.fixture
def made(_made, monkeypatch):
    monkeypatch.setenv("ARGN_STORE", str(_made.root / "store"))
    monkeypatch.setenv("ARGN_DATASETS", str(_made.catalogue))
    declare(_made)
    return _made


def test_the_reading_door_gives_the_current_table(made):  # O17
    table = argn_assets.read_table("tiny", "tiny")
    assert table.columns == ["id", "size", "kind"]
    assert table.equals(argn_assets.read_table("tiny", store=str(made.root / "store")))


def test_the_reading_door_says_what_there_is(made, monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"no table 'tinny'. Did you mean 'tiny'"):
        argn_assets.read_table("tiny", "tinny")
    with pytest.raises(MissingArtifact, match=r"'other' has no synthetic_tables.*argn backfill other"):
        argn_assets.read_table("other")
    monkeypatch.setenv("ARGN_STORE", str(tmp_path / "nowhere"))
    with pytest.raises(MissingArtifact, match="no artifact store"):
        argn_assets.read_table("tiny")


def test_the_reading_door_costs_nothing_before_it_is_opened():
    code = "import sys, argn_assets; print(len([name for name in sys.modules if name.startswith('argn_assets')]))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "1"


def test_assets_of_another_code_location_depend_on_the_tables_and_read_them(made):  # O17
    @dg.asset(deps=["synthetic_tables"], partitions_def=DATASETS)
    def rows_of_table(context) -> int:
        return argn_assets.read_table(context.partition_key).height

    other = dg.Definitions(assets=[rows_of_table, dg.AssetSpec("synthetic_tables", partitions_def=DATASETS)])
    result = other.resolve_implicit_global_asset_job_def().execute_in_process(
        instance=made.instance, partition_key="tiny", asset_selection=[dg.AssetKey("rows_of_table")]
    )
    assert result.output_for_node("rows_of_table") == 240


def test_without_export_nothing_is_written_and_nothing_fails(made):
    result = made.run("tiny", ONLY_EXPORT)
    assert result.success
    assert told(result) == {}


@pytest.mark.parametrize("form", ["parquet", "csv"])
def test_tables_are_exported_as_files_beside_the_declaration(made, form):  # O17
    declare(made, export=f"{{to: ../out, format: {form}}}")
    result = made.run("tiny", ONLY_EXPORT)
    assert result.success
    place = made.root / "out" / f"tiny.{form}"
    assert told(result)["exported_tables"]["path/tiny"] == str(place)
    written = pl.read_parquet(place) if form == "parquet" else pl.read_csv(place)
    assert written["size"].to_list() == argn_assets.read_table("tiny")["size"].to_list()
    assert [it.name for it in place.parent.iterdir() if it.name.startswith(".")] == [], "no half-written file is left"


def test_no_file_is_replaced_where_one_of_them_cannot_be(world):  # O17
    world.declare("tiny")
    (world.catalogue / "tiny.yaml").write_text(
        "dataset: tiny\ntables: {one: {source: tiny.csv}, two: {source: tiny.csv}}\n"
        "generator: {model_size: S, max_epochs: 1}\nexport: {to: ../out, format: csv}\n"
    )
    made = world.run("tiny", ALL)
    assert made.success
    out = world.root / "out"
    assert sorted(file.name for file in out.iterdir()) == ["one.csv", "two.csv"]
    (out / "one.csv").write_text("of an earlier export")
    Path(str(told(made)["synthetic_tables"]["path/two"])).unlink()
    assert not world.run("tiny", ONLY_EXPORT).success
    assert (out / "one.csv").read_text() == "of an earlier export"
    assert sorted(file.name for file in out.iterdir()) == ["one.csv", "two.csv"]


def test_a_single_table_may_have_a_file_of_its_own_on_any_file_system(made):  # O17
    import fsspec

    declare(made, export="{to: 'memory://exports/of-tiny.csv', format: csv}")
    assert made.run("tiny", ONLY_EXPORT).success
    assert fsspec.filesystem("memory").cat("/exports/of-tiny.csv").startswith(b"id,size,kind\n")


def test_a_source_is_never_replaced(made):
    declare(made, export="{to: ., format: csv}")
    _, message = failure(made.run("tiny", ONLY_EXPORT))
    assert "would replace" in message
    assert (made.catalogue / "tiny.csv").read_text() == csv_rows()


def test_a_database_table_is_replaced_in_one_and_says_what_it_is(made, monkeypatch):  # O17
    file = made.root / "out.db"
    monkeypatch.setenv("REPORTING_DATABASE", f"sqlite:///{file}")
    declare(made, export="{to: {connection: REPORTING_DATABASE, table: 'synthetic_{table}'}}")
    for _ in range(2):
        result = made.run("tiny", ONLY_EXPORT)
        assert result.success, failure(result)
    with sqlite3.connect(file) as database:
        rows = database.execute("select id, size, kind from synthetic_tiny").fetchall()
        listed = database.execute("select table_name, digest from argn_exports").fetchall()
    assert rows == argn_assets.read_table("tiny").rows()
    assert listed == [("synthetic_tiny", told(result)["exported_tables"]["digest"])]


def test_a_table_that_no_export_wrote_is_left_as_it_is(made, monkeypatch):
    file = made.root / "own.db"
    with sqlite3.connect(file) as database:
        database.execute("create table tiny (precious text)")
    monkeypatch.setenv("OWN_DATABASE", f"sqlite:///{file}")
    declare(made, export="{to: {connection: OWN_DATABASE}}")
    _, message = failure(made.run("tiny", ONLY_EXPORT))
    assert "no export wrote" in message
    with sqlite3.connect(file) as database:
        assert database.execute("select name from sqlite_master").fetchall() == [("tiny",)]


def test_a_database_sees_the_old_rows_when_an_export_fails_in_the_middle(made, monkeypatch):  # O17
    from argn_assets.errors import StoreUnavailable
    from argn_assets.orchestration.export_sql import replace_tables

    file = made.root / "half.db"
    monkeypatch.setenv("HALF_DATABASE", f"sqlite:///{file}")
    replace_tables("HALF_DATABASE", {"a": pl.DataFrame({"x": [1]}), "b": pl.DataFrame({"x": [1]})}, digest="one")
    bad = pl.DataFrame({"x": [{"no": "value of a database"}]})
    with pytest.raises(StoreUnavailable, match="HALF_DATABASE"):
        replace_tables("HALF_DATABASE", {"a": pl.DataFrame({"y": ["new"]}), "b": bad}, digest="two")
    with sqlite3.connect(file) as database:
        assert database.execute("select x from a").fetchall() == [(1,)]
        assert database.execute("select distinct digest from argn_exports").fetchall() == [("one",)]


def test_what_misses_its_floor_is_not_exported(made):  # O20
    declare(made, export="{to: ../blocked}", floors="{fidelity: 1.0}")
    step, message = failure(made.run("tiny", ONLY_EXPORT))
    assert step == "exported_tables"
    assert "below the floor of 1.0" in message
    assert not (made.root / "blocked").exists()


def test_a_report_about_other_tables_lets_nothing_out(world):  # O20
    world.declare("tiny", yaml=declaration("tiny", export="{to: ../out}"))
    assert world.run("tiny", ALL).success
    assert world.run("tiny", ["synthetic_tables"], config={"synthetic_tables": {"seed": 9}}).success
    _, message = failure(world.run("tiny", ONLY_EXPORT))
    assert "Materialise quality_report first" in message


def spec(copy_rate: float | None = 0.01) -> DatasetSpec:
    return DatasetSpec.model_validate(
        {"dataset": "t", "tables": {"t": {"source": "t.csv"}}, "floors": {"copy_rate": copy_rate}}
    )


@pytest.mark.parametrize(
    ("rate", "held", "n_held", "passes"),
    [
        (0.0, 0.0, 500, True),
        (0.02, 0.0, 500, False),
        (0.9, 0.9, 500, True),
        (0.99, 0.9, 500, False),
        (0.05, 0, 40, True),
        (0.02, None, 0, False),
    ],
)
def test_copies_count_beyond_what_chance_explains(rate, held, n_held, passes):  # O20
    figures = {"copy_rate": rate, "rows_holdout": float(n_held)}
    figures |= {} if held is None else {"copy_rate_holdout": held}
    outcome = copy_check(spec(), {"t": figures})
    assert outcome.passed == passes
    assert copy_check(spec(None), {"t": figures}).passed
    assert passes or ("'t'" in outcome.description and "0.01" in outcome.description)


def test_a_report_tells_of_copies(made):  # O20
    result = made.run("tiny", ["quality_report"])
    (found,) = [it for it in result.get_asset_check_evaluations() if it.check_name == "copy_rate"]
    assert found.passed
    assert 0 <= found.metadata["copy_rate/tiny"].value <= 1
