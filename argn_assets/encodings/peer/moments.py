"""Dates and times as the peer writes them: calendar parts, or the start of a sequence and the gaps in it."""

# B rows, S sub-columns
from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Rows, Stats
from argn_assets.encodings.datetime import FIRST, LAST, PARTS, as_moments, calendar_part, join_parts
from argn_assets.encodings.peer.reading import NULL, PeerEncoding, missing_where, null_codes
from argn_assets.schema import SubColumn

_PEER_PARTS = ("year", "month", "day", "hour", "minute", "second", "ms_E2", "ms_E1", "ms_E0")
_GAPS = {"week": 604_800, "day": 86_400, "hour": 3600, "minute": 60, "second": 1}  # seconds
_DATE_ALONE, _SLASHES = r"^\d{4}-\d{2}-\d{2}$", r"^\s*\d{1,2}/\d{1,2}/\d{4}(?:\s|$)"
_DAY, _SECOND = 86_400_000, 1000  # milliseconds


@dataclass(frozen=True, slots=True)
class PeerDatetimeStats(Stats):
    """Codes: `nan` (0 or 1) where nulls were seen, then calendar parts from their smallest value up.

    Attributes:
        has_null: nulls were seen.
        low, high: the range that may be written, milliseconds since 1970 UTC, cut to the last part; None shows none.
        part_lows, part_highs: the range of the parts from the year on: 3, 6 or 9 of them.
    """

    NAME: ClassVar[str] = "peer_datetime"
    has_null: bool
    low: int | None
    high: int | None
    part_lows: tuple[int, ...]
    part_highs: tuple[int, ...]


