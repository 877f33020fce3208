from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from formbridge.connection import Connection
from formbridge.registry import Registry
from formbridge.tenants import Tenant
from tests.handlers.builders import HOUR_S, NOW
from tests.handlers.connections import wanting
from tests.handlers.region import CONNECTIONS

if TYPE_CHECKING:
    from tests.handlers.clock import Clock
    from tests.handlers.region import Region

TTL_SECONDS = 2 * HOUR_S + 600
TWO_HOURS_MS = 2 * HOUR_S * 1000


def connection(connection_id: str = "conn-1", tenant_id: str = "t_acme", **fields: Any) -> Connection:
    """A connection that has just come."""
    values: dict[str, Any] = {
        "connected_at": NOW,
        "issued_at": NOW // 1000 - 60,
        "expires_at": NOW // 1000 + HOUR_S,
        "ttl": NOW // 1000 + TTL_SECONDS,
    }
    return Connection(tenant_id, connection_id, **{**values, **fields})


@pytest.fixture
def registry(region: Region, clock: Clock) -> Registry:
    return Registry(region.dynamodb, CONNECTIONS)


def add(registry: Registry, *connections: Connection) -> None:
    for each in connections or (connection(),):
        assert registry.add(each, 5_000) is None


def only(registry: Registry, tenant_id: str = "t_acme") -> Connection:
    (row,) = registry.connected(tenant_id)
    return row


def reserved(region: Region, tenant_id: str = "t_acme") -> int:
    """How many connections a tenant is counted to have."""
    return Tenant.from_row(region.tenant(tenant_id) or {"PK": {"S": ""}}).connections


# --- Coming and going -----------------------------------------------------------------------------------------


