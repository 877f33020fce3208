from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.accounting import (
    MAX_SHOWN_FAILURES,
    RELEASE_SECONDS,
    YOUNG_CONNECTION_MS,
    Accounting,
    Tally,
)
from formbridge.posting.delivery import Delivery, Outcome, Receipt, build_probe
from tests.support.handlers.broadcasts import Inline
from tests.support.handlers.builders import NOW
from tests.support.handlers.connections import Registered, connection

if TYPE_CHECKING:
    from collections.abc import Iterator

    from formbridge.connections.connection import Connection, ConnectionKey

NEVER = float("inf")
OVER = 0.0
"""A deadline that has passed."""


def accounting(registered: Registered) -> Accounting:
    return Accounting(registered, Inline(), now_ms=lambda: NOW, monotonic=time.monotonic)


def ended(outcome: Outcome, row: Connection, *, closes: bool = False) -> Receipt:
    return Receipt(Delivery(row, [b"{}"], closes), outcome)


@given(st.lists(st.tuples(st.sampled_from(Outcome), st.booleans(), st.booleans(), st.booleans()), max_size=50))
def test_every_delivery_ends_in_one_way_and_its_row_says_so(
    ends: list[tuple[Outcome, bool, bool, bool]],
) -> None:
    registered = Registered()
    receipts: list[Receipt] = []
    for number, (outcome, young, behind, fails) in enumerate(ends):
        row = connection(
            str(number), connected_at=NOW - YOUNG_CONNECTION_MS + young, behind_since=NOW - 1 if behind else None
        )
        registered.rows.append(row)
        receipts.append(Receipt(Delivery(row, []), outcome, PermissionError("403") if fails else None))
    tally = accounting(registered).settle(receipts, NEVER)
    assert tally.outcomes.total() == len(ends)
    assert len(tally.failures) == sum(fails for *_, fails in ends)
    noted = {*registered.removed}, {*registered.behind}, {*registered.cleared}
    for number, (outcome, young, behind, fails) in enumerate(ends):
        is_noted = tuple(str(number) in names for names in noted)
        if outcome is Outcome.GONE and not young and not fails:
            assert is_noted == (True, False, False)
        elif outcome is Outcome.POSTED and not fails:
            assert is_noted == (False, False, behind)
        else:
            assert is_noted == (False, True, False)
    assert tally.removed == len(registered.removed) == len(registered.released)


def test_what_the_posts_came_to_is_added_up() -> None:
    receipts = [
        Receipt(Delivery(connection(name), []), Outcome.POSTED, frames=2, sent_bytes=300, retries=1) for name in "ab"
    ]
    tally = accounting(Registered()).settle(receipts, NEVER)
    assert (tally.frames, tally.sent_bytes, tally.retries) == (4, 600, 2)


def test_rows_that_are_gone_are_released_by_one_write_a_tenant() -> None:
    rows = [connection("a"), connection("b"), connection("c", "t_globex")]
    registered = Registered(rows)
    tally = accounting(registered).settle([ended(Outcome.GONE, row) for row in rows], NEVER)
    assert registered.releases == 2
    assert sorted(registered.released) == [(row.tenant_id, row.connected_at) for row in rows]
    assert tally.removed == 3


def test_rows_that_were_deleted_long_ago_are_released_before_the_last_delivery_has_ended() -> None:
    """Closing the connections of a large tenant takes minutes."""
    now = 0.0
    registered = Registered([connection(name) for name in "abcd"])
    released: list[int] = []

    def receipts() -> Iterator[Receipt]:
        nonlocal now
        for row, pause in zip(registered.rows, (RELEASE_SECONDS - 0.1, 0.2, 0.0, 0.0), strict=True):
            yield ended(Outcome.GONE, row)
            released.append(len(registered.released))
            now += pause

    settling = Accounting(registered, Inline(), now_ms=lambda: NOW, monotonic=lambda: now)
    assert settling.settle(receipts(), NEVER).removed == 4
    assert released == [0, 0, 3, 3]
    assert (len(registered.released), registered.releases) == (4, 2)


def test_a_row_that_somebody_else_has_removed_is_not_released_again() -> None:
    registered = Registered([connection("a")], removed=["a"])
    tally = accounting(registered).settle([ended(Outcome.GONE, connection("a"))], NEVER)
    assert registered.released == []
    assert (tally.removed, tally.failures) == (0, [])


@pytest.mark.parametrize("outcome", [Outcome.POSTED, Outcome.GONE])
def test_a_connection_that_was_closed_is_gone(outcome: Outcome) -> None:
    registered = Registered([connection("a", connected_at=NOW)])
    tally = accounting(registered).settle([ended(outcome, registered.rows[0], closes=True)], NEVER)
    assert tally.outcomes == {Outcome.GONE: 1}
    assert registered.removed == ["a"]


