from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from formbridge.connections.rate_limit import Rate
from tests.support.handlers.builders import NOW

if TYPE_CHECKING:
    from collections.abc import Iterable

NOW_US = NOW * 1000
RATES = st.builds(Rate, per_second=st.integers(1, 1_000), burst=st.integers(1, 5))
PAUSES = st.lists(st.tuples(st.sampled_from([0, 0, 1, 2]), st.integers(-2, 2)), max_size=60)
"""Between one message and the next: so many times the time in which a token comes back, and so many microseconds."""


def passed(rate: Rate, pauses_us: Iterable[int]) -> list[int]:
    """The times of those messages that are let through, in epoch microseconds."""
    full_at, now_us = 0, NOW_US
    through: list[int] = []
    for pause in pauses_us:
        now_us += pause
        if rate.wait_ms(full_at, now_us) == 0:
            full_at = max(full_at, now_us) + rate.interval_us
            through.append(now_us)
    return through


@given(RATES, PAUSES)
def test_in_no_window_of_time_more_pass_than_the_burst_and_the_rate_allow(
    rate: Rate, pauses: list[tuple[int, int]]
) -> None:
    through = passed(rate, (max(0, whole * rate.interval_us + more) for whole, more in pauses))
    for first, last in itertools.combinations(range(len(through)), 2):
        window_us = through[last] - through[first]
        assert (last - first + 1 - rate.burst) * 1_000_000 <= rate.per_second * window_us


@given(RATES, st.integers(1, 100))
def test_who_keeps_to_the_rate_is_never_refused(rate: Rate, messages: int) -> None:
    assert len(passed(rate, [rate.interval_us] * messages)) == messages


@given(RATES)
def test_a_burst_passes_at_once_and_again_after_the_time_in_which_the_bucket_fills(rate: Rate) -> None:
    fills_us = rate.burst * rate.interval_us
    at_once = [0] * rate.burst
    assert len(passed(rate, [*at_once, 0, fills_us, *at_once])) == 2 * rate.burst


@given(RATES, st.integers(0, 10_000_000))
def test_a_message_passes_after_the_wait_and_no_millisecond_sooner(rate: Rate, ahead_us: int) -> None:
    full_at = NOW_US + ahead_us
    wait_ms = rate.wait_ms(full_at, NOW_US)
    assert rate.wait_ms(full_at, NOW_US + wait_ms * 1_000) == 0
    assert wait_ms == 0 or rate.wait_ms(full_at, NOW_US + (wait_ms - 1) * 1_000) > 0
