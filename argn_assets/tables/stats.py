"""Statistics of a table: what encoding and decoding need to know, computed once, from batches if need be.

Partials of any split that keeps a subject's rows together combine, in any order, to the same bytes.
"""

from __future__ import annotations

import dataclasses
import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from argn_assets.encodings.base import Encoding, Stats, accepts, column_kind, encoding_named, encodings
from argn_assets.encodings.datetime_relative import DatetimeRelative
from argn_assets.encodings.protection import MOST_SUBJECTS, UNPROTECTED, Protection
from argn_assets.errors import ArgnError, ConfigError, DataError, SchemaError
from argn_assets.schema import ColumnRole, ColumnSchema, SubColumn, TableSchema
from argn_assets.seeds import Seed
from argn_assets.tables.categories import with_all_categories, with_categories
from argn_assets.tables.decide import DECLARED, counted_as, decide, reads_gaps_of_text
from argn_assets.tables.dtypes import as_ticks, dtype_named
from argn_assets.tables.frames import column_dtypes, frame_kind, to_polars
from argn_assets.tables.infer import ColumnChoice, check_declared
from argn_assets.tables.pattern import PatternStats, count_patterns, reduce_patterns
from argn_assets.tables.roles import check_modelled, roles_of
from argn_assets.tables.sequence_times import count_sequence_texts
from argn_assets.tables.sequences import SequenceLengths, combine_lengths, count_lengths
from argn_assets.tables.split import row_keys

if TYPE_CHECKING:
    from argn_assets.tables.frames import Frame

FORMAT_VERSION = 1
FEWEST_SUBJECTS = 5  # below it, protection hides everything

EncodingTypes = Mapping[str, "str | type[Encoding]"]


