"""The leases of a tenant's bucket: what the processes spend together, and what it costs."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.connections.leased_bucket import CHUNKS_PER_SECOND, MAX_CHUNK, MAX_TENANTS, LeasedBucket
from formbridge.connections.rate_limit import Rate
from tests.support.handlers.builders import NOW
from tests.support.handlers.world import TenantBuckets

TENANT = "t_acme"
DEFAULT = Rate(per_second=200, burst=1_000)
RATES = st.builds(Rate, per_second=st.integers(1, 1_000), burst=st.integers(1, 50))


@dataclass
class Processes:
    """Lambda processes that use the bucket of one tenant."""

    rate: Rate
    number: int
    buckets: TenantBuckets = field(default_factory=TenantBuckets)
    leased: list[LeasedBucket] = field(init=False)

    def __post_init__(self) -> None:
        self.leased = [lease(self.buckets, self.rate) for _ in range(self.number)]

    @property
    def chunk(self) -> int:
        return self.leased[0].chunk

    def accepts(self, process: int, now_ms: int) -> bool:
        return self.leased[process].spend(TENANT, now_ms) is None


def lease(buckets: TenantBuckets, rate: Rate) -> LeasedBucket:
    return LeasedBucket(buckets.take_messages, rate)


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
    assert lease(TenantBuckets(), rate).chunk == chunk


def test_tenants_do_not_share_a_bucket() -> None:
    leased = lease(TenantBuckets(), Rate(1, 1))
    assert [leased.spend(TENANT, NOW) is None for _ in range(2)] == [True, False]
    assert leased.spend("t_globex", NOW) is None


def test_a_process_remembers_so_many_tenants_and_forgets_the_one_that_was_quiet_longest() -> None:
    buckets = TenantBuckets()
    leased = lease(buckets, DEFAULT)
    leased.spend(TENANT, NOW)
    for number in range(MAX_TENANTS - 1):
        leased.spend(f"t_{number}", NOW)
    leased.spend(TENANT, NOW)
    assert buckets.writes == MAX_TENANTS
    leased.spend("t_more", NOW)
    leased.spend(TENANT, NOW)
    assert buckets.writes == MAX_TENANTS + 1
    leased.spend("t_0", NOW)
    assert buckets.writes == MAX_TENANTS + 2
