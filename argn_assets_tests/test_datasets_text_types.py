"""The type of a text column fits every value, or it is text."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.datasets.text_types import typed_column, typed_times

NULLS = ("", "NA")


def typed(*texts: str, decimal: str = ".", nulls: tuple[str, ...] = NULLS) -> pl.Series:
    return typed_column(pl.Series("column", texts, dtype=pl.String), nulls, decimal)


@pytest.mark.parametrize(
    ("texts", "dtype", "values"),
    [
        (["1", "-2", "NA", " 3 "], pl.Int64, [1, -2, None, 3]),
        (["9223372036854775807", "-9223372036854775808"], pl.Int64, [2**63 - 1, -(2**63)]),
        (["18446744073709551615"], pl.UInt64, [2**64 - 1]),
        (["1", "2.5", ".5", "1e3", "-0"], pl.Float64, [1, 2.5, 0.5, 1000, 0]),
        (["1.5", "inf", "-Infinity"], pl.Float64, [1.5, float("inf"), float("-inf")]),
        (["true", "FALSE", ""], pl.Boolean, [True, False, None]),
        (["2013-01-31", "NA"], pl.Date, [dt.date(2013, 1, 31), None]),
        (["2013-01-31T06:00", "2013-01-31 06:00:01.5"], pl.Datetime("us"), None),
        (["2013-01-01T06:00:00Z", "2013-01-01T07:00:00+01:00"], pl.Datetime("us", "UTC"), None),
        (["2013-01-01T06:00:00.123456789"], pl.Datetime("ns"), None),
    ],
)
def test_a_column_gets_the_type_that_fits_all_its_values(texts, dtype, values):
    column = typed(*texts)
    assert column.dtype == dtype
    assert values is None or column.to_list() == values


@pytest.mark.parametrize(
    "texts",
    [
        ["007", "008"],  # a code: its zeros would be lost
        ["+49", "+33"],
        ["18446744073709551616"],  # beyond 64 bits a float would change it
        ["1", "2", "x"],
        ["2013-02-30"],
        ["2013-01-01", "01.02.2013"],
        ["2013-01-01T06:00:00Z", "2013-01-01T06:00:00"],  # with and without offset
        ["nan", "inf"],  # words, as long as no number stands beside them
        ["12:30", "13:00"],
        ["yes", "no"],
        ["1,5"],
        ["1_000"],
        ["true", "1"],
    ],
)
def test_a_column_that_no_type_fits_stays_the_text_it_was(texts):
    column = typed(*texts)
    assert column.dtype == pl.String
    assert column.to_list() == texts


def test_the_decimal_comma_is_a_setting():
    assert typed("1,5", "-0,25", "3", decimal=",").to_list() == [1.5, -0.25, 3.0]
    assert typed("1.5", decimal=",").dtype == pl.String


def test_an_offset_becomes_utc():
    column = typed("2013-01-01T06:00:00Z", "2013-01-01T07:30:00+01:30", "2013-01-01 06:00Z", "2013-01-01T05:00-0100")
    assert column.to_list() == [dt.datetime(2013, 1, 1, 6, tzinfo=dt.UTC)] * 4


def test_one_late_word_makes_a_column_of_numbers_text():
    column = typed(*(["1"] * 20_000), "x", "NA")
    assert (column.dtype, column[0], column[-2], column[-1]) == (pl.String, "1", "x", None)


def test_without_null_values_an_empty_field_is_empty_text():
    assert typed("", "a", nulls=()).to_list() == ["", "a"]
    assert typed("", "1", nulls=("NA",)).to_list() == ["", "1"]


def test_a_column_without_values_is_text():
    assert typed("", "NA").dtype == pl.String
    assert typed().dtype == pl.String


def test_blanks_around_text_stay():
    assert typed(" a", "b ").to_list() == [" a", "b "]


@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1))
def test_integers_are_read_exactly(numbers):
    assert typed(*map(str, numbers)).to_list() == numbers


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_floats_are_read_exactly(numbers):
    assert typed(*map(repr, numbers)).to_list() == numbers


@given(st.lists(st.datetimes(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31)), min_size=1))
def test_times_are_read_exactly(times):
    assert typed(*(time.isoformat() for time in times)).to_list() == times


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(["1", "-0", "1.0", "NA", "true"])))
def test_missing_are_the_null_values_and_text_is_never_changed(texts):
    column = typed(*texts)
    if column.dtype == pl.String:
        assert column.to_list() == [None if text in NULLS else text for text in texts]
    else:
        assert column.is_null().to_list() == [text.strip() in NULLS for text in texts]
    if column.dtype == pl.Int64:
        assert [int(text) for text in texts if text.strip() not in NULLS] == column.drop_nulls().to_list()


def test_text_of_a_typed_format_is_text_unless_it_is_a_time():
    assert typed_times(pl.Series(["1", "2"])).dtype == pl.String
    assert typed_times(pl.Series(["2013-01-01", None])).dtype == pl.Date
