"""Every client equals the table in the end, whatever happened on the way, and no deleted submission comes back."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from formbridge.broadcast import frames
from formbridge.broadcast.changes import Batch
from formbridge.runtime import timestamps
from formbridge.session import replay, session
from formbridge.session.replay import Replay
from formbridge.submissions import table
from formbridge.wire import cursor, protocol
from formbridge.wire.cursor import CONSISTENCY_WINDOW_MS, Cursor
from tests.support.convergence import world
from tests.support.convergence.world import DAY_MS, Rows, World
from tests.support.handlers.broadcasts import NEVER
from tests.support.handlers.builders import bus_event
from tools.client import subscription, view

if TYPE_CHECKING:
    from collections.abc import Callable

    from formbridge.submissions.submission import Submission
    from formbridge.wire.subscription_filter import SubscriptionFilter

HISTORIES = 1_000


def live(number: int) -> World:
    """A history, always the same for the same number."""
    world = World(random.Random(number))
    world.live(steps=world.chance.randint(20, 150))
    return world


def live_with_a_late_stream() -> World:
    """A history in which a client connects after a deletion, and the pipe then delivers what came before it.

    The deletion itself is not posted, so the client is told to resync. Chance makes such a history too seldom.
    """
    world = World(random.Random(0))
    world.calm = True
    client = world.clients[0]
    ids = {"tenant_id": client.tenant_id, "submission_id": "a"}
    for kind, change in (
        ("submission.received", {"form_id": "contact"}),
        ("submission.updated", {"status": "deleted"}),
    ):
        event = bus_event(kind, {**ids, **change}, time=timestamps.to_iso(world.table.now_ms))
        world.persist(event, world.table.now_ms)
        world.table.now_ms += 2 * CONSISTENCY_WINDOW_MS
    inserted, _ = world.table.stream
    world.table.stream.clear()
    world.settle()
    world.broadcaster.broadcast(Batch.read([inserted]).changes, NEVER).raise_failures()
    world.rows.mark_behind(client.key, world.table.now_ms)
    world.clean()
    world.settle()
    return world


def is_right(world: World) -> bool:
    return world.shown() == world.expected() and not world.revived and not world.foreign()


@pytest.mark.no_cover
def test_in_a_thousand_histories_every_client_equals_the_table() -> None:
    for number in range(HISTORIES):
        world = live(number)
        assert world.shown() == world.expected(), f"history {number}"
        assert world.revived == [], f"history {number}"
        assert world.foreign() == [], f"history {number}"


# --- That it would notice -------------------------------------------------------------------------------------


def a_deletion_that_is_not_final(patch: pytest.MonkeyPatch) -> None:
    def is_never_final(_row: object) -> bool:
        return False

    for module in (table, world):
        patch.setattr(module, "is_final", is_never_final)


def a_tombstone_that_ends_before_its_dead_letters(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(world, "TOMBSTONE_DAYS", 7)


def incarnations_that_are_ignored(patch: pytest.MonkeyPatch) -> None:
    recency = view._Recency  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]

    def ignore(_incarnation: int, version: int, is_gone: bool) -> object:
        return recency(0, version, is_gone)

    patch.setattr(view, "_Recency", ignore)


def epochs_that_are_ignored(patch: pytest.MonkeyPatch) -> None:
    def can_resume(one: Cursor, _epoch: int, now_ms: int) -> bool:
        return one.position >= cursor.timestamps.to_iso(now_ms - cursor.MAX_AGE_MS)

    patch.setattr(Cursor, "can_resume", can_resume)


def a_settle_read_that_is_left_out(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(replay, "CONSISTENCY_WINDOW_MS", 365 * DAY_MS)


def an_order_of_requests_that_is_ignored(patch: pytest.MonkeyPatch) -> None:
    parse = protocol.parse_request

    def parse_without_filter_id(body: str | None, limits: protocol.Limits) -> protocol.Request:
        match parse(body, limits):
            case protocol.Sync(request_id, position):
                return protocol.Sync(request_id, position, None, names_filter=False)
            case request:
                return request

    def is_never_superseded(*_: object) -> bool:
        return False

    patch.setattr(Rows, "is_superseded", is_never_superseded)
    patch.setattr(session.protocol, "parse_request", parse_without_filter_id)


def no_reconciliation(patch: pytest.MonkeyPatch) -> None:
    def plan_none(self: subscription.Subscription, _now: float) -> None:
        self._reconcile_at = math.inf  # pyright: ignore[reportPrivateUsage]

    patch.setattr(subscription.Subscription, "_plan_reconciliation", plan_none)


def without_overlap(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(cursor, "CONSISTENCY_WINDOW_MS", 0)


def a_resume_without_leave(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Replay, "_build_change", Replay._build_current)  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]


def a_snapshot_through_no_filter(patch: pytest.MonkeyPatch) -> None:
    def everything(_self: SubscriptionFilter, _submission: Submission) -> bool:
        return True

    patch.setattr(Replay, "_matches", everything)


def pushes_from_before_the_view(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(frames, "CONSISTENCY_WINDOW_MS", 365 * DAY_MS)


def test_a_change_from_before_a_view_is_not_posted_to_it(monkeypatch: pytest.MonkeyPatch) -> None:
    assert is_right(live_with_a_late_stream())
    pushes_from_before_the_view(monkeypatch)
    assert not is_right(live_with_a_late_stream())


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "mutation",
    [
        a_deletion_that_is_not_final,
        a_tombstone_that_ends_before_its_dead_letters,
        incarnations_that_are_ignored,
        epochs_that_are_ignored,
        a_settle_read_that_is_left_out,
        an_order_of_requests_that_is_ignored,
        no_reconciliation,
        without_overlap,
        a_resume_without_leave,
        a_snapshot_through_no_filter,
    ],
)
def test_a_fault_is_noticed(monkeypatch: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None]) -> None:
    mutation(monkeypatch)
    assert not all(map(is_right, map(live, range(HISTORIES))))
