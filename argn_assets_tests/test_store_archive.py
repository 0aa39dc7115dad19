"""The tar: every byte of it is decided by names and contents, and no other tar is read."""

from __future__ import annotations

import tarfile
from collections.abc import Callable
from contextlib import nullcontext
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argn_assets.errors import CorruptArtifact, StoreError, UnsafeArchive, UnsafeName
from argn_assets.store.archive import Member, read_archive, write_archive

LAW = settings(derandomize=True, deadline=None, max_examples=100)
NAMES = st.from_regex(r"[a-z0-9_]{1,8}(/[a-z0-9_]{1,8}){0,2}", fullmatch=True).filter(
    lambda name: not set(name.split("/")) & {"con", "prn", "aux", "nul"} and not name.startswith(("com", "lpt"))
)
FILES = st.dictionaries(NAMES, st.binary(max_size=1500), max_size=4)
FILE = {"a": b"first", "b/c": b"x" * 513}


def pack(files: dict[str, bytes]) -> bytes:
    target = BytesIO()
    write_archive(
        target,
        [
            Member(name=name, size_bytes=len(files[name]), open=lambda name=name: nullcontext(BytesIO(files[name])))  # type: ignore[misc]
            for name in sorted(files)
        ],
    )
    return target.getvalue()


def unpack(content: bytes) -> dict[str, bytes]:
    return {member.name: member.content.read(member.size_bytes) for member in read_archive(BytesIO(content))}


class Drip:
    """A stream that gives one byte less than it was asked for, as sockets do."""

    def __init__(self, content: bytes):
        self._stream = BytesIO(content)

    def read(self, size: int, /) -> bytes:
        return self._stream.read(max(1, size - 1))


@LAW
@given(files=FILES)
def test_what_is_packed_is_unpacked_and_any_tar_program_can_read_it(files: dict[str, bytes]) -> None:  # T14
    packed = pack(files)
    assert unpack(packed) == files
    with tarfile.open(fileobj=BytesIO(packed)) as archive:
        assert {name: archive.extractfile(name).read() for name in archive.getnames()} == files  # type: ignore[union-attr]


@LAW
@given(files=FILES, seed=st.randoms(use_true_random=False))
def test_equal_files_are_an_equal_tar(files: dict[str, bytes], seed: object) -> None:  # T14
    shuffled = dict(sorted(files.items(), key=lambda _: seed.random()))  # type: ignore[attr-defined]
    assert pack(shuffled) == pack(files)


@LAW
@given(data=st.data())
def test_no_byte_can_be_changed_cut_or_added_without_being_noticed_or_read_as_content(data: st.DataObject) -> None:
    packed = pack(FILE)
    place = data.draw(st.integers(0, len(packed) - 1))
    changed = bytearray(packed)
    changed[place] ^= data.draw(st.integers(1, 255))
    try:
        found = unpack(bytes(changed))
    except StoreError:
        pass
    else:  # headers and paddings are decided; what is left are the contents
        assert found != FILE
        assert list(found) == list(FILE)
    for cut in (packed[:place], packed + b"\0"):
        with pytest.raises(StoreError):
            unpack(cut)


def test_a_stream_may_give_less_than_it_is_asked_for_and_contents_may_be_passed_over() -> None:
    assert [member.name for member in read_archive(Drip(pack(FILE)))] == list(FILE)


def info(name: str = "a", **fields: object) -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    for field, value in fields.items():
        setattr(made, field, value)
    return made


def tar_of(
    *members: tarfile.TarInfo, tar_format: int = tarfile.GNU_FORMAT, content: bytes = b"", end: bytes = bytes(1024)
) -> bytes:
    body = content + bytes(-len(content) % 512)
    return b"".join(member.tobuf(tar_format, "utf-8", "surrogateescape") + body for member in members) + end