def test_a_connection_has_one_row_in_its_tenants_partition(region: Region, registry: Registry) -> None:
    add(registry)
    assert region.connection("t_acme", "conn-1") == {
        "PK": {"S": "TENANT#t_acme"},
        "SK": {"S": "CONN#conn-1"},
        "subscribed": {"BOOL": False},
        "connected_at": {"N": str(NOW)},
        "issued_at": {"N": str(NOW // 1000 - 60)},
        "expires_at": {"N": str(NOW // 1000 + HOUR_S)},
        "ttl": {"N": str(NOW // 1000 + TTL_SECONDS)},
    }
    assert only(registry) == connection()


def test_a_connection_without_a_row_stays_without_one(region: Region, registry: Registry) -> None:
    assert not registry.subscribe("t_acme", "conn-1", None)
    assert not registry.unsubscribe("t_acme", "conn-1")
    assert not registry.extend(connection(), NOW, NOW)
    registry.mark_behind(connection(), NOW)
    registry.clear_behind(replace(connection(), behind=NOW))
    assert region.connection("t_acme", "conn-1") is None


def test_a_connection_of_another_tenant_is_not_touched(registry: Registry) -> None:
    add(registry, connection("conn-1", "t_globex"))
    assert not registry.subscribe("t_acme", "conn-1", None)
    assert not registry.extend(connection("conn-1", "t_acme"), NOW, NOW)
    registry.remove("t_acme", "conn-1")
    assert list(registry.connected("t_acme")) == []
    assert only(registry, "t_globex") == connection("conn-1", "t_globex")


def test_a_removed_connection_is_gone_and_released_once_however_often_it_is_removed(
    region: Region, registry: Registry
) -> None:
    add(registry, connection("conn-1"), connection("conn-2"))
    registry.remove("t_acme", "conn-1")
    registry.remove("t_acme", "conn-1")
    assert region.connection("t_acme", "conn-1") is None
    assert reserved(region) == 1


@pytest.mark.parametrize(
    ("max_connections", "issued_at", "refusal"), [(1, NOW, "too_many_connections"), (2, 0, "revoked")]
)
def test_a_refused_connection_has_no_row_and_is_not_counted(
    region: Region, registry: Registry, max_connections: int, issued_at: int, refusal: str
) -> None:
    add(registry)
    registry.tenants.revoke("t_acme", 1)
    assert registry.add(connection("conn-2", issued_at=issued_at), max_connections) == refusal
    assert region.connection("t_acme", "conn-2") is None
    assert reserved(region) == 1


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
    region: Region, registry: Registry, event: str, disturb: Callable[..., None], error: type[Exception]
) -> None:
    with region.on(event, disturb), pytest.raises(error):
        registry.add(connection(), 1)
    assert region.connection("t_acme", "conn-1") is None
    assert reserved(region) == 0
    assert registry.add(connection("conn-2"), 1) is None


# --- Subscriptions --------------------------------------------------------------------------------------------


def test_a_connection_is_subscribed_from_when_it_subscribes_until_it_unsubscribes(
    registry: Registry, clock: Clock
) -> None:
    add(registry)
    assert not only(registry).subscribed
    clock.advance(5)
    assert registry.subscribe("t_acme", "conn-1", None)
    assert only(registry) == connection(subscribed=True, subscribed_at=NOW + 5)
    assert registry.unsubscribe("t_acme", "conn-1")
    assert not only(registry).subscribed


def test_subscribing_again_begins_a_new_view(registry: Registry, clock: Clock) -> None:
    add(registry)
    for _ in range(2):
        clock.advance(5)
        assert registry.subscribe("t_acme", "conn-1", None)
    assert only(registry) == connection(subscribed=True, subscribed_at=NOW + 10)


def test_a_filter_replaces_the_one_before_it_and_none_is_no_filter(registry: Registry) -> None:
    add(registry)
    for wanted in (wanting({"status": ["new"]}), wanting({"form_id": [{"prefix": "é"}]}), None):
        registry.subscribe("t_acme", "conn-1", wanted)
        assert only(registry).filter == wanted
    assert only(registry).subscribed


def test_the_filter_of_an_unsubscribed_connection_is_forgotten(registry: Registry) -> None:
    add(registry)
    registry.subscribe("t_acme", "conn-1", wanting({"status": ["new"]}))
    registry.unsubscribe("t_acme", "conn-1")
    assert only(registry).filter is None


def test_a_later_token_makes_a_connection_last_longer(region: Region, registry: Registry) -> None:
    add(registry)
    assert registry.extend(connection(), NOW // 1000 + 2 * HOUR_S, NOW // 1000)
    assert only(registry) == connection(expires_at=NOW // 1000 + 2 * HOUR_S, issued_at=NOW // 1000)


# --- Behind ---------------------------------------------------------------------------------------------------


def test_a_connection_that_missed_a_post_is_behind_until_it_was_told(registry: Registry) -> None:
    add(registry)
    registry.mark_behind(connection(), NOW + 5)
    assert only(registry).behind == NOW + 5
    registry.clear_behind(only(registry))
    assert only(registry).behind is None


def test_a_mark_that_another_broadcast_set_meanwhile_stays(registry: Registry) -> None:
    add(registry)
    registry.mark_behind(connection(), NOW + 5)
    seen = only(registry)
    registry.mark_behind(connection(), NOW + 6)
    registry.clear_behind(seen)
    assert only(registry).behind == NOW + 6


# --- Reading --------------------------------------------------------------------------------------------------


def test_a_row_that_outlived_its_connection_is_left_out(registry: Registry, clock: Clock) -> None:
    add(registry)
    clock.advance(TWO_HOURS_MS)
    assert only(registry) == connection()
    clock.advance(600_000)
    assert list(registry.connected("t_acme")) == []


def test_every_connection_of_a_tenant_is_found_and_no_other(registry: Registry) -> None:
    own = [connection(f"conn-{n:02}") for n in range(30)]
    add(registry, *own, connection("conn-99", "t_acme2"))
    assert list(registry.connected("t_acme")) == own


def test_the_janitor_finds_every_row_of_every_tenant(registry: Registry, clock: Clock) -> None:
    outlived = connection("conn-2", "t_globex", ttl=NOW // 1000)
    add(registry, connection("conn-1"), outlived)
    registry.tenants.revoke("t_globex", 7)
    quarters = {NOW // 1000 // 900: 1}
    found = list(registry.everything())
    assert sorted(found, key=repr) == [
        connection("conn-1"),
        outlived,
        Tenant("t_acme", 1, revoked_at=0, quarters=quarters),
        Tenant("t_globex", 1, revoked_at=7, quarters=quarters),
    ]


def test_what_was_acknowledged_is_read(region: Region, registry: Registry) -> None:
    """Of DynamoDB's two kinds of read, moto has only the one."""
    asked: list[bool] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params.get("ConsistentRead", False))

    with (
        region.on("provide-client-params.dynamodb.Query", note),
        region.on("provide-client-params.dynamodb.Scan", note),
    ):
        list(registry.connected("t_acme"))
        list(registry.everything())
    assert asked == [True, True]
