"""Places as the peer writes them: signs and 28 quarters of the world, once as prefixes and once by character."""

# B rows, S sub-columns, L levels
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Rows, Stats
from argn_assets.encodings.categorical import as_text, places_of
from argn_assets.encodings.peer.reading import NULL, PeerEncoding, in_order, missing_where, null_codes
from argn_assets.schema import SubColumn

_LEVELS = 28  # bits of a coordinate in units of its fifth decimal
_UNITS = 100_000  # per degree
_LENGTH = 2 + _LEVELS  # characters: the signs of latitude and longitude, then A to D for each level
_SIGNS, _QUARTERS = (
    "-+",
    "ABCD",
)  # a quarter's place in the alphabet: the bit of the latitude + 2 × that of the longitude

_ALPHABETS = (_SIGNS, _SIGNS, *[_QUARTERS] * _LEVELS)


@dataclass(frozen=True, slots=True)
class PeerLatLongStats(Stats):
    """Codes: one per kept prefix length, 0 for a rare prefix; one per character; `nan` where nulls were seen, last.

    Attributes:
        has_null: nulls were seen.
        prefix_lengths: levels of each kept prefix column, ascending.
        prefixes: the known prefixes of each, signs included, in the order of their codes.
        characters: the characters of each of 30 positions, in the order of their codes.
    """

    NAME: ClassVar[str] = "peer_lat_long"
    has_null: bool
    prefix_lengths: tuple[int, ...]
    prefixes: tuple[tuple[str, ...], ...]
    characters: tuple[str, ...]

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> PeerLatLongStats:
        """Read what `to_json` wrote."""
        prefixes = tuple(tuple(known) for known in document["prefixes"])
        lengths, characters = tuple(document["prefix_lengths"]), tuple(document["characters"])
        return cls(document["has_null"], lengths, prefixes, characters)


class PeerLatLong(PeerEncoding):
    """Text of "latitude, longitude" to five decimals, read with the precision of 32 bits as the peer reads it.

    The characters alone are decoded; prefixes only guide the model. Text that is no place is a missing value.
    """

    NAME = "peer_lat_long"
    STATS = PeerLatLongStats
    ACCEPTS = frozenset({"text"})
    COMPOSES = True
    EXAMPLES = ("48.20820, 16.37380",)

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerLatLongStats:
        """Read prefixes and characters."""
        quads, codes = document["quad_codes"], document["quadtile_characters"]["codes"]
        return PeerLatLongStats(
            document["has_nan"],
            tuple(int(name.removeprefix("QUAD")) for name in quads),
            tuple(tuple(in_order(known)[1:]) for known in quads.values()),
            tuple("".join(in_order(codes[f"P{i}"])) for i in range(_LENGTH)),
        )

    @classmethod
    def sub_columns(cls, stats: PeerLatLongStats) -> tuple[SubColumn, ...]:
        """`QUAD<levels>`, `P0` to `P29`, and `nan` where nulls were seen."""
        kept = zip(stats.prefix_lengths, stats.prefixes, strict=True)
        quads = tuple(SubColumn(f"QUAD{length}", 1 + len(prefixes)) for length, prefixes in kept)
        positions = tuple(SubColumn(f"P{i}", len(known)) for i, known in enumerate(stats.characters))
        return (*quads, *positions, *(NULL,) * stats.has_null)

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerLatLongStats, rows: Rows | None = None) -> Codes:
        """Write places as codes, [B, S]."""
        quarters, is_null = _split(as_text(values))
        codes = np.zeros((len(values), len(cls.sub_columns(stats))), dtype=np.uint16)
        n_prefixes = len(stats.prefixes)
        for position, (alphabet, known) in enumerate(zip(_ALPHABETS, stats.characters, strict=True)):
            table = np.array([max(known.find(character), 0) for character in alphabet], dtype=np.uint16)
            codes[:, n_prefixes + position] = table[quarters[:, position]]
        points = np.array([[ord(c) for c in alphabet.ljust(4)] for alphabet in _ALPHABETS], dtype="<u4")
        written = points[np.arange(_LENGTH), quarters]  # [B, 30]
        for place, (length, prefixes) in enumerate(zip(stats.prefix_lengths, stats.prefixes, strict=True)):
            texts = np.ascontiguousarray(written[:, : 2 + length]).view(f"<U{2 + length}")[:, 0]
            found = places_of(pl.Series(texts.tolist(), dtype=pl.String), pl.Series(prefixes, dtype=pl.String))
            codes[:, place] = (found.cast(pl.Int64) + 1).fill_null(0).to_numpy()
        cls.draw_under_nulls(codes, stats, is_null, rows)
        return codes

    @classmethod
    def decode(cls, codes: Codes, stats: PeerLatLongStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to text, [B]."""
        first = len(stats.prefixes)
        ticks, signs = np.zeros((2, len(codes)), dtype=np.int64), np.ones((2, len(codes)), dtype=np.int64)
        for position, (alphabet, known) in enumerate(zip(_ALPHABETS, stats.characters, strict=True)):
            table = np.array([alphabet.index(character) for character in known], dtype=np.int64)
            quarter = table[codes[:, first + position]]
            if position < len(signs):
                signs[position] = 2 * quarter - 1
            else:
                ticks = ticks * 2 + np.stack([quarter % 2, quarter // 2])
        latitude, longitude = (pl.Series(axis) for axis in signs * ticks / _UNITS)
        texts = pl.select(pl.concat_str(_five_decimals(latitude), pl.lit(", "), _five_decimals(longitude))).to_series()
        return missing_where(texts, null_codes(codes, cls.sub_columns(stats)))


def _five_decimals(degrees: pl.Series) -> pl.Expr:
    return pl.lit(pl.Series([f"{value:.5f}" for value in degrees.to_list()], dtype=pl.String))


def _split(texts: pl.Series) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return signs and quarters, [B, 30], and which texts are no place, [B]."""
    halves = texts.str.splitn(",", 3).struct
    axes = [halves.field(f"field_{i}").str.strip_chars().cast(pl.Float32, strict=False) for i in range(2)]
    degrees = np.stack([axis.fill_nan(None).fill_null(float("nan")).to_numpy() for axis in axes])  # [2, B] of float32
    is_null = np.isnan(degrees).any(axis=0)
    ticks = (np.where(np.isnan(degrees), 0, degrees) * np.float32(_UNITS)).astype(np.int64)
    signs = (ticks >= 0).astype(np.int64)
    ticks = np.minimum(np.abs(ticks), np.array([[90], [180]]) * _UNITS)
    levels = np.arange(_LEVELS - 1, -1, -1)
    bits = ticks[:, :, None] >> levels & 1  # [2, B, L]
    return np.hstack([signs.T, bits[0] + 2 * bits[1]]), is_null
