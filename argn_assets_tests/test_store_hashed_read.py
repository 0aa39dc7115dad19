"""Reading and hashing at once gives the bytes and the hash that one after the other gives."""

from __future__ import annotations

import hashlib
import io
import os

import pytest

from argn_assets.store.hashed_read import read_hashed


@pytest.mark.parametrize("size", [0, 1, 4 << 20, (4 << 20) + 1, (9 << 20) - 7])
def test_a_file_of_any_size_is_read_whole_with_its_hash(tmp_path, size):  # T12
    content = os.urandom(size)
    (tmp_path / "blob").write_bytes(content)
    with (tmp_path / "blob").open("rb") as stream:
        assert read_hashed(stream) == (content, f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_a_stream_that_is_no_file_is_read_whole_with_its_hash():
    content = os.urandom(5 << 20)
    assert read_hashed(io.BytesIO(content)) == (content, f"sha256:{hashlib.sha256(content).hexdigest()}")


def test_a_file_that_ends_before_its_size_gives_what_there_is(tmp_path):
    content = os.urandom(6 << 20)
    (tmp_path / "blob").write_bytes(content)

    class Cut(io.FileIO):
        def readinto(self, buffer) -> int:
            return super().readinto(memoryview(buffer)[: max(0, (5 << 20) - self.tell())])

    with Cut(str(tmp_path / "blob")) as stream:
        assert read_hashed(stream) == (content[: 5 << 20], f"sha256:{hashlib.sha256(content[: 5 << 20]).hexdigest()}")
