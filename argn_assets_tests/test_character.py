"""Text per position: what comes back exactly, what is cut, what is hidden (E20, E22, E23, E24)."""

from __future__ import annotations

import time

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from argn_assets.encodings.base import Rows
from argn_assets.encodings.character import MOST_CHARACTERS, MOST_POSITIONS, Character
from argn_assets.seeds import Seed
from argn_assets.tables import compute_stats, decode_table, encode_table
from argn_assets_tests.conformance.columns import TEXTS, columns, values_of
from argn_assets_tests.conformance.encoding import THRESHOLD, any_codes, given_back, law, stats_of


def pairs_of(texts: pl.Series) -> pl.DataFrame:
    """Return a row per character: its row's number, its position and itself; the length is that of position -1."""
    cut = [text[:MOST_POSITIONS] for text in texts.fill_null("").to_list()]
    rows = [(row, i, c) for row, text in enumerate(cut) for i, c in enumerate(text)]
    rows += [(row, -1, str(len(cut[row]))) for row in range(len(cut)) if texts[row] is not None]
    return pl.DataFrame(rows, schema={"row": pl.Int64, "position": pl.Int64, "character": pl.String}, orient="row")


def shared_pairs(texts: pl.Series, subjects: NDArray[np.uint64], threshold: int) -> set[tuple[int, str]]:
    pairs = pairs_of(texts)
    pairs = pairs.with_columns(subject=pl.Series(subjects[pairs["row"].to_numpy()], dtype=pl.UInt64))
    counted = pairs.group_by("position", "character").agg(pl.col("subject").n_unique())
    return set(counted.filter(pl.col("subject") >= threshold).select("position", "character").rows())


# --- what the suite asks of whole texts, asked of lengths and of characters at their positions


@law
@given(data=st.data(), dtype=st.sampled_from(TEXTS))
def test_any_codes_decode_to_lengths_and_characters_that_were_seen(data: st.DataObject, dtype: pl.DataType) -> None:
    values = data.draw(columns(dtype))
    stats = stats_of(Character, values)
    back = given_back(Character, any_codes(Character, stats, 60), stats, values).cast(pl.String)
    rows = np.arange(60, dtype=np.uint64)
    assert shared_pairs(back, rows, 1) <= shared_pairs(values.cast(pl.String), rows, 1)


@law
@given(data=st.data(), others=st.integers(0, 40), holders=st.integers(1, THRESHOLD - 1), seed=st.integers(0, 99))
def test_lengths_and_characters_that_few_subjects_share_never_leave_decode(
    data: st.DataObject, others: int, holders: int, seed: int
) -> None:
    pool = data.draw(st.lists(values_of(pl.String()), min_size=1, max_size=5))
    rng = np.random.default_rng(seed)
    rows = [(pool[rng.integers(len(pool))], 1000 + s) for s in range(others)]
    rows += [(data.draw(values_of(pl.String())), holder) for holder in range(holders) for _ in range(3)] * 17
    values = pl.Series("c", [value for value, _ in rows])
    subjects = np.array([subject for _, subject in rows], dtype=np.uint64)
    stats = stats_of(Character, values, subjects, THRESHOLD)
    back = Character.decode(any_codes(Character, stats, 300), stats)
    assert shared_pairs(back, np.arange(300, dtype=np.uint64), 1) <= shared_pairs(values, subjects, THRESHOLD)


# --- what comes back exactly


def there_and_back(values: pl.Series, threshold: int = 0) -> pl.Series:
    stats = stats_of(Character, values, None, threshold)
    return given_back(Character, Character.encode(values, stats), stats, values)


@law
@given(texts=st.lists(st.none() | st.text(max_size=MOST_POSITIONS), max_size=30))
def test_text_of_up_to_fifty_characters_comes_back(texts: list[str | None]) -> None:
    values = pl.Series("c", texts, dtype=pl.String)
    assert there_and_back(values).equals(values)


@pytest.mark.parametrize(
    "texts",
    [
        ["", None, " ", "   ", "a   ", "   a"],  # E20: blanks at the end stay
        ["\t", "\n", "a\r\nb", "\x00", "\x00\x00", "a\x00", "\x7f"],
        ["🦜", "👩‍👩‍👧", "🇫🇷", "\U0010ffff", "\uffff", "\ue000"],
        ["e\u0301", "é", "\u0301", "n\u0303o"],
        ["שלום", "مرحبا", "\u202eabc\u202c", "abc שלום 12"],
        ["x", "xx" * 10, "x" * 50, "日本語", "Ω" * 49],
        ["_RARE_", "<<NULL>>", "null", "None", "nan", "\ufffd", "?"],
    ],
    ids=["blanks", "controls", "astral", "combining", "right to left", "lengths", "markers"],
)
def test_odd_text_comes_back(texts: list[str | None]) -> None:
    values = pl.Series("c", texts * 10, dtype=pl.String)
    assert there_and_back(values).equals(values)
    assert there_and_back(values, THRESHOLD).equals(values)


