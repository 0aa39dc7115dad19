"""What the UI shows, and what the Launchpad takes."""

from __future__ import annotations

import base64

import dagster as dg
import pytest
from pydantic import ValidationError

from argn_assets.orchestration.facts import ColumnFacts, EpochFacts, StageFacts, TableFacts
from argn_assets.orchestration.metadata import facts_metadata
from argn_assets.orchestration.run_config import GenerationRunConfig, TrainingRunConfig
from argn_assets.orchestration.stage_run import trigger_of
from argn_assets_tests.dagster_world import CHAIN, told, world

__all__ = ["world"]

EPOCHS = tuple(
    EpochFacts(epoch=n, rows=100 * n, training_loss=3 / (n + 1), validation_loss=4 / (n + 1), learning_rate=0.001)
    for n in range(2000)
)


def test_rows_and_columns_with_their_encodings_fill_the_overview_and_the_columns_tab():  # O12
    columns = (
        ColumnFacts(name="id", dtype="string", note="key", nullable=False, unique=True),
        ColumnFacts(name="size", dtype="int64", encoding="numeric_digit", note="2 × 10"),
    )
    metadata = facts_metadata(StageFacts(tables={"planes": TableFacts(rows=12, columns=columns)}))
    assert metadata["dagster/row_count"] == 12
    schema = metadata["dagster/column_schema"].schema
    assert [(c.name, c.type, c.description, c.tags) for c in schema.columns] == [
        ("id", "string", "key", {}),
        ("size", "int64", "numeric_digit · 2 × 10", {"encoding": "numeric_digit"}),
    ]


def test_columns_of_several_tables_carry_their_table():
    table = TableFacts(rows=1, columns=(ColumnFacts(name="a", dtype="int64"),))
    metadata = facts_metadata(StageFacts(tables={"x": table, "y": table}))
    assert [c.name for c in metadata["dagster/column_schema"].schema.columns] == ["x.a", "y.a"]
    assert (metadata["rows/x"], metadata["dagster/row_count"]) == (1, 2)


def test_the_loss_curve_is_a_small_inline_picture_and_the_history_a_short_table():  # O13
    metadata = facts_metadata(StageFacts(history={"planes": EPOCHS}))
    text = metadata["loss_curve/planes"].value
    prefix = "data:image/svg+xml;base64,"
    svg = base64.b64decode(text[text.index(prefix) + len(prefix) : -1]).decode()
    assert svg.startswith("<svg")
    assert len(svg) < 20_000
    assert len(metadata["history/planes"].records) <= 12


def test_facts_survive_the_action_cache():
    facts = StageFacts(tables={"a": TableFacts(rows=1)}, history={"a": EPOCHS[:2]}, numbers={"fidelity": 0.9, "n": 3})
    assert StageFacts.model_validate(facts.model_dump(mode="json")) == facts


@pytest.mark.parametrize(
    ("config", "field", "value"),
    [
        (TrainingRunConfig, "max_epochs", 0),
        (TrainingRunConfig, "max_training_time", -1),
        (TrainingRunConfig, "model_size", "XL"),
        (TrainingRunConfig, "seed", -1),
        (GenerationRunConfig, "seed", 2**63),
        (GenerationRunConfig, "rows", 0),
        (GenerationRunConfig, "temperature", 0),
        (GenerationRunConfig, "top_p", 1.5),
    ],
)
def test_the_launchpad_refuses_what_is_out_of_bounds(config, field, value):  # O14
    with pytest.raises((ValidationError, dg.DagsterInvalidConfigError), match=field):
        config(**{field: value})


@pytest.mark.parametrize("config", [TrainingRunConfig, GenerationRunConfig])
def test_every_launchpad_field_is_described_and_may_be_left_out(config):  # O14
    assert config().overrides() == {}
    for name, field in config.model_fields.items():
        assert field.description, name
        assert not field.is_required(), name


def test_where_it_runs_and_force_are_no_part_of_the_result():
    assert TrainingRunConfig(device="cpu", force=True, model_size="S", seed=3).overrides() == {
        "model_size": "S",
        "seed": 3,
    }


@pytest.mark.parametrize(
    ("tags", "trigger"),
    [
        ({}, "manual"),
        ({"dagster/backfill": "abc"}, "backfill"),
        ({"dagster/sensor_name": "x"}, "sensor"),
        ({"dagster/schedule_name": "x", "argn/trigger": "weekly"}, "weekly"),
    ],
)
def test_a_run_says_what_asked_for_it(tags, trigger):
    assert trigger_of(tags) == trigger


def test_every_column_names_the_raw_column_that_it_follows(world):  # O12
    world.declare("tiny")
    made = told(world.run("tiny", CHAIN))
    assert "dagster/column_lineage" not in made["raw_tables"]
    for asset in CHAIN[1:5]:
        follows = made[asset]["dagster/column_lineage"].deps_by_column
        assert {name: [(dep.asset_key.path, dep.column_name) for dep in deps] for name, deps in follows.items()} == {
            name: [(["raw_tables"], name)] for name in ("size", "kind")
        }, "the primary key is made anew"
