"""The janitor, which finds and repairs problems that cause no event. Pure.

It scans the connections table for expired and revoked tokens, missed frames, old rows and leaked reservations.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import TYPE_CHECKING, Protocol

from ..connections.tenant_row import TenantRow
from ..posting.delivery import Deadlines, Delivery, Poster, build_closing_delivery
from ..wire import protocol
from .accounting import Accounting, Tally
from .broadcaster import build_resync_delivery

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..connections.connection import Connection


class ConnectionState(Enum):
    """The state of a connection in a sweep."""

    LIVE = "live"
    """There is nothing to do."""
    EXPIRED = "expired"
    """The token has expired. The connection is closed."""
    REVOKED = "revoked"
    """The token was revoked. The connection is closed."""
    BEHIND = "behind"
    """The connection is subscribed and missed a frame. It is sent a `resync` frame."""
    OUTLIVED = "outlived"
    """The `ttl` of the row has passed, so the connection ended long ago. The row is removed."""


class TenantRows(Protocol):
    """The part of the tenants' rows that the janitor uses."""

    def reclaim(self, tenant_id: str, quarter: int, left: int) -> None:
        """Release the leaked reservations of a quarter, unless their number is no longer `left`."""
        ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """The result of one sweep of the connections table."""

    states: Counter[ConnectionState]
    """Number of connections by state."""
    tally: Tally
    """The outcomes of the deliveries, and the failures."""


@dataclass(frozen=True, slots=True)
class Janitor:
    """The janitor of one gateway. It runs once per minute."""

    tenants: TenantRows
    """The tenants' rows."""
    poster: Poster
    """Posts `resync` frames and closes connections."""
    accounting: Accounting
    """Records the outcomes of deliveries in the connections table."""
    now_ms: Callable[[], int]
    """Returns the current time in epoch milliseconds."""

    def sweep(self, rows: Iterable[Connection | TenantRow], deadlines: Deadlines) -> Sweep:
        """Process every row of the connections table.

        Args:
            rows: All rows of the table.
            deadlines: The deadlines of the invocation.

        Returns:
            The number of connections by state, and the tally. Failures are recorded in the tally. After a failure, the
            next run processes the same row again.
        """
        connections: list[Connection] = []
        tenants: list[TenantRow] = []
        for row in rows:
            if isinstance(row, TenantRow):
                tenants.append(row)
            else:
                connections.append(row)
        revoked_at = {tenant.tenant_id: tenant.revoked_at for tenant in tenants}
        states = [
            (self._classify(connection, revoked_at.get(connection.tenant_id, 0)), connection)
            for connection in connections
        ]
        # Posts may take all of the time, so do the work without posts first.
        tally = Tally()
        outlived = (connection for state, connection in states if state is ConnectionState.OUTLIVED)
        self.accounting.remove(outlived, deadlines.posting, tally)
        self.accounting.write(self._build_reclaims(tenants), deadlines.posting, tally)
        receipts = self.poster.deliver(self._build_deliveries(states), deadlines.posting)
        return Sweep(Counter(state for state, _ in states), self.accounting.settle(receipts, deadlines.writing, tally))

    def _build_reclaims(self, tenants: Iterable[TenantRow]) -> Iterator[Callable[[], None]]:
        """Yield the writes that release leaked reservations."""
        for tenant in tenants:
            for quarter, left in tenant.find_leaks(self.now_ms()):
                yield partial(self.tenants.reclaim, tenant.tenant_id, quarter, left)

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
                case ConnectionState.LIVE | ConnectionState.OUTLIVED:
                    pass

    def _classify(self, connection: Connection, revoked_at: int) -> ConnectionState:
        """Return the state of a connection. Tokens that were issued before `revoked_at` are revoked."""
        now = self.now_ms()
        if connection.ttl * 1000 <= now:
            return ConnectionState.OUTLIVED
        if connection.issued_at < revoked_at:
            return ConnectionState.REVOKED
        if connection.has_expired(now):
            return ConnectionState.EXPIRED
        return (
            ConnectionState.BEHIND
            if connection.behind_since is not None and connection.subscribed
            else ConnectionState.LIVE
        )
