"""A server on 127.0.0.1 for what the handlers reach over HTTP."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


@dataclass
class LocalServer:
    """A server on 127.0.0.1 that remembers what it was asked."""

    url: str
    requests: list[tuple[str, str, str]] = field(default_factory=list[tuple[str, str, str]])
    """Method, path and body of each request."""


Answer = Callable[[str, str], tuple[int, str]]
"""(method, path) -> (status, body)."""


@contextmanager
def serving(answer: Answer) -> Generator[LocalServer]:
    """Such a server, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            local.requests.append((self.command, self.path, body))
            status, text = answer(self.command, self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    local = LocalServer(f"http://127.0.0.1:{server.server_port}")
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield local
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
