"""CSV files to a table. Text is cut into fields by pyarrow, which refuses lines of a wrong length; polars fills them.

All files of a table are read as text first and typed together, so that no file decides the types of the others.
"""

from __future__ import annotations

import csv
import gzip
import io
import zipfile
import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

from argn_assets.datasets.locations import SourceFile
from argn_assets.datasets.messages import listing
from argn_assets.datasets.sources import ChooseColumns, same_columns
from argn_assets.datasets.text_types import typed_column
from argn_assets.errors import DataError, SourceError

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.datasets.spec import CsvSpec

_BLOCK_BYTES = 16 << 20  # one line has to fit


def read_csv_files(
    files: Sequence[SourceFile], choose: ChooseColumns, settings: CsvSpec, limit: int | None
) -> pl.DataFrame:
    """Read files with a header line, plain, .gz or .zip; `limit` rows at most.

    Raises:
        DataError: a file is empty, not UTF-8, or has a line of a wrong length; the message names the line.
        SourceError: a file cannot be unpacked.
        SchemaError: what `choose` raises, or files of different columns.
    """
    import polars as pl

    parts: list[pl.DataFrame] = []
    first: list[str] = []
    for file in files:
        text = unpacked(file)
        names = _header(text, file, settings)
        kept = choose(names, file)
        first = first or kept
        same_columns(kept, file, first, files[0])
        wanted = None if limit is None else limit - sum(len(part) for part in parts)
        parts.append(_texts(text, file, settings, names=names, kept=first, limit=wanted))
        if wanted is not None and len(parts[-1]) >= wanted:
            break
    texts = pl.concat(parts)
    return pl.DataFrame([typed_column(column, settings.null_values, settings.decimal) for column in texts])


def unpacked(file: SourceFile) -> bytes:
    """Return a file's bytes, unpacked where its name ends in .gz or .zip."""
    content = file.read_bytes()
    try:
        if file.name.endswith(".gz"):
            return gzip.decompress(content)
        return _zip_member(content, file) if file.name.endswith(".zip") else content
    except (OSError, EOFError, zlib.error, zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:
        raise SourceError(f"{file.shown} cannot be unpacked: {error}. Is the file complete?") from error


def _zip_member(content: bytes, file: SourceFile) -> bytes:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        # Archives made on a Mac carry a second, hidden file per file.
        members = [name for name in archive.namelist() if not name.endswith("/") and not name.startswith("__MACOSX/")]
        if len(members) != 1:
            raise SourceError(f"{file.shown} should hold one file and holds {len(members)}: {listing(members)}.")
        return archive.read(members[0])


def _header(text: bytes, file: SourceFile, settings: CsvSpec) -> list[str]:
    if not text.strip():
        raise DataError(f"{file.shown} is empty. The first line of a CSV file names its columns.")
    start = text[:_BLOCK_BYTES].lstrip(b"\r\n")
    lines = io.TextIOWrapper(io.BytesIO(start), "utf-8-sig", errors="surrogateescape", newline="")
    names = next(csv.reader(lines, delimiter=settings.separator), [])
    if any("\udc80" <= character <= "\udcff" for name in names for character in name):
        raise _not_utf8(text, file)
    return names


def _texts(
    text: bytes, file: SourceFile, settings: CsvSpec, *, names: list[str], kept: list[str], limit: int | None
) -> pl.DataFrame:
    """Cut a file into fields, all text, and return its kept columns."""
    import polars as pl
    import pyarrow as pa
    from pyarrow import csv as arrow_csv

    lines = text.lstrip(b"\r\n")
    try:
        reader = arrow_csv.open_csv(
            io.BytesIO(lines if lines.endswith(b"\n") else lines + b"\n"),
            read_options=arrow_csv.ReadOptions(block_size=_BLOCK_BYTES),
            # With one column an empty line is a value: a missing one.
            parse_options=arrow_csv.ParseOptions(
                delimiter=settings.separator, newlines_in_values=True, ignore_empty_lines=len(names) > 1
            ),
            convert_options=arrow_csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), include_columns=kept, strings_can_be_null=False
            ),
        )
        batches, rows = [], 0
        for batch in reader:
            batches.append(batch)
            rows += batch.num_rows
            if limit is not None and rows >= limit:
                break
        table = pa.Table.from_batches(batches, schema=reader.schema)
    except pa.ArrowException as error:
        raise _damaged(text, file, len(names), settings, error) from None  # arrow's message quotes the line
    frame = pl.DataFrame(pl.from_arrow(table)) if kept else pl.DataFrame()
    return frame if limit is None else frame.head(limit)


def _damaged(text: bytes, file: SourceFile, width: int, settings: CsvSpec, error: Exception) -> DataError:
    """Find the first damaged line."""
    try:
        decoded = text.decode("utf-8-sig")
    except UnicodeDecodeError:
        return _not_utf8(text, file)
    rows = csv.reader(io.StringIO(decoded, newline=""), delimiter=settings.separator)
    try:
        for row in rows:
            if row and len(row) != width:
                return DataError(
                    f"{file.shown}, line {rows.line_num}: {len(row)} fields, where the header has {width}. "
                    f"Correct it, put text that holds {settings.separator!r} in quotes, or set csv: {{separator: …}}."
                )
    except csv.Error as reason:
        return DataError(f"{file.shown}, line {rows.line_num}: {reason}. Is a quote left open?")
    return DataError(f"{file.shown} cannot be read as CSV: {type(error).__name__}. Is a quote left open?")


def _not_utf8(text: bytes, file: SourceFile) -> DataError:
    if text[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return DataError(f"{file.shown} is UTF-16 text. Save it as UTF-8.")
    try:
        text.decode()
        line, byte = 1, 0
    except UnicodeDecodeError as error:
        line, byte = text.count(b"\n", 0, error.start) + 1, text[error.start]
    return DataError(
        f"{file.shown}, line {line}: byte 0x{byte:02x} is not UTF-8. Save the file as UTF-8, for example with: "
        "iconv -f latin1 -t utf-8"
    )
