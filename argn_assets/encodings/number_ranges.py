"""Numbers of any type among the values and ranges that statistics know: which one is theirs, or nearest."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.number_counts import NAN_KEY, Domain, Keys, numbers, to_keys, widened


def as_domain(values: pl.Series, domain: Domain) -> pl.Series:
    """Cast numbers to the domain the stats were made in, [B].

    Among integers, fractions become the nearest one, beyond its ends lies the end, and NaN is null.

    >>> as_domain(pl.Series([-1.0, 6.9, 1e30, float("nan")]), "uint").to_list()
    [0, 7, 18446744073709551615, None]
    """
    if domain == "float":
        return widened(values) if values.dtype.is_float() else values.cast(pl.Float64)
    dtype, ends = (pl.Int64, np.iinfo(np.int64)) if domain == "int" else (pl.UInt64, np.iinfo(np.uint64))
    cast = (values.round() if values.dtype.is_float() else values).cast(dtype, strict=False)
    if cast.null_count() == values.null_count():
        return cast
    end = pl.when(values > 0).then(pl.lit(ends.max, dtype)).when(values <= 0).then(pl.lit(ends.min, dtype))
    is_nan = values.is_nan() if values.dtype.is_float() else pl.Series([False])
    return pl.select(pl.when(cast.is_not_null()).then(cast).when(~is_nan).then(end)).to_series()


def keys_within(values: pl.Series, domain: Domain, known: Keys) -> tuple[NDArray[np.intp], Keys]:
    """Return the rows that hold a number with a place among the `known` keys, and their keys, [P] each.

    NaN has a place only where it is known: it is nearer to no number than to another.
    """
    if not len(known):
        return np.empty(0, dtype=np.intp), np.empty(0, dtype=np.uint64)
    numeric = as_domain(values, domain)
    present = np.flatnonzero(numeric.is_not_null().to_numpy())
    keys, _ = to_keys(numeric.drop_nulls())
    if domain == "float" and known[-1] != NAN_KEY:
        is_number = keys != NAN_KEY
        present, keys = present[is_number], keys[is_number]
    return present, keys


def nearest_range(keys: Keys, lows: Keys, highs: Keys, domain: Domain) -> NDArray[np.int64]:
    """Return the range that holds each key, or else the nearer neighbour, [B]; ranges ascend and do not overlap."""
    at = np.searchsorted(lows, keys, side="right") - 1
    below = np.maximum(at, 0)
    outside = np.flatnonzero((at >= 0) & (keys > highs[below]) & (below < len(lows) - 1))
    if not len(outside):
        return below
    value, under = keys[outside], below[outside]
    low, high = lows[under + 1], highs[under]
    if domain == "float":
        # Keys of floats are as far apart as their logarithms; nearness is that of the numbers.
        value, low, high = numbers(value, domain), numbers(low, domain), numbers(high, domain)  # type: ignore[assignment]
    with np.errstate(over="ignore", invalid="ignore"):
        below[outside] += low - value < value - high
    return below


def are_ranges(values: pl.Series, lows: Keys, highs: Keys, domain: Domain) -> NDArray[np.bool_]:
    """Return which values are null or lie in one of the ranges, [B]; ranges ascend and do not overlap."""
    inside = values.is_null().to_numpy().copy()
    present, keys = keys_within(values, domain, highs)
    at = np.searchsorted(lows, keys, side="right") - 1
    inside[present] = (at >= 0) & (keys <= highs[np.maximum(at, 0)])
    return inside


def with_nulls(values: NDArray[np.generic], is_null: NDArray[np.bool_]) -> pl.Series:
    """Return a series of `values` with nulls where `is_null`, [B]."""
    series = pl.Series(values)
    if not is_null.any():
        return series
    return pl.select(pl.when(pl.Series(~is_null)).then(series)).to_series()
