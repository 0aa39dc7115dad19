"""Text as the peer writes it: one code per category, or one per character."""

# B rows, S sub-columns, P positions, K codes of a position
from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl

from argn_assets.encodings.base import Codes, Rows, Stats, single_sub_column
from argn_assets.encodings.categorical import Categorical, CategoricalStats, as_text, places_of
from argn_assets.encodings.peer.reading import NULL, PeerEncoding, in_order, missing_where, null_codes
from argn_assets.schema import SubColumn

MISSING = "<<NULL>>"
_ESCAPE = "\x01"  # the peer puts it before a text that starts with it, or that reads like one of its two markers
_PAD = "\0"  # the peer's character behind the end of a text, and for unknown ones


_MOMENT = "%Y-%m-%d %H:%M:%S"
# How a moment is written, by the number of characters; a time zone comes behind it.
_MOMENTS = {10: "%Y-%m-%d", 19: _MOMENT, 23: f"{_MOMENT}%.3f", 26: f"{_MOMENT}%.6f", 29: f"{_MOMENT}%.9f"}
_ZONE, _ZONE_LENGTH = "%:z", 6


def peer_text(values: pl.Series, n_characters: int = 0) -> pl.Series:
    """Return the column as the texts that the peer makes of it, [B].

    Args:
        values: of any type. Numbers and booleans are written as Python writes them: `1e+16`, `True`.
        n_characters: of the longest text that the model knows; it says to which part moments were written.
    """
    if values.dtype == pl.Boolean:
        return values.cast(pl.String).str.to_titlecase()
    if values.dtype.is_float():
        written = pl.Series(values.fill_null(0.0).to_numpy().astype(str).tolist(), dtype=pl.String)
        return missing_where(written, values.is_null().to_numpy() | values.is_nan().fill_null(True).to_numpy())
    if isinstance(values.dtype, pl.Datetime):
        zone = values.dtype.time_zone
        form = _MOMENTS.get(n_characters - _ZONE_LENGTH * (zone is not None), _MOMENT)
        return values.dt.strftime(form if zone is None else form + _ZONE)
    return as_text(values)


class PeerCategoricalStats(CategoricalStats):
    """As `CategoricalStats`; the order of the categories is that of their codes."""

    __slots__ = ()
    NAME = "peer_categorical"


