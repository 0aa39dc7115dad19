"""Statistics of one batch of a table: counts, to be combined with those of the other batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Encoding, accepts, column_kind, encoding_named, encodings
from argn_assets.encodings.datetime_relative import DatetimeRelative
from argn_assets.encodings.protection import MOST_SUBJECTS
from argn_assets.errors import ArgnError, ConfigError, SchemaError
from argn_assets.schema import ColumnRole, ColumnSchema, TableSchema
from argn_assets.tables.categories import with_all_categories
from argn_assets.tables.decide import DECLARED, counted_as, reads_gaps_of_text
from argn_assets.tables.dtypes import as_ticks, dtype_named
from argn_assets.tables.frames import column_dtypes, frame_kind, to_polars
from argn_assets.tables.infer import check_declared
from argn_assets.tables.pattern import count_patterns
from argn_assets.tables.roles import check_modelled, roles_of
from argn_assets.tables.sequence_times import count_sequence_texts
from argn_assets.tables.sequences import LengthCounts, count_lengths
from argn_assets.tables.split import row_keys

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame

EncodingTypes = Mapping[str, "str | type[Encoding]"]


@dataclass(frozen=True)
class PartialStats:
    """Statistics of one batch, mergeable and unprotected: keep them only until they are combined.

    Attributes:
        schema: the batch's columns, keys and frame kind; a column whose encoding was not declared has no reason yet.
        columns: the partial of every column that is modelled or made anew in its form.
        n_rows: rows of the batch.
        subjects: up to seven distinct subjects, as hashes, ascending; None where each row is a subject.
        lengths: how long its sequences are; None where there are none.
        is_sequential: the rows of a subject are a sequence.
        valueless: columns without any value in the batch: their type is that of the other batches.
    """

    schema: TableSchema
    columns: dict[str, Any]
    n_rows: int
    subjects: tuple[int, ...] | None = None
    lengths: LengthCounts | None = None
    is_sequential: bool = True
    valueless: frozenset[str] = frozenset()

    def of_column(self, place: int, column: ColumnSchema) -> Any:
        """Return the partial of the column at `place`, as all batches have it; a new one where it had another type."""
        if self.schema.columns[place].dtype == column.dtype:
            return self.columns[column.name]
        dtype = dtype_named(column.dtype)
        declared = column.encoding if column.reason == DECLARED else None
        encoding = counted_as(dtype, declared, self.is_sequential)
        nulls = pl.Series(column.name, [None] * self.n_rows, dtype)
        subjects = np.zeros(self.n_rows, dtype=np.uint64) if self.subjects is not None else None
        return _partial(nulls, encoding, declared, subjects, subjects if self.is_sequential else None)


def compute_partial_stats(
    batch: Frame,
    encoding_types: EncodingTypes | None = None,
    context_key: str | None = None,
    primary_key: str | None = None,
    *,
    column_roles: Mapping[str, ColumnRole] | None = None,
    is_sequential: bool = True,
    subjects: NDArray[np.uint64] | None = None,
) -> PartialStats:
    """Return the statistics of one batch of a table; arguments and errors as for `compute_stats`.

    What a column of text holds is decided when the batches are combined, from all of its texts.
    """
    for name, given in (("encoding_types", encoding_types), ("column_roles", column_roles)):
        if given is not None and not isinstance(given, Mapping):
            raise ConfigError(f"{name} is a {type(given).__name__}; it is a dictionary, by the column's name.")
    table = to_polars(batch)
    roles = roles_of(table, column_roles, context_key, primary_key)
    table = table.drop(name for name, role in roles.items() if role == "drop")
    declared = {name: _encoding_name(name, chosen) for name, chosen in (encoding_types or {}).items()}
    check_declared(list(roles), declared, tuple(name for name, role in roles.items() if role == "key"))
    check_modelled(roles, declared)
    if not is_sequential:
        declared = {name: "datetime" if chosen == "datetime_relative" else chosen for name, chosen in declared.items()}
    in_sequences = is_sequential and context_key is not None
    counted = {n: counted_as(t, declared.get(n), in_sequences) for n, t in table.schema.items() if roles[n] == "value"}
    for name in declared:
        check_kind(table[name], counted[name])
    columns = tuple(
        ColumnSchema(
            name=name, dtype=dtype, frame_dtype=own, encoding=declared.get(name, counted[name]),
            reason=DECLARED if name in declared else "",
        )
        if name in counted
        else ColumnSchema(name=name, dtype=dtype, frame_dtype=own, role=roles[name])
        for name, (dtype, own) in column_dtypes(batch, table).items()
    )  # fmt: skip
    schema = TableSchema(
        columns=columns, frame_kind=frame_kind(batch), primary_key=primary_key, context_key=context_key
    )
    keys = row_keys(table, context_key) if context_key is not None else None
    lengths = count_lengths(keys, subjects) if keys is not None else None
    subjects = keys if subjects is None else subjects
    sequences = keys if in_sequences else None
    partials = {
        name: _partial(as_ticks(table[name]), encoding, declared.get(name), subjects, sequences)
        for name, encoding in counted.items()
    }
    partials |= {n: count_patterns(table[n], subjects) for n, role in roles.items() if role == "pattern"}
    fewest = _fewest(subjects) if subjects is not None else None
    valueless = frozenset(name for name in table.columns if table[name].null_count() == len(table))
    return PartialStats(schema, partials, len(table), fewest, lengths, in_sequences, valueless)


def _fewest(subjects: NDArray[np.uint64]) -> tuple[int, ...]:
    return tuple(np.unique(subjects)[:MOST_SUBJECTS].tolist())


def check_kind(values: pl.Series, encoding: str) -> None:
    """Raise SchemaError if the encoding does not take the column's kind of values; one without values always fits."""
    if accepts(encoding_named(encoding), values):
        return
    kind = column_kind(values.dtype)
    others = sorted(name for name, other in encodings().items() if kind in other.ACCEPTS)
    raise SchemaError(
        f"Column {values.name!r} is {values.dtype}; {encoding!r} takes {' and '.join(_kinds(encoding))}. "
        f"Encodings that take it: {', '.join(others)}. Choose one of them or convert the column."
    )


