"""Booleans: categories that come back as booleans."""

from __future__ import annotations

import polars as pl

from argn_assets.encodings.base import Chance, Codes
from argn_assets.encodings.categorical import Categorical, CategoricalStats


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

    @classmethod
    def partial(cls, values: pl.Series, subjects=None):
        """Count one batch; text and numbers are read as booleans ("true", "false", 1, 0)."""
        return super().partial(as_boolean(values), subjects)

    @classmethod
    def reduce(cls, partials, protection):
        """Keep the values that enough subjects share."""
        stats = super().reduce(partials, protection)
        return BooleanStats(stats.has_null, stats.has_unknown, stats.categories)

    @classmethod
    def encode(cls, values: pl.Series, stats: CategoricalStats, chance: Chance | None = None) -> Codes:
        """Write booleans as codes, [B, 1]."""
        return super().encode(as_boolean(values), stats, chance)

    @classmethod
    def decode(cls, codes: Codes, stats: CategoricalStats, chance: Chance | None = None) -> pl.Series:
        """Read codes back to booleans, [B]."""
        return super().decode(codes, stats, chance) == "true"


def as_boolean(values: pl.Series) -> pl.Series:
    """Read a series as booleans, [B]; text other than true and false (any case) becomes null."""
    if values.dtype == pl.Boolean:
        return values
    if values.dtype == pl.String:
        return values.str.to_lowercase().replace_strict({"true": True, "false": False}, default=None)
    return values.cast(pl.Boolean, strict=False)
