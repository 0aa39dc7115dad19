"""Moments of sequences: exact chains of gaps, nothing of one sequence in another, compact codes."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.encodings.base import Rows
from argn_assets.encodings.datetime_relative import DatetimeRelative, DatetimeRelativeStats
from argn_assets.encodings.protection import Protection
from argn_assets_tests.conformance.columns import DATETIMES, columns
from argn_assets_tests.conformance.encoding import any_codes, given_back, in_sequences, law

DAY = 86_400_000


def stats_of(values: pl.Series, rows: Rows, threshold: int = 0) -> DatetimeRelativeStats:
    assert rows.starts is not None
    subjects = np.cumsum(rows.starts).astype(np.uint64)
    return DatetimeRelative.reduce([DatetimeRelative.partial(values, subjects)], Protection(threshold))


def there_and_back(values: pl.Series, rows: Rows) -> pl.Series:
    stats = stats_of(values, rows)
    return given_back(DatetimeRelative, DatetimeRelative.encode(values, stats, rows), stats, values, rows)


def names_of(stats: DatetimeRelativeStats) -> list[str]:
    return [sub.name for sub in DatetimeRelative.sub_columns(stats)]


def dated(*texts: str | None) -> pl.Series:
    return pl.Series("c", [text and date.fromisoformat(text) for text in texts], dtype=pl.Date)


# E20
@law
@given(data=st.data(), dtype=st.sampled_from([pl.Date(), *DATETIMES]), sizes=st.lists(st.integers(1, 7), max_size=7))
def test_every_millisecond_of_every_sequence_comes_back(data: Any, dtype: pl.DataType, sizes: list[int]) -> None:
    values = data.draw(columns(dtype, least=sum(sizes), most=sum(sizes)))
    assert there_and_back(values, in_sequences(sizes)).equals(values)


# E20
@law
@given(
    gaps=st.lists(
        st.none() | st.sampled_from([0, 7 * DAY, 1, -1, 364 * DAY, 20_000 * DAY]) | st.integers(-(10**14), 10**14),
        min_size=1, max_size=30,
    ),
    cuts=st.sets(st.integers(1, 29)),
)  # fmt: skip
def test_a_gap_is_counted_from_the_last_known_moment(gaps: list[int | None], cuts: set[int]) -> None:
    ticks = [None if g is None else g for g in gaps]
    values = pl.Series("c", ticks, dtype=pl.Int64).cum_sum().cast(pl.Datetime("ms"))
    inside = sorted(cut for cut in cuts if cut < len(gaps))
    sizes = np.diff([0, *inside, len(gaps)]).tolist()
    assert there_and_back(values, in_sequences(sizes)).equals(values)


def test_subjects_need_not_stand_together_when_they_are_counted() -> None:
    values = dated("2024-01-01", "2020-05-05", None, "2024-01-08", "2020-05-06", "2024-01-15")
    subjects = np.array([9, 3, 9, 9, 3, 9], dtype=np.uint64)
    mixed = DatetimeRelative.reduce([DatetimeRelative.partial(values, subjects)], Protection())
    order = np.argsort(subjects, kind="stable")
    sorted_ = DatetimeRelative.reduce([DatetimeRelative.partial(values[order], subjects[order])], Protection())
    assert mixed == sorted_
    assert (mixed.gap_low, mixed.gap_high) == (DAY, 7 * DAY)


def test_a_sequence_without_moments_takes_none_from_its_neighbours() -> None:
    values = dated("2024-01-01", None, None, "2020-05-05", None, "2020-05-07", None)
    rows = in_sequences([1, 2, 3, 1])
    assert there_and_back(values, rows).to_list() == values.to_list()
    # Where no null was seen a null stays at the moment before it, of its own sequence.
    full = dated("2024-01-01", "2024-01-02", "2024-01-02", "2020-05-05", "2020-05-06", "2020-05-07", "2021-01-01")
    stats = stats_of(full, rows)
    codes = DatetimeRelative.encode(dated(None, None, None, "2020-05-05", None, "2020-05-06", None), stats, rows)
    back = DatetimeRelative.decode(codes, stats, rows).cast(pl.Date)
    assert back.null_count() == 0
    assert back[3:6].to_list() == [date(2020, 5, 5), date(2020, 5, 5), date(2020, 5, 6)]
    assert back.is_between(date(2020, 5, 5), date(2024, 1, 2)).all()


def test_dates_have_codes_for_whole_days_alone() -> None:
    rows = in_sequences([3, 3])
    stats = stats_of(dated("2024-01-30", "2024-02-01", "2024-03-01", "2021-05-05", "2021-05-05", "2021-05-28"), rows)
    assert names_of(stats) == ["kind", "year", "month", "day", "gap_weeks", "gap_days"]


def test_one_gap_that_never_changes_needs_no_codes_but_its_kind() -> None:
    weekly = pl.concat([pl.date_range(start, start + timedelta(63), "7d", eager=True) for start in
                        (date(2024, 1, 1), date(2024, 2, 14))]).alias("c")  # fmt: skip
    rows = in_sequences([10, 10])
    stats = stats_of(weekly, rows)
    assert not [name for name in names_of(stats) if name.startswith("gap_")]
    assert there_and_back(weekly, rows).equals(weekly)


def test_long_tails_of_gaps_need_few_codes() -> None:
    rng = np.random.default_rng(2)
    lengths = (rng.lognormal(20, 5, 5000) % (200 * 365 * DAY)).astype(np.int64)
    values = pl.Series("c", np.cumsum(lengths.reshape(-1, 2), axis=1).ravel()).cast(pl.Datetime("ms"))
    stats = stats_of(values, in_sequences([2] * 2500))
    assert max(sub.cardinality for sub in DatetimeRelative.sub_columns(stats)) <= 257
    assert "gap_years" in names_of(stats)


def test_parts_that_a_row_does_not_have_are_one_constant_code() -> None:
    rng = np.random.default_rng(3)
    ticks = rng.integers(0, 10**12, 40).tolist()
    values = pl.Series("c", [None if i % 7 == 0 else tick for i, tick in enumerate(ticks)]).cast(pl.Datetime("ms"))
    rows = in_sequences([5] * 8)
    stats = stats_of(values, rows)
    codes = DatetimeRelative.encode(values, stats, rows)
    is_gap = np.array([name.startswith("gap_") for name in names_of(stats)])
    is_start = ~is_gap
    is_start[0] = False
    kinds = codes[:, 0]
    assert set(kinds.tolist()) == {0, 1, 2, 3}
    assert not codes[kinds == 0].any()
    assert not codes[np.ix_(kinds == 1, is_gap)].any()
    assert codes[np.ix_(kinds == 1, is_start)].all()
    assert not codes[np.ix_(kinds >= 2, is_start)].any()
    assert codes[np.ix_(kinds >= 2, is_gap)].all()


def test_a_sequence_that_begins_with_a_gap_begins_at_a_moment_sequences_begin_at() -> None:
    starts = pl.date_range(date(2024, 3, 1), date(2024, 3, 20), "1d", eager=True)
    values = pl.concat([pl.Series([d, d + timedelta(300)]) for d in starts]).alias("c")
    rows = in_sequences([2] * 20)
    stats = stats_of(values, rows)
    codes = DatetimeRelative.encode(values, stats, rows)
    codes[::2] = codes[1::2]  # each sequence is two gaps
    back = DatetimeRelative.decode(codes, stats, rows).cast(pl.Date)
    assert back[::2].is_between(starts[0], starts[-1]).all()
    assert back[::2].n_unique() > 5
    assert (back[1::2] - back[::2]).to_list() == [timedelta(300)] * 20


@law
@given(data=st.data(), seed=st.integers(0, 99))
def test_no_sequence_that_is_made_up_leaves_the_range(data: Any, seed: int) -> None:  # E23
    values = data.draw(columns(pl.Datetime("ms"), least=20, most=20))
    stats = stats_of(values, in_sequences([4] * 5))
    rows = in_sequences([100] * 3, seed)
    back = DatetimeRelative.decode(any_codes(DatetimeRelative, stats, 300, seed), stats, rows)
    if values.null_count() < len(values):
        assert back.drop_nulls().is_between(values.min(), values.max()).all()


def test_a_gap_that_too_few_subjects_have_is_shortened() -> None:  # E23
    monthly = [datetime(2024, month, 1) + timedelta(days=s) for s in range(20) for month in (1, 2)]
    secret = [datetime(2024, 1, 9), datetime(2029, 1, 9, 13, 37)]
    values = pl.Series("c", [*monthly, *secret], dtype=pl.Datetime("ms"))
    rows = in_sequences([2] * 21)
    stats = stats_of(values, rows, threshold=5)
    assert (stats.gap_low, stats.gap_high) == (31 * DAY, 31 * DAY)
    back = DatetimeRelative.decode(DatetimeRelative.encode(values, stats, rows), stats, rows)
    assert back[-1] == datetime(2024, 2, 9)


def test_gaps_are_those_of_a_sequence_and_protected_by_its_subject() -> None:  # E23
    # Each of ten subjects has two sequences; one of them has a habit of its own, in fifty sequences more.
    days = [date(2024, 1, 1 + s) + timedelta(gap) for s in range(20) for gap in (0, 7)]
    secret = [date(2024, 1, 9) + timedelta(gap) for _ in range(50) for gap in (0, 5)]
    subjects = np.append(np.repeat(np.arange(10), 4), np.full(100, 3)).astype(np.uint64)
    sequences = np.repeat(np.arange(70), 2).astype(np.uint64)
    partial = DatetimeRelative.partial(pl.Series([*days, *secret]), subjects, sequences)
    stats = DatetimeRelative.reduce([partial], Protection(5))
    assert (stats.gap_low, stats.gap_high) == (7 * DAY, 7 * DAY)
    assert not partial.falls


def test_where_no_gap_may_be_shown_moments_are_written_on_their_own() -> None:  # E23
    values = pl.concat([pl.Series([date(2024, 1, 1 + s)]) for s in range(20)] + [dated("2024-01-05", "2024-01-06")])
    rows = in_sequences([1] * 19 + [3])
    stats = stats_of(values, rows, threshold=5)
    assert stats.gap_low is None
    back = DatetimeRelative.decode(DatetimeRelative.encode(values, stats, rows), stats, rows).cast(pl.Date)
    assert back[-2:].to_list() == [date(2024, 1, 5), date(2024, 1, 6)]


@pytest.mark.parametrize("zone", ["Europe/Paris", "America/New_York"])
def test_hours_of_the_nights_when_clocks_change_are_kept(zone: str) -> None:
    hourly = pl.datetime_range(datetime(2021, 1, 1), datetime(2021, 12, 31), "1h", eager=True, time_zone="UTC")
    values = hourly.dt.convert_time_zone(zone).cast(pl.Datetime("us", zone)).alias("c")
    assert there_and_back(values, in_sequences([len(values)])).equals(values)


def test_many_short_sequences_and_a_long_one_are_exact() -> None:
    rng = np.random.default_rng(4)
    sizes = np.append(rng.integers(1, 9, 20_000), 100_000).tolist()
    ticks = rng.integers(0, 10**12, sum(sizes))
    values = pl.Series("c", ticks).set(pl.Series(rng.random(len(ticks)) < 0.1), None).cast(pl.Datetime("ms"))
    assert there_and_back(values, in_sequences(sizes)).equals(values)
