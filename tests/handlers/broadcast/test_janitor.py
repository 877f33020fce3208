from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.janitor import ConnectionState, Janitor
from formbridge.connections.tenant_row import MAX_CONNECTION_MS, QUARTER_MS, TenantRow
from formbridge.posting.delivery import Outcome
from tests.support.handlers.broadcasts import NEVER, Inline
from tests.support.handlers.builders import NOW
from tests.support.handlers.connections import Registered, connection
from tests.support.handlers.world import Poster

if TYPE_CHECKING:
    from collections import Counter

    from formbridge.connections.connection import Connection


RESYNC = {"type": "resync", "reason": "behind"}
TOKEN_EXPIRED = {"type": "disconnect", "code": "token_expired", "reconnect": True}
REVOKED = {"type": "disconnect", "code": "revoked", "reconnect": True}

NOW_S = NOW // 1000
OVER = (NOW - MAX_CONNECTION_MS) // QUARTER_MS - 1
"""The youngest quarter of an hour whose connections have all ended."""


@dataclass
class TenantRows:
    """The tenants' rows."""

    reclaimed: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    failing: frozenset[str] = frozenset()

    def reclaim(self, tenant_id: str, quarter: int, left: int) -> None:
        if tenant_id in self.failing:
            raise PermissionError(tenant_id)
        self.reclaimed.append((tenant_id, quarter, left))


class World:
    """A janitor with its fakes."""

    def __init__(self, **outcomes: Outcome) -> None:
        self.registered = Registered()
        self.tenant_rows = TenantRows()
        self.poster = Poster(outcomes)
        accounting = Accounting(self.registered, Inline(), now_ms=lambda: NOW, monotonic=time.monotonic)
        self.janitor = Janitor(self.tenant_rows, self.poster, accounting, now_ms=lambda: NOW)

    def sweep(self, *rows: Connection | TenantRow) -> Counter[ConnectionState]:
        swept = self.janitor.sweep(rows, NEVER)
        swept.tally.raise_failures()
        return swept.states

    def got(self, connection_id: str) -> list[dict[str, Any]]:
        """The frames that a connection was sent."""
        return [json.loads(frame) for frame in self.poster.to(connection_id)]

    @property
    def is_silent(self) -> bool:
        """Whether nobody was told anything."""
        return not (self.poster.posted or self.poster.closed)


def tenant(tenant_id: str = "t_acme", *, revoked_at: int = 0, **quarters: int) -> TenantRow:
    """A tenant; `quarters` are named by how many before `OVER` they were, as in `q0`."""
    left = {OVER - int(name[1:]): count for name, count in quarters.items()}
    return TenantRow(tenant_id, sum(left.values()), revoked_at, left)


def test_live_connections_are_counted_and_left_alone() -> None:
    world = World()
    rows = [connection("a"), connection("b", subscribed=False), connection("c", "t_globex")]
    assert world.sweep(tenant(), *rows) == {ConnectionState.LIVE: 3}
    assert world.is_silent
    assert world.registered.untouched
    assert world.tenant_rows.reclaimed == []


def test_a_row_whose_time_is_over_goes_without_a_word() -> None:
    world = World()
    assert world.sweep(connection("a", ttl=NOW_S), connection("b", ttl=NOW_S + 1)) == {
        ConnectionState.OUTLIVED: 1,
        ConnectionState.LIVE: 1,
    }
    assert world.registered.removed == ["a"]
    assert world.is_silent


def test_a_connection_whose_token_has_expired_is_told_closed_and_forgotten() -> None:
    world = World()
    rows = [connection("a", expires_at=NOW_S), connection("b", expires_at=NOW_S + 1)]
    assert world.sweep(*rows) == {ConnectionState.EXPIRED: 1, ConnectionState.LIVE: 1}
    assert world.got("a") == [TOKEN_EXPIRED]
    assert world.poster.closed == ["a"]
    assert world.registered.removed == ["a"]


def test_a_connection_of_a_revoked_token_is_told_closed_and_forgotten() -> None:
    world = World()
    rows = [connection("a", issued_at=NOW_S - 1), connection("b", issued_at=0), connection("c", issued_at=NOW_S)]
    assert world.sweep(*rows, tenant(revoked_at=NOW_S)) == {ConnectionState.REVOKED: 2, ConnectionState.LIVE: 1}
    assert world.got("a") == world.got("b") == [REVOKED]
    assert world.poster.closed == ["a", "b"]
    assert world.registered.removed == ["a", "b"]


def test_a_revocation_is_told_rather_than_an_expiry() -> None:
    world = World()
    assert world.sweep(tenant(revoked_at=NOW_S), connection("a", expires_at=NOW_S)) == {ConnectionState.REVOKED: 1}
    assert world.got("a") == [REVOKED]


def test_another_tenants_revocation_touches_no_connection() -> None:
    world = World()
    rows = [tenant("t_globex", revoked_at=NOW_S), tenant("t_acme"), connection("a"), connection("b", "t_initech")]
    assert world.sweep(*rows) == {ConnectionState.LIVE: 2}
    assert world.is_silent
    assert world.registered.untouched


def test_a_connection_behind_is_told_to_resync() -> None:
    world = World()
    assert world.sweep(connection("a", behind_since=NOW - 1)) == {ConnectionState.BEHIND: 1}
    assert world.got("a") == [RESYNC]
    assert world.registered.cleared == ["a"]


def test_a_connection_behind_that_cannot_be_told_stays_behind() -> None:
    world = World(a=Outcome.BEHIND)
    assert world.sweep(connection("a", behind_since=NOW - 1)) == {ConnectionState.BEHIND: 1}
    assert world.registered.behind == {"a": NOW}
    assert world.registered.cleared == []


def test_a_connection_behind_that_is_gone_loses_its_row() -> None:
    world = World(a=Outcome.GONE)
    world.sweep(connection("a", behind_since=NOW - 1))
    assert world.registered.removed == ["a"]


def test_a_connection_behind_that_unsubscribed_is_told_nothing() -> None:
    world = World()
    assert world.sweep(connection("a", behind_since=NOW - 1, subscribed=False)) == {ConnectionState.LIVE: 1}
    assert world.is_silent


def test_what_leaked_is_reclaimed_for_each_tenant_and_quarter() -> None:
    world = World()
    young = replace(tenant("t_initech"), quarters={OVER + 1: 5})
    assert world.sweep(tenant("t_acme", q0=1, q9=2), tenant("t_globex", q0=3), young) == {}
    assert sorted(world.tenant_rows.reclaimed) == [("t_acme", OVER - 9, 2), ("t_acme", OVER, 1), ("t_globex", OVER, 3)]


def test_what_fails_for_one_row_is_told_once_every_other_had_its_turn() -> None:
    world = World()
    world.poster.failures["a"] = PermissionError("a")
    world.registered.failures["c"] = PermissionError("c")
    world.tenant_rows.failing = frozenset({"t_globex"})
    due = [connection(name, expires_at=NOW_S) for name in "abc"]
    leaking = [tenant("t_globex", q0=1), tenant("t_initech", q0=2)]
    swept = world.janitor.sweep([*leaking, *due, connection("d", behind_since=NOW - 1)], NEVER)
    assert [str(error) for error in swept.tally.failures] == ["t_globex", "a", "c"]
    assert swept.states == {ConnectionState.EXPIRED: 3, ConnectionState.BEHIND: 1}
    assert world.registered.removed == ["b"]
    assert world.registered.cleared == ["d"]
    assert world.tenant_rows.reclaimed == [("t_initech", OVER, 2)]


def test_an_empty_table_is_fine() -> None:
    assert World().sweep() == {}
