"""A dashboard's connection, as the connections table holds it, and how posting to it ends."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, Protocol

from ..wire import protocol
from ..wire.subscription_filter import SubscriptionFilter


class ConnectionKey(NamedTuple):
    """Where the row of a connection stands."""

    tenant_id: str
    connection_id: str
    shard: int = 0
    """Which of its tenant's partitions."""


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
    behind: int | None = None
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
class Refused:
    """A message of a connection that came too soon."""

    connection: Connection
    retry_after_ms: int
    refusals: int
    """How many there were since its bucket was last full, this one included."""


class Outcome(Enum):
    """How a delivery to a connection ended."""

    POSTED = "posted"
    GONE = "gone"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be done on one connection."""

    connection: Connection
    frames: Sequence[bytes]
    """Posted in order, up to the first that fails. The same frame to many connections is one object."""
    closes: bool = False
    """Whether the connection is closed afterwards, however the posts ended; the outcome is then that of closing it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a delivery ended."""

    delivery: Delivery
    outcome: Outcome
    failure: Exception | None = None
    """Why the outcome says nothing of the connection: what the stack itself does not allow or cannot do."""
    frames: int = 0
    """How many frames API Gateway took."""
    sent_bytes: int = 0
    """Of these frames."""
    retries: int = 0
    """Requests that were made again."""


class Poster(Protocol):
    """Posts to connections through @connections."""

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        """Make deliveries, many at a time; the receipt of each, in the order in which they end.

        `deliveries` is asked for the next one when there is room for it. At `deadline`, by `time.monotonic`, whatever
        has not ended, or not begun, is behind.
        """
        ...


def closing(connection: Connection, reason: protocol.Frame) -> Delivery:
    """The end of a connection: `reason`, a `disconnect` frame, goes before, as API Gateway can set no close code."""
    return Delivery(connection, [protocol.encode(reason).encode()], closes=True)
