from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.session import replay
from formbridge.session.replay import Replay
from formbridge.submissions.submission import MAX_ATTRIBUTE_LENGTH, Submission
from formbridge.wire import protocol
from formbridge.wire.cursor import MAX_AGE_MS, Cursor
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.builders import NOW, iso, submission
from tests.support.handlers.world import LIMITS, MAX_FRAME_BYTES, Submissions, all_ids, ids, to_the_end

NOW_S = NOW // 1000
SURVEYS = SubscriptionFilter.parse({"form_id": ["survey"]}, LIMITS.max_filter_length)
RESUME = Cursor("t_acme", iso(-1))
LONGEST_ID = "\N{WAVING HAND SIGN}" * protocol.MAX_REQUEST_ID


@pytest.fixture
def table() -> Submissions:
    return Submissions()


def see(
    table: Submissions,
    start: Cursor | None = None,
    snapshot: int = 50,
    *,
    wanted: SubscriptionFilter | None = None,
    now_ms: int = NOW,
) -> dict[str, Any]:
    """A view's reply as a client reads it, which with the longest `id` is still one frame."""
    reply = Replay("t_acme", wanted, table, now_ms).since(start, snapshot)
    frame = protocol.build_reply(
        "subscribed", LONGEST_ID, **reply, heartbeat_seconds=300, expires_at=10**10, server_time=10**13
    )
    text = protocol.encode(frame)
    assert len(text.encode()) <= MAX_FRAME_BYTES
    return json.loads(text)


def pages(
    table: Submissions, start: Cursor | None, snapshot: int = 50, *, wanted: SubscriptionFilter | None = None
) -> list[dict[str, Any]]:
    """The replies from a start to the first that is complete, a minute apart."""
    moments = itertools.count(NOW, 60_000)

    def read_on(held: str) -> dict[str, Any]:
        return see(table, Cursor.decode(held, "t_acme"), wanted=wanted, now_ms=next(moments))

    return to_the_end(see(table, start, snapshot, wanted=wanted, now_ms=next(moments)), read_on)


# --- Laws -----------------------------------------------------------------------------------------------------

STATES = st.tuples(st.sampled_from(["contact", "survey"]), st.sampled_from(["open", "deleted"]), st.booleans())
"""Form, status, and whether it has expired."""


def filled(states: list[tuple[str, str, bool]]) -> list[Submission]:
    """Submissions in the order of time, two of them at each moment."""
    return [
        submission(
            f"s{n:03}",
            form_id=form,
            status=status,
            updated_at=iso(n // 2),
            expires_at=NOW_S if expired else NOW_S + 1_000_000,
        )
        for n, (form, status, expired) in enumerate(states)
    ]


@given(
    st.lists(STATES, max_size=60),
    st.none() | st.just(SURVEYS),
    st.integers(1, 60),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_the_pages_of_a_snapshot_are_the_newest_that_match_once_each(
    states: list[tuple[str, str, bool]],
    wanted: SubscriptionFilter | None,
    snapshot: int,
    page_items: int,
    read_pages: int,
) -> None:
    table = Submissions()
    held = filled(states)
    table.put(*held)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "PAGE_ITEMS", page_items)
        patch.setattr(replay, "READ_PAGES", read_pages)
        replies = pages(table, None, snapshot, wanted=wanted)
    # What expires at NOW has expired on every page; nothing else does while the pages are read.
    matching = [
        each.submission_id
        for each in reversed(held)
        if not each.is_deleted and not each.has_expired(NOW) and (wanted is None or wanted.matches(each))
    ]
    assert all_ids(replies) == matching[:snapshot]
    assert replies[-1]["cursor"] == Cursor.for_complete_reply("t_acme", NOW).encode()


@given(
    st.lists(STATES, max_size=60),
    st.none() | st.just(SURVEYS),
    st.integers(-1, 30),
    st.integers(1, 9),
    st.integers(1, 3),
)
def test_the_pages_of_a_resume_are_all_that_changed_in_order_once_each(
    states: list[tuple[str, str, bool]],
    wanted: SubscriptionFilter | None,
    since: int,
    page_items: int,
    read_pages: int,
) -> None:
    table = Submissions()
    held = filled(states)
    table.put(*held)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "PAGE_ITEMS", page_items)
        patch.setattr(replay, "READ_PAGES", read_pages)
        replies = pages(table, Cursor("t_acme", iso(since)), wanted=wanted)
    expected = [
        each.build_current() if wanted is None or wanted.matches(each) else each.build_leave()
        for each in held
        if each.position > iso(since) and not each.has_expired(NOW)
    ]
    assert [update for reply in replies for update in reply["updates"]] == expected
    assert replies[-1]["cursor"] == Cursor.for_complete_reply("t_acme", NOW).encode()


# --- What a view has ------------------------------------------------------------------------------------------


def test_what_was_deleted_is_in_no_snapshot_and_in_every_resume(table: Submissions) -> None:
    table.put(submission("s1"), submission("s2", status="deleted", version=2))
    assert ids(see(table)) == ["s1"]
    _, deleted = see(table, RESUME)["updates"]
    assert (deleted["event"], deleted["data"]["status"]) == ("modify", "deleted")


def test_what_was_deleted_and_does_not_match_leaves(table: Submissions) -> None:
    table.put(submission("s2", status="deleted", version=2))
    assert see(table, RESUME, wanted=SURVEYS)["updates"] == [submission("s2", version=2).build_leave()]


