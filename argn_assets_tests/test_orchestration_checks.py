"""Every check passes on good data and fails on data made bad on purpose, through the real chain where it can (O20)."""

from __future__ import annotations

import random

import dagster as dg
import polars as pl
import pytest

from argn_assets.datasets import DatasetSpec
from argn_assets.encodings.base import encoding_named
from argn_assets.orchestration import chain
from argn_assets.orchestration.check_models import budget_check, loads_check, loss_check, marginals_check
from argn_assets.orchestration.check_outcomes import keys_check, ranges_check, row_check, schema_check
from argn_assets.orchestration.checks import CHECKS, blocking_failures
from argn_assets.orchestration.facts import EpochFacts
from argn_assets.orchestration.stages import ENCODED_TABLES, TRAINED_ARTIFACT
from argn_assets.tables import compute_stats, encode_table
from argn_assets.tables.round_trip import MOST_ROWS, round_trip
from argn_assets_tests.dagster_world import CHAIN, LIGHT, World, caches, failure, told, world
from argn_assets_tests.tables_of_truth import family_shop, shop_orders
from argn_assets_tests.test_orchestration_related import declare_family

__all__ = ["world"]

WARN, ERROR = dg.AssetCheckSeverity.WARN, dg.AssetCheckSeverity.ERROR
ALL = (*CHAIN, "exported_tables")
TRIPS = """
dataset: trips
tables:
  trips:
    source: trips.csv
    primary_key: id
    columns: {city: {encoding: categorical}}
    constraints: [%s]
generator: {model_size: S, max_epochs: 2, max_training_time: 0.5}
value_protection: false
holdout: 0.1
floors: {copy_rate: null}
export: {to: ../out, format: csv}
"""
ORDERED = "{type: inequality, low: left, high: back}"
TOGETHER = "{type: fixed_combinations, columns: [city, country]}"
CITIES = {"Kassel": "DE", "Mainz": "DE", "Lyon": "FR", "Leeds": "GB"}


def trips_csv(rows: int = 200, *, back: tuple[int, int] = (28, 28), seed: int = 0) -> str:
    """Return trips that end between two days of a month, and begin on one of its first days."""
    draw = random.Random(seed)
    lines = ["id,left,back,city,country,price"]
    for row in range(rows):
        city = draw.choice(list(CITIES))
        days = draw.randint(1, 9), draw.randint(*back)
        lines.append(f"s{row},{days[0]:02}.05.2024,{days[1]:02}.05.2024,{city},{CITIES[city]},{row % 40}")
    return "\n".join(lines) + "\n"


def declare(world: World, *constraints: str, csv: str | None = None) -> None:
    world.declare("trips", csv=csv or trips_csv(), yaml=TRIPS % ", ".join(constraints))


def answers(result: dg.ExecuteInProcessResult) -> dict[tuple[str, str], dg.AssetCheckEvaluation]:
    """Return every check that a run answered, by asset and name."""
    return {(it.asset_key.path[-1], it.check_name): it for it in result.get_asset_check_evaluations()}


def test_good_tables_pass_every_check_and_leave(world):
    declare(world, ORDERED)
    result = world.run("trips", ALL)
    assert result.success, failure(result)
    found = answers(result)
    assert set(found) == {(check.stage.asset, check.name) for check in CHECKS}
    failed = {key: it.description for key, it in found.items() if not it.passed}
    assert set(failed) <= {("trained_artifact", "beats_marginals")}, failed  # two epochs may be too few
    assert found["raw_tables", "constraints"].metadata["rows_breaking/trips/left ≤ back"].value == 0
    assert found["encoded_tables", "round_trip"].metadata["rows_read_back/trips"].value == 200
    assert (world.root / "out" / "trips.csv").exists()
    again = answers(world.run("trips", ALL))
    assert {key: it.description for key, it in again.items()} == {key: it.description for key, it in found.items()}


