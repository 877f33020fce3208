"""A dashboard's connection, as the connections table holds it, and how posting to it ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..wire.subscription_filter import SubscriptionFilter


class ConnectionKey(NamedTuple):
    """Where the row of a connection stands."""

    tenant_id: str
    connection_id: str
    shard: int = 0
    """Number of the tenant's partition that holds the row."""

    @classmethod
    def from_request(cls, request_context: Mapping[str, Any]) -> ConnectionKey:
        """Read the key from the `requestContext` of an API Gateway event.

        Tenant and shard are values that the authorizer returned for this connection, so a connection keeps its shard
        when `connection_shards` changes. Without a shard it is in the first one.
        """
        authorizer = request_context["authorizer"]
        return cls(authorizer["tenant_id"], request_context["connectionId"], int(authorizer.get("shard", 0)))


class Span(NamedTuple):
    """A part of a shard, in the order of its connections' ids."""

    after: str | None = None
    """None: from the first on."""
    until: str | None = None
    """The last of it; None: to the last."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A row of the connections table."""

    key: ConnectionKey
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
    behind_since: int | None = None
    """Since when it has missed a post, in epoch milliseconds; None: it has missed none."""
    ttl: int = 0
    """When its row goes, in epoch seconds: after API Gateway has closed it."""

    @property
    def tenant_id(self) -> str:
        return self.key.tenant_id

    @property
    def connection_id(self) -> str:
        return self.key.connection_id

    def has_expired(self, now_ms: int) -> bool:
        """Whether its token is no longer good: it gets nothing more."""
        return self.expires_at * 1000 <= now_ms


@dataclass(frozen=True, slots=True)
class RateLimited:
    """A message of a connection that came too soon."""

    connection: Connection
    retry_after_ms: int
    refusals: int
    """How many there were since its bucket was last full, this one included."""
