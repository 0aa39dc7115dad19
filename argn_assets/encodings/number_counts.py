"""Counts of numbers: the partial that all numeric and date encodings share.

Numbers are counted under order-preserving unsigned keys, so that integers beyond 2^53, both int64 extremes, infinities
and NaN are ordinary values. When a batch holds more distinct keys than the budget, the lowest bits of the key are
dropped, as few as possible; a bucket then remembers its smallest and largest exact key. The number of dropped bits
depends on the union of the values alone, so partials combine to the same counts in any order.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.protection import Protection, smallest_per_group

Domain = Literal["int", "uint", "float"]
Keys = NDArray[np.uint64]

BUDGET = 1 << 17  # distinct keys kept per column: 4 MB with their bounds and counts
_SIGN = np.uint64(1 << 63)
_MOST_FLOAT_SHIFT = 51  # the 8,192 prefixes of sign, exponent and one bit are well within the budget
NAN_KEY = np.uint64(0xFFF8000000000000)
MOST_DECIMALS = 15
_MOST_NARROW_DECIMALS = 9


@dataclass(frozen=True, slots=True)
class NumberCounts:
    """How often each number occurs, in bounded memory.

    Attributes:
        domain: how keys read back to numbers.
        lows, highs: smallest and largest key of each bucket, ascending, [V]; equal where a bucket is one value.
        counts: rows in each bucket, [V].
        shift: dropped low bits of the bucket key.
        subject_buckets, subjects: up to seven distinct subjects per bucket, [P]; None where each row is a subject.
        n_null: rows without a value.
        decimals: fewest decimals that write every finite value exactly; MOST_DECIMALS + 1 if none does.
        step: the largest whole number that all values are multiples of; 0 where none but 0 was seen, 1 for floats.
    """

    domain: Domain
    lows: Keys
    highs: Keys
    counts: NDArray[np.int64]
    shift: int
    subject_buckets: NDArray[np.int64] | None
    subjects: Keys | None
    n_null: int
    decimals: int
    step: int = 1

    @property
    def n_values(self) -> int:
        """Rows that hold a value."""
        return int(self.counts.sum())

    def subjects_per_bucket(self) -> NDArray[np.int64]:
        """Return the number of distinct subjects of each bucket, counted up to seven where rows share subjects, [V]."""
        if self.subject_buckets is None:
            return self.counts
        return np.bincount(self.subject_buckets, minlength=len(self.counts)).astype(np.int64)


def count_numbers(values: pl.Series, subjects: Keys | None = None, budget: int | None = None) -> NumberCounts:
    """Count the numbers of one batch within the budget; see `NumberCounts`.

    >>> counts = count_numbers(pl.Series([2, 2, None, 5]))
    >>> numbers(counts.lows, counts.domain).tolist(), counts.counts.tolist(), counts.n_null
    ([2, 5], [2, 1], 1)
    """
    return fit(count_exactly(values, subjects), budget)


def count_exactly(values: pl.Series, subjects: Keys | None = None) -> NumberCounts:
    """Count the numbers of one batch, one bucket per distinct number."""
    keys, domain = to_keys(values.drop_nulls())
    pairs: tuple[NDArray[np.int64] | None, Keys | None] = (None, None)
    if subjects is None:
        lows, counts = np.unique(keys, return_counts=True)
    else:
        lows, inverse, counts = np.unique(keys, return_inverse=True, return_counts=True)
        pairs = smallest_per_group(inverse.astype(np.int64), subjects[values.is_not_null().to_numpy()])
    return NumberCounts(
        domain, lows, lows, counts.astype(np.int64), 0, pairs[0], pairs[1],
        values.null_count(), _decimals(numbers(lows, domain)), _step(numbers(lows, domain)),
    )  # fmt: skip


def count_parts(counts: NumberCounts, parts: NDArray[np.int64]) -> NumberCounts:
    """Return how often each part occurs, where bucket b of `counts` has the part `parts[b]`; parts span a small range.

    >>> years = count_parts(count_numbers(pl.Series([5, 7, 7])), np.array([1999, 2001]))
    >>> numbers(years.lows, "int").tolist(), years.counts.tolist()
    ([1999, 2001], [1, 2])
    """
    first = int(parts.min()) if len(parts) else 0
    rows = np.bincount(parts - first, weights=counts.counts).astype(np.int64)  # exact below 2^53 rows
    seen = np.flatnonzero(rows)
    lows = (seen + first).view(np.uint64) ^ _SIGN
    pairs: tuple[NDArray[np.int64] | None, Keys | None] = (None, None)
    if counts.subject_buckets is not None and counts.subjects is not None:
        places = np.searchsorted(seen, parts - first)
        pairs = smallest_per_group(places[counts.subject_buckets], counts.subjects)
    return NumberCounts("int", lows, lows, rows[seen], 0, pairs[0], pairs[1], counts.n_null, 0)


def combine_counts(partials: Sequence[NumberCounts], budget: int | None = None) -> NumberCounts:
    """Combine the counts of several batches of one column; the order does not matter."""
    if len(partials) == 1:
        return fit(partials[0], budget)
    shift = max(p.shift for p in partials)
    lows = np.concatenate([p.lows for p in partials])
    bucket, inverse = np.unique(lows >> np.uint64(shift), return_inverse=True)
    merged_lows = np.full(len(bucket), np.iinfo(np.uint64).max, dtype=np.uint64)
    merged_highs = np.zeros(len(bucket), dtype=np.uint64)
    counts = np.zeros(len(bucket), dtype=np.int64)
    np.minimum.at(merged_lows, inverse, lows)
    np.maximum.at(merged_highs, inverse, np.concatenate([p.highs for p in partials]))
    np.add.at(counts, inverse, np.concatenate([p.counts for p in partials]))
    pairs: tuple[NDArray[np.int64] | None, Keys | None] = (None, None)
    if any(p.subject_buckets is not None for p in partials):
        starts = np.cumsum([0, *(len(p.lows) for p in partials)])
        groups = [inverse[start + p.subject_buckets] for start, p in zip(starts, partials, strict=False)]
        pairs = smallest_per_group(
            np.concatenate(groups).astype(np.int64),
            np.concatenate([p.subjects for p in partials if p.subjects is not None]),
        )
    union = NumberCounts(
        partials[0].domain, merged_lows, merged_highs, counts, shift, pairs[0], pairs[1],
        sum(p.n_null for p in partials), max(p.decimals for p in partials), math.gcd(*(p.step for p in partials)),
    )  # fmt: skip
    return fit(union, budget)


def fit(counts: NumberCounts, budget: int | None = None) -> NumberCounts:
    """Drop as few low bits as bring the number of buckets within the budget, BUDGET where None."""
    budget = BUDGET if budget is None else budget
    if len(counts.lows) <= budget:
        return counts
    # `many` leaves too many buckets, `few` does not – or is the most that keeps infinities and NaN apart from numbers.
    few, many = (_MOST_FLOAT_SHIFT if counts.domain == "float" else 63), counts.shift
    while few - many > 1:
        middle = (few + many) // 2
        distinct = 1 + np.count_nonzero(np.diff(counts.lows >> np.uint64(middle)))
        few, many = (middle, many) if distinct <= budget else (few, middle)
    group = counts.lows >> np.uint64(few)
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    pairs: tuple[NDArray[np.int64] | None, Keys | None] = (None, None)
    if counts.subject_buckets is not None and counts.subjects is not None:
        bucket = np.repeat(np.arange(len(starts)), np.diff(np.append(starts, len(group))))
        pairs = smallest_per_group(bucket[counts.subject_buckets], counts.subjects)
    return NumberCounts(
        counts.domain, counts.lows[starts], np.maximum.reduceat(counts.highs, starts),
        np.add.reduceat(counts.counts, starts), few, *pairs, counts.n_null, counts.decimals, counts.step,
    )  # fmt: skip


def to_keys(values: pl.Series) -> tuple[Keys, Domain]:
    """Return order-preserving unsigned keys, [B], of a series of numbers without nulls, and their domain."""
    if values.dtype == pl.UInt64:
        return values.to_numpy().astype(np.uint64), "uint"
    if values.dtype.is_float():
        # Adding zero turns -0.0 into 0.0: the two are equal, so they are one value.
        array = widened(values).to_numpy() + 0.0
        bits = array.view(np.uint64)
        keys = np.where(bits & _SIGN, ~bits, bits | _SIGN)
        return np.where(np.isnan(array), NAN_KEY, keys), "float"
    array = values.cast(pl.Int64).to_numpy()
    return array.view(np.uint64) ^ _SIGN, "int"


def widened(values: pl.Series) -> pl.Series:
    """Return floats as Float64, [B]; a short one as the decimal it is written as, up to nine decimals.

    The float32 that reads 0.29 is 0.28999999165534973 as float64: as such it would lose its two decimals. It comes back
    unchanged when it is cast to its own type again.

    >>> widened(pl.Series([0.29], dtype=pl.Float32)).to_list()
    [0.29]
    """
    wide = values.cast(pl.Float64)
    if values.dtype == pl.Float64:
        return wide
    array = wide.to_numpy(writable=True)
    narrow = np.float16 if str(values.dtype) == "Float16" else np.float32  # older polars has no pl.Float16
    left = np.flatnonzero(np.isfinite(array))
    for decimals in range(_MOST_NARROW_DECIMALS + 1):
        rounded = np.round(array[left], decimals)
        with np.errstate(over="ignore"):
            fits = rounded.astype(narrow) == array[left].astype(narrow)
        array[left[fits]] = rounded[fits]
        left = left[~fits]
    widened_values = pl.Series(array)
    if not values.null_count():
        return widened_values
    return pl.select(pl.when(values.is_not_null()).then(widened_values)).to_series()


def numbers(keys: Keys, domain: Domain) -> NDArray[np.int64] | NDArray[np.uint64] | NDArray[np.float64]:
    """Read keys back to numbers, [B]: int64, uint64 or float64 by domain."""
    if domain == "uint":
        return keys
    if domain == "int":
        return (keys ^ _SIGN).view(np.int64)
    return np.where(keys & _SIGN, keys ^ _SIGN, ~keys).view(np.float64)


def _decimals(values: NDArray[np.int64] | NDArray[np.uint64] | NDArray[np.float64]) -> int:
    """Return the fewest decimals, 0 … MOST_DECIMALS + 1, that write every finite value exactly."""
    if values.dtype.kind != "f":
        return 0
    left = values[np.isfinite(values)]
    left = left[left != np.rint(left)]
    for decimals in range(MOST_DECIMALS + 1):
        # Rounding at a scale beyond 2^53 changes nothing, so it would call every fraction exact.
        fits = (np.abs(left) * 10.0**decimals < 2**53) & (np.round(left, decimals) == left)
        left = left[~fits]
        if not len(left):
            return decimals
    return MOST_DECIMALS + 1


def _step(values: NDArray[np.int64] | NDArray[np.uint64] | NDArray[np.float64]) -> int:
    """Return the greatest common divisor of whole numbers; 1 for floats."""
    if values.dtype.kind == "f":
        return 1
    # The magnitude of the smallest int64 fits uint64 only.
    magnitudes = np.where(values < 0, ~values.astype(np.uint64) + np.uint64(1), values.astype(np.uint64))
    return int(np.gcd.reduce(magnitudes))


def protected_range(counts: NumberCounts, protection: Protection) -> tuple[int, int] | None:
    """Return the first and last bucket that may be shown, or None if no range has enough subjects on both sides.

    At least `threshold` distinct subjects lie at or below the first bucket, and at or above the last one. Under
    protection both are exact numbers, and where they are one, enough subjects share it.
    """
    n_buckets = len(counts.lows)
    if n_buckets == 0:
        return None
    if protection.threshold == 0:
        return 0, n_buckets - 1
    first = _reaching(counts, protection.threshold, np.arange(n_buckets))
    last = _reaching(counts, protection.threshold, np.arange(n_buckets)[::-1])
    if first is None or last is None:
        return None
    # A bucket of several numbers at the end holds some that fewer subjects reach.
    first += int(counts.lows[first] != counts.highs[first])
    last -= int(counts.lows[last] != counts.highs[last])
    is_scarce = first == last and counts.subjects_per_bucket()[first] < protection.threshold
    return None if first > last or is_scarce else (first, last)


def _reaching(counts: NumberCounts, threshold: int, order: NDArray[np.int64]) -> int | None:
    """Return the bucket at which, walking in `order`, `threshold` distinct subjects have been seen."""
    if counts.subject_buckets is None or counts.subjects is None:
        reached = np.cumsum(counts.counts[order]) >= threshold
        return int(order[np.argmax(reached)]) if reached.any() else None
    position = np.empty(len(order), dtype=np.int64)
    position[order] = np.arange(len(order))
    _, first_seen = np.unique(
        counts.subjects[np.argsort(position[counts.subject_buckets], kind="stable")], return_index=True
    )
    places = np.sort(np.sort(position[counts.subject_buckets])[first_seen])
    return int(order[places[threshold - 1]]) if len(places) >= threshold else None


def to_plain(keys: Keys, domain: Domain) -> tuple[int | float | str, ...]:
    """Write keys as JSON values, exactly: integers, shortest floats, and "inf", "-inf", "nan".

    >>> to_plain(to_keys(pl.Series([0.29, float("inf")]))[0], "float")
    (0.29, 'inf')
    """
    values = numbers(keys, domain).tolist()
    return tuple(v if isinstance(v, int) or np.isfinite(v) else str(v) for v in values)


def from_plain(values: Sequence[int | float | str], domain: Domain) -> Keys:
    """Read back what `to_plain` wrote."""
    dtype = {"int": pl.Int64, "uint": pl.UInt64, "float": pl.Float64}[domain]
    return to_keys(pl.Series([float(v) if domain == "float" else v for v in values], dtype=dtype))[0]
