"""The janitor, which finds and repairs problems that cause no event. Pure.

It scans the connections table for expired tokens, revoked connections, missed frames, silent connections, old rows,
wrong reservations of connections, and recorded subscription filters that no connection has.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final, Protocol

from ..connections.filters_row import FiltersRow, build_entry
from ..connections.tenant_row import PERIOD_MS, TenantRow
from ..connections.user_row import Member, UserRow
from ..posting.delivery import Deadlines, Delivery, Poster, build_closing_delivery, build_probe
from ..wire import protocol
from .accounting import Accounting, Tally
from .broadcaster import build_resync_delivery
from .recount import Correction, Recount, TenantPeriod, find_ended_members

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from ..connections.connection import Connection
    from ..revocations.revocation import Revocations
    from ..wire.subscription_filter import SubscriptionFilter

SILENCE_MS: Final = 2 * protocol.HEARTBEAT_SECONDS * 1000
"""Time without a sign of a connection after which it is probed, in milliseconds: two heartbeats."""


class ConnectionState(Enum):
    """The state of a connection in a sweep."""

    LIVE = "live"
    """There is nothing to do."""
    EXPIRED = "expired"
    """The token has expired. The connection is closed."""
    REVOKED = "revoked"
    """The tenant, the user, the session or the token is revoked. The connection is closed."""
    BEHIND = "behind"
    """The connection is subscribed and missed a frame. It is sent a `resync` frame."""
    SILENT = "silent"
    """Nothing has shown for two heartbeats that the connection is open, so it is probed. If it is gone, its row is
    removed."""
    OUTLIVED = "outlived"
    """The `ttl` of the row has passed, so the connection ended long ago. The row is removed."""


class TenantRows(Protocol):
    """The part of the tenants' rows that the janitor uses."""

    def correct(self, tenant_id: str, period: int, reserved: int, change: int) -> None:
        """Add `change` to the number of reserved connections of a period, unless the number is no longer `reserved`."""
        ...

    def set_total(self, tenant_id: str, connections: int, total: int) -> None:
        """Set a tenant's number of reserved connections to `total`, unless it is no longer `connections`."""
        ...


class UserRows(Protocol):
    """The part of the users' rows that the janitor uses."""

    def remove(self, tenant_id: str, user: str, members: Iterable[Member]) -> None:
        """Remove reserved connections from a user's row."""
        ...


class TenantFilters(Protocol):
    """The part of the tenants' rows of subscription filters that the janitor uses."""

    def restore(self, tenant_id: str, entries: Collection[str], now_ms: int) -> None:
        """Record filters that connections of the tenant have."""
        ...

    def remove(self, tenant_id: str, entries: Collection[str]) -> None:
        """Remove filters that no connection of the tenant has."""
        ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """The result of one sweep of the connections table."""

    states: Counter[ConnectionState]
    """Number of connections by state."""
    tally: Tally
    """The outcomes of the deliveries, and the failures."""
    corrections: int
    """Number of corrections of the reservations of tenants and users. Removed periods do not count."""


