"""What comes back of a table that was written as codes: how many values of each column are the ones that were read."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Rows, column_kind, encoding_named
from argn_assets.encodings.datetime import as_moments
from argn_assets.seeds import Seed
from argn_assets.tables.dtypes import as_ticks, dtype_named
from argn_assets.tables.encode import EncodedTable, decode_codes, encode_column
from argn_assets.tables.sequences import bring_together, starts_at
from argn_assets.tables.split import row_keys
from argn_assets.tables.stats import TableStats

MOST_ROWS = 10_000  # that are read back, spread over the table


@dataclass(frozen=True)
class RoundTrip:
    """How many rows were read back, and of each modelled column the share of values that came back, [0, 1]."""

    rows: int
    kept: dict[str, float]


def round_trip(table: pl.DataFrame, encoded: EncodedTable, stats: TableStats) -> RoundTrip:
    """Read some of a table's codes back and compare with what they were made of.

    A number comes back where it lies inside the range that may be shown and is read back inside the same cell; so does
    a text that is made up of parts. Any other value comes back where it is the same, moments to the millisecond.

    Args:
        table: the table; its rows may stand in another order than those of its codes where it has sequences.
        encoded: its codes.
        stats: the statistics they were made with.
    """
    rows, starts = _sample(encoded)
    places = rows
    if encoded.offsets is not None:
        places = bring_together(row_keys(table, str(stats.schema.context_key)))[0][rows]
    read = table[places]
    codes = encoded.codes[:, rows]
    back = decode_codes(codes, stats, seed=Seed(0), starts=starts)
    of_rows, at = Rows(Seed(0), np.arange(len(rows), dtype=np.uint64), starts), 0
    kept: dict[str, float] = {}
    for name, subs in stats.sub_columns().items():
        block = codes[at : at + len(subs)].T
        same = _came_back(read[name], back[name], block, stats, of_rows)
        kept[name] = float(same.mean()) if len(rows) else 1.0
        at += len(subs)
    return RoundTrip(len(rows), kept)


def _sample(encoded: EncodedTable) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """Return rows of the codes, at most MOST_ROWS, [R], and which of them begin a sequence; whole ones but the last."""
    step = -(-encoded.n_rows // MOST_ROWS) or 1
    if encoded.offsets is None:
        return np.arange(0, encoded.n_rows, step), None
    offsets = encoded.offsets
    firsts, sizes = offsets[:-1][::step], np.diff(offsets)[::step]
    begins = np.append(0, np.cumsum(sizes))
    rows = np.repeat(firsts - begins[:-1], sizes) + np.arange(begins[-1])
    return rows[:MOST_ROWS], starts_at(begins)[:MOST_ROWS]


def _came_back(
    read: pl.Series, back: pl.Series, codes: NDArray[np.generic], stats: TableStats, rows: Rows
) -> NDArray[np.bool_]:
    """Return which values came back, [N]."""
    column, own = stats.schema.column(read.name), stats.columns[read.name]
    encoding, kind = encoding_named(own.NAME), column_kind(read.dtype)
    are_null = (read.is_null() & back.is_null()).to_numpy()
    if kind == "number" or encoding.COMPOSES:
        shown = encoding.shows(as_ticks(read, dtype_named(column.dtype)), own)
        same = shown & (encode_column(back, column, own, rows) == codes).all(axis=1)
    elif kind == "moment":
        same = (as_moments(read) == as_moments(back)).fill_null(False).to_numpy()
    else:
        same = (read.cast(pl.String) == back.cast(pl.String)).fill_null(False).to_numpy()
    return np.where(read.is_null().to_numpy() | back.is_null().to_numpy(), are_null, same)
