"""Every call into the operating system that touches files, one by one: to count them, to fail in one, to die in one.

The interpreter tells a profile function of every built-in function before it is called and after it returned. What such
a function raises takes the place of the call, or of its result; so nothing of the code under test is replaced.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import FileIO
from types import FrameType

_SYSTEM_CALLS = {
    "chmod", "fsync", "link", "listdir", "mkdir", "open", "remove", "rename", "replace", "rmdir", "scandir", "stat",
    "unlink", "utime", "flock",
}  # fmt: skip
_FILE_METHODS = {"write", "read", "readall", "readinto"}

Action = Callable[[], None]


class FileOperations:
    """The file operations of a thread so far.

    Attributes:
        names: what was called, in order.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.at: int | None = None
        self.when = "c_call"
        self.action: Action = lambda: None

    def saw(self, frame: FrameType, event: str, called: object) -> None:
        """Take notice of a call; act if it is the one."""
        if event in ("c_call", "c_return") and _touches_files(called):
            number = len(self.names) if event == "c_call" else len(self.names) - 1
            if event == "c_call":
                self.names.append(str(getattr(called, "__name__", called)))
            if number == self.at and event == self.when:
                self.at = None
                self.action()


@contextmanager
def file_operations(
    at: int | None = None, action: Action = lambda: None, *, after: bool = False
) -> Iterator[list[str]]:
    """Give the names of the file operations while the context lasts; before or after number `at`, call `action`."""
    operations = FileOperations()
    operations.at, operations.action, operations.when = at, action, "c_return" if after else "c_call"
    sys.setprofile(operations.saw)
    try:
        yield operations.names
    finally:
        sys.setprofile(None)


def _touches_files(called: object) -> bool:
    name, module = getattr(called, "__name__", ""), getattr(called, "__module__", None)
    if isinstance(getattr(called, "__self__", None), FileIO):
        return name in _FILE_METHODS
    return name in _SYSTEM_CALLS and module in ("posix", "nt", "io", "_io", "fcntl")
