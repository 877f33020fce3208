"""HTTP requests for the documents of an issuer. All steps of all requests together have one time limit."""

from __future__ import annotations

import io
import socket
import ssl
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import urlsplit

from ..runtime import clock
from ..runtime.identifiers import quote
from .key_set import KeyFetchFailed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _typeshed import WriteableBuffer

TIME_LIMIT_SECONDS: Final = 5.0
"""Time limit for the name resolution, the connection, the TLS handshake, the request and the response, of the discovery
document and of the key set together. Only the name resolution is not cut short: it has the limit of the system's
resolver. The Lambda functions that verify tokens have ten seconds."""
MAX_DOCUMENT_BYTES: Final = 256 * 1024
"""Maximum size of a document. A key has about 500 bytes, and a discovery document has a few kilobytes."""

DEFAULT_PORTS: Final = {"http": 80, "https": 443}


def start_time_limit(seconds: float = TIME_LIMIT_SECONDS) -> float:
    """Return the deadline of requests that begin now, in `clock.monotonic_seconds`."""
    return clock.monotonic_seconds() + seconds


def fetch_document(url: str, deadline: float) -> bytes:
    """Return the body of the response to a GET request.

    Redirects are not followed, proxies are not used, and a certificate must be valid for the host.

    Args:
        url: An http or https URL.
        deadline: When the request must have ended, from `start_time_limit`.

    Raises:
        KeyFetchFailed: The server did not answer in time, its status is not 200, or the body is too large.
    """
    try:
        return _request(url, deadline)
    except (OSError, HTTPException, UnicodeError) as error:  # a host name that IDNA does not allow is a `UnicodeError`
        raise KeyFetchFailed(f"{type(error).__name__}: {quote(str(error))}") from error


def _request(url: str, deadline: float) -> bytes:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
    addresses = [str(address[0]) for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    with _connect(addresses, port, deadline) as plain, _secure(plain, parts.scheme, host, deadline) as connected:
        connection = HTTPConnection(host, port)
        connection.default_port = DEFAULT_PORTS[parts.scheme]  # the header `Host` leaves it out
        connection.sock = cast("socket.socket", _TimedSocket(connected, deadline))
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request("GET", target, headers={"Accept": "application/json"})
        response = connection.getresponse()
        if response.status != HTTPStatus.OK:
            raise KeyFetchFailed(f"status: must be 200, got {response.status}")
        body = response.read(MAX_DOCUMENT_BYTES + 1)
    if len(body) > MAX_DOCUMENT_BYTES:
        raise KeyFetchFailed(f"body: must be at most {MAX_DOCUMENT_BYTES:,} bytes")
    return body


def _connect(addresses: Sequence[str], port: int, deadline: float) -> socket.socket:
    """Connect to the first address that answers."""
    failure = OSError("the host has no address")
    for address in addresses:
        try:
            return socket.create_connection((address, port), _remaining(deadline))
        except OSError as error:
            failure = error
    raise failure


def _secure(plain: socket.socket, scheme: str, host: str, deadline: float) -> socket.socket:
    """Return the TLS socket of a connection if the scheme is https, else the socket itself."""
    if scheme != "https":
        return plain
    plain.settimeout(_remaining(deadline))  # for the whole handshake
    return ssl.create_default_context().wrap_socket(plain, server_hostname=host)


def _remaining(deadline: float) -> float:
    """Return the seconds until a deadline.

    Raises:
        TimeoutError: The deadline has passed.
    """
    seconds = deadline - clock.monotonic_seconds()
    if seconds <= 0:
        raise TimeoutError("the time limit has passed")
    return seconds


class _TimedReader(io.RawIOBase):
    """The received bytes of a socket. Reading ends at the deadline, even if a server sends one byte at a time."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._connected = connected
        self._deadline = deadline

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer, /) -> int:
        self._connected.settimeout(_remaining(self._deadline))
        return self._connected.recv_into(buffer)


class _TimedSocket:
    """The part of a socket that `http.client` uses, with a deadline. The owner of the socket closes it."""

    def __init__(self, connected: socket.socket, deadline: float) -> None:
        self._connected = connected
        self._deadline = deadline

    def sendall(self, data: bytes) -> None:
        self._connected.settimeout(_remaining(self._deadline))
        self._connected.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        return io.BufferedReader(_TimedReader(self._connected, self._deadline))

    def close(self) -> None:
        """Do nothing. `http.client` closes a connection before it has read the response."""
