"""Roles of columns and times of sequences, from the table to the generated one."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import ModelArtifact, generate_batches, generate_flat, train_flat
from argn_assets.engine.sequences import generate_sequential, train_sequential
from argn_assets_tests.dagster_world import CHAIN, caches, declaration, world
from argn_assets_tests.test_tables_pattern import emails
from argn_assets_tests.test_tables_sequence_times import visits

__all__ = ["world"]


@pytest.fixture(scope="module")
def people() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {
            "age": rng.integers(18, 90, 300), "mail": emails(300), "phone": rng.integers(10**9, 10**10, 300),
            "note": ["private"] * 300, "member": [f"M{i:04}" for i in range(300)],
        }
    )  # fmt: skip


@pytest.fixture(scope="module")
def artifact(people: pl.DataFrame) -> ModelArtifact:
    roles = {"mail": "pattern", "phone": "pattern", "note": "drop", "member": "key"}
    trained = train_flat(people, column_roles=roles, max_epochs=1, random_state=0, device="cpu")
    return ModelArtifact.from_bytes(trained.to_bytes())


# E26
def test_columns_that_are_not_modelled_are_made_anew_from_the_artifact_alone(
    people: pl.DataFrame, artifact: ModelArtifact
) -> None:
    rows = generate_flat(artifact, 500, random_state=1)
    assert rows.schema == people.drop("note").schema
    assert rows["mail"].str.contains(r"^[a-z-]+\.[a-z-]+\d{1,3}@[a-z]{7}\.[a-z]{3}$").all()
    assert not set(rows["mail"]) & set(people["mail"])
    assert rows["phone"].is_between(10**9, 10**10 - 1).all()
    for name in ("mail", "phone", "member"):
        assert rows[name].n_unique() == 500
    assert not set(rows["member"]) & set(people["member"])


def test_batches_make_the_same_texts(artifact: ModelArtifact) -> None:  # E4
    whole = generate_flat(artifact, 100, random_state=1)
    parts = generate_batches(artifact, 100, batch_size=30, random_state=1)
    assert pl.concat([pl.DataFrame(pl.from_arrow(part)) for part in parts]).equals(whole)


def test_given_texts_come_back(artifact: ModelArtifact) -> None:  # E40
    rows = generate_flat(artifact, seed_data=pl.DataFrame({"mail": ["me@here.org", None]}), random_state=1)
    assert rows["mail"][0] == "me@here.org"
    assert rows["mail"][1] is not None


# E20, E33
def test_times_that_never_fall_never_fall_in_what_is_generated() -> None:
    table = visits(300)
    trained = train_sequential(table, None, "guest", max_epochs=15, random_state=0, device="cpu")
    rows = generate_sequential(ModelArtifact.from_bytes(trained.to_bytes()), sample_size=300, random_state=1)
    gaps = rows.select((pl.col("day") - pl.col("day").shift(1).over("guest")).dt.total_days())["day"].drop_nulls()
    assert gaps.min() == 0
    assert gaps.is_in([0, 7, 30]).mean() > 0.9  # type: ignore[operator]
    assert rows["day"].is_between(table["day"].min(), table["day"].max()).all()  # type: ignore[arg-type]


# E26, O1
def test_a_declared_role_reaches_the_synthetic_table_and_only_its_change_computes_anew(world) -> None:
    rows = "\n".join(f"u{i},{i % 40},+49 170 {1000 + i}" for i in range(240))
    for role, cache in (("pattern", "miss"), ("pattern", "hit"), ("drop", "miss")):
        yaml = declaration("tiny").replace("primary_key: id", f"primary_key: id, columns: {{phone: {{role: {role}}}}}")
        world.declare("tiny", csv=f"id,age,phone\n{rows}\n", yaml=yaml)
        result = world.run("tiny", CHAIN)
        assert set(caches(result).values()) == {cache}
    tables = [pl.read_parquet(path) for path in world.blobs if path.suffix == ".parquet"]
    phones = [table["phone"] for table in tables if "phone" in table.columns]
    (made,) = (phone for phone in phones if not phone.str.starts_with("+49 170").all())
    assert made.str.contains(r"^\+\d\d \d{3} \d{4}$").all()
    assert len(tables) == 4, "raw and synthetic tables with the column, and without it"
