"""The drawings of the report: a column's distribution, the map of pairs. Colours come from the page's style sheet."""

from __future__ import annotations

from collections.abc import Sequence

from argn_assets.charts import Point, coordinate, escape, path
from argn_assets.quality.figures import Bar, Distribution, Histogram, PairQuality

WIDTH = 400  # of a distribution, in CSS pixels
LABEL_WIDTH, BAR_WIDTH, ROW_HEIGHT = 132, 150, 19
HISTOGRAM_HEIGHT, AXIS_HEIGHT = 64, 16
LABEL_LENGTH = 16  # characters
CELL = 20  # side of a cell of the map
MAP_LABEL = 142
MAP_COLUMNS_MAX = 40
GRADES = (0.98, 0.95, 0.90, 0.80)  # accuracies where the map changes colour


def percent(share: float, digits: int = 1) -> str:
    r"""Write a share for people; a tiny one is not written as nothing, an almost full one not as all.

    >>> percent(0.9714), percent(0.0), percent(0.00001), percent(0.99999), percent(1.0)
    ('97.1\xa0%', '0\xa0%', '<0.1\xa0%', '>99.9\xa0%', '100\xa0%')
    """
    least = 10.0**-digits
    if 0 < share * 100 < least:
        return f"<{least:g}\xa0%"
    if 100 - least < share * 100 < 100:
        return f">{100 - least:g}\xa0%"
    return f"{100 * share:.{digits}f}".removesuffix("." + "0" * digits) + "\xa0%"


def distribution_svg(name: str, shown: Distribution) -> str:
    """Draw the bars of a column and, below them, its histogram; real rows in grey, synthetic ones in colour."""
    bars = _bars(shown.bars)
    height = ROW_HEIGHT * len(shown.bars)
    parts = [bars]
    if shown.histogram is not None:
        parts.append(_histogram(shown.histogram, height + (8 if shown.bars else 2), len(shown.bars) > 0))
        height += HISTOGRAM_HEIGHT + AXIS_HEIGHT + (22 if shown.bars else 4)
    return _svg(WIDTH, max(height, 4), _said(name, shown), "".join(parts))


def _said(name: str, shown: Distribution) -> str:
    """The drawing in words."""
    rows = [f"{bar.label}: real {percent(bar.training)}, synthetic {percent(bar.synthetic)}" for bar in shown.bars]
    if shown.histogram is not None:
        rows.append(f"histogram from {shown.histogram.low} to {shown.histogram.high}")
    return f"{name}. " + "; ".join(rows)


def _bars(bars: Sequence[Bar]) -> str:
    most = max((max(bar.training, bar.synthetic) for bar in bars), default=1.0) or 1.0
    rows = []
    for place, bar in enumerate(bars):
        top = place * ROW_HEIGHT
        for share, css, y in ((bar.training, "real", top + 2), (bar.synthetic, "made", top + 9)):
            width = coordinate(max(share / most * BAR_WIDTH, 0.6 if share else 0))
            rows.append(f'<rect class="{css}" x="{LABEL_WIDTH}" y="{y}" width="{width}" height="6" rx="1"/>')
        rows.append(_text(LABEL_WIDTH - 8, top + 12.5, _cut(bar.label), "end", "lab"))
        figures = f"{percent(bar.training)} → {percent(bar.synthetic)}"
        rows.append(_text(WIDTH, top + 12.5, figures, "end", "num"))
    return "".join(rows)


