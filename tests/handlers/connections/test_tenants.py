from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formbridge.connections.rate_limit import Rate
from formbridge.connections.tenant_row import PERIOD_MS, Shortage, TenantRow
from formbridge.connections.tenants import REDUCTION, REDUCTION_MS, Tenants
from tests.support.handlers.builders import NOW
from tests.support.handlers.region import CONNECTIONS

if TYPE_CHECKING:
    from tests.support.handlers.region import Region

PERIOD = NOW // PERIOD_MS


class World:
    """The row of a tenant of at most three connections."""

    def __init__(self, region: Region, tenant_id: str = "t_acme") -> None:
        self.region = region
        self.tenant_id = tenant_id
        self.tenants = Tenants(region.dynamodb, CONNECTIONS)

    def reserve(self, at: int = NOW, shard: int = 0) -> str | None:
        return self.tenants.reserve(self.tenant_id, at, limit=3, shard=shard)

    def release(self, *at: int) -> None:
        self.tenants.release(self.tenant_id, at or (NOW,))

    @property
    def epoch(self) -> int:
        return int((self.region.tenant(self.tenant_id) or {}).get("epoch", {}).get("N", "0"))

    @property
    def row(self) -> TenantRow:
        item = self.region.tenant(self.tenant_id)
        assert item is not None
        return TenantRow.from_row(item)


@pytest.fixture
def world(region: Region) -> World:
    return World(region)


def test_a_reservation_is_counted_for_its_tenant_and_its_period(world: World) -> None:
    assert world.reserve() is None
    assert world.reserve(NOW + PERIOD_MS) is None
    assert world.row == TenantRow("t_acme", 2, periods={PERIOD: 1, PERIOD + 1: 1})


def test_no_more_are_reserved_than_the_limit_allows(world: World) -> None:
    assert [world.reserve() for _ in range(5)] == [None, None, None, "too_many_connections", "too_many_connections"]
    assert world.row.connections == 3


def test_what_is_released_may_be_reserved_again(world: World) -> None:
    for _ in range(3):
        world.reserve()
    world.release()
    assert world.row.connections == 2
    assert [world.reserve(), world.reserve()] == [None, "too_many_connections"]


def test_after_a_flood_fewer_are_reserved_for_a_while(region: Region) -> None:
    tenants, rate = Tenants(region.dynamodb, CONNECTIONS), Rate(per_second=10, burst=10)

    def reserve(at: int, tenant_id: str = "t_acme") -> str | None:
        return tenants.reserve(tenant_id, at, limit=2 * REDUCTION)

    assert [reserve(NOW) for _ in range(3)] == [None, None, None]
    assert tenants.take_early("t_acme", rate, 10, NOW) is None
    assert reserve(NOW) is None
    assert tenants.take_early("t_acme", rate, 10, NOW) == Shortage(1_000_000, 4)
    assert reserve(NOW) == reserve(NOW + REDUCTION_MS - 1) == "too_many_connections"
    assert reserve(NOW, "t_globex") is None
    assert reserve(NOW + REDUCTION_MS) is None
    tenants.release("t_acme", [NOW] * 4)
    assert [reserve(NOW), reserve(NOW)] == [None, "too_many_connections"]


def test_many_are_released_by_one_write_for_each_of_their_periods(region: Region, world: World) -> None:
    for period in (0, 0, 1):
        world.reserve(NOW + period * PERIOD_MS)
    asked: list[str] = []

    def note(event_name: str, **_: object) -> None:
        asked.append(event_name)

    with region.on("before-call.dynamodb", note):
        world.release(NOW, NOW + PERIOD_MS, NOW + 1)
    assert len(asked) == 2
    assert world.row == TenantRow("t_acme", 0, periods={PERIOD: 0, PERIOD + 1: 0})


def test_each_tenant_has_its_own_number(region: Region, world: World) -> None:
    other = World(region, "t_globex")
    for _ in range(3):
        world.reserve()
    assert other.reserve() is None
    world.release()
    assert other.row.connections == 1


def test_releasing_for_a_tenant_without_a_row_makes_none(region: Region, world: World) -> None:
    world.release()
    assert region.tenant("t_acme") is None


def test_nothing_is_released_for_none(region: Region, world: World) -> None:
    world.tenants.release("t_acme", [])
    assert region.tenant("t_acme") is None