HOSTILE: dict[str, bytes] = {
    **{
        f"name {name!r}": tar_of(info(name))
        for name in (
            "..", "../x", "a/../../x", "/etc/passwd", "//x", "./a", "a//b", "a/", ".hidden", "a\\..\\b", "C:\\x", "~",
            "con", "nul.txt", "a\nb", "a\x1bb", "ä", "\udcff", "a b", "-rf", "trailing.", "",
        )
    },
    **{
        f"kind {kind!r}": tar_of(info("a", type=kind, linkname=link))
        for kind, link in (
            (tarfile.LNKTYPE, "/etc/passwd"), (tarfile.SYMTYPE, "../.."), (tarfile.CHRTYPE, ""), (tarfile.BLKTYPE, ""),
            (tarfile.FIFOTYPE, ""), (tarfile.DIRTYPE, ""), (tarfile.CONTTYPE, ""), (tarfile.AREGTYPE, ""),
            (tarfile.GNUTYPE_SPARSE, ""), (tarfile.XHDTYPE, ""), (tarfile.XGLTYPE, ""), (tarfile.GNUTYPE_LONGLINK, ""),
            (b"Z", ""),
        )
    },
    "a name twice": tar_of(info("a"), info("a")),
    "names that are not sorted": tar_of(info("b"), info("a")),
    "a name that differs in case, before": tar_of(info("a"), info("A")),
    "a long name": tar_of(info("x" * 101)),
    "a long name in its prefix": tar_of(info("y" * 60 + "/" + "x" * 60), tar_format=tarfile.USTAR_FORMAT),
    "an extended header": tar_of(info("ä" * 80), tar_format=tarfile.PAX_FORMAT),
    "a header that announces 8 GiB of header": tar_of(info("././@PaxHeader", type=tarfile.XHDTYPE, size=(1 << 33) - 1)),
    "a long name of 1 EiB": tar_of(info("././@LongLink", type=tarfile.GNUTYPE_LONGNAME, size=1 << 60)),
    "a time": tar_of(info(mtime=1)),
    "an owner": tar_of(info(uid=1000)),
    "an owner's name": tar_of(info(uname="root")),
    "a set-uid mode": tar_of(info(mode=0o4755)),
    "a link's name on a file": tar_of(info(linkname="b")),
    "another dialect": tar_of(info("a"), tar_format=tarfile.USTAR_FORMAT),
    "more content than there is": tar_of(info(size=5000), content=b"x"),
    "a size of 1 EiB": tar_of(info(size=1 << 60)),
    "bytes in the padding": tar_of(info(size=3), content=b"abcd"),
    "one block at its end": tar_of(info(), end=bytes(512)),
    "no end": tar_of(info(), end=b""),
    "bytes after its end": tar_of(info(), end=bytes(1024) + b"x"),
    "a second archive after its end": tar_of(info()) * 2,
    "a wrong sum": tar_of(info()).replace(b"a", b"b", 1),
    "nothing": b"",
    "half a header": tar_of(info())[:300],
    "another kind of file": b"PK\x03\x04" * 1000,
    "gzip": b"\x1f\x8b" + bytes(2000),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_tar_that_write_archive_does_not_write_is_refused(name: str) -> None:  # T26
    with pytest.raises((UnsafeArchive, UnsafeName, CorruptArtifact)):
        unpack(HOSTILE[name])


def test_there_are_many_hostile_ones() -> None:
    assert len(HOSTILE) >= 40


def test_a_negative_size_is_refused() -> None:
    header = bytearray(tar_of(info(), end=b""))
    header[124:136] = b"\xff" * 12  # base 256, −1
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    with pytest.raises(UnsafeArchive, match="not as write_archive writes it"):
        unpack(bytes(header) + bytes(1024))


def short() -> Member:
    return Member(name="a", size_bytes=5, open=lambda: nullcontext(BytesIO(b"1234")))


def long() -> Member:
    return Member(name="a", size_bytes=3, open=lambda: nullcontext(BytesIO(b"1234")))


@pytest.mark.parametrize("member", [short, long])
def test_a_content_of_another_size_than_was_said_is_not_written_as_if_it_were_whole(
    member: Callable[[], Member],
) -> None:
    target = BytesIO()
    with pytest.raises(CorruptArtifact):
        write_archive(target, [member()])
    with pytest.raises(StoreError):
        unpack(target.getvalue())


def test_names_are_given_once_and_sorted() -> None:
    with pytest.raises(UnsafeName, match="once, sorted"):
        write_archive(BytesIO(), [short().__class__(name="a", size_bytes=4, open=short().open), short()])
    with pytest.raises(UnsafeName, match="101 characters"):
        write_archive(BytesIO(), [Member(name="x" * 101, size_bytes=4, open=short().open)])


def test_files_beyond_8_gib_have_a_header_too() -> None:
    class Sparse:
        def read(self, size: int, /) -> bytes:
            return b""

    target = BytesIO()
    with pytest.raises(CorruptArtifact, match=f"{1 << 34} bytes"):
        write_archive(target, [Member(name="a", size_bytes=1 << 34, open=lambda: nullcontext(Sparse()))])
    assert next(read_archive(BytesIO(target.getvalue()))).size_bytes == 1 << 34
