"""Dates and times as calendar parts: year, month, day, hour, minute, second, milliseconds; those that vary."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats
from argn_assets.encodings.number_counts import (
    NumberCounts,
    combine_counts,
    count_exactly,
    count_parts,
    fit,
    numbers,
    protected_range,
)
from argn_assets.encodings.number_ranges import with_nulls
from argn_assets.encodings.protection import Protection
from argn_assets.schema import SubColumn

PARTS = ("year", "month", "day", "hour", "minute", "second", "ms_e2", "ms_e1", "ms_e0")
N_FILLS = 33  # moments from which a null's parts are drawn
FIRST, LAST = (
    -62_135_596_800_000,
    253_402_300_799_999,
)  # milliseconds: the years 1 to 9999


@dataclass(frozen=True, slots=True)
class DatetimePartial:
    """Counts of the moments in milliseconds, and of each of PARTS."""

    counts: NumberCounts
    parts: tuple[NumberCounts, ...]


@dataclass(frozen=True, slots=True)
class DatetimeStats(Stats):
    """Codes: `null` (0 or 1) where nulls were seen, then every part that varies, from its lowest value up.

    Attributes:
        has_null: nulls were seen.
        low, high: first and last moment that may be written, milliseconds since 1970 UTC; None hides everything.
        part_lows, part_highs: the range of each of PARTS.
        fills: moments from which the parts under a null are drawn, milliseconds, ascending.
    """

    NAME: ClassVar[str] = "datetime"
    has_null: bool
    low: int | None
    high: int | None
    part_lows: tuple[int, ...]
    part_highs: tuple[int, ...]
    fills: tuple[int, ...]

    @property
    def varying(self) -> tuple[int, ...]:
        """Positions in PARTS of the parts that have codes; the year stands in where nothing varies."""
        spans = zip(self.part_lows, self.part_highs, strict=True)
        return tuple(i for i, (low, high) in enumerate(spans) if high > low) or (0,)


class Datetime(Encoding):
    """Calendar parts in UTC, so that nights when clocks change keep their hours.

    Loses what is finer than a millisecond; a day that its month does not have becomes the month's last, a moment
    outside the years 1 to 9999 the nearer end. Keeps nulls, dates, times and the (protected) range. The table gives
    time zone, unit and plain dates back.

    >>> from datetime import date
    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> days = pl.Series([date(2024, 2, 29), None, date(2023, 12, 31)])
    >>> stats = Datetime.reduce([Datetime.partial(days)], UNPROTECTED)
    >>> Datetime.decode(Datetime.encode(days, stats), stats).cast(pl.Date).to_list() == days.to_list()
    True
    """

    NAME = "datetime"
    STATS = DatetimeStats
    ACCEPTS = frozenset({"moment"})
    IN_ORDER = True

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> DatetimePartial:
        """Count the moments of one batch."""
        counts = count_exactly(as_moments(values).to_physical(), subjects)
        # A calendar part is a function of the moment: split each distinct moment once.
        moments = pl.Series(numbers(counts.lows, "int"), dtype=pl.Int64).cast(pl.Datetime("ms"))
        return DatetimePartial(fit(counts), tuple(count_parts(counts, part) for part in split_parts(moments)))

    @classmethod
    def reduce(cls, partials: Sequence[DatetimePartial], protection: Protection) -> DatetimeStats:
        """Combine the ranges; protection narrows the range of moments, and that of each part."""
        counts = combine_counts([p.counts for p in partials])
        has_null = counts.n_null > 0
        shown = protected_range(counts, protection)
        if shown is None:
            return DatetimeStats(has_null, None, None, (0,) * len(PARTS), (0,) * len(PARTS), (0,))
        low, high = numbers(np.array([counts.lows[shown[0]], counts.highs[shown[1]]]), "int").tolist()
        # The parts of both ends have codes, whatever else may be shown; the years are those of the ends alone.
        ends = split_parts(pl.Series([low, high], dtype=pl.Int64).cast(pl.Datetime("ms")))
        lows, highs = ends.min(axis=1), ends.max(axis=1)
        for i in range(1, len(PARTS)):
            part = combine_counts([p.parts[i] for p in partials])
            if (shown_parts := protected_range(part, protection)) is not None:
                lows[i] = min(lows[i], numbers(part.lows, "int")[shown_parts[0]])
                highs[i] = max(highs[i], numbers(part.lows, "int")[shown_parts[1]])
        at = np.minimum(np.searchsorted(np.cumsum(counts.counts), _quantiles(counts.n_values)), len(counts.lows) - 1)
        fills = np.clip(numbers(counts.lows[at], "int"), low, high)
        return DatetimeStats(has_null, low, high, tuple(lows.tolist()), tuple(highs.tolist()), tuple(fills.tolist()))

    @classmethod
    def sub_columns(cls, stats: DatetimeStats) -> tuple[SubColumn, ...]:
        """`null` where nulls were seen, then the parts that vary."""
        parts = tuple(SubColumn(PARTS[i], stats.part_highs[i] - stats.part_lows[i] + 1) for i in stats.varying)
        return (SubColumn("null", 2, null=1), *parts) if stats.has_null else parts

    @classmethod
    def encode(cls, values: pl.Series, stats: DatetimeStats, rows: Rows | None = None) -> Codes:
        """Write moments as codes, [B, S]; a moment outside the range moves to its end."""
        moments = as_moments(values).to_physical()
        is_null = moments.is_null().to_numpy()
        uniforms = (rows or Rows.numbered(len(values))).uniforms("fill")
        # Under a null the parts are drawn by chance: constants would be a pattern the model has to learn.
        fill = np.asarray(stats.fills, dtype=np.int64)[(uniforms * len(stats.fills)).astype(np.int64)]
        ticks = np.where(is_null, fill, moments.fill_null(0).to_numpy())
        ticks = np.clip(ticks, stats.low or 0, stats.high or 0)
        moments = pl.Series(ticks).cast(pl.Datetime("ms"))
        codes = np.empty((len(values), len(cls.sub_columns(stats))), dtype=np.uint16)
        if stats.has_null:
            codes[:, 0] = is_null
        for place, i in enumerate(stats.varying, start=int(stats.has_null)):
            low, high = stats.part_lows[i], stats.part_highs[i]
            codes[:, place] = np.clip(calendar_part(moments, PARTS[i]), low, high) - low
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: DatetimeStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to moments in UTC, [B] of Datetime("ms")."""
        parts: list[NDArray[np.int64] | int] = list(stats.part_lows)
        for place, i in enumerate(stats.varying, start=int(stats.has_null)):
            parts[i] = codes[:, place].astype(np.int64) + stats.part_lows[i]
        ticks = np.clip(join_parts(parts), stats.low or 0, stats.high or 0)
        is_null = (codes[:, 0] == 1) if stats.has_null else np.zeros(len(codes), dtype=bool)
        return with_nulls(ticks, is_null | (stats.low is None)).cast(pl.Datetime("ms"))

    @classmethod
    def shows(cls, values: pl.Series, stats: DatetimeStats) -> NDArray[np.bool_]:
        """Return which moments lie in the range, [B]."""
        return are_moments_within(values, stats.low, stats.high)


