from __future__ import annotations

from formbridge.posting.delivery import Deadlines


def test_what_is_left_of_a_lambdas_time_is_for_marking_what_was_not_posted() -> None:
    assert Deadlines.split(1_000.0, 60.0) == Deadlines(posting=1_036.0, writing=1_054.0)
