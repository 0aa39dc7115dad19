"""Places on Earth, written as the text "latitude, longitude": a region, and a cell of a quadtree within it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats, single_sub_column
from argn_assets.encodings.categorical import as_text
from argn_assets.encodings.number_counts import (
    Keys,
    NumberCounts,
    combine_counts,
    count_numbers,
    numbers,
    protected_range,
)
from argn_assets.encodings.number_ranges import nearest_range, with_nulls
from argn_assets.encodings.place_cells import (
    MOST_DECIMALS,
    CountedPlaces,
    cut_into_cells,
    from_keys,
    group_cells,
    low_bits,
    on_grid,
    to_keys,
)
from argn_assets.encodings.protection import Protection
from argn_assets.schema import SubColumn

MOST_COUNTED = 1 << 20  # distinct places counted per column: 24 MB; beyond it the lowest bits of their keys are dropped
DEFAULT_DECIMALS = 5  # a metre, where the column does not say

_UNIT = 10**MOST_DECIMALS
_HALF_TURNS = (90 * _UNIT, 180 * _UNIT)  # of latitude and longitude
_LONGEST_TEXT = 200  # bytes; longer text is no pair of coordinates
_NUMBER = r"([+-]?[0-9]*(?:\.([0-9]*))?)"
_PATTERN = rf"^\s*(\(?)\s*{_NUMBER}\s*,(\s*){_NUMBER}\s*(\)?)\s*$"


@dataclass(frozen=True, slots=True)
class LatLongPartial:
    """Counts of the places, and of the most and the fewest decimals per row.

    Attributes:
        n_spaced, n_bracketed: places with a blank after the comma, and in brackets.
        n_unread: texts that are no place.
    """

    places: NumberCounts
    most_decimals: NumberCounts
    fewest_decimals: NumberCounts
    n_spaced: int
    n_bracketed: int
    n_unread: int


@dataclass(frozen=True)
class LatLongStats(Stats):
    """Codes of `region`: 0 unknown, then null where nulls were seen, then regions; of `place`: the cell in the region.

    Attributes:
        has_null: nulls, or texts that are no place, were seen.
        most_decimals: decimals that coordinates are rounded to, at most MOST_DECIMALS.
        fewest_decimals: decimals that are written even where they are zeros.
        separator: what stands between the coordinates, "," or ", ".
        has_brackets: the pair stands in brackets.
        cells: smallest key of each cell, ascending, [C].
        free_bits: low bits of the key that the cell leaves free, 0 for a single place, [C].
        region_starts: first cell of each region, ascending, [N].
    """

    NAME: ClassVar[str] = "lat_long"
    has_null: bool
    most_decimals: int
    fewest_decimals: int
    separator: str
    has_brackets: bool
    cells: tuple[int, ...]
    free_bits: tuple[int, ...]
    region_starts: tuple[int, ...]

    @cached_property
    def bounds(self) -> tuple[Keys, Keys]:
        """Smallest and largest key of each cell, [C] each."""
        lows = np.array(self.cells, dtype=np.uint64)
        return lows, lows | low_bits(np.array(self.free_bits, dtype=np.uint64))

    @cached_property
    def region_sizes(self) -> NDArray[np.int64]:
        """Cells in each region, [N]."""
        return np.diff(np.append(self.region_starts, len(self.cells))).astype(np.int64)


class LatLong(Encoding):
    """Text "latitude, longitude" in degrees as a region and a cell within it; exact where places repeat.

    Loses the position inside a cell of several places (it is drawn uniformly on the column's decimals), decimals beyond
    the seventh, signs and zeros that say nothing ("+1", "007", "-0"), and what protection hides: those places move to
    the nearest cell. Text that is no pair of numbers within ±90 and ±180, as "48,85 2,35" or swapped coordinates beyond
    the pole, becomes null and is counted as null. Decodes with as many decimals as the column shows (5 where it shows
    none that enough subjects share); zeros at the end are written up to the fewest decimals it shows. The separator is
    the commoner one of "," and ", "; brackets around the pair are written where most have them.

    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> places = pl.Series(["48.85837, 2.29448", "-90, 180", None, "somewhere"])
    >>> stats = LatLong.reduce([LatLong.partial(places)], UNPROTECTED)
    >>> LatLong.encode(places, stats)[:, 0].tolist()
    [2, 3, 1, 1]
    >>> LatLong.decode(LatLong.encode(places, stats), stats).to_list()
    ['48.85837, 2.29448', '-90, 180', None, None]
    """

    NAME = "lat_long"
    STATS = LatLongStats
    ACCEPTS = frozenset({"text"})
    COMPOSES = True
    EXAMPLES = ("48.85837, 2.29448", "90, 180", "-90, -180", "0, 0", "-33.8567844, 151.2152967")

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> LatLongPartial:
        """Count the places of one batch."""
        read = read_places(as_text(values))
        return LatLongPartial(
            count_numbers(with_nulls(to_keys(read.latitude, read.longitude), ~read.is_place), subjects, MOST_COUNTED),
            count_numbers(with_nulls(read.decimals.max(axis=0), ~read.is_place), subjects),
            count_numbers(with_nulls(read.decimals.min(axis=0), ~read.is_place), subjects),
            int(np.count_nonzero(read.is_spaced)),
            int(np.count_nonzero(read.is_bracketed)),
            len(values) - values.null_count() - int(np.count_nonzero(read.is_place)),
        )

    @classmethod
    def reduce(cls, partials: Sequence[LatLongPartial], protection: Protection) -> LatLongStats:
        """Cut the counted places into cells, and the cells into regions of about equal mass."""
        places = combine_counts([p.places for p in partials], MOST_COUNTED)
        most, fewest = _decimals(partials, protection)
        spaced = 2 * sum(p.n_spaced for p in partials) >= places.n_values
        bracketed = 2 * sum(p.n_bracketed for p in partials) > places.n_values
        cells = cut_into_cells(CountedPlaces.of(places, most), protection)
        lows, free = tuple(c.low for c in cells), tuple(c.free_bits for c in cells)
        starts = group_cells(np.array([c.mass for c in cells], dtype=np.int64))
        separator = ", " if spaced else ","
        return LatLongStats(places.n_null > 0, most, fewest, separator, bracketed, lows, free, starts)

    @classmethod
    def sub_columns(cls, stats: LatLongStats) -> tuple[SubColumn, ...]:
        """`region`, and `place` where some region has several cells."""
        regions = single_sub_column("region", stats.has_null, len(stats.region_starts))
        most = int(stats.region_sizes.max(initial=1))
        return (regions, SubColumn("place", most)) if most > 1 else (regions,)

    @classmethod
    def encode(cls, values: pl.Series, stats: LatLongStats, rows: Rows | None = None) -> Codes:
        """Write places as codes, [B, 1 or 2]; a place outside the cells goes to the nearest one in Morton order."""
        read = read_places(as_text(values))
        codes = np.zeros((len(values), len(cls.sub_columns(stats))), dtype=np.uint16)
        codes[~read.is_place, 0] = 1 if stats.has_null else 0
        if codes.shape[1] == 2:
            # Under a null the place is filled by chance: a constant would be a pattern the model has to learn.
            fill = (rows or Rows.numbered(len(values))).uniforms("fill")
            codes[:, 1] = (fill * stats.region_sizes.max(initial=1)).astype(np.uint16)
        if not stats.cells:
            return codes
        present = np.flatnonzero(read.is_place)
        rounded = [on_grid(c[present], stats.most_decimals) for c in (read.latitude, read.longitude)]
        cell = nearest_range(to_keys(*rounded), *stats.bounds, "uint")
        starts = np.asarray(stats.region_starts)
        region = np.searchsorted(starts, cell, side="right") - 1
        codes[present, 0] = region + 1 + stats.has_null
        if codes.shape[1] == 2:
            codes[present, 1] = cell - starts[region]
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: LatLongStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to text, [B]; null where the region is unknown."""
        first = 1 + stats.has_null
        is_place = codes[:, 0] >= first
        if not stats.cells:
            return pl.Series([None] * len(codes), dtype=pl.String)
        region = np.where(is_place, codes[:, 0].astype(np.int64) - first, 0)
        place = np.minimum(codes[:, 1], stats.region_sizes[region] - 1) if codes.shape[1] == 2 else 0
        cell = np.asarray(stats.region_starts, dtype=np.int64)[region] + place
        rows = rows or Rows.numbered(len(codes))
        texts = []
        lows, highs = (from_keys(keys) for keys in stats.bounds)
        for i, name in enumerate(("latitude", "longitude")):
            drawn = _draw(lows[i][cell], highs[i][cell], _HALF_TURNS[i], stats, rows.uniforms(name))
            texts.append(_write(drawn, stats))
        opening, closing = "()" if stats.has_brackets else ("", "")
        joined = opening + texts[0] + stats.separator + texts[1] + closing
        return pl.select(pl.when(pl.Series(is_place)).then(joined)).to_series()


class PlacesRead(NamedTuple):
    """Texts read as places; what stands in rows without a place means nothing.

    Attributes:
        latitude, longitude: whole 1e-7 degrees from the South Pole and from the date line, [B] each.
        is_place: which rows are places, [B].
        decimals: decimals of both coordinates as written, at most MOST_DECIMALS, [2, B].
        is_spaced: a blank follows the comma, [B].
        is_bracketed: the pair stands in brackets, [B].
    """

    latitude: NDArray[np.int64]
    longitude: NDArray[np.int64]
    is_place: NDArray[np.bool_]
    decimals: NDArray[np.int64]
    is_spaced: NDArray[np.bool_]
    is_bracketed: NDArray[np.bool_]


def read_places(texts: pl.Series) -> PlacesRead:
    """Read texts as places.

    >>> read = read_places(pl.Series(["-90,0.25", "91, 0"]))
    >>> read.latitude.tolist()[0], read.longitude.tolist()[0], read.is_place.tolist()
    (0, 1802500000, [True, False])
    """
    short = texts.set(texts.str.len_bytes() > _LONGEST_TEXT, None)
    opening, *fields, closing = short.str.extract_groups(_PATTERN).struct.unnest().get_columns()
    degrees = [fields[i].cast(pl.Float64, strict=False) for i in (0, 3)]
    is_place = (opening.str.len_bytes() == closing.str.len_bytes()).fill_null(False).to_numpy().copy()
    whole = []
    for value, most in zip(degrees, (90.0, 180.0), strict=True):
        is_place &= value.is_between(-most, most).fill_null(False).to_numpy()
        inside = value.fill_null(0.0).clip(-most, most).to_numpy()
        whole.append(np.rint(inside * _UNIT).astype(np.int64) + round(most) * _UNIT)
    decimals = [fields[i].str.len_bytes().fill_null(0).clip(0, MOST_DECIMALS).to_numpy() for i in (1, 4)]
    has = [(part.str.len_bytes().fill_null(0) > 0).to_numpy() & is_place for part in (fields[2], opening)]
    return PlacesRead(whole[0], whole[1], is_place, np.array(decimals, dtype=np.int64), *has)


def _decimals(partials: Sequence[LatLongPartial], protection: Protection) -> tuple[int, int]:
    """Return the most and the fewest decimals that enough subjects show."""
    most = combine_counts([p.most_decimals for p in partials])
    fewest = combine_counts([p.fewest_decimals for p in partials])
    ends = protected_range(most, protection), protected_range(fewest, protection)
    if ends[0] is None:
        return DEFAULT_DECIMALS, DEFAULT_DECIMALS
    highest = int(numbers(most.highs, "int")[ends[0][1]])
    lowest = highest if ends[1] is None else int(numbers(fewest.lows, "int")[ends[1][0]])
    return highest, min(lowest, highest)


def _draw(
    lows: NDArray[np.int64],
    highs: NDArray[np.int64],
    half_turn: int,
    stats: LatLongStats,
    uniforms: NDArray[np.float64],
) -> NDArray[np.int64]:
    """Draw a coordinate between both ends on the column's grid, [B]: units of its last decimal, from the equator."""
    step = 10 ** (MOST_DECIMALS - stats.most_decimals)
    first, last = -(-lows // step), np.minimum(highs, 2 * half_turn) // step
    drawn: NDArray[np.int64] = first + (uniforms * np.maximum(last - first + 1, 1)).astype(np.int64)
    drawn -= half_turn // step
    return drawn


def _write(units: NDArray[np.int64], stats: LatLongStats) -> pl.Series:
    """Write units of the last decimal as degrees, [B]."""
    scale = 10**stats.most_decimals
    sign = pl.select(pl.when(pl.Series(units < 0)).then(pl.lit("-")).otherwise(pl.lit(""))).to_series()
    whole = sign + pl.Series(np.abs(units) // scale).cast(pl.String)
    if stats.most_decimals == 0:
        return whole
    digits = pl.Series(np.abs(units) % scale).cast(pl.String).str.zfill(stats.most_decimals)
    digits = digits.str.strip_chars_end("0").str.pad_end(stats.fewest_decimals, "0")
    return pl.select(pl.when(digits == "").then(whole).otherwise(whole + "." + digits)).to_series()
