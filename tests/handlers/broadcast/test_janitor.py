from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from formbridge.access.principal import Principal
from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.janitor import ConnectionState, Janitor
from formbridge.connections.filters_row import FiltersRow, build_entry
from formbridge.connections.tenant_row import PERIOD_MS, TenantRow
from formbridge.connections.user_row import Member, UserRow
from formbridge.posting.delivery import Outcome
from formbridge.revocations.revocation import FOREVER, Kind, Revocation, Revocations, Target
from tests.support.handlers.broadcasts import NEVER, Inline
from tests.support.handlers.builders import NOW
from tests.support.handlers.connections import Registered, connection, wanting
from tests.support.handlers.principals import USER
from tests.support.handlers.world import Poster

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Collection, Iterable, Iterator

    from formbridge.connections.connection import Connection
    from formbridge.posting.delivery import Delivery, Receipt
    from formbridge.wire.subscription_filter import SubscriptionFilter


RESYNC = {"type": "resync", "reason": "behind"}
TOKEN_EXPIRED = {"type": "disconnect", "code": "token_expired", "reconnect": True}
REVOKED = {"type": "disconnect", "code": "revoked", "reconnect": True}

NOW_S = NOW // 1000
PERIOD = NOW // PERIOD_MS
NONE = Revocations({})
SILENCE_MS = 600_000


@dataclass
class TenantRows:
    """The tenants' rows."""

    corrected: list[tuple[str, int, int, int]] = field(default_factory=list[tuple[str, int, int, int]])
    totals: list[tuple[str, int, int]] = field(default_factory=list[tuple[str, int, int]])
    failing: frozenset[str] = frozenset()

    def correct(self, tenant_id: str, period: int, reserved: int, change: int) -> None:
        if tenant_id in self.failing:
            raise PermissionError(tenant_id)
        self.corrected.append((tenant_id, period, reserved, change))

    def set_total(self, tenant_id: str, connections: int, total: int) -> None:
        self.totals.append((tenant_id, connections, total))


@dataclass
class UserRows:
    """The users' rows."""

    removed: list[tuple[str, str, set[Member]]] = field(default_factory=list[tuple[str, str, set[Member]]])

    def remove(self, tenant_id: str, user: str, members: Iterable[Member]) -> None:
        self.removed.append((tenant_id, user, set(members)))


@dataclass
class FilterRows:
    """The tenants' rows of subscription filters."""

    restored: dict[str, set[str]] = field(default_factory=dict[str, set[str]])
    removed: dict[str, set[str]] = field(default_factory=dict[str, set[str]])

    def restore(self, tenant_id: str, entries: Collection[str], now_ms: int) -> None:
        assert now_ms == NOW
        self.restored[tenant_id] = {*entries}

    def remove(self, tenant_id: str, entries: Collection[str]) -> None:
        self.removed[tenant_id] = {*entries}


class World:
    """A janitor with its fakes."""

    def __init__(self, **outcomes: Outcome) -> None:
        self.registered = Registered()
        self.now_ms = NOW
        self.tenant_rows = TenantRows()
        self.user_rows = UserRows()
        self.revocations: dict[Target, Revocation] = {}
        self.poster = Poster(outcomes)
        accounting = Accounting(self.registered, Inline(), now_ms=lambda: self.now_ms, monotonic=time.monotonic)
        self.filter_rows = FilterRows()
        self.janitor = Janitor(
            self.tenant_rows,
            self.user_rows,
            self.filter_rows,
            self.poster,
            accounting,
            now_ms=lambda: self.now_ms,
        )

    def revoke(self, target: Target, signed_in_before: int = NOW_S) -> None:
        self.revocations[target] = Revocation(signed_in_before, FOREVER)

    def sweep(self, *rows: Connection | TenantRow | UserRow | FiltersRow) -> Counter[ConnectionState]:
        swept = self.janitor.sweep(rows, Revocations(self.revocations), NEVER)
        swept.tally.raise_failures()
        return swept.states

    def got(self, connection_id: str) -> list[dict[str, Any]]:
        """The frames that a connection was sent."""
        return [json.loads(frame) for frame in self.poster.to(connection_id)]

    @property
    def is_silent(self) -> bool:
        """Whether nobody was told anything, and nobody was asked about."""
        return not (self.poster.posted or self.poster.closed or self.poster.probed)


def tenant(tenant_id: str = "t_acme", **periods: int) -> TenantRow:
    """A tenant; `periods` are named by how many before NOW's they were, as in `p2`."""
    reserved = {PERIOD - int(name[1:]): count for name, count in periods.items()}
    return TenantRow(tenant_id, sum(reserved.values()), reserved)


def test_live_connections_are_counted_and_left_alone() -> None:
    world = World()
    rows = [connection("a"), connection("b", subscribed=False), connection("c", "t_globex")]
    assert world.sweep(tenant(p2=2), tenant("t_globex", p2=1), *rows) == {ConnectionState.LIVE: 3}
    assert world.is_silent
    assert world.registered.untouched
    assert world.tenant_rows == TenantRows()


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