def are_moments_within(values: pl.Series, low: int | None, high: int | None) -> NDArray[np.bool_]:
    """Return which moments are null or lie between two, in milliseconds since 1970 UTC, [B]; None: no moment does."""
    if low is None or high is None:
        return values.is_null().to_numpy()
    return as_moments(values).to_physical().is_between(low, high).fill_null(True).to_numpy()


def as_moments(values: pl.Series) -> pl.Series:
    """Return dates, or times with or without a zone, as UTC moments of the years 1 to 9999, [B] of Datetime("ms")."""
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    return values.cast(pl.Datetime("ms")).cast(pl.Int64).clip(FIRST, LAST).cast(pl.Datetime("ms"))


def calendar_part(moments: pl.Series, part: str) -> NDArray[np.int64]:
    """Return one of PARTS of moments without nulls, [B]."""
    if part.startswith("ms_e"):
        milliseconds: NDArray[np.int64] = moments.dt.millisecond().cast(pl.Int64).to_numpy()
        digit: NDArray[np.int64] = milliseconds // 10 ** int(part[-1]) % 10
        return digit
    values: NDArray[np.int64] = getattr(moments.dt, part)().cast(pl.Int64).to_numpy()
    return values


def split_parts(moments: pl.Series) -> NDArray[np.int64]:
    """Return the calendar parts of moments without nulls, [P, B], in the order of PARTS."""
    return np.array([calendar_part(moments, part) for part in PARTS], dtype=np.int64)


def join_parts(parts: Sequence[NDArray[np.int64] | int]) -> NDArray[np.int64]:
    """Return milliseconds since 1970 UTC from calendar parts, P times [B] or constant -> [B].

    Days are clamped to their month.
    """
    year, month, day, hour, minute, second, e2, e1, e0 = parts
    months = np.asarray((year - 1970) * 12 + month - 1)
    start = months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    next_start = (months + 1).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
    days = start + np.minimum(day, next_start - start) - 1
    seconds = (days * 24 + hour) * 3600 + minute * 60 + second
    milliseconds: NDArray[np.int64] = seconds * 1000 + e2 * 100 + e1 * 10 + e0
    return milliseconds


def _quantiles(n_values: int) -> NDArray[np.float64]:
    """Return the middles of N_FILLS equal parts of n_values rows."""
    return (np.arange(N_FILLS) + 0.5) * n_values / N_FILLS
