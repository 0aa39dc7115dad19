"""Has a source changed? A short text that differs when it has, made without reading the tables where that can be."""

from __future__ import annotations

import hashlib
import io
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from argn_assets.datasets.locations import SourceFile, source_files, unreadable
from argn_assets.datasets.sources import query_rows

if TYPE_CHECKING:
    import polars as pl

    from argn_assets.datasets.spec import DatasetSpec

MOST_HASHED_BYTES = 64 << 20  # a near file up to this size is known by its content, a larger one by size and time
# What file systems call the identity of a file's content; time comes last, because copies keep the content.
_IDENTITY = ("ETag", "etag", "md5Hash", "checksum", "content_md5", "version_id", "generation", "commit")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


def fingerprint_sources(spec: DatasetSpec) -> str:
    """Return `sha256:…` over the identity of each source file: content where that is cheap, else tag, size and time.

    A query is known by its text and its files; of a database, by the answer to its `version`, else by the content of
    its rows, which are read.

    Raises:
        SourceError: a source is not there.
        ConfigError: the environment variable that a query's database is named by is not set.
    """
    lines = []
    for table, declared in spec.tables.items():
        source = declared.source
        if isinstance(source, str):
            lines += _files(table, source, spec)
        elif source.connection is not None:
            asked = source if source.version is None else source.model_copy(update={"sql": source.version})
            lines.append("\x1f".join((table, source.sql, _rows_digest(query_rows(asked, spec)))))
        else:
            lines.append("\x1f".join((table, source.sql)))
            for name, place in source.files.items():
                lines += _files(f"{table}\x1f{name}", place, spec)
    return f"sha256:{hashlib.sha256(chr(30).join(lines).encode()).hexdigest()}"


def _files(name: str, source: str, spec: DatasetSpec) -> list[str]:
    files = source_files(source, spec.folder)
    return ["\x1f".join((name, str(position), _identity(file))) for position, file in enumerate(files)]


def _rows_digest(rows: pl.DataFrame) -> str:
    content = io.BytesIO()
    rows.write_ipc(content)
    return hashlib.sha256(content.getbuffer()).hexdigest()


def _identity(file: SourceFile) -> str:
    try:
        info: dict[str, Any] = file.system.info(file.path)
    except Exception as error:  # each file system has errors of its own
        raise unreadable(file.shown, error) from error
    size = int(info.get("size") or 0)
    if file.is_near and size <= MOST_HASHED_BYTES:
        if file.is_local:
            return _local_digest(file.path, size, _modified_ns(file.path))
        return hashlib.sha256(file.read_bytes()).hexdigest()
    known = [f"{name}={info[name]}" for name in _IDENTITY if info.get(name)]
    known = known or [f"{name}={info[name]}" for name in _TIMES if info.get(name)][:1]
    return "\x1f".join((file.path, str(size), *known))


def _modified_ns(path: str) -> int:
    import os

    return os.stat(path).st_mtime_ns


@lru_cache(maxsize=65536)
def _local_digest(path: str, size: int, modified_ns: int) -> str:
    """Hash a file once per size and time of change: sensors ask every few seconds."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
