"""Places as text: what comes back exactly, how near the rest stays, what is hidden (E20, E22, E23)."""

from __future__ import annotations

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from argn_assets.encodings import lat_long
from argn_assets.encodings.base import Rows
from argn_assets.encodings.lat_long import LatLong, LatLongStats, read_places
from argn_assets.encodings.place_cells import from_keys, to_keys
from argn_assets.encodings.protection import Protection
from argn_assets.seeds import Seed
from argn_assets.tables import compute_stats, decode_table, encode_table
from argn_assets_tests.conformance.columns import TEXTS
from argn_assets_tests.conformance.encoding import (
    THRESHOLD,
    any_codes,
    assert_in_range,
    given_back,
    law,
    random_split,
    stats_of,
    written,
)

ODD_PLACES = [
    "0, 0", "90, 0", "-90, 0", "90, 180", "-90, -180", "0, 180", "0, -180", "48.85837, 2.29448", "48.85838, 2.29448",
    "-33.8567844, 151.2152967", "51.5, -0.1278", "1, -1", "-0.5, 0.5", "40.7, -74", "89.9999999, 179.9999999",
]  # fmt: skip


def place_texts() -> st.SearchStrategy[str]:
    """Return odd and arbitrary places of seven decimals at most, written in shortest form."""
    whole = st.tuples(st.integers(-9000, 9000), st.integers(-18000, 18000))
    return st.sampled_from(ODD_PLACES) | whole.map(lambda p: f"{p[0] / 100:g}, {p[1] / 100:g}")


@st.composite
def place_columns(draw: st.DrawFn, dtype: pl.DataType, *, least: int = 0, most: int = 30) -> pl.Series:
    pool = [*draw(st.lists(place_texts(), min_size=1, max_size=12)), *[None] * draw(st.integers(0, 1))]
    return pl.Series("c", draw(st.lists(st.sampled_from(pool), min_size=least, max_size=most)), dtype=dtype)


def degrees(texts: pl.Series) -> NDArray[np.float64]:
    """Return latitudes and longitudes of texts in shortest or fixed form, [2, B]."""
    parts = texts.str.split_exact(",", 1).struct.unnest()
    return np.array([parts[name].str.strip_chars().cast(pl.Float64).to_numpy() for name in parts.columns])


def keys_of(texts: pl.Series) -> NDArray[np.uint64]:
    read = read_places(texts)
    assert read.is_place.all()
    return to_keys(read.latitude, read.longitude)


def assert_cells_are_shared(stats: LatLongStats, values: pl.Series, subjects: NDArray[np.uint64]) -> None:
    keys = keys_of(values)
    for low, high in zip(*stats.bounds, strict=True):
        assert len(set(subjects[(keys >= low) & (keys <= high)])) >= THRESHOLD


def assert_inside_cells(stats: LatLongStats, texts: pl.Series) -> None:
    keys = keys_of(texts)
    at = np.searchsorted(stats.bounds[0], keys, side="right") - 1
    assert (at >= 0).all()
    assert (keys <= stats.bounds[1][at]).all()


def there_and_back(values: pl.Series, threshold: int = 0) -> pl.Series:
    stats = stats_of(LatLong, values, None, threshold)
    return given_back(LatLong, LatLong.encode(values, stats), stats, values)


def around(centre: tuple[float, float], width: float, n: int, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(np.array(centre)[:, None], width, (2, n))


def texts_of(places: NDArray[np.float64], decimals: int = 5, separator: str = ", ") -> pl.Series:
    return pl.Series("c", [f"{a:.{decimals}f}{separator}{b:.{decimals}f}" for a, b in places.T])


# --- what the suite asks, on columns of places: to this encoding arbitrary text is null


@law
@given(data=st.data(), dtype=st.sampled_from(TEXTS))
def test_codes_are_in_range_and_places_come_back(data: st.DataObject, dtype: pl.DataType) -> None:
    values = data.draw(place_columns(dtype))
    stats = stats_of(LatLong, values)
    codes = LatLong.encode(values, stats)
    assert_in_range(codes, LatLong, stats, len(values))
    back = given_back(LatLong, codes, stats, values)
    assert back.dtype == values.dtype
    assert (back.is_null() == values.is_null()).all()
    assert given_back(LatLong, LatLong.encode(back, stats), stats, values).equals(back)
    shown = given_back(LatLong, any_codes(LatLong, stats, 60), stats, values)
    assert set(keys_of(shown.cast(pl.String).drop_nulls())) <= set(keys_of(values.cast(pl.String).drop_nulls()))


@law
@given(
    data=st.data(), n_parts=st.integers(1, 5), seed=st.integers(0, 999), threshold=st.sampled_from([0, 2, 5]),
    shares_subjects=st.booleans(), budget=st.sampled_from([lat_long.MOST_COUNTED, 16, 4]),
)  # fmt: skip
def test_reduce_depends_neither_on_split_nor_on_order(
    data: st.DataObject, n_parts: int, seed: int, threshold: int, shares_subjects: bool, budget: int
) -> None:
    values = data.draw(place_columns(pl.String(), most=60))
    groups = np.random.default_rng(seed).integers(0, 20, len(values)) if shares_subjects else np.arange(len(values))
    subjects = groups.astype(np.uint64) if shares_subjects else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lat_long, "MOST_COUNTED", budget)
        whole = stats_of(LatLong, values, subjects, threshold)
        parts = [
            LatLong.partial(values.gather(rows), None if subjects is None else subjects[rows])
            for rows in random_split(len(values), n_parts, groups, seed)
        ]
        assert written(LatLong.reduce(parts, Protection(threshold))) == written(whole)


