"""Times of sequences: whether they are better told by their gaps, also where they stand in text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.categorical import Categorical, TextCounts
from argn_assets.encodings.datetime_relative import DatetimeRelative, DatetimeRelativePartial
from argn_assets.tables.times_in_text import as_read, formats_that_fit, read_times


@dataclass(frozen=True, slots=True)
class SequenceTexts:
    """Texts of one batch of sequences; where all can be read as times, also the gaps between these, by format.

    Counts of texts do not know their order, and in which format times are written is known from all batches only.
    """

    counts: TextCounts
    times: dict[str, DatetimeRelativePartial]

    def times_as(self, text_format: str) -> DatetimeRelativePartial:
        """Return the times, read in a format that fits all batches."""
        if not len(self.counts.counts):
            nulls = pl.Series([None] * self.counts.n_null, dtype=pl.Datetime("ms"))
            return DatetimeRelative.partial(nulls, np.zeros(len(nulls), dtype=np.uint64))
        return self.times[as_read(text_format)]


def count_sequence_texts(
    texts: pl.Series, subjects: NDArray[np.uint64], sequences: NDArray[np.uint64]
) -> SequenceTexts:
    """Count the texts of one batch, [B], of rows whose subjects and sequences are given as hashes, [B]."""
    counts = Categorical.partial(texts, subjects)
    formats = formats_that_fit(counts.counts["value"])
    times = {as_read(form): DatetimeRelative.partial(read_times(texts, form), subjects, sequences) for form in formats}
    return SequenceTexts(counts, times)


def never_fall(partials: Sequence[DatetimeRelativePartial]) -> bool:
    """Tell whether no moment lies before the one before it, and some sequence has two."""
    return any(len(p.gaps.lows) for p in partials) and not any(p.falls for p in partials)
