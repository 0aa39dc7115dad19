"""A server on this machine that speaks S3 (moto), in a process of its own: what it does is not our interpreter's."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen
from uuid import uuid4

_SERVE = """
import logging, sys
from moto.server import ThreadedMotoServer
logging.getLogger("werkzeug").setLevel(logging.ERROR)
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
sys.stdin.read()
"""


class S3Server:
    """A running server.

    Attributes:
        endpoint: its URL.
        options: what `ArtifactStore.open` takes to reach it.
    """

    def __init__(self, port: int):
        self.endpoint = f"http://127.0.0.1:{port}"
        self.options = {
            "key": "key",
            "secret": "secret",
            "endpoint_url": self.endpoint,
            "client_kwargs": {"region_name": "us-east-1"},
        }

    def new_bucket(self) -> str:
        """Make a bucket and return its name."""
        name = f"bucket-{uuid4().hex[:12]}"
        with urlopen(Request(f"{self.endpoint}/{name}", method="PUT")):
            return name


@contextmanager
def s3_server() -> Iterator[S3Server]:
    """Run a server for as long as the context lasts; it also ends when this process does."""
    command = [sys.executable, "-c", _SERVE]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            yield S3Server(int(process.stdout.readline()))
        finally:
            process.stdin.close()
            process.wait(timeout=30)
