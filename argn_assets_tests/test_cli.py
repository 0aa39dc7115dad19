"""The command line: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from datetime import UTC, datetime

import fsspec
import polars as pl
import pytest
from click.testing import CliRunner, Result

from argn_assets.cli import main
from argn_assets.datasets import Catalogue, read_tables
from argn_assets.engine import train_flat
from argn_assets.store import ArtifactRegistry, ArtifactStore


@pytest.fixture
def folder(tmp_path, monkeypatch):
    catalogue = tmp_path / "datasets"
    catalogue.mkdir()
    monkeypatch.setenv("ARGN_DATASETS", str(catalogue))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "users.csv").write_text("id,age,mail,since\n1,30,a@x,2013-01-01\n2,NA,b@x,2014-01-01\n")
    (catalogue / "users.yaml").write_text(
        "dataset: users\ntables: {users: {source: ../users.csv, primary_key: id, columns: {mail: {role: drop}}}}\n"
    )
    return catalogue


def argn(*arguments: str, typed: str = "") -> Result:
    return CliRunner().invoke(main, arguments, input=typed)


def test_list_shows_each_data_set_and_the_problem_it_has(folder):
    (folder / "broken.yaml").write_text("dataset: broken\n")
    done = argn("datasets", "list")
    assert done.exit_code == 0
    assert "users" in done.output
    assert "../users.csv" in done.output
    assert "broken.yaml, line 1: tables: this field is required" in done.stderr
    rows = json.loads(argn("datasets", "list", "--json").output)
    assert [(row["dataset"], row["problem"] is None) for row in rows] == [("broken", False), ("users", True)]


def test_list_says_when_tables_were_made(folder, tmp_path, monkeypatch):  # O22
    monkeypatch.setenv("ARGN_STORE", str(tmp_path / "store"))
    assert json.loads(argn("datasets", "list", "--json").output)[0]["made_at"] is None
    store = ArtifactStore.open(str(tmp_path / "store"))
    moved = store.refs("users").move("synthetic_tables", {"manifest": "runs/users/a/b/manifest.yaml"})
    (row,) = json.loads(argn("datasets", "list", "--json").output)
    assert row["made_at"] == moved.moved_at.isoformat(timespec="seconds")
    assert f"{moved.moved_at.astimezone():%Y-%m-%d %H:%M}" in argn("datasets", "list").output


def test_list_of_an_empty_catalogue_says_how_to_add(folder):
    (folder / "users.yaml").unlink()
    assert "argn datasets add" in argn("datasets", "list").output


def test_check_shows_rows_columns_types_and_encodings(folder):
    done = argn("datasets", "check")
    assert done.exit_code == 0, done.output
    for text in ("users · users: 2 rows", "left out: mail", "int64", "numeric_auto", "date", "datetime", "primary key"):
        assert text in done.output
    assert "a@x" not in done.output
    (report,) = json.loads(argn("datasets", "check", "users", "--json").output)
    (table,) = report["tables"]
    assert (table["rows"], table["dropped"]) == (2, ["mail"])
    assert [(column["column"], column["encoding"], column["nulls"]) for column in table["columns"]] == [
        ("id", None, 0),
        ("age", "numeric_auto", 1),
        ("since", "datetime", 0),
    ]


def test_check_says_why_and_what_to_look_at_without_values(folder):
    rows = "\n".join(f"user{i}@example.org,{i}.01.2024" for i in range(10, 30))
    (folder / "people.csv").write_text(f"contact,joined\n{rows}\n")
    (folder / "people.yaml").write_text("dataset: people\ntables: {people: {source: people.csv}}\n")
    done = argn("datasets", "check", "people")
    assert "'contact' looks like personal data (e-mail addresses)." in done.output
    (report,) = json.loads(argn("datasets", "check", "people", "--json").output)
    contact, joined = report["tables"][0]["columns"]
    assert "personal data" in contact["warning"]
    assert (joined["encoding"], joined["reason"]) == ("datetime", "times in text, written as %d.%m.%Y")
    assert "user11@" not in done.output


def test_check_looks_at_the_first_rows_only_when_asked(folder):
    done = argn("datasets", "check", "--rows", "1")
    assert "1 rows (at most the first 1 looked at)" in done.output
    assert "min of training" not in done.output, "how many rows there are is not known"


def test_check_estimates_rows_sub_columns_and_minutes(folder):  # O1
    rows = "\n".join(f"{n},{n % 7},{n % 3}" for n in range(20_000))
    (folder / "many.csv").write_text(f"id,size,kind\n{rows}\n")
    (folder / "keys.csv").write_text("id\n1\n2\n")

    def estimate(fields: str) -> dict[str, float]:
        (folder / "many.yaml").write_text(f"dataset: many\ntables: {{t: {fields}\n")
        (report,) = json.loads(argn("datasets", "check", "many", "--json").output)
        assert report["problem"] is None
        return report["tables"][0]

    whole = estimate("{source: many.csv, primary_key: id}}")
    assert (whole["rows"], whole["sub_columns"]) == (20_000, 2)
    assert 0 < whole["minutes"] < 5
    assert estimate("{source: many.csv}}")["sub_columns"] > 2
    assert estimate("{source: many.csv}}\ngenerator: {model_size: L}")["minutes"] > whole["minutes"]
    assert estimate("{source: many.csv}}\ngenerator: {max_training_time: 0.1}")["minutes"] == 0.1
    assert estimate("{source: keys.csv, primary_key: id}}")["sub_columns"] == 0
    assert "0 sub-columns; about 0.2 min of training" in argn("datasets", "check", "many").output


# O1
def test_check_tells_what_is_wrong_with_one_and_shows_the_others(folder):
    (folder / "broken.yaml").write_text("dataset: broken\ntables: {t: {source: nowhere.csv}}\n")
    done = argn("datasets", "check")
    assert done.exit_code == 1
    assert "nowhere.csv does not exist" in done.stderr
    assert "1 of 2 data sets cannot be used: broken" in done.stderr
    assert "users · users: 2 rows" in done.stdout
    assert "Traceback" not in done.output


def test_an_error_of_ours_is_one_message_and_exit_code_1(folder, monkeypatch):
    monkeypatch.setenv("ARGN_DATASETS", "nowhere")
    done = argn("datasets", "list")
    assert (done.exit_code, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: The catalogue nowhere is not a folder.")


def test_a_command_line_that_cannot_be_read_is_exit_code_2(folder):
    assert argn("datasets", "chek").exit_code == 2
    assert argn("datasets", "check", "--rows", "0").exit_code == 2
    assert argn("nonsense").exit_code == 2


def test_add_writes_a_declaration_that_check_accepts(folder):
    options = ["--primary-key", "id", "--drop", "mail", "--limit-rows", "1", "--max-training-time", "1"]
    done = argn("datasets", "add", "people", "--source", "users.csv", "--table", "persons", *options)
    assert done.exit_code == 0, done.output
    assert str(folder / "people.yaml") in done.output
    spec = Catalogue(str(folder)).get("people")
    persons = spec.tables["persons"]
    assert (persons.source, persons.primary_key, persons.dropped()) == ("../users.csv", "id", ("mail",))
    assert (persons.limit_rows, spec.generator.max_training_time) == (1, 1)
    assert argn("datasets", "check", "people").exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["users", "--source", "users.csv"], "declared already"),
        (["../x", "--source", "users.csv"], "cannot name a data set"),
        (["people", "--source", "user.csv"], "Did you mean 'users.csv'?"),
        (["people", "--source", "users.csv", "--primary-key", "key"], "no primary key 'key'"),
        (["people", "--source", "users.csv", "--drop", "males"], "Did you mean 'mail'?"),
    ],
)
def test_add_writes_nothing_when_something_is_wrong(folder, arguments, told):
    before = (folder / "users.yaml").read_text()
    done = argn("datasets", "add", *arguments)
    assert done.exit_code == 1
    assert told in done.stderr
    assert os.listdir(folder) == ["users.yaml"]
    assert (folder / "users.yaml").read_text() == before


def test_add_takes_a_folder_as_the_pattern_of_its_files(folder):  # O1
    parts = folder.parent / "parts"
    for number in (1, 2):
        (parts / f"year={number}").mkdir(parents=True)
        (parts / f"year={number}" / "part.csv").write_text(f"id,size\n{number},7\n")
    done = argn("datasets", "add", "parts", "--source", "parts/", "--primary-key", "id")
    assert done.exit_code == 0, done.output
    spec = Catalogue(str(folder)).get("parts")
    assert spec.tables["parts"].source == "../parts/**/*.csv"
    assert read_tables(spec)["parts"]["id"].sort().to_list() == [1, 2]
    (parts / "more.jsonl").write_text("{}\n")
    done = argn("datasets", "add", "mixed", "--source", "parts")
    assert done.exit_code == 1
    assert "parts/**/*.csv (2 files)" in done.stderr
    assert "parts/*.jsonl (1 file)" in done.stderr


def test_add_says_that_a_pattern_belongs_in_quotes(folder):  # O1
    done = argn("datasets", "add", "people", "--source", "a.csv", "b.csv")
    assert done.exit_code == 2
    assert "'quotes'" in done.stderr


def test_add_can_declare_what_is_not_there_yet(folder):
    done = argn("datasets", "add", "later", "--source", "s3://bucket/later/*.parquet", "--no-check")
    assert done.exit_code == 0
    assert Catalogue(str(folder)).get("later").tables["later"].source == "s3://bucket/later/*.parquet"


def test_add_makes_a_catalogue_on_any_file_system(folder, monkeypatch):
    monkeypatch.setenv("ARGN_DATASETS", "memory://new/catalogue")
    done = argn("datasets", "add", "people", "--source", "users.csv")
    assert done.exit_code == 0, done.output
    assert Catalogue().get("people").tables["people"].source == str(folder.parent / "users.csv")
    assert fsspec.filesystem("memory").exists("/new/catalogue/people.yaml")


def test_remove_asks_first_and_deletes_the_declaration_only(folder):
    assert argn("datasets", "remove", "users", typed="n\n").exit_code == 1
    assert (folder / "users.yaml").exists()
    done = argn("datasets", "remove", "users", "--yes")
    assert done.exit_code == 0
    assert "artifacts" in done.output
    assert not (folder / "users.yaml").exists()
    assert (folder.parent / "users.csv").exists()


def test_remove_of_an_unknown_name_says_which_there_are(folder):
    done = argn("datasets", "remove", "user", "--yes")
    assert done.exit_code == 1
    assert "Did you mean 'users'?" in done.stderr


# Artifacts


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("ARGN_STORE", str(tmp_path / "store"))
    return ArtifactStore.open(str(tmp_path / "store"))


def publish(store: ArtifactStore, asset: str, step_index: int, **parts: bytes) -> None:
    started_at = datetime(2026, 1, 1, tzinfo=UTC)
    registry = ArtifactRegistry(store, "users", pipeline_id="users-0", run_id="run1", started_at=started_at)
    for output, (name, content) in enumerate(parts.items()):
        registry.register(
            content,
            name=name,
            artifact_id=registry.generate_id(step_index, output=output),
            operation="fit",
            artifact_type="model",
            class_name="Thing",
            format="argn",
        )
    manifest = registry.commit(step_index, name=asset)
    store.refs("users").move(asset, {"manifest": str(manifest.path)})


def test_artifacts_ls_shows_what_is_published_in_the_order_of_the_chain(store):
    publish(store, "trained_artifact", 3, users=b"12345")
    publish(store, "raw_tables", 0, users=b"1", orders=b"22")
    rows = json.loads(argn("artifacts", "ls", "--json").output)
    assert [(row["dataset"], row["asset"], row["parts"], row["bytes"]) for row in rows] == [
        ("users", "raw_tables", 2, 3),
        ("users", "trained_artifact", 1, 5),
    ]
    assert "trained_artifact" in argn("artifacts", "ls", "users").output


def test_artifacts_show_names_parts_digests_and_files(store):
    publish(store, "raw_tables", 0, users=b"1", orders=b"22")
    found = json.loads(argn("artifacts", "show", "users", "raw_tables", "--json").output)
    assert [(part["name"], part["bytes"]) for part in found["parts"]] == [("users", 1), ("orders", 2)]
    with fsspec.open(found["parts"][1]["file"]) as file:
        assert file.read() == b"22"
    assert "orders" in argn("artifacts", "show", "users", "raw_tables").output


def test_what_is_not_there_is_said_with_the_way_to_make_it(store, monkeypatch):
    publish(store, "raw_tables", 0, users=b"1")
    done = argn("artifacts", "show", "users", "quality_report")
    assert (done.exit_code, "It has: raw_tables." in done.stderr) == (1, True)
    done = argn("generate", "users", "--rows", "3")
    assert (done.exit_code, "has no trained_artifact" in done.stderr) == (1, True)
    monkeypatch.setenv("ARGN_STORE", "nowhere")
    done = argn("artifacts", "ls")
    assert (done.exit_code, "argn backfill" in done.stderr) == (1, True)


# O18
def test_generate_writes_the_rows_of_a_seed_and_leaves_the_store_as_it_is(store, tmp_path):
    table = pl.DataFrame({"id": [1, 2, 3, 4], "x": ["a", "b", "a", "b"]})
    publish(store, "trained_artifact", 3, users=train_flat(table, primary_key="id", max_epochs=1).to_bytes())
    before = argn("artifacts", "ls", "--json").output
    printed = argn("generate", "users", "--rows", "5", "--seed", "1")
    assert printed.exit_code == 0, printed.output
    drawn = pl.read_csv(io.StringIO(printed.stdout))
    assert drawn.shape == (5, 2)
    for suffix, read in ((".csv", pl.read_csv), (".parquet", pl.read_parquet), (".jsonl", pl.read_ndjson)):
        file = tmp_path / f"rows{suffix}"
        assert argn("generate", "users", "--rows", "5", "--seed", "1", "--to", str(file)).exit_code == 0
        assert read(file).equals(drawn)
    assert argn("artifacts", "ls", "--json").output == before
    careful = argn("generate", "users", "--rows", "40", "--temperature", "0.01", "--top-p", "0.5")
    assert pl.read_csv(io.StringIO(careful.stdout))["x"].n_unique() == 1, "the likely alone is left"
    assert argn("generate", "users", "--rows", "5", "--top-p", "1.5").exit_code == 2
    nowhere = argn("generate", "users", "--rows", "5", "--to", str(tmp_path / "nowhere" / "rows.csv"))
    assert (nowhere.exit_code, "no folder" in nowhere.stderr) == (1, True)


def test_generate_asks_for_a_table_where_there_are_several(store):
    publish(store, "trained_artifact", 3, users=b"1", orders=b"22")
    done = argn("generate", "users", "--rows", "3")
    assert (done.exit_code, "--table: users, orders" in done.stderr) == (1, True)
    done = argn("generate", "users", "--rows", "3", "--table", "order")
    assert (done.exit_code, "users, orders" in done.stderr) == (1, True)


def test_generate_refuses_a_kind_of_file_it_cannot_write_before_it_draws(store):
    done = argn("generate", "users", "--rows", "3", "--to", "rows.xlsx")
    assert (done.exit_code, ".parquet, .csv" in done.stderr) == (1, True)


# O41
def test_list_and_help_import_no_heavy_library(folder):
    script = (
        "import sys; from argn_assets.cli import main\n"
        "for line in (['datasets', 'list'], ['--help'], ['datasets', '--help']):\n"
        "    try: main(line)\n"
        "    except SystemExit as stop: assert not stop.code, stop.code\n"
        "heavy = {'polars', 'pandas', 'pyarrow', 'torch', 'numpy', 'dagster'} & set(sys.modules)\n"
        "sys.exit(f'imported: {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


# O1, O20
def test_check_looks_whether_keys_of_related_tables_resolve(folder):
    (folder / "orders.csv").write_text("user,paid\n1,5\n2,6\n77,7\n")
    (folder / "people.csv").write_text("id,kind\n1,a\n2,b\n")
    (folder / "kin.yaml").write_text(
        "dataset: kin\ntables:\n  people: {source: people.csv, primary_key: id}\n"
        "  orders: {source: orders.csv, context: {table: people, key: user}}\n"
    )
    done = argn("datasets", "check", "kin")
    assert done.exit_code == 1
    assert "key of people, which is its context" in done.output
    assert "table 'orders': 1 of 3 values of the key 'user' are no 'id' of 'people'" in done.output
    assert argn("datasets", "check", "kin", "--rows", "3").exit_code == 0, "first rows need not belong together"
