"""Every file of `encodings/`, held to the same promises, and what each gives back beyond them."""

from __future__ import annotations

import math
from datetime import datetime, time

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.encodings.base import Encoding, encoding_named, encodings
from argn_assets.encodings.boolean import Boolean
from argn_assets.encodings.categorical import Categorical
from argn_assets.encodings.datetime import Datetime
from argn_assets.encodings.numeric_auto import NumericAuto
from argn_assets.encodings.numeric_binned import NumericBinned
from argn_assets.encodings.numeric_digit import NumericDigit
from argn_assets.encodings.numeric_discrete import NumericDiscrete
from argn_assets.encodings.protection import Protection
from argn_assets.errors import ConfigError, SchemaError
from argn_assets_tests.conformance.columns import DATETIMES, FLOATS, INTEGERS, columns, days
from argn_assets_tests.conformance.encoding import THRESHOLD, EncodingTests, any_codes, given_back, law, stats_of


class TestEveryEncoding(EncodingTests):
    @pytest.fixture(scope="class", params=sorted(encodings()))
    @classmethod
    def encoding(cls, request: pytest.FixtureRequest) -> type[Encoding]:
        return encodings()[request.param]


# --- what is given back exactly (E20, E21)


def there_and_back(encoding: type[Encoding], values: pl.Series, threshold: int = 0) -> pl.Series:
    stats = stats_of(encoding, values, None, threshold)
    return given_back(encoding, encoding.encode(values, stats), stats, values)


@law
@given(data=st.data(), dtype=st.sampled_from([*INTEGERS, *FLOATS]))
def test_numeric_discrete_gives_every_number_back(data: st.DataObject, dtype: pl.DataType) -> None:
    values = data.draw(columns(dtype))
    assert there_and_back(NumericDiscrete, values).equals(values)


@law
@given(
    data=st.data(), dtype=st.sampled_from([*INTEGERS, *FLOATS]), encoding=st.sampled_from([NumericBinned, NumericAuto])
)
def test_numbers_that_repeat_come_back_exactly(
    data: st.DataObject, dtype: pl.DataType, encoding: type[Encoding]
) -> None:
    values = data.draw(columns(dtype))
    repeated = pl.concat([values] * 3)
    assert there_and_back(encoding, repeated).equals(repeated)


@law
@given(data=st.data(), dtype=st.sampled_from(INTEGERS))
def test_numeric_digit_gives_every_integer_back(data: st.DataObject, dtype: pl.DataType) -> None:
    values = data.draw(columns(dtype))
    assert there_and_back(NumericDigit, values).equals(values)


@law
@given(decimals=st.integers(0, 15), whole=st.lists(st.integers(-(10**15) + 1, 10**15 - 1), min_size=1, max_size=20))
def test_numeric_digit_gives_fractions_of_up_to_fifteen_digits_back(decimals: int, whole: list[int]) -> None:
    values = pl.Series("c", [float(f"{v}e-{decimals}") for v in whole])
    assert there_and_back(NumericDigit, values).to_list() == values.to_list()


@law
@given(
    data=st.data(),
    dtype=st.sampled_from([pl.String(), pl.Categorical(), pl.Boolean(), pl.Date(), *INTEGERS, *FLOATS, *DATETIMES]),
)
def test_categorical_gives_everything_back(data: st.DataObject, dtype: pl.DataType) -> None:
    values = data.draw(columns(dtype))
    assert there_and_back(Categorical, values).equals(values)


@law
@given(data=st.data())
def test_boolean_gives_everything_back(data: st.DataObject) -> None:
    values = data.draw(columns(pl.Boolean()))
    assert there_and_back(Boolean, values).equals(values)


@law
@given(data=st.data(), dtype=st.sampled_from([pl.Date(), *DATETIMES]))
def test_datetime_gives_every_millisecond_back(data: st.DataObject, dtype: pl.DataType) -> None:
    values = data.draw(columns(dtype))
    assert there_and_back(Datetime, values).equals(values)


def test_datetime_floors_what_is_finer_than_a_millisecond_also_before_1970() -> None:
    values = pl.Series("c", [-1, 1_999_999, -1_000_001], dtype=pl.Int64).cast(pl.Datetime("ns"))
    assert there_and_back(Datetime, values).cast(pl.Int64).to_list() == [-1_000_000, 1_000_000, -2_000_000]


def test_datetime_takes_the_ends_of_64_bits_without_overflow() -> None:
    ends = pl.Series("c", [-(2**63) + 1, 2**63 - 1], dtype=pl.Int64)
    for unit in ("ms", "us", "ns"):
        back = there_and_back(Datetime, ends.cast(pl.Datetime(unit)))
        assert back.null_count() == 0
        assert back[0] < back[1]


