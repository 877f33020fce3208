from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.filter_work import find_span_size, measure_filters, measure_preparation, measure_tests

COSTS = st.lists(st.integers(2, 200), max_size=50)


def test_the_most_expensive_test_is_a_quarter_of_a_post_and_a_usual_one_next_to_nothing() -> None:
    assert measure_tests(200, 1) == pytest.approx(0.26)
    assert measure_tests(5, 1) == pytest.approx(0.01625)
    assert measure_filters([200] * 100, 1) == pytest.approx(234)


def test_the_work_of_filters_is_that_of_each() -> None:
    assert measure_filters([], 1_000) == 0
    assert measure_filters([8], 6) == measure_preparation(8) + measure_tests(8, 6)
    assert measure_filters([8, 12], 6) == measure_filters([8], 6) + measure_filters([12], 6)


@given(st.integers(100, 10_000), st.integers(1, 20), COSTS, st.integers(1, 2_000))
def test_a_span_needs_no_more_than_an_invocation_may_do(
    posts: int, frames: int, costs: list[int], versions: int
) -> None:
    size = find_span_size(posts, frames, costs, versions)
    work = measure_filters(costs, versions)
    needed = size * frames + min(work, size * work / max(1, len(costs)))
    assert size >= 1
    assert needed <= posts * 1.000001 or size == 1


def test_without_filters_a_span_has_as_many_connections_as_posts_are_left_for() -> None:
    assert [find_span_size(50, frames, (), 1) for frames in (1, 2, 49, 50, 51)] == [50, 25, 1, 1, 1]


def test_a_span_is_smaller_where_each_connection_may_have_an_expensive_filter() -> None:
    assert find_span_size(5_000, 1, (), 100) == 5_000
    assert find_span_size(5_000, 1, [200] * 10, 100) == 4_719
    assert find_span_size(5_000, 1, [200] * 200, 100) == 171
