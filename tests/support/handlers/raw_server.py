"""Servers on 127.0.0.1 that answer as no HTTP library would: late, in pieces, or never."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

DRIP_SECONDS: Final = 0.02
"""Pause between two bytes of a slow server."""

GIVE_UP_SECONDS: Final = 10
"""Time after which a silent server closes the connection."""

Respond = Callable[[socket.socket, Event], None]
"""Answers the request on a connection. The event is set when the test ends."""


@contextmanager
def answering(respond: Respond, certificate: Path | None = None) -> Generator[str]:
    """Such a server, for as long as the block runs. Yields its URL."""
    stopped = Event()
    listener = socket.create_server(("127.0.0.1", 0))
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            connection.settimeout(GIVE_UP_SECONDS)
            if context is None:
                respond(connection, stopped)
            else:
                with context.wrap_socket(connection, server_side=True) as secured:
                    respond(secured, stopped)

    def accept() -> None:
        while True:
            connection, _ = listener.accept()
            if stopped.is_set():
                connection.close()
                return
            threads.append(Thread(target=serve, args=(connection,)))
            threads[-1].start()

    threads = [Thread(target=accept)]
    threads[0].start()
    port = listener.getsockname()[1]
    try:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}"
    finally:
        stopped.set()
        with socket.socket() as last:
            last.connect(("127.0.0.1", port))  # ends the last `accept`
        for thread in threads:
            thread.join()
        listener.close()


def read_request(connection: socket.socket) -> str:
    """Read a request without a body."""
    received = b""
    while not received.endswith(b"\r\n\r\n"):
        piece = connection.recv(4_096)
        if not piece:
            break
        received += piece
    return received.decode()


def silent(connection: socket.socket, stopped: Event) -> None:
    """Accept the connection and never answer. A client without a time limit sees it closed."""
    stopped.wait(GIVE_UP_SECONDS)


def endless(connection: socket.socket, stopped: Event) -> None:
    """Send a body that does not end."""
    read_request(connection)
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while not stopped.is_set():
        connection.sendall(b"x" * 65_536)


def dripping(response: bytes, at_once: int) -> Respond:
    """Return a server that sends the first bytes of a response at once, and the others one by one."""

    def respond(connection: socket.socket, stopped: Event) -> None:
        read_request(connection)
        connection.sendall(response[:at_once])
        for position in range(at_once, len(response)):
            if stopped.wait(DRIP_SECONDS):
                return
            connection.sendall(response[position : position + 1])

    return respond


def sending(response: bytes, requests: list[str] | None = None) -> Respond:
    """Return a server that sends a response as it is, and remembers the requests."""

    def respond(connection: socket.socket, stopped: Event) -> None:
        request = read_request(connection)
        if requests is not None:
            requests.append(request)
        connection.sendall(response)

    return respond


def http_response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A response of HTTP/1.1 with a `Content-Length`."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body