@law
@given(data=st.data(), others=st.integers(0, 40), holders=st.integers(1, THRESHOLD - 1), seed=st.integers(0, 99))
def test_every_cell_shown_is_shared(data: st.DataObject, others: int, holders: int, seed: int) -> None:
    pool = data.draw(st.lists(place_texts(), min_size=1, max_size=5))
    rng = np.random.default_rng(seed)
    rows = [(pool[rng.integers(len(pool))], 1000 + s) for s in range(others)]
    rows += [(data.draw(place_texts()), holder) for holder in range(holders) for _ in range(3)] * 17
    values = pl.Series("c", [text for text, _ in rows])
    subjects = np.array([subject for _, subject in rows], dtype=np.uint64)
    stats = stats_of(LatLong, values, subjects, THRESHOLD)
    assert isinstance(stats, LatLongStats)
    assert_cells_are_shared(stats, values, subjects)
    assert_inside_cells(stats, LatLong.decode(any_codes(LatLong, stats, 300), stats).drop_nulls())


@law
@given(seed=st.integers(0, 999), threshold=st.sampled_from([0, THRESHOLD]), cut=st.integers(0, 500))
def test_drawn_places_belong_to_their_row_and_are_given_back_again(seed: int, threshold: int, cut: int) -> None:
    values = texts_of(around((48.85, 2.35), 0.2, 500, seed))
    stats = stats_of(LatLong, values, None, threshold)
    keys = np.random.default_rng(seed).permutation(500).astype(np.uint64)
    codes = LatLong.encode(values, stats, Rows(Seed(seed), keys))
    back = LatLong.decode(codes, stats, Rows(Seed(seed), keys))
    assert (LatLong.encode(back, stats, Rows(Seed(seed), keys)) == codes).all()
    assert LatLong.decode(codes[cut:], stats, Rows(Seed(seed), keys[cut:])).equals(back[cut:])
    assert LatLongStats.from_json(json.loads(json.dumps(stats.to_json()))) == stats


def test_one_place_of_one_subject_is_hidden_and_of_many_is_exact() -> None:
    values = pl.Series("c", ["48.85837, 2.29448"] * 50)
    one, many = np.zeros(50, dtype=np.uint64), np.arange(50, dtype=np.uint64)
    hidden, shown = (stats_of(LatLong, values, subjects, THRESHOLD) for subjects in (one, many))
    assert LatLong.decode(any_codes(LatLong, hidden, 50), hidden).null_count() == 50
    assert LatLong.decode(LatLong.encode(values, shown), shown).equals(values)
    assert there_and_back(values[:1]).equals(values[:1])


# --- what comes back exactly, and how near the rest stays


@law
@given(pool=st.lists(place_texts(), min_size=1, max_size=20), repeats=st.integers(1, 10))
def test_few_places_come_back_exactly_poles_and_date_line_included(pool: list[str], repeats: int) -> None:
    values = pl.Series("c", pool * repeats)
    assert (degrees(there_and_back(values)) == degrees(values)).all()


@law
@given(
    places=st.lists(st.tuples(st.integers(-90 * 10**7, 90 * 10**7), st.integers(-180 * 10**7, 180 * 10**7)), min_size=1)
)
def test_keys_hold_every_place(places: list[tuple[int, int]]) -> None:
    latitude, longitude = np.array(places).T + np.array([[90 * 10**7], [180 * 10**7]])
    back = from_keys(to_keys(latitude, longitude))
    assert (back[0] == latitude).all()
    assert (back[1] == longitude).all()


@pytest.mark.parametrize("decimals", range(8))
def test_fixed_decimals_stay_as_they_are_written(decimals: int) -> None:  # E20: no float32
    values = texts_of(np.round(around((48.85, -2.35), 0.3, 100), decimals), decimals)
    shortest = values.str.replace_all(r"-(0(?:\.0*)?)(,|$)", "${1}${2}")  # -0.0 is 0.0
    assert there_and_back(values).equals(shortest)


def test_shortest_decimals_stay_short() -> None:
    values = pl.Series("c", ["48.5, 2.25", "48.0, -2.125", "-0.5, 100.0"] * 5)
    assert there_and_back(values).equals(values)


@pytest.mark.parametrize(("separator", "comes_back"), [(",", ","), (", ", ", "), (" ,  ", ", "), ("\t,\n", ", ")])
def test_blanks_around_the_comma_are_understood(separator: str, comes_back: str) -> None:
    values = pl.Series("c", [f"  1.5{separator}-2.5 ", f"3.5{separator}4.5"])
    assert there_and_back(values).to_list() == [f"1.5{comes_back}-2.5", f"3.5{comes_back}4.5"]


