"""Predicting and filling sequences: what the rows before and after say counts, on tables whose truth we wrote."""

from __future__ import annotations

import itertools
from datetime import date, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from argn_assets.engine import (
    ModelArtifact,
    generate_sequential,
    impute,
    log_prob,
    predict,
    predict_proba,
    train_sequential,
)
from argn_assets.errors import ConfigError

SIDES = ("heads", "tails")
DAYS = (timedelta(days=1), timedelta(days=7), timedelta(days=30))


def coins(n_sequences: int, seed: int = 0) -> pl.DataFrame:
    """Return sequences of 3 rows: `lies` is as in the row before nine times in ten, `said` as `lies` four in five."""
    rng = np.random.default_rng(seed)
    lies = np.empty((n_sequences, 3), dtype=bool)
    lies[:, 0] = rng.random(n_sequences) < 0.5
    for step in (1, 2):
        lies[:, step] = lies[:, step - 1] ^ (rng.random(n_sequences) < 0.1)
    said = lies ^ (rng.random(lies.shape) < 0.2)
    sides = np.array(SIDES)
    return pl.DataFrame(
        {
            "key": np.repeat(np.arange(n_sequences), 3),
            "lies": sides[lies.ravel().astype(int)],
            "said": sides[said.ravel().astype(int)],
        }
    )


@pytest.fixture(scope="module")
def played() -> ModelArtifact:
    return train_sequential(coins(1500), tgt_context_key="key", random_state=1, max_epochs=15, device="cpu")


@pytest.fixture(scope="module")
def turned() -> ModelArtifact:
    """Return a model of one column, which has one order."""
    table = coins(1500).drop("said")
    return train_sequential(table, tgt_context_key="key", random_state=1, max_epochs=5, device="cpu")


def _share_of_heads(artifact: ModelArtifact, lies: list[str | None], row: int) -> float:
    """Return how likely the model finds heads in a row of a sequence, by all ways to fill its missing cells."""
    ways = list(itertools.product(*([side] if side else SIDES for side in lies)))
    whole = pl.DataFrame({"key": np.repeat(np.arange(len(ways)), 3), "lies": [side for way in ways for side in way]})
    likely = np.exp(log_prob(artifact, whole).reshape(-1, 3).sum(axis=1))
    return float(likely[[way[row] == "heads" for way in ways]].sum() / likely.sum())


def _sequence(lies: list[str | None]) -> pl.DataFrame:
    return pl.DataFrame({"key": [7] * 3, "lies": lies}, schema_overrides={"lies": pl.String})


def test_a_column_is_predicted_from_its_own_values_in_the_rows_before(played):  # E41
    rows = coins(300, seed=5)
    later = np.arange(len(rows)) % 3 > 0
    before = rows.with_columns(pl.col("lies").shift(1))["lies"]
    for given in (rows, rows.with_columns(lies=pl.when(pl.Series(np.arange(900) % 3 < 2)).then("lies"))):
        found = predict(played, given.drop("said"), "lies", random_state=1)
        assert (found == before).to_numpy()[later].mean() > 0.99
    shares = predict_proba(played, rows.drop("said"), "lies", random_state=1)
    says_heads = (before == "heads").fill_null(value=False).to_numpy()
    assert shares["heads"].to_numpy()[later & says_heads].mean() == pytest.approx(0.9, abs=0.04)


def test_what_a_row_says_of_the_target_does_not_count_for_itself(played):  # E41
    rows = coins(100, seed=5)
    other = rows.with_columns(lies=pl.when(pl.Series(np.arange(300) % 3 == 2)).then(pl.lit("heads")).otherwise("lies"))
    found, same = (predict_proba(played, table, "lies", random_state=1) for table in (rows, other))
    np.testing.assert_allclose(found.to_numpy(), same.to_numpy(), atol=1e-6)


@pytest.mark.parametrize(
    "lies", [["heads", None, None], [None, None, None], [None, "tails", None], [None, None, "tails"]]
)
def test_probabilities_are_means_over_what_is_missing_in_the_rows_before(turned, lies):  # E41
    found = predict_proba(turned, _sequence(lies), "lies", n_draws=4000, random_state=1)
    for row in range(3):
        exact = _share_of_heads(turned, [*lies[:row], *[None] * (3 - row)], row)
        assert found["heads"][row] == pytest.approx(exact, abs=0.01)


@pytest.mark.parametrize(
    "lies", [[None, "tails", "tails"], ["heads", None, "heads"], [None, None, "tails"], ["tails", None, None]]
)
def test_cells_are_filled_as_likely_as_all_rows_make_them(turned, lies):  # E41
    draws = impute(turned, _sequence(lies), n_draws=3000, aggregate=None, random_state=1)
    for row in np.flatnonzero([side is None for side in lies]):
        share = np.mean([drawn["lies"][int(row)] == "heads" for drawn in draws])
        assert share == pytest.approx(_share_of_heads(turned, lies, row), abs=0.03)


