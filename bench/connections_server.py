"""Server that imitates `@connections` over TLS for the benchmarks.

The server does little work per request: it uses about as much CPU to answer a request as `wrk` uses to send a request.
It reads each request only to find its end. It checks the signature of the first request only.

`python -m bench.connections_server PEM FASTEST_MS SLOWEST_MS` starts the server, prints its port, and runs until it is
terminated. `PEM` is a file with a certificate and its private key. Each answer has a random delay between `FASTEST_MS`
and `SLOWEST_MS` milliseconds.
"""

from __future__ import annotations

import heapq
import random
import re
import selectors
import socket
import ssl
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING, Any, Final, cast

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

ACCESS_KEY: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's own example
REGION: Final = "us-east-1"

OK_RESPONSE: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 20:00:00 GMT\r\nContent-Length: 0\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: 8c1a5a5e-6f5b-4b53-9c7e-0f6f8b0f3c11\r\nx-amz-apigw-id: AbCdEfGhIjKlMnO=\r\n\r\n"
)
FORBIDDEN_RESPONSE: Final = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
END_OF_HEAD: Final = b"\r\n\r\n"
READ_BYTES: Final = 65_536
_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@contextmanager
def running_server(pem: Path, fastest_ms: float, slowest_ms: float) -> Generator[str]:
    """Start a server in a separate process, yield its endpoint, and stop it at the end of the block."""
    command = [sys.executable, "-m", "bench.connections_server", str(pem), str(fastest_ms), str(slowest_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - fixed words
        assert server.stdout is not None  # noqa: S101 - stdout is a pipe
        try:
            yield f"https://127.0.0.1:{int(server.stdout.readline())}/live"
        finally:
            server.kill()  # no process can ignore SIGKILL, and the server has nothing to save


def is_signed(request: bytes) -> bool:
    """Return whether a request has the signature that botocore computes with the example keys."""
    head, _, body = request.partition(END_OF_HEAD)
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    token = headers.get("x-amz-security-token")
    # Any: botocore has no types for these arguments and results.
    auth: Any = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY, token), "execute-api", REGION)
    signed = {name: headers[name] for name in ("x-amz-date", "x-amz-security-token") if name in headers}
    request_: Any = AWSRequest(method, f"https://{headers['host']}{target}", signed, body)
    request_.context["timestamp"] = headers["x-amz-date"]
    to_sign = auth.string_to_sign(request_, auth.canonical_request(request_))
    return headers.get("authorization", "").endswith(f"Signature={auth.signature(to_sign, request_)}")


@dataclass
class _Server:
    listener: socket.socket
    context: ssl.SSLContext
    delay: tuple[float, float]
    """Shortest and longest delay of an answer, in seconds."""
    received: dict[ssl.SSLSocket, bytes] = field(default_factory=dict[ssl.SSLSocket, bytes])
    """For each connection, the bytes of its current request that the server has received so far."""
    answers: list[tuple[float, int, ssl.SSLSocket]] = field(default_factory=list[tuple[float, int, ssl.SSLSocket]])
    """Heap of answers to send. An answer has the time at which it is sent, a sequence number and the connection. The
    sequence number puts answers with the same time in order."""
    has_checked: bool = False
    """Whether the server has checked the signature of the first request."""
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> None:
        order = count()
        self.selector.register(self.listener, selectors.EVENT_READ)
        while True:
            timeout = max(0.0, self.answers[0][0] - time.monotonic()) if self.answers else None
            for key, _ in self.selector.select(timeout):
                if key.fileobj is self.listener:
                    self._accept()
                    continue
                connection = cast("ssl.SSLSocket", key.fileobj)
                try:
                    if not self._has_request(connection):
                        continue
                    if self.delay[1]:
                        at = time.monotonic() + random.uniform(*self.delay)  # noqa: S311 - not used for secrets
                        heapq.heappush(self.answers, (at, next(order), connection))
                    else:
                        connection.send(OK_RESPONSE)
                except OSError:
                    self._close(connection)
            while self.answers and self.answers[0][0] <= time.monotonic():
                connection = heapq.heappop(self.answers)[2]
                if connection in self.received:
                    try:
                        connection.send(OK_RESPONSE)
                    except OSError:
                        self._close(connection)

    def _close(self, connection: ssl.SSLSocket) -> None:
        self.selector.unregister(connection)
        del self.received[connection]
        connection.close()

    def _accept(self) -> None:
        plain, _ = self.listener.accept()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connection = self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.received[connection] = b""
        self.selector.register(connection, selectors.EVENT_READ)

    def _has_request(self, connection: ssl.SSLSocket) -> bool:
        """Read the available bytes and return whether they complete a request to answer with 200.

        The method also checks the signature of the first request. If the signature is wrong, the method answers with
        403 and returns False.

        Raises:
            ConnectionError: The client closed the connection.
        """
        while True:
            try:
                data = connection.recv(READ_BYTES)
            except ssl.SSLWantReadError:
                return False
            if not data:
                raise ConnectionError
            request = self.received[connection] + data
            end = request.find(END_OF_HEAD)
            length = _LENGTH.search(request, 0, end) if end >= 0 else None
            if end >= 0 and len(request) >= end + len(END_OF_HEAD) + (int(length[1]) if length else 0):
                break
            self.received[connection] = request
        self.received[connection] = b""
        if not self.has_checked:
            self.has_checked = True
            if not is_signed(request):
                connection.send(FORBIDDEN_RESPONSE)
                return False
        return True


def main(pem: str, fastest_ms: str, slowest_ms: str) -> None:
    """Serve until the process is terminated."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    print(listener.getsockname()[1], flush=True)
    _Server(listener, context, (float(fastest_ms) / 1000, float(slowest_ms) / 1000)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
