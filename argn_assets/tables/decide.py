"""Encodings of columns that were counted before it was known what they hold.

A batch cannot tell what a column of text is: its first half may be dates, its second half not. So batches count such a
column's texts, and the choice is made once, from the counts of all batches; E5 holds because these do not depend on
the cut. Where the choice is not `categorical`, each batch's counts are turned into the partial of the encoding chosen,
batch by batch, so memory stays bounded by the largest batch and the distinct texts.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import encoding_named, encodings
from argn_assets.encodings.categorical import TextCounts, total_counts
from argn_assets.encodings.character import CharacterPartial
from argn_assets.encodings.datetime_relative import DatetimeRelativePartial
from argn_assets.encodings.lat_long import LatLongPartial
from argn_assets.encodings.number_counts import NumberCounts
from argn_assets.errors import SchemaError
from argn_assets.schema import ColumnSchema
from argn_assets.tables.dtypes import dtype_named
from argn_assets.tables.infer import ColumnChoice, choose_for_type
from argn_assets.tables.infer_text import choose_for_text, told_of_cut, told_of_unread
from argn_assets.tables.sequence_times import SequenceTexts, never_fall
from argn_assets.tables.times_in_text import formats_that_fit, read_times

DECLARED = "declared"
_TIMES = ("datetime", "datetime_relative")  # what text may be read as


def counted_as(dtype: pl.DataType, encoding: str | None, in_sequences: bool) -> str:
    """Return the encoding whose partial a batch keeps of a column: of text to be judged or read as times, its counts.

    Args:
        dtype: the column's type.
        encoding: what the user declared; None where it is inferred.
        in_sequences: the table's rows are sequences, so that times may be told by their gaps.
    """
    if encoding is None and in_sequences and choose_for_type(dtype).encoding == "datetime":
        return "datetime_relative"
    if encoding is None or (encoding in _TIMES and dtype == pl.String):
        return choose_for_type(dtype).encoding
    return encoding


def reads_gaps_of_text(dtype: pl.DataType, encoding: str | None) -> bool:
    """Tell whether a column of sequences is text whose times may be told by their gaps; arguments as `counted_as`."""
    return dtype == pl.String and encoding in (None, "datetime_relative")


def decide(column: ColumnSchema, partials: list[Any]) -> tuple[ColumnSchema, list[Any], ColumnChoice]:
    """Return the column with its final encoding and reason, the partials of this encoding, and the choice.

    Args:
        column: as the batches have it; its reason is DECLARED or empty.
        partials: as `counted_as` made them, one per batch.
    Raises:
        SchemaError: text was declared as times, and no format fits all of it, or as places, and none of it is one.
    """
    if column.dtype == "string" and (column.reason != DECLARED or column.encoding in _TIMES):
        choice, partials = _decide_text(column, partials)
    elif column.reason == DECLARED:
        choice = _declared(column, partials)
    elif column.encoding == "datetime_relative":
        reason = _reason(column, [p.moments for p in partials])
        choice, partials = _told_by_gaps(ColumnChoice("datetime", reason), partials)
    else:
        choice = ColumnChoice(str(column.encoding), _reason(column, partials))
    decided = dataclasses.replace(
        column, encoding=choice.encoding, reason=choice.reason, text_format=choice.text_format
    )
    return decided, partials, choice


def _declared(column: ColumnSchema, partials: Sequence[Any]) -> ColumnChoice:
    """Return the choice of the user, and what of the column it cannot keep."""
    choice = ColumnChoice(str(column.encoding), DECLARED)
    choice = told_of_cut(choice, sum(p.n_cut for p in partials if isinstance(p, CharacterPartial)))
    places = [p for p in partials if isinstance(p, LatLongPartial)]
    n_unread = sum(p.n_unread for p in places)
    if n_unread and not any(p.places.n_values for p in places):
        raise SchemaError(
            f"Column {column.name!r} is declared as 'lat_long', but none of its texts is a place written as "
            "'48.8584, 2.2945' or '(48.8584, 2.2945)', latitude first. Write them so, or choose another encoding: "
            "categorical, character."
        )
    return told_of_unread(choice, column.name, n_unread)


def _decide_text(column: ColumnSchema, partials: list[Any]) -> tuple[ColumnChoice, list[Any]]:
    texts: list[TextCounts] = [p.counts if isinstance(p, SequenceTexts) else p for p in partials]
    counts = total_counts(texts)
    is_declared = column.reason == DECLARED
    choice = _declared_times(column, counts) if is_declared else choose_for_text(column.name, counts)
    if choice.encoding == "categorical":
        return choice, texts
    if choice.encoding in _TIMES and all(isinstance(p, SequenceTexts) for p in partials):
        times = [p.times_as(choice.text_format or "") for p in partials]
        return (choice, times) if is_declared else _told_by_gaps(choice, times)
    return choice, [_recounted(partial, choice, column.name) for partial in texts]


def _told_by_gaps(choice: ColumnChoice, partials: list[DatetimeRelativePartial]) -> tuple[ColumnChoice, list[Any]]:
    """Return the choice of times, and its partials, for a column of sequences: by gaps where no time falls."""
    if not never_fall(partials):
        return choice, [p.moments for p in partials]
    reason = f"{choice.reason}, which never fall inside a sequence"
    return dataclasses.replace(choice, encoding="datetime_relative", reason=reason), list(partials)


def _declared_times(column: ColumnSchema, counts: pl.DataFrame) -> ColumnChoice:
    encoding = str(column.encoding)
    formats = formats_that_fit(counts["value"])
    if len(counts) == 0:
        return ColumnChoice(encoding, DECLARED)
    if not formats:
        others = sorted(name for name, encoding in encodings().items() if "text" in encoding.ACCEPTS)
        raise SchemaError(
            f"Column {column.name!r} is String; {encoding!r} takes dates and times, and text if all of it is written "
            "in one format, as 2024-12-31 or 31.12.2024 12:30:00 is, with the same offset. Write it so, convert the "
            f"column, or choose another encoding: {', '.join(others)}."
        )
    return ColumnChoice(encoding, DECLARED, text_format=formats[0])


def _recounted(partial: TextCounts, choice: ColumnChoice, name: str) -> Any:
    """Return what the encoding chosen would have counted in the batch."""
    texts = partial.counts["value"].alias(name)
    distinct = read_times(texts, choice.text_format) if choice.text_format is not None else texts
    rows = np.repeat(np.arange(len(texts), dtype=np.uint32), partial.counts["count"].to_numpy())
    values = pl.concat([distinct.gather(rows), distinct.clear(partial.n_null)])
    return encoding_named(choice.encoding).partial(values, _subjects_of_rows(partial, rows))


def _subjects_of_rows(partial: TextCounts, rows: NDArray[np.uint32]) -> NDArray[np.uint64] | None:
    """Return a subject per row such that each text has the distinct subjects counted for it; null rows come last."""
    if partial.subject_places is None or partial.subjects is None:
        return None
    n_subjects = np.bincount(partial.subject_places, minlength=len(partial.counts))
    first_subject, first_row = np.cumsum(n_subjects) - n_subjects, np.searchsorted(rows, np.arange(len(n_subjects)))
    place = np.minimum(np.arange(len(rows)) - first_row[rows], n_subjects[rows] - 1)
    nulls = np.zeros(partial.n_null, dtype=np.uint64)
    return np.concatenate([partial.subjects[first_subject[rows] + place], nulls])


def _reason(column: ColumnSchema, partials: Sequence[Any]) -> str:
    """Return why a column that its type decides on is encoded so; the same for any cut into batches."""
    found: set[Any] = set()
    for partial in partials:
        counts = partial if isinstance(partial, NumberCounts) else partial.counts
        if isinstance(counts, NumberCounts):
            found |= {*counts.lows[:1].tolist(), *counts.highs[-1:].tolist()}
        else:
            found |= set(counts["value"].head(2).to_list())
    if len(found) < 2:
        return "a constant: one value only" if found else "no values at all"
    return choose_for_type(dtype_named(column.dtype)).reason
