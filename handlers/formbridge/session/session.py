"""What a connected client's requests do. Knows no AWS: tables, poster and verifier come in as what it needs of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from ..access.handshake import Identity, Unauthorized
from ..connections.connection import Connection, ConnectionKey, RateLimited
from ..connections.rate_limit import Rate
from ..posting.delivery import Outcome, Poster, build_closing_delivery
from ..wire import protocol
from ..wire.cursor import BadCursor, Cursor
from ..wire.protocol import RequestError
from ..wire.subscription_filter import SubscriptionFilter
from .replay import Replay, SubmissionsReader

MAX_REFUSALS: Final = 100
"""Messages over the rate, without a pause in which the bucket fills up, after which a connection is closed."""

CLOSING_SECONDS: Final = 3.0
"""How long closing a connection may take. The Lambda has ten seconds in all, and a cold start may take some of them."""


class Connections(Protocol):
    """The connections table, as far as a session needs it. None and False: the connection has no row."""

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None: ...
    def subscribe(self, key: ConnectionKey, wanted: SubscriptionFilter | None) -> bool: ...
    def unsubscribe(self, key: ConnectionKey) -> bool: ...
    def extend(self, key: ConnectionKey, expires_at: int, issued_at: int) -> bool: ...
    def remove(self, key: ConnectionKey) -> None: ...


class Verifier(Protocol):
    """Verifies a token.

    Raises:
        Unauthorized: it does not verify.
    """

    def verify(self, token: str) -> Identity: ...


@dataclass(frozen=True, slots=True)
class Session:
    """One connection of one tenant."""

    key: ConnectionKey
    connections: Connections
    submissions: SubmissionsReader | None
    """None: a gateway without a table, which shows what is posted and remembers nothing."""
    poster: Callable[[], Poster]
    """Made where it is needed: few connections are closed."""
    rate: Rate
    limits: protocol.Limits
    now_ms: Callable[[], int]
    """Current time in epoch milliseconds."""
    monotonic: Callable[[], float]
    """Seconds of the clock that deadlines are compared with."""
    verifier: Verifier | None = None
    """None: `authenticate` is not for this Lambda, and has a route of its own."""

    def reply(self, body: str | None) -> protocol.Frame | None:
        """The reply to one frame of the client; None where the connection is closed instead."""
        request: protocol.Request | RequestError
        try:
            request = protocol.parse_request(body, self.limits)
        except RequestError as refusal:
            request = refusal
        admitted = self.connections.admit(self.key, self.rate, self.now_ms())
        try:
            return self._answer(request, admitted)
        except BadCursor as refusal:
            return protocol.build_error(RequestError("bad_cursor", str(refusal), request.request_id))
        except RequestError as refusal:
            refusal.request_id = request.request_id
            return protocol.build_error(refusal)

    def _answer(
        self, request: protocol.Request | RequestError, admitted: Connection | RateLimited | None
    ) -> protocol.Frame | None:
        if admitted is None:
            raise RequestError("unauthorized", "this connection is no longer registered")
        if isinstance(admitted, RateLimited):
            return self._refuse(admitted)
        if admitted.has_expired(self.now_ms()):
            raise RequestError("unauthorized", "the token has expired")
        return self._reply(request, admitted)

    def _refuse(self, refused: RateLimited) -> protocol.Frame | None:
        if refused.refusals > MAX_REFUSALS:
            self._close(refused.connection)
            return None
        limit = f"at most {self.rate.per_second} messages a second, {self.rate.burst} at once"
        raise RequestError("rate_limited", limit, retry_after_ms=refused.retry_after_ms)

    def _close(self, connection: Connection) -> None:
        """Close it and forget it; one that cannot be closed now keeps its row, and its next message closes it."""
        end = build_closing_delivery(connection, protocol.PROTOCOL_ERROR)
        for receipt in self.poster().deliver([end], self.monotonic() + CLOSING_SECONDS):
            if receipt.failure is not None:
                raise receipt.failure
            if receipt.outcome is not Outcome.BEHIND:
                self.connections.remove(self.key)

    def _reply(self, request: protocol.Request | RequestError, connection: Connection) -> protocol.Frame:
        match request:
            case RequestError():
                raise request
            case protocol.Subscribe():
                return self._subscribe(request, connection)
            case protocol.Sync():
                return self._sync(request, connection)
            case protocol.Unsubscribe():
                _registered(self.connections.unsubscribe(self.key))
                return protocol.build_reply("unsubscribed", request.request_id)
            case protocol.Authenticate():
                return self._authenticate(request, connection)
            case protocol.Ping():
                return protocol.build_reply("pong", request.request_id, timestamp=self.now_ms())

    def _subscribe(self, request: protocol.Subscribe, connection: Connection) -> protocol.Frame:
        cursor = Cursor.decode(request.cursor, self.key.tenant_id) if request.cursor is not None else None
        # The subscription stands before the table is read: what commits in between is pushed, or read, or both.
        _registered(self.connections.subscribe(self.key, request.filter))
        return protocol.build_reply(
            "subscribed",
            request.request_id,
            **self._replay(request.filter).read_since(cursor, request.snapshot),
            heartbeat_seconds=protocol.HEARTBEAT_SECONDS,
            expires_at=connection.expires_at,
            server_time=self.now_ms(),
        )

    def _sync(self, request: protocol.Sync, connection: Connection) -> protocol.Frame:
        cursor = Cursor.decode(request.cursor, self.key.tenant_id)
        if not connection.subscribed:
            raise RequestError("bad_request", "action: subscribe before sync")
        replay = self._replay(connection.filter)
        return protocol.build_reply(
            "synced", request.request_id, **replay.read_since(cursor, protocol.DEFAULT_SNAPSHOT)
        )

    def _authenticate(self, request: protocol.Authenticate, connection: Connection) -> protocol.Frame:
        if self.verifier is None:
            raise RequestError("unknown_action", "action: 'authenticate' is not for this route")
        try:
            identity = self.verifier.verify(request.token)
        except Unauthorized as error:
            raise RequestError("unauthorized", f"token: does not verify ({error})") from error
        if self.key.tenant_id not in identity.tenants:
            raise RequestError("unauthorized", "token: does not grant this connection's tenant")
        if identity.expires_at <= connection.expires_at:
            raise RequestError("unauthorized", "token: must expire later than the one before it")
        _registered(self.connections.extend(self.key, identity.expires_at, identity.issued_at))
        return protocol.build_reply("authenticated", request.request_id, expires_at=identity.expires_at)

    def _replay(self, wanted: SubscriptionFilter | None) -> Replay:
        return Replay(self.key.tenant_id, wanted, self.submissions, self.now_ms())


def _registered(has_row: bool) -> None:
    if not has_row:
        raise RequestError("unauthorized", "this connection is no longer registered")
