"""Text (and anything written as text) as one code per distinct value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Codes, Encoding, Rows, Stats, single_sub_column
from argn_assets.encodings.protection import Protection, smallest_per_group
from argn_assets.errors import SchemaError
from argn_assets.schema import SubColumn

MOST_CATEGORIES = 1000  # the commonest keep a code; the others are unknown
MOST_DISTINCT = 1 << 20  # texts counted per column: beyond it a column is a key or free text, not categories


@dataclass(frozen=True, slots=True)
class TextCounts:
    """How often each text occurs: `counts` has the columns value and count, ascending by value.

    `subject_places` and `subjects` hold up to seven distinct subjects per value; None where each row is a subject.
    """

    counts: pl.DataFrame
    subject_places: NDArray[np.int64] | None
    subjects: NDArray[np.uint64] | None
    n_null: int


@dataclass(frozen=True, slots=True)
class CategoricalStats(Stats):
    """Codes: 0 unknown, then null where nulls were seen, then `categories` in ascending order.

    Attributes:
        has_null: nulls were seen, so null has a code.
        has_unknown: some rows fell to code 0 when the stats were made (rare, or hidden by protection).
        categories: the texts that may be written, ascending.
    """

    NAME: ClassVar[str] = "categorical"
    has_null: bool
    has_unknown: bool
    categories: tuple[str, ...]


class Categorical(Encoding):
    """One code per distinct text.

    Loses texts that protection hides and texts never seen: they share code 0, which decodes to null. Keeps nulls and
    every other text, blanks and odd characters included.

    >>> stats = Categorical.reduce([Categorical.partial(pl.Series(["b", "a", None]))], Protection())
    >>> Categorical.encode(pl.Series(["a", None, "zzz"]), stats)[:, 0].tolist()
    [2, 1, 0]
    >>> Categorical.decode(np.array([[2], [1]], dtype=np.uint16), stats).to_list()
    ['a', None]
    """

    NAME = "categorical"
    STATS = CategoricalStats
    ACCEPTS = frozenset({"number", "text", "boolean", "moment"})

    @classmethod
    def partial(cls, values: pl.Series, subjects: NDArray[np.uint64] | None = None) -> TextCounts:
        """Count the texts of one batch."""
        texts = as_text(values).alias("value")
        counts = texts.drop_nulls().value_counts(name="count").sort("value")
        pairs: tuple[NDArray[np.int64] | None, NDArray[np.uint64] | None] = (None, None)
        if subjects is not None:
            place = places_of(texts, counts["value"])
            known = place.is_not_null().to_numpy()
            pairs = smallest_per_group(place.drop_nulls().to_numpy().astype(np.int64), subjects[known])
        return TextCounts(counts.cast({"count": pl.Int64}), *pairs, texts.null_count())

    @classmethod
    def reduce(cls, partials: Sequence[TextCounts], protection: Protection) -> CategoricalStats:
        """Keep the commonest texts that enough subjects share."""
        union = total_counts(partials)
        if len(union) > MOST_DISTINCT:
            raise SchemaError(
                f"The column has {len(union):,} distinct texts; categories may have {MOST_DISTINCT:,}. It is a key or "
                "free text: declare it as the primary key, encode it as `character`, or drop it."
            )
        shown = union
        if protection.threshold:
            shown = union.filter(pl.Series(_subject_counts(partials, union) >= protection.threshold))
        if len(shown) > MOST_CATEGORIES:
            # Ties are broken by the text itself, so that the result does not depend on the order of partials.
            shown = shown.sort("count", "value", descending=[True, False]).head(MOST_CATEGORIES).sort("value")
        n_null = sum(p.n_null for p in partials)
        return CategoricalStats(n_null > 0, len(shown) < len(union), tuple(shown["value"].to_list()))

    @classmethod
    def sub_columns(cls, stats: CategoricalStats) -> tuple[SubColumn, ...]:
        """One sub-column, `value`."""
        return (single_sub_column("value", stats.has_null, len(stats.categories)),)

    @classmethod
    def encode(cls, values: pl.Series, stats: CategoricalStats, rows: Rows | None = None) -> Codes:
        """Write texts as codes, [B, 1]."""
        texts = as_text(values)
        first = 1 + stats.has_null
        place = places_of(texts, pl.Series(stats.categories, dtype=pl.String)).cast(pl.Int32)
        codes: Codes = (place.fill_null(-first).to_numpy() + first).astype(np.uint16)
        if stats.has_null and texts.null_count():
            codes[texts.is_null().to_numpy()] = 1
        return codes[:, None]

    @classmethod
    def decode(cls, codes: Codes, stats: CategoricalStats, rows: Rows | None = None) -> pl.Series:
        """Read codes back, [B]; unknown is null."""
        return read_table(codes, stats, stats.categories, pl.String())

    @classmethod
    def shows(cls, values: pl.Series, stats: CategoricalStats) -> NDArray[np.bool_]:
        """Return which texts are categories, [B]."""
        known = places_of(as_text(values), pl.Series(stats.categories, dtype=pl.String)).is_not_null()
        return (known | values.is_null()).to_numpy()


def read_table(codes: Codes, stats: CategoricalStats, values: Sequence[Any], dtype: pl.DataType) -> pl.Series:
    """Read codes, [B, 1], back to the values of the categories, [B]; unknown is null."""
    table = pl.Series([*[None] * (1 + stats.has_null), *values], dtype=dtype)
    return table.gather(pl.Series(codes[:, 0].astype(np.uint32)))


def as_text(values: pl.Series) -> pl.Series:
    """Return the column as text, [B]; numbers in their shortest exact form, moments as ISO text in UTC."""
    if isinstance(values.dtype, pl.Datetime) and values.dtype.time_zone is not None:
        # Local text says one thing twice in the night when clocks go back.
        values = values.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
    if values.dtype.is_float():
        values = values + 0.0  # -0.0 and 0.0 are equal, so they are one category
    return values if values.dtype == pl.String else values.cast(pl.String)


def places_of(texts: pl.Series, known: pl.Series) -> pl.Series:
    """Return the position of each text in `known`, [B]; null where it is not there."""
    if not len(known):
        return pl.Series([None] * len(texts), dtype=pl.UInt32)
    return texts.cast(pl.Enum(known), strict=False).to_physical()


def total_counts(partials: Sequence[TextCounts]) -> pl.DataFrame:
    """Return how often each text occurs in all batches: the columns value and count, ascending by value."""
    if len(partials) == 1:
        return partials[0].counts
    return pl.concat([p.counts for p in partials]).group_by("value").agg(pl.col("count").sum()).sort("value")


def _subject_counts(partials: Sequence[TextCounts], union: pl.DataFrame) -> NDArray[np.int64]:
    """Return the distinct subjects of each text of the union, counted up to seven where rows share subjects."""
    if all(p.subject_places is None for p in partials):
        return union["count"].to_numpy()
    places, subjects = [], []
    for p in partials:
        if p.subject_places is not None and p.subjects is not None and len(p.counts):
            places.append(places_of(p.counts["value"], union["value"]).to_numpy().astype(np.int64)[p.subject_places])
            subjects.append(p.subjects)
    if not places:
        return np.zeros(len(union), dtype=np.int64)
    groups, _ = smallest_per_group(np.concatenate(places), np.concatenate(subjects))
    return np.bincount(groups, minlength=len(union)).astype(np.int64)
