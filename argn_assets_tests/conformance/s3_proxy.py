"""A network that fails, between a client and an S3 server: answers that get lost, and answers the server never gave."""

from __future__ import annotations

import http.client
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread
from urllib.parse import urlsplit

LOST = 0  # instead of a status: the server does what it was asked and its answer gets lost

_NOT_FORWARDED = {"connection", "transfer-encoding", "content-length", "keep-alive"}


class S3Proxy(ThreadingHTTPServer):
    """Forwards every request; the next puts take `faults` one by one: a status to answer with, LOST, or None."""

    def __init__(self, upstream: str):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = urlsplit(upstream).netloc
        self.endpoint = f"http://127.0.0.1:{self.server_address[1]}"
        self.faults: list[int | None] = []
        self._one_at_a_time = Lock()

    def next_fault(self, method: str) -> int | None:
        """Return what is to go wrong with a request, None if nothing is."""
        with self._one_at_a_time:
            return self.faults.pop(0) if method == "PUT" and self.faults else None


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: S3Proxy

    def _forward(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = self.server.next_fault(self.command)
        if fault:
            self.send_response(fault)
            self._send_body(b"<Error><Code>Fault</Code><Message>as the test asked</Message></Error>")
            return
        upstream = http.client.HTTPConnection(self.server.upstream, timeout=30)
        upstream.request(self.command, self.path, body, dict(self.headers))
        answer = upstream.getresponse()
        content = answer.read()
        upstream.close()
        if fault == LOST:
            self.close_connection = True
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in _NOT_FORWARDED:
                self.send_header(name, value)
        self._send_body(content, answer.getheader("Content-Length"))

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _forward

    def _send_body(self, content: bytes, length: str | None = None) -> None:
        self.send_header("Content-Length", (length if self.command == "HEAD" else None) or str(len(content)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def s3_proxy(upstream: str) -> Iterator[S3Proxy]:
    """Run a proxy in front of a server for as long as the context lasts."""
    with S3Proxy(upstream) as proxy:
        thread = Thread(target=proxy.serve_forever, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join()
