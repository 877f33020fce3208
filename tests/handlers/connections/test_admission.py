"""How many messages of a connection the connections table lets through."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from formbridge.connections.connection import Connection, ConnectionKey, RateLimited
from formbridge.connections.rate_limit import Rate
from formbridge.connections.table import ConnectionsTable
from tests.support.handlers.builders import NOW
from tests.support.handlers.connections import connection, wanting
from tests.support.handlers.region import CONNECTIONS

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

RATE = Rate(per_second=10, burst=20)
FILLS_MS = 2_000
KEY = ConnectionKey("t_acme", "conn-1")
NEW = connection(subscribed=False, subscribed_at=0)


@pytest.fixture
def connections_table(region: Region, clock: Clock) -> ConnectionsTable:
    connections_table = ConnectionsTable(region.dynamodb, CONNECTIONS)
    connections_table.add(NEW, 5_000, 5_000)
    return connections_table


def admit(connections_table: ConnectionsTable, now_ms: int = NOW) -> Connection | RateLimited:
    admitted = connections_table.admit(KEY, RATE, now_ms)
    assert admitted is not None
    return admitted


def refused(connections_table: ConnectionsTable, now_ms: int = NOW) -> RateLimited:
    refusal = admit(connections_table, now_ms)
    assert isinstance(refusal, RateLimited)
    return refusal


def use_up(connections_table: ConnectionsTable, now_ms: int = NOW) -> None:
    """Take every token of a full bucket."""
    assert all(isinstance(admit(connections_table, now_ms), Connection) for _ in range(RATE.burst))


def test_a_message_that_is_let_through_brings_its_connections_row(connections_table: ConnectionsTable) -> None:
    connections_table.subscribe(KEY, wanting({"status": ["new"]}), "1")
    admitted = admit(connections_table)
    assert isinstance(admitted, Connection)
    assert (admitted.subscribed, admitted.filter) == (True, wanting({"status": ["new"]}))


def test_a_burst_passes_and_the_message_after_it_is_refused(connections_table: ConnectionsTable) -> None:
    use_up(connections_table)
    full = replace(NEW, full_at=(NOW + FILLS_MS) * 1000)
    assert refused(connections_table) == RateLimited(full, retry_after_ms=100, refusals=1)


def test_after_the_wait_exactly_one_message_passes(connections_table: ConnectionsTable) -> None:
    use_up(connections_table)
    later = NOW + refused(connections_table).retry_after_ms
    assert isinstance(admit(connections_table, later - 1), RateLimited)
    assert isinstance(admit(connections_table, later), Connection)
    assert isinstance(admit(connections_table, later), RateLimited)


def test_refusals_are_counted_until_a_message_finds_the_bucket_full(connections_table: ConnectionsTable) -> None:
    use_up(connections_table)
    assert [refused(connections_table).refusals for _ in range(3)] == [1, 2, 3]
    nearly_full = NOW + FILLS_MS - 1
    assert all(isinstance(admit(connections_table, nearly_full), Connection) for _ in range(RATE.burst - 1))
    assert refused(connections_table, nearly_full).refusals == 4
    full = nearly_full + FILLS_MS
    use_up(connections_table, full)
    assert refused(connections_table, full).refusals == 1


def test_a_connection_that_is_held_back_sends_nothing_until_its_time(connections_table: ConnectionsTable) -> None:
    until = NOW + 5_000
    admit(connections_table)
    connections_table.hold_back(KEY, RATE, until)
    for number in range(1, 4):
        early = refused(connections_table, NOW + number)
        assert (early.is_early, early.refusals, early.retry_after_ms) == (True, number, 5_000 - number)
    assert isinstance(admit(connections_table, until), Connection)
    late = refused(connections_table, until)
    assert (late.is_early, late.refusals, late.retry_after_ms) == (False, 1, 100)


def test_early_messages_are_counted_as_long_as_the_connection_lasts(connections_table: ConnectionsTable) -> None:
    connections_table.hold_back(KEY, RATE, NOW + 1_000)
    assert refused(connections_table).refusals == 1
    much_later = NOW + 60_000
    admit(connections_table, much_later)
    connections_table.hold_back(KEY, RATE, much_later + 1_000)
    assert refused(connections_table, much_later).refusals == 2


def test_a_connection_without_a_row_is_not_held_back(region: Region, connections_table: ConnectionsTable) -> None:
    connections_table.hold_back(ConnectionKey("t_acme", "conn-9"), RATE, NOW + 1_000)
    assert region.connection("t_acme", "conn-9") is None


def test_a_connection_without_a_row_is_told_from_one_that_comes_too_soon(
    region: Region, connections_table: ConnectionsTable
) -> None:
    others = (
        ConnectionKey("t_acme", "conn-9"),
        ConnectionKey("t_globex", "conn-1"),
        ConnectionKey("t_acme", "conn-1", 1),
    )
    assert [connections_table.admit(key, RATE, NOW) for key in others] == [None] * 3
    assert region.connection("t_acme", "conn-9") is None


@pytest.mark.parametrize("requests", [1, 2])
def test_a_connection_that_is_removed_meanwhile_has_no_row(
    region: Region, connections_table: ConnectionsTable, requests: int
) -> None:
    """A message may take three requests, and what comes between them must not make the row anew."""
    use_up(connections_table)
    asked = count(1)

    def remove_before(**_: object) -> None:
        if next(asked) == requests + 1:
            ConnectionsTable(region.dynamodb, CONNECTIONS).remove(KEY)

    with region.on("before-call.dynamodb.UpdateItem", remove_before):
        assert connections_table.admit(KEY, RATE, NOW) is None
    assert region.connection("t_acme", "conn-1") is None


def test_most_messages_take_one_request(region: Region, connections_table: ConnectionsTable) -> None:
    asked: Counter[str] = Counter()

    def note(event_name: str, **_: object) -> None:
        asked[event_name] += 1

    with region.on("before-call.dynamodb", note):
        for n in range(5):
            admit(connections_table, NOW + n * 100)
    assert asked == {"before-call.dynamodb.UpdateItem": 5}


@dataclass
class Bucket:
    """A bucket of tokens, as the textbook has it. A token is worth `interval_us` microseconds."""

    rate: Rate
    filled_us: int
    at_us: int
    refusals: int = 0

    def take(self, now_us: int) -> tuple[int, int] | None:
        """None: one was there. Else the milliseconds until one is, and how many were refused."""
        full_us = self.rate.burst * self.rate.interval_us
        self.filled_us = min(full_us, self.filled_us + now_us - self.at_us)
        self.at_us = now_us
        if self.filled_us >= self.rate.interval_us:
            self.refusals = 0 if self.filled_us == full_us else self.refusals
            self.filled_us -= self.rate.interval_us
            return None
        self.refusals += 1
        return -(-(self.rate.interval_us - self.filled_us) // 1_000), self.refusals


connection_numbers = count()


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(
    rate=st.builds(Rate, per_second=st.integers(1, 20), burst=st.integers(1, 6)),
    pauses_ms=st.lists(st.just(0) | st.integers(0, 400), min_size=5, max_size=25),
)
def test_the_registry_decides_as_a_bucket_of_tokens_does(
    connections_table: ConnectionsTable, rate: Rate, pauses_ms: list[int]
) -> None:
    connection_id = f"conn-of-example-{next(connection_numbers)}"
    connections_table.add(connection(connection_id), 5_000, 5_000)
    key = ConnectionKey("t_acme", connection_id)
    bucket = Bucket(rate, filled_us=rate.burst * rate.interval_us, at_us=NOW * 1000)
    now_ms = NOW
    for pause in pauses_ms:
        now_ms += pause
        admitted = connections_table.admit(key, rate, now_ms)
        decided = (admitted.retry_after_ms, admitted.refusals) if isinstance(admitted, RateLimited) else None
        assert admitted is not None
        assert decided == bucket.take(now_ms * 1000)
