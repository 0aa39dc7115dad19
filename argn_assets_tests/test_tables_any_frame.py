"""Any table of pandas, polars or pyarrow comes back from its codes: the same values, types and missing values (E9)."""

from __future__ import annotations

from datetime import time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argn_assets.tables import (
    TableStats,
    combine_partial_stats,
    compute_partial_stats,
    compute_stats,
    decode_table,
    encode_table,
)
from argn_assets_tests.conformance.columns import DATETIMES, FLOATS, INTEGERS, columns, series
from argn_assets_tests.conformance.encoding import law, random_split

PLAIN = [*INTEGERS, *FLOATS, *DATETIMES, pl.Boolean(), pl.Date(), pl.String(), pl.Categorical()]
TICKS: dict[pl.DataType, st.SearchStrategy[Any]] = {
    pl.Decimal(20, 3): st.integers(-(2**63), 2**63 - 1).map(lambda units: Decimal(units).scaleb(-3)),
    pl.Duration("us"): st.sampled_from([timedelta(0), timedelta(microseconds=-1)])
    | st.timedeltas(timedelta(-99_999), timedelta(99_999)),
    pl.Time(): st.sampled_from([time.min, time.max]) | st.times(),
}


@st.composite
def any_columns(draw: st.DrawFn, n_rows: int) -> pl.Series:
    """Draw a column of any type that is taken; few values repeat, so that each has a code of its own."""
    dtype = draw(st.sampled_from([*PLAIN, *TICKS]))
    if dtype not in TICKS:
        return draw(columns(dtype, least=n_rows, most=n_rows))
    pool = [*draw(st.lists(TICKS[dtype], min_size=1, max_size=12)), *[None] * draw(st.integers(0, 1))]
    return series(draw(st.lists(st.sampled_from(pool), min_size=n_rows, max_size=n_rows)), dtype)


@st.composite
def any_tables(draw: st.DrawFn) -> pl.DataFrame:
    """Draw a table of one to four columns and one to thirty rows."""
    n_rows = draw(st.integers(1, 30))
    return pl.DataFrame(
        [draw(any_columns(n_rows)).alias(f"{i} ") for i in range(draw(st.integers(1, 4)))]
    )  # fmt: skip


def there_and_back(frame: Any) -> Any:
    stats = TableStats.from_bytes(compute_stats(frame).to_bytes())
    return decode_table(encode_table(frame, stats), stats)


@law
@given(table=any_tables())
def test_any_polars_table_comes_back(table: pl.DataFrame) -> None:
    back = there_and_back(table)
    assert back.schema == table.schema
    assert back.equals(table)


@law
@given(table=any_tables())
def test_any_arrow_table_comes_back(table: pl.DataFrame) -> None:
    frame = table.to_arrow()
    back = there_and_back(frame)
    assert back.schema == frame.schema
    assert pl.DataFrame(back).equals(pl.DataFrame(frame))


@law
@given(table=any_tables(), is_nullable=st.booleans())
def test_any_pandas_table_comes_back(table: pl.DataFrame, is_nullable: bool) -> None:
    frame = table.to_pandas(use_pyarrow_extension_array=is_nullable)
    back = there_and_back(frame)
    assert back.dtypes.equals(frame.dtypes)
    pd.testing.assert_frame_equal(back, frame)


@law
@given(table=any_tables(), seed=st.integers(0, 99), n_parts=st.integers(1, 4))
def test_batches_of_any_table_combine_to_the_bytes_of_the_whole(table: pl.DataFrame, seed: int, n_parts: int) -> None:
    parts = [table[rows] for rows in random_split(len(table), n_parts, np.arange(len(table)), seed)]
    combined = combine_partial_stats([compute_partial_stats(part) for part in parts])
    assert combined.to_bytes() == compute_stats(table).to_bytes()


def test_lengths_of_time_keep_their_grain() -> None:
    minutes = np.random.default_rng(7).integers(0, 40_000, 6000)
    frame = pd.DataFrame({"took": pd.to_timedelta(minutes, unit="min").astype("m8[ns]")})
    back = there_and_back(frame)["took"]
    assert (back % pd.Timedelta("1min") == pd.Timedelta(0)).all()
    assert (back - frame["took"]).abs().quantile(0.9) < pd.Timedelta("2h")


def test_decimals_keep_the_places_that_they_use() -> None:
    units = np.random.default_rng(7).integers(0, 10**7, 6000)
    cents = [Decimal(int(unit)).scaleb(-2) for unit in units]
    frame = pl.DataFrame({"price": pl.Series(cents, dtype=pl.Decimal(20, 10))})
    back = there_and_back(frame)["price"]
    assert back.dtype == pl.Decimal(20, 10)
    assert all(price == price.quantize(Decimal("0.01")) for price in back)


def test_a_batch_of_another_scale_or_kind_is_read_as_the_column_was() -> None:
    stats = compute_stats(pl.DataFrame({"price": [Decimal("1.50"), Decimal("2.25")]}))
    for values in ([Decimal("2.2500"), Decimal("1.5")], [2.25, 1.5], ["2.25", "1.5"]):
        encoded = encode_table(pl.DataFrame({"price": values}), stats)
        assert decode_table(encoded, stats)["price"].to_list() == [Decimal("2.25"), Decimal("1.50")]


@pytest.mark.slow
def test_ten_thousand_columns_come_back() -> None:
    rng = np.random.default_rng(0)
    words = np.array(["low", "mid", "high"])
    frame = pd.DataFrame(
        {f"c{i}": words[rng.integers(0, 3, 100)] if i % 2 else rng.integers(0, 100, 100) for i in range(10_000)}
    )
    pd.testing.assert_frame_equal(there_and_back(frame), frame)