ACME = Target(Kind.TENANT, "t_acme")


def test_a_connection_that_is_revoked_is_told_closed_and_forgotten() -> None:
    world = World()
    world.revoke(ACME)
    rows = [
        connection("a", principal=Principal(USER, signed_in_at=NOW_S - 1)),
        connection("b", principal=Principal(USER, signed_in_at=0)),
        connection("c", principal=Principal(USER, signed_in_at=NOW_S)),
    ]
    assert world.sweep(*rows) == {ConnectionState.REVOKED: 2, ConnectionState.LIVE: 1}
    assert world.got("a") == world.got("b") == [REVOKED]
    assert world.poster.closed == ["a", "b"]
    assert world.registered.removed == ["a", "b"]


def test_a_revocation_is_told_rather_than_an_expiry() -> None:
    world = World()
    world.revoke(ACME)
    assert world.sweep(connection("a", expires_at=NOW_S)) == {ConnectionState.REVOKED: 1}
    assert world.got("a") == [REVOKED]


def test_another_tenants_revocation_touches_no_connection() -> None:
    world = World()
    world.revoke(Target(Kind.TENANT, "t_globex"))
    assert world.sweep(connection("a"), connection("b", "t_initech")) == {ConnectionState.LIVE: 2}
    assert world.is_silent


def test_a_user_loses_the_members_whose_connections_ended_in_a_closed_period() -> None:
    world = World()
    closed, young = PERIOD - 2, PERIOD
    members = [Member(closed, "open"), Member(closed, "ended"), Member(young, "coming"), Member(closed, "elsewhere")]
    rows = [
        connection("open", connected_at=closed * PERIOD_MS),
        connection("elsewhere", "t_globex", connected_at=closed * PERIOD_MS),
    ]
    user = UserRow("t_acme", USER, frozenset(members))
    swept = world.janitor.sweep([user, *rows], NONE, NEVER)
    assert world.user_rows.removed == [("t_acme", USER, {Member(closed, "ended"), Member(closed, "elsewhere")})]
    assert swept.corrections == 1


def test_a_user_whose_connections_are_all_open_is_left_alone() -> None:
    world = World()
    rows = [connection("a", connected_at=(PERIOD - 2) * PERIOD_MS)]
    world.sweep(UserRow("t_acme", USER, frozenset({Member(PERIOD - 2, "a")})), *rows)
    world.sweep(UserRow("t_acme", USER, frozenset()))
    assert world.user_rows.removed == []


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


# --- Silent connections -----------------------------------------------------------------------------------------

LONG_AGO = NOW - SILENCE_MS - 1


def test_a_connection_that_was_silent_for_two_heartbeats_is_asked_about() -> None:
    world = World()
    rows = [connection("a", connected_at=LONG_AGO), connection("b", connected_at=LONG_AGO + 1)]
    assert world.sweep(*rows) == {ConnectionState.SILENT: 1, ConnectionState.LIVE: 1}
    assert world.poster.probed == ["a"]
    assert world.poster.posted == []
    assert world.registered.probed == {"a": NOW}
    assert world.registered.removed == []


def test_a_frame_or_an_earlier_probe_is_a_sign_of_life() -> None:
    world = World()
    rows = [
        connection("a", connected_at=LONG_AGO, full_at=(LONG_AGO + 1) * 1000),
        connection("b", connected_at=LONG_AGO, probed_at=LONG_AGO + 1),
        connection("c", connected_at=LONG_AGO, full_at=LONG_AGO * 1000 + 999, probed_at=LONG_AGO),
    ]
    assert world.sweep(*rows) == {ConnectionState.LIVE: 2, ConnectionState.SILENT: 1}
    assert world.poster.probed == ["c"]


def test_a_silent_connection_that_is_gone_loses_its_row() -> None:
    world = World(a=Outcome.GONE)
    silent = connection("a", connected_at=LONG_AGO)
    world.registered.rows.append(silent)
    world.sweep(silent)
    assert world.registered.removed == ["a"]
    assert world.registered.released == [("t_acme", LONG_AGO)]


def test_a_silent_connection_of_which_nothing_is_learned_stays_as_it_is() -> None:
    world = World(a=Outcome.BEHIND)
    world.sweep(connection("a", connected_at=LONG_AGO))
    assert world.registered.untouched


def test_a_mark_of_a_silent_connection_without_a_subscription_stays() -> None:
    world = World()
    world.sweep(connection("a", connected_at=LONG_AGO, behind_since=NOW - 1, subscribed=False))
    assert world.registered.cleared == []


