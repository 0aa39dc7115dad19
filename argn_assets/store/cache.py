"""Least recently used bytes, bounded by entries and by bytes."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheInfo:
    """What a cache holds, may hold, and how often it served."""

    entries: int
    size_bytes: int
    max_entries: int
    max_bytes: int
    hits: int
    misses: int


class BytesCache:
    """Digest → bytes, for several threads; bytes cannot be spoilt by who gets them."""

    def __init__(self, max_entries: int, max_bytes: int):
        self._lock = Lock()
        self._held: OrderedDict[str, bytes] = OrderedDict()
        self._size = self._hits = self._misses = 0
        self._max_entries, self._max_bytes = max_entries, max_bytes

    def get(self, key: str) -> bytes | None:
        """Return what is held under a key, and count it as a hit or a miss."""
        with self._lock:
            content = self._held.get(key)
            if content is None:
                self._misses += 1
                return None
            self._hits += 1
            self._held.move_to_end(key)
            return content

    def put(self, key: str, content: bytes) -> None:
        """Hold bytes, and let go of what was not used for longest; what is larger than the cache is not held."""
        with self._lock:
            if key not in self._held and len(content) <= self._max_bytes:
                self._held[key] = content
                self._size += len(content)
            self._shrink()

    def resize(self, max_entries: int, max_bytes: int) -> None:
        """Set the bounds; 0 entries turn the cache off."""
        with self._lock:
            self._max_entries, self._max_bytes = max_entries, max_bytes
            self._shrink()

    def info(self) -> CacheInfo:
        """Return sizes, bounds and counts."""
        with self._lock:
            return CacheInfo(
                entries=len(self._held),
                size_bytes=self._size,
                max_entries=self._max_entries,
                max_bytes=self._max_bytes,
                hits=self._hits,
                misses=self._misses,
            )

    def _shrink(self) -> None:
        while self._held and (len(self._held) > self._max_entries or self._size > self._max_bytes):
            _, content = self._held.popitem(last=False)
            self._size -= len(content)
