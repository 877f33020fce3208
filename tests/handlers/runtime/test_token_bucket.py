from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.runtime.token_bucket import TokenBucket

MICROSECONDS = 1_000_000


def counting_bucket(moments: list[int], burst: int, interval: int) -> list[bool]:
    """Whether each request is accepted by a bucket that counts its tokens: the textbook definition."""
    accepted: list[bool] = []
    tokens, last = Fraction(burst), moments[0]
    for now in moments:
        tokens = min(Fraction(burst), tokens + Fraction(now - last, interval))
        last = now
        accepted.append(tokens >= 1)
        tokens -= accepted[-1]
    return accepted


@given(
    pauses=st.lists(st.integers(0, 3_000), min_size=1, max_size=80),
    burst=st.integers(1, 20),
    interval=st.integers(1, 1_000),
)
def test_it_accepts_what_a_bucket_that_counts_tokens_accepts(pauses: list[int], burst: int, interval: int) -> None:
    bucket = TokenBucket(burst, interval)
    moments = [sum(pauses[: count + 1]) for count in range(len(pauses))]
    accepted: list[bool] = []
    full_at = 0
    for now in moments:
        accepted.append(bucket.wait(full_at, now) == 0)
        if accepted[-1]:
            full_at = bucket.take(full_at, now)

    assert accepted == counting_bucket(moments, burst, interval)


@given(takes=st.integers(1, 40), burst=st.integers(1, 20), interval=st.integers(1, 1_000), now=st.integers(0, 10_000))
def test_after_the_wait_and_not_before_there_is_a_token(takes: int, burst: int, interval: int, now: int) -> None:
    bucket = TokenBucket(burst, interval)
    full_at = 0
    for _ in range(takes):
        full_at = bucket.take(full_at, now)
    wait = bucket.wait(full_at, now)

    assert bucket.wait(full_at, now + wait) == 0
    if wait:
        assert bucket.wait(full_at, now + wait - 1) == 1


@given(takes=st.integers(0, 40), tokens=st.integers(1, 20), interval=st.integers(1, 1_000), now=st.integers(0, 10_000))
def test_after_the_wait_for_several_tokens_so_many_can_be_taken(
    takes: int, tokens: int, interval: int, now: int
) -> None:
    bucket = TokenBucket(20, interval)
    full_at = 0
    for _ in range(takes):
        full_at = bucket.take(full_at, now)
    later = now + bucket.wait(full_at, now, tokens)
    for _ in range(tokens):
        assert bucket.wait(full_at, later) == 0
        full_at = bucket.take(full_at, later)


@pytest.mark.parametrize(("tokens", "interval"), [(1, 1_000_000), (3, 333_334), (1_000_000, 1)])
def test_a_rate_is_never_exceeded_by_rounding(tokens: int, interval: int) -> None:
    assert TokenBucket.per_second(tokens, 1, MICROSECONDS).interval == interval