def _histogram(shown: Histogram, top: float, after_bars: bool) -> str:
    """Real rows as a filled area, synthetic ones as a line on it; an axis with three labels."""
    parts = []
    if after_bars:
        label = f"all other values ({percent(sum(shown.training))} → {percent(sum(shown.synthetic))})"
        parts.append(_text(0, top + 8, label, "start", "lab"))
        top += 14
    bottom = top + HISTOGRAM_HEIGHT
    most = max(*shown.training, *shown.synthetic) or 1.0
    area = _steps(shown.training, most, bottom)
    parts.append(f'<path class="real" d="{path([(0.0, bottom), *area, (float(WIDTH), bottom)])}Z"/>')
    parts.append(f'<path class="line" d="{path(_steps(shown.synthetic, most, bottom))}"/>')
    parts.append(f'<path class="axis" d="M0 {coordinate(bottom)}H{WIDTH}"/>')
    labels = ((0.0, shown.low, "start"), (WIDTH / 2, shown.middle, "middle"), (float(WIDTH), shown.high, "end"))
    parts += [_text(x, bottom + 13, label, anchor, "num") for x, label, anchor in labels]
    return "".join(parts)


def _steps(shares: Sequence[float], most: float, bottom: float) -> list[Point]:
    points = []
    for place, share in enumerate(shares):
        y = bottom - share / most * (HISTOGRAM_HEIGHT - 2)
        points += [(WIDTH * place / len(shares), y), (WIDTH * (place + 1) / len(shares), y)]
    return points


def grade(accuracy: float) -> int:
    """Return the colour step of an accuracy: 0 at least 98 %, 4 below 80 %.

    >>> [grade(accuracy) for accuracy in (1.0, 0.98, 0.97, 0.5)]
    [0, 0, 1, 4]
    """
    return sum(accuracy < edge for edge in GRADES)


def pairs_svg(names: Sequence[str], pairs: Sequence[PairQuality]) -> str:
    """Draw the accuracy of every pair among `names` (at most `MAP_COLUMNS_MAX`) as a triangle of coloured cells."""
    place = {name: number for number, name in enumerate(names[:MAP_COLUMNS_MAX])}
    cells, worst = [], ""
    for pair in pairs:
        if pair.first not in place or pair.second not in place:
            continue
        row, column = sorted((place[pair.first], place[pair.second]), reverse=True)
        said = f"{pair.first} × {pair.second}: {percent(pair.accuracy)}"
        worst = worst or said
        x, y = MAP_LABEL + column * CELL, (row - 1) * CELL
        cells.append(
            f'<rect class="g{grade(pair.accuracy)}" x="{x}" y="{y}" width="{CELL - 1}" height="{CELL - 1}" rx="2">'
            f"<title>{escape(said)}</title></rect>"
        )
    labels = []
    for name, number in place.items():
        if number:
            labels.append(_text(MAP_LABEL - 8, (number - 1) * CELL + 14, _cut(name), "end", "lab"))
        if number < len(place) - 1:
            x, y = MAP_LABEL + number * CELL + 13, (len(place) - 1) * CELL + 6
            turned = f'transform="translate({x} {y}) rotate(-55)"'
            labels.append(f'<text class="lab" text-anchor="end" {turned}>{escape(_cut(name))}</text>')
    width, height = MAP_LABEL + CELL * len(place), CELL * (len(place) - 1) + MAP_LABEL - 10
    title = f"Accuracy of {len(cells)} pairs of columns, worst {worst}. The worst pairs are listed in the table."
    return _svg(width, height, title, "".join(labels + cells))


def _cut(label: str) -> str:
    flat = " ".join(label.split()) or "(blank)"
    return flat if len(flat) <= LABEL_LENGTH else flat[: LABEL_LENGTH - 1] + "…"


def _text(x: float, y: float, text: str, anchor: str, css: str) -> str:
    place = f'x="{coordinate(x)}" y="{coordinate(y)}"'
    return f'<text class="{css}" {place} text-anchor="{anchor}">{escape(text)}</text>'


def _svg(width: float, height: float, title: str, body: str) -> str:
    size = f'viewBox="0 0 {coordinate(width)} {coordinate(height)}" width="{coordinate(width)}"'
    return f'<svg {size} height="{coordinate(height)}" role="img" aria-label="{escape(title)}">{body}</svg>'
