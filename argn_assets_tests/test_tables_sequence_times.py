"""Times of sequences in tables: when gaps tell them, also in text, from any cut into batches (E5, E20, E33)."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.errors import SchemaError
from argn_assets.tables import compute_stats, decode_table, encode_table
from argn_assets.tables.stats import combine_partial_stats, compute_partial_stats
from argn_assets_tests.conformance.encoding import law, random_split


def visits(n_keys: int = 40, falls: bool = False, most: int = 6) -> pl.DataFrame:
    rng = np.random.default_rng(5)
    rows = []
    for key in range(n_keys):
        day = date(2024, 1, 1) + timedelta(int(rng.integers(0, 400)))
        for step in range(int(rng.integers(1, most + 1))):
            day += timedelta(int(rng.choice([0, 7, 30]))) * (step > 0) * (-1 if falls and rng.random() < 0.2 else 1)
            rows.append((key, day, step))
    return pl.DataFrame(rows, schema=["guest", "day", "step"], orient="row")


def chosen(table: pl.DataFrame, **options: Any) -> tuple[str | None, str]:
    column = compute_stats(table, context_key="guest", **options).schema.column("day")
    return column.encoding, column.reason


def test_times_that_never_fall_inside_a_sequence_are_told_by_their_gaps() -> None:
    encoding, reason = chosen(visits().sample(fraction=1.0, shuffle=True, seed=1).sort("day"))
    assert (encoding, reason) == ("datetime_relative", "dates or times, which never fall inside a sequence")


def test_other_times_are_told_one_by_one() -> None:
    assert chosen(visits(falls=True)) == ("datetime", "dates or times")
    assert chosen(visits(most=1)) == ("datetime", "dates or times")
    assert chosen(visits(), is_sequential=False) == ("datetime", "dates or times")
    assert compute_stats(visits().drop("guest")).schema.column("day").encoding == "datetime"
    assert chosen(visits().with_columns(day=pl.lit(None, dtype=pl.Date))) == ("datetime", "no values at all")


def test_what_is_declared_is_done() -> None:
    assert chosen(visits(), encoding_types={"day": "datetime"}) == ("datetime", "declared")
    falling = visits(falls=True)
    relative = {"day": "datetime_relative"}
    assert chosen(falling, encoding_types=relative) == ("datetime_relative", "declared")
    assert chosen(falling, encoding_types=relative, is_sequential=False) == ("datetime", "declared")
    for table, key in ((falling, "guest"), (falling.drop("guest"), None)):
        stats = compute_stats(table, relative, context_key=key)
        back = decode_table(encode_table(table, stats), stats)
        assert back.equals(table.select(back.columns))


@pytest.mark.parametrize("text_format", ["%Y-%m-%d", "%d.%m.%Y", "%-d/%-m/%Y"])
@pytest.mark.parametrize("falls", [False, True])
def test_times_in_text_are_told_by_gaps_too_and_written_as_they_were(text_format: str, falls: bool) -> None:
    table = visits(falls=falls).with_columns(pl.col("day").dt.to_string(text_format))
    stats = compute_stats(table, context_key="guest")
    assert stats.schema.column("day").encoding == ("datetime" if falls else "datetime_relative")
    assert decode_table(encode_table(table, stats), stats)["day"].equals(table["day"])
    declared = compute_stats(table, {"day": "datetime_relative"}, context_key="guest")
    assert decode_table(encode_table(table, declared), declared)["day"].equals(table["day"])


def test_text_that_is_no_time_cannot_be_told_by_gaps() -> None:
    table = visits().with_columns(day=pl.lit("soon"))
    with pytest.raises(SchemaError, match=r"'day'.*'datetime_relative' takes dates and times"):
        compute_stats(table, {"day": "datetime_relative"}, context_key="guest")


# E5
@law
@given(
    n_parts=st.integers(1, 6), seed=st.integers(0, 99), falls=st.booleans(), as_text=st.booleans(),
    n_unknown=st.sampled_from([0, 3, 35]), protected=st.booleans(),
    declared=st.sampled_from([None, {"day": "datetime_relative"}, {"day": "datetime"}]),
)  # fmt: skip
def test_batches_combine_to_the_bytes_of_the_whole(
    n_parts: int, seed: int, falls: bool, as_text: bool, n_unknown: int, protected: bool, declared: Any
) -> None:
    table = visits(falls=falls).with_columns(day=pl.when(pl.col("guest") >= n_unknown).then("day"))
    if as_text:
        table = table.with_columns(pl.col("day").dt.to_string("%d.%m.%Y"))
    parts = [
        compute_partial_stats(table[rows], declared, context_key="guest")
        for rows in random_split(len(table), n_parts, table["guest"].to_numpy(), seed)
    ]
    whole = compute_stats(table, declared, context_key="guest", value_protection=protected)
    assert combine_partial_stats(parts, value_protection=protected).to_bytes() == whole.to_bytes()
