"""Statistics of a table: what encoding and decoding need to know, computed once, from batches if need be.

Partials of any split that keeps a subject's rows together combine, in any order, to the same bytes.
"""

from __future__ import annotations

import dataclasses
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from argn_assets.encodings.base import Stats, encoding_named
from argn_assets.encodings.protection import UNPROTECTED, Protection
from argn_assets.errors import ArgnError, DataError
from argn_assets.schema import ColumnRole, ColumnSchema, TableSchema
from argn_assets.seeds import Seed
from argn_assets.tables.categories import with_categories
from argn_assets.tables.decide import decide
from argn_assets.tables.infer import ColumnChoice
from argn_assets.tables.partial_stats import EncodingTypes, PartialStats, compute_partial_stats, schema_of_all
from argn_assets.tables.pattern import PatternStats, reduce_patterns
from argn_assets.tables.sequences import combine_lengths
from argn_assets.tables.table_stats import TableStats

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame

__all__ = [
    "EncodingTypes", "PartialStats", "TableStats", "combine_partial_stats", "compute_partial_stats", "compute_stats",
    "with_empty_sequences",
]  # fmt: skip

FEWEST_SUBJECTS = 5  # below it, protection hides everything


def compute_stats(
    df: Frame,
    encoding_types: EncodingTypes | None = None,
    context_key: str | None = None,
    primary_key: str | None = None,
    *,
    column_roles: Mapping[str, ColumnRole] | None = None,
    is_sequential: bool = True,
    subjects: NDArray[np.uint64] | None = None,
    value_protection: bool = False,
    seed: int = 0,
) -> TableStats:
    """Return the statistics of a table.

    Args:
        df: pandas, polars or pyarrow.
        encoding_types: encoding per column, by name or class; what is not named is inferred.
        context_key: column that names the subject of each row; it is not modelled.
        primary_key: column that names the row; it is not modelled.
        column_roles: role per column: `key` (regenerated), `pattern` (made anew in its form) or `drop`; what is not
            named is modelled.
        is_sequential: rows of one context key are a sequence, in the order they stand; else each row stands alone, and
            `datetime_relative` means `datetime`.
        subjects: whom each row is about, [N], where neither its context key nor the row itself says so: a row of the
            orders of a customer's visit is about the customer.
        value_protection: hide what fewer than five to seven distinct subjects share.
        seed: decides each column's threshold.
    Raises:
        DataError: the table has no rows.
        SchemaError: a named column is missing, or has a type that no encoding takes, or its role.
        ConfigError: an encoding or a role does not exist, or a column that is not modelled has an encoding.
    """
    partial = compute_partial_stats(
        df, encoding_types, context_key, primary_key, column_roles=column_roles, is_sequential=is_sequential,
        subjects=subjects,
    )  # fmt: skip
    return combine_partial_stats([partial], value_protection=value_protection, seed=seed)


def combine_partial_stats(
    partials: Sequence[PartialStats], *, value_protection: bool = False, seed: int = 0
) -> TableStats:
    """Combine the statistics of batches; their order and cut do not matter.

    Errors as for `compute_stats`. A UserWarning names columns that look like personal data or free text, and were not
    declared.
    """
    n_rows = sum(p.n_rows for p in partials)
    if n_rows == 0:
        raise DataError("The table has no rows. Statistics need at least one.")
    schema = schema_of_all(partials)
    columns: dict[str, Stats] = {}
    patterns: dict[str, PatternStats] = {}
    decided: dict[str, ColumnSchema] = {}
    choices: list[ColumnChoice] = []
    for place, column in enumerate(schema.columns):
        if column.role == "pattern":  # about people, so protected whatever the table is
            protection = Protection.drawn(Seed(seed), column.name)
            patterns[column.name] = reduce_patterns([p.columns[column.name] for p in partials], protection)
        if column.encoding is not None:
            decided[column.name], parts, choice = decide(column, [p.of_column(place, column) for p in partials])
            protection = Protection.drawn(Seed(seed), column.name) if value_protection else UNPROTECTED
            columns[column.name] = _reduce(decided[column.name], parts, protection)
            choices.append(choice)
    schema = dataclasses.replace(schema, columns=tuple(decided.get(c.name, c) for c in schema.columns))
    _warn_of_columns(choices)
    if value_protection:
        _warn_of_few_subjects(partials, n_rows)
        schema = _without_hidden_categories(schema, columns)
    parts = [p.lengths for p in partials if p.lengths is not None]
    lengths = combine_lengths(parts, _protection_of_lengths(value_protection, seed)) if parts else None
    return TableStats(schema, columns, n_rows, lengths, patterns)


def with_empty_sequences(
    stats: TableStats, subjects: NDArray[np.uint64], *, value_protection: bool = False, seed: int = 0
) -> TableStats:
    """Return statistics of sequences that may be empty, where enough subjects have one without rows.

    Args:
        stats: of the rows.
        subjects: whom each sequence without rows is about, [E].
        value_protection: as for `compute_stats`.
        seed: as for `compute_stats`.
    """
    fewest = max(1, _protection_of_lengths(value_protection, seed).threshold)
    if stats.lengths is None or len(np.unique(subjects)) < fewest:
        return stats
    return dataclasses.replace(stats, lengths=stats.lengths.with_empty())


def _protection_of_lengths(value_protection: bool, seed: int) -> Protection:
    return Protection.drawn(Seed(seed), "sequence length") if value_protection else UNPROTECTED


def _warn_of_columns(choices: Sequence[ColumnChoice]) -> None:
    urgent = [choice.warning for choice in choices if choice.is_urgent]
    if urgent:
        warnings.warn("\n".join(urgent), stacklevel=4)


def _warn_of_few_subjects(partials: Sequence[PartialStats], n_rows: int) -> None:
    found = {subject for p in partials for subject in p.subjects or ()}
    n_subjects = min(n_rows, len(found)) if partials[0].subjects is not None else n_rows
    if n_subjects < FEWEST_SUBJECTS:
        warnings.warn(
            f"The table has {n_subjects} subjects: with value protection, values need {FEWEST_SUBJECTS} to 7 subjects, "
            "so every synthetic value will be missing. Switch value_protection off or bring more subjects.",
            stacklevel=4,
        )


def _without_hidden_categories(schema: TableSchema, columns: dict[str, Stats]) -> TableSchema:
    """Return the schema with types that declare the categories shown by the stats, and no others."""
    return dataclasses.replace(
        schema,
        columns=tuple(with_categories(c, _shown(columns.get(c.name))) for c in schema.columns),
    )


def _shown(stats: Stats | None) -> tuple[Any, ...] | None:
    """Return the values that the stats show one by one; None where they do not list them, or the column is a key."""
    shown: tuple[Any, ...] | None = getattr(stats, "categories", getattr(stats, "values", None))
    return shown


def _reduce(column: ColumnSchema, partials: list[Any], protection: Protection) -> Stats:
    try:
        return encoding_named(str(column.encoding)).reduce(partials, protection)
    except ArgnError as error:
        raise type(error)(f"Column {column.name!r}: {error}") from error
