"""Text columns to typed columns: the type of a column is one that fits all of its values, else it stays text.

All values are looked at, so a type never changes late in a file. Nothing is read that would not be written back the
same: 007 and +49 stay text, as do integers beyond 64 bits. Times with an offset become UTC.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_PROBE = 1000  # values looked at before a whole column is
_INTEGER = r"^-?(0|[1-9][0-9]*)$"
_FLOAT = r"^-?((0|[1-9][0-9]*)(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]+)?$"
_NOT_FINITE = r"^(?i:-?inf|-?infinity|nan)$"
_BOOLEAN = r"^(true|false|True|False|TRUE|FALSE)$"
_DATE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$"
_DATETIME = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,9})?)?"
_OFFSET = r"(Z|[+-][0-9]{2}:?[0-9]{2})$"


def typed_column(texts: pl.Series, null_values: tuple[str, ...], decimal: str = ".") -> pl.Series:
    """Return a text column with its missing values as nulls and the narrowest type that fits all others.

    Args:
        texts: the column as text, [N].
        null_values: texts that stand for a missing value; a number or time may have blanks around it.
        decimal: the decimal mark of numbers, `.` or `,`.
    Returns:
        Boolean, Int64, UInt64, Float64, Date, Datetime (naive, or UTC) or String, [N].
    """
    values = _without(texts, null_values)
    plain = _number_or_boolean(values, null_values, decimal)
    return typed_times(values, null_values) if plain is None else plain


def typed_times(texts: pl.Series, null_values: tuple[str, ...] = ()) -> pl.Series:
    """Return a text column of ISO dates or times as Date or Datetime, any other text column as it is."""
    stripped = _without(texts.str.strip_chars(), null_values)
    if _all_match(stripped, _DATE):
        return _kept(stripped.str.to_date("%Y-%m-%d", strict=False), stripped, texts)
    if _all_match(stripped, _DATETIME + "$"):
        return _kept(_parse_times(stripped, offset=False), stripped, texts)
    if _all_match(stripped, _DATETIME + _OFFSET):
        return _kept(_parse_times(stripped, offset=True), stripped, texts)
    return texts


def _number_or_boolean(values: pl.Series, null_values: tuple[str, ...], decimal: str) -> pl.Series | None:
    import polars as pl

    stripped = _without(values.str.strip_chars(), null_values)
    if _all_match(stripped, _BOOLEAN):
        return stripped.str.to_lowercase() == "true"
    if _all_match(stripped, _INTEGER):
        for dtype in (pl.Int64, pl.UInt64):
            integers = stripped.cast(dtype, strict=False)
            if integers.null_count() == stripped.null_count():
                return integers
        return values
    pattern = _FLOAT if decimal == "." else _FLOAT.replace(r"\.", ",")
    if _all_match(stripped, rf"{pattern}|{_NOT_FINITE}") and not _all_match(stripped, _NOT_FINITE):
        return stripped.str.replace(decimal, ".", literal=True).cast(pl.Float64)
    return None


def _without(texts: pl.Series, null_values: tuple[str, ...]) -> pl.Series:
    return texts.set(texts.is_in(list(null_values)).fill_null(False), None) if null_values else texts


def _all_match(texts: pl.Series, pattern: str) -> bool:
    """Tell whether there is a value and all match; most columns are told apart by their first values."""
    values = texts.drop_nulls()
    return len(values) > 0 and all(bool(part.str.contains(pattern).all()) for part in (values.head(_PROBE), values))


def _parse_times(texts: pl.Series, *, offset: bool) -> pl.Series:
    import polars as pl

    unit = "ns" if texts.str.contains(r"\.[0-9]{7,9}").any() else "us"
    parts = texts.str.replace(" ", "T", literal=True).str.replace(r"T([0-9]{2}:[0-9]{2})(Z|[+-]|$)", "T${1}:00${2}")
    zones = "%#z" if offset else ""
    if offset:
        parts = parts.str.replace(r"Z$", "+00:00")
    dtype = pl.Datetime(unit, "UTC") if offset else pl.Datetime(unit)  # type: ignore[arg-type]
    return parts.str.strptime(dtype, f"%Y-%m-%dT%H:%M:%S%.f{zones}", strict=False)


def _kept(parsed: pl.Series, stripped: pl.Series, texts: pl.Series) -> pl.Series:
    """Return the parsed column if every value could be parsed, else the text: 2013-02-30 is not a date."""
    return parsed if parsed.null_count() == stripped.null_count() else texts
