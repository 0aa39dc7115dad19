"""Small drawings as text: the parts of an SVG that every chart needs, and the loss curve of a training run.

Pure Python, so that a Dagster step can draw without numpy. A drawing carries its own colours, which read on a light
and on a dark page, and nothing that a page would have to fetch.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape as _escape
from math import ceil, floor, log10

Point = tuple[float, float]

LARGEST = 1e100  # a loss beyond it has diverged and has no place on an axis; NaN compares as beyond
POINTS_MAX = 200  # of one curve; more cannot be seen at this width
WIDTH, LEFT, RIGHT = 640, 56, 16
LOSS_TOP, LOSS_BOTTOM = 44, 236
RATE_TOP, RATE_BOTTOM = 276, 320
GREY, TRAINING, VALIDATION, RATE = "#7d8590", "#8a94a6", "#139a9c", "#c77d2b"


def escape(text: str) -> str:
    """Write text so that HTML and SVG show it as it is, in attributes too.

    >>> escape('<b class="x">')
    '&lt;b class=&quot;x&quot;&gt;'
    """
    return _escape(text, quote=True)


def coordinate(value: float) -> str:
    """Write a coordinate with at most one decimal.

    >>> coordinate(3.0), coordinate(3.14159)
    ('3', '3.1')
    """
    return f"{value:.1f}".removesuffix(".0")


def path(points: Sequence[Point]) -> str:
    """Return the `d` of a path through the points, in order.

    >>> path([(0, 1), (2.5, 3)])
    'M0 1L2.5 3'
    """
    return "M" + "L".join(f"{coordinate(x)} {coordinate(y)}" for x, y in points) if points else ""


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return at most about `most` round numbers within [low, high], ascending.

    >>> ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    >>> ticks(17.0, 21.0, 3)
    [18.0, 20.0]
    """
    if not high > low:
        return [low]
    raw = (high - low) / most
    power = 10.0 ** floor(log10(raw))
    step = next(nice * power for nice in (1, 2, 5, 10) if nice * power >= raw * 0.999)
    first = ceil(low / step - 1e-9)
    return [round(place * step, 12) for place in range(first, floor(high / step + 1e-9) + 1)]


def loss_curve_svg(
    epochs: Sequence[float],
    training_loss: Sequence[float | None],
    validation_loss: Sequence[float | None],
    learning_rate: Sequence[float | None] = (),
) -> str:
    """Draw the losses of a training run over its epochs, the best validation loss marked, the learning rate below.

    Args:
        epochs: ascending, one per record.
        training_loss: one per record; None and non-finite values are left out.
        validation_loss: likewise; a shorter sequence is a curve that ends earlier.
        learning_rate: likewise, above 0, drawn on a scale of powers of ten.

    Returns:
        one `<svg>` element of at most 20 kB; a sentence instead of curves where there is nothing to draw.
    """
    training, validation = _curve(epochs, training_loss), _curve(epochs, validation_loss)
    rates = _curve(epochs, learning_rate)
    if not training and not validation:
        return _svg("Loss curve: no epoch has been recorded yet.", _text(WIDTH / 2, 60, "no epoch yet", "middle"), 100)
    xs = [x for x, _ in training + validation]
    across = _Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    best = min(validation, key=lambda point: point[1]) if validation else None
    parts = [_losses(training, validation, best, across)]
    if rates:
        parts.append(_rates(rates, across))
    bottom = RATE_BOTTOM if rates else LOSS_BOTTOM
    parts += [_text(across(x), bottom + 16, _short(x), "middle") for x in ticks(min(xs), max(xs), 8)]
    parts.append(_text(WIDTH - RIGHT, bottom + 29, "epoch", "end"))
    said = f", best validation loss {_short(best[1])} at epoch {_short(best[0])}" if best else ""
    return _svg(f"Loss by epoch over {_short(max(xs))} epochs{said}.", "".join(parts), bottom + 34)


class _Scale:
    """A straight line from values to coordinates."""

    def __init__(self, low: float, high: float, start: float, end: float):
        self.low, self.start = low, start
        self.factor = (end - start) / (high - low) if high > low else 0.0

    def __call__(self, value: float) -> float:
        return self.start + (value - self.low) * self.factor


