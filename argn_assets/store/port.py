"""The only door to storage: a few verbs, and one promise that plain file systems do not give – exclusive create.

1. `create` puts a whole object under its final name or does nothing: no reader ever sees a part of one, and a name
   that was created never changes its content.
2. Of any number of processes that create the same name, exactly one is told True.
3. An answer that got lost is found out by reading back (a put that failed may have worked).
4. An object has an age, which `touch` makes zero. `remove_old` and `remove_listed` look at it and remove; in folders
   and in memory no `touch` comes between the two, object stores look right before they delete.

One back-end is one file in `backends/` that names its URL protocols in `PROTOCOLS` and offers `open_port`; nothing
else lists them, and `BackendTests` of the conformance suite holds each of them to these promises.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib import import_module
from io import FileIO
from operator import eq
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast
from uuid import uuid4

from argn_assets.errors import ConfigError, MissingArtifact, StoreUnavailable
from argn_assets.store.hashed_read import read_hashed
from argn_assets.store.names import check_path
from argn_assets.store.spool import discard, write_whole

if TYPE_CHECKING:
    from types import ModuleType

_CHUNK = 1 << 20

AgeTest = Callable[[datetime], bool]


def utc_now() -> datetime:
    """Return the time, in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Entry:
    """An object in a listing.

    Attributes:
        path: relative to the root.
        size_bytes: of its content.
        touched_at: when it was created or touched, in UTC.
    """

    path: str
    size_bytes: int
    touched_at: datetime


class Readable(Protocol):
    """What gives the next bytes, at most `size` of them, and none at its end."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes."""


