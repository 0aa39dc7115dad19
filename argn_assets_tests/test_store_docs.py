"""The store's page is run as it is printed."""

from __future__ import annotations

import doctest
from pathlib import Path

from fsspec.implementations.memory import MemoryFileSystem

PAGE = Path(__file__).parent.parent / "docs" / "store.md"


def test_the_examples_of_the_stores_page_run() -> None:
    memory = MemoryFileSystem()
    if memory.exists("/a-journey"):
        memory.rm("/a-journey", recursive=True)
    found = doctest.testfile(str(PAGE), module_relative=False)
    assert found.attempted > 10
    assert found.failed == 0
