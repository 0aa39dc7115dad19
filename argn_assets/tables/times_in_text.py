"""Dates and times that stand in text: how they are written, read, and written back the same."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import product

import polars as pl

from argn_assets.errors import SchemaError

PROBE = 100  # texts tried before all are
_IN_CAPITALS = ("%^b", "%b")  # how OCT is written; it is read as Oct is
_SHORTEST = ("%.f", "%.6f")  # fractions of seconds without zeros at their end, as databases write them
_DATE_SHAPES = {
    r"\d{4}-\d{2}-\d{2}": ("%Y-%m-%d",),
    r"\d{4}/\d{2}/\d{2}": ("%Y/%m/%d",),
    r"\d{4}\.\d{2}\.\d{2}": ("%Y.%m.%d",),
    r"(?:1[89]|2[01])\d{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])": ("%Y%m%d",),  # other numbers have eight digits too
    r"\d{1,2}\.\d{1,2}\.\d{4}": ("%d.%m.%Y", "%-d.%-m.%Y"),
    r"\d{1,2}/\d{1,2}/\d{4}": ("%d/%m/%Y", "%-d/%-m/%Y", "%m/%d/%Y", "%-m/%-d/%Y"),
    r"\d{1,2}-\d{1,2}-\d{4}": ("%d-%m-%Y", "%-d-%-m-%Y", "%m-%d-%Y", "%-m-%-d-%Y"),
    r"\d{1,2}\.\d{1,2}\.\d{2}": ("%d.%m.%y", "%-d.%-m.%y"),
    r"\d{1,2}/\d{1,2}/\d{2}": ("%d/%m/%y", "%-d/%-m/%y", "%m/%d/%y", "%-m/%-d/%y"),
    r"\d{1,2} [A-Z][a-z]+ \d{4}": ("%d %b %Y", "%-d %b %Y", "%d %B %Y", "%-d %B %Y"),
    r"\d{1,2}-[A-Z][a-z]{2}-\d{4}": ("%d-%b-%Y", "%-d-%b-%Y"),
    r"\d{1,2}-[A-Z][a-z]{2}-\d{2}": ("%d-%b-%y", "%-d-%b-%y"),
    r"\d{1,2}-[A-Z]{3}-\d{4}": ("%d-%^b-%Y", "%-d-%^b-%Y"),
    r"\d{1,2}-[A-Z]{3}-\d{2}": ("%d-%^b-%y", "%-d-%^b-%y"),
    r"\d{1,2}/[A-Z][a-z]{2}/\d{4}": ("%d/%b/%Y", "%-d/%b/%Y"),
    r"[A-Z][a-z]+ \d{1,2}, \d{4}": ("%b %d, %Y", "%b %-d, %Y", "%B %d, %Y", "%B %-d, %Y"),
    r"[A-Z][a-z]+ \d{1,2} \d{4}": ("%b %d %Y", "%b %-d %Y", "%B %d %Y", "%B %-d %Y"),
}
_CLOCK_SHAPES = {
    r"\d{1,2}:\d{2}": ("%H:%M", "%-H:%M"),
    r"\d{1,2}:\d{2}:\d{2}": ("%H:%M:%S", "%-H:%M:%S"),
    r"\d{2}:\d{2}:\d{2}\.\d{3}": ("%H:%M:%S%.3f",),
    r"\d{2}:\d{2}:\d{2},\d{3}": ("%H:%M:%S,%3f",),
    r"\d{2}:\d{2}:\d{2}\.\d{6}": ("%H:%M:%S%.6f",),
    r"\d{2}:\d{2}:\d{2}\.\d{9}": ("%H:%M:%S%.9f",),
    r"\d{2}:\d{2}:\d{2}(?:\.\d{0,5}[1-9])?": ("%H:%M:%S%.f",),
    r"\d{1,2}:\d{2} ?[AP]M": ("%I:%M %p", "%-I:%M %p", "%I:%M%p", "%-I:%M%p"),
    r"\d{1,2}:\d{2}:\d{2} ?[AP]M": ("%I:%M:%S %p", "%-I:%M:%S %p", "%I:%M:%S%p", "%-I:%M:%S%p"),
    r"\d{1,2}:\d{2} ?[ap]m": ("%I:%M %P", "%-I:%M %P", "%I:%M%P", "%-I:%M%P"),
    r"\d{1,2}:\d{2}:\d{2} ?[ap]m": ("%I:%M:%S %P", "%-I:%M:%S %P", "%I:%M:%S%P", "%-I:%M:%S%P"),
    r"(?:[01]\d|2[0-3])[0-5]\d[0-5]\d": ("%H%M%S",),
}
_DATE, _CLOCK = "|".join(_DATE_SHAPES), "|".join(_CLOCK_SHAPES)
_ZONE = r"Z| UTC| GMT| ?[+-]\d{2}(?::?\d{2})?"
SHAPE = (
    rf"^(?:(?P<weekday>[A-Z][a-z]+)(?P<comma>,? ))?(?P<date>{_DATE})"
    rf"(?:(?P<between> |T|, |:|)(?P<clock>{_CLOCK})(?P<zone>{_ZONE})?)?$"
)


def share_of_times(texts: pl.Series) -> float:
    """Return the share of texts without nulls that have the shape of a date or time, in [0, 1]."""
    few = texts.head(PROBE)
    if not few.str.contains(SHAPE).any():
        return 0.0
    return float(texts.str.contains(SHAPE).mean() or 0.0)  # type: ignore[arg-type]


def formats_that_fit(texts: pl.Series) -> list[str]:
    """Return the formats in which every text reads as a time and is written back the same.

    More than one if day and month cannot be told apart; empty if there is none. An offset is part of the format, so
    texts with several offsets, as zones with summer time have, fit none.

    Args:
        texts: texts without nulls, [N].

    >>> formats_that_fit(pl.Series(["31/12/2023", "01/02/2024"]))
    ['%d/%m/%Y']
    >>> formats_that_fit(pl.Series(["2024-02-29", "2024-02-30"]))
    []
    """
    fitting: dict[str, str] = {}
    for candidate in _candidates(texts[0]) if len(texts) else ():
        same = as_read(candidate)
        if same not in fitting and _fits(texts.head(PROBE), candidate) and _fits(texts, candidate):
            fitting[same] = candidate
    return list(fitting.values())


def as_read(text_format: str) -> str:
    """Return what a format shares with all that read the same texts as the same times.

    12/11/2024 may be written with padding or without, 12 May 2024 with a short month or a long one, seconds with as
    many decimals as these texts have.
    """
    return re.sub(r"%\.\d?f", "", text_format.replace("%-", "%").replace("%B", "%b"))


def read_times(texts: pl.Series, text_format: str) -> pl.Series:
    """Return texts as moments, [N] of Datetime; SchemaError names the column if one is not written in the format."""
    moments = parse_times(texts, text_format)
    wrong = moments.null_count() - texts.null_count()
    if wrong:
        raise SchemaError(
            f"Column {texts.name!r}: {wrong:,} of {len(texts):,} texts are not times written as {text_format!r}, as "
            "those were that the statistics were made of. Write them in this format, or compute the statistics again."
        )
    return moments


def write_times(moments: pl.Series, text_format: str) -> pl.Series:
    """Write moments as text, [N]; what `read_times` read is written the same, down to milliseconds."""
    texts = moments.dt.to_string(text_format.replace(*_IN_CAPITALS).replace(*_SHORTEST))
    if _SHORTEST[0] in text_format:
        texts = texts.str.replace(r"(\.\d*?)0+((?:Z| |[+-]).*)?$", "${1}${2}").str.replace(
            r"\.((?:Z| |[+-]).*)?$", "${1}"
        )
    return texts.str.to_uppercase() if _IN_CAPITALS[0] in text_format else texts


def _candidates(text: str) -> Iterator[str]:
    """Yield the formats that have the shape of one text."""
    match = re.match(SHAPE, text)
    if match is None:
        return
    weekday, date, between, clock, zone = match.group("weekday", "date", "between", "clock", "zone")
    day = f"{'%a' if len(weekday) == len('Mon') else '%A'}{match['comma']}" if weekday else ""
    dates = _formats(_DATE_SHAPES, date)
    clocks = _formats(_CLOCK_SHAPES, clock) if clock else [""]
    for date_format, clock_format in product(dates, clocks):
        yield f"{day}{date_format}{between or ''}{clock_format}{zone or ''}"


def _formats(shapes: dict[str, tuple[str, ...]], text: str) -> list[str]:
    return [form for shape, forms in shapes.items() if re.fullmatch(shape, text) for form in forms]


def _fits(texts: pl.Series, text_format: str) -> bool:
    moments = parse_times(texts, text_format)
    return moments.null_count() == 0 and bool((write_times(moments, text_format) == texts).all())


def parse_times(texts: pl.Series, text_format: str) -> pl.Series:
    """Return texts as moments, [N] of Datetime; null where one is not written in the format."""
    if texts.dtype != pl.String:
        texts = texts.cast(pl.String)
    text_format = text_format.replace(*_IN_CAPITALS)
    if "%M" not in text_format:
        return texts.str.to_date(text_format, strict=False).cast(pl.Datetime("ms"))
    unit = "ns" if text_format.find("%.9f") >= 0 else "us"
    return texts.str.strptime(pl.Datetime(unit), text_format, strict=False)  # type: ignore[arg-type]