class Port(ABC):
    """Objects under a root, by relative path (`binaries/cdnow/model_X_0123456789ab.argn`).

    Every verb raises UnsafeName for a path that could leave the root and StoreUnavailable when the back-end does not
    answer, refuses or is full; the operating system's error is its cause.
    """

    url: str
    errors: tuple[type[Exception], ...] = (OSError,)  # what the back-end's client raises when it does not answer
    now: Callable[[], datetime] = staticmethod(utc_now)  # what objects are stamped with; object stores have their own
    shortest_grace: timedelta = timedelta(0)  # objects younger than half of it are not touched again

    def create(self, path: str, content: bytes | Path) -> bool:
        """Put a whole object under a name that is free; False if the name is taken, whatever it holds.

        Args:
            path: relative to the root.
            content: the bytes, or a finished local file in `spool_folder()`, which stays the caller's to delete.
        Raises:
            StoreUnavailable: and reading back shows that the object is not there.
        """
        check_path(path)
        try:
            return self._create(path, content)
        except self.errors as error:
            if self._arrived(path, content):
                return True
            raise _unavailable("write", f"{self.url}/{path}", error) from error

    def publish(self, path: str, content: bytes) -> bool:
        """Create an object that nobody else could have written byte for byte, as it carries a random id.

        A client that repeats a put whose answer it did not get finds the name taken, by its own first put: an object
        that holds these very bytes is ours.

        Returns:
            False if another writer's object is there. Raises as `create`.
        """
        return self.create(path, content) or self.read(path) == content

    def read(self, path: str) -> bytes:
        """Return an object's bytes; MissingArtifact if there is none."""
        with self._opened(path) as stream:
            return stream.read()

    def read_hashed(self, path: str) -> tuple[bytes, str]:
        """Return an object's bytes and `sha256:<64 hex>` of them; MissingArtifact if there is none."""
        with self._opened(path) as stream:
            return read_hashed(stream)

    @contextmanager
    def open(self, path: str) -> Iterator[Readable]:
        """Open an object for reading in pieces, as a context; MissingArtifact if there is none.

        Its reads raise the store's errors. What the caller does meanwhile raises its own: a full disk that the bytes
        are copied to is not the store's.
        """
        with self._reported("read", path):
            stream = self._open(check_path(path))
        with stream:
            yield _Reported(stream, partial(self._reported, "read", path))

    def digest(self, path: str) -> str:
        """Return `sha256:<64 hex>` of the stored bytes without holding them; MissingArtifact if there are none."""
        with self._opened(path) as stream:
            return f"sha256:{hashlib.file_digest(cast(FileIO, stream), 'sha256').hexdigest()}"

    def size(self, path: str) -> int | None:
        """Return an object's size in bytes, None if there is no such object."""
        try:
            with self._reported("look for", path):
                return self._size(check_path(path))
        except MissingArtifact:
            return None

    def names(self, folder: str) -> list[str]:
        """Return the sorted names in `folder` ("" is the root), hidden ones left out; [] if it is not there."""
        try:
            with self._reported("list", folder):
                return sorted(name for name in self._names(folder and check_path(folder)) if not name.startswith("."))
        except MissingArtifact:
            return []

    def find(self, folder: str) -> list[str]:
        """Return the sorted paths of all objects below `folder`, relative to the root; [] if it is not there."""
        try:
            with self._reported("list", folder):
                return sorted(self._find(check_path(folder)))
        except MissingArtifact:
            return []

    def replace(self, path: str, content: bytes) -> None:
        """Put an object under a name that may be taken: for weak files only, which nothing relies on."""
        with self._reported("write", path):
            self._replace(check_path(path), content)

    def delete(self, path: str) -> None:
        """Remove an object; nothing happens if it is not there."""
        try:
            with self._reported("delete", path):
                self._delete(check_path(path))
        except MissingArtifact:
            return

    def entries(self, folder: str) -> list[Entry]:
        """Return all objects below `folder` with their sizes and ages, in no order; [] if it is not there."""
        try:
            with self._reported("list", folder):
                return self._entries(check_path(folder))
        except MissingArtifact:
            return []

    def touch(self, path: str) -> None:
        """Make an object young again; MissingArtifact if there is none, and then it was not there to be made young."""
        with self._reported("touch", path):
            self._touch(check_path(path))

    def remove_old(self, paths: Iterable[str], before: datetime) -> list[str]:
        """Remove those of the objects that nobody created or touched after `before`, for good; return their paths."""
        return self._remove((path, lambda touched_at: touched_at <= before) for path in paths)

    def remove_listed(self, ages: Mapping[str, datetime]) -> list[str]:
        """Remove those of the objects that nobody created or touched since they were listed; return their paths.

        Args:
            ages: path → `touched_at` of the listing.
        No clock is trusted, which may have gone back: an object bears the time that was listed, or it does not.
        """
        return self._remove((path, partial(eq, touched_at)) for path, touched_at in ages.items())

    def _remove(self, wanted: Iterable[tuple[str, AgeTest]]) -> list[str]:
        removed: list[str] = []
        try:
            for path, goes in wanted:
                try:
                    with self._reported("remove", path):
                        if self._remove_if(check_path(path), goes):
                            removed.append(path)
                except MissingArtifact:
                    continue
        finally:
            with self._reported("remove", "its folder"):
                self._after_removal(removed)
        return removed

    def unfinished(self, age: timedelta) -> list[Path]:
        """Return the files that crashed writers left in the spool, sorted: nobody wrote to them for `age`.

        The machine's clock counts here, not `now`: files that are being written bear its time.
        """
        left, before = [], utc_now() - age
        with self._reported("list", "the spool"):
            for file in self.spool_folder().iterdir():
                with suppress(FileNotFoundError):  # finished since it was listed
                    if datetime.fromtimestamp(file.stat().st_mtime, UTC) <= before and file.is_file():
                        left.append(file)
        return sorted(left)

    @contextmanager
    def spool(self, stream: Readable) -> Iterator[tuple[Path, str, int]]:
        """Copy a stream to an unfinished file, as a context which removes it; give file, `sha256:<64 hex>` and size.

        Raises:
            StoreUnavailable: there is no room for it. What the stream itself raises comes through as it is.
        """
        with self._reported("write", "the spool"):
            spooled = self.spool_folder() / uuid4().hex
            sink = spooled.open("xb", buffering=0)
        try:
            hasher, size = hashlib.sha256(), 0
            with sink:
                while chunk := stream.read(_CHUNK):
                    hasher.update(chunk)
                    with self._reported("write", "the spool"):
                        size += write_whole(sink, chunk)
            yield spooled, f"sha256:{hasher.hexdigest()}", size
        finally:
            discard(spooled)

    @abstractmethod
    def spool_folder(self) -> Path:
        """Return an existing local folder for files that are to become objects."""

    @abstractmethod
    def _create(self, path: str, content: bytes | Path) -> bool:
        """Put a whole object, or return False because the name is taken; OSError for anything else."""

    @abstractmethod
    def _open(self, path: str) -> BinaryIO: ...

    @abstractmethod
    def _size(self, path: str) -> int: ...

    @abstractmethod
    def _names(self, folder: str) -> list[str]: ...

    @abstractmethod
    def _find(self, folder: str) -> list[str]: ...

    @abstractmethod
    def _replace(self, path: str, content: bytes) -> None: ...

    @abstractmethod
    def _delete(self, path: str) -> None: ...

    @abstractmethod
    def _entries(self, folder: str) -> list[Entry]: ...

    @abstractmethod
    def _touch(self, path: str) -> None: ...

    @abstractmethod
    def _remove_if(self, path: str, goes: AgeTest) -> bool:
        """Remove an object if `goes` says so of the time it was touched; say whether it went."""

    def _after_removal(self, paths: list[str]) -> None:
        """Make removals survive a power cut, where that is not so already."""
        del paths

    def _arrived(self, path: str, content: bytes | Path) -> bool:
        """Say whether a put that failed has worked all the same."""
        try:
            found = self.digest(path)
            if isinstance(content, bytes):
                return found == f"sha256:{hashlib.sha256(content).hexdigest()}"
            with content.open("rb") as stream:
                return found == f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"
        except (MissingArtifact, StoreUnavailable, OSError):  # OSError: the file is what failed
            return False

    @contextmanager
    def _opened(self, path: str) -> Iterator[BinaryIO]:
        """Open an object for the verbs of this class, which do nothing but read meanwhile."""
        with self._reported("read", path), self._open(check_path(path)) as stream:
            yield stream

    @contextmanager
    def _reported(self, verb: str, path: str) -> Iterator[None]:
        """Turn the operating system's errors into the store's."""
        try:
            yield
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError) as error:
            raise MissingArtifact(f"{self.url}/{path} is not in the store.") from error
        except self.errors as error:
            raise _unavailable(verb, f"{self.url}/{path}", error) from error


