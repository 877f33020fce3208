"""A server on 127.0.0.1 that is as bad as a test's scripts say: they write what goes over each TCP connection."""

from __future__ import annotations

import socket
import ssl
import struct
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


@dataclass(frozen=True)
class Request:
    """A request that was read whole."""

    raw: bytes
    over: int
    """Which connection it came over, the first being 0."""

    @property
    def head(self) -> str:
        return self.raw.partition(b"\r\n\r\n")[0].decode()

    @property
    def body(self) -> bytes:
        return self.raw.partition(b"\r\n\r\n")[2]

    @property
    def method(self) -> str:
        return self.head.split(" ")[0]

    @property
    def connection_id(self) -> str:
        """The last part of the path, as it stands there."""
        return self.head.split(" ")[1].rpartition("/")[2]


@dataclass
class Peer:
    """The server's side of one TCP connection."""

    server: Server
    number: int
    socket: socket.socket

    def read(self, at_a_time: int = 65_536) -> Request | None:
        """The next request, which is noted; None: there is none any more."""
        data = bytearray()
        length: int | None = None
        while length is None or len(data) < length:
            try:
                more = self.socket.recv(at_a_time)
            except OSError:
                return None
            if not more:
                return None
            data += more
            length = length or _length(data)
        request = Request(bytes(data), self.number)
        self.server.requests.append(request)
        return request

    def send(self, *parts: bytes) -> None:
        """Send what may come too late for the other side."""
        with suppress(OSError):
            for part in parts:
                self.socket.sendall(part)

    def answer(self, answer: bytes = OK) -> None:
        """Answer one request after the other, until there is none."""
        while self.read():
            self.send(answer)

    def reset(self) -> None:
        """End the connection with RST."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    def close(self) -> None:
        """End the connection."""
        self.socket.close()

    def hold(self) -> None:
        """Say nothing until the test is over."""
        self.server.over.wait()


Script = Callable[[Peer], None]
"""What happens on one connection, which is closed when it returns."""


@dataclass
class Server:
    """A running one."""

    scripts: list[Script]
    """Of one connection after the other; the last is that of all that follow."""
    listener: socket.socket
    context: ssl.SSLContext | None = None
    requests: list[Request] = field(default_factory=list[Request])
    connections: int = 0
    sockets: list[socket.socket] = field(default_factory=list[socket.socket])
    over: Event = field(default_factory=Event)
    """Set when the test is."""
    failures: list[BaseException] = field(default_factory=list[BaseException])

    @property
    def endpoint(self) -> str:
        return f"http{'s' if self.context else ''}://127.0.0.1:{self.listener.getsockname()[1]}/live"

    @property
    def bodies(self) -> list[bytes]:
        return [request.body for request in self.requests]

    def run(self) -> None:
        talks: list[Thread] = []
        while not self.over.is_set():
            try:
                plain, _ = self.listener.accept()
            except OSError:
                break
            self.sockets.append(plain)
            script = self.scripts[min(self.connections, len(self.scripts) - 1)]
            talks.append(Thread(target=self._talk, args=(script, plain, self.connections)))
            self.connections += 1
            talks[-1].start()
        for talk in talks:
            talk.join()

    def _talk(self, script: Script, plain: socket.socket, number: int) -> None:
        try:
            with plain:
                if self.context is None:
                    script(Peer(self, number, plain))
                    return
                with suppress(OSError), self.context.wrap_socket(plain, server_side=True) as secured:
                    self.sockets.append(secured)
                    script(Peer(self, number, secured))
        except BaseException as failure:  # noqa: BLE001 - raised in the test's own thread
            self.failures.append(failure)


@contextmanager
def running(*scripts: Script, pem: Path | None = None) -> Generator[Server]:
    """A server for as long as the block runs; over TLS, where it has a certificate."""
    context = None
    if pem is not None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(pem)
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        server = Server(list(scripts), listener, context)
        thread = Thread(target=server.run)
        thread.start()
        try:
            yield server
        finally:
            server.over.set()
            while thread.is_alive():
                # Again and again, since a connection may have been taken a moment ago.
                for still_open in (listener, *server.sockets):
                    with suppress(OSError):
                        still_open.shutdown(socket.SHUT_RDWR)
                thread.join(0.05)
    if server.failures:
        raise server.failures[0]


def _length(data: bytearray) -> int | None:
    """How long a request is that begins like this; None: that is not known yet."""
    head, end, _ = data.partition(b"\r\n\r\n")
    if not end:
        return None
    lines = head.lower().split(b"\r\n")
    announced = [int(line.partition(b": ")[2]) for line in lines if line.startswith(b"content-length: ")]
    return len(head) + len(end) + sum(announced)
