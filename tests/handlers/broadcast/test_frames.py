from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from formbridge.broadcast.changes import Change
from formbridge.broadcast.frames import Frames
from formbridge.wire import protocol
from formbridge.wire.cursor import Cursor
from tests.support.handlers.broadcasts import carried
from tests.support.handlers.builders import NOW, iso, submission
from tests.support.handlers.connections import connection, wanting

if TYPE_CHECKING:
    from formbridge.submissions.submission import Submission
    from formbridge.wire.subscription_filter import SubscriptionFilter

BILLED_BYTES = 32 * 1024
EPOCH = NOW - 60_000
NEW = wanting({"status": ["new"]})


def longest(n: int) -> Submission:
    """A submission whose names are as long as they may be."""
    return submission(
        f"{n:064}",
        tenant_id="t_" + "x" * 64,
        form_id="f" * 64,
        status="s" * 32,
        version=10**15,
        expires_at=10**10,
    )


def frames(*held: Submission, wanted: SubscriptionFilter | None = None) -> list[str]:
    """The frames of a tenant's new submissions."""
    tenant_id = held[0].tenant_id if held else "t_acme"
    pushes = Frames(tenant_id, [Change(each, "insert", NOW) for each in held], EPOCH, NOW)
    return [frame.decode() for frame in pushes.for_connection(connection(filter=wanted))]


@pytest.mark.parametrize("count", [1, 2, 60, 200])
def test_frames_are_complete_and_each_is_billed_as_one_message(count: int) -> None:
    for length in range(1, 65):  # of a name, so that frames end at every distance from the limit
        held = [replace(longest(n), form_id="f" * length) for n in range(count)]
        made = frames(*held, wanted=wanting({"form_id": ["f" * length]}))
        assert [update for frame in made for update in carried(frame)] == [each.build_update("insert") for each in held]
        assert max(len(frame.encode()) for frame in made) <= BILLED_BYTES


def test_frames_are_as_few_as_can_be() -> None:
    *full, _ = frames(*map(longest, range(200)))
    one_more = len(protocol.encode(longest(0).build_update("insert")).encode())
    assert all(len(frame.encode()) + one_more > BILLED_BYTES - 512 for frame in full)


def test_one_update_is_one_submission_update() -> None:
    (frame,) = frames(submission("s1"))
    assert json.loads(frame)["type"] == "submission_update"
    assert json.loads(frame)["timestamp"] == NOW


def test_no_updates_are_no_frames() -> None:
    assert frames() == []
    assert frames(submission("s1", status="spam"), wanted=NEW) == []


def test_the_cursor_of_a_frame_tells_how_recent_the_changes_are() -> None:
    (frame,) = frames(submission("s1", updated_at=iso(5)), submission("s2", updated_at=iso(2)))
    assert Cursor.decode(json.loads(frame)["cursor"], "t_acme", NOW) == Cursor("t_acme", EPOCH, iso(5))


@pytest.mark.parametrize("count", [1, 2, 200])
def test_every_frame_tells_the_epoch(count: int) -> None:
    made = frames(*(longest(n) for n in range(count)))
    assert {json.loads(frame)["epoch"] for frame in made} == {EPOCH}
    assert (len(made) > 1) == (count == 200)


def test_a_frame_names_the_filter_that_it_was_made_through() -> None:
    (through_one,) = frames(submission("s1", status="new"), wanted=NEW)
    (through_none,) = frames(submission("s1", status="new"))
    assert json.loads(through_one)["filter_id"] == NEW.id
    assert "filter_id" not in json.loads(through_none)