@dataclass(frozen=True)
class TableStats:
    """Everything that encoding and decoding a table need, and nothing else: no counts, no rare values.

    Attributes:
        schema: the table's columns, keys and frame kind.
        columns: stats of every modelled column, in the table's order.
        n_rows: rows the statistics were made of.
        lengths: rows per key of the context key; None without one.
        patterns: stats of every column that is made anew in its form.
        siblings: of a context, the statistics of each sequence of rows in its list columns, by name.
    """

    schema: TableSchema
    columns: dict[str, Stats]
    n_rows: int
    lengths: SequenceLengths | None = None
    patterns: dict[str, PatternStats] = field(default_factory=dict)
    siblings: dict[str, TableStats] = field(default_factory=dict)

    def sub_columns(self) -> dict[str, tuple[SubColumn, ...]]:
        """Return the sub-columns of each modelled column, in order."""
        return {name: encoding_named(stats.NAME).sub_columns(stats) for name, stats in self.columns.items()}

    def to_json(self) -> dict[str, Any]:
        """Return a JSON object that `from_json` reads back to an equal value."""
        schema = dataclasses.asdict(self.schema)
        schema["columns"] = [{k: v for k, v in c.items() if v not in (None, "")} for c in schema["columns"]]
        columns = {name: {"encoding": stats.NAME, **stats.to_json()} for name, stats in self.columns.items()}
        document = {"format_version": FORMAT_VERSION, "n_rows": self.n_rows, "schema": schema, "columns": columns}
        if self.lengths is not None:
            document["lengths"] = dataclasses.asdict(self.lengths)
        if self.patterns:
            document["patterns"] = {name: stats.to_json() for name, stats in self.patterns.items()}
        if self.siblings:
            document["siblings"] = {name: stats.to_json() for name, stats in self.siblings.items()}
        return document

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> TableStats:
        """Read what `to_json` wrote; DataError for another format version."""
        if document.get("format_version") != FORMAT_VERSION:
            raise DataError(
                f"Statistics have the format version {document.get('format_version')!r}; this version reads "
                f"{FORMAT_VERSION}. Compute them again."
            )
        schema = dict(document["schema"])
        schema["columns"] = tuple(ColumnSchema(**column) for column in schema["columns"])
        columns: dict[str, Stats] = {}
        for name, column in document["columns"].items():
            values = dict(column)
            columns[name] = encoding_named(values.pop("encoding")).STATS.from_json(values)
        lengths = SequenceLengths.from_json(document["lengths"]) if "lengths" in document else None
        patterns = {name: PatternStats.from_json(stats) for name, stats in document.get("patterns", {}).items()}
        siblings = {name: cls.from_json(stats) for name, stats in document.get("siblings", {}).items()}
        return cls(TableSchema(**schema), columns, document["n_rows"], lengths, patterns, siblings)

    def to_bytes(self) -> bytes:
        """Return the canonical byte form: equal stats give equal bytes."""
        return json.dumps(self.to_json(), ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> TableStats:
        """Read what `to_bytes` wrote; DataError for anything else."""
        try:
            return cls.from_json(json.loads(data))
        except (ValueError, KeyError, TypeError, AttributeError, ConfigError) as error:
            raise DataError(
                f"These {len(data):,} bytes are not statistics of a table: {type(error).__name__}. Compute them again."
            ) from error


@dataclass(frozen=True)
class PartialStats:
    """Statistics of one batch, mergeable and unprotected: keep them only until they are combined.

    Attributes:
        schema: the batch's columns, keys and frame kind; a column whose encoding was not declared has no reason yet.
        columns: the partial of every column that is modelled or made anew in its form.
        n_rows: rows of the batch.
        subjects: up to seven distinct subjects, as hashes, ascending; None where each row is a subject.
        lengths: how many keys of sequences have 0, 1, 2 … rows, [L + 1]; None where there are no sequences.
        is_sequential: the rows of a subject are a sequence.
    """

    schema: TableSchema
    columns: dict[str, Any]
    n_rows: int
    subjects: tuple[int, ...] | None = None
    lengths: NDArray[np.int64] | None = None
    is_sequential: bool = True


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
    subjects = keys if subjects is None else subjects
    sequences = keys if in_sequences else None
    partials = {
        name: _partial(as_ticks(table[name]), encoding, declared.get(name), subjects, sequences)
        for name, encoding in counted.items()
    }
    partials |= {n: count_patterns(table[n], subjects) for n, role in roles.items() if role == "pattern"}
    fewest = _fewest(subjects) if subjects is not None else None
    lengths = count_lengths(keys) if keys is not None else None
    return PartialStats(schema, partials, len(table), fewest, lengths, in_sequences)


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
    schema = _common_schema(partials)
    columns: dict[str, Stats] = {}
    patterns: dict[str, PatternStats] = {}
    decided: dict[str, ColumnSchema] = {}
    choices: list[ColumnChoice] = []
    for place, column in enumerate(schema.columns):
        if column.role == "pattern":  # about people, so protected whatever the table is
            protection = Protection.drawn(Seed(seed), column.name)
            patterns[column.name] = reduce_patterns([p.columns[column.name] for p in partials], protection)
        if column.encoding is not None:
            decided[column.name], parts, choice = decide(column, [_partial_of(p, place, column) for p in partials])
            protection = Protection.drawn(Seed(seed), column.name) if value_protection else UNPROTECTED
            columns[column.name] = _reduce(decided[column.name], parts, protection)
            choices.append(choice)
    schema = dataclasses.replace(schema, columns=tuple(decided.get(c.name, c) for c in schema.columns))
    _warn_of_columns(choices)
    if value_protection:
        _warn_of_few_subjects(partials, n_rows)
        schema = _without_hidden_categories(schema, columns)
    lengths = [p.lengths for p in partials if p.lengths is not None]
    protection = Protection.drawn(Seed(seed), "sequence length") if value_protection else UNPROTECTED
    return TableStats(schema, columns, n_rows, combine_lengths(lengths, protection) if lengths else None, patterns)


def _common_schema(partials: Sequence[PartialStats]) -> TableSchema:
    """Return the one schema of all batches; a column without any value in a batch has the type it has elsewhere."""
    schemas = [p.schema for p in partials]
    typed = [{c.name: c for c in schema.columns if c.dtype != "null"} for schema in schemas]
    known = {name: column for columns in typed for name, column in columns.items()}
    filled = [
        dataclasses.replace(s, columns=tuple(known.get(c.name, c) if c.dtype == "null" else c for c in s.columns))
        for s in schemas
    ]
    filled = with_all_categories(filled)
    for other in filled[1:]:
        if other != filled[0]:
            raise SchemaError(f"Batches of one table differ in their columns: {_difference(filled[0], other)}.")
    return filled[0]


def _partial_of(partial: PartialStats, place: int, column: ColumnSchema) -> Any:
    """Return a batch's partial of the column at `place`; a new one where the batch had no value to tell the type by."""
    if partial.schema.columns[place].dtype == column.dtype:
        return partial.columns[column.name]
    subjects = np.zeros(partial.n_rows, dtype=np.uint64) if partial.subjects is not None else None
    dtype = dtype_named(column.dtype)
    declared = column.encoding if column.reason == DECLARED else None
    encoding = counted_as(dtype, declared, partial.is_sequential)
    nulls = pl.Series(column.name, [None] * partial.n_rows, dtype)
    return _partial(nulls, encoding, declared, subjects, subjects if partial.is_sequential else None)


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


def _difference(one: TableSchema, other: TableSchema) -> str:
    names = {c.name for c in one.columns} ^ {c.name for c in other.columns}
    changed = [
        f"{a.name} ({a.dtype} and {b.dtype})" if a.dtype != b.dtype else a.name
        for a, b in zip(one.columns, other.columns, strict=False)
        if a != b
    ]
    return ", ".join(sorted(names) or changed) or "frame kind or keys"