def test_every_table_of_several_is_checked(world):
    declare_family(world)
    found = answers(world.run("family", CHAIN))
    tables = family_shop(80)
    trip = found["encoded_tables", "round_trip"].metadata
    assert {name: trip[f"rows_read_back/{name}"].value for name in tables} == {n: t.height for n, t in tables.items()}
    assert all(found[key].passed for key in found if key[0] in ("encoded_tables", "synthetic_tables"))
    losses = found["trained_artifact", "beats_marginals"].metadata
    assert {f"independent_columns/{name}" for name in tables} <= set(losses)


def test_rows_that_break_a_constraint_are_told_when_they_are_read(world):
    declare(world, ORDERED, csv=trips_csv(back=(1, 9)))
    result = world.run("trips", ["raw_tables"])
    assert result.success
    check = answers(result)["raw_tables", "constraints"]
    assert (check.passed, check.severity) == (False, WARN)
    assert "'trips' left ≤ back in " in check.description


# O20: constraints block export
def test_synthetic_rows_that_break_a_constraint_stay_where_they_are(world):
    declare(world, ORDERED, csv=trips_csv(back=(1, 9)))
    result = world.run("trips", ALL)
    check = answers(result)["quality_report", "constraints"]
    assert (check.passed, check.severity) == (False, ERROR)
    assert check.metadata["rows_breaking/trips/left ≤ back"].value > 0
    step, message = failure(result)
    assert step == "exported_tables"
    assert "stays where it is" in message
    assert "left ≤ back" in message
    assert not (world.root / "out").exists()


def test_combinations_that_nobody_read_are_counted_and_stay(world, monkeypatch):
    real = chain.generate_table

    def elsewhere(*arguments, **settings):
        return real(*arguments, **settings).with_columns(country=pl.lit("FR"))

    monkeypatch.setattr(chain, "generate_table", elsewhere)
    declare(world, TOGETHER)
    result = world.run("trips", ALL)
    check = answers(result)["quality_report", "constraints"]
    rows = check.metadata["rows_breaking/trips/combinations of city, country"].value
    made = pl.read_parquet(told(result)["synthetic_tables"]["path/trips"])
    assert rows == made.filter(pl.col("city") != "Lyon").height > 0
    assert failure(result)[0] == "exported_tables"


def test_a_constraint_that_was_declared_after_the_report_holds_tables_back(world):
    declare(world)
    assert world.run("trips", ALL).success
    declare(world, ORDERED)
    step, message = failure(world.run("trips", ["exported_tables"]))
    assert step == "exported_tables"
    assert "trips: left ≤ back. Materialise quality_report" in message
    assert world.run("trips", ["quality_report", "exported_tables"]).success


def test_columns_without_an_order_stop_a_data_set_before_it_trains(world):
    declare(world, "{type: inequality, low: city, high: price}")
    step, message = failure(world.run("trips", LIGHT))
    assert step == "raw_tables"
    assert "'city ≤ price'" in message
    declare(world, "{type: fixed_combinations, columns: [city, contry]}")
    assert "no column 'contry'. Did you mean 'country'?" in failure(world.run("trips", LIGHT))[1]


@pytest.mark.parametrize(
    ("low", "high", "n_broken"),
    [
        ([1, 2, None, 4], [1.5, 1.0, 0.0, None], 1),
        ([1.0, float("nan")], [0, 0], 1),
        (["2024-05-09", "2024-05-10"], ["2024-05-10", "2024-05-09"], 1),
        (["09/06/2024", "13/05/2024"], ["13/05/2024", "09/06/2024"], 1),
    ],
)
def test_an_inequality_compares_numbers_and_times_and_leaves_out_what_is_missing(low, high, n_broken):  # E47
    from argn_assets.orchestration.constraints import count_breaches

    table = {"source": "t.csv", "constraints": [{"type": "inequality", "low": "a", "high": "b"}]}
    spec = DatasetSpec.model_validate({"dataset": "d", "tables": {"t": table}})
    tables = {"t": pl.DataFrame({"a": low, "b": high})}
    assert count_breaches(spec, tables, tables) == {"t": {"a ≤ b": n_broken}}


