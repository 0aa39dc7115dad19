"""A declared table's source to a table: which files, which columns, how many rows.

Every reader gets the files of one table and returns the kept columns of the first rows, in the order of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from argn_assets.datasets.folders import SUFFIXES
from argn_assets.datasets.locations import SourceFile, source_files
from argn_assets.datasets.messages import listing, suggestion
from argn_assets.errors import ConfigError, SchemaError, SourceError

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.datasets.spec import CsvSpec, DatasetSpec
    from argn_assets.datasets.table_spec import SqlSource, TableSpec


class Named(Protocol):
    """What columns are read from: a file, or a declaration whose source is a query."""

    @property
    def shown(self) -> str:
        """Its name for messages."""
        ...


# Given the names of a file's columns, the ones to read; raises where they are not what was declared.
ChooseColumns = Callable[[Sequence[str], Named], list[str]]


def read_table(spec: DatasetSpec, table: str, *, rows: int | None = None) -> pl.DataFrame:
    """Read a table as it is declared: dropped columns are not read, missing values are nulls.

    Args:
        spec: the data set.
        table: one of its tables.
        rows: read at most so many rows; None: as many as are declared.
    Returns:
        the kept columns in the order of the source, [N] rows.
    Raises:
        SourceError: a file is missing, of an unknown kind, or cannot be read; a query cannot be run.
        ConfigError: the environment variable that a query's database is named by is not set.
        DataError: a file's text is damaged: not UTF-8, or a line with too few or too many fields.
        SchemaError: a declared column is missing, a name is there twice, or files of one glob differ.
    """
    declared = spec.tables[table]
    limit = min((n for n in (rows, declared.limit_rows) if n is not None), default=None)
    choose = _column_choice(spec.dataset, table, declared)
    if isinstance(declared.source, str):
        return _read_files(source_files(declared.source, spec.folder), choose, spec.csv, limit)
    try:
        found = query_rows(declared.source, spec)
    except (ConfigError, SourceError) as error:
        raise type(error)(f"data set {spec.dataset!r}, table {table!r}: {error}") from error
    found = found.select(choose(found.columns, declared))
    return found if limit is None else found.head(limit)


def query_rows(source: SqlSource, spec: DatasetSpec) -> pl.DataFrame:
    """Return the rows of a query; raises what reading its files, or `read_sql`, raises."""
    from argn_assets.datasets.read_sql import query_database, query_files

    if source.connection is not None:
        return query_database(source.sql, source.connection)
    everything: ChooseColumns = lambda names, file: list(names)  # noqa: E731
    files = {name: source_files(place, spec.folder) for name, place in source.files.items()}
    return query_files(source.sql, {name: _read_files(of, everything, spec.csv, None) for name, of in files.items()})


def _read_files(files: list[SourceFile], choose: ChooseColumns, csv: CsvSpec, limit: int | None) -> pl.DataFrame:
    match _kind(files):
        case "csv":
            from argn_assets.datasets.read_csv import read_csv_files

            return read_csv_files(files, choose, csv, limit)
        case "jsonl":
            from argn_assets.datasets.read_json import read_json_files

            return read_json_files(files, choose, limit)
        case kind:
            from argn_assets.datasets.read_arrow import read_arrow_files

            return read_arrow_files(files, choose, limit, kind=kind)


def read_tables(spec: DatasetSpec) -> dict[str, pl.DataFrame]:
    """Read every table of a data set; raises what `read_table` raises."""
    return {table: read_table(spec, table) for table in spec.tables}


def _kind(files: list[SourceFile]) -> str:
    """Return the kind of a source's files; SourceError where it is unknown or they are of several kinds."""
    kinds = {_kind_of(file): file for file in files}
    if len(kinds) > 1:
        examples = " and ".join(file.shown for file in kinds.values())
        raise SourceError(f"{examples} are of different kinds. One table is read from files of one kind.")
    return next(iter(kinds))


def _kind_of(file: SourceFile) -> str:
    for suffix, kind in SUFFIXES.items():
        if file.name.endswith(suffix):
            return kind
    raise SourceError(f"{file.shown}: a file of an unknown kind. A source's name ends in one of {listing(SUFFIXES)}.")


def _column_choice(dataset: str, table: str, declared: TableSpec) -> ChooseColumns:
    keys = {declared.primary_key: "primary key"} if declared.primary_key else {}
    keys |= {declared.context.key: f"key of {declared.context.table!r}"} if declared.context else {}
    expected = dict.fromkeys((*keys, *declared.columns))
    dropped = set(declared.dropped())
    where = f"data set {dataset!r}, table {table!r}"

    def choose(names: Sequence[str], file: Named) -> list[str]:
        for name in expected:
            if name not in names:
                raise SchemaError(
                    f"{where}: {file.shown} has no {keys.get(name, 'column')} {name!r}.{suggestion(name, names)} "
                    f"Its columns: {listing(names)}."
                )
        twice = list(dict.fromkeys(name for name in names if names.count(name) > 1))
        if twice:
            raise SchemaError(
                f"{where}: {file.shown} has several columns called {listing(map(repr, twice))}. Rename all but one."
            )
        kept = [name for name in names if name not in dropped]
        if "" in kept:
            raise SchemaError(
                f"{where}: column {names.index('') + 1} of {file.shown} has no name. Name it in the file, or leave it "
                "out with columns: {'': {role: drop}}."
            )
        return kept

    return choose


def same_columns(names: Sequence[str], file: SourceFile, first: Sequence[str], first_file: SourceFile) -> None:
    """Raise SchemaError where a later file of a glob does not have the columns of the first; order does not matter."""
    for name in (*first, *names):
        if name not in names or name not in first:
            has, lacks = (first_file, file) if name in first else (file, first_file)
            raise SchemaError(
                f"Files of one table have the same columns, but {name!r} is in {has.shown} and not in {lacks.shown}."
            )
