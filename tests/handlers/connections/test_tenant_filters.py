from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from formbridge.connections.filters_row import FiltersRow, build_entry
from formbridge.connections.table import ConnectionsTable
from formbridge.connections.tenant_filters import TTL_SECONDS, TenantFilters
from formbridge.connections.tenant_row import read_integer
from tests.support.handlers.builders import NOW
from tests.support.handlers.connections import wanting
from tests.support.handlers.region import CONNECTIONS
from tests.support.handlers.turns import map_in_turns

if TYPE_CHECKING:
    from formbridge.wire.subscription_filter import SubscriptionFilter
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

SEED = 4
NEW, DONE, SPAM = (wanting({"status": [status]}) for status in ("new", "done", "spam"))


class World:
    """The rows of filters of tenants that may have two each."""

    def __init__(self, region: Region) -> None:
        self.region = region
        self.filters = TenantFilters(region.dynamodb, CONNECTIONS)
        self.table = ConnectionsTable(region.dynamodb, CONNECTIONS)

    def record(self, wanted: SubscriptionFilter, tenant_id: str = "t_acme", now_ms: int = NOW) -> bool:
        return self.filters.record(tenant_id, wanted, 2, now_ms)

    def recorded(self, tenant_id: str = "t_acme") -> frozenset[str]:
        rows = [row for row in self.table.scan() if isinstance(row, FiltersRow) and row.tenant_id == tenant_id]
        return rows[0].entries if rows else frozenset()

    @property
    def ttl(self) -> int:
        key = {"PK": {"S": "TENANT#t_acme"}, "SK": {"S": "FILTERS"}}
        item = self.region.dynamodb.get_item(TableName=CONNECTIONS, Key=key, ConsistentRead=True).get("Item", {})
        return read_integer(item, "ttl")


@pytest.fixture
def world(region: Region, clock: Clock) -> World:
    return World(region)


def entries(*filters: SubscriptionFilter) -> set[str]:
    return {*map(build_entry, filters)}


def test_no_more_filters_are_recorded_than_the_limit_allows(world: World) -> None:
    assert [world.record(each) for each in (NEW, DONE, SPAM)] == [True, True, False]
    assert world.recorded() == entries(NEW, DONE)


def test_a_filter_that_is_recorded_is_allowed_at_the_limit(world: World) -> None:
    assert [world.record(each) for each in (NEW, DONE, NEW, DONE)] == [True] * 4


def test_each_tenant_has_its_own_limit(world: World) -> None:
    assert world.record(NEW)
    assert world.record(DONE)
    assert world.record(SPAM, "t_globex")
    assert world.recorded("t_globex") == entries(SPAM)


def test_of_filters_that_come_at_the_same_time_as_many_are_recorded_as_the_limit_allows(world: World) -> None:
    wanted = [wanting({"status": [str(number)]}) for number in range(8)]
    assert sum(map_in_turns(world.region.dynamodb, world.record, wanted, threads=8, seed=SEED)) == 2
    assert len(world.recorded()) == 2


def test_what_was_removed_leaves_room(world: World) -> None:
    world.record(NEW)
    world.record(DONE)
    world.filters.remove("t_acme", entries(NEW))
    assert world.record(SPAM)
    assert world.recorded() == entries(DONE, SPAM)
    world.filters.remove("t_acme", entries(DONE, SPAM))
    assert world.recorded() == frozenset()
    assert world.record(NEW)


def test_what_was_removed_too_early_is_restored_whatever_the_limit(world: World) -> None:
    world.record(NEW)
    world.record(DONE)
    world.filters.restore("t_acme", entries(SPAM), NOW)
    assert world.recorded() == entries(NEW, DONE, SPAM)
    assert not world.record(wanting({"status": ["fourth"]}))


def test_the_row_outlives_every_connection_that_subscribed(world: World) -> None:
    world.record(NEW)
    assert world.ttl == NOW // 1000 + TTL_SECONDS
    world.record(NEW, now_ms=NOW + 60_000)
    assert world.ttl == NOW // 1000 + 60 + TTL_SECONDS


def test_a_broadcast_reads_the_costs_with_the_connections(world: World) -> None:
    assert world.table.read_tenant_connections("t_acme").filter_costs == ()
    world.record(NEW)
    world.record(wanting({"$or": [{"status": ["a"]}, {"form_id": ["b", "c"]}]}))
    tenant = world.table.read_tenant_connections("t_acme")
    assert tenant.filter_costs == (2, 5)
    assert list(tenant.subscribed) == []


def test_a_row_whose_time_is_over_counts_no_more(world: World, clock: Clock) -> None:
    world.record(NEW)
    clock.advance((TTL_SECONDS + 1) * 1_000)
    assert world.table.read_tenant_connections("t_acme").filter_costs == ()


def test_the_row_is_not_taken_for_a_connection(world: World) -> None:
    world.record(NEW)
    assert list(world.table.list_connections("t_acme")) == []
    assert list(world.table.scan()) == [FiltersRow("t_acme", frozenset(entries(NEW)))]


def test_a_removal_makes_no_row(world: World) -> None:
    world.filters.remove("t_acme", entries(NEW))
    assert world.region.dynamodb.scan(TableName=CONNECTIONS)["Items"] == []
