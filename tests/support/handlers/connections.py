"""Connections as the table holds them, and that table in memory, as far as those need it who post to connections."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from formbridge.access.principal import Principal
from formbridge.connections.connection import Connection, ConnectionKey, Reservation, Span
from formbridge.connections.table import TenantConnections
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.builders import HOUR_S, NOW
from tests.support.handlers.principals import USER

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

EVERYWHERE: Final = Span()


def connection(connection_id: str = "conn-1", tenant_id: str = "t_acme", shard: int = 0, **fields: Any) -> Connection:
    """A subscribed connection of ten minutes, whose token is good for an hour."""
    values: dict[str, Any] = {
        "connected_at": NOW - 600_000,
        "principal": Principal(USER, signed_in_at=NOW // 1000 - 600),
        "expires_at": NOW // 1000 + HOUR_S,
        "ttl": NOW // 1000 + 2 * HOUR_S,
        "subscribed": True,
        "subscribed_at": NOW - 600_000,
    }
    return Connection(ConnectionKey(tenant_id, connection_id, shard), **{**values, **fields})


def wanting(pattern: dict[str, Any]) -> SubscriptionFilter:
    """A subscription's filter."""
    return SubscriptionFilter.parse(pattern, 4_096)


@dataclass
class Registered:
    """The connections table."""

    rows: list[Connection] = field(default_factory=list[Connection])
    reserved: dict[str, int] = field(default_factory=dict[str, int])
    """How many connections a tenant is counted to have, where that is not the number of its rows."""
    removed: list[str] = field(default_factory=list[str])
    """Connections whose rows were deleted."""
    released: list[tuple[str, int]] = field(default_factory=list[tuple[str, int]])
    """Tenant and `connected_at` of each connection that is no longer counted."""
    releases: int = 0
    """How many writes that took."""
    behind: dict[str, int] = field(default_factory=dict[str, int])
    cleared: list[str] = field(default_factory=list[str])
    probed: dict[str, int] = field(default_factory=dict[str, int])
    """When a probe found a connection open."""
    failures: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """Connections whose rows cannot be written."""

    unreadable: set[str] = field(default_factory=set[str])
    """Tenants whose connections cannot be read."""
    epochs: dict[str, int] = field(default_factory=dict[str, int])
    calls: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """What was asked of a tenant's row: `raise_epoch` or `read`, and the tenant."""

    def raise_epoch(self, tenant_id: str) -> None:
        self.calls.append(("raise_epoch", tenant_id))
        self.epochs[tenant_id] = NOW

    def read_tenant_connections(self, tenant_id: str) -> TenantConnections:
        self.calls.append(("read", tenant_id))
        if tenant_id in self.unreadable:
            raise ConnectionError(tenant_id)
        own = [row for row in self.rows if row.tenant_id == tenant_id]
        shards = 1 + max((row.key.shard for row in own), default=0)
        reserved = self.reserved.get(tenant_id, len(own))
        subscribed = (row for shard in range(shards) for row in self.read_shard(tenant_id, shard))
        costs = tuple(sorted(each.cost for each in {row.filter for row in own if row.filter}))
        return TenantConnections(reserved, shards, self.epochs.get(tenant_id, 0), costs, subscribed)

    def read_shard(self, tenant_id: str, shard: int, span: Span = EVERYWHERE) -> Iterator[Connection]:
        for row in self.rows:
            within = (span.after or "") < row.connection_id and (not span.until or row.connection_id <= span.until)
            if (row.tenant_id, row.key.shard) == (tenant_id, shard) and row.subscribed and within:
                yield row

    def split_shard(self, tenant_id: str, shard: int, size: int) -> list[Span]:
        names = sorted(row.connection_id for row in self.rows if (row.tenant_id, row.key.shard) == (tenant_id, shard))
        ends = [*names[size - 1 : len(names) - 1 : size], None]
        return [Span(after, until) for after, until in zip([None, *ends], ends, strict=False)]

    def delete(self, key: ConnectionKey) -> Reservation | None:
        self._write(key)
        if key.connection_id in self.removed:
            return None
        self.removed.append(key.connection_id)
        return next((row.reservation for row in self.rows if row.key == key), Reservation(key.connection_id, NOW))

    def release(self, tenant_id: str, reservations: Sequence[Reservation]) -> None:
        self.releases += 1
        self.released += [(tenant_id, each.connected_at) for each in reservations]

    def mark_behind(self, key: ConnectionKey, since_ms: int) -> None:
        self._write(key)
        self.behind[key.connection_id] = since_ms

    def clear_behind(self, key: ConnectionKey, seen_ms: int) -> None:
        self._write(key)
        self.cleared.append(key.connection_id)

    def record_probe(self, key: ConnectionKey, probed_ms: int) -> None:
        self._write(key)
        self.probed[key.connection_id] = probed_ms

    def _write(self, key: ConnectionKey) -> None:
        if failure := self.failures.get(key.connection_id):
            raise failure

    @property
    def untouched(self) -> bool:
        """Whether no row was changed."""
        return not (self.removed or self.released or self.behind or self.cleared or self.probed)
