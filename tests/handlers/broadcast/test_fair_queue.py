from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.fair_queue import FairQueue, Step
from formbridge.posting.delivery import Delivery
from tests.support.handlers.connections import connection

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


def serve(*tenants: Sequence[float]) -> list[str]:
    """Serve tenants whose steps have this work. Return the tenant of each delivery, as a letter."""
    queue = FairQueue()
    for index, steps in enumerate(tenants):
        delivery = Delivery(connection(chr(ord("a") + index)), [])
        queue.add(iter([Step(delivery, posts) for posts in steps]))
    return [delivery.connection.connection_id for delivery in queue.serve()]


def test_tenants_of_equal_work_take_turns() -> None:
    assert serve([1, 1, 1], [1, 1], [1]) == [*"abc", *"ab", "a"]


def test_a_tenant_that_used_work_in_advance_skips_turns() -> None:
    assert serve([3, 1, 1], [1, 1, 1, 1]) == [*"ab", "b", "b", *"ab", "a"]


def test_small_steps_fit_into_one_turn() -> None:
    assert serve([0.25] * 6, [1, 1]) == [*"aaaa", "b", *"aa", "b"]


def test_a_step_without_a_delivery_counts() -> None:
    def search() -> Iterator[Step]:
        yield Step(None, 5)
        yield Step(Delivery(connection("found"), []), 1)

    queue = FairQueue()
    queue.add(search())
    queue.add(Step(Delivery(connection(str(number)), []), 1) for number in range(3))
    assert [delivery.connection.connection_id for delivery in queue.serve()] == ["0", "1", "2", "found"]


def test_a_step_is_taken_only_when_its_turn_has_come() -> None:
    taken: list[int] = []

    def steps() -> Iterator[Step]:
        for number in range(3):
            taken.append(number)
            yield Step(Delivery(connection("a"), []), 1)

    queue = FairQueue()
    queue.add(steps())
    next(queue.serve())
    assert taken == [0]


WORK = st.lists(st.floats(0.01, 20), min_size=1, max_size=20)


@given(WORK, st.lists(WORK, max_size=4), st.integers(0, 4))
def test_nobody_waits_for_more_than_an_equal_share_and_one_step(
    own: list[float], others: list[list[float]], position: int
) -> None:
    """Before a tenant has done some work, each other tenant has done at most a turn more, and one step."""
    tenants = [*others[:position], own, *others[position:]]
    index = min(position, len(others))
    done = [0.0] * len(tenants)
    left = [[*steps] for steps in tenants]
    for name in serve(*tenants):
        served = ord(name) - ord("a")
        done[served] += left[served].pop(0)
        if left[index]:
            assert all(each <= done[index] + 2 + max(tenants[other]) for other, each in enumerate(done))
    assert not any(left)
