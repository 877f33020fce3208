from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from formbridge.fanout import Connection
from formbridge.registry import Registry
from tests.handlers.builders import HOUR_S, NOW
from tests.handlers.region import CONNECTIONS

if TYPE_CHECKING:
    from tests.handlers.clock import Clock
    from tests.handlers.region import Region

TTL_SECONDS = 2 * HOUR_S + 600
TWO_HOURS_MS = 2 * HOUR_S * 1000


def connection(connection_id: str = "conn-1", tenant_id: str = "t_acme") -> Connection:
    return Connection(tenant_id, connection_id, connected_at=NOW, expires_at=NOW // 1000 + HOUR_S)


@pytest.fixture
def registry(region: Region, clock: Clock) -> Registry:
    return Registry(region.dynamodb, CONNECTIONS)


def test_a_connection_has_one_row_in_its_tenants_partition(region: Region, registry: Registry) -> None:
    registry.add(connection(), TTL_SECONDS)
    assert region.connection("t_acme", "conn-1") == {
        "PK": {"S": "TENANT#t_acme"},
        "SK": {"S": "CONN#conn-1"},
        "subscribed": {"BOOL": False},
        "connected_at": {"N": str(NOW)},
        "expires_at": {"N": str(NOW // 1000 + HOUR_S)},
        "ttl": {"N": str(NOW // 1000 + TTL_SECONDS)},
    }


def test_a_connection_gets_nothing_until_it_subscribes(registry: Registry) -> None:
    registry.add(connection(), TTL_SECONDS)
    assert list(registry.subscribed("t_acme")) == []
    assert not registry.is_subscribed("t_acme", "conn-1")
    assert registry.subscribe("t_acme", "conn-1")
    assert list(registry.subscribed("t_acme")) == [connection()]
    assert registry.is_subscribed("t_acme", "conn-1")


def test_a_connection_gets_nothing_once_it_has_unsubscribed(registry: Registry) -> None:
    registry.add(connection(), TTL_SECONDS)
    registry.subscribe("t_acme", "conn-1")
    assert registry.unsubscribe("t_acme", "conn-1")
    assert list(registry.subscribed("t_acme")) == []
    assert not registry.is_subscribed("t_acme", "conn-1")


def test_subscribing_twice_is_subscribing_once(registry: Registry) -> None:
    registry.add(connection(), TTL_SECONDS)
    assert registry.subscribe("t_acme", "conn-1")
    assert registry.subscribe("t_acme", "conn-1")
    assert list(registry.subscribed("t_acme")) == [connection()]


def test_a_connection_without_a_row_stays_without_one(region: Region, registry: Registry) -> None:
    assert not registry.subscribe("t_acme", "conn-1")
    assert not registry.unsubscribe("t_acme", "conn-1")
    assert registry.is_subscribed("t_acme", "conn-1") is None
    registry.mark_behind(connection(), NOW)
    registry.clear_behind(replace(connection(), behind=NOW))
    assert region.connection("t_acme", "conn-1") is None


def test_a_connection_of_another_tenant_is_not_touched(registry: Registry) -> None:
    registry.add(connection("conn-1", "t_globex"), TTL_SECONDS)
    assert not registry.subscribe("t_acme", "conn-1")
    registry.remove("t_acme", "conn-1")
    assert registry.subscribe("t_globex", "conn-1")
    assert list(registry.subscribed("t_acme")) == []
    assert list(registry.subscribed("t_globex")) == [connection("conn-1", "t_globex")]


def test_a_removed_connection_is_gone_and_may_be_removed_again(region: Region, registry: Registry) -> None:
    registry.add(connection(), TTL_SECONDS)
    registry.remove("t_acme", "conn-1")
    registry.remove("t_acme", "conn-1")
    assert region.connection("t_acme", "conn-1") is None


def test_a_row_that_outlived_its_connection_is_left_out(registry: Registry, clock: Clock) -> None:
    registry.add(connection(), TTL_SECONDS)
    registry.subscribe("t_acme", "conn-1")
    clock.advance(TWO_HOURS_MS)
    assert list(registry.subscribed("t_acme")) == [connection()]
    clock.advance(600_000)
    assert list(registry.subscribed("t_acme")) == []


def only(registry: Registry) -> Connection:
    (row,) = registry.subscribed("t_acme")
    return row


def test_a_connection_that_missed_a_post_is_behind_until_it_was_told(registry: Registry) -> None:
    registry.add(connection(), TTL_SECONDS)
    registry.subscribe("t_acme", "conn-1")
    registry.mark_behind(connection(), NOW + 5)
    assert only(registry).behind == NOW + 5
    registry.clear_behind(only(registry))
    assert only(registry).behind is None


def test_a_mark_that_another_broadcast_set_meanwhile_stays(registry: Registry) -> None:
    registry.add(connection(), TTL_SECONDS)
    registry.subscribe("t_acme", "conn-1")
    registry.mark_behind(connection(), NOW + 5)
    seen = only(registry)
    registry.mark_behind(connection(), NOW + 6)
    registry.clear_behind(seen)
    assert only(registry).behind == NOW + 6


def test_every_subscribed_connection_is_found(registry: Registry) -> None:
    for n in range(30):
        registry.add(connection(f"conn-{n:02}"), TTL_SECONDS)
        if n % 3 == 0:
            registry.subscribe("t_acme", f"conn-{n:02}")
    found = [row.connection_id for row in registry.subscribed("t_acme")]
    assert found == [f"conn-{n:02}" for n in range(0, 30, 3)]


def test_what_was_acknowledged_is_read(region: Region, registry: Registry) -> None:
    """Of DynamoDB's two kinds of read, moto has only the one."""
    asked: list[bool] = []

    def note(params: dict[str, Any], **_: Any) -> None:
        asked.append(params.get("ConsistentRead", False))

    for operation in ("GetItem", "Query"):
        region.dynamodb.meta.events.register(f"provide-client-params.dynamodb.{operation}", note)
    registry.is_subscribed("t_acme", "conn-1")
    list(registry.subscribed("t_acme"))
    for operation in ("GetItem", "Query"):
        region.dynamodb.meta.events.unregister(f"provide-client-params.dynamodb.{operation}", note)

    assert asked == [True, True]