def test_statistics_of_other_rows_are_found_by_the_round_trip(world):
    declare(world)
    world.run("trips", LIGHT)
    other = trips_csv(seed=1).replace(".05.2024", ".05.1999").replace("Mainz", "secret-place")
    (world.catalogue / "trips.csv").write_text(other)
    result = world.run("trips", ["raw_tables", "encoded_tables"])  # and not table_stats between them
    check = answers(result)["encoded_tables", "round_trip"]
    assert (check.passed, check.severity) == (False, WARN)
    assert "trips/left 0.0%" in check.description
    assert "materialise table_stats" in check.description
    assert result.success
    assert check.metadata["kept/trips/left"].value == 0
    assert "secret-place" not in str(result.all_events), "values of people stay hidden"


def test_what_protection_hides_is_told_by_the_round_trip():
    names = pl.DataFrame({"name": [f"person {i}" for i in range(60)], "kind": ["a", "b"] * 30})
    stats = compute_stats(names, {"name": "categorical"}, value_protection=True)
    assert round_trip(names, encode_table(names, stats), stats).kept == {"name": 0.0, "kind": 1.0}


@pytest.mark.parametrize("key", [None, "country"])
def test_a_round_trip_reads_some_rows_of_a_large_table_back(key):
    table = shop_orders(MOST_ROWS + 2500)
    stats = compute_stats(table, None, key, "order")
    found = round_trip(table, encode_table(table, stats), stats)
    assert MOST_ROWS / 2 <= found.rows <= MOST_ROWS
    assert set(found.kept.values()) == {1.0}


def test_a_column_of_too_many_codes_is_named(world):
    table = pl.DataFrame({"amount": range(5000)})
    small = encode_table(table, compute_stats(table))
    large = encode_table(table, compute_stats(table, {"amount": "numeric_discrete"}))
    assert budget_check({"t": small}).passed
    outcome = budget_check({"t": large})
    assert (outcome.passed, outcome.only_warns) == (False, True)
    assert "t/amount.value 5,001" in outcome.description
    assert outcome.numbers["most_codes/t"] == 5001


def test_a_model_of_independent_columns_is_told_and_stays(world):
    draw = random.Random(3)
    rows = [f"r{row},{draw.choice('abcdef')},{draw.choice('uvwxyz')},{draw.randint(0, 50)}" for row in range(200)]
    world.declare("tiny", csv="\n".join(["id,one,two,three", *rows]))
    result = world.run("tiny", CHAIN)
    assert result.success
    check = answers(result)["trained_artifact", "beats_marginals"]
    assert (check.passed, check.severity) == (False, WARN)
    assert "max_epochs" in check.description


def epochs(*losses: float | None) -> tuple[EpochFacts, ...]:
    return tuple(EpochFacts(epoch=n, rows=9, training_loss=1.0, validation_loss=loss) for n, loss in enumerate(losses))


def test_a_loss_far_above_that_of_independent_columns_stops_the_data_set():
    history = {"a": epochs(3.0, 2.0), "b": epochs(9.0, 8.0)}
    assert marginals_check(history, {"a": 2.5, "b": 8.5}).passed
    close, far = (marginals_check(history, {"a": 2.5, "b": loss}) for loss in (7.9, 6.0))
    assert blocking_failures(TRAINED_ARTIFACT, [close]) == []
    assert "'b' 8 against 7.9" in close.description
    assert blocking_failures(TRAINED_ARTIFACT, [far]) == [far]
    nothing = marginals_check({"a": epochs(None), "b": ()}, {"a": None, "b": None})
    assert nothing.passed
    assert "nothing to compare" in nothing.description


