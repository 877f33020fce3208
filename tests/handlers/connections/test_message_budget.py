"""The budget of a tenant's messages: who waits how long, and when its circuit breaker opens."""

from __future__ import annotations

from formbridge.connections.connection import ConnectionKey
from formbridge.connections.message_budget import BREAK_MS, MAX_TURN_MS, MIN_TURN_MS, MessageBudget
from formbridge.connections.rate_limit import Rate
from tests.support.handlers.builders import NOW
from tests.support.handlers.world import TenantBuckets

DEFAULT = Rate(per_second=200, burst=1_000)
TENANT = "t_acme"


def waits(connections: int, rate: Rate = DEFAULT) -> list[int]:
    """How long each of a tenant's connections is told to wait once the budget is used up."""
    budget = MessageBudget(TenantBuckets(connections, {"t_acme": (NOW + 10**6) * 1_000}), rate)
    return [budget.charge(ConnectionKey("t_acme", f"conn-{n}"), NOW) for n in range(connections)]


def test_connections_that_wait_as_they_are_told_come_back_no_faster_than_the_budget_allows() -> None:
    told = sorted(waits(5_000))
    assert (told[0] >= 12_500, told[-1] < 37_500) == (True, True)
    fullest = max(sum(1 for wait in told if start <= wait < start + 1_000) for start in range(0, 38_000, 100))
    assert fullest <= 1.25 * DEFAULT.per_second


def test_a_small_tenant_waits_for_about_a_second_and_none_for_much_longer_than_a_minute() -> None:
    assert all(MIN_TURN_MS // 2 <= wait < 1.5 * MIN_TURN_MS for wait in waits(10))
    assert all(MAX_TURN_MS // 2 <= wait < 1.5 * MAX_TURN_MS for wait in waits(500, Rate(1, 1)))


def flood(budget: MessageBudget, now_ms: int = NOW) -> int:
    """Send early messages of a tenant until its circuit breaker opens, and return how many it took."""
    early = 0
    while budget.charge_early(TENANT, now_ms):
        early += 1
    return early


def test_a_tenant_may_send_as_many_early_messages_as_it_may_send_in_a_second() -> None:
    budget = MessageBudget(TenantBuckets(), DEFAULT)
    assert not budget.is_open(TENANT, NOW)
    assert flood(budget) == DEFAULT.per_second
    assert budget.is_open(TENANT, NOW)


def test_the_breaker_of_one_tenant_is_not_that_of_another() -> None:
    budget = MessageBudget(TenantBuckets(), DEFAULT)
    flood(budget)
    assert not budget.is_open("t_globex", NOW)
    assert budget.charge_early("t_globex", NOW)


def test_the_breaker_closes_after_a_while_and_opens_again_if_the_flood_goes_on() -> None:
    budget = MessageBudget(TenantBuckets(), Rate(per_second=10, burst=5))
    flood(budget)
    assert budget.is_open(TENANT, NOW + BREAK_MS - 1)
    assert not budget.is_open(TENANT, NOW + BREAK_MS)
    assert flood(budget, NOW + BREAK_MS) == 10
    assert budget.is_open(TENANT, NOW + BREAK_MS)


def test_another_process_opens_its_own_breaker_at_its_next_early_message() -> None:
    buckets = TenantBuckets()
    first, second = (MessageBudget(buckets, DEFAULT) for _ in range(2))
    flood(first)
    assert not second.is_open(TENANT, NOW)
    assert not second.charge_early(TENANT, NOW)
    assert second.is_open(TENANT, NOW)
