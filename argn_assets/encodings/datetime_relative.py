"""Dates and times of sequences: where each begins, and how long after the moment before it each later one lies."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats
from argn_assets.encodings.datetime import Datetime, DatetimePartial, DatetimeStats, are_moments_within, as_moments
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

# B rows, K rows with a moment, S sub-columns

NULL, ABSOLUTE, AHEAD, BACK = range(4)  # what a row holds: nothing, calendar parts, a gap from 0 up, a gap below 0
# A year of gaps is 52 whole weeks; it has codes where gaps reach MOST_WEEKS weeks, else weeks are counted through.
GAP_PARTS = ("years", "weeks", "days", "hours", "minutes", "seconds", "ms_e2", "ms_e1", "ms_e0")
MOST_WEEKS = 256
_DAY = 86_400_000
_UNITS = np.array([364 * _DAY, 7 * _DAY, _DAY, 3_600_000, 60_000, 1000, 100, 10, 1], dtype=np.int64)  # milliseconds


@dataclass(frozen=True, slots=True)
class DatetimeRelativePartial:
    """Counts of one batch.

    Attributes:
        moments: of all moments, which is all that `datetime` needs.
        starts: of the first moment of each sequence.
        gaps: of the milliseconds from one moment of a sequence to its next.
        gap_parts: of each of GAP_PARTS of them, weeks within years.
    """

    moments: DatetimePartial
    starts: DatetimePartial
    gaps: NumberCounts
    gap_parts: tuple[NumberCounts, ...]

    @property
    def falls(self) -> bool:
        """Some moment lies before the one before it."""
        return bool(len(self.gaps.lows)) and int(numbers(self.gaps.lows[:1], "int")[0]) < 0


@dataclass(frozen=True, slots=True)
class DatetimeRelativeStats(Stats):
    """Codes: `kind` where there are several, then calendar parts, then gap parts; of both, those that vary.

    A part's code 0 says that the row's kind has no such part; then come its values from the lowest up.

    Attributes:
        has_null: nulls were seen.
        low, high: first and last moment that may be written, milliseconds since 1970 UTC; None hides everything.
        start_low, start_high, start_part_lows, start_part_highs, start_fills: see `DatetimeStats`, of first moments.
        gap_low, gap_high: shortest and longest gap that may be written, milliseconds; None where there is none.
        gap_part_lows, gap_part_highs: the range of each of GAP_PARTS of gaps, whichever way they go.
    """

    NAME: ClassVar[str] = "datetime_relative"
    has_null: bool
    low: int | None
    high: int | None
    start_low: int | None
    start_high: int | None
    start_part_lows: tuple[int, ...]
    start_part_highs: tuple[int, ...]
    start_fills: tuple[int, ...]
    gap_low: int | None
    gap_high: int | None
    gap_part_lows: tuple[int, ...]
    gap_part_highs: tuple[int, ...]

    @property
    def start(self) -> DatetimeStats:
        """What is known of first moments."""
        return DatetimeStats(
            False, self.start_low, self.start_high, self.start_part_lows, self.start_part_highs, self.start_fills
        )

    @property
    def kinds(self) -> tuple[int, ...]:
        """What a row may hold, in the order of the codes of `kind`."""
        gaps = () if self.gap_low is None else (AHEAD,) * ((self.gap_high or 0) >= 0) + (BACK,) * (self.gap_low < 0)
        return (NULL,) * self.has_null + (ABSOLUTE, *gaps)

    @property
    def gap_unit(self) -> int:
        """Milliseconds of the finest part that gaps have: a day where all are whole days."""
        parts = [unit for unit, high in zip(_UNITS, self.gap_part_highs, strict=True) if high > 0]
        return int(parts[-1]) if parts else 1

    @property
    def varying_gaps(self) -> tuple[int, ...]:
        """Positions in GAP_PARTS of the parts that have codes."""
        spans = zip(self.gap_part_lows, self.gap_part_highs, strict=True)
        return tuple(i for i, (low, high) in enumerate(spans) if high > low)


class DatetimeRelative(Encoding):
    """The first moment of a sequence as calendar parts, each later one as the gap since the moment before it.

    A gap is counted in milliseconds, from the last row that holds a moment; where rows stand alone all moments are
    first ones. Loses what is finer than a millisecond; a gap outside the (protected) range becomes its nearer end, and
    moves the rest of its sequence along. Keeps nulls and every other moment exactly, and so the order of moments. No
    moment outside the range of all moments is written. Gaps are exact hours: nights when clocks change have 23 or 25.

    >>> from datetime import date
    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> days = pl.Series([date(2024, 2, 29), date(2024, 3, 7), date(2023, 5, 1), None, date(2023, 5, 8)])
    >>> subjects = np.array([1, 1, 2, 2, 2], dtype=np.uint64)
    >>> rows = dataclasses.replace(Rows.numbered(5), starts=np.array([True, False, True, False, False]))
    >>> stats = DatetimeRelative.reduce([DatetimeRelative.partial(days, subjects)], UNPROTECTED)
    >>> codes = DatetimeRelative.encode(days, stats, rows)
    >>> [sub.name for sub in DatetimeRelative.sub_columns(stats)], codes[:, 0].tolist()
    (['kind', 'year', 'month', 'day'], [1, 2, 1, 0, 2])
    >>> DatetimeRelative.decode(codes, stats, rows).cast(pl.Date).to_list() == days.to_list()
    True
    """

    NAME = "datetime_relative"
    STATS = DatetimeRelativeStats
    ACCEPTS = frozenset({"moment"})
    IN_ORDER = True

    @classmethod
    def partial(
        cls,
        values: pl.Series,
        subjects: NDArray[np.uint64] | None = None,
        sequences: NDArray[np.uint64] | None = None,
    ) -> DatetimeRelativePartial:
        """Count the moments of one batch.

        Args:
            values: the batch, [B].
            subjects: hash of each row's subject, [B]; None where every row is a subject of its own.
            sequences: hash of each row's sequence, [B], whose rows stand in its order; None where a subject has one.
        """
        moments = as_moments(values)
        known = np.flatnonzero(moments.is_not_null().to_numpy())
        of_row = np.arange(len(values), dtype=np.uint64) if subjects is None else subjects
        of_row = of_row if sequences is None else sequences
        order = known[np.argsort(of_row[known], kind="stable")]
        is_first = _changes(of_row[order])
        ticks = moments.to_physical().gather(order).to_numpy()
        later = np.flatnonzero(~is_first)
        gaps = pl.Series(ticks[later] - ticks[later - 1], dtype=pl.Int64)
        counts = count_exactly(gaps, None if subjects is None else subjects[order[later]])
        parts = _split_gaps(numbers(counts.lows, "int").astype(np.int64), by_years=True)
        return DatetimeRelativePartial(
            Datetime.partial(moments, subjects),
            Datetime.partial(moments.gather(order[is_first]), None if subjects is None else subjects[order[is_first]]),
            fit(counts),
            tuple(count_parts(counts, part) for part in parts),
        )

    @classmethod
    def reduce(cls, partials: Sequence[DatetimeRelativePartial], protection: Protection) -> DatetimeRelativeStats:
        """Combine the ranges; protection narrows those of moments, of first moments, of gaps, and of their parts."""
        moments = Datetime.reduce([p.moments for p in partials], protection)
        start = Datetime.reduce([p.starts for p in partials], protection)
        if start.low is None:  # sequences overlap, and no first moment lies between enough others
            start = moments
        low, high, part_lows, part_highs = _gap_ranges(partials, protection)
        return DatetimeRelativeStats(
            moments.has_null, moments.low, moments.high, start.low, start.high, start.part_lows, start.part_highs,
            start.fills, low, high, part_lows, part_highs,
        )  # fmt: skip

    @classmethod
    def sub_columns(cls, stats: DatetimeRelativeStats) -> tuple[SubColumn, ...]:
        """`kind` where there are several, then the calendar parts and the gap parts that vary."""
        kind = SubColumn("kind", len(stats.kinds), null=0 if stats.has_null else None)
        spans = zip(GAP_PARTS, stats.gap_part_lows, stats.gap_part_highs, strict=True)
        gaps = [SubColumn(f"gap_{name}", high - low + 2) for name, low, high in spans if high > low]
        starts = [
            dataclasses.replace(sub, cardinality=sub.cardinality + 1) for sub in Datetime.sub_columns(stats.start)
        ]
        return (*(kind,) * (len(stats.kinds) > 1), *starts, *gaps)

    @classmethod
    def encode(cls, values: pl.Series, stats: DatetimeRelativeStats, rows: Rows | None = None) -> Codes:
        """Write moments as codes, [B, S]; first moments and gaps outside their range move to its end.

        A gap is that of the moments themselves, also where these lie outside the range of all moments.
        """
        rows = rows or Rows.numbered(len(values))
        moments = as_moments(values)
        known = moments.is_not_null().to_numpy()
        ticks = moments.to_physical().fill_null(0).to_numpy()
        if not stats.has_null:  # a null has no code: it stays at the moment before it
            before, known = _rows_before(known, _sequences(rows, len(values)))
            ticks = ticks[before]
        kinds, gaps = _kinds_and_gaps(ticks, known, _sequences(rows, len(values)), stats)
        codes = np.zeros((len(values), len(cls.sub_columns(stats))), dtype=np.uint16)
        first = int(len(stats.kinds) > 1)
        if first:
            codes[:, 0] = np.searchsorted(stats.kinds, kinds)
        absolute, relative = np.flatnonzero(kinds == ABSOLUTE), np.flatnonzero(kinds >= AHEAD)
        starts = with_nulls(ticks[absolute], ~known[absolute]).cast(pl.Datetime("ms"))
        n_starts = len(stats.start.varying)
        codes[absolute, first : first + n_starts] = (
            Datetime.encode(starts, stats.start, Rows(rows.seed, rows.keys[absolute])) + 1
        )
        by_years = stats.gap_part_highs[0] > 0
        for place, i in enumerate(stats.varying_gaps, start=first + n_starts):
            low, high = stats.gap_part_lows[i], stats.gap_part_highs[i]
            codes[relative, place] = np.clip(_gap_part(gaps[relative], i, by_years), low, high) - low + 1
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: DatetimeRelativeStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to moments in UTC, [B] of Datetime("ms").

        A sequence that begins with a gap begins at a first moment drawn by chance, as does a part that is not there.
        """
        rows = rows or Rows.numbered(len(codes))
        several = len(stats.kinds) > 1
        kinds = np.asarray(stats.kinds)[codes[:, 0]] if several else np.full(len(codes), ABSOLUTE)
        known = np.flatnonzero(kinds != NULL)
        begins = (kinds[known] == ABSOLUTE) | _changes(_sequences(rows, len(codes))[known])
        at = known[begins]
        first, stop = int(several), int(several) + len(stats.start.varying)
        starts = _starts(codes[at, first:stop], stats.start, Rows(rows.seed, rows.keys[at]))
        gaps = np.where(begins, 0, _join_gaps(codes[known, stop:], kinds[known], stats))
        total = np.cumsum(gaps)
        ticks = np.zeros(len(codes), dtype=np.int64)
        ticks[known] = total + (starts - total[begins])[np.cumsum(begins) - 1]
        ticks = np.clip(ticks, stats.low or 0, stats.high or 0)
        return with_nulls(ticks, (kinds == NULL) | (stats.low is None)).cast(pl.Datetime("ms"))

    @classmethod
    def shows(cls, values: pl.Series, stats: DatetimeRelativeStats) -> NDArray[np.bool_]:
        """Return which moments lie in the range of all moments, [B]."""
        return are_moments_within(values, stats.low, stats.high)


