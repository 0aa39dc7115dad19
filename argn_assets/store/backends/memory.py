"""Objects in this process's memory, for tests and notebooks: fsspec's `memory://`, under a lock."""

from __future__ import annotations

from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from threading import RLock
from typing import Any, BinaryIO

from argn_assets.store.port import AgeTest, Entry, Port
from argn_assets.store.spool import temporary_spool

PROTOCOLS = ("memory",)

# fsspec's check-then-write is not atomic and its readers share one file position.
_LOCK = RLock()


class MemoryPort(Port):
    """Objects in fsspec's in-memory file system, which all stores of a process share."""

    def __init__(self, url: str):
        from fsspec.implementations.memory import MemoryFileSystem

        self._files: Any = MemoryFileSystem()
        self.url = url.rstrip("/")
        self._root = "/" + url.partition("://")[2].strip("/")

    def spool_folder(self) -> Path:
        """Return a folder among the system's temporary files."""
        return temporary_spool()

    def _create(self, path: str, content: bytes | Path) -> bool:
        body = content if isinstance(content, bytes) else content.read_bytes()
        with _LOCK:
            if self._files.exists(self._full(path)):
                return False
            self._files.pipe_file(self._full(path), body)
            self._touch(path)
        return True

    def _open(self, path: str) -> BinaryIO:
        with _LOCK:
            return BytesIO(self._files.cat_file(self._full(path)))

    def _size(self, path: str) -> int:
        with _LOCK:
            info = self._files.info(self._full(path))
        if info["type"] != "file":
            raise FileNotFoundError(path)
        return int(info["size"])

    def _names(self, folder: str) -> list[str]:
        with _LOCK:
            self._check_folder(folder)
            found = self._files.ls(self._full(folder), detail=False)
        return [str(name).rpartition("/")[2] for name in found]

    def _find(self, folder: str) -> list[str]:
        with _LOCK:
            self._check_folder(folder)
            found = self._files.find(self._full(folder))
        return [str(name)[len(self._root) :].lstrip("/") for name in found]

    def _replace(self, path: str, content: bytes) -> None:
        with _LOCK:
            self._files.pipe_file(self._full(path), content)

    def _delete(self, path: str) -> None:
        with _LOCK:
            self._files.rm_file(self._full(path))

    def _entries(self, folder: str) -> list[Entry]:
        with _LOCK:
            self._check_folder(folder)
            found = self._files.find(self._full(folder), detail=True)
            return [
                Entry(name[len(self._root) :].lstrip("/"), int(info["size"]), self._files.modified(name))
                for name, info in found.items()
            ]

    def _touch(self, path: str) -> None:
        with _LOCK:
            self._files.open(self._full(path), "rb").modified = self.now()

    def _remove_if(self, path: str, goes: AgeTest) -> bool:
        with _LOCK:
            old = goes(self._files.modified(self._full(path)))
            if old:
                self._files.rm_file(self._full(path))
        return old

    def _check_folder(self, folder: str) -> None:
        # fsspec lists an object as if it were in itself.
        if self._files.isfile(self._full(folder)):
            raise NotADirectoryError(folder)

    def _full(self, path: str) -> str:
        return f"{self._root.rstrip('/')}/{path}".rstrip("/")


def open_port(url: str, options: Mapping[str, object]) -> MemoryPort:
    """Open a store in memory; every `memory://name` of a process is the same one."""
    del options  # memory has none
    return MemoryPort(url)
