from __future__ import annotations

import time
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.posting.pacing import Pacer

SECOND = 1_000_000_000


@dataclass
class Clock:
    """A clock that moves when it is told to."""

    ns: int = 0

    def __call__(self) -> int:
        return self.ns


@given(
    per_second=st.integers(1, 20_000),
    pauses=st.lists(st.tuples(st.integers(0, 2 * SECOND), st.integers(1, 40)), max_size=60),
)
def test_in_no_window_are_there_more_than_the_rate_and_the_burst(
    per_second: int, pauses: list[tuple[int, int]]
) -> None:
    clock = Clock()
    pacer = Pacer(per_second, clock)
    posts: list[int] = []
    for pause, attempts in pauses:
        clock.ns += pause
        posts += [clock.ns for _ in range(attempts) if pacer.take() == 0]

    for first, since in enumerate(posts):
        for last in range(first, len(posts)):
            beyond_burst = last - first + 1 - pacer.burst
            assert beyond_burst * SECOND <= per_second * (posts[last] - since)


@given(per_second=st.integers(1, 20_000), number=st.integers(1, 200))
def test_whoever_waits_as_long_as_it_says_makes_all_that_the_rate_allows(per_second: int, number: int) -> None:
    clock = Clock()
    pacer = Pacer(per_second, clock)
    for _ in range(number):
        while wait := pacer.take():
            clock.ns += max(1, round(wait * SECOND))

    waited_for = max(0, number - pacer.burst)
    assert waited_for * SECOND <= per_second * clock.ns
    # The interval between two is rounded up to a whole nanosecond, and so may each wait be.
    assert clock.ns <= waited_for * (SECOND / per_second + 2)


@pytest.mark.parametrize(("per_second", "burst"), [(1, 1), (9, 1), (10, 1), (1_000, 100)])
def test_after_a_pause_a_tenth_of_a_second_goes_at_once(per_second: int, burst: int) -> None:
    clock = Clock()
    pacer = Pacer(per_second, clock)
    clock.ns += 1_000 * SECOND

    assert [pacer.take() for _ in range(burst)] == [0.0] * burst
    assert pacer.take() == pytest.approx(1 / per_second)


def test_what_was_refused_does_not_count() -> None:
    clock = Clock()
    pacer = Pacer(1, clock)
    assert pacer.take() == 0

    assert [pacer.take() for _ in range(10)] == [1.0] * 10
    clock.ns += SECOND
    assert pacer.take() == 0


@pytest.mark.parametrize("per_second", [0, -1])
def test_less_than_one_a_second_is_an_error(per_second: int) -> None:
    with pytest.raises(ValueError, match=rf"^per_second: must be at least 1, got {per_second}$"):
        Pacer(per_second, time.monotonic_ns)