class _Reported:
    """A stream whose reads raise the store's errors."""

    def __init__(self, stream: BinaryIO, reported: Callable[[], AbstractContextManager[None]]):
        self._stream, self._reported = stream, reported

    def read(self, size: int, /) -> bytes:
        with self._reported():
            return self._stream.read(size)


def open_port(url: str, options: Mapping[str, object] | None = None) -> Port:
    """Open the back-end that a URL names; a URL without a protocol is a local folder.

    Args:
        url: `.argn/store`, `file:///data/store`, `memory://name`, `s3://bucket/prefix`.
        options: what the back-end's file system takes (endpoint, credentials); {} for local and memory.
    Raises:
        ConfigError: no back-end speaks this protocol, or its package is not installed.
    """
    protocol, separator, _ = url.partition("://")
    backend = _backends().get(protocol if separator else "file")
    if backend is None:
        known = ", ".join(f"{name}://" for name in sorted(_backends()))
        raise ConfigError(f"store URL {url!r}: no back-end speaks {protocol!r}; accepted: a folder, or one of {known}.")
    return cast(Port, backend.open_port(url, dict(options or {})))


@cache
def _backends() -> dict[str, ModuleType]:
    """Return protocol → module, found by looking into the folder."""
    package = import_module("argn_assets.store.backends")
    modules = [import_module(f"{package.__name__}.{found.name}") for found in iter_modules(package.__path__)]
    return {protocol: module for module in modules for protocol in module.PROTOCOLS}


def _unavailable(verb: str, name: str, error: Exception) -> StoreUnavailable:
    reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return StoreUnavailable(
        f"cannot {verb} {name}: {reason}. Nothing half-written is visible; try again once it is mended."
    )