class PeerCategorical(PeerEncoding):
    r"""One code per text; true and false are the texts "True" and "False". Rare and unknown texts decode to null.

    >>> codes = {"_RARE_": 0, "<<NULL>>": 1, "a": 2, "\x01_RARE_": 3}
    >>> stats = PeerCategorical.read({"codes": codes, "no_of_rare_categories": 1})
    >>> PeerCategorical.encode(pl.Series(["_RARE_", None, "b"]), stats)[:, 0].tolist()
    [3, 1, 0]
    >>> PeerCategorical.decode(np.array([[2], [1], [3]]), stats).to_list()
    ['a', None, '_RARE_']
    """

    NAME = "peer_categorical"
    STATS = PeerCategoricalStats
    ACCEPTS = Categorical.ACCEPTS

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerCategoricalStats:
        """Read the codes; markers among them are told from texts by their place and the peer's escapes."""
        texts = in_order(document["codes"])
        has_null = texts[1:2] == [MISSING]
        categories = tuple(text.removeprefix(_ESCAPE) for text in texts[1 + has_null :])
        return PeerCategoricalStats(has_null, document.get("no_of_rare_categories", 0) > 0, categories)

    @classmethod
    def sub_columns(cls, stats: PeerCategoricalStats) -> tuple[SubColumn, ...]:
        """One sub-column, `cat`."""
        return (single_sub_column("cat", stats.has_null, len(stats.categories)),)

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerCategoricalStats, rows: Rows | None = None) -> Codes:
        """Write texts as codes, [B, 1]."""
        return Categorical.encode(cls.texts(values, stats), stats)

    @classmethod
    def texts(cls, values: pl.Series, stats: PeerCategoricalStats) -> pl.Series:
        """Return values as the peer's texts, [B]."""
        return peer_text(values, max(map(len, stats.categories), default=0))

    @classmethod
    def decode(cls, codes: Codes, stats: PeerCategoricalStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back, [B]."""
        return Categorical.decode(codes, stats)


@dataclass(frozen=True, slots=True)
class PeerCharacterStats(Stats):
    """Codes: `nan` (0 or 1) where nulls were seen, then one per position: 0 nothing or unknown, then `characters`.

    Attributes:
        has_null: nulls were seen.
        characters: the known characters of each position, in the order of their codes.
    """

    NAME: ClassVar[str] = "peer_character"
    has_null: bool
    characters: tuple[str, ...]


class PeerCharacter(PeerEncoding):
    r"""Text as one code per position. Loses unknown characters, and what lies behind the last position.

    >>> codes = {"P0": {"\0": 0, "a": 1}, "P1": {"\0": 0, " ": 1, "b": 2}}
    >>> stats = PeerCharacter.read({"has_nan": False, "codes": codes})
    >>> PeerCharacter.encode(pl.Series(["ab", "a", "xb"]), stats).tolist()
    [[1, 2], [1, 0], [0, 2]]
    >>> PeerCharacter.decode(np.array([[1, 2], [1, 1], [0, 2]]), stats).to_list()
    ['ab', 'a ', 'b']
    """

    NAME = "peer_character"
    STATS = PeerCharacterStats
    ACCEPTS = frozenset({"number", "text", "boolean", "moment"})
    COMPOSES = True

    @classmethod
    def read(cls, document: dict[str, Any]) -> PeerCharacterStats:
        """Read the characters of each position."""
        positions = [document["codes"][f"P{i}"] for i in range(len(document["codes"]))]
        return PeerCharacterStats(document["has_nan"], tuple("".join(in_order(known)[1:]) for known in positions))

    @classmethod
    def sub_columns(cls, stats: PeerCharacterStats) -> tuple[SubColumn, ...]:
        """`nan` where nulls were seen, and `P0`, `P1`, … for the positions."""
        positions = tuple(SubColumn(f"P{i}", 1 + len(known)) for i, known in enumerate(stats.characters))
        return (NULL, *positions) if stats.has_null else positions

    @classmethod
    def encode(cls, values: pl.Series, stats: PeerCharacterStats, rows: Rows | None = None) -> Codes:
        """Write texts as codes, [B, S]."""
        texts = cls.texts(values, stats)
        codes = np.zeros((len(texts), stats.has_null + len(stats.characters)), dtype=np.uint16)
        for position, known in enumerate(stats.characters):
            characters = pl.Series(list(known), dtype=pl.String)
            places = places_of(texts.str.slice(position, 1), characters).cast(pl.Int64)
            codes[:, stats.has_null + position] = (places + 1).fill_null(0).to_numpy()
        cls.draw_under_nulls(codes, stats, texts.is_null().to_numpy(), rows)
        return codes

    @classmethod
    def texts(cls, values: pl.Series, stats: PeerCharacterStats) -> pl.Series:
        """Return values as the peer's texts, [B]."""
        return peer_text(values, len(stats.characters))

    @classmethod
    def decode(cls, codes: Codes, stats: PeerCharacterStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to text, [B]; blanks at the end stay."""
        if not stats.characters:
            return pl.Series([None] * len(codes), dtype=pl.String)
        points = np.zeros((len(stats.characters), 1 + max(map(len, stats.characters))), dtype="<u4")  # [P, K]
        for position, known in enumerate(stats.characters):
            points[position, 1 : 1 + len(known)] = np.frombuffer(known.encode("utf-32-le"), dtype="<u4")
        written = points[np.arange(len(points)), codes[:, int(stats.has_null) :]]  # [B, P]
        joined = np.ascontiguousarray(written).view(f"<U{len(points)}")[:, 0]
        # Numpy drops the zeros at the end of a text; those inside stand for unknown characters.
        texts = pl.Series(joined.tolist(), dtype=pl.String).str.replace_all(_PAD, "", literal=True)
        return missing_where(texts, null_codes(codes, cls.sub_columns(stats)))
