"""Sessions: the requests of a connected client and the replies to them. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple, NoReturn, Protocol

from ..access.handshake import Identity, Unauthorized
from ..connections.connection import Connection, ConnectionKey, RateLimited, Subscribed
from ..posting.delivery import Poster, close_connection
from ..wire import protocol
from ..wire.cursor import BadCursor, Cursor
from ..wire.protocol import RequestError
from .replay import Replay, SubmissionsReader

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..access.principal import Principal
    from ..connections.message_budget import MessageBudget
    from ..connections.rate_limit import Rate
    from ..revocations.revocation import Revocations
    from ..wire.subscription_filter import SubscriptionFilter

MAX_REFUSALS: Final = 100
"""Maximum number of refused messages of a connection. The next refused message closes the connection. The count
restarts when the connection's token bucket is full again."""

MAX_EARLY: Final = 5
"""Maximum number of messages that a connection sends while it is held back. The count never restarts, and the next
message closes the connection. A client that waits for `retry_after_ms` sends at most one per token, because
`authenticate` may be sent while another request waits (docs/adr/0030)."""

CLOSING_SECONDS: Final = 3.0
"""Time limit for closing a connection. The Lambda has ten seconds in all, and a cold start may take some of them."""


class Connections(Protocol):
    """The part of the connections table that a session uses."""

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None:
        """Count a message against the connection's rate.

        Return the connection, `RateLimited` if the message must be refused, or None if the connection has no row.
        """
        ...

    def hold_back(self, key: ConnectionKey, rate: Rate, until_ms: int) -> None:
        """Refuse the messages of the connection until a time in epoch milliseconds."""
        ...

    def record_filter(self, tenant_id: str, subscription_filter: SubscriptionFilter, limit: int) -> bool:
        """Record a filter of the tenant. Return False if the tenant already has `limit` other filters."""
        ...

    def subscribe(self, key: ConnectionKey, subscription_filter: SubscriptionFilter | None, order: str) -> Subscribed:
        """Start sending updates to the connection, unless a later request of the connection was processed before."""
        ...

    def unsubscribe(self, key: ConnectionKey, order: str) -> Subscribed:
        """Stop sending updates to the connection, unless a later request of the connection was processed before."""
        ...

    def restart_view(self, key: ConnectionKey) -> bool:
        """Record that the client's view starts anew. Return False if the connection has no row."""
        ...

    def read_epoch(self, tenant_id: str, history: str) -> int:
        """Return the epoch of a tenant's history, which `history` identifies. Raise it if the history is another."""
        ...

    def extend(self, key: ConnectionKey, expires_at: int, principal: Principal) -> int | None:
        """Record the connection's new token, unless its token expires later. `expires_at` is in epoch seconds.

        Return when the connection's token expires now, or None if the connection has no row.
        """
        ...

    def is_user_full(self, tenant_id: str, user: str, limit: int) -> bool:
        """Return whether a user of the tenant has reached the limit of connections."""
        ...

    def remove(self, key: ConnectionKey) -> None:
        """Delete the connection's row and release its reservation."""
        ...


class Verifier(Protocol):
    """A verifier of tokens."""

    def verify(self, token: str) -> Identity:
        """Return the identity of a token.

        Raises:
            Unauthorized: The token is not valid.
        """
        ...


class Authentication(NamedTuple):
    """What a session needs to process `authenticate` requests."""

    verifier: Verifier
    """The verifier of new tokens."""
    identify: Callable[[Identity], Principal]
    """Returns the principal of a verified token."""
    find_revocations: Callable[[str, Principal], Revocations]
    """Returns the revocations that apply to a tenant's connection of a principal."""


