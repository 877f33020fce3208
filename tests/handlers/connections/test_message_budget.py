"""The budget of a tenant's messages: what the processes together accept, what it costs, and who waits how long."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.connections.connection import ConnectionKey
from formbridge.connections.message_budget import (
    CHUNKS_PER_SECOND,
    MAX_CHUNK,
    MAX_TENANTS,
    MAX_TURN_MS,
    MIN_TURN_MS,
    MessageBudget,
)
from formbridge.connections.rate_limit import Rate
from tests.support.handlers.builders import NOW
from tests.support.handlers.world import TenantBuckets

KEY = ConnectionKey("t_acme", "conn-1")
DEFAULT = Rate(per_second=200, burst=1_000)
RATES = st.builds(Rate, per_second=st.integers(1, 1_000), burst=st.integers(1, 50))


@dataclass
class Processes:
    """Lambda processes that charge the budget of one tenant."""

    rate: Rate
    number: int
    buckets: TenantBuckets = field(default_factory=TenantBuckets)
    budgets: list[MessageBudget] = field(init=False)

    def __post_init__(self) -> None:
        self.budgets = [MessageBudget(self.buckets, self.rate) for _ in range(self.number)]

    @property
    def chunk(self) -> int:
        return self.budgets[0].chunk

    def accepts(self, process: int, now_ms: int) -> bool:
        return self.budgets[process].charge(KEY, now_ms) == 0


@given(
    rate=RATES,
    number=st.integers(1, 5),
    arrivals=st.lists(st.tuples(st.just(0) | st.integers(0, 300), st.integers(0, 4)), max_size=200),
)
def test_in_no_window_do_more_pass_than_the_bucket_allows_and_a_chunk_per_process(
    rate: Rate, number: int, arrivals: list[tuple[int, int]]
) -> None:
    processes = Processes(rate, number)
    now_ms, through = NOW, list[int]()
    for pause_ms, process in arrivals:
        now_ms += pause_ms
        if processes.accepts(process % number, now_ms):
            through.append(now_ms)
    leased = number * (processes.chunk - 1)
    for first, last in itertools.combinations(range(len(through)), 2):
        window_ms = through[last] - through[first]
        assert (last - first + 1 - rate.burst - leased) * 1_000 <= rate.per_second * window_ms


@given(
    rate=st.builds(Rate, per_second=st.integers(1, 1_000), burst=st.integers(2 * MAX_CHUNK, 50)),
    number=st.integers(1, 5),
    seed=st.integers(0, 100),
)
def test_nothing_of_the_budget_is_lost_while_there_is_demand(rate: Rate, number: int, seed: int) -> None:
    """Messages come to any process, twice as many as the budget allows, for ten seconds."""
    processes, chance = Processes(rate, number), Random(seed)
    offered = [NOW + round(n * 500 / rate.per_second) for n in range(20 * rate.per_second)]
    accepted = sum(processes.accepts(chance.randrange(number), now_ms) for now_ms in offered)
    unspent = number * processes.chunk
    assert accepted >= 10 * rate.per_second - unspent


@given(rate=RATES, number=st.integers(1, 5), flood=st.lists(st.integers(0, 4), max_size=300))
def test_no_process_is_refused_for_longer_than_a_chunk_takes(rate: Rate, number: int, flood: list[int]) -> None:
    processes = Processes(rate, number)
    for process in flood:
        processes.accepts(process % number, NOW)
    chunk_ms = -(-processes.chunk * rate.interval_us // 1_000)
    full_at = dict(processes.buckets.full_at)
    for process in range(number):
        processes.buckets.full_at = dict(full_at)
        assert processes.accepts(process, NOW + chunk_ms)
    assert chunk_ms <= 1_000 // min(rate.per_second, CHUNKS_PER_SECOND) + 1


@given(rate=RATES, messages=st.integers(1, 200))
def test_who_keeps_to_the_rate_is_never_refused(rate: Rate, messages: int) -> None:
    processes = Processes(rate, 1)
    pause_ms = -(-rate.interval_us // 1_000)
    assert all(processes.accepts(0, NOW + n * pause_ms) for n in range(messages))


def test_a_message_costs_a_tenth_of_a_write_and_a_refusal_less() -> None:
    processes = Processes(DEFAULT, 1)
    assert all(processes.accepts(0, NOW) for _ in range(1_000))
    assert processes.buckets.writes == 100
    assert not any(processes.accepts(0, NOW) for _ in range(1_000))
    assert processes.buckets.writes == 101


@pytest.mark.parametrize(
    ("rate", "chunk"),
    [(DEFAULT, MAX_CHUNK), (Rate(50, 100), 5), (Rate(9, 100), 1), (Rate(1, 1), 1), (Rate(1_000, 3), 3)],
)
def test_a_chunk_is_small_where_the_rate_or_the_burst_is(rate: Rate, chunk: int) -> None:
    assert MessageBudget(TenantBuckets(), rate).chunk == chunk


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


def test_tenants_do_not_share_a_budget() -> None:
    processes = Processes(Rate(1, 1), 1)
    budget = processes.budgets[0]
    assert [budget.charge(KEY, NOW) == 0 for _ in range(2)] == [True, False]
    assert budget.charge(ConnectionKey("t_globex", "conn-1"), NOW) == 0


def test_a_process_remembers_so_many_tenants_and_forgets_the_one_that_was_quiet_longest() -> None:
    buckets = TenantBuckets()
    budget = MessageBudget(buckets, DEFAULT)
    budget.charge(KEY, NOW)
    for number in range(MAX_TENANTS - 1):
        budget.charge(ConnectionKey(f"t_{number}", "conn"), NOW)
    budget.charge(KEY, NOW)
    assert buckets.writes == MAX_TENANTS
    budget.charge(ConnectionKey("t_more", "conn"), NOW)
    budget.charge(KEY, NOW)
    assert buckets.writes == MAX_TENANTS + 1
    budget.charge(ConnectionKey("t_0", "conn"), NOW)
    assert buckets.writes == MAX_TENANTS + 2