def test_the_number_of_shards_is_the_highest_that_was_ever_reserved_in(world: World) -> None:
    told: list[int] = []
    for shard in (0, 4, 2):
        assert world.reserve(shard=shard) is None
        told.append(world.row.shards)
    world.release()
    assert (told, world.row.shards) == ([1, 5, 5], 5)


def test_the_limit_is_the_same_in_every_shard(world: World) -> None:
    assert [world.reserve(shard=shard) for shard in (2, 0, 1, 3, 0)] == [None] * 3 + ["too_many_connections"] * 2
    assert (world.row.connections, world.row.shards) == (3, 3)


# --- Corrections ----------------------------------------------------------------------------------------------


def test_a_correction_changes_the_number_of_the_period_and_of_the_tenant(world: World) -> None:
    for period in (0, 0, 1):
        world.reserve(NOW + period * PERIOD_MS)
    world.tenants.correct("t_acme", PERIOD, 2, -1)
    assert world.row == TenantRow("t_acme", 2, periods={PERIOD: 1, PERIOD + 1: 1})
    world.tenants.correct("t_acme", PERIOD, 1, 4)
    assert world.row == TenantRow("t_acme", 6, periods={PERIOD: 5, PERIOD + 1: 1})


def test_a_period_that_is_corrected_to_zero_is_forgotten(world: World) -> None:
    world.reserve()
    world.reserve(NOW + PERIOD_MS)
    world.tenants.correct("t_acme", PERIOD, 1, -1)
    assert world.row == TenantRow("t_acme", 1, periods={PERIOD + 1: 1})
    world.release(NOW + PERIOD_MS)
    world.tenants.correct("t_acme", PERIOD + 1, 0, 0)
    assert world.row == TenantRow("t_acme", 0, periods={})


def test_a_period_that_changed_meanwhile_is_not_corrected(world: World) -> None:
    world.reserve()
    world.reserve()
    world.release()
    for change in (-2, 1):
        world.tenants.correct("t_acme", PERIOD, 2, change)
    assert world.row == TenantRow("t_acme", 1, periods={PERIOD: 1})


def test_a_correction_that_is_repeated_counts_once(world: World) -> None:
    """Botocore repeats a request whose answer was lost."""
    for _ in range(2):
        world.reserve()
    for _ in range(2):
        world.tenants.correct("t_acme", PERIOD, 2, -1)
    assert world.row.connections == 1


def test_a_period_without_a_number_gets_one(world: World) -> None:
    for _ in range(2):
        world.tenants.correct("t_acme", PERIOD, 0, 3)
    assert world.row == TenantRow("t_acme", 3, periods={PERIOD: 3})


def test_a_release_that_comes_after_its_period_was_forgotten_changes_nothing(world: World) -> None:
    world.reserve()
    world.reserve(NOW + PERIOD_MS)
    world.tenants.correct("t_acme", PERIOD, 1, -1)
    world.release()
    assert world.row == TenantRow("t_acme", 1, periods={PERIOD + 1: 1})


@pytest.mark.parametrize(("seen", "total"), [(2, 5), (1, 2)])
def test_a_total_is_set_unless_it_changed_meanwhile(world: World, seen: int, total: int) -> None:
    for _ in range(2):
        world.reserve()
    world.tenants.set_total("t_acme", seen, 5)
    assert world.row == TenantRow("t_acme", total, periods={PERIOD: 2})


def test_a_total_that_is_not_there_is_set(world: World) -> None:
    world.tenants.set_total("t_acme", 0, 2)
    assert world.row == TenantRow("t_acme", 2, periods={})


# --- The history ----------------------------------------------------------------------------------------------


def test_the_first_history_of_a_tenant_replaces_none(world: World) -> None:
    world.reserve()
    assert world.tenants.read_epoch("t_acme", "stream-1", NOW) == 0
    assert world.tenants.read_epoch("t_acme", "stream-1", NOW + 1) == 0
    assert world.epoch == 0
    assert world.row == TenantRow("t_acme", 1, periods={PERIOD: 1})


def test_the_first_history_keeps_the_epoch_that_is_there(world: World) -> None:
    world.tenants.raise_epoch("t_acme", NOW - 5)
    assert world.tenants.read_epoch("t_acme", "stream-1", NOW) == NOW - 5
    assert world.epoch == NOW - 5


