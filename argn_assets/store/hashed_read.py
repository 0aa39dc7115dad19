"""Reading and hashing at once: a second thread hashes what was read while the first reads on."""

from __future__ import annotations

import hashlib
import io
import os
from concurrent.futures import ThreadPoolExecutor
from typing import BinaryIO

_CHUNK = 1 << 20
_LEAST = 4 * _CHUNK  # bytes from which a second thread is worth its start


def read_hashed(stream: BinaryIO) -> tuple[bytes, str]:
    """Return the bytes of a stream from its start, and `sha256:<64 hex>` of them."""
    size = _file_size(stream)
    if size < _LEAST:
        content = stream.read()
        return content, f"sha256:{hashlib.sha256(content).hexdigest()}"
    sha256, at = hashlib.sha256(), 0
    # BytesIO gives its own bytes out without a copy, and lets them be filled in place before.
    buffer = io.BytesIO(bytes(size))
    with buffer.getbuffer() as view, ThreadPoolExecutor(1) as hasher:
        while at < size and (n := stream.readinto(view[at : at + _CHUNK])):  # type: ignore[attr-defined]
            hasher.submit(sha256.update, view[at : at + n])
            at += n
    content = buffer.getvalue()
    return content if at == size else content[:at], f"sha256:{sha256.hexdigest()}"


def _file_size(stream: BinaryIO) -> int:
    """Return the size of a local file; 0 for a stream that is none, which is read in one piece."""
    try:
        return os.fstat(stream.fileno()).st_size
    except (OSError, AttributeError):
        return 0