@dataclass(frozen=True, slots=True)
class Janitor:
    """The janitor of one gateway. It runs once per minute."""

    tenants: TenantRows
    """The tenants' rows."""
    users: UserRows
    """The users' rows."""
    filters: TenantFilters
    """The tenants' rows of subscription filters."""
    poster: Poster
    """Posts `resync` frames, closes connections and probes them."""
    accounting: Accounting
    """Records the outcomes of deliveries in the connections table."""
    now_ms: Callable[[], int]
    """Returns the current time in epoch milliseconds."""
    recount: Recount = field(default_factory=Recount)
    """Compares the tenants' numbers of reserved connections with the rows."""

    def sweep(
        self,
        rows: Iterable[Connection | TenantRow | UserRow | FiltersRow],
        revocations: Revocations,
        deadlines: Deadlines,
    ) -> Sweep:
        """Process every row of the connections table.

        Args:
            rows: All rows of the table.
            revocations: All revocations.
            deadlines: The deadlines of the invocation.

        Returns:
            The number of connections by state, and the tally. Failures are recorded in the tally. After a failure, the
            next run processes the same row again.
        """
        started_at = self.now_ms()
        connections: list[Connection] = []
        tenants: list[TenantRow] = []
        users: list[UserRow] = []
        recorded: dict[str, frozenset[str]] = {}
        for row in rows:
            match row:
                case TenantRow():
                    tenants.append(row)
                case UserRow():
                    users.append(row)
                case FiltersRow():
                    recorded[row.tenant_id] = row.entries
                case _:
                    connections.append(row)
        states = [(self._classify(connection, revocations), connection) for connection in connections]
        ended_members = [*find_ended_members(users, connections, started_at)]
        corrections, wrong_totals = self._count(tenants, connections, started_at)
        # Posts may take all of the time, so do the work without posts first.
        tally = Tally()
        outlived = (connection for state, connection in states if state is ConnectionState.OUTLIVED)
        self.accounting.remove(outlived, deadlines.posting, tally)
        writes = chain(
            self._build_corrections(corrections, wrong_totals),
            (partial(self.users.remove, user.tenant_id, user.user, user.members) for user in ended_members),
            self._build_filter_corrections(recorded, connections),
        )
        self.accounting.write(writes, deadlines.posting, tally)
        deliveries = chain(self._build_deliveries(states), self._build_probes(states))
        receipts = self.poster.deliver(deliveries, deadlines.posting)
        self.accounting.settle(receipts, deadlines.writing, tally)
        changed = sum(1 for correction in corrections if correction.change) + len(wrong_totals) + len(ended_members)
        return Sweep(Counter(state for state, _ in states), tally, changed)

    def _count(
        self, tenants: Sequence[TenantRow], connections: Iterable[Connection], started_at: int
    ) -> tuple[Sequence[Correction], Sequence[TenantRow]]:
        """Return the corrections of periods, and the tenants whose number is not the sum of their periods."""
        rows = Counter(
            TenantPeriod(connection.tenant_id, connection.connected_at // PERIOD_MS) for connection in connections
        )
        corrections = [*self.recount.find_corrections(tenants, rows, started_at, self.now_ms())]
        return corrections, [*self.recount.find_wrong_totals(tenants)]

    def _build_corrections(
        self, corrections: Iterable[Correction], wrong_totals: Iterable[TenantRow]
    ) -> Iterator[Callable[[], None]]:
        """Yield the writes that correct the tenants' numbers of reserved connections."""
        for found in corrections:
            yield partial(self.tenants.correct, *found.key, found.reserved, found.change)
        for tenant in wrong_totals:
            yield partial(self.tenants.set_total, tenant.tenant_id, tenant.connections, tenant.counted)

    def _build_filter_corrections(
        self, recorded: Mapping[str, frozenset[str]], connections: Iterable[Connection]
    ) -> Iterator[Callable[[], None]]:
        """Yield the writes that make the tenants' recorded filters those of their connections.

        A client may record a filter during the sweep, and its connection may have been read before. The filter is then
        removed too early, and the next sweep restores it.
        """
        filters: defaultdict[str, set[SubscriptionFilter]] = defaultdict(set)
        for connection in connections:
            if connection.filter is not None:
                filters[connection.tenant_id].add(connection.filter)
        for tenant_id in recorded.keys() | filters.keys():
            used, known = set(map(build_entry, filters[tenant_id])), recorded.get(tenant_id, frozenset())
            if unused := known - used:
                yield partial(self.filters.remove, tenant_id, unused)
            if missing := used - known:
                yield partial(self.filters.restore, tenant_id, missing, self.now_ms())

    @staticmethod
    def _build_deliveries(states: Iterable[tuple[ConnectionState, Connection]]) -> Iterator[Delivery]:
        """Yield a delivery for each connection that must be closed or must resync."""
        for state, connection in states:
            match state:
                case ConnectionState.REVOKED:
                    yield build_closing_delivery(connection, protocol.REVOKED)
                case ConnectionState.EXPIRED:
                    yield build_closing_delivery(connection, protocol.TOKEN_EXPIRED)
                case ConnectionState.BEHIND:
                    yield build_resync_delivery(connection)
                case ConnectionState.LIVE | ConnectionState.SILENT | ConnectionState.OUTLIVED:
                    pass

    @staticmethod
    def _build_probes(states: Iterable[tuple[ConnectionState, Connection]]) -> Iterator[Delivery]:
        """Yield a probe of each silent connection. A sweep makes them last, with the time that is left."""
        for state, connection in states:
            if state is ConnectionState.SILENT:
                yield build_probe(connection)

    def _classify(self, connection: Connection, revocations: Revocations) -> ConnectionState:
        now = self.now_ms()
        if connection.ttl * 1000 <= now:
            return ConnectionState.OUTLIVED
        if revocations.refuse(connection.tenant_id, connection.principal, now // 1000):
            return ConnectionState.REVOKED
        if connection.has_expired(now):
            return ConnectionState.EXPIRED
        if connection.behind_since is not None and connection.subscribed:
            return ConnectionState.BEHIND
        return ConnectionState.SILENT if now - connection.seen_at > SILENCE_MS else ConnectionState.LIVE