def test_another_history_raises_the_epoch_once(world: World) -> None:
    world.tenants.read_epoch("t_acme", "stream-1", NOW)
    assert world.tenants.read_epoch("t_acme", "stream-2", NOW + 1) == NOW + 1
    assert world.tenants.read_epoch("t_acme", "stream-2", NOW + 2) == NOW + 1
    assert world.tenants.read_epoch("t_acme", "stream-1", NOW + 3) == NOW + 3


def test_an_unknown_history_changes_nothing(region: Region, world: World) -> None:
    assert world.tenants.read_epoch("t_acme", "", NOW) == 0
    assert region.tenant("t_acme") is None
    world.tenants.read_epoch("t_acme", "stream-1", NOW)
    world.tenants.raise_epoch("t_acme", NOW + 1)
    before = region.tenant("t_acme")
    assert world.tenants.read_epoch("t_acme", "", NOW + 2) == NOW + 1
    assert region.tenant("t_acme") == before


def test_the_epoch_of_a_known_history_is_one_consistent_read(region: Region, world: World) -> None:
    world.tenants.read_epoch("t_acme", "stream-1", NOW)
    asked: list[tuple[str, object]] = []

    def note(params: dict[str, object], event_name: str, **_: object) -> None:
        asked.append((event_name.rpartition(".")[2], params.get("ConsistentRead")))

    with region.on("provide-client-params.dynamodb", note):
        world.tenants.read_epoch("t_acme", "stream-1", NOW)
    assert asked == [("GetItem", True)]


def test_an_epoch_is_the_time_when_it_was_raised_and_each_tenant_has_its_own(region: Region, world: World) -> None:
    other = World(region, "t_globex")
    other.reserve()
    world.tenants.raise_epoch("t_acme", NOW)
    world.tenants.raise_epoch("t_acme", NOW + 5)
    assert (world.epoch, other.epoch) == (NOW + 5, 0)


@pytest.mark.parametrize("history", ["stream-1", "stream-2"], ids=["same history", "another history"])
def test_an_epoch_is_never_lowered_though_clocks_differ(world: World, history: str) -> None:
    world.tenants.read_epoch("t_acme", "stream-1", NOW)
    world.tenants.raise_epoch("t_acme", NOW + 5)
    world.tenants.raise_epoch("t_acme", NOW)
    assert world.epoch == NOW + 5
    assert world.tenants.read_epoch("t_acme", history, NOW) == NOW + 5
    assert world.epoch == NOW + 5


@pytest.mark.parametrize("known", [[], ["stream-0"]], ids=["first history", "another history"])
def test_an_epoch_that_is_raised_while_the_history_is_recorded_stays(
    region: Region, world: World, known: list[str]
) -> None:
    """A broadcast may raise it after a session has read the row, and before the session writes it."""
    for history in known:
        world.tenants.read_epoch("t_acme", history, NOW)
    other = Tenants(region.dynamodb, CONNECTIONS)
    raised: list[int] = []

    def raise_it(**_: object) -> None:
        if not raised:
            raised.append(NOW + 5)
            other.raise_epoch("t_acme", NOW + 5)

    with region.on("before-call.dynamodb.UpdateItem", raise_it):
        assert world.tenants.read_epoch("t_acme", "stream-1", NOW + 1) == NOW + 5
    assert world.epoch == NOW + 5
    assert world.tenants.read_epoch("t_acme", "stream-1", NOW + 9) == NOW + 5


EPOCH_STEPS = st.lists(st.tuples(st.sampled_from(["raise", "", "stream-1", "stream-2"]), st.integers(0, 9)), max_size=8)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(EPOCH_STEPS)
def test_whatever_happens_an_epoch_only_rises(region: Region, steps: list[tuple[str, int]]) -> None:
    region.clear()
    world = World(region)
    seen = [0]
    for step, passed in steps:
        if step == "raise":
            world.tenants.raise_epoch("t_acme", NOW + passed)
            assert world.epoch >= NOW + passed
        else:
            assert world.tenants.read_epoch("t_acme", step, NOW + passed) == world.epoch
        seen.append(world.epoch)
    assert seen == sorted(seen)
