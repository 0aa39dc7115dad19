"""Parquet and Arrow files to a table. They carry their types; files of one table carry the same ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from argn_assets.datasets.locations import SourceFile, unreadable
from argn_assets.datasets.sources import ChooseColumns, same_columns
from argn_assets.errors import ArgnError, SchemaError, SourceError

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa


def read_arrow_files(
    files: Sequence[SourceFile], choose: ChooseColumns, limit: int | None, *, kind: str
) -> pl.DataFrame:
    """Read `limit` rows at most of files of one kind, `parquet` or `arrow`.

    Raises:
        SourceError: a file is damaged, or not of its kind.
        SchemaError: what `choose` raises, or files whose columns differ.
    """
    import polars as pl
    import pyarrow as pa

    parts: list[pa.Table] = []
    for file in files:
        wanted = None if limit is None else limit - sum(part.num_rows for part in parts)
        part = _read(file, choose, wanted, kind)
        if parts:
            _same_types(part.schema, file, parts[0].schema, files[0])
            part = part.select(parts[0].column_names)
        parts.append(part if wanted is None else part.slice(0, wanted))
        if wanted is not None and part.num_rows >= wanted:
            break
    table = pa.concat_tables(parts, promote_options="permissive")
    return pl.DataFrame(pl.from_arrow(table)) if table.num_columns else pl.DataFrame()


def _read(file: SourceFile, choose: ChooseColumns, limit: int | None, kind: str) -> pa.Table:
    import pyarrow as pa

    with file.open() as handle:
        try:
            return _parquet(handle, file, choose, limit) if kind == "parquet" else _arrow(handle, file, choose)
        except ArgnError:
            raise
        except pa.ArrowInvalid as error:
            raise SourceError(f"{file.shown} is not a whole {kind} file: {error}") from error
        except Exception as error:  # each file system has errors of its own
            raise unreadable(file.shown, error) from error


def _parquet(handle: Any, file: SourceFile, choose: ChooseColumns, limit: int | None) -> pa.Table:
    import pyarrow as pa
    from pyarrow import parquet

    content = parquet.ParquetFile(handle)
    kept = choose(content.schema_arrow.names, file)
    groups, rows = [], 0
    for group in range(content.num_row_groups):
        if limit is not None and rows >= limit:
            break
        groups.append(group)
        rows += content.metadata.row_group(group).num_rows
    # A name with a dot could also mean a field inside a column, so the columns are selected once more.
    return content.read_row_groups(groups, columns=kept).select(kept) if kept else pa.table({})


def _arrow(handle: Any, file: SourceFile, choose: ChooseColumns) -> pa.Table:
    import pyarrow as pa
    from pyarrow import ipc

    content = handle.read()
    try:
        reader = ipc.open_file(pa.py_buffer(content))
    except pa.ArrowInvalid:
        reader = ipc.open_stream(pa.py_buffer(content))
    kept = choose(reader.schema.names, file)
    return reader.read_all().select(kept)


def _same_types(schema: pa.Schema, file: SourceFile, first: pa.Schema, first_file: SourceFile) -> None:
    import pyarrow as pa

    same_columns(schema.names, file, first.names, first_file)
    for name in first.names:
        here, there = schema.field(name).type, first.field(name).type
        if here != there and not (pa.types.is_null(here) or pa.types.is_null(there)):
            raise SchemaError(
                f"Files of one table have the same types, but column {name!r} is {there} in {first_file.shown} "
                f"and {here} in {file.shown}."
            )