def test_what_has_expired_is_not_shown_and_others_take_its_place(table: Submissions) -> None:
    expired = [submission(f"x{n}", updated_at=iso(n), expires_at=NOW_S) for n in range(6)]
    held = [submission(f"s{n}", updated_at=iso(n), expires_at=NOW_S + 1) for n in range(3)]
    table.put(*expired, *held)
    assert ids(see(table, None, 2)) == ["s2", "s1"]
    assert ids(see(table, RESUME, 2)) == ["s0", "s1", "s2"]


def test_what_was_deleted_lately_costs_a_snapshot_no_second_read(table: Submissions) -> None:
    deleted = [submission(f"x{n:02}", updated_at=iso(100 + n), status="deleted") for n in range(replay.SPARE_ITEMS)]
    table.put(*deleted, *(submission(f"s{n:02}", updated_at=iso(n)) for n in range(90)))
    assert len(ids(see(table, None, 50))) == 50
    assert table.calls == ["read"]


def test_a_snapshot_of_none_reads_nothing_and_is_complete(table: Submissions) -> None:
    table.put(submission())
    reply = see(table, None, 0)
    assert (reply["updates"], reply["complete"], table.calls) == ([], True, [])


def test_without_a_table_there_is_nothing_to_read() -> None:
    without = Replay("t_acme", None, None, NOW)
    assert without.since(None, 50)["updates"] == []
    assert "recovered" not in without.since(None, 50)
    assert without.since(RESUME, 50)["recovered"] is False


# --- Pages ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("start", [None, RESUME], ids=["snapshot", "resume"])
def test_a_reply_looks_at_so_many_and_no_more(table: Submissions, start: Cursor | None) -> None:
    table.put(*(submission(f"s{n:05}", updated_at=iso(n), expires_at=NOW_S) for n in range(5_000)))
    reply = see(table, start, 1, wanted=SURVEYS)
    assert (reply["updates"], reply["complete"]) == ([], False)
    assert len(table.calls) == replay.READ_PAGES
    looked_at = replay.READ_PAGES * replay.PAGE_ITEMS
    last = table.in_order("t_acme", newest_first=start is None)[looked_at - 1]
    assert Cursor.decode(reply["cursor"], "t_acme").position == last.position


def test_a_snapshot_that_was_cut_wants_what_is_left_of_it(table: Submissions) -> None:
    table.put(*(submission(f"s{n:05}", updated_at=iso(n), form_id="survey" if n > 4_990 else "") for n in range(5_000)))
    first = see(table, wanted=SURVEYS)
    assert Cursor.decode(first["cursor"], "t_acme").snapshot_left == 50 - 9


def test_a_snapshot_that_was_cut_a_day_ago_begins_again(table: Submissions) -> None:
    table.put(*(submission(f"s{n}", updated_at=iso(n)) for n in range(5)))
    cut = Cursor("t_acme", f"{iso(3)}#s3", scan_started_ms=NOW, snapshot_left=2)
    assert ids(see(table, cut, now_ms=NOW + MAX_AGE_MS)) == ["s2", "s1"]
    late = see(table, cut, now_ms=NOW + MAX_AGE_MS + 1)
    assert (late["recovered"], ids(late)) == (False, ["s4", "s3", "s2", "s1", "s0"])


def test_what_changes_while_a_snapshot_is_read_in_pages_comes_with_the_next_sync(table: Submissions) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "PAGE_ITEMS", 2)
        patch.setattr(replay, "READ_PAGES", 1)
        table.put(*(submission(f"s{n}", updated_at=iso(n), form_id="survey") for n in range(4)))
        first = see(table, wanted=SURVEYS)
        assert ids(first) == ["s3", "s2"]
        table.put(submission("s0", updated_at=iso(60_000), version=2, form_id="survey"))
        cut = Cursor.decode(first["cursor"], "t_acme")
        replies = pages(table, cut, wanted=SURVEYS)
        assert all_ids(replies) == ["s1"]
        complete = Cursor.decode(replies[-1]["cursor"], "t_acme")
        assert "s0" in all_ids(pages(table, complete, wanted=SURVEYS))


# --- 128 KB ---------------------------------------------------------------------------------------------------

WIDE = ["x", "é", "\x01", "\N{WAVING HAND SIGN}", '"']
"""Characters that take the most bytes, in a key, in JSON, or in a cursor."""


@pytest.mark.parametrize("character", WIDE, ids=ascii)
@pytest.mark.parametrize("start", [None, RESUME], ids=["snapshot", "resume"])
def test_whatever_a_table_of_someone_elses_holds_a_reply_is_one_frame(
    table: Submissions, start: Cursor | None, character: str
) -> None:
    # With its time before it an id is a sort key, of at most 1,024 bytes; other texts may be longer.
    longest = (1_024 - len(f"{iso()}#000")) // len(character.encode())
    table.put(
        *(
            submission(
                f"{n:03}{character * longest}",
                updated_at=iso(n),
                form_id=character * MAX_ATTRIBUTE_LENGTH,
                status=character * MAX_ATTRIBUTE_LENGTH,
                submitted_at=character * MAX_ATTRIBUTE_LENGTH,
            )
            for n in range(40)
        )
    )
    replies = pages(table, start, 40)
    order = reversed(range(40)) if start is None else range(40)
    assert [name[:3] for name in all_ids(replies)] == [f"{n:03}" for n in order]
    assert len(replies) > 1