def _kinds(encoding: str) -> list[str]:
    words = {"number": "numbers", "text": "text", "boolean": "booleans", "moment": "dates and times", "list": "lists"}
    return [words[kind] for kind in sorted(encoding_named(encoding).ACCEPTS)]


def _encoding_name(column: str, chosen: str | type[Encoding]) -> str:
    name = chosen if isinstance(chosen, str) else getattr(chosen, "NAME", None)
    if not isinstance(name, str) or name not in encodings():
        raise ConfigError(
            f"Column {column!r}: there is no encoding {chosen!r}. Known encodings: {', '.join(sorted(encodings()))}."
        )
    return name


def _partial(
    values: pl.Series,
    encoding: str,
    declared: str | None,
    subjects: NDArray[np.uint64] | None,
    sequences: NDArray[np.uint64] | None,
) -> Any:
    try:
        if subjects is not None and sequences is not None and reads_gaps_of_text(values.dtype, declared):
            return count_sequence_texts(values, subjects, sequences)
        if encoding == DatetimeRelative.NAME:  # a sequence's gaps are its own, whoever it is about
            return DatetimeRelative.partial(values, subjects, sequences)
        return encoding_named(encoding).partial(values, subjects)
    except ArgnError as error:
        raise type(error)(f"Column {values.name!r}: {error}") from error
    except (pl.exceptions.PolarsError, ValueError, TypeError) as error:
        raise SchemaError(
            f"Column {values.name!r} ({values.dtype}) cannot be encoded as {encoding!r}: {type(error).__name__}. "
            "Choose another encoding for it or convert the column."
        ) from error


def schema_of_all(partials: Sequence[PartialStats]) -> TableSchema:
    """Return the one schema of all batches; a column without any value in a batch has the type it has elsewhere.

    Raises:
        SchemaError: the columns differ in name, order or type; says which and how.
    """
    typed = {c.name: c for p in partials for c in p.schema.columns if c.dtype != "null"}
    valued = {c.name: c for p in partials for c in p.schema.columns if c.name not in p.valueless}

    def as_elsewhere(column: ColumnSchema, valueless: frozenset[str]) -> ColumnSchema:
        other = valued.get(column.name) if column.name in valueless else None
        if other is None and column.dtype == "null":
            other = typed.get(column.name)
        return column if other is None or other.dtype == column.dtype else other

    first, *others = with_all_categories(
        [
            replace(p.schema, columns=tuple(as_elsewhere(column, p.valueless) for column in p.schema.columns))
            for p in partials
        ]
    )
    for other in others:
        if other != first:
            raise SchemaError(
                f"Batches of one table differ in their columns: {_difference(first, other)}. Give all of them the "
                "same columns, in the same order, of the same types."
            )
    return first


def _difference(one: TableSchema, other: TableSchema) -> str:
    if one.frame_kind != other.frame_kind:
        return f"the kind of frame ({one.frame_kind} and {other.frame_kind})"
    names, others = ([column.name for column in schema.columns] for schema in (one, other))
    if set(names) != set(others):
        return ", ".join(sorted(set(names) ^ set(others)))
    if names != others:
        return f"their order ({', '.join(names)} and {', '.join(others)})"
    changed = [
        f"{a.name} ({a.dtype} and {b.dtype})"
        if a.dtype != b.dtype
        else f"{a.name} ({a.frame_dtype} and {b.frame_dtype})"
        for a, b in zip(one.columns, other.columns, strict=True)
        if a != b
    ]
    return ", ".join(changed) or "the keys"
