"""An imitation of @connections over TLS that takes next to nothing for a request: about what `wrk` takes to make one.

It reads no more of a request than where it ends, apart from the very first, whose signature must be what botocore makes
of it. `python -m bench.connections_server PEM FASTEST_MS SLOWEST_MS` prints its port and runs until it is ended.
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
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, Final, cast

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

ACCESS_KEY: Final = "AKIAIOSFODNN7EXAMPLE"
SECRET_KEY: Final = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"  # noqa: S105 - AWS's own example
REGION: Final = "us-east-1"

TAKEN: Final = (
    b"HTTP/1.1 200 OK\r\nDate: Thu, 26 Nov 2026 20:00:00 GMT\r\nContent-Length: 0\r\nConnection: keep-alive\r\n"
    b"x-amzn-RequestId: 8c1a5a5e-6f5b-4b53-9c7e-0f6f8b0f3c11\r\nx-amz-apigw-id: AbCdEfGhIjKlMnO=\r\n\r\n"
)
REFUSED: Final = b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n"
_LENGTH: Final = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@contextmanager
def running(pem: Path, fastest_ms: float, slowest_ms: float) -> Generator[str]:
    """Such a server in a process of its own, for as long as the block runs: its endpoint."""
    command = [sys.executable, "-m", "bench.connections_server", str(pem), str(fastest_ms), str(slowest_ms)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:  # noqa: S603 - every word is ours
        assert server.stdout is not None  # noqa: S101 - it is piped
        try:
            yield f"https://127.0.0.1:{int(server.stdout.readline())}/live"
        finally:
            server.kill()  # which no process can ignore; it has nothing to save


def is_signed(request: bytes) -> bool:
    """Whether botocore would sign a request in this way, with the example's keys."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    method, target, _ = first.split(" ")
    headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
    token = headers.get("x-amz-security-token")
    # Any: what these take and give is not told by botocore's types.
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
    """Between which and which second after a request its answer is sent."""
    read: dict[ssl.SSLSocket, bytes] = field(default_factory=dict[ssl.SSLSocket, bytes])
    """What has come of each connection's request."""
    due: list[tuple[float, int, ssl.SSLSocket]] = field(default_factory=list[tuple[float, int, ssl.SSLSocket]])
    """A heap of answers to be sent, by when."""
    checked: bool = False
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)

    def run(self) -> None:
        order = count()
        self.selector.register(self.listener, selectors.EVENT_READ)
        while True:
            timeout = max(0.0, self.due[0][0] - time.monotonic()) if self.due else None
            for key, _ in self.selector.select(timeout):
                if key.fileobj is self.listener:
                    self._accept()
                    continue
                connection = cast("ssl.SSLSocket", key.fileobj)
                try:
                    if not self._has_request(connection):
                        continue
                    if self.delay[1]:
                        at = time.monotonic() + random.uniform(*self.delay)  # noqa: S311 - no secret
                        heapq.heappush(self.due, (at, next(order), connection))
                    else:
                        connection.send(TAKEN)
                except OSError:
                    self._forget(connection)
            while self.due and self.due[0][0] <= time.monotonic():
                connection = heapq.heappop(self.due)[2]
                if connection in self.read:
                    try:
                        connection.send(TAKEN)
                    except OSError:
                        self._forget(connection)

    def _forget(self, connection: ssl.SSLSocket) -> None:
        self.selector.unregister(connection)
        del self.read[connection]
        connection.close()

    def _accept(self) -> None:
        plain, _ = self.listener.accept()
        plain.setblocking(False)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
        connection = self.context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)
        self.read[connection] = b""
        self.selector.register(connection, selectors.EVENT_READ)

    def _has_request(self, connection: ssl.SSLSocket) -> bool:
        """Read what there is; whether it is a whole request."""
        while True:
            try:
                data = connection.recv(65_536)
            except ssl.SSLWantReadError:
                return False
            if not data:
                raise ConnectionError
            request = self.read[connection] + data
            end = request.find(b"\r\n\r\n")
            length = _LENGTH.search(request, 0, end) if end >= 0 else None
            if end >= 0 and len(request) >= end + 4 + (int(length[1]) if length else 0):
                break
            self.read[connection] = request
        self.read[connection] = b""
        if not self.checked:
            self.checked = True
            if not is_signed(request):
                connection.send(REFUSED)
                return False
        return True


def main(pem: str, fastest_ms: str, slowest_ms: str) -> None:
    """Serve until the process is ended."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(pem)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1_024)
    print(listener.getsockname()[1], flush=True)
    _Server(listener, context, (float(fastest_ms) / 1000, float(slowest_ms) / 1000)).run()


if __name__ == "__main__":
    main(*sys.argv[1:])
