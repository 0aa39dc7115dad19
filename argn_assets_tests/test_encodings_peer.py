"""The encodings of imported models: laws that hold for any codes and values, beside the peer's own answers."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

import numpy as np
import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from argn_assets.encodings.base import Rows, Stats, encoding_named, encodings
from argn_assets.encodings.peer import PEER_ENCODINGS, stats_of_column
from argn_assets.encodings.peer.moments import PeerDatetimeStats, read_moments
from argn_assets.encodings.peer.numbers import PeerDigitStats
from argn_assets.encodings.peer.places import PeerLatLongStats
from argn_assets.encodings.peer.texts import PeerCharacterStats
from argn_assets.errors import ArtifactError, ConfigError
from argn_assets.seeds import Seed
from argn_assets_tests.peer.expected import FOLDER, Golden

law = settings(max_examples=15, deadline=None, derandomize=True, database=None)
COLUMNS: dict[str, Stats] = {
    f"{name}.{column}": stats
    for name in ("flat_s", "sequential_s", "sequential_context_s")
    for column, stats in Golden(FOLDER / name).artifact.tgt_stats.columns.items()
}
HAS_PARTS = (PeerDigitStats, PeerDatetimeStats, PeerCharacterStats, PeerLatLongStats)
COLUMN = pytest.mark.parametrize("column", COLUMNS)


def any_codes(stats: Stats, n_rows: int, seed: int) -> np.ndarray:
    cardinalities = [sub.cardinality for sub in encoding_named(stats.NAME).sub_columns(stats)]
    codes = np.random.default_rng(seed).integers(0, cardinalities, (n_rows, len(cardinalities))).astype(np.uint16)
    if stats.NAME == "peer_character":  # an unknown character inside a text is lost, and moves those behind it
        codes[:, 1:] *= np.cumprod(codes[:, 1:] > 0, axis=1).astype(np.uint16)
    return codes


def in_sequences(n_rows: int, seed: int) -> Rows:
    starts = np.random.default_rng(seed).random(n_rows) < 0.4
    starts[:1] = True
    return dataclasses.replace(Rows.numbered(n_rows, Seed(seed)), starts=starts)


@COLUMN
@law
@given(n_rows=st.integers(0, 20), seed=st.integers(0, 99))
def test_values_that_codes_say_are_written_and_read_again_as_they_were(column, n_rows, seed):  # E20
    stats = COLUMNS[column]
    encoding, rows = encoding_named(stats.NAME), in_sequences(n_rows, seed)
    if stats.NAME == "peer_datetime_relative":
        rows = dataclasses.replace(rows, starts=np.ones(n_rows, dtype=bool))  # gaps may leave the range of starts
    values = encoding.decode(any_codes(stats, n_rows, seed), stats, rows)
    codes = encoding.encode(values, stats, rows)
    again = encoding.decode(codes, stats, rows)
    assert codes.dtype == np.uint16
    if stats.NAME == "peer_numeric_binned":
        lows, highs = encoding.ranges(codes, stats)
        assert ((values.is_null()) | ((values >= lows) & (values <= highs))).all()
    elif stats.NAME == "peer_lat_long":  # read with 32 bits, as the peer reads it
        assert (again.is_null() == values.is_null()).all()
    else:
        assert again.equals(values)


@COLUMN
@law
@given(cut=st.integers(0, 20), seed=st.integers(0, 99))
def test_rows_do_not_depend_on_where_batches_are_cut(column, cut, seed):  # E6
    stats = COLUMNS[column]
    encoding, rows = encoding_named(stats.NAME), Rows.numbered(20, Seed(seed))
    values = encoding.decode(any_codes(stats, 20, seed), stats, rows)
    whole = encoding.encode(values, stats, rows)
    parts = [
        encoding.encode(values[part], stats, Rows(rows.seed, rows.keys[part])) for part in (slice(cut), slice(cut, 20))
    ]
    subs = encoding.sub_columns(stats)
    # What stands beside the code that says null is another row's of the batch.
    known = values.is_not_null().to_numpy()[:, None] | np.array([sub.null is not None for sub in subs])
    assert (np.concatenate(parts) == whole)[known].all()


OF_PARTS = [column for column, stats in COLUMNS.items() if isinstance(stats, HAS_PARTS) and stats.has_null]


@pytest.mark.parametrize("column", OF_PARTS)
def test_under_nulls_stands_what_other_rows_have(column):  # E20
    stats = COLUMNS[column]
    encoding, rows = encoding_named(stats.NAME), Rows.numbered(300, Seed(3))
    subs = encoding.sub_columns(stats)
    values = encoding.decode(any_codes(stats, 300, 3), stats, rows)
    parts = encoding.encode(values, stats, rows)[:, [sub.null is None for sub in subs]]
    is_null = values.is_null().to_numpy()
    written, beside = {tuple(row) for row in parts[~is_null].tolist()}, [tuple(row) for row in parts[is_null].tolist()]
    assert set(beside) <= written
    assert len(set(beside)) > len(beside) / 4
    nothing = encoding.encode(values.filter(values.is_null()), stats)
    assert (nothing < [sub.cardinality for sub in subs]).all()


@COLUMN
def test_stats_survive_json(column):  # E7
    stats = COLUMNS[column]
    assert encoding_named(stats.NAME).STATS.from_json(stats.to_json()) == stats


@pytest.mark.parametrize("name", PEER_ENCODINGS)
def test_nobody_can_compute_them(name):
    assert name not in encodings()
    with pytest.raises(ConfigError, match="belongs to imported models"):
        encoding_named(name).partial(pl.Series(["a"]))
    with pytest.raises(ConfigError, match="belongs to imported models"):
        encoding_named(name).reduce([], None)  # type: ignore[arg-type]


def digits(lowest: int, values: list[float]) -> Stats:
    """Return stats of digits for a range, as the peer writes them."""
    highest = 9
    keys = [f"E{i}" for i in range(highest, lowest - 1, -1)]
    return stats_of_column(
        "c",
        {
            "encoding_type": "TABULAR_NUMERIC_DIGIT", "cardinalities": {"neg": 2, **dict.fromkeys(keys, 10)},
            "has_nan": False, "has_neg": True, "min_digits": dict.fromkeys(keys, 0),
            "max_digits": dict.fromkeys(keys, 9), "max_decimal": highest, "min_decimal": lowest,
            "min": min(values), "max": max(values),
        },
    )  # fmt: skip


@law
@given(values=st.lists(st.decimals(-(10**9), 10**9, places=4), min_size=1, max_size=10))
def test_decimals_keep_their_digits(values):
    floats = [float(value) for value in values]
    stats = digits(-4, floats)
    encoding = encoding_named(stats.NAME)
    codes = encoding.encode(pl.Series(floats), stats)
    written = [int("".join(map(str, row[1:]))) for row in codes.tolist()]
    assert written == [abs(int(value.scaleb(4))) for value in values]
    assert encoding.decode(codes, stats).to_list() == floats


@law
@given(values=st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=10))
@example(values=[0.10000000149011612, 0.29, 5e-324, 123456789.25, -0.0])
def test_floats_keep_every_digit_that_says_them(values):  # E20
    stats = digits(-20, [-1e9, 1e9])
    codes = encoding_named(stats.NAME).encode(pl.Series(values), stats)
    written = [int("".join(map(str, row[1:]))) for row in codes.tolist()]
    exact = [abs(Decimal(repr(value))).scaleb(20) for value in values]
    assert written == [int(value.to_integral_value(ROUND_HALF_UP)) for value in exact]


def test_a_noisy_range_gives_no_numbers_between_those_of_the_column():  # E20
    stats = digits(2, [-96.0, 1024.0])
    encoding = encoding_named(stats.NAME)
    far = encoding.encode(pl.Series([-900, 5000]), stats)
    far[:, 1:] = 9
    assert encoding.decode(far, stats).to_list() == [-100, 1000]


@law
@given(values=st.lists(st.integers(-(10**7), 10**7), min_size=1, max_size=10))
def test_whole_hundreds_keep_their_digits(values):
    hundreds = [value * 100 for value in values]
    stats = digits(2, [float(value) for value in hundreds])
    encoding = encoding_named(stats.NAME)
    assert encoding.decode(encoding.encode(pl.Series(hundreds), stats), stats).to_list() == hundreds


def test_times_of_a_sequence_are_told_from_its_start():
    stats = COLUMNS["sequential_s.when"]
    encoding = encoding_named(stats.NAME)
    moments = pl.Series(
        ["2021-01-13 05:00:01", None, "2021-01-14 05:00:01", None, "2021-01-15 00:00:02", None]
    ).str.to_datetime()
    rows = dataclasses.replace(Rows.numbered(6), starts=np.array([True, False, False, True, False, True]))
    codes = encoding.encode(moments, stats, rows)
    names = [sub.name for sub in encoding.sub_columns(stats)]
    assert codes[:, names.index("itt_day")].tolist() == [0, 0, 1, 0, 0, 0]
    assert (codes[3] == codes[4])[1:].all(), "before the first known moment stands that moment"
    assert encoding.decode(codes, stats, rows).to_list() == moments.dt.cast_time_unit("ms").to_list()


def categories(*texts: str) -> Stats:
    codes = {text: code for code, text in enumerate(["_RARE_", *texts])}
    return stats_of_column(
        "c", {"encoding_type": "TABULAR_CATEGORICAL", "cardinalities": {"cat": len(codes)}, "codes": codes}
    )


MOMENTS = [datetime(2020, 1, 1), datetime(2020, 1, 2, 3, 4, 5, 250_000)]


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        (pl.Series([True, False]), ["True", "False"]),
        (pl.Series([1e16, 1e-7, 0.5, -0.0]), ["1e+16", "1e-07", "0.5", "-0.0"]),
        (pl.Series([0.1, 3.3], dtype=pl.Float32), ["0.1", "3.3"]),
        (pl.Series([-1, 10]), ["-1", "10"]),
        (pl.Series(MOMENTS).dt.date(), ["2020-01-01", "2020-01-02"]),
        (pl.Series(MOMENTS), ["2020-01-01 00:00:00", "2020-01-02 03:04:05"]),
        (pl.Series(MOMENTS), ["2020-01-01 00:00:00.000", "2020-01-02 03:04:05.250"]),
        (
            pl.Series(MOMENTS).dt.replace_time_zone("Europe/Vienna"),
            ["2020-01-01 00:00:00.000000+01:00", "2020-01-02 03:04:05.250000+01:00"],
        ),
    ],
)
def test_values_of_other_types_are_the_texts_that_the_peer_makes_of_them(values, texts):  # E20
    stats = categories(*texts)
    encoding = encoding_named(stats.NAME)
    column = pl.concat([values, pl.Series([None], dtype=values.dtype)])
    assert encoding.encode(column, stats)[:, 0].tolist() == [*range(1, 1 + len(texts)), 0]
    assert encoding.texts(column, stats).to_list() == [*texts, None]


def test_codes_count_and_not_the_order_they_are_written_down_in():
    document = {"encoding_type": "TABULAR_CATEGORICAL", "cardinalities": {"cat": 3}}
    stats = stats_of_column("c", document | {"codes": {"b": 2, "a": 1, "_RARE_": 0}})
    assert encoding_named(stats.NAME).encode(pl.Series(["a", "b"]), stats)[:, 0].tolist() == [1, 2]
    with pytest.raises(ArtifactError, match="its codes do not count up from 0"):
        stats_of_column("c", document | {"codes": {"_RARE_": 0, "a": 1, "b": 3}})


@pytest.mark.parametrize(
    "form",
    [
        "%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ", "%Y%m%d", "%m/%d/%Y", "%d/%m/%Y", "%d.%m.%Y %H:%M", "%d %B %Y",
        "%m/%d/%Y %I:%M %p",
    ],
)  # fmt: skip
def test_dates_are_read_in_the_forms_that_the_peer_reads(form):  # E20
    days = [datetime(2021, 1, 31), datetime(2021, 3, 2), datetime(2020, 12, 12)]
    read = read_moments(pl.Series([day.strftime(form) for day in days] + [None]))
    assert read.to_list() == [*days, None]


def test_text_that_says_no_date_is_missing_and_leaves_the_others():
    read = read_moments(pl.Series(["2021-03-02", "soon", None, "2021-03-02 10:00:00+02:00"]))
    assert read.to_list() == [datetime(2021, 3, 2), None, None, datetime(2021, 3, 2, 8)]


def test_blanks_at_the_end_of_a_text_stay():
    stats = stats_of_column(
        "c",
        {
            "encoding_type": "TABULAR_CHARACTER", "cardinalities": {"P0": 2, "P1": 2}, "has_nan": False,
            "codes": {"P0": {"\0": 0, "a": 1}, "P1": {"\0": 0, " ": 1}},
        },
    )  # fmt: skip
    assert encoding_named(stats.NAME).decode(np.array([[1, 1], [1, 0], [0, 0]]), stats).to_list() == ["a ", "a", ""]


def test_another_encoding_is_refused_by_the_column():
    with pytest.raises(ArtifactError, match="Column 'c' is encoded as 'TABULAR_NEW'"):
        stats_of_column("c", {"encoding_type": "TABULAR_NEW"})
    with pytest.raises(ArtifactError, match=r"Column 'c' \(TABULAR_CHARACTER\): the peer's statistics cannot be read"):
        stats_of_column("c", {"encoding_type": "TABULAR_CHARACTER", "cardinalities": {}})