def test_longer_text_is_cut_to_fifty_characters_however_long() -> None:
    values = pl.Series("c", ["🦜é" * 500_000, "a" * 51, "b" * 50])
    assert there_and_back(values).to_list() == ["🦜é" * 25, "a" * 50, "b" * 50]


def test_an_unknown_character_becomes_the_commonest_of_its_position() -> None:
    stats = stats_of(Character, pl.Series(["AB1", "AB2", "AC2"]))
    codes = Character.encode(pl.Series(["A?2", "?C9"]), stats)
    subs = Character.sub_columns(stats)
    assert [subs[1 + i].unknown for i in range(3)] == [0, 0, 0]
    assert codes.tolist() == [[1, 2, 0, 3], [1, 0, 3, 0]]
    assert Character.decode(codes, stats).to_list() == ["AB2", "AC2"]


def test_the_commonest_characters_of_a_position_keep_a_code() -> None:
    points = [chr(0x4E00 + i) for i in range(MOST_CHARACTERS + 10)]
    stats = stats_of(Character, pl.Series([*points, *points[10:]]))
    assert stats.to_json()["characters"] == ("".join(points[10:]),)


def test_a_length_that_few_subjects_share_is_cut_to_the_next_shorter_one_shown() -> None:
    values = pl.Series("c", ["abc"] * 9 + ["abcabc"] * 9 + ["abca", "ab"])
    assert there_and_back(values, THRESHOLD).to_list()[-2:] == ["abc", None]
    lengths = Character.sub_columns(stats_of(Character, values, None, THRESHOLD))[0]
    assert (lengths.name, lengths.cardinality, lengths.unknown) == ("length", 3, 0)


def test_a_character_that_one_subject_has_is_never_decoded() -> None:
    values = pl.Series("c", ["AB", "BA"] * 40 + ["AZ"] * 50)
    subjects = np.concatenate([np.arange(80), np.full(50, 900)]).astype(np.uint64)
    stats = stats_of(Character, values, subjects, THRESHOLD)
    back = Character.decode(any_codes(Character, stats, 500), stats)
    assert set(back.drop_nulls()) == {"AA", "AB", "BA", "BB"}


def test_text_under_nulls_is_drawn_for_the_row_and_looks_like_the_others() -> None:
    values = pl.Series("c", ["ab", "cde", None, None] * 50)
    stats = stats_of(Character, values)
    keys = np.arange(200, dtype=np.uint64)
    codes = Character.encode(values, stats, Rows(Seed(1), keys))
    nulls = codes[codes[:, 0] == 1]
    assert {sub.name for sub in Character.sub_columns(stats)} == {"null", "length", "p0", "p1", "p2"}
    assert set(nulls[:, 1].tolist()) == {1, 2}
    assert ((nulls[:, 4] == 1) == (nulls[:, 1] == 1)).all(), "the pad stands exactly beyond the length"
    assert (Character.encode(values, stats, Rows(Seed(1), keys)) == codes).all()
    assert (Character.encode(values, stats, Rows(Seed(2), keys)) != codes).any()


def test_a_declared_column_goes_through_a_table() -> None:
    table = pl.DataFrame({"plate": ["AB-123 ", None, "CD-99"] * 10, "n": range(30)})
    stats = compute_stats(table, {"plate": "character"})
    assert decode_table(encode_table(table, stats), stats)["plate"].equals(table["plate"])


def test_a_hundred_thousand_texts_decode_without_a_loop_over_values() -> None:  # E24
    alphabet = np.array(list("abcdefghijklmnopqrstuvwxyz0123456789éü🦜 "))
    letters = alphabet[np.random.default_rng(1).integers(0, len(alphabet), (1000, 20))]
    values = pl.Series("c", ["".join(row) for row in letters] * 100)
    stats = stats_of(Character, values)
    codes = Character.encode(values, stats)
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        back = Character.decode(codes, stats)
        seconds.append(time.perf_counter() - began)
    assert back.equals(values)
    assert min(seconds) < 2, "0.03 s on a machine that does nothing else; a loop takes longer than 2 s on any"
