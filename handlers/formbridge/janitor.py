"""What is due though nothing happens: expired tokens, revoked tenants, missed posts, rows that outlived their use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Protocol

from . import protocol, timestamps
from .connection import Connection, Poster, disconnect
from .fanout import Connections, post
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


Result = Found | Exception | None
"""Of one row; None: it is no connection's."""
Row = Connection | Tenant


@dataclass(frozen=True, slots=True)
class Janitor:
    """Puts right what it finds in the connections table, once a minute."""

    connections: Connections
    tenants: Quarters
    poster: Poster
    map: Callable[[Callable[[Row], Result], Iterable[Row]], Iterable[Result]] = map
    now_ms: Callable[[], int] = timestamps.now_ms

    def sweep(self, rows: Iterable[Row]) -> Counter[Found]:
        """Go through every row of the table; how many connections were found to be what.

        Raises:
            ExceptionGroup: what failed for some rows, while all others had their turn; the next run finds them.
        """
        held = list(rows)
        revoked_at = {row.tenant_id: row.revoked_at for row in held if isinstance(row, Tenant)}
        failures: list[Exception] = []
        found: Counter[Found] = Counter()
        for result in self.map(partial(self._attempt, revoked_at), held):
            if isinstance(result, Exception):
                failures.append(result)
            elif result is not None:
                found[result] += 1
        if failures:
            raise ExceptionGroup("rows that could not be put right", failures)
        return found

    def _attempt(self, revoked_at: Mapping[str, int], row: Row) -> Result:
        try:
            if isinstance(row, Connection):
                return self._check(row, revoked_at.get(row.tenant_id, 0))
            self._give_back(row)
        except Exception as error:  # noqa: BLE001 - raised by `sweep`, once every other row has had its turn
            return error
        return None

    def _give_back(self, tenant: Tenant) -> None:
        for quarter, left in tenant.leaks(self.now_ms()):
            self.tenants.give_back(tenant.tenant_id, quarter, left)

    def _check(self, connection: Connection, revoked_at: int) -> Found:
        now = self.now_ms()
        if connection.ttl * 1000 <= now:
            self.connections.remove(connection.tenant_id, connection.connection_id)
            return Found.OUTLIVED
        if connection.issued_at < revoked_at:
            disconnect(connection, protocol.REVOKED, self.poster, self.connections)
            return Found.REVOKED
        if connection.has_expired(now):
            disconnect(connection, protocol.TOKEN_EXPIRED, self.poster, self.connections)
            return Found.EXPIRED
        if connection.behind is not None and connection.subscribed:
            post(connection, [], self.poster, self.connections, now)
            return Found.BEHIND
        return Found.LIVE
