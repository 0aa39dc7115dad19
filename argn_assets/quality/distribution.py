"""What a small chart shows of a column: shares of real and synthetic rows, nothing about fewer than five rows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.quality.bins import (
    DISCRETE_VALUES,
    MIN_ROWS,
    as_numbers,
    count_categories,
    fit_number_bins,
)
from argn_assets.quality.columns import Kind
from argn_assets.quality.figures import Bar, Distribution, Histogram

BARS_MAX = 9  # categories; the rest is one more bar
SPIKES_MAX = 4  # bars above a histogram
HISTOGRAM_BINS = 28
TAIL_SHARE = 0.01  # each end of a histogram leaves so much to its outer bin
DAY = 86_400_000_000  # microseconds
SCALES = (1, 10, 100, 1000, 10_000)  # decimals looked at for a grid of values


def describe(training: pl.Series, synthetic: pl.Series, kind: Kind) -> Distribution:
    """Return the bars and the histogram of one aligned column."""
    bars = []
    if training.null_count() or synthetic.null_count():
        bars.append(Bar("(empty)", training.null_count() / len(training), synthetic.null_count() / len(synthetic)))
    if kind == "category":
        return Distribution((*bars, *_category_bars(training, synthetic)))
    return _numbers(training, synthetic, kind, bars)


def _category_bars(training: pl.Series, synthetic: pl.Series) -> list[Bar]:
    values, counts = count_categories(training)
    frequent = [value for value, count in zip(values, counts, strict=True) if count >= MIN_ROWS]
    shown = frequent if len(frequent) <= BARS_MAX + 1 else frequent[:BARS_MAX]
    others = dict(zip(*count_categories(synthetic), strict=True))
    bars = [
        Bar(value, float(count) / len(training), float(others.get(value, 0)) / len(synthetic))
        for value, count in zip(shown, counts, strict=False)
    ]
    label = _rest_label(len(frequent) - len(shown), len(values) - len(frequent))
    rest = _left(label, bars, training, synthetic)
    return [*bars, rest] if rest.training or rest.synthetic else bars


def _rest_label(more: int, rare: int) -> str:
    if more == 0:
        return "(rare)"
    return f"({more} more + rare)" if rare else f"({more} more)"


def _left(label: str, bars: list[Bar], training: pl.Series, synthetic: pl.Series) -> Bar:
    """The bar of all present values that no other bar holds."""
    real = (len(training) - training.null_count()) / len(training) - sum(bar.training for bar in bars)
    made = (len(synthetic) - synthetic.null_count()) / len(synthetic) - sum(bar.synthetic for bar in bars)
    return Bar(label, real if real > 1e-9 else 0.0, made if made > 1e-9 else 0.0)


def _numbers(training: pl.Series, synthetic: pl.Series, kind: Kind, empty: list[Bar]) -> Distribution:
    real, made = as_numbers(training), as_numbers(synthetic)
    spikes = fit_number_bins(training).spikes
    counts = np.array([(real == spike).sum() for spike in spikes])
    discrete = len(np.unique(real[~np.isnan(real)])) <= DISCRETE_VALUES
    most = BARS_MAX + 1 if discrete else SPIKES_MAX
    shown = np.sort(spikes[np.argsort(-counts, kind="stable")[:most]])
    label = _Labels(kind, shown)
    bars = [Bar(label(v), float((real == v).mean()), float((made == v).mean())) for v in shown.tolist()]
    rest = real[np.isfinite(real) & ~np.isin(real, shown)]
    rest_made = made[~np.isnan(made) & ~np.isin(made, shown)]
    frame = None if discrete else _edges(rest)
    if frame is None:
        left = _left("(other values)", bars, training, synthetic)
        return Distribution((*empty, *bars, *([left] if left.training or left.synthetic else [])))
    edges, step = frame
    low, high = float(edges[0] + step / 2), float(edges[-1] - step / 2)  # the outer values of a grid, not their borders
    axis = _Labels(kind, np.array([low, high]))
    histogram = Histogram(
        low=axis(low),
        middle=axis((low + high) / 2),
        high=axis(high),
        training=_shares(real[~np.isnan(real) & ~np.isin(real, shown)], edges, len(real)),
        synthetic=_shares(rest_made, edges, len(made)),
    )
    return Distribution((*empty, *bars), histogram)


def _shares(values: NDArray[np.float64], edges: NDArray[np.float64], rows: int) -> tuple[float, ...]:
    codes = np.searchsorted(edges[1:-1], values, side="right")
    return tuple((np.bincount(codes, minlength=len(edges) - 1) / rows).tolist())


def _edges(values: NDArray[np.float64]) -> tuple[NDArray[np.float64], float] | None:
    """Ends of bins of equal width, and the step of the grid of values they follow (or 0.0); None for too few values.

    No outer end describes fewer than `MIN_ROWS` rows; a width that is no multiple of the grid would draw a comb.
    """
    if len(values) < 2 * HISTOGRAM_BINS:
        return None
    depth = max(MIN_ROWS - 1, int(TAIL_SHARE * len(values)))
    low, high = np.sort(values)[[depth, -1 - depth]]
    if low == high:
        return None
    step = _grid(values[(values >= low) & (values <= high)])
    if step is None:
        return np.linspace(low, high, HISTOGRAM_BINS + 1), 0.0
    width = step * np.ceil((high - low + step) / step / HISTOGRAM_BINS)
    bins = int(np.ceil((high - low + step) / width))
    return low - step / 2 + width * np.arange(bins + 1), step


def _grid(values: NDArray[np.float64]) -> float | None:
    """The largest step that all values share, when they lie on one that is coarse enough to matter."""
    for scale in SCALES:
        scaled = values * scale
        whole = np.rint(scaled)
        if np.abs(whole).max() < 2**53 and np.allclose(scaled, whole, rtol=0, atol=1e-6 * scale):
            step = float(np.gcd.reduce((whole - whole.min()).astype(np.int64))) / scale
            return step if step > 0 and np.ptp(values) / step < 100 * HISTOGRAM_BINS else None
    return None


class _Labels:
    """Writes the numbers of one axis: as short as they can be told apart, dates as dates."""

    def __init__(self, kind: Kind, values: NDArray[np.float64]):
        finite = values[np.isfinite(values)]
        self.kind = kind
        self.days = bool(np.all(finite % DAY == 0) or (len(finite) and np.ptp(finite) > 10 * DAY))

    def __call__(self, value: float) -> str:
        if not np.isfinite(value):
            return "∞" if value > 0 else "−∞"
        if self.kind == "number":
            return number_label(value)
        if self.kind == "date":
            return _date_label(value, self.days)
        clock = timedelta(seconds=round(value / 1e6))
        return str(clock)


def _date_label(value: float, days: bool) -> str:
    try:
        when = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=value)
    except OverflowError:
        return number_label(value)
    return when.strftime("%Y-%m-%d" if days else "%Y-%m-%d %H:%M")


def number_label(value: float) -> str:
    """Write a number for an axis: at most four significant digits, thousands apart.

    >>> number_label(12345.6), number_label(0.12345), number_label(-3.0), number_label(2.5e12)
    ('12,346', '0.1235', '−3', '2.5e+12')
    """
    size = abs(value)
    if size >= 1e9 or 0 < size < 1e-4:
        text = f"{value:.3g}"
    elif size >= 1000:
        text = f"{value:,.0f}"
    else:
        text = f"{value:.4g}"
    return text.replace("-", "−", 1) if value < 0 else text
