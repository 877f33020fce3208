from __future__ import annotations

from contextlib import contextmanager
from itertools import count, permutations
from typing import TYPE_CHECKING, Any, TypeGuard

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.principal import Principal
from formbridge.connections.connection import Connection, ConnectionKey, Reservation, Span, Subscribed
from formbridge.connections.rate_limit import Rate
from formbridge.connections.table import ConnectionsTable
from formbridge.connections.tenant_row import PERIOD_MS, TenantRow
from formbridge.connections.user_row import Member, UserRow
from formbridge.runtime.identifiers import TENANT_ID
from formbridge.runtime.keys import parse_tenant_partition, tenant_partition
from tests.support.handlers.builders import HOUR_S, NOW
from tests.support.handlers.connections import wanting
from tests.support.handlers.principals import USER
from tests.support.handlers.region import CONNECTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable

    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

TTL_SECONDS = 2 * HOUR_S + 600
TWO_HOURS_MS = 2 * HOUR_S * 1000


PERIOD = NOW // PERIOD_MS
PRINCIPAL = Principal(USER, "5e55", "70ce", signed_in_at=NOW // 1000 - 60)
KEY = ConnectionKey("t_acme", "conn-1")
ORDER = "1795377600000#a"
LATER = "1795377600000#b"


def connection(connection_id: str = "conn-1", tenant_id: str = "t_acme", shard: int = 0, **fields: Any) -> Connection:
    """A connection that has just come."""
    values: dict[str, Any] = {
        "connected_at": NOW,
        "principal": PRINCIPAL,
        "expires_at": NOW // 1000 + HOUR_S,
        "ttl": NOW // 1000 + TTL_SECONDS,
    }
    return Connection(ConnectionKey(tenant_id, connection_id, shard), **{**values, **fields})


@pytest.fixture
def connections_table(region: Region, clock: Clock) -> ConnectionsTable:
    return ConnectionsTable(region.dynamodb, CONNECTIONS)


def add(connections_table: ConnectionsTable, *connections: Connection) -> None:
    for each in connections or (connection(),):
        assert connections_table.add(each, 5_000, 5_000) is None


def only(connections_table: ConnectionsTable, tenant_id: str = "t_acme") -> Connection:
    (row,) = connections_table.list_connections(tenant_id)
    return row


def reserved(region: Region, tenant_id: str = "t_acme") -> int:
    """How many connections a tenant is counted to have."""
    return TenantRow.from_row(region.tenant(tenant_id) or {"PK": {"S": ""}}).connections


def members(region: Region, user: str = USER) -> set[str]:
    """The reserved connections of a user of t_acme."""
    return set((region.user("t_acme", user) or {}).get("connections", {}).get("SS", []))


# --- Coming and going -----------------------------------------------------------------------------------------


def test_a_connection_has_one_row_in_its_tenants_partition(region: Region, connections_table: ConnectionsTable) -> None:
    add(connections_table)
    assert region.connection("t_acme", "conn-1") == {
        "PK": {"S": "TENANT#t_acme"},
        "SK": {"S": "CONN#conn-1"},
        "subscribed": {"BOOL": False},
        "connected_at": {"N": str(NOW)},
        "user": {"S": USER},
        "session": {"S": "5e55"},
        "token_id": {"S": "70ce"},
        "signed_in_at": {"N": str(NOW // 1000 - 60)},
        "expires_at": {"N": str(NOW // 1000 + HOUR_S)},
        "ttl": {"N": str(NOW // 1000 + TTL_SECONDS)},
    }
    assert only(connections_table) == connection()


def test_a_connection_without_a_row_stays_without_one(region: Region, connections_table: ConnectionsTable) -> None:
    assert connections_table.subscribe(KEY, None, ORDER) is Subscribed.NO_ROW
    assert connections_table.unsubscribe(KEY, ORDER) is Subscribed.NO_ROW
    assert not connections_table.restart_view(KEY)
    assert connections_table.extend(KEY, NOW, PRINCIPAL) is None
    connections_table.mark_behind(KEY, NOW)
    connections_table.clear_behind(KEY, NOW)
    connections_table.record_probe(KEY, NOW)
    assert connections_table.delete(KEY) is None
    assert region.connection("t_acme", "conn-1") is None


def test_a_connection_of_another_tenant_is_not_touched(connections_table: ConnectionsTable) -> None:
    add(connections_table, connection("conn-1", "t_globex"))
    assert connections_table.subscribe(KEY, None, ORDER) is Subscribed.NO_ROW
    assert not connections_table.restart_view(KEY)
    assert connections_table.extend(KEY, NOW, PRINCIPAL) is None
    connections_table.remove(KEY)
    assert list(connections_table.list_connections("t_acme")) == []
    assert only(connections_table, "t_globex") == connection("conn-1", "t_globex")


def test_a_removed_connection_is_gone_and_released_once_however_often_it_is_removed(
    region: Region, connections_table: ConnectionsTable
) -> None:
    add(connections_table, connection("conn-1"), connection("conn-2"))
    connections_table.remove(KEY)
    connections_table.remove(KEY)
    assert region.connection("t_acme", "conn-1") is None
    assert (reserved(region), members(region)) == (1, {f"{PERIOD}#conn-2"})


def test_whoever_deletes_a_row_is_told_what_to_release(region: Region, connections_table: ConnectionsTable) -> None:
    add(connections_table, connection(connected_at=NOW + 5), connection("conn-2"))
    reservation = Reservation("conn-1", NOW + 5, USER)
    assert connections_table.delete(KEY) == reservation
    assert connections_table.delete(KEY) is None
    assert (reserved(region), len(members(region))) == (2, 2)
    connections_table.release("t_acme", [reservation])
    assert (reserved(region), members(region)) == (1, {f"{PERIOD}#conn-2"})


@pytest.mark.parametrize(
    ("max_connections", "max_user_connections", "refusal"),
    [(1, 2, "too_many_connections"), (2, 1, "too_many_connections_of_user"), (1, 1, "too_many_connections_of_user")],
)
def test_a_refused_connection_has_no_row_and_is_not_counted(
    region: Region, connections_table: ConnectionsTable, max_connections: int, max_user_connections: int, refusal: str
) -> None:
    add(connections_table)
    assert connections_table.add(connection("conn-2"), max_connections, max_user_connections) == refusal
    assert region.connection("t_acme", "conn-2") is None
    assert reserved(region) == 1
    assert members(region) == {f"{PERIOD}#conn-1"}


def refuse(**_: object) -> None:
    raise ClientError({"Error": {"Code": "InternalServerError", "Message": "try again"}}, "PutItem")


def lose(**_: object) -> None:
    raise ReadTimeoutError(endpoint_url="https://dynamodb.us-east-1.amazonaws.com")


@pytest.mark.parametrize(
    ("event", "disturb", "error"),
    [
        ("before-call.dynamodb.PutItem", refuse, ClientError),
        ("before-call.dynamodb.PutItem", lose, ReadTimeoutError),
        ("after-call.dynamodb.PutItem", lose, ReadTimeoutError),
    ],
    ids=["refused", "lost", "written and its answer lost"],
)
def test_a_row_that_may_not_have_been_written_is_deleted_and_its_reservation_given_back(
    region: Region,
    connections_table: ConnectionsTable,
    event: str,
    disturb: Callable[..., None],
    error: type[Exception],
) -> None:
    with region.on(event, disturb), pytest.raises(error):
        connections_table.add(connection(), 1, 1)
    assert region.connection("t_acme", "conn-1") is None
    assert (reserved(region), members(region)) == (0, set())
    assert connections_table.add(connection("conn-2"), 1, 1) is None


# --- Subscriptions --------------------------------------------------------------------------------------------


def test_a_connection_is_subscribed_from_when_it_subscribes_until_it_unsubscribes(
    connections_table: ConnectionsTable, clock: Clock
) -> None:
    add(connections_table)
    assert not only(connections_table).subscribed
    clock.advance(5)
    assert connections_table.subscribe(KEY, None, ORDER) is Subscribed.DONE
    assert only(connections_table) == connection(subscribed=True, subscribed_at=NOW + 5)
    assert connections_table.unsubscribe(KEY, LATER) is Subscribed.DONE
    assert not only(connections_table).subscribed


def test_subscribing_again_begins_a_new_view(connections_table: ConnectionsTable, clock: Clock) -> None:
    add(connections_table)
    for _ in range(2):
        clock.advance(5)
        assert connections_table.subscribe(KEY, None, ORDER) is Subscribed.DONE
    assert only(connections_table) == connection(subscribed=True, subscribed_at=NOW + 10)


def test_a_filter_replaces_the_one_before_it_and_none_is_no_filter(connections_table: ConnectionsTable) -> None:
    add(connections_table)
    for wanted in (wanting({"status": ["new"]}), wanting({"form_id": [{"prefix": "é"}]}), None):
        connections_table.subscribe(KEY, wanted, ORDER)
        assert only(connections_table).filter == wanted
    assert only(connections_table).subscribed


def test_the_filter_of_an_unsubscribed_connection_is_forgotten(connections_table: ConnectionsTable) -> None:
    add(connections_table)
    connections_table.subscribe(KEY, wanting({"status": ["new"]}), ORDER)
    connections_table.unsubscribe(KEY, LATER)
    assert only(connections_table).filter is None


def test_a_later_token_makes_a_connection_last_longer(region: Region, connections_table: ConnectionsTable) -> None:
    add(connections_table)
    for principal in (Principal(USER, "another", "", NOW // 1000), PRINCIPAL, Principal(USER)):
        expires_at = only(connections_table).expires_at + HOUR_S
        assert connections_table.extend(KEY, expires_at, principal) == expires_at
        assert only(connections_table) == connection(expires_at=expires_at, principal=principal)


def test_a_token_that_expires_earlier_than_the_last_one_changes_nothing(connections_table: ConnectionsTable) -> None:
    add(connections_table)
    held = connection().expires_at
    for expires_at in (held, held - 1):
        assert connections_table.extend(KEY, expires_at, Principal(USER)) == held
    assert only(connections_table) == connection()


WANTED = wanting({"status": ["new"]})


@pytest.mark.parametrize("late", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("newest", ["subscribe", "unsubscribe"])
def test_a_request_that_comes_after_a_later_one_writes_nothing(
    region: Region, connections_table: ConnectionsTable, clock: Clock, late: str, newest: str
) -> None:
    def request(action: str, order: str) -> Subscribed:
        if action == "subscribe":
            return connections_table.subscribe(KEY, WANTED, order)
        return connections_table.unsubscribe(KEY, order)

    add(connections_table)
    assert request(newest, LATER) is Subscribed.DONE
    before = region.connection("t_acme", "conn-1")
    clock.advance(5)
    assert request(late, ORDER) is Subscribed.SUPERSEDED
    assert region.connection("t_acme", "conn-1") == before
    assert request(late, LATER) is Subscribed.DONE


def test_the_latest_request_wins_in_whatever_order_they_are_processed(
    region: Region, connections_table: ConnectionsTable
) -> None:
    requests_ = [f"{NOW + n // 2:013}#{'ab'[n % 2]}" for n in range(4)]
    for orders in permutations(requests_):
        region.clear()
        add(connections_table)
        for order in orders:
            connections_table.subscribe(KEY, wanting({"status": [order]}), order)
        assert only(connections_table).filter == wanting({"status": [max(requests_)]})


def test_a_view_that_starts_anew_keeps_its_filter_and_its_place_in_the_order(
    connections_table: ConnectionsTable, clock: Clock
) -> None:
    add(connections_table)
    connections_table.subscribe(KEY, WANTED, LATER)
    clock.advance(5)
    assert connections_table.restart_view(KEY)
    assert only(connections_table) == connection(subscribed=True, subscribed_at=NOW + 5, filter=WANTED)
    assert connections_table.unsubscribe(KEY, ORDER) is Subscribed.SUPERSEDED


# --- The tenant's history -------------------------------------------------------------------------------------


def test_a_tenants_epoch_is_read_with_its_connections(connections_table: ConnectionsTable, clock: Clock) -> None:
    subscribe(connections_table, connection("conn-1"), connection("conn-2", "t_globex"))
    assert connections_table.read_tenant_connections("t_acme").epoch == 0
    clock.advance(5)
    connections_table.raise_epoch("t_acme")
    assert connections_table.read_tenant_connections("t_acme").epoch == NOW + 5
    assert connections_table.read_epoch("t_acme", "") == NOW + 5
    assert connections_table.read_tenant_connections("t_globex").epoch == 0
    assert names(connections_table.read_tenant_connections("t_acme").subscribed) == ["conn-1"]


def test_another_history_raises_the_epoch_to_the_time_when_it_is_seen(
    connections_table: ConnectionsTable, clock: Clock
) -> None:
    assert connections_table.read_epoch("t_acme", "stream-1") == 0
    clock.advance(5)
    assert connections_table.read_epoch("t_acme", "stream-2") == NOW + 5
    assert connections_table.read_tenant_connections("t_acme").epoch == NOW + 5


# --- Behind ---------------------------------------------------------------------------------------------------


def test_a_connection_that_missed_a_post_is_behind_until_it_was_told(connections_table: ConnectionsTable) -> None:
    add(connections_table)
    connections_table.mark_behind(KEY, NOW + 5)
    assert only(connections_table).behind_since == NOW + 5
    connections_table.clear_behind(KEY, NOW + 5)
    assert only(connections_table).behind_since is None


def test_a_mark_that_another_broadcast_set_meanwhile_stays(connections_table: ConnectionsTable) -> None:
    add(connections_table)
    connections_table.mark_behind(KEY, NOW + 5)
    connections_table.mark_behind(KEY, NOW + 6)
    connections_table.clear_behind(KEY, NOW + 5)
    assert only(connections_table).behind_since == NOW + 6


def test_when_a_probe_found_a_connection_open_is_recorded(connections_table: ConnectionsTable) -> None:
    add(connections_table)
    connections_table.record_probe(KEY, NOW + 7)
    assert only(connections_table).probed_at == NOW + 7


# --- Reading --------------------------------------------------------------------------------------------------


def subscribe(connections_table: ConnectionsTable, *connections: Connection) -> None:
    """They come and subscribe at once."""
    add(connections_table, *connections)
    for each in connections:
        assert connections_table.subscribe(each.key, each.filter, ORDER) is Subscribed.DONE


def names(connections: Iterable[Connection]) -> list[str]:
    return sorted(each.connection_id for each in connections)


def test_a_row_that_outlived_its_connection_is_left_out(connections_table: ConnectionsTable, clock: Clock) -> None:
    subscribe(connections_table, connection())
    clock.advance(TWO_HOURS_MS)
    assert (
        names(connections_table.list_connections("t_acme"))
        == names(connections_table.read_tenant_connections("t_acme").subscribed)
        == ["conn-1"]
    )
    clock.advance(600_000)
    assert (
        names(connections_table.list_connections("t_acme"))
        == names(connections_table.read_tenant_connections("t_acme").subscribed)
        == []
    )


def test_every_connection_of_a_tenant_is_found_and_no_other(connections_table: ConnectionsTable) -> None:
    own = [connection(f"conn-{n:02}") for n in range(30)]
    add(connections_table, *own, connection("conn-99", "t_acme2"))
    assert sorted(connections_table.list_connections("t_acme"), key=repr) == own


def test_a_roster_holds_who_is_subscribed_with_what_a_broadcast_needs(connections_table: ConnectionsTable) -> None:
    wanted = wanting({"status": ["new"]})
    subscribe(connections_table, connection("conn-1"), connection("conn-2", filter=wanted))
    add(connections_table, connection("conn-3"))
    connections_table.mark_behind(KEY, NOW + 5)
    roster = connections_table.read_tenant_connections("t_acme")
    assert (roster.reserved, roster.shards, roster.epoch) == (3, 1, 0)
    read: dict[str, Any] = {"subscribed": True, "subscribed_at": NOW, "principal": Principal(), "ttl": 0}
    assert sorted(roster.subscribed, key=repr) == [
        connection("conn-1", behind_since=NOW + 5, **read),
        connection("conn-2", filter=wanted, **read),
    ]


def test_the_roster_of_a_tenant_that_nobody_ever_connected_as_is_empty(connections_table: ConnectionsTable) -> None:
    roster = connections_table.read_tenant_connections("t_acme")
    assert (roster.reserved, roster.shards, list(roster.subscribed)) == (0, 1, [])


def test_connections_are_read_though_their_tenants_row_is_not_there(
    region: Region, connections_table: ConnectionsTable
) -> None:
    subscribe(connections_table, connection("conn-1"), connection("conn-2"))
    region.dynamodb.delete_item(TableName=CONNECTIONS, Key={"PK": {"S": "TENANT#t_acme"}, "SK": {"S": "TENANT"}})
    roster = connections_table.read_tenant_connections("t_acme")
    assert (roster.reserved, roster.shards, names(roster.subscribed)) == (0, 1, ["conn-1", "conn-2"])


def test_the_janitor_finds_every_row_of_every_tenant(connections_table: ConnectionsTable, clock: Clock) -> None:
    outlived = connection("conn-2", "t_globex", ttl=NOW // 1000)
    add(connections_table, connection("conn-1"), outlived, connection("conn-3", shard=12))
    found = list(connections_table.scan())
    assert sorted(found, key=repr) == [
        connection("conn-1"),
        connection("conn-3", shard=12),
        outlived,
        TenantRow("t_acme", 2, periods={PERIOD: 2}, shards=13),
        TenantRow("t_globex", 1, periods={PERIOD: 1}),
        UserRow("t_acme", USER, frozenset({Member(PERIOD, "conn-1"), Member(PERIOD, "conn-3")})),
        UserRow("t_globex", USER, frozenset({Member(PERIOD, "conn-2")})),
    ]


def test_what_was_acknowledged_is_read(region: Region, connections_table: ConnectionsTable) -> None:
    """Of DynamoDB's two kinds of read, moto has only the one."""
    add(connections_table, connection(shard=1))
    with requests(region) as asked:
        list(connections_table.list_connections("t_acme"))
        list(connections_table.read_tenant_connections("t_acme").subscribed)
        list(connections_table.scan())
    assert [params.get("ConsistentRead") for params in asked] == [True] * 5


@contextmanager
def requests(region: Region) -> Generator[list[dict[str, Any]]]:
    """What is read while the block runs."""
    asked: list[dict[str, Any]] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params)

    with (
        region.on("provide-client-params.dynamodb.Query", note),
        region.on("provide-client-params.dynamodb.Scan", note),
    ):
        yield asked


@contextmanager
def pages_of(region: Region, rows: int) -> Generator[None]:
    """DynamoDB reads no more than so many rows at once: a real page holds 1 MB."""

    def limit(params: dict[str, Any], **_: Any) -> None:
        params["Limit"] = min(rows, params.get("Limit", rows))

    with (
        region.on("provide-client-params.dynamodb.Query", limit),
        region.on("provide-client-params.dynamodb.Scan", limit),
    ):
        yield


@pytest.mark.parametrize("rows", [1, 3, 4])
def test_every_page_is_read(region: Region, connections_table: ConnectionsTable, rows: int) -> None:
    subscribe(connections_table, *(connection(f"conn-{n}", shard=n % 2) for n in range(8)))
    add(connections_table, connection("silent"))
    expected = [f"conn-{n}" for n in range(8)]
    with pages_of(region, rows):
        roster = connections_table.read_tenant_connections("t_acme")
        assert (roster.reserved, names(roster.subscribed)) == (9, expected)
        assert names(connections_table.list_connections("t_acme")) == [*expected, "silent"]
        assert names(connections_table.read_shard("t_acme", 1)) == expected[1::2]
        assert len(list(connections_table.scan())) == 11


# --- Shards ---------------------------------------------------------------------------------------------------


def test_a_connections_row_stands_in_its_shard(region: Region, connections_table: ConnectionsTable) -> None:
    add(connections_table, connection("conn-1", shard=3))
    assert (region.connection("t_acme", "conn-1", 3) or {})["PK"] == {"S": "TENANT#t_acme#3"}
    assert region.connection("t_acme", "conn-1") is None
    key = connection("conn-1", shard=3).key
    assert connections_table.subscribe(key, None, ORDER) is Subscribed.DONE
    assert connections_table.subscribe(KEY, None, ORDER) is Subscribed.NO_ROW
    admitted = connections_table.admit(key, Rate(10, 20), NOW)
    assert isinstance(admitted, Connection)
    assert admitted.key == key
    connections_table.remove(key)
    assert region.connection("t_acme", "conn-1", 3) is None
    assert reserved(region) == 0


def test_the_rows_of_all_shards_are_read(connections_table: ConnectionsTable) -> None:
    subscribe(connections_table, *(connection(f"conn-{n}", shard=n % 4) for n in range(12)))
    roster = connections_table.read_tenant_connections("t_acme")
    assert (roster.reserved, roster.shards) == (12, 4)
    assert {each.key for each in roster.subscribed} == {("t_acme", f"conn-{n}", n % 4) for n in range(12)}
    assert names(connections_table.read_shard("t_acme", 0)) == ["conn-0", "conn-4", "conn-8"]
    assert names(connections_table.read_shard("t_acme", 3)) == ["conn-11", "conn-3", "conn-7"]
    assert names(connections_table.read_shard("t_acme", 4)) == []


def test_a_shard_is_read_when_its_turn_comes(region: Region, connections_table: ConnectionsTable) -> None:
    """A broadcast to a large tenant, which it hands over, reads no more than the first page."""
    subscribe(connections_table, *(connection(f"conn-{n}", shard=n) for n in range(3)))
    with requests(region) as asked:
        roster = connections_table.read_tenant_connections("t_acme")
        assert len(asked) == 1
        next(roster.subscribed)
        assert len(asked) == 1
        next(roster.subscribed)
        assert len(asked) == 2


def test_no_row_stands_in_a_shard_that_a_reader_does_not_know_of(
    region: Region, connections_table: ConnectionsTable
) -> None:
    """Whatever comes in between: the number of shards is told before the row is written."""
    told: list[int] = []

    def note(**_: object) -> None:
        told.append(connections_table.read_tenant_connections("t_acme").shards)

    with region.on("before-call.dynamodb.PutItem", note):
        add(connections_table, *(connection(f"conn-{n}", shard=n) for n in (0, 2, 1, 5, 0)))
    assert told == [1, 3, 3, 6, 6]


def test_a_shard_that_cannot_be_told_of_gets_no_row_and_nothing_is_reserved(
    region: Region, connections_table: ConnectionsTable
) -> None:
    asked = count()

    def refuse_the_second(**_: object) -> None:
        if next(asked) == 1:
            refuse()

    with region.on("before-call.dynamodb.UpdateItem", refuse_the_second), pytest.raises(ClientError):
        connections_table.add(connection(shard=1), 10, 10)
    assert region.connection("t_acme", "conn-1", 1) is None
    assert (reserved(region), members(region)) == (0, set())


def test_a_shard_is_told_of_once(region: Region, connections_table: ConnectionsTable) -> None:
    asked: list[str] = []

    def note(event_name: str, **_: object) -> None:
        asked.append(event_name.removeprefix("before-call.dynamodb."))

    with region.on("before-call.dynamodb", note):
        add(connections_table, connection("conn-1", shard=1))
        # The user's row, then the tenant's: refused, told of the shard, and asked again.
        assert asked == ["UpdateItem", "UpdateItem", "UpdateItem", "UpdateItem", "PutItem"]
        asked.clear()
        add(connections_table, connection("conn-2", shard=1), connection("conn-3"))
        assert asked == ["UpdateItem", "UpdateItem", "PutItem"] * 2


def test_two_that_tell_of_shards_at_once_leave_the_higher_number(
    region: Region, connections_table: ConnectionsTable
) -> None:
    """The row of the other is there by the time that this one tells of its own."""
    other = ConnectionsTable(region.dynamodb, CONNECTIONS)
    asked = count()

    def connect_another(**_: object) -> None:
        if next(asked) == 1:
            add(other, connection("conn-2", shard=7))

    with region.on("before-call.dynamodb.UpdateItem", connect_another):
        add(connections_table, connection("conn-1", shard=3))
    assert connections_table.read_tenant_connections("t_acme").shards == 8
    assert names(connections_table.list_connections("t_acme")) == ["conn-1", "conn-2"]


@pytest.mark.parametrize("shard", [0, 1, 7])
@pytest.mark.parametrize(
    ("max_connections", "max_user_connections", "refusal"),
    [(1, 2, "too_many_connections"), (2, 1, "too_many_connections_of_user"), (1, 1, "too_many_connections_of_user")],
)
def test_a_refused_connection_opens_up_no_shard(
    connections_table: ConnectionsTable, shard: int, max_connections: int, max_user_connections: int, refusal: str
) -> None:
    add(connections_table)
    assert connections_table.add(connection("conn-2", shard=shard), max_connections, max_user_connections) == refusal
    assert connections_table.read_tenant_connections("t_acme").shards == 1


def test_no_other_tenants_shard_is_read_whatever_its_name(connections_table: ConnectionsTable) -> None:
    """A tenant's id holds no `#`; these are as near to one another as ids can be."""
    tenants = ("t_a", "t_a1", "t_a-1", "t_A", "t_")
    subscribe(connections_table, *(connection(f"of {tenant} {n}", tenant, n) for tenant in tenants for n in range(3)))
    for tenant in tenants:
        assert names(connections_table.read_tenant_connections(tenant).subscribed) == [
            f"of {tenant} {n}" for n in range(3)
        ]
        assert names(connections_table.list_connections(tenant)) == [f"of {tenant} {n}" for n in range(3)]
        assert names(connections_table.read_shard(tenant, 1)) == [f"of {tenant} 1"]
    assert {(each.tenant_id, each.connection_id[3:-2]) for each in connections_table.scan() if is_one(each)} == {
        (tenant, tenant) for tenant in tenants
    }


def is_one(row: object) -> TypeGuard[Connection]:
    return isinstance(row, Connection)


@given(st.from_regex(TENANT_ID, fullmatch=True), st.integers(0, 999))
def test_a_partition_tells_whose_it_is(tenant_id: str, shard: int) -> None:
    assert parse_tenant_partition(tenant_partition(tenant_id, shard)) == (tenant_id, shard)


@given(*[st.from_regex(TENANT_ID, fullmatch=True), st.integers(0, 999)] * 2)
def test_no_two_shards_are_one_partition(one: str, its: int, other: str, others: int) -> None:
    assert (tenant_partition(one, its) == tenant_partition(other, others)) == ((one, its) == (other, others))


# --- Parts of a shard -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("shard", [0, 2])
@pytest.mark.parametrize("page", [2, 3, 1_000])
@pytest.mark.parametrize(
    ("size", "spans"),
    [
        (3, [Span(None, "conn-2"), Span("conn-2", "conn-5"), Span("conn-5", None)]),
        (4, [Span(None, "conn-3"), Span("conn-3", None)]),
        (7, [Span(None, "conn-6"), Span("conn-6", None)]),
        (8, [Span()]),
        (9, [Span()]),
    ],
)
def test_a_shard_is_cut_after_every_so_many_rows(
    region: Region, connections_table: ConnectionsTable, shard: int, page: int, size: int, spans: list[Span]
) -> None:
    add(connections_table, *(connection(f"conn-{n}", shard=shard) for n in range(8)))
    with pages_of(region, page):
        assert connections_table.split_shard("t_acme", shard, size) == spans


def test_a_shard_without_rows_is_one_span(connections_table: ConnectionsTable) -> None:
    assert connections_table.split_shard("t_acme", 0, 3) == connections_table.split_shard("t_acme", 5, 3) == [Span()]


@pytest.mark.parametrize("shard", [0, 1])
@pytest.mark.parametrize("size", [1, 3, 4, 100])
def test_each_connection_is_in_one_of_the_spans_whenever_it_came(
    connections_table: ConnectionsTable, shard: int, size: int
) -> None:
    subscribe(connections_table, *(connection(f"{n:02}=", shard=shard) for n in range(10, 20)))
    add(connections_table, connection("silent", shard=shard))
    spans = connections_table.split_shard("t_acme", shard, size)
    subscribe(connections_table, *(connection(f"{n}a", shard=shard) for n in ("0", "12", "15", "20", "z")))
    read = [each.connection_id for span in spans for each in connections_table.read_shard("t_acme", shard, span)]
    assert sorted(read) == names(connections_table.read_shard("t_acme", shard))
    assert len(read) == 15
