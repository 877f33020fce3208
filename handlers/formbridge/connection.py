"""A dashboard's connection, as the connections table holds it, and how posting to it ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from . import protocol
from .subscription_filter import SubscriptionFilter


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of the connections table."""

    tenant_id: str
    connection_id: str
    connected_at: int
    """Epoch milliseconds."""
    expires_at: int
    """When its token expires, in epoch seconds."""
    issued_at: int = 0
    """When its token was issued, in epoch seconds; 0: the token did not say."""
    subscribed: bool = False
    filter: SubscriptionFilter | None = None
    """What it asked to see; None: every submission of its tenant."""
    subscribed_at: int = 0
    """When its present view began, in epoch milliseconds."""
    behind: int | None = None
    """Since when it has missed a post, in epoch milliseconds; None: it has missed none."""
    ttl: int = 0
    """When its row goes, in epoch seconds: after API Gateway has closed it."""

    def has_expired(self, now_ms: int) -> bool:
        """Whether its token is no longer good: it gets nothing more."""
        return self.expires_at * 1000 <= now_ms


@dataclass(frozen=True, slots=True)
class Refused:
    """A message of a connection that came too soon."""

    connection: Connection
    retry_after_ms: int
    refusals: int
    """How many there were since its bucket was last full, this one included."""


class Outcome(Enum):
    """How a post to a connection ended."""

    POSTED = "posted"
    GONE = "gone"
    BEHIND = "behind"


class Poster(Protocol):
    """Posts to connections; raises what is neither posted, gone nor behind."""

    def post(self, connection_id: str, frames: Sequence[str]) -> Outcome: ...
    def close(self, connection_id: str) -> Outcome: ...


class Removable(Protocol):
    """The connections table, as far as the end of a connection needs it."""

    def remove(self, tenant_id: str, connection_id: str) -> None: ...


def disconnect(connection: Connection, reason: protocol.Frame, poster: Poster, connections: Removable) -> Outcome:
    """Tell a connection why it ends, close it and forget it.

    API Gateway can set no close code, so `reason` is a `disconnect` frame that goes before. BEHIND: it could not be
    closed now, and its row stays for the next try.
    """
    poster.post(connection.connection_id, [protocol.encode(reason)])
    if poster.close(connection.connection_id) is Outcome.BEHIND:
        return Outcome.BEHIND
    connections.remove(connection.tenant_id, connection.connection_id)
    return Outcome.GONE