def test_losses_and_stored_bytes_that_are_broken_stop_the_data_set():
    outcomes = [loss_check({"a": epochs(1.0, float("nan"))}), loads_check({"a": b"ARGN" + b"\0" * 60})]
    assert blocking_failures(TRAINED_ARTIFACT, outcomes) == outcomes
    assert blocking_failures(ENCODED_TABLES, outcomes) == [], "they are checks of another stage"


def test_rows_types_and_keys_of_synthetic_tables_are_compared():
    table = pl.DataFrame({"id": [1, 2], "n": [1, 2]})
    spec = DatasetSpec.model_validate({"dataset": "d", "tables": {"t": {"source": "t", "primary_key": "id"}}})
    stats = {"t": compute_stats(table, None, None, "id")}
    good = [row_check({"t": table}, {"t": 2}), schema_check({"t": table}, stats), keys_check(spec, {"t": table})]
    assert all(outcome.passed for outcome in good)
    bad = pl.DataFrame({"id": [1, 1, 1], "n": ["a", "b", "c"]})
    for outcome in (row_check({"t": bad}, {"t": 2}), schema_check({"t": bad}, stats), keys_check(spec, {"t": bad})):
        assert not outcome.passed
        assert not outcome.only_warns
        assert "'t'" in outcome.description


def test_values_that_may_not_be_shown_are_counted_by_column(world, monkeypatch):
    real = chain.generate_table

    def too_much(*arguments, **settings):
        first = pl.arange(pl.len()) == 0
        return real(*arguments, **settings).with_columns(
            price=pl.when(first).then(10_000).otherwise(pl.col("price")),
            left=pl.when(first).then(pl.lit("01.05.2031")).otherwise(pl.col("left")),
            city=pl.when(first).then(pl.lit("secret-place")).otherwise(pl.col("city")),
        )

    monkeypatch.setattr(chain, "generate_table", too_much)
    declare(world)
    result = world.run("trips", CHAIN)
    check = answers(result)["synthetic_tables", "ranges"]
    assert (check.passed, check.severity) == (False, WARN)
    rows = {name: it.value for name, it in check.metadata.items()}
    assert rows == {f"rows_outside/trips/{name}": 1 for name in ("price", "left", "city")}
    assert "trips/left in 1 row," in check.description
    assert "secret-place" not in str(check)


@pytest.mark.parametrize("encoding", ["numeric_binned", "numeric_digit", "numeric_discrete", "categorical"])
def test_numbers_beyond_what_was_seen_may_not_be_shown(encoding):
    chosen = encoding_named(encoding)
    table = pl.DataFrame({"n": [1.5, 2.5, 9.0, None] * 20})
    stats = compute_stats(table, {"n": encoding}).columns["n"]
    tried = pl.Series("n", [0.5, 1.5, 9.0, 9.5, float("inf"), float("nan"), None])
    assert chosen.shows(tried, stats).tolist() == [False, True, True, False, False, False, True]


def test_rare_values_may_stand_as_the_text_for_them():
    table = pl.DataFrame({"kind": ["a"] * 30 + [f"rare {i}" for i in range(5)]})
    stats = {"t": compute_stats(table, {"kind": "categorical"}, value_protection=True)}
    made = {"t": pl.DataFrame({"kind": ["a", "_RARE_", None]})}
    assert ranges_check(made, stats, always_shown="_RARE_").passed
    assert ranges_check(made, stats, always_shown=None).numbers == {"rows_outside/t/kind": 1}


def test_checks_of_a_cache_hit_import_nothing_heavy(world):  # O11, O41
    import subprocess
    import sys

    declare(world, ORDERED)
    assert set(caches(world.run("trips", LIGHT)).values()) == {"miss"}
    code = (
        "import sys\nfrom argn_assets.orchestration import check_models, check_outcomes, constraints, release\n"
        "print([name for name in ('torch', 'pandas', 'polars', 'numpy') if name in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
    assert set(caches(world.run("trips", LIGHT)).values()) == {"hit"}
