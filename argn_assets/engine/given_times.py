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
        times = pl.DataFrame({"sequence": sequence, "code": table[name], "free": free, "given": known})
        moved[name] = times.select(_moved(never_falls=(own.gap_low or 0) >= 0)).to_series()
    return table.with_columns(**moved)


def _moved(*, never_falls: bool) -> pl.Expr:
    """Return the expression of the time of each row; of sequences without a given time, what the code says."""
    apart = pl.col("given") - pl.col("free")
    value = pl.col("free") + apart.forward_fill().over("sequence").fill_null(apart.backward_fill().over("sequence"))
    if never_falls:  # a drawn row between two given ones
        value = pl.min_horizontal(value, pl.col("given").backward_fill().over("sequence"))
    return pl.when(apart.is_not_null().any().over("sequence")).then(value).otherwise(pl.col("code"))
