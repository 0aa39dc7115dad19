"""Archives: some files as one tar, of which every byte is decided by their names and contents.

1. Plain files only, sorted by name, each name once; times and owners are zero, so equal files give an equal tar.
2. Reading accepts such a tar and nothing else: every header must be the very bytes that writing gives. Links, devices,
   folders, repeated names and headers that announce longer headers end it, before a byte of theirs is used.
3. Names are those of the store (`names.check_path`), at most 100 characters; none leaves the folder it is put under.
4. Both ways in constant memory.
"""

from __future__ import annotations

import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import BinaryIO

from argn_assets.errors import CorruptArtifact, UnsafeArchive, UnsafeName
from argn_assets.store.names import check_path
from argn_assets.store.port import Readable

_BLOCK = 512
_CHUNK = 1 << 20
_LONGEST_NAME = 100  # characters, of what one header holds
_KINDS = {
    tarfile.LNKTYPE: "a hard link",
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.DIRTYPE: "a folder",
    tarfile.GNUTYPE_LONGNAME: "a long name",
    tarfile.GNUTYPE_LONGLINK: "a long link",
    tarfile.GNUTYPE_SPARSE: "a sparse file",
    tarfile.XHDTYPE: "an extended header",
    tarfile.XGLTYPE: "a global header",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A file to be written.

    Attributes:
        name: relative, with `/`, as the store names things.
        size_bytes: of its content.
        open: gives the content, as a context.
    """

    name: str
    size_bytes: int
    open: Callable[[], AbstractContextManager[Readable]]


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberRead:
    """A file that is read.

    Attributes:
        name: checked.
        size_bytes: of its content.
        content: the next bytes of the archive; what is not read of it before the next member is passed over.
    """

    name: str
    size_bytes: int
    content: Readable


def write_archive(target: BinaryIO, members: Iterable[Member]) -> None:
    """Write files as a tar.

    Args:
        target: is left open; after an error it holds an unfinished tar, which no reader takes.
        members: sorted by name.
    Raises:
        UnsafeName: a name is not one of the store, too long, or not after the one before.
        CorruptArtifact: a content is not as long as was said.
    """
    last = ""
    for member in members:
        if member.name <= last:
            raise UnsafeName(f"{member.name} comes after {last} in an archive; give every name once, sorted.")
        last = member.name
        target.write(_header(member.name, member.size_bytes))
        size = 0
        with member.open() as stream:
            while size <= member.size_bytes and (chunk := stream.read(_CHUNK)):
                size += len(chunk)
                target.write(chunk)
        if size != member.size_bytes:
            raise CorruptArtifact(member.name, f"{member.size_bytes} bytes", f"{size} bytes or more")
        target.write(bytes(-size % _BLOCK))
    target.write(bytes(2 * _BLOCK))


def read_archive(source: Readable) -> Iterator[MemberRead]:
    """Yield the files of a tar that `write_archive` wrote; it is whole when the iteration ends without an error.

    Raises:
        UnsafeArchive: it is another kind of tar, or goes on after its end.
        UnsafeName: a name could leave the folder that it is put under.
        CorruptArtifact: it ends too early.
    """
    last = ""
    while (header := _exactly(source, _BLOCK)) != bytes(_BLOCK):
        name, size = _parse(header)
        if name <= last:
            raise UnsafeArchive(f"the archive has {name} after {last}; accepted: every name once, sorted.")
        last = name
        content = _Content(source, size)
        yield MemberRead(name=name, size_bytes=size, content=content)
        while content.read(_CHUNK):
            pass
        if any(_exactly(source, -size % _BLOCK)):
            raise UnsafeArchive(f"the archive has bytes between {name} and what follows; accepted: zeros.")
    if any(_exactly(source, _BLOCK)) or source.read(1):
        raise UnsafeArchive("the archive goes on after its end.")


def _header(name: str, size: int) -> bytes:
    """Return the one header that a file of this name and size has."""
    if len(check_path(name)) > _LONGEST_NAME:
        raise UnsafeName(f"a name of {len(name)} characters, {name[:60]!r}…; an archive takes {_LONGEST_NAME}.")
    info = tarfile.TarInfo(name)
    info.size = size
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


def _parse(header: bytes) -> tuple[str, int]:
    """Return name and size of a header that is the one header of that name and size."""
    try:
        info = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
    except tarfile.HeaderError as error:
        raise UnsafeArchive(f"this is not a tar, or not from here on: {error}.") from error
    if info.type in _KINDS:
        raise UnsafeArchive(f"the archive holds {_KINDS[info.type]}, {info.name[:80]!r}; accepted: plain files.")
    if info.size < 0 or _header(info.name, info.size) != header:
        raise UnsafeArchive(
            f"the header of {info.name} is not as write_archive writes it; accepted: plain files without times, owners "
            "and modes of their own."
        )
    return info.name, info.size


class _Content:
    """The next bytes of an archive, as a stream that ends where the member does."""

    def __init__(self, source: Readable, size: int):
        self._source, self._left = source, size

    def read(self, size: int, /) -> bytes:
        content = _exactly(self._source, min(size, self._left))
        self._left -= len(content)
        return content


def _exactly(source: Readable, size: int) -> bytes:
    """Return the next `size` bytes, however the source hands them out."""
    pieces, missing = [], size
    while missing:
        piece = source.read(missing)
        if not piece:
            raise CorruptArtifact("the archive", f"{missing} bytes longer", "its end")
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces)