def test_silent_connections_are_asked_about_after_all_others_had_their_turn() -> None:
    world = World()
    order: list[str] = []
    deliver = world.poster.deliver

    def note(deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        for receipt in deliver(deliveries, deadline):
            order.append(receipt.delivery.connection.connection_id)
            yield receipt

    world.poster.deliver = note
    silent = connection("silent", connected_at=LONG_AGO)
    behind, expired = connection("behind", behind_since=NOW - 1), connection("expired", expires_at=NOW_S)
    world.sweep(silent, behind, expired)
    assert order == ["behind", "expired", "silent"]


# --- Numbers of reserved connections ----------------------------------------------------------------------------


def test_a_number_that_is_wrong_in_every_sweep_for_a_minute_is_corrected() -> None:
    world = World()
    rows = [tenant("t_acme", p2=3), tenant("t_globex", p2=1, p0=5), connection("a"), connection("b")]
    corrected: list[list[tuple[str, int, int, int]]] = []
    for _ in range(3):
        world.janitor.sweep(rows, NONE, NEVER).tally.raise_failures()
        corrected.append(sorted(world.tenant_rows.corrected))
        world.now_ms += 59_000
    assert corrected == [[], [], [("t_acme", PERIOD - 2, 3, -1), ("t_globex", PERIOD - 2, 1, -1)]]


def test_corrections_are_counted() -> None:
    world = World()
    rows = [tenant(p2=3), tenant("t_globex", p3=0), TenantRow("t_initech", 1, {})]
    counted: list[int] = []
    for _ in range(2):
        counted.append(world.janitor.sweep(rows, NONE, NEVER).corrections)
        world.now_ms += 60_000
    assert counted == [1, 2]


def test_periods_whose_connections_have_all_ended_are_forgotten_and_not_counted() -> None:
    world = World()
    swept = world.janitor.sweep([tenant(p2=0, p3=0)], NONE, NEVER)
    assert swept.corrections == 0
    assert sorted(world.tenant_rows.corrected) == [("t_acme", PERIOD - 3, 0, 0), ("t_acme", PERIOD - 2, 0, 0)]


def test_a_number_that_is_not_that_of_its_periods_is_set_right() -> None:
    world = World()
    world.sweep(TenantRow("t_acme", 7, {PERIOD: 2}))
    assert world.tenant_rows.totals == [("t_acme", 7, 2)]


def test_what_fails_for_one_row_is_told_once_every_other_had_its_turn() -> None:
    world = World()
    world.poster.failures["a"] = PermissionError("a")
    world.registered.failures["c"] = PermissionError("c")
    world.tenant_rows.failing = frozenset({"t_globex"})
    due = [connection(name, expires_at=NOW_S) for name in "abc"]
    ended = [tenant("t_globex", p2=0), tenant("t_initech", p2=0), tenant(p2=4)]
    swept = world.janitor.sweep([*ended, *due, connection("d", behind_since=NOW - 1)], NONE, NEVER)
    assert [str(error) for error in swept.tally.failures] == ["t_globex", "a", "c"]
    assert swept.states == {ConnectionState.EXPIRED: 3, ConnectionState.BEHIND: 1}
    assert world.registered.removed == ["b"]
    assert world.registered.cleared == ["d"]
    assert world.tenant_rows.corrected == [("t_initech", PERIOD - 2, 0, 0)]


# --- Recorded filters -----------------------------------------------------------------------------------------

NEW, DONE, SPAM = (wanting({"status": [status]}) for status in ("new", "done", "spam"))


def recorded(tenant_id: str, *filters: SubscriptionFilter) -> FiltersRow:
    return FiltersRow(tenant_id, frozenset(map(build_entry, filters)))


def test_filters_that_connections_have_stay_recorded() -> None:
    world = World()
    rows = [connection("a", filter=NEW), connection("b", filter=NEW), connection("c", filter=DONE, shard=2)]
    world.sweep(*rows, recorded("t_acme", NEW, DONE))
    assert (world.filter_rows.removed, world.filter_rows.restored) == ({}, {})


def test_a_filter_that_no_connection_of_its_tenant_has_is_removed() -> None:
    world = World()
    rows = [connection("a", filter=NEW), connection("b", "t_globex", filter=DONE)]
    world.sweep(*rows, recorded("t_acme", NEW, DONE, SPAM), recorded("t_globex", DONE), recorded("t_initech", NEW))
    assert world.filter_rows.removed == {
        "t_acme": {build_entry(DONE), build_entry(SPAM)},
        "t_initech": {build_entry(NEW)},
    }
    assert world.filter_rows.restored == {}


def test_a_filter_that_was_removed_too_early_is_recorded_again() -> None:
    world = World()
    world.sweep(connection("a", filter=NEW), connection("b", filter=DONE), recorded("t_acme", DONE))
    world.sweep(connection("c", "t_globex", filter=SPAM))
    assert world.filter_rows.restored == {"t_acme": {build_entry(NEW)}, "t_globex": {build_entry(SPAM)}}
    assert world.filter_rows.removed == {}


def test_an_empty_table_is_fine() -> None:
    assert World().sweep() == {}
