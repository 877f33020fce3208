"""The work of evaluating subscription filters, expressed in posts. Pure.

A tenant decides how many distinct filters its connections have, and a batch is matched with each of them. This work
therefore counts towards the fan-out threshold, like posts.

The constants come from a measurement (`python -m bench fairness`): a post takes about 75 µs of CPU, the test of one
version by the most expensive filter (cost 200) 15 to 20 µs, and by a usual filter about 1 µs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

BASE_COST: Final = 8
"""Cost of a test that does not depend on the filter: selecting and joining the updates."""
PREPARATION_TESTS: Final = 8
"""Number of tests that take as long as decoding and indexing a filter."""
COST_PER_POST: Final = 800
"""Cost of tests that takes as long as one post."""


def measure_tests(cost: int, versions: int) -> float:
    """Return the number of posts that take as long as testing versions of submissions with a filter of a cost."""
    return (BASE_COST + cost) * versions / COST_PER_POST


def measure_preparation(cost: int) -> float:
    """Return the number of posts that take as long as decoding and indexing a filter of a cost."""
    return measure_tests(cost, PREPARATION_TESTS)


def measure_filters(costs: Sequence[int], versions: int) -> float:
    """Return the number of posts that take as long as testing versions of submissions with each of several filters."""
    return sum(measure_preparation(cost) + measure_tests(cost, versions) for cost in costs)


def find_span_size(posts: float, frames: int, costs: Sequence[int], versions: int) -> int:
    """Return the number of connections whose broadcast takes as long as `posts` posts; at least 1.

    Args:
        posts: Number of posts.
        frames: Number of frames for each connection.
        costs: Costs of the distinct filters that the connections may have.
        versions: Number of versions of submissions that each filter tests.
    """
    work = measure_filters(costs, versions)
    # Either the connections have all filters, or each connection has a filter of its own.
    with_all_filters = (posts - work) / frames
    with_own_filters = posts / (frames + work / max(1, len(costs)))
    return max(1, int(max(with_all_filters, with_own_filters)))