def _changes(groups: NDArray[np.uint64] | NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows begin a run of one group, [B]."""
    changes = np.ones(len(groups), dtype=bool)
    changes[1:] = groups[1:] != groups[:-1]
    return changes


def _sequences(rows: Rows, n_rows: int) -> NDArray[np.int64]:
    """Return a number per sequence for each row, [B]."""
    return np.arange(n_rows) if rows.starts is None else np.cumsum(rows.starts)


def _rows_before(known: NDArray[np.bool_], sequences: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the nearest row at or before each row that is known, [B], and whether its sequence has one, [B]."""
    before = np.maximum.accumulate(np.where(known, np.arange(len(known)), 0))
    return before, known[before] & (sequences[before] == sequences)


def _kinds_and_gaps(
    ticks: NDArray[np.int64], known: NDArray[np.bool_], sequences: NDArray[np.int64], stats: DatetimeRelativeStats
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return what each row holds, [B], and the gap that may be written of it, 0 where it holds none, [B]."""
    at = np.flatnonzero(known)
    kinds = np.full(len(ticks), NULL if stats.has_null else ABSOLUTE)
    gaps = np.zeros(len(ticks), dtype=np.int64)
    kinds[at] = ABSOLUTE
    if stats.gap_low is not None and stats.gap_high is not None:
        later = np.flatnonzero(~_changes(sequences[at]))
        gaps[at[later]] = np.clip(ticks[at[later]] - ticks[at[later - 1]], stats.gap_low, stats.gap_high)
        kinds[at[later]] = np.where(gaps[at[later]] < 0, BACK, AHEAD)
    return kinds, gaps


def _gap_ranges(
    partials: Sequence[DatetimeRelativePartial], protection: Protection
) -> tuple[int | None, int | None, tuple[int, ...], tuple[int, ...]]:
    """Return the shortest and longest gap that may be shown, and the range of each of GAP_PARTS."""
    counts = combine_counts([p.gaps for p in partials])
    shown = protected_range(counts, protection)
    if shown is None:
        return None, None, (0,) * len(GAP_PARTS), (0,) * len(GAP_PARTS)
    low, high = numbers(np.array([counts.lows[shown[0]], counts.highs[shown[1]]]), "int").tolist()
    by_years = max(-low, high) >= MOST_WEEKS * _UNITS[1]
    # The parts of both ends, and of the shortest gap between them, have codes, whatever else may be shown.
    ends = _split_gaps(np.array([low, high, min(max(0, low), high)]), by_years)
    lows, highs = ends.min(axis=1), ends.max(axis=1)
    for i in range(1 if by_years else 2, len(GAP_PARTS)):
        part = combine_counts([p.gap_parts[i] for p in partials])
        if (shown_parts := protected_range(part, protection)) is not None:
            lows[i] = min(lows[i], numbers(part.lows, "int")[shown_parts[0]])
            highs[i] = max(highs[i], numbers(part.lows, "int")[shown_parts[1]])
    return low, high, tuple(lows.tolist()), tuple(highs.tolist())


def _split_gaps(gaps: NDArray[np.int64], by_years: bool) -> NDArray[np.int64]:
    """Return the parts of gaps without their direction, [P, B], in the order of GAP_PARTS.

    >>> _split_gaps(np.array([-8 * 86_400_000, 3_600_500]), by_years=True).T.tolist()
    [[0, 1, 1, 0, 0, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 5, 0, 0]]
    """
    return np.stack([_gap_part(gaps, i, by_years) for i in range(len(GAP_PARTS))])


def _gap_part(gaps: NDArray[np.int64], i: int, by_years: bool) -> NDArray[np.int64]:
    """Return part number `i` of GAP_PARTS, [B]."""
    if i == 0 and not by_years:
        return np.zeros(len(gaps), dtype=np.int64)
    counted: NDArray[np.int64] = np.abs(gaps) // _UNITS[i]
    return counted if i == 0 or (i == 1 and not by_years) else counted % (_UNITS[i - 1] // _UNITS[i])


def _join_gaps(codes: Codes, kinds: NDArray[np.int64], stats: DatetimeRelativeStats) -> NDArray[np.int64]:
    """Return gaps in milliseconds, [K], from the codes of their parts, [K, P], inside the range that may be written."""
    lengths = np.full(len(codes), int(np.dot(stats.gap_part_lows, _UNITS)), dtype=np.int64)
    for place, i in enumerate(stats.varying_gaps):
        lengths += np.maximum(codes[:, place].astype(np.int64) - 1, 0) * _UNITS[i]
    gaps: NDArray[np.int64] = np.clip(
        np.where(kinds == BACK, -lengths, lengths), stats.gap_low or 0, stats.gap_high or 0
    )
    return gaps


def _starts(codes: Codes, stats: DatetimeStats, rows: Rows) -> NDArray[np.int64]:
    """Return the first moments, [K] in milliseconds, that codes, [K, P], say; a part that is not there is drawn."""
    nothing = pl.Series([None] * len(codes), dtype=pl.Datetime("ms"))
    drawn = Datetime.encode(nothing, stats, rows) if (codes == 0).any() else codes
    return Datetime.decode(np.where(codes == 0, drawn, codes - 1), stats).to_physical().fill_null(0).to_numpy()
