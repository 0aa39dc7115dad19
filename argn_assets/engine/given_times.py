"""Times of sequences that go on from given ones: a gap counts from the time that was given, wherever that lies."""

# N rows, G sequences, S sub-columns
from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.datetime_relative import DatetimeRelativeStats
from argn_assets.seeds import Seed
from argn_assets.tables.encode import decode_codes
from argn_assets.tables.sequences import starts_at
from argn_assets.tables.stats import TableStats

_FIRST, _LAST = (int(datetime(*day, tzinfo=UTC).timestamp()) * 1000 for day in ((1, 1, 1), (9999, 12, 31)))


def times_from_given(
    table: pl.DataFrame,
    codes: NDArray[np.uint16],
    offsets: NDArray[np.int64],
    given: pl.DataFrame,
    stats: TableStats,
    seed: Seed,
    first_row: int = 0,
) -> pl.DataFrame:
    """Return decoded rows whose relative times are as far from the given ones of their sequence as their gaps say.

    Codes say times within the range that was trained on, and to the precision of its parts; given times may lie
    elsewhere. Without this, a sequence that goes on after a later time would fall back into the trained range.

    Args:
        table: the rows as codes say them, N rows.
        codes: their codes, [S, N].
        offsets: where each sequence starts, [G + 1].
        given: given values at their rows, missing elsewhere, N rows.
        stats: of the table.
        seed: that the rows were decoded with.
        first_row: number of the first row.
    """
    starts = starts_at(offsets)
    sequence = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    at, moved = 0, {}
    for name, subs in stats.sub_columns().items():
        own, block = stats.columns[name], codes[at : at + len(subs)]
        at += len(subs)
        if not isinstance(own, DatetimeRelativeStats) or own.low is None or not table[name].dtype.is_temporal():
            continue
        if name not in given.columns or given[name].null_count() == len(given):
            continue
        unbounded = dataclasses.replace(stats, columns={name: dataclasses.replace(own, low=_FIRST, high=_LAST)})
        free = decode_codes(block, unbounded, seed=seed, first_row=first_row, starts=starts)[name]
        known = given[name].cast(free.dtype, strict=False)
        columns = {"code": table[name], "free": free, "given": known}
        times = pl.DataFrame({"sequence": sequence} | {key: own.to_physical() for key, own in columns.items()})
        found = times.select(_moved(_unit(own, free.dtype) if (own.gap_low or 0) >= 0 else None)).to_series()
        moved[name] = found.cast(times["code"].dtype).cast(table[name].dtype)
    return table.with_columns(**moved)


def _unit(stats: DatetimeRelativeStats, dtype: pl.DataType) -> int:
    """Return the finest part of gaps in what a type counts, at least 1."""
    if dtype == pl.Date:
        return 1
    per_millisecond = {"ms": 1, "us": 1_000, "ns": 1_000_000}
    return stats.gap_unit * per_millisecond[dtype.time_unit]  # type: ignore[attr-defined]


def _moved(unit: int | None) -> pl.Expr:
    """Return the expression of the time of each row; of sequences without a given time, what the code says.

    Before the first given time and after the last one gaps are as drawn. Between two they are longer or shorter by one
    factor, in whole units; `unit` is None where times may fall, which has no such factor.
    """
    free, given = pl.col("free"), pl.col("given")
    apart = given - free
    value = free + apart.forward_fill().over("sequence").fill_null(apart.backward_fill().over("sequence"))
    if unit is not None:
        known = pl.when(given.is_not_null()).then(free)
        given_before, given_after = given.forward_fill().over("sequence"), given.backward_fill().over("sequence")
        free_before, free_after = known.forward_fill().over("sequence"), known.backward_fill().over("sequence")
        factor = (given_after - given_before) / pl.max_horizontal(free_after - free_before, 1) / unit
        since = ((free - free_before) * factor).round().cast(pl.Int64) * unit
        between = pl.when(given_before.is_not_null() & given_after.is_not_null()).then(given_before + since)
        value = pl.coalesce(pl.when(between > given_after).then(given_after).otherwise(between), value)
    return pl.when(apart.is_not_null().any().over("sequence")).then(value).otherwise(pl.col("code"))