def test_parts_of_other_days_become_the_last_day_of_their_month() -> None:
    values = days("2023-01-31", "2023-02-28", "2024-02-29", "2023-04-30")
    stats = stats_of(Datetime, values)
    back = given_back(Datetime, any_codes(Datetime, stats, 500), stats, values)
    assert back.null_count() == 0
    assert back.is_between(values.min(), values.max()).all()  # type: ignore[arg-type]


# --- numbers between the exact ones (E21)


@law
@given(
    decimals=st.integers(0, 6), low=st.integers(-(10**6), 10**6), width=st.integers(1, 10**6), seed=st.integers(0, 99)
)  # fmt: skip
def test_drawn_numbers_keep_range_decimals_and_wholeness(decimals: int, low: int, width: int, seed: int) -> None:
    whole = np.random.default_rng(seed).integers(low, low + width, 3000)
    values = pl.Series("c", np.round(whole / 10**decimals, decimals))
    back = there_and_back(NumericBinned, values)
    assert (back.round(decimals) == back).all()
    assert values.min() <= back.min() <= back.max() <= values.max()  # type: ignore[operator]
    integers = pl.Series("c", whole)
    drawn = there_and_back(NumericBinned, integers)
    assert integers.min() <= drawn.min() <= drawn.max() <= integers.max()  # type: ignore[operator]


@law
@given(step=st.sampled_from([7, 60, 10**9, 2**40]), low=st.integers(-(10**4), 10**4), seed=st.integers(0, 99))
def test_numbers_that_are_all_multiples_of_one_come_back_as_its_multiples(step: int, low: int, seed: int) -> None:
    whole = np.random.default_rng(seed).integers(low, low + 10**6, 4000) * step
    parts = [NumericBinned.partial(pl.Series("c", part)) for part in (whole[:1], whole[1:], whole[:0])]
    stats = NumericBinned.reduce(parts, Protection())
    back = NumericBinned.decode(any_codes(NumericBinned, stats, 4000), stats)
    assert (back % step == 0).all()
    assert back.n_unique() > 3000


@pytest.mark.parametrize("decimals", [0, 2, 15])
def test_ranges_over_all_floats_stay_finite(decimals: int) -> None:
    rng = np.random.default_rng(1)
    wild = np.concatenate([rng.uniform(-1, 1, 200) * 10.0 ** rng.integers(-300, 308, 200), [1.7e308, -1.7e308]])
    tame = np.round(rng.uniform(0, 1000, 3000), decimals)
    for array in (wild, np.concatenate([wild, tame]), np.concatenate([tame, [1.7e308, -1.7e308, 5e-324]])):
        values = pl.Series("c", array)
        stats = stats_of(NumericBinned, values)
        back = NumericBinned.decode(any_codes(NumericBinned, stats, 3000), stats)
        assert back.is_finite().all()
        assert values.min() <= back.min() <= back.max() <= values.max()  # type: ignore[operator]


def test_whole_floats_beyond_2_to_53_do_not_make_the_others_fractions() -> None:
    values = pl.Series("c", [*np.arange(5000.0), 1e17, 4e18])
    back = there_and_back(NumericBinned, values)
    assert (back == back.round()).all()


def test_short_float32_keep_their_decimals() -> None:
    values = pl.Series("c", np.random.default_rng(3).integers(0, 100_000, 20_000) / 100, dtype=pl.Float32)
    stats = stats_of(NumericBinned, values)
    assert stats.to_json()["decimals"] == 2
    back = given_back(NumericBinned, NumericBinned.encode(values, stats), stats, values)
    assert back.dtype == pl.Float32
    assert set(back.cast(pl.String).str.split(".").list.last().str.len_chars()) <= {1, 2}
    assert there_and_back(NumericDigit, values).equals(values)


def test_spikes_come_back_at_their_share_and_the_rest_stays_near() -> None:
    rng = np.random.default_rng(5)
    values = pl.Series("c", np.where(rng.random(20_000) < 0.3, 99.99, np.round(rng.lognormal(5, 2, 20_000), 2)))
    back = there_and_back(NumericBinned, values)
    assert ((values == 99.99) == (back == 99.99)).mean() > 0.999
    assert ((back - values).abs() / values.clip(1)).quantile(0.95) < 0.05  # type: ignore[operator]


def test_infinities_and_nan_are_values_of_their_own() -> None:
    values = pl.Series("c", [math.inf, -math.inf, math.nan, None, *np.linspace(0, 1, 5000)])
    back = there_and_back(NumericBinned, values)
    assert back[:4].equals(values[:4])
    assert back[4:].is_finite().all()


