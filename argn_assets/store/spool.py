"""The spool: local files that are to become objects, unfinished, under names that nothing reads."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from contextlib import suppress
from io import FileIO
from pathlib import Path


def write_whole(file: FileIO, content: bytes) -> int:
    """Write all bytes to an unbuffered file, in as many writes as it takes (2 GiB go into one); return their number."""
    view = memoryview(content)
    while view:
        view = view[file.write(view) :]
    return len(content)


def discard(unfinished: Path) -> None:
    """Remove an unfinished file; one that will not go is no damage, and stays for the collector."""
    with suppress(OSError):
        unfinished.unlink()


def temporary_spool() -> Path:
    """Return this user's folder for unfinished files among the system's temporary files, made if need be.

    Raises:
        OSError: somebody else made a folder or a link of this name, who could read and change what is put there.
    """
    folder = Path(tempfile.gettempdir()) / f"argn-spool-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if found.st_uid != os.getuid() or not stat.S_ISDIR(found.st_mode):
        raise OSError(errno.EPERM, f"{folder} is not a folder of this user; set TMPDIR to a folder that is")
    return folder