def test_a_connection_that_could_not_be_closed_keeps_its_row_as_it_is() -> None:
    registered = Registered([connection("a")])
    tally = accounting(registered).settle([ended(Outcome.BEHIND, registered.rows[0], closes=True)], NEVER)
    assert tally.outcomes == {Outcome.BEHIND: 1}
    assert registered.untouched


@pytest.mark.parametrize("behind_since", [None, NOW - 1])
def test_a_probe_writes_only_what_it_found(behind_since: int | None) -> None:
    rows = [connection(name, behind_since=behind_since) for name in ("open", "gone", "unknown", "refused")]
    registered = Registered(rows)
    outcomes = (Outcome.POSTED, Outcome.GONE, Outcome.BEHIND, Outcome.BEHIND)
    receipts = [Receipt(build_probe(row), outcome) for row, outcome in zip(rows, outcomes, strict=True)]
    receipts[3] = replace(receipts[3], failure=PermissionError("403"))
    tally = accounting(registered).settle(receipts, NEVER)
    assert registered.probed == {"open": NOW}
    assert registered.removed == ["gone"]
    assert (registered.behind, registered.cleared) == ({}, [])
    assert [str(error) for error in tally.failures] == ["403"]


def test_a_row_that_has_a_mark_is_marked_again_only_where_something_new_was_missed() -> None:
    rows = [connection("a", behind_since=NOW - 1), connection("b")]
    for replaces_marks, marked in [(True, {"a", "b"}), (False, {"b"})]:
        registered = Registered(rows)
        settling = Accounting(registered, Inline(), lambda: NOW, time.monotonic, replaces_marks)
        settling.settle([ended(Outcome.BEHIND, row) for row in rows], NEVER)
        assert registered.behind.keys() == marked


def test_a_row_is_written_before_the_last_delivery_has_ended() -> None:
    registered = Registered()

    def receipts() -> Iterator[Receipt]:
        yield ended(Outcome.BEHIND, connection("a"))
        assert registered.behind == {"a": NOW}
        yield ended(Outcome.GONE, connection("b"))
        assert registered.removed == ["b"]

    assert accounting(registered).settle(receipts(), NEVER).failures == []
    assert len(registered.released) == 1


def test_when_the_last_post_went_well_is_told() -> None:
    now = NOW

    def receipts() -> Iterator[Receipt]:
        nonlocal now
        for outcome in (Outcome.POSTED, Outcome.POSTED, Outcome.BEHIND):
            now += 100
            yield ended(outcome, connection())

    tally = Accounting(Registered(), Inline(), now_ms=lambda: now, monotonic=time.monotonic).settle(receipts(), NEVER)
    assert tally.last_posted_at == NOW + 200
    assert accounting(Registered()).settle([], NEVER).last_posted_at is None


def test_a_row_that_cannot_be_written_is_a_failure_and_the_others_are_written() -> None:
    rows = [connection(name) for name in "abc"]
    registered = Registered(rows, failures={"b": ConnectionError("b")})
    tally = accounting(registered).settle([ended(Outcome.BEHIND, row) for row in rows], NEVER)
    assert registered.behind.keys() == {"a", "c"}
    assert [str(error) for error in tally.failures] == ["b"]


def test_what_is_not_written_in_time_is_a_failure() -> None:
    held = threading.Event()

    class Slow(Registered):
        def mark_behind(self, key: ConnectionKey, since_ms: int) -> None:
            held.wait(30)

    with ThreadPoolExecutor(1) as writers:
        receipts = [ended(Outcome.BEHIND, connection(name)) for name in "ab"]
        tally = Accounting(Slow(), writers, now_ms=lambda: NOW, monotonic=time.monotonic).settle(receipts, OVER)
        held.set()
    assert any(isinstance(error, TimeoutError) for error in tally.failures)


def test_connections_that_are_not_even_seen_in_time_are_a_failure() -> None:
    seen: list[str] = []

    def without_end() -> Iterator[Receipt]:
        for number in range(1_000):
            seen.append(str(number))
            yield ended(Outcome.POSTED, connection(str(number)))

    tally = accounting(Registered()).settle(without_end(), OVER)
    assert seen == ["0"]
    assert [type(error) for error in tally.failures] == [TimeoutError]


def test_nothing_that_fails_is_no_error() -> None:
    Tally().raise_failures()


def test_an_error_holds_some_of_what_failed_and_says_how_much_did() -> None:
    tally = Tally(failures=[PermissionError(str(number)) for number in range(5_000)])
    with pytest.raises(ExceptionGroup, match="5000 failures") as raised:
        tally.raise_failures()
    assert len(raised.value.exceptions) == MAX_SHOWN_FAILURES
