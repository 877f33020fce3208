"""The message budgets of tenants. A Lambda process leases their tokens in chunks. Pure: no I/O, no clock.

A tenant's budget is a token bucket in the tenant's row. To write to the row for each message would double the writes
of a message. Therefore a process takes a chunk of tokens with one write and spends them without another. It also
remembers until when the bucket holds no chunk.

In any time, the processes together accept at most as many messages as the bucket allows, plus one chunk per process:
tokens that a process leased earlier and had not spent (docs/adr/0030).
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

from .rate_limit import MICROSECONDS_PER_MILLISECOND

if TYPE_CHECKING:
    from .connection import ConnectionKey
    from .rate_limit import Rate
    from .tenant_row import Shortage

MAX_CHUNK: Final = 10
"""Maximum number of tokens in a chunk. A message then costs a tenth of a write to the tenant's row."""
CHUNKS_PER_SECOND: Final = 10
"""Minimum number of chunks that a bucket gains per second, unless it gains fewer tokens. A low rate has smaller chunks,
so that one process does not hold the tokens that another process needs."""
MAX_TENANTS: Final = 1_000
"""Maximum number of tenants whose leases a process remembers. It forgets the lease that was used longest ago."""
MIN_TURN_MS: Final = 1_000
"""Minimum of a turn in milliseconds: see `MessageBudget.charge`."""
MAX_TURN_MS: Final = 60_000
"""Maximum of a turn in milliseconds."""


class TenantBuckets(Protocol):
    """The part of the tenants' rows that a message budget uses."""

    def take_messages(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        """Take tokens for messages from a tenant's bucket, or return why there are not enough."""
        ...


@dataclass(slots=True)
class _Lease:
    """What a process knows of one tenant's bucket."""

    tokens: int = 0
    """Number of tokens that the process has taken and not spent."""
    empty_until_us: int = 0
    """The time until which the bucket holds no chunk, in epoch microseconds."""
    connections: int = 0
    """Number of connections of the tenant when the bucket was last found empty."""


@dataclass(slots=True)
class MessageBudget:
    """The message budgets of all tenants, as one Lambda process charges them. It is not safe for threads."""

    buckets: TenantBuckets
    """The tenants' rows."""
    rate: Rate
    """Limit on the messages of one tenant, from all its connections together."""
    _leases: OrderedDict[str, _Lease] = field(default_factory=OrderedDict[str, _Lease])

    @property
    def chunk(self) -> int:
        """Number of tokens that a process takes at once."""
        return max(1, min(MAX_CHUNK, self.rate.per_second // CHUNKS_PER_SECOND, self.rate.burst))

    def charge(self, key: ConnectionKey, now_ms: int) -> int:
        """Charge one message to the budget of its tenant.

        If the budget is used up, the connection must wait for about one turn. In a turn, the budget allows one message
        per connection of the tenant. So if every connection waits that long, their next messages fit the budget.
        The waits of a tenant's connections are spread evenly from half a turn to one and a half.

        Args:
            key: The connection that sent the message.
            now_ms: Current time in epoch milliseconds.

        Returns:
            0 if the message is accepted, else how long the connection must wait, in milliseconds.
        """
        lease, now_us = self._find_lease(key.tenant_id), now_ms * MICROSECONDS_PER_MILLISECOND
        if not lease.tokens and lease.empty_until_us <= now_us:
            shortage = self.buckets.take_messages(key.tenant_id, self.rate, self.chunk, now_ms)
            if shortage is None:
                lease.tokens = self.chunk
            else:
                lease.empty_until_us = now_us + shortage.wait_us
                lease.connections = shortage.connections
        if lease.tokens:
            lease.tokens -= 1
            return 0
        turn_ms = min(MAX_TURN_MS, max(MIN_TURN_MS, lease.connections * 1_000 // self.rate.per_second))
        return turn_ms // 2 + crc32(key.connection_id.encode()) % turn_ms

    def _find_lease(self, tenant_id: str) -> _Lease:
        lease = self._leases.setdefault(tenant_id, _Lease())
        self._leases.move_to_end(tenant_id)
        if len(self._leases) > MAX_TENANTS:
            self._leases.popitem(last=False)
        return lease
