"""A WebSocket connection of a client, as the connections table stores it. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from ..access.principal import UNKNOWN_PRINCIPAL, Principal
from .rate_limit import MICROSECONDS_PER_MILLISECOND

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.subscription_filter import SubscriptionFilter

NO_TENANT: Final = ""
"""Tenant id of a connection that belongs to no tenant. It is not a valid tenant id."""


class ConnectionKey(NamedTuple):
    """The key of a connection's row in the connections table."""

    tenant_id: str
    connection_id: str
    """Id of the connection in API Gateway."""
    shard: int = 0
    """Number of the tenant's partition that holds the row, from 0."""

    @classmethod
    def from_request(cls, request_context: Mapping[str, Any]) -> ConnectionKey:
        """Read the key from the `requestContext` of an API Gateway event.

        The tenant and the shard are values that the authorizer returned when the connection was opened. A connection
        therefore keeps its shard when `connection_shards` changes. If the authorizer returned no shard, the
        connection belongs to shard 0.
        """
        authorizer = request_context["authorizer"]
        return cls(authorizer["tenant_id"], request_context["connectionId"], int(authorizer.get("shard", 0)))


class Reservation(NamedTuple):
    """What a connection holds of the limits of its tenant and its user, until its row is deleted."""

    connection_id: str
    connected_at: int
    """When the client connected, in epoch milliseconds."""
    user: str = ""
    """Keyed hash of the user. Empty: the connection belongs to no user."""


class Span(NamedTuple):
    """A range of connection ids within a shard."""

    after: str | None = None
    """The range starts after this connection id. None: it starts at the first connection of the shard."""
    until: str | None = None
    """The last connection id of the range. None: the range ends at the last connection of the shard."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of the connections table."""

    key: ConnectionKey
    """The key of the row."""
    connected_at: int
    """When the client connected, in epoch milliseconds."""
    expires_at: int
    """When the client's token expires, in epoch seconds."""
    principal: Principal = UNKNOWN_PRINCIPAL
    """The user, the session and the token behind the connection."""
    subscribed: bool = False
    """Whether the connection receives updates."""
    filter: SubscriptionFilter | None = None
    """The subscription filter. None: the connection receives the updates of every submission of its tenant."""
    subscribed_at: int = 0
    """When the present subscription began, in epoch milliseconds."""
    behind_since: int | None = None
    """When the connection was marked as behind, in epoch milliseconds. None: the connection is not behind."""
    ttl: int = 0
    """When the row may be deleted, in epoch seconds. API Gateway has closed the connection by then."""
    full_at: int = 0
    """When the connection's token bucket is full again, in epoch microseconds. 0: the client has sent no frame."""
    held_until: int = 0
    """When the connection may send again after its tenant's budget was used up, in epoch milliseconds. 0: it never
    was."""
    probed_at: int = 0
    """When a probe last found the connection open, in epoch milliseconds. 0: no probe has."""

    @classmethod
    def without_row(cls, connection_id: str) -> Connection:
        """Return a connection that has no row and belongs to no tenant. It can only be closed."""
        return cls(ConnectionKey(NO_TENANT, connection_id), connected_at=0, expires_at=0)

    @property
    def tenant_id(self) -> str:
        """The tenant that the connection belongs to."""
        return self.key.tenant_id

    @property
    def connection_id(self) -> str:
        """API Gateway's id of the connection."""
        return self.key.connection_id

    @property
    def reservation(self) -> Reservation:
        """What the connection holds of the limits of its tenant and its user."""
        return Reservation(self.connection_id, self.connected_at, self.principal.user)

    @property
    def seen_at(self) -> int:
        """When the connection was last known to be open, in epoch milliseconds.

        A frame of the client sets `full_at` to a time that is later than the frame by at most the time in which the
        token bucket fills. With the default rate, that is two seconds. If the connection is held back, it is at most
        92 seconds later (`message_budget.MAX_TURN_MS`).
        """
        return max(self.connected_at, self.full_at // MICROSECONDS_PER_MILLISECOND, self.probed_at)

    def has_expired(self, now_ms: int) -> bool:
        """Return whether the token has expired. A connection with an expired token receives no more updates."""
        return self.expires_at * 1000 <= now_ms


@dataclass(frozen=True, slots=True)
class RateLimited:
    """A message that was refused because its connection exceeded the message rate or is held back."""

    connection: Connection
    """The connection that sent the message."""
    retry_after_ms: int
    """Milliseconds until a message of the connection is accepted again."""
    refusals: int
    """Number of refused messages, including this message: since the token bucket was last full, or if `is_early`, since
    the connection was opened."""
    is_early: bool = False
    """Whether the connection is held back, and the client sent the message before the time that it was told."""


class Subscribed(Enum):
    """Result of a request to change the subscription of a connection."""

    DONE = "done"
    """The subscription was changed."""
    SUPERSEDED = "superseded"
    """Nothing was changed, because a later request of the connection was processed before."""
    NO_ROW = "no row"
    """The connection has no row."""