def _curve(epochs: Sequence[float], values: Sequence[float | None]) -> list[Point]:
    """The points that can be drawn; every n-th of them and the lowest and last when there are too many to see."""
    points = [(float(x), float(y)) for x, y in zip(epochs, values, strict=False) if y is not None and abs(y) < LARGEST]
    if len(points) <= POINTS_MAX:
        return points
    stride = ceil(len(points) / (POINTS_MAX - 2))
    kept = {*range(0, len(points), stride), len(points) - 1}
    kept.add(min(range(len(points)), key=lambda place: points[place][1]))
    return [points[place] for place in sorted(kept)]


def _losses(training: list[Point], validation: list[Point], best: Point | None, across: _Scale) -> str:
    # The first epochs of a run are far above all others; they may leave the frame so that the rest can be seen.
    seen = sorted(y for _, y in training + validation)
    low, high = seen[0], seen[min(len(seen) - 1, int(len(seen) * 0.97))]
    high = max(high, low + max(abs(low) * 0.01, 1e-9))
    pad = (high - low) * 0.06
    down = _Scale(low - pad, high + pad, LOSS_BOTTOM, LOSS_TOP)
    parts = [_grid(down, ticks(low - pad, high + pad))]
    for points, colour, dash in ((training, TRAINING, ' stroke-dasharray="4 3"'), (validation, VALIDATION, "")):
        shown = [(across(x), max(down(y), LOSS_TOP - 6)) for x, y in points]
        parts.append(f'<path d="{path(shown)}" fill="none" stroke="{colour}" stroke-width="2"{dash}/>')
    parts.append(_legend("training loss", LEFT, TRAINING) + _legend("validation loss", LEFT + 130, VALIDATION))
    if best is not None:
        x, y = across(best[0]), down(best[1])
        parts.append(f'<circle cx="{coordinate(x)}" cy="{coordinate(y)}" r="4" fill="{VALIDATION}"/>')
        said = f"best {_short(best[1])} at epoch {_short(best[0])}"
        parts.append(_text(WIDTH - RIGHT, 20, said, "end", VALIDATION))
    return "".join(parts)


def _rates(rates: list[Point], across: _Scale) -> str:
    """The learning rate on a scale of powers of ten, in a strip of its own."""
    logs = [(x, log10(y)) for x, y in rates if y > 0]
    if not logs:
        return ""
    low, high = min(y for _, y in logs), max(y for _, y in logs)
    down = _Scale(low - 0.1, high + 0.1, RATE_BOTTOM, RATE_TOP)
    line = path([(across(x), down(y)) for x, y in logs])
    ends = {f"{10**high:.1e}": down(high), f"{10**low:.1e}": down(low)}
    labels = "".join(_text(LEFT - 8, y + 4, label, "end") for label, y in ends.items())
    frame = f'<path d="M{LEFT} {RATE_BOTTOM}H{WIDTH - RIGHT}" stroke="{GREY}" stroke-opacity=".4"/>'
    title = _text(LEFT, RATE_TOP - 8, "learning rate", "start", RATE)
    return f'{title}{frame}{labels}<path d="{line}" fill="none" stroke="{RATE}" stroke-width="2"/>'


def _grid(down: _Scale, values: list[float]) -> str:
    lines = []
    for value in values:
        y = coordinate(down(value))
        lines.append(f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{GREY}" stroke-opacity=".25"/>')
        lines.append(_text(LEFT - 8, down(value) + 4, _short(value), "end"))
    return "".join(lines)


def _legend(label: str, x: float, colour: str) -> str:
    line = f'<path d="M{coordinate(x)} 16h18" stroke="{colour}" stroke-width="3"/>'
    return line + _text(x + 24, 20, label, "start", colour)


def _text(x: float, y: float, text: str, anchor: str, colour: str = GREY) -> str:
    place = f'x="{coordinate(x)}" y="{coordinate(y)}"'
    return f'<text {place} text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _short(value: float) -> str:
    return f"{value:.4g}"


def _svg(title: str, body: str, height: float) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {coordinate(height)}" width="{WIDTH}" '
        f'height="{coordinate(height)}" role="img" aria-label="{escape(title)}" '
        'font-family="system-ui,sans-serif" font-size="12">'
        f"<title>{escape(title)}</title>{body}</svg>"
    )
