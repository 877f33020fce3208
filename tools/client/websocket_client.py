"""A client that runs one subscription over WebSocket connections and reconnects when one ends."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from contextlib import suppress
from http import HTTPStatus
from threading import Event
from typing import TYPE_CHECKING, Any, Final, Self
from urllib.parse import urlsplit

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from .subscription import Disconnected, Frame, Subscription

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from .view import Update

STABLE_CONNECTION_SECONDS: Final = 30
"""Duration after which a connection counts as successful. A shorter connection counts as a failed attempt, so that the
waits also grow if a gateway accepts connections and then closes them."""
MAX_RECONNECT_SECONDS: Final = 30
"""The longest wait before the next connection."""
MAX_BACKOFF_EXPONENT: Final = 5
"""Maximum of the exponent that doubles the wait with each failed attempt. 2**5 s is the first power of two above
`MAX_RECONNECT_SECONDS`."""
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")
"""Names of this machine, to which the client also connects without TLS."""
REFUSAL_BY_FRAME: Final = "refusal=frame"
"""Query parameter that makes the gateway send a `disconnect` frame if the token does not grant the tenant, or if the
tenant or the user has too many connections. Without it, all are refused with HTTP 403."""

logger = logging.getLogger(__name__)
_websockets_logger = logging.getLogger(f"{__name__}.websockets")
_websockets_logger.setLevel(logging.INFO)  # at DEBUG, websockets logs every header and frame, and with them the token


class HandshakeRefused(Exception):
    """The gateway refused the connection with an HTTP status.

    Args:
        status: 401 if the token is not valid. 403 if the token was revoked. Earlier gateways also answer 403 if the
            token does not grant the tenant, or if the tenant has too many connections.
    """

    def __init__(self, status: int) -> None:
        super().__init__(f"the gateway refused the connection: HTTP {status}")
        self.status = status


class Client:
    """An iterator over the changes of one subscription, until `close`.

    If the client was offline for more than a day, the gateway cannot resume the subscription and sends a new snapshot.
    The client then yields each submission of the snapshot again. Submissions that are not in the snapshot disappear
    from `submissions` without a change.

    Args:
        url: The gateway's URL, `wss://HOST/STAGE`. For a gateway on this machine it may be `ws://…`.
        token: A JWT, or a function that returns a new JWT. The client calls the function before each connection and
            before a token expires.
        subscription: The subscription to run. Default: all submissions of the tenant.
        clock: Returns the time in epoch seconds.
        jitter: Returns a random number between its two arguments.

    Raises:
        ValueError: `url` is not a WebSocket URL, or has no TLS and leads to another machine, or a token is not a JWT.
        HandshakeRefused: During iteration: the gateway refused the connection.
        Disconnected: During iteration: the gateway allows no other connection or rejects the subscription. The code is
            `forbidden` if the token does not grant the tenant.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        subscription: Subscription | None = None,
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        _check_url(url)
        self.subscription = subscription or Subscription()
        self.cursor = self.subscription.cursor
        """Cursor from which a later run can resume. It advances only when the caller has received all changes so far
        and asks for the next change."""
        self._url = f"{url}{'&' if '?' in url else '?'}{REFUSAL_BY_FRAME}"
        self._token = token if callable(token) else _check_jwt(token)
        self._clock = clock
        self._jitter = jitter
        self._socket: ClientConnection | None = None
        self._closed = Event()
        self._connected_at = 0.0
        self._failures = 0

    @property
    def submissions(self) -> dict[str, Mapping[str, Any]]:
        """The data of each submission that the subscription shows, by submission id."""
        return self.subscription.get_submissions(self._clock())

    def set_filter(self, pattern: Mapping[str, object] | None) -> None:
        """Replace the subscription filter. The view then starts again with a new snapshot."""
        frames = self.subscription.set_filter(pattern, self._clock())
        if self._socket:
            # If this connection has failed, the client reconnects and then subscribes with the new filter.
            with suppress(OSError, WebSocketException):
                self._send(self._socket, frames)

    def close(self) -> None:
        """Close the connection and end the iteration. Any thread may call this."""
        self._closed.set()
        self._close_socket()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Update]:
        return self

    def __next__(self) -> Update:
        while not self.subscription.changes:
            self.cursor = self.subscription.cursor
            if self._closed.is_set():
                self._close_socket()
                raise StopIteration
            self._advance()
        return self.subscription.changes.popleft()

    def _advance(self) -> None:
        """Connect, or process one frame or timeout."""
        try:
            if self._socket is None:
                self._connect()
            else:
                self._exchange(self._socket)
        except Disconnected as ended:
            self._close_socket()
            if not ended.reconnect:
                raise
            self._wait(ended.code)
        except (OSError, WebSocketException) as error:
            self._close_socket()
            status = error.response.status_code if isinstance(error, InvalidStatus) else None
            if status and status < HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.TOO_MANY_REQUESTS:
                raise HandshakeRefused(status) from None
            # Do not log the text of the error. It may quote the server's response, and the response may contain the
            # token.
            self._wait(f"HTTP {status}" if status else type(error).__name__)

    def _connect(self) -> None:
        token = _check_jwt(self._token()) if callable(self._token) else self._token
        offered = [Subprotocol("formbridge.v1"), Subprotocol(f"bearer.{token}")]
        self._connected_at = self._clock()
        socket = connect(self._url, subprotocols=offered, close_timeout=1, logger=_websockets_logger).__enter__()
        self._socket = socket
        logger.info("connected")
        self._send(socket, self.subscription.handle_connect(self._clock()))

    def _exchange(self, socket: ClientConnection) -> None:
        now, deadline = self._clock(), self.subscription.timeout_at
        if callable(self._token):
            if now >= self.subscription.renew_at:
                self._send(socket, self.subscription.authenticate(_check_jwt(self._token())))
            deadline = min(deadline, self.subscription.renew_at)
        try:
            text = socket.recv(max(0.0, deadline - now))
        except TimeoutError:  # a frame that arrived while the caller was busy is read first, even after the deadline
            self._send(socket, self.subscription.handle_timeout(self._clock()))
        else:
            self._send(socket, self.subscription.handle_frame(json.loads(text), self._clock()))

    @staticmethod
    def _send(socket: ClientConnection, frames: Iterable[Frame]) -> None:
        for frame in frames:
            # Without escapes, even the longest filter fits into a frame.
            socket.send(json.dumps(frame, ensure_ascii=False).encode("utf-8", "replace").decode())

    def _close_socket(self) -> None:
        socket, self._socket = self._socket, None
        if socket:
            socket.close()

    def _wait(self, reason: str) -> None:
        """Wait before the next connection.

        The wait has full jitter, so that clients do not all reconnect at the same time.
        """
        if self._clock() - self._connected_at >= STABLE_CONNECTION_SECONDS:
            self._failures = 0
        seconds = self._jitter(0, min(MAX_RECONNECT_SECONDS, 2**self._failures))
        self._failures = min(self._failures + 1, MAX_BACKOFF_EXPONENT)
        logger.info("%s; connecting again in %.1f s", reason, seconds)
        self._closed.wait(seconds)


def _check_url(url: str) -> None:
    parts = urlsplit(url)
    if parts.hostname and (parts.scheme == "wss" or (parts.scheme == "ws" and parts.hostname in LOOPBACK_HOSTS)):
        return
    # Without TLS, everybody on the way could read the token.
    raise ValueError(
        "url: must be wss://HOST/STAGE, or ws://HOST/STAGE with localhost, 127.0.0.1 or [::1], "
        f"got {url.partition('?')[0]!r}"
    )


def _check_jwt(token: str) -> str:
    # The token is checked here because `websockets` would quote an invalid token in its error.
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]*", token, re.ASCII):
        raise ValueError("token: must be a JWT, three parts of base64url joined by dots")
    return token
