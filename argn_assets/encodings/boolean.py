"""Booleans: categories that come back as booleans."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from argn_assets.encodings.base import Codes, Rows
from argn_assets.encodings.categorical import Categorical, CategoricalStats, TextCounts, read_table
from argn_assets.encodings.protection import Protection


class BooleanStats(CategoricalStats):
    """As `CategoricalStats`, with the categories "false" and "true"."""

    __slots__ = ()
    NAME = "boolean"


class Boolean(Categorical):
    """True and false, one code each. Loses nothing but what protection hides.

    >>> from argn_assets.encodings.protection import UNPROTECTED
    >>> stats = Boolean.reduce([Boolean.partial(pl.Series([True, None, False]))], UNPROTECTED)
    >>> Boolean.decode(Boolean.encode(pl.Series([True, None, False]), stats), stats).to_list()
    [True, None, False]
    """

    NAME = "boolean"
    STATS = BooleanStats
    ACCEPTS = frozenset({"boolean"})

    @classmethod
    def reduce(cls, partials: Sequence[TextCounts], protection: Protection) -> BooleanStats:
        """Keep the values that enough subjects share."""
        stats = super().reduce(partials, protection)
        return BooleanStats(stats.has_null, stats.has_unknown, stats.categories)

    @classmethod
    def decode(cls, codes: Codes, stats: CategoricalStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back to booleans, [B]."""
        return read_table(codes, stats, [text == "true" for text in stats.categories], pl.Boolean())
