"""A client equals the table in the end, whatever happened on the way."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import pytest

from formbridge.broadcast import frames
from formbridge.session.replay import Replay
from formbridge.wire import cursor
from tests.support.convergence.world import World

if TYPE_CHECKING:
    from collections.abc import Callable

    from formbridge.submissions.submission import Submission
    from formbridge.wire.subscription_filter import SubscriptionFilter

HISTORIES = 1_000


def lives(number: int) -> World:
    """A history, always the same for the same number."""
    world = World(random.Random(number))
    world.live(steps=world.chance.randint(20, 150))
    return world


@pytest.mark.no_cover
def test_in_a_thousand_histories_the_client_equals_the_table() -> None:
    for number in range(HISTORIES):
        world = lives(number)
        assert world.shown() == world.expected(), f"history {number}"


# --- That it would notice -------------------------------------------------------------------------------------


def without_overlap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cursor, "OVERLAP_MS", 0)


def a_resume_without_leave(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replay, "_build_change", Replay._build_current)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def a_snapshot_through_no_filter(patch: pytest.MonkeyPatch) -> None:
    def everything(_self: SubscriptionFilter, _submission: Submission) -> bool:
        return True

    patch.setattr(Replay, "_matches", everything)


def pushes_from_before_the_view(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(frames, "OVERLAP_MS", 365 * 24 * 3600 * 1000)


@pytest.mark.parametrize(
    "mutation",
    [without_overlap, a_resume_without_leave, a_snapshot_through_no_filter, pushes_from_before_the_view],
)
def test_a_fault_is_noticed(monkeypatch: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None]) -> None:
    mutation(monkeypatch)
    assert any(world.shown() != world.expected() for world in map(lives, range(HISTORIES)))