def test_brackets_come_back_where_most_places_have_them() -> None:
    values = pl.Series("c", ["(40.71, -73.98)", "( 1.5, 2.5 )", "3.5, 4.5"])
    assert there_and_back(values).to_list() == ["(40.71, -73.98)", "(1.5, 2.5)", "(3.5, 4.5)"]
    assert there_and_back(values[1:]).to_list() == ["1.5, 2.5", "3.5, 4.5"]


@pytest.mark.parametrize(
    "text",
    [
        "", " ", ",", "1,", ", 1", "1 2", "1; 2", "48,85, 2,35", "48,85 2,35", "90.00001, 0", "151.2, -33.9",
        "0, 180.00001", "-91, 0", "nan, 1", "inf, 0", "1e1, 2", "N 48, E 2", "48°51'N, 2°21'E",
        "(1, 2", "1, 2)", "((1, 2))", "1, 2, 3", "1.2.3, 4", "--1, 2", "., .", "+, -",
        "٤٨, ٢", "1" * 1_000_000, "0" * 1000 + "1, 2", "🦜", "\x00",
    ],
    ids=lambda text: repr(text)[:20],
)  # fmt: skip
def test_what_is_no_place_becomes_null(text: str) -> None:
    values = pl.Series("c", [text, "1.5, 2.5", None])
    assert there_and_back(values).to_list() == [None, "1.5, 2.5", None]
    stats = stats_of(LatLong, pl.Series(["1.5, 2.5", "3.5, 4.5"]))
    assert LatLong.decode(LatLong.encode(values, stats), stats).to_list() == [None, "1.5, 2.5", None]


def test_signs_and_zeros_that_say_nothing_go() -> None:
    assert there_and_back(pl.Series("c", ["+1, -0", "007, .5", "-0.0, 5."])).to_list() == ["1, 0", "7, 0.5", "0, 5"]


def test_decimals_beyond_the_seventh_are_rounded() -> None:
    assert there_and_back(pl.Series("c", ["1.123456789, 2.00000006"])).to_list() == ["1.1234568, 2.0000001"]


def test_decimals_that_few_subjects_show_are_not_shown() -> None:
    values = pl.concat([pl.Series("c", ["48.85, 2.35"] * 20), pl.Series(["48.8500001, 2.3500001"] * 3)])
    assert there_and_back(values, THRESHOLD).to_list() == ["48.85, 2.35"] * 23


@pytest.mark.parametrize("threshold", [0, THRESHOLD])
def test_many_places_stay_in_their_part_of_town(threshold: int) -> None:
    towns = [
        around((48.85, 2.35), 0.05, 20_000),
        around((-33.87, 151.2), 0.02, 15_000),
        around((0, -179.9), 0.03, 5000),
    ]
    values = texts_of(np.concatenate(towns, axis=1).clip(-180, 180))
    there, back = degrees(values), degrees(there_and_back(values, threshold))
    off = np.abs(there - back).max(axis=0)
    assert np.quantile(off, 0.5) < 0.005
    assert np.quantile(off, 0.99) < 0.05
    assert (np.round(back, 5) == back).all()


@pytest.mark.parametrize("threshold", [0, THRESHOLD])
def test_a_place_that_repeats_amid_many_comes_back_exactly(threshold: int) -> None:
    values = pl.concat([texts_of(around((48.85, 2.35), 0.1, 20_000)), pl.Series(["48.85837, 2.29448"] * 2000)])
    back = there_and_back(values, threshold)
    assert (back[-2000:] == values[-2000:]).all()
    assert (back[:20_000] == "48.85837, 2.29448").sum() < 100


def test_the_home_of_one_subject_is_not_a_cell() -> None:
    homes = texts_of(around((48.85, 2.35), 0.1, 3000))
    values = pl.concat([homes, pl.Series(["-54.80191, -68.30295"] * 50), pl.Series(["48.85001, 2.35001"] * 50)])
    subjects = np.concatenate([np.arange(3000), np.full(100, 9000)]).astype(np.uint64)
    stats = stats_of(LatLong, values, subjects, THRESHOLD)
    assert isinstance(stats, LatLongStats)
    assert_cells_are_shared(stats, values, subjects)
    back = LatLong.decode(any_codes(LatLong, stats, 3000), stats)
    assert "-54.80191, -68.30295" not in set(back)
    assert degrees(back.drop_nulls())[0].min() > 40


def test_the_sub_columns_stay_of_moderate_size() -> None:
    stats = stats_of(LatLong, texts_of(around((48.85, 2.35), 0.5, 50_000)))
    region, place = LatLong.sub_columns(stats)
    assert (region.name, place.name, region.unknown) == ("region", "place", 0)
    assert 32 <= region.cardinality <= 160
    assert place.cardinality <= 64


def test_a_declared_column_goes_through_a_table() -> None:
    table = pl.DataFrame({"home": ["48.85837, 2.29448", None, "1.50000, -2.50000"] * 10, "n": range(30)})
    stats = compute_stats(table, {"home": "lat_long"})
    assert decode_table(encode_table(table, stats), stats)["home"].equals(table["home"])