def test_one_draw_too_fits_the_rows_after_it(played):  # E41
    rows = coins(400, seed=6)
    first = pl.Series(np.arange(1200) % 3 == 0)
    filled = impute(played, rows.with_columns(lies=pl.when(~first).then("lies")).drop("said"), random_state=1)
    assert filled["key"].equals(rows["key"])
    second = filled["lies"].to_numpy().reshape(-1, 3)[:, :2]
    assert (second[:, 0] == second[:, 1]).mean() == pytest.approx(0.9, abs=0.05)


@pytest.fixture(scope="module")
def visited() -> tuple[ModelArtifact, pl.DataFrame]:
    rng = np.random.default_rng(0)
    rows = [
        (key, date(2024, 1, 1) + timedelta(days=int(start) + 7 * step), "".join(name))
        for key, start in enumerate(rng.integers(0, 300, 400))
        for name in [rng.choice(list("ABCD"), 3)]
        for step in range(4)
    ]
    table = pl.DataFrame(rows, schema=["key", "day", "name"], orient="row")
    artifact = train_sequential(
        table, {"day": "datetime_relative", "name": "character"}, "key", random_state=1, max_epochs=10, device="cpu"
    )
    return artifact, table


@pytest.mark.parametrize("hidden", [0, 1], ids=["all given", "last missing"])
def test_the_next_time_is_counted_from_the_last_one(visited, hidden):  # E41 E33
    artifact, table = visited
    table = table.with_columns(day=pl.col("day") + timedelta(days=20_000))  # wherever the times lie
    given = table.with_columns(day=pl.when(pl.Series(np.arange(len(table)) % 4 < 4 - hidden)).then("day"))
    found = predict(artifact, given, "day", random_state=1)
    later = np.arange(len(table)) % 4 > 0
    assert (found == table["day"]).to_numpy()[later].all()


def test_times_that_are_gaps_cannot_be_listed(visited):  # E41
    artifact, table = visited
    with pytest.raises(ConfigError, match="'day' is encoded as the time since the row before"):
        predict_proba(artifact, table, "day")


@pytest.fixture(scope="module")
def rhythms() -> tuple[ModelArtifact, pl.DataFrame]:
    rows = [
        (k, datetime(2021, 1, 1) + timedelta(days=k, hours=13) + i * DAYS[k % 3]) for k in range(300) for i in range(6)
    ]
    table = pl.DataFrame(rows, ["key", "at"], orient="row").with_columns(rhythm=pl.format("{}", pl.col("key") % 3))
    return train_sequential(table, tgt_context_key="key", random_state=1, max_epochs=15, device="cpu"), table


@pytest.mark.parametrize("missing", [[0], [2], [2, 3], [0, 1, 4, 5]])
def test_missing_times_are_filled_by_the_rhythm_of_the_others(rhythms, missing):  # E41 E33
    artifact, table = rhythms
    later = table.with_columns(at=pl.col("at") + timedelta(days=9000))
    is_missing = (pl.int_range(pl.len()) % 6).is_in(missing)
    filled = impute(artifact, later.with_columns(at=pl.when(~is_missing).then("at")), random_state=1)
    assert (filled["at"] == later["at"]).mean() > 0.99


def test_times_between_given_ones_are_as_precise_as_gaps_are(rhythms):  # E41 E33
    given = pl.DataFrame({"key": [1] * 4, "at": [datetime(2021, 3, 1, 13), None, None, datetime(2021, 3, 20, 13)]})
    filled = impute(rhythms[0], given.with_columns(rhythm=pl.lit("1")), random_state=1)
    assert filled["at"].is_sorted()
    assert filled["at"].dt.hour().unique().to_list() == [13]


def test_what_given_first_rows_lack_fits_what_those_after_them_give(played):  # E40
    n = 400
    given = pl.DataFrame({"key": np.repeat(np.arange(n), 2), "lies": [None, "heads", None, "tails"] * (n // 2)})
    rows = generate_sequential(played, seed_data=given, random_state=1, batch_size=n)
    assert rows["lies"].gather_every(3, 1).equals(given["lies"].gather_every(2, 1))
    first, second = rows["lies"].gather_every(3), rows["lies"].gather_every(3, 1)
    assert (first == second).mean() == pytest.approx(0.9, abs=0.05)
    assert generate_sequential(played, seed_data=given, random_state=1, batch_size=37).equals(rows)