class PeerDatetime(PeerEncoding):
    """One code per calendar part: year, month and day; hour, minute and second; digits of milliseconds.

    Loses what is beyond the range, or finer than the parts. A day that its month does not have becomes its last.

    >>> parts = {"year": 2021, "month": 1, "day": 1}
    >>> stats = PeerDatetime.read({
    ...     "has_nan": False, "has_time": False, "has_ms": False, "min": "2021-01-05", "max": "2021-03-01",
    ...     "min_values": parts, "max_values": parts | {"month": 3, "day": 31}})
    >>> PeerDatetime.decode(np.array([[0, 0, 0], [0, 1, 30]]), stats).cast(pl.String).to_list()
    ['2021-01-05 00:00:00.000', '2021-02-28 00:00:00.000']
    """

    NAME = "peer_datetime"
    STATS = PeerDatetimeStats
    ACCEPTS = frozenset({"moment", "text"})

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerDatetimeStats:
        """Read range and parts."""
        names = _PEER_PARTS[: 3 + 3 * document["has_time"] + 3 * document["has_ms"]]
        unit = 1 if document["has_ms"] else _SECOND if document["has_time"] else _DAY
        lows, highs = (tuple(document[name][part] for part in names) for name in ("min_values", "max_values"))
        low, high = (_milliseconds(document[end], unit) for end in ("min", "max"))
        return PeerDatetimeStats(document["has_nan"], low, high, lows, highs)

    @classmethod
    def sub_columns(cls, stats: PeerDatetimeStats) -> tuple[SubColumn, ...]:
        """`nan` where nulls were seen, then the parts."""
        return (NULL,) * stats.has_null + _sub_columns("", _PEER_PARTS, stats.part_lows, stats.part_highs)

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerDatetimeStats, rows: Rows | None = None) -> Codes:
        """Write moments as codes, [B, S]."""
        moments = read_moments(values)
        is_null = moments.is_null().to_numpy()
        ticks = moments.to_physical().fill_null(0).to_numpy()
        if stats.low is not None and stats.high is not None:
            ticks = np.clip(ticks, stats.low, stats.high)
        parts = _part_codes(ticks, stats.part_lows, stats.part_highs)
        codes = np.hstack([*[is_null[:, None]] * stats.has_null, parts]).astype(np.uint16)
        cls.draw_under_nulls(codes, stats, is_null, rows)
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: PeerDatetimeStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to moments in UTC, [B] of Datetime("ms")."""
        ticks = _join(codes[:, int(stats.has_null) :], stats.part_lows)
        is_null = null_codes(codes, cls.sub_columns(stats))
        if stats.low is not None and stats.high is not None:
            ticks = np.clip(ticks, stats.low, stats.high)
        elif stats.has_null:
            is_null = np.ones(len(codes), dtype=bool)
        return missing_where(pl.Series(ticks).cast(pl.Datetime("ms")), is_null)


@dataclass(frozen=True, slots=True)
class PeerDatetimeRelativeStats(Stats):
    """Codes: `nan` where nulls were seen, the parts of the sequence's start, `itt_neg` where seen, parts of the gap.

    Attributes:
        has_null, has_negative: nulls, and moments before the one before them, were seen.
        low, high: the range of starts, milliseconds since 1970 UTC; None shows none.
        part_lows, part_highs: the range of the start's calendar parts: 3 or 6 of them.
        gap_lows, gap_highs: the range of the gap's weeks and days, or down to seconds.
    """

    NAME: ClassVar[str] = "peer_datetime_relative"
    has_null: bool
    has_negative: bool
    low: int | None
    high: int | None
    part_lows: tuple[int, ...]
    part_highs: tuple[int, ...]
    gap_lows: tuple[int, ...]
    gap_highs: tuple[int, ...]


class PeerDatetimeRelative(PeerEncoding):
    """Each row of a sequence says where the sequence starts, and how long after the row before it lies.

    The first row's start counts, and its gap is none. A row without a moment has the moment before it, or the first one
    behind it. Loses what is finer than a second, gaps beyond their range, and starts beyond theirs.
    """

    NAME = "peer_datetime_relative"
    STATS = PeerDatetimeRelativeStats
    ACCEPTS = frozenset({"moment", "text"})

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerDatetimeRelativeStats:
        """Read ranges and parts."""
        has_time, lows, highs = document["has_time"], document["min_values"], document["max_values"]
        parts = [f"start_{part}" for part in _PEER_PARTS[: 6 if has_time else 3]]
        gaps = [f"itt_{part}" for part in _GAPS][: 5 if has_time else 2]
        low, high = (_milliseconds(document[end], 1) for end in ("min", "max"))
        return PeerDatetimeRelativeStats(
            document["has_nan"], document["has_neg"], low, high,
            tuple(lows[p] for p in parts), tuple(highs[p] for p in parts),
            tuple(lows[g] for g in gaps), tuple(highs[g] for g in gaps),
        )  # fmt: skip

    @classmethod
    def sub_columns(cls, stats: PeerDatetimeRelativeStats) -> tuple[SubColumn, ...]:
        """`nan` where nulls were seen, the parts of the start, `itt_neg` where seen, and the parts of the gap."""
        starts = _sub_columns("start_", _PEER_PARTS, stats.part_lows, stats.part_highs)
        gaps = _sub_columns("itt_", tuple(_GAPS), stats.gap_lows, stats.gap_highs)
        return (*(NULL,) * stats.has_null, *starts, *(SubColumn("itt_neg", 2),) * stats.has_negative, *gaps)

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerDatetimeRelativeStats, rows: Rows | None = None) -> Codes:
        """Write moments as codes, [B, S]."""
        moments = read_moments(values)
        known = moments.is_not_null().to_numpy()
        first = _first_rows(rows, len(values))
        ticks = _filled(moments.to_physical().fill_null(stats.low or 0).to_numpy(), known, first)
        gaps = np.where(np.arange(len(ticks)) == first, 0, np.diff(ticks, prepend=0))
        left = np.abs(gaps) // _SECOND
        gap_parts = np.empty((len(ticks), len(stats.gap_lows)), dtype=np.int64)
        for place, seconds in enumerate(list(_GAPS.values())[: gap_parts.shape[1]]):
            gap_parts[:, place], left = np.divmod(left, seconds)
        nulls, negatives = [~known[:, None]] * stats.has_null, [(gaps < 0)[:, None]] * stats.has_negative
        starts = _part_codes(ticks[first], stats.part_lows, stats.part_highs)
        gap_codes = np.clip(gap_parts, stats.gap_lows, stats.gap_highs) - stats.gap_lows
        return np.hstack([*nulls, starts, *negatives, gap_codes]).astype(np.uint16)

    @classmethod
    def decode(cls, codes: Codes, stats: PeerDatetimeRelativeStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to moments in UTC, [B] of Datetime("ms")."""
        first, n_parts = _first_rows(rows, len(codes)), len(stats.part_lows)
        begin = int(stats.has_null)
        starts = _join(codes[:, begin : begin + n_parts], stats.part_lows)[first]
        if stats.low is not None and stats.high is not None:
            starts = np.clip(starts, stats.low, stats.high)
        lengths = codes[:, begin + n_parts + stats.has_negative :].astype(np.int64) + np.array(stats.gap_lows)
        gaps = lengths @ np.array(list(_GAPS.values())[: lengths.shape[1]]) * _SECOND
        if stats.has_negative:
            gaps = np.where(codes[:, begin + n_parts] == 1, -gaps, gaps)
        gaps[first == np.arange(len(codes))] = 0
        total = np.cumsum(gaps)
        ticks = np.clip(starts + total - total[first], FIRST, LAST)
        if n_parts == len(_PEER_PARTS[:3]):
            ticks = ticks // _DAY * _DAY
        return missing_where(pl.Series(ticks).cast(pl.Datetime("ms")), null_codes(codes, cls.sub_columns(stats)))


