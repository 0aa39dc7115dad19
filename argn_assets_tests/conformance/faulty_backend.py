"""A back-end in front of another one, in which one operation fails: before it is done, or its answer is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any, BinaryIO

from argn_assets.store.port import AgeTest, Entry, Port


class FaultyPort(Port):
    """Counts the operations of a back-end; number `fails_at` raises `error`, after it was done if `after` is true."""

    def __init__(self, inner: Port):
        self.inner, self.url, self.errors, self.now = inner, inner.url, inner.errors, inner.now
        self.shortest_grace = inner.shortest_grace
        self.done: list[str] = []
        self.fails_at: int | None = None
        self.error: BaseException = OSError()
        self.after = False

    def fail(self, number: int, error: BaseException, *, after: bool) -> None:
        """Make operation `number` from now on fail once."""
        self.done, self.fails_at, self.error, self.after = [], number, error, after

    def _do(self, verb: str, *arguments: Any) -> Any:
        fails = len(self.done) == self.fails_at
        self.done.append(verb)
        if fails and not self.after:
            raise self.error
        result = getattr(self.inner, verb)(*arguments)
        if fails:
            raise self.error
        return result

    def spool_folder(self) -> Path:
        folder: Path = self._do("spool_folder")
        return folder

    def _create(self, path: str, content: bytes | Path) -> bool:
        return bool(self._do("_create", path, content))

    def _open(self, path: str) -> BinaryIO:
        stream: BinaryIO = self._do("_open", path)
        return stream

    def _size(self, path: str) -> int:
        return int(self._do("_size", path))

    def _names(self, folder: str) -> list[str]:
        return list(self._do("_names", folder))

    def _find(self, folder: str) -> list[str]:
        return list(self._do("_find", folder))

    def _replace(self, path: str, content: bytes) -> None:
        self._do("_replace", path, content)

    def _delete(self, path: str) -> None:
        self._do("_delete", path)

    def _entries(self, folder: str) -> list[Entry]:
        return list(self._do("_entries", folder))

    def _touch(self, path: str) -> None:
        self._do("_touch", path)

    def _remove_if(self, path: str, goes: AgeTest) -> bool:
        return bool(self._do("_remove_if", path, goes))

    def _after_removal(self, paths: list[str]) -> None:
        self._do("_after_removal", paths)
