"""The message budgets of tenants, and the circuit breaker that ends a flood of messages. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol
from zlib import crc32

from .leased_bucket import LeasedBucket
from .rate_limit import Rate

if TYPE_CHECKING:
    from .connection import ConnectionKey
    from .tenant_row import Shortage

MIN_TURN_MS: Final = 1_000
"""Minimum of a turn in milliseconds: see `MessageBudget.charge`."""
MAX_TURN_MS: Final = 60_000
"""Maximum of a turn in milliseconds."""
BREAK_MS: Final = 10_000
"""Time in milliseconds for which the circuit breaker of a tenant is open in one process."""


class TenantBuckets(Protocol):
    """The part of the tenants' rows that a message budget uses."""

    def take_messages(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        """Take tokens for messages from a tenant's bucket, or return why there are not enough."""
        ...

    def take_early(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        """Take tokens for early messages from a tenant's bucket, or return why there are not enough."""
        ...


@dataclass(slots=True)
class MessageBudget:
    """The message budgets of all tenants, as one Lambda process charges them. It is not safe for threads.

    A tenant has two buckets: one for its accepted messages, and one for its early messages. A message is early if the
    tenant's budget is used up and its connection was asked to wait for longer. Clients that keep to the protocol send
    next to none. A tenant that has used up both buckets floods the gateway: its circuit breaker is then open, and each
    connection that sends anything is closed.
    """

    buckets: TenantBuckets
    """The tenants' rows."""
    rate: Rate
    """Limit on the messages of one tenant, from all its connections together."""
    _accepted: LeasedBucket = field(init=False)
    _early: LeasedBucket = field(init=False)
    _open_until_ms: dict[str, int] = field(init=False, default_factory=dict[str, int])
    """Time until which the circuit breaker of a tenant is open, in epoch milliseconds."""

    def __post_init__(self) -> None:
        self._accepted = LeasedBucket(self.buckets.take_messages, self.rate)
        rate_of_early = Rate(self.rate.per_second, burst=self.rate.per_second)
        self._early = LeasedBucket(self.buckets.take_early, rate_of_early)

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
        shortage = self._accepted.spend(key.tenant_id, now_ms)
        if shortage is None:
            return 0
        turn_ms = min(MAX_TURN_MS, max(MIN_TURN_MS, shortage.connections * 1_000 // self.rate.per_second))
        return turn_ms // 2 + crc32(key.connection_id.encode()) % turn_ms

    def charge_early(self, tenant_id: str, now_ms: int) -> bool:
        """Charge one early message to its tenant. Return False, and open the circuit breaker, if there are too many."""
        if self._early.spend(tenant_id, now_ms) is None:
            return True
        self._open_until_ms[tenant_id] = now_ms + BREAK_MS
        return False

    def is_open(self, tenant_id: str, now_ms: int) -> bool:
        """Return whether the circuit breaker of a tenant is open: each connection that sends a message is closed."""
        if self._open_until_ms.get(tenant_id, 0) > now_ms:
            return True
        self._open_until_ms.pop(tenant_id, None)
        return False