@dataclass(frozen=True, slots=True)
class Session:
    """The session of one connection."""

    key: ConnectionKey
    """The key of the connection's row."""
    connections: Connections
    """The connections table."""
    submissions: SubmissionsReader | None
    """The submissions table. None: the gateway has no submissions table and sends only new updates, without history."""
    poster: Callable[[], Poster]
    """Returns the poster that closes connections. Called only when a connection must be closed, because creating a
    poster takes time."""
    rate: Rate
    """Limit on the messages of the connection."""
    budget: MessageBudget
    """Limit on the messages of the tenant."""
    limits: protocol.Limits
    """Limits on the client's requests."""
    max_user_connections: int
    """Maximum number of connections of one user of the tenant."""
    now_ms: Callable[[], int]
    """Returns the current time in epoch milliseconds."""
    monotonic: Callable[[], float]
    """Returns the seconds of the monotonic clock that deadlines are compared with."""
    history: str = ""
    """Identifies the history of the submissions table: the label of its stream. A table that is restored from a backup
    has another stream. Empty: unknown."""
    authentication: Authentication | None = None
    """What `authenticate` requests need. None: this Lambda does not process them. They have their own route."""
    refused_by_frame: bool = False
    """Whether the client wants to be refused by a frame instead of by the status of the handshake."""
    user: str = ""
    """Keyed hash of the user, as the authorizer returned it. Empty: the connection belongs to no user."""

    def reply(self, body: str | None, order: str) -> protocol.Frame | None:
        """Process one frame of the client.

        Args:
            body: Text of the frame; None if it is empty.
            order: String that orders the frames of the connection by the time at which the gateway received them.

        Returns:
            The reply, or None if the connection was closed instead.
        """
        if self.budget.is_open(self.key.tenant_id, self.now_ms()):
            return self._break()
        request: protocol.Request | RequestError
        try:
            request = protocol.parse_request(body, self.limits)
        except RequestError as refusal:
            request = refusal
        admitted = self.connections.admit(self.key, self.rate, self.now_ms())
        try:
            return self._process(request, admitted, order)
        except BadCursor as refusal:
            return protocol.build_error(RequestError("bad_cursor", str(refusal), request.request_id))
        except RequestError as refusal:
            refusal.request_id = request.request_id
            return protocol.build_error(refusal)

    def _process(
        self, request: protocol.Request | RequestError, admitted: Connection | RateLimited | None, order: str
    ) -> protocol.Frame | None:
        if admitted is None:
            return self._refuse_without_row()
        if isinstance(admitted, RateLimited):
            return self._refuse(admitted)
        wait_ms = self.budget.charge(self.key, self.now_ms())
        if wait_ms:
            self._hold_back(wait_ms)
        if admitted.has_expired(self.now_ms()):
            raise RequestError("unauthorized", "the token has expired")
        return self._dispatch(request, admitted, order)

    def _hold_back(self, wait_ms: int) -> NoReturn:
        """Refuse a message, because the tenant's budget is used up, and hold the connection back.

        The connection may have done nothing wrong: it is closed only if it keeps sending before the wait is over.
        """
        self.connections.hold_back(self.key, self.rate, self.now_ms() + wait_ms)
        raise self._over_tenant_rate(wait_ms)

    def _break(self) -> None:
        """Close the connection, because its tenant floods the gateway.

        The row stays until API Gateway reports that the connection has ended. So a flood costs no write per connection
        to the tenant's row.
        """
        self._close(Connection.without_row(self.key.connection_id), protocol.TOO_MANY_CONNECTIONS)

    def _over_tenant_rate(self, wait_ms: int) -> RequestError:
        rate = self.budget.rate
        limit = f"the tenant's limit is {rate.per_second} messages per second, {rate.burst} at once"
        return RequestError("rate_limited", limit, retry_after_ms=wait_ms, limit="tenant")

    def _refuse(self, refused: RateLimited) -> None:
        if refused.is_early and not self.budget.charge_early(self.key.tenant_id, self.now_ms()):
            return self._break()
        if refused.refusals > (MAX_EARLY if refused.is_early else MAX_REFUSALS):
            return self._end(refused.connection, protocol.PROTOCOL_ERROR)
        if refused.is_early:
            raise self._over_tenant_rate(refused.retry_after_ms)
        limit = f"at most {self.rate.per_second} messages per second, {self.rate.burst} at once"
        raise RequestError("rate_limited", limit, retry_after_ms=refused.retry_after_ms, limit="connection")

    def _refuse_without_row(self) -> None:
        """Refuse the message of a connection that has no row.

        A client that wants to be refused by a frame has no row if its user's or its tenant's limit was reached when it
        connected. Any other client had a row, which was removed.
        """
        if not self.refused_by_frame:
            raise _connection_removed()
        is_full = self.connections.is_user_full(self.key.tenant_id, self.user, self.max_user_connections)
        reason = protocol.TOO_MANY_CONNECTIONS_OF_USER if is_full else protocol.TOO_MANY_CONNECTIONS
        self._close(Connection.without_row(self.key.connection_id), reason)

    def _end(self, connection: Connection, reason: protocol.Frame) -> None:
        """Close a connection and remove its row.

        If closing fails, the row stays. The next refused message, or the janitor, then makes another attempt.
        """
        if self._close(connection, reason):
            self.connections.remove(self.key)

    def _close(self, connection: Connection, reason: protocol.Frame) -> bool:
        """Close a connection and return whether it is closed."""
        return close_connection(self.poster(), connection, reason, self.monotonic() + CLOSING_SECONDS)

    def _dispatch(
        self, request: protocol.Request | RequestError, connection: Connection, order: str
    ) -> protocol.Frame | None:
        if self.authentication is not None and not isinstance(request, protocol.Authenticate | RequestError):
            raise RequestError("bad_request", "action: must be 'authenticate' on this route")
        match request:
            case RequestError():
                raise request
            case protocol.Subscribe():
                return self._subscribe(request, connection, order)
            case protocol.Sync():
                return self._sync(request, connection)
            case protocol.Reconcile():
                return self._reconcile(request, connection)
            case protocol.Unsubscribe():
                _require_newest(self.connections.unsubscribe(self.key, order))
                return protocol.build_reply("unsubscribed", request.request_id)
            case protocol.Authenticate():
                return self._authenticate(request, connection)
            case protocol.Ping():
                return protocol.build_reply("pong", request.request_id, timestamp=self.now_ms())

    def _subscribe(self, request: protocol.Subscribe, connection: Connection, order: str) -> protocol.Frame:
        cursor = self._decode_cursor(request.cursor) if request.cursor is not None else None
        if request.filter is not None:
            self._record_filter(request.filter)
        # Subscribe first, then read the table. A change that is made in between is then posted, read or both, but not
        # lost.
        _require_newest(self.connections.subscribe(self.key, request.filter, order))
        replay = self._open_replay(request.filter)
        if cursor is None:
            fields = replay.read_snapshot(request.snapshot)
        elif replay.can_resume(cursor):
            fields = replay.read_changes(cursor)
        else:
            fields = {**replay.read_snapshot(request.snapshot), "recovered": False}
        return protocol.build_reply(
            "subscribed",
            request.request_id,
            **fields,
            heartbeat_seconds=protocol.HEARTBEAT_SECONDS,
            expires_at=connection.expires_at,
            server_time=self.now_ms(),
        )

    def _record_filter(self, subscription_filter: SubscriptionFilter) -> None:
        limit = self.limits.max_filters_per_tenant
        if not self.connections.record_filter(self.key.tenant_id, subscription_filter, limit):
            message = f"filter: must be one of the {limit:,} filters that connections of this tenant have at present"
            raise RequestError("too_many_filters", message)

    def _sync(self, request: protocol.Sync, connection: Connection) -> protocol.Frame:
        cursor = self._decode_cursor(request.cursor)
        _require_subscription(connection, "sync")
        filter_id = connection.filter.id if connection.filter is not None else None
        if request.names_filter and request.filter_id != filter_id:
            raise RequestError("superseded", "filter_id: is not that of the current subscription, subscribe again")
        replay = self._open_replay(connection.filter)
        fields = replay.read_changes(cursor) if replay.can_resume(cursor) else self._restart(replay)
        return protocol.build_reply("synced", request.request_id, **fields, server_time=self.now_ms())

    def _reconcile(self, request: protocol.Reconcile, connection: Connection) -> protocol.Frame:
        _require_subscription(connection, "reconcile")
        replay = self._open_replay(connection.filter)
        updates = replay.reconcile(request.held, request.snapshot)
        fields = {"updates": updates, "epoch": replay.epoch} if updates is not None else self._restart(replay)
        return protocol.build_reply("reconciled", request.request_id, **fields, server_time=self.now_ms())

    def _restart(self, replay: Replay) -> dict[str, object]:
        """Return the fields of a reply with which the client's view starts anew, from a fresh snapshot."""
        _require_row(self.connections.restart_view(self.key))
        return {**replay.read_snapshot(protocol.DEFAULT_SNAPSHOT), "recovered": False}

    def _authenticate(self, request: protocol.Authenticate, connection: Connection) -> protocol.Frame | None:
        if self.authentication is None:
            raise RequestError("unknown_action", "action: 'authenticate' is not available on this route")
        try:
            identity = self.authentication.verifier.verify(request.token)
        except Unauthorized as error:
            raise RequestError("unauthorized", f"token: does not verify ({error})") from error
        principal = self.authentication.identify(identity)
        if principal.user != connection.principal.user:
            raise RequestError("unauthorized", "token: belongs to another user than the connection")
        if self.key.tenant_id not in identity.tenants:
            raise RequestError("unauthorized", "token: does not grant this connection's tenant")
        if identity.expires_at <= connection.expires_at:
            raise RequestError("unauthorized", "token: must expire later than the previous token")
        expires_at = self.connections.extend(self.key, identity.expires_at, principal)
        if expires_at is None:
            raise _connection_removed()
        # Write the row first, then read the revocations, as the connect Lambda does.
        revocations = self.authentication.find_revocations(self.key.tenant_id, principal)
        if revocations.refuse(self.key.tenant_id, principal, self.now_ms() // 1000):
            self._end(connection, protocol.REVOKED)
            return None
        return protocol.build_reply("authenticated", request.request_id, expires_at=expires_at)

    def _decode_cursor(self, text: str) -> Cursor:
        return Cursor.decode(text, self.key.tenant_id, self.now_ms())

    def _open_replay(self, subscription_filter: SubscriptionFilter | None) -> Replay:
        # Read the epoch before the submissions. If the history is replaced in between, the reply has the old epoch,
        # and the next request starts the view anew.
        epoch = self.connections.read_epoch(self.key.tenant_id, self.history) if self.submissions is not None else 0
        return Replay(self.key.tenant_id, subscription_filter, self.submissions, epoch, self.now_ms())


def _require_row(has_row: bool) -> None:
    if not has_row:
        raise _connection_removed()


def _require_newest(result: Subscribed) -> None:
    if result is Subscribed.NO_ROW:
        raise _connection_removed()
    if result is Subscribed.SUPERSEDED:
        raise RequestError("superseded", "a later request of this connection was processed before")


def _require_subscription(connection: Connection, action: str) -> None:
    if not connection.subscribed:
        raise RequestError("bad_request", f"action: {action!r} requires a subscription, subscribe first")


def _connection_removed() -> RequestError:
    return RequestError("unauthorized", "the connection was removed, connect again")
