"""@connections on 127.0.0.1, of which a third goes wrong in one way or another."""

from __future__ import annotations

import socket
import struct
from collections import Counter
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Generator

FAULTS: Final = ("gone", "throttled", "broken", "reset", "reset after delivery", "black hole", "truncated")
SHARE: Final = 0.3
"""Of the posts, that go wrong."""
STATUSES: Final = {"fine": 200, "gone": 410, "throttled": 429, "broken": 500}
RESET: Final = struct.pack("ii", 1, 0)
"""A socket that lingers for no time at all is reset when it is closed."""


class Line:
    """The way to connections; a post that goes wrong may have been delivered or not, as in reality."""

    def __init__(self, deliver: Callable[[str, bytes], None], chance: random.Random) -> None:
        self.url = ""
        self.calm = False
        """Whether nothing goes wrong any more."""
        self.seen = Counter[str]()
        """Faults, and posts that went well."""
        self.dead = set[str]()
        """Connections that are gone."""
        self._lasting: dict[tuple[str, bytes], str] = {}
        self._deliver = deliver
        self._chance = chance
        self._lock = Lock()

    def post(self, connection_id: str, body: bytes) -> str:
        """What becomes of a post."""
        with self._lock:
            if connection_id in self.dead:
                return "gone"
            fault = self._fault(connection_id, body)
            self.seen[fault] += 1
            if fault == "gone":
                self.dead.add(connection_id)
            if fault in ("fine", "truncated", "reset after delivery"):
                self._deliver(connection_id, body)
            return fault

    def _fault(self, connection_id: str, body: bytes) -> str:
        """Every other one meets a frame however often it is posted."""
        if self.calm:
            return "fine"
        if lasting := self._lasting.get((connection_id, body)):
            return lasting
        if self._chance.random() >= SHARE:
            return "fine"
        fault = self._chance.choice(FAULTS)
        if self._chance.random() < 0.5:
            self._lasting[connection_id, body] = fault
        return fault

    @contextmanager
    def served(self) -> Generator[None]:
        """Answers at `url`, for as long as the block runs."""
        server = _Server(("127.0.0.1", 0), _Post)
        server.line = self
        self.url = f"http://127.0.0.1:{server.server_port}/live"
        thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield
        finally:
            server.over.set()
            server.shutdown()
            thread.join()
            server.server_close()


class _Server(ThreadingHTTPServer):
    request_queue_size = 512
    line: Line

    def __init__(self, *args: Any) -> None:
        self.over = Event()
        super().__init__(*args)


class _Post(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5
    server: _Server  # pyright: ignore[reportIncompatibleVariableOverride]

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        fault = self.server.line.post(self.path.rpartition("/")[2], body)
        if fault in STATUSES:
            self.send_response(STATUSES[fault])
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self.close_connection = True
        if fault == "truncated":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf of")
        elif fault == "black hole":
            self.server.over.wait()
        else:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            self.connection.close()

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # the poster hangs up, or this did
            super().handle()

    def finish(self) -> None:
        with suppress(OSError, ValueError):
            super().finish()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
        """Nothing on the test's output."""
