"""What is due though nothing happens: expired tokens, revoked tenants, missed posts, rows that outlived their use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Protocol

from . import protocol, timestamps
from .accounting import Accounting, Tally
from .connection import Connection, Delivery, Poster, closing
from .fanout import Deadlines, resync
from .tenants import Tenant


class Found(Enum):
    """What the janitor found a connection to be."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"
    BEHIND = "behind"
    OUTLIVED = "outlived"
    """Its row's time is over, and so the connection has ended long ago."""


class Quarters(Protocol):
    """The tenants' rows, as far as the janitor needs them."""

    def give_back(self, tenant_id: str, quarter: int, left: int) -> None: ...


@dataclass(slots=True)
class Sweep:
    """What the janitor came upon, and what became of it."""

    found: Counter[Found] = field(default_factory=Counter[Found])
    tally: Tally = field(default_factory=Tally)


@dataclass(frozen=True, slots=True)
class Janitor:
    """Puts right what it finds in the connections table, once a minute."""

    tenants: Quarters
    poster: Poster
    accounting: Accounting
    now_ms: Callable[[], int] = timestamps.now_ms

    def sweep(self, rows: Iterable[Connection | Tenant], deadlines: Deadlines) -> Sweep:
        """Go through every row of the table. What failed for some is in the tally; the next run finds it again."""
        connections: list[Connection] = []
        tenants: list[Tenant] = []
        for row in rows:
            if isinstance(row, Tenant):
                tenants.append(row)
            else:
                connections.append(row)
        found: Counter[Found] = Counter()
        outlived: list[Connection] = []
        revoked_at = {tenant.tenant_id: tenant.revoked_at for tenant in tenants}
        due = self._due(connections, revoked_at, found, outlived)
        tally = self.accounting.settle(self.poster.deliver(due, deadlines.posting), deadlines.writing)
        self.accounting.remove(outlived, deadlines.writing, tally.failures)
        tally.failures += self.accounting.write([*self._leaks(tenants)], deadlines.writing)
        return Sweep(found, tally)

    def _leaks(self, tenants: Iterable[Tenant]) -> Iterator[Callable[[], None]]:
        for tenant in tenants:
            for quarter, left in tenant.leaks(self.now_ms()):
                yield partial(self.tenants.give_back, tenant.tenant_id, quarter, left)

    def _due(
        self,
        connections: Iterable[Connection],
        revoked_at: Mapping[str, int],
        found: Counter[Found],
        outlived: list[Connection],
    ) -> Iterator[Delivery]:
        """What is to be said to which connection. Notes what each was found to be, as it goes."""
        for connection in connections:
            kind = self._kind(connection, revoked_at.get(connection.tenant_id, 0))
            found[kind] += 1
            match kind:
                case Found.OUTLIVED:
                    outlived.append(connection)
                case Found.REVOKED:
                    yield closing(connection, protocol.REVOKED)
                case Found.EXPIRED:
                    yield closing(connection, protocol.TOKEN_EXPIRED)
                case Found.BEHIND:
                    yield resync(connection)
                case Found.LIVE:
                    pass

    def _kind(self, connection: Connection, revoked_at: int) -> Found:
        now = self.now_ms()
        if connection.ttl * 1000 <= now:
            return Found.OUTLIVED
        if connection.issued_at < revoked_at:
            return Found.REVOKED
        if connection.has_expired(now):
            return Found.EXPIRED
        return Found.BEHIND if connection.behind is not None and connection.subscribed else Found.LIVE
