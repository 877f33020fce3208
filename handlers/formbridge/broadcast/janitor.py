"""What is due though nothing happens: expired tokens, revoked tenants, missed posts, rows that outlived their use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from ..connections.connection import Connection
from ..connections.tenant_row import TenantRow
from ..posting.delivery import Deadlines, Delivery, Poster, build_closing_delivery
from ..wire import protocol
from .accounting import Accounting, Tally
from .broadcaster import build_resync_delivery


class ConnectionState(Enum):
    """What the janitor found a connection to be."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"
    BEHIND = "behind"
    OUTLIVED = "outlived"
    """Its row's time is over, and so the connection has ended long ago."""


class TenantRows(Protocol):
    """The tenants' rows, as far as the janitor needs them."""

    def reclaim(self, tenant_id: str, quarter: int, left: int) -> None: ...


@dataclass(frozen=True, slots=True)
class Sweep:
    """What the janitor came upon, and what became of it."""

    states: Counter[ConnectionState]
    tally: Tally


@dataclass(frozen=True, slots=True)
class Janitor:
    """Puts right what it finds in the connections table, once a minute."""

    tenants: TenantRows
    poster: Poster
    accounting: Accounting
    now_ms: Callable[[], int]

    def sweep(self, rows: Iterable[Connection | TenantRow], deadlines: Deadlines) -> Sweep:
        """Go through every row of the table. What failed for some is in the tally; the next run finds it again."""
        connections: list[Connection] = []
        tenants: list[TenantRow] = []
        for row in rows:
            if isinstance(row, TenantRow):
                tenants.append(row)
            else:
                connections.append(row)
        revoked_at = {tenant.tenant_id: tenant.revoked_at for tenant in tenants}
        kinds = [(self._kind(one, revoked_at.get(one.tenant_id, 0)), one) for one in connections]
        # First what takes no post: these may be as many as the time allows.
        tally = Tally()
        self.accounting.remove(
            (one for kind, one in kinds if kind is ConnectionState.OUTLIVED), deadlines.posting, tally
        )
        self.accounting.write(self._leaks(tenants), deadlines.posting, tally)
        receipts = self.poster.deliver(self._due(kinds), deadlines.posting)
        return Sweep(Counter(kind for kind, _ in kinds), self.accounting.settle(receipts, deadlines.writing, tally))

    def _leaks(self, tenants: Iterable[TenantRow]) -> Iterator[Callable[[], None]]:
        for tenant in tenants:
            for quarter, left in tenant.find_leaks(self.now_ms()):
                yield partial(self.tenants.reclaim, tenant.tenant_id, quarter, left)

    @staticmethod
    def _due(kinds: Iterable[tuple[ConnectionState, Connection]]) -> Iterator[Delivery]:
        """What is to be said to which connection."""
        for kind, connection in kinds:
            match kind:
                case ConnectionState.REVOKED:
                    yield build_closing_delivery(connection, protocol.REVOKED)
                case ConnectionState.EXPIRED:
                    yield build_closing_delivery(connection, protocol.TOKEN_EXPIRED)
                case ConnectionState.BEHIND:
                    yield build_resync_delivery(connection)
                case ConnectionState.LIVE | ConnectionState.OUTLIVED:
                    pass

    def _kind(self, connection: Connection, revoked_at: int) -> ConnectionState:
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