def read_moments(values: pl.Series) -> pl.Series:
    """Return dates, times, or text of them, as UTC moments, [B] of Datetime("ms"); text that says none is null."""
    if values.dtype == pl.Null:
        return values.cast(pl.Datetime("ms"))
    if values.dtype in (pl.String, pl.Categorical, pl.Enum):
        texts = values.cast(pl.String)
        # The rest would be read the same way by pandas, ten times as slowly.
        iso = texts.str.strip_chars().str.replace("T", " ", literal=True).str.replace(_DATE_ALONE, "$0 00:00:00")
        moments = iso.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us", strict=False)
        values = moments if moments.null_count() == texts.null_count() else _read_any_form(texts)
    return as_moments(values)


def _read_any_form(texts: pl.Series) -> pl.Series:
    """Return the moments of text in whatever form, [B] of Datetime("us"), as the peer reads it: with pandas.

    All have the form of the first, else each its own with the month before the day; the day comes first where a
    column of dates with slashes is understood better that way.
    """
    import pandas as pd

    column = pd.Series(texts.to_list(), dtype="str")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that forms were guessed
        read: Callable[..., Any] = partial(pd.to_datetime, errors="coerce", utc=True)
        each = read(column, format="mixed")
        known = column.where(each.notna())
        found = read(known)
        if found.isna().sum() > known.isna().sum() and known.str.contains(_SLASHES, na=False).any():
            day_first = read(known, format="mixed", dayfirst=True)
            found = day_first if day_first.isna().sum() < found.isna().sum() else found
    moments: pl.Series = pl.from_pandas(found.fillna(each).dt.tz_localize(None).astype("datetime64[us]"))
    return moments


def _milliseconds(text: str | None, unit: int) -> int | None:
    """Return the moment that ISO text says, cut to a unit of so many milliseconds; None for None."""
    if text is None:
        return None
    ticks: int = read_moments(pl.Series([text], dtype=pl.String)).to_physical().item()
    return ticks // unit * unit


def _sub_columns(prefix: str, names: Sequence[str], lows: Sequence[int], highs: Sequence[int]) -> tuple[SubColumn, ...]:
    return tuple(SubColumn(prefix + name, high - low + 1) for name, low, high in zip(names, lows, highs, strict=False))


def _part_codes(ticks: NDArray[np.int64], lows: Sequence[int], highs: Sequence[int]) -> NDArray[np.int64]:
    """Return the codes of calendar parts, [B, P]; a part beyond its range is its end."""
    moments = pl.Series(ticks).cast(pl.Datetime("ms"))
    parts = [np.clip(calendar_part(moments, PARTS[i]), low, highs[i]) - low for i, low in enumerate(lows)]
    return np.stack(parts, axis=1)


def _join(codes: Codes, lows: Sequence[int]) -> NDArray[np.int64]:
    """Return milliseconds since 1970 from the codes of calendar parts, [B, P] -> [B]."""
    parts: list[NDArray[np.int64] | int] = [codes[:, i].astype(np.int64) + low for i, low in enumerate(lows)]
    return join_parts([*parts, *[0] * (len(PARTS) - len(parts))])


def _first_rows(rows: Rows | None, n_rows: int) -> NDArray[np.int64]:
    """Return for each row the first row of its sequence, [B]."""
    numbers = np.arange(n_rows)
    if rows is None or rows.starts is None:
        return numbers
    return np.maximum.accumulate(np.where(rows.starts, numbers, 0))


def _filled(ticks: NDArray[np.int64], known: NDArray[np.bool_], first: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return each row's moment, or the one before it in its sequence, or else the first one behind it, [B]."""
    numbers = np.arange(len(ticks))
    before = np.maximum.accumulate(np.where(known, numbers, -1))
    behind = np.minimum.accumulate(np.where(known, numbers, len(ticks))[::-1])[::-1]
    behind = np.where(behind < len(ticks), behind, numbers)
    behind = np.where(first[behind] == first, behind, numbers)  # a sequence without any moment has none to give
    return ticks[np.where(before >= first, before, behind)]
