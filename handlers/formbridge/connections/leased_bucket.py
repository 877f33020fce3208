"""A token bucket per tenant, whose tokens a Lambda process leases in chunks. Pure: no I/O, no clock.

A bucket is an attribute of the tenant's row. To write to the row for each message would double the writes of a message.
Therefore a process takes a chunk of tokens with one write and spends them without another. It also remembers until when
the bucket holds no chunk.

In any time, the processes together spend at most as many tokens as the bucket allows, plus one chunk per process:
tokens that a process leased earlier and had not spent (docs/adr/0030).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from .rate_limit import MICROSECONDS_PER_MILLISECOND, Rate
from .tenant_row import Shortage

if TYPE_CHECKING:
    from typing import TypeAlias

MAX_CHUNK: Final = 10
"""Maximum number of tokens in a chunk. A message then costs a tenth of a write to the tenant's row."""
CHUNKS_PER_SECOND: Final = 10
"""Minimum number of chunks that a bucket gains per second, unless it gains fewer tokens. A low rate has smaller chunks,
so that one process does not hold the tokens that another process needs."""
MAX_TENANTS: Final = 1_000
"""Maximum number of tenants whose leases a process remembers. It forgets the lease that was used longest ago."""

TakeTokens: TypeAlias = Callable[[str, Rate, int, int], Shortage | None]
"""(tenant id, rate, tokens, epoch milliseconds) -> None if the tokens were taken, else why there are not enough."""


@dataclass(slots=True)
class _Lease:
    """State of one tenant's bucket in one process."""

    tokens: int = 0
    """Number of tokens that the process has taken and not spent."""
    empty_until_us: int = 0
    """The time until which the bucket holds no chunk, in epoch microseconds."""
    connections: int = 0
    """Number of connections of the tenant when the bucket was last found empty."""


@dataclass(slots=True)
class LeasedBucket:
    """The buckets of all tenants for one purpose, as one Lambda process uses them. It is not safe for threads."""

    take: TakeTokens
    """Takes tokens from the bucket in the tenant's row."""
    rate: Rate
    """Size of each bucket, and how fast it fills."""
    _leases: OrderedDict[str, _Lease] = field(default_factory=OrderedDict[str, _Lease])

    @property
    def chunk(self) -> int:
        """Number of tokens that a process takes at once."""
        return max(1, min(MAX_CHUNK, self.rate.per_second // CHUNKS_PER_SECOND, self.rate.burst))

    def spend(self, tenant_id: str, now_ms: int) -> Shortage | None:
        """Spend one token of a tenant.

        Returns:
            None if there was one, else how long the bucket is empty and how many connections the tenant had when it was
            found empty.
        """
        lease, now_us = self._find_lease(tenant_id), now_ms * MICROSECONDS_PER_MILLISECOND
        if not lease.tokens and lease.empty_until_us <= now_us:
            shortage = self.take(tenant_id, self.rate, self.chunk, now_ms)
            if shortage is None:
                lease.tokens = self.chunk
            else:
                lease.empty_until_us = now_us + shortage.wait_us
                lease.connections = shortage.connections
        if lease.tokens:
            lease.tokens -= 1
            return None
        return Shortage(lease.empty_until_us - now_us, lease.connections)

    def _find_lease(self, tenant_id: str) -> _Lease:
        lease = self._leases.setdefault(tenant_id, _Lease())
        self._leases.move_to_end(tenant_id)
        if len(self._leases) > MAX_TENANTS:
            self._leases.popitem(last=False)
        return lease
