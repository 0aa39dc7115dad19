"""A declared table's source to a table: which files, which columns, how many rows.

Every reader gets the files of one table and returns the kept columns of the first rows, in the order of the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from argn_assets.datasets.locations import SourceFile, source_files
from argn_assets.datasets.messages import listing, suggestion
from argn_assets.errors import SchemaError, SourceError

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.datasets.spec import DatasetSpec, TableSpec

SUFFIXES = {
    ".parquet": "parquet",
    ".pq": "parquet",
    ".csv": "csv",
    ".csv.gz": "csv",
    ".csv.zip": "csv",
    ".jsonl": "jsonl",
    ".jsonl.gz": "jsonl",
    ".ndjson": "jsonl",
    ".arrow": "arrow",
    ".feather": "arrow",
}

# Given the names of a file's columns, the ones to read; raises where they are not what was declared.
ChooseColumns = Callable[[Sequence[str], SourceFile], list[str]]


def read_table(spec: DatasetSpec, table: str, *, rows: int | None = None) -> pl.DataFrame:
    """Read a table as it is declared: dropped columns are not read, missing values are nulls.

    Args:
        spec: the data set.
        table: one of its tables.
        rows: read at most so many rows; None: as many as are declared.
    Returns:
        the kept columns in the order of the source, [N] rows.
    Raises:
        SourceError: a file is missing, of an unknown kind, or cannot be read.
        DataError: a file's text is damaged: not UTF-8, or a line with too few or too many fields.
        SchemaError: a declared column is missing, a name is there twice, or files of one glob differ.
    """
    declared = spec.tables[table]
    files = source_files(declared.source, spec.folder)
    limit = min((n for n in (rows, declared.limit_rows) if n is not None), default=None)
    choose = _column_choice(spec.dataset, table, declared)
    match _kind(files):
        case "csv":
            from argn_assets.datasets.read_csv import read_csv_files

            return read_csv_files(files, choose, spec.csv, limit)
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
    key = (declared.primary_key,) if declared.primary_key else ()
    expected = dict.fromkeys((*key, *declared.columns))
    dropped = set(declared.dropped())
    where = f"data set {dataset!r}, table {table!r}"

    def choose(names: Sequence[str], file: SourceFile) -> list[str]:
        for name in expected:
            if name not in names:
                role = "primary key" if name == declared.primary_key else "column"
                raise SchemaError(
                    f"{where}: {file.shown} has no {role} {name!r}.{suggestion(name, names)} "
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