def test_a_hidden_number_moves_to_the_number_that_is_nearest() -> None:
    values = pl.Series("c", [0.0] * 9 + [1e6] * 9)
    for encoding in (NumericDiscrete, NumericBinned):
        stats = stats_of(encoding, values)
        assert encoding.decode(encoding.encode(pl.Series([10.0, 9e5, -1e300]), stats), stats).to_list() == [0, 1e6, 0]


def test_numbers_of_another_type_are_read_as_near_as_the_type_allows() -> None:
    unsigned = stats_of(NumericDiscrete, pl.Series("c", [3, 200], dtype=pl.UInt64))
    odd = pl.Series("c", [-1.0, 1e30, math.nan, math.inf, 3.0])
    assert NumericDiscrete.decode(NumericDiscrete.encode(odd, unsigned), unsigned).to_list() == [3, 200, 3, 200, 3]
    digits = stats_of(NumericDigit, pl.Series("c", [-5, 120]))
    assert NumericDigit.decode(NumericDigit.encode(odd, digits), digits).to_list()[3:] == [120, 3]


def test_auto_chooses_by_the_number_of_values() -> None:
    assert stats_of(NumericAuto, pl.Series("c", range(128))).NAME == "numeric_discrete"
    assert stats_of(NumericAuto, pl.Series("c", range(129))).NAME == "numeric_binned"
    assert stats_of(NumericAuto, pl.Series("c", [1, 2, 3]), None, THRESHOLD).NAME == "numeric_binned"


def test_too_many_numbers_for_a_code_each_are_refused_with_a_way_out() -> None:
    with pytest.raises(SchemaError, match=r"32,768 distinct numbers.*numeric_auto"):
        stats_of(NumericDiscrete, pl.Series("c", range(40_000)))


def test_the_commonest_thousand_categories_keep_a_code() -> None:
    values = pl.Series("c", [f"t{i:04}" for i in range(1200)] + [f"t{i:04}" for i in range(200, 1200)])
    stats = stats_of(Categorical, values)
    assert stats.to_json()["categories"] == tuple(f"t{i:04}" for i in range(200, 1200))
    assert Categorical.decode(Categorical.encode(values[:2], stats), stats).to_list() == [None, None]


# --- protection inside the range (E23)


@pytest.mark.parametrize("encoding", [NumericDiscrete, NumericBinned, NumericAuto])
@pytest.mark.parametrize("secret", [505.5, math.inf, math.nan])
def test_a_number_of_one_subject_amid_shared_ones_is_never_decoded(encoding: type[Encoding], secret: float) -> None:
    values = pl.Series("c", [*np.repeat(np.arange(0, 1000, 10.0), 8), *[secret] * 50])
    subjects = np.concatenate([np.arange(800), np.full(50, 900)]).astype(np.uint64)
    stats = stats_of(encoding, values, subjects, THRESHOLD)
    back = encoding.decode(any_codes(encoding, stats, 2000), stats)
    assert set(back.drop_nulls().to_list()) == set(np.arange(0, 1000, 10.0))


@law
@given(seed=st.integers(0, 999), n_subjects=st.integers(5, 60), spread=st.sampled_from([1, 30, 10_000]))
def test_every_cell_belongs_to_enough_subjects(seed: int, n_subjects: int, spread: int) -> None:
    rng = np.random.default_rng(seed)
    subjects = np.sort(rng.integers(0, n_subjects, 2000)).astype(np.uint64)
    # Each subject lives at its own place, so neighbouring rows are those of few subjects.
    numbers = rng.integers(0, 1000, n_subjects)[subjects] * spread + rng.integers(0, max(spread, 3), 2000)
    stats = stats_of(NumericBinned, pl.Series("c", numbers), subjects, THRESHOLD).to_json()
    for low, high in zip(stats["lows"], stats["highs"], strict=True):
        assert len(set(subjects[(numbers >= low) & (numbers <= high)])) >= THRESHOLD


def test_a_time_of_day_that_one_subject_has_is_never_decoded() -> None:
    nights = pl.datetime_range(datetime(2024, 1, 1), datetime(2024, 4, 9), "1d", eager=True)
    values = pl.concat([nights, pl.Series([datetime(2024, 2, 1, 13, 37, 11, 123000)] * 50)])
    subjects = np.concatenate([np.arange(100), np.full(50, 900)]).astype(np.uint64)
    stats = stats_of(Datetime, values, subjects, THRESHOLD)
    back = Datetime.decode(any_codes(Datetime, stats, 1000), stats)
    assert (back.dt.time() == time(0)).all()


def test_registry_says_which_names_it_knows() -> None:
    with pytest.raises(ConfigError, match=r"'nope'.*boolean, categorical"):
        encoding_named("nope")
