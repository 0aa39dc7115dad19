"""Has a source changed? A short text that differs when it has, made without reading the tables."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from argn_assets.datasets.locations import SourceFile, source_files, unreadable

if TYPE_CHECKING:
    from argn_assets.datasets.spec import DatasetSpec

MOST_HASHED_BYTES = 64 << 20  # a near file up to this size is known by its content, a larger one by size and time
# What file systems call the identity of a file's content; time comes last, because copies keep the content.
_IDENTITY = ("ETag", "etag", "md5Hash", "checksum", "content_md5", "version_id", "generation", "commit")
_TIMES = ("mtime", "LastModified", "last_modified", "updated", "modified", "created")


def fingerprint_sources(spec: DatasetSpec) -> str:
    """Return `sha256:…` over the identity of each source file: content where that is cheap, else tag, size and time.

    Raises:
        SourceError: a source is not there.
    """
    lines = []
    for table, declared in spec.tables.items():
        for position, file in enumerate(source_files(declared.source, spec.folder)):
            lines.append("\x1f".join((table, str(position), _identity(file))))
    return f"sha256:{hashlib.sha256(chr(30).join(lines).encode()).hexdigest()}"


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
