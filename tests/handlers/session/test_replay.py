from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from formbridge.session import replay
from formbridge.session.replay import Replay
from formbridge.submissions.submission import MAX_ATTRIBUTE_LENGTH, Submission
from formbridge.wire import protocol
from formbridge.wire.cursor import CONSISTENCY_WINDOW_MS, MAX_AGE_MS, Cursor
from formbridge.wire.protocol import Held
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.builders import NOW, iso, submission
from tests.support.handlers.world import LIMITS, MAX_MESSAGE_BYTES, Submissions, all_ids, ids, to_the_end

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.submissions.submission import Update

NOW_S = NOW // 1000
SURVEYS = SubscriptionFilter.parse({"form_id": ["survey"]}, LIMITS.max_filter_length)
RESUME = Cursor("t_acme", 0, iso(-1))
LONGEST_ID = "\N{WAVING HAND SIGN}" * protocol.MAX_REQUEST_ID
COMPLETE = Cursor.for_complete_reply("t_acme", 0, NOW).encode()
"""Cursor of a complete reply that was read, or begun to be read, at `NOW`."""


@pytest.fixture
def table() -> Submissions:
    return Submissions()


def opened(
    table: Submissions | None, wanted: SubscriptionFilter | None = None, *, epoch: int = 0, now_ms: int = NOW
) -> Replay:
    return Replay("t_acme", wanted, table, epoch, now_ms)


def told(fields: dict[str, Any]) -> dict[str, Any]:
    """A reply as a client reads it, which with the longest `id` is still one frame."""
    frame = protocol.build_reply(
        "subscribed", LONGEST_ID, **fields, heartbeat_seconds=300, expires_at=10**10, server_time=10**13
    )
    text = protocol.encode(frame)
    assert len(text.encode()) <= MAX_MESSAGE_BYTES
    return json.loads(text)


def see(
    table: Submissions,
    start: Cursor | None = None,
    snapshot: int = 50,
    *,
    wanted: SubscriptionFilter | None = None,
    now_ms: int = NOW,
) -> dict[str, Any]:
    """The changes since a cursor, or a snapshot."""
    replay = opened(table, wanted, now_ms=now_ms)
    if start is None:
        return told(replay.read_snapshot(snapshot))
    assert replay.can_resume(start)
    return told(replay.read_changes(start))


def pages(table: Submissions, start: Cursor, *, wanted: SubscriptionFilter | None = None) -> list[dict[str, Any]]:
    """The replies from a cursor to the first that is complete, a minute apart."""
    moments = itertools.count(NOW, 60_000)

    def read_on(held: Cursor) -> dict[str, Any]:
        return see(table, held, wanted=wanted, now_ms=next(moments))

    return to_the_end(read_on(start), lambda held: read_on(Cursor.decode(held, "t_acme", NOW)))


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
    st.integers(0, 9),
    st.integers(1, 9),
    st.integers(1, 3),
)
@example([("contact", "open", False), *[("contact", "deleted", False)] * 5], None, 1, 4, 2)
def test_a_snapshot_is_one_reply_with_the_newest_that_match_among_those_that_are_looked_at(
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
        patch.setattr(replay, "MAX_PAGES", read_pages)
        patch.setattr(replay, "SPARE_ITEMS", 1)
        reply = see(table, None, snapshot, wanted=wanted)
        first = page_items if wanted else min(snapshot + replay.SPARE_ITEMS, page_items)
    looked_at = [*reversed(held)][: first + page_items * (read_pages - 1)]
    matching = [
        each.submission_id
        for each in looked_at
        if not each.is_deleted and not each.has_expired(NOW) and (wanted is None or wanted.matches(each))
    ]
    assert ids(reply) == matching[:snapshot]
    assert (reply["complete"], reply["cursor"]) == (True, COMPLETE)
    assert len(table.calls) <= read_pages


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
        patch.setattr(replay, "MAX_PAGES", read_pages)
        replies = pages(table, Cursor("t_acme", 0, iso(since)), wanted=wanted)
    expected = [
        each.build_current() if wanted is None or wanted.matches(each) else each.build_leave()
        for each in held
        if each.position > iso(since) and not each.has_expired(NOW)
    ]
    assert [update for reply in replies for update in reply["updates"]] == expected
    assert replies[-1]["cursor"] == COMPLETE


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


def test_what_was_deleted_in_bulk_leaves_a_snapshot_full(table: Submissions) -> None:
    deleted = (submission(f"x{n:04}", updated_at=iso(100 + n), status="deleted") for n in range(1_500))
    table.put(*deleted, *(submission(f"s{n:02}", updated_at=iso(n)) for n in range(60)))
    assert ids(see(table, None, 50)) == [f"s{n:02}" for n in range(59, 9, -1)]


def test_a_snapshot_of_none_reads_nothing_and_is_complete(table: Submissions) -> None:
    table.put(submission())
    reply = see(table, None, 0)
    assert (reply["updates"], reply["complete"], table.calls) == ([], True, [])


def test_without_a_table_there_is_nothing_to_read() -> None:
    without = opened(None)
    assert without.read_snapshot(50)["updates"] == []
    assert not without.can_resume(RESUME)
    assert without.reconcile([Held("s1", NOW, 1)], 50) is None


def test_a_reply_tells_the_epoch_and_when_what_was_written_now_is_visible(table: Submissions) -> None:
    for fields in (
        opened(table, epoch=NOW - 60_000).read_snapshot(1),
        opened(table, epoch=NOW - 60_000).read_changes(RESUME),
    ):
        assert (fields["epoch"], fields["settle_seconds"]) == (NOW - 60_000, CONSISTENCY_WINDOW_MS // 1000)
        assert fields["cursor"] == Cursor.for_complete_reply("t_acme", NOW - 60_000, NOW).encode()


def test_a_cursor_of_another_epoch_is_not_resumed_from(table: Submissions) -> None:
    earlier = Cursor("t_acme", NOW - 60_000, iso())
    assert opened(table, epoch=NOW - 60_000).can_resume(earlier)
    assert not opened(table, epoch=NOW - 59_999).can_resume(earlier)


# --- Pages ----------------------------------------------------------------------------------------------------


def many(table: Submissions, **fields: Any) -> None:
    """More than one reply looks at."""
    table.put(*(submission(f"s{n:05}", updated_at=iso(n), **fields) for n in range(5_000)))


def test_a_resume_looks_at_so_many_and_is_read_on_from_there(table: Submissions) -> None:
    many(table, expires_at=NOW_S)
    reply = see(table, RESUME, 1, wanted=SURVEYS)
    assert (reply["updates"], reply["complete"]) == ([], False)
    assert len(table.calls) == replay.MAX_PAGES
    last = table.in_order("t_acme")[replay.MAX_PAGES * replay.PAGE_ITEMS - 1]
    reached = Cursor.decode(reply["cursor"], "t_acme", NOW)
    assert (reached.position, reached.scan_started_ms) == (last.position, NOW)


def test_a_snapshot_looks_at_so_many_and_is_complete_with_what_it_found(table: Submissions) -> None:
    many(table)
    table.put(*(submission(f"new{n}", updated_at=iso(5_000 + n), form_id="survey") for n in range(3)))
    table.put(submission("old", updated_at=iso(-1), form_id="survey"))
    reply = see(table, None, 50, wanted=SURVEYS)
    assert (ids(reply), reply["complete"], reply["cursor"]) == (["new2", "new1", "new0"], True, COMPLETE)
    assert len(table.calls) == replay.MAX_PAGES


def test_a_snapshot_looks_at_no_more_than_it_may_where_all_was_deleted(table: Submissions) -> None:
    many(table, status="deleted")
    reply = see(table, None, 1)
    assert (ids(reply), reply["complete"]) == ([], True)
    assert len(table.calls) == replay.MAX_PAGES


# --- Submissions that a filter names --------------------------------------------------------------------------

NAMED = SubscriptionFilter.parse({"submission_id": ["s1", "s3", "s5"], "status": ["open"]}, LIMITS.max_filter_length)


def named(table: Submissions) -> None:
    """Of the three that `NAMED` names, s1 matches, s3 does not, and s5 has expired. Many newer ones match nothing."""
    table.put(
        submission("s1", status="open", updated_at=iso(-MAX_AGE_MS), version=2),
        submission("s2", status="open"),
        submission("s3", status="done"),
        submission("s5", status="open", expires_at=NOW_S),
    )
    many(table)


def test_a_snapshot_of_named_submissions_reads_these_and_no_others(table: Submissions) -> None:
    named(table)
    reply = see(table, wanted=NAMED)
    assert (ids(reply), reply["complete"], reply["cursor"]) == (["s1"], True, COMPLETE)
    assert table.calls == ["read_by_id"]


def test_a_snapshot_of_named_submissions_is_the_newest_first_and_no_larger_than_wanted(table: Submissions) -> None:
    wanted = SubscriptionFilter.parse({"submission_id": ["s1", "s2", "s3"]}, LIMITS.max_filter_length)
    table.put(*(submission(name, updated_at=iso(n)) for n, name in enumerate(["s2", "s3", "s1"])))
    assert ids(see(table, wanted=wanted)) == ["s1", "s3", "s2"]
    assert ids(see(table, None, 2, wanted=wanted)) == ["s1", "s3"]


def test_a_sync_of_named_submissions_reads_them_whenever_they_changed(table: Submissions) -> None:
    named(table)
    reply = see(table, RESUME, wanted=NAMED)
    assert {update["data"]["submission_id"]: update["event"] for update in reply["updates"]} == {
        "s1": "modify",
        "s3": "leave",
    }
    assert (reply["complete"], reply["cursor"]) == (True, COMPLETE)
    assert table.calls == ["read_by_id"]


def test_named_submissions_of_a_table_with_other_keys_are_looked_for_in_the_index(table: Submissions) -> None:
    table.has_other_keys = True
    table.put(
        *(submission(f"s{n}", status="open" if n == 1 else "done", updated_at=iso(n)) for n in range(4)),
    )
    assert ids(see(table, wanted=NAMED)) == ["s1"]
    updates = see(table, Cursor("t_acme", 0, iso(1)), wanted=NAMED)["updates"]
    assert [(update["event"], update["data"]["submission_id"]) for update in updates] == [
        ("insert", "s1"),
        ("leave", "s2"),
        ("leave", "s3"),
    ]


@pytest.mark.parametrize("start", [None, RESUME], ids=["snapshot", "resume"])
def test_named_submissions_that_do_not_fit_one_reply_are_read_from_the_index(
    table: Submissions, start: Cursor | None
) -> None:
    longest, names = "\x01" * MAX_ATTRIBUTE_LENGTH, [f"s{n:02}" for n in range(40)]
    wanted = SubscriptionFilter.parse({"submission_id": names}, LIMITS.max_filter_length)
    table.put(
        *(submission(name, form_id=longest, status=longest, updated_at=iso(n)) for n, name in enumerate(names)),
    )
    if start is None:
        found = ids(see(table, None, 50, wanted=wanted))
        assert found == names[::-1][: len(found)]
        assert 1 < len(found) < 40
    else:
        assert all_ids(pages(table, start, wanted=wanted)) == names


# --- Reconcile ------------------------------------------------------------------------------------------------


def compared(
    table: Submissions, *held: Held, snapshot: int = 0, wanted: SubscriptionFilter | None = None
) -> list[Update]:
    updates = opened(table, wanted).reconcile(held, snapshot)
    assert updates is not None
    return updates


def test_what_a_client_holds_as_it_is_needs_no_update(table: Submissions) -> None:
    table.put(submission("s1", version=2), submission("s2"))
    assert compared(table, Held("s1", NOW, 2), Held("s2", NOW, 1)) == []
    assert compared(table) == []


@pytest.mark.parametrize(
    "stored", [[], [submission("s1", expires_at=NOW_S)], [submission("s1", tenant_id="t_globex")]], ids=range(3)
)
def test_what_does_not_exist_for_the_tenant_is_removed_and_no_more_is_told(
    table: Submissions, stored: list[Submission]
) -> None:
    table.put(*stored)
    data = {"tenant_id": "t_acme", "submission_id": "s1", "version": 3, "incarnation": 7, "event": "remove"}
    assert compared(table, Held("s1", 7, 3)) == [{"event": "remove", "data": data}]


@pytest.mark.parametrize("held", [Held("s1", NOW, 2), Held("s1", NOW, 4)], ids=["same state", "other state"])
def test_what_does_not_match_the_filter_leaves(table: Submissions, held: Held) -> None:
    now = submission("s1", version=2)
    table.put(now)
    assert compared(table, held, wanted=SURVEYS) == [now.build_leave()]


@pytest.mark.parametrize(
    "held",
    [Held("s1", NOW, 1), Held("s1", NOW, 3), Held("s1", NOW - 1, 2), Held("s1", NOW + 1, 2), Held("s1", 0, 9)],
    ids=["older version", "newer version", "older incarnation", "newer incarnation", "another program's row"],
)
def test_what_a_client_holds_in_another_state_is_told_as_it_is(table: Submissions, held: Held) -> None:
    now = submission("s1", version=2)
    table.put(now)
    assert compared(table, held) == [now.build_current()]


def test_a_deletion_is_told_as_it_is(table: Submissions) -> None:
    deleted = submission("s1", version=2, status="deleted")
    table.put(deleted)
    assert compared(table, Held("s1", NOW, 1)) == [deleted.build_current()]


def test_the_newest_that_a_client_misses_follow(table: Submissions) -> None:
    table.put(
        *(submission(f"s{n}", updated_at=iso(n), status="deleted" if n == 5 else "open") for n in range(7)),
    )
    updates = compared(table, Held("s6", NOW, 1), Held("gone", NOW, 1), snapshot=3)
    assert [update["data"]["submission_id"] for update in updates] == ["gone", "s4", "s3"]
    assert table.calls == ["read_by_id", "read"]


def test_the_newest_that_a_client_misses_match_its_filter(table: Submissions) -> None:
    table.put(submission("s1", form_id="survey"), submission("s2"))
    updates = compared(table, snapshot=50, wanted=SURVEYS)
    assert [update["data"]["submission_id"] for update in updates] == ["s1"]


def test_a_comparison_with_no_newest_does_not_read_the_index(table: Submissions) -> None:
    table.put(submission())
    compared(table, Held("s1", NOW, 1))
    assert table.calls == ["read_by_id"]


def test_a_table_that_cannot_be_read_by_id_compares_nothing(table: Submissions) -> None:
    table.has_other_keys = True
    table.put(submission())
    assert opened(table).reconcile([Held("s1", NOW, 2)], 50) is None
    assert table.calls == ["read_by_id"]


def test_what_does_not_fit_one_reply_is_found_by_a_later_comparison(table: Submissions) -> None:
    longest = "x" * MAX_ATTRIBUTE_LENGTH
    table.put(*(submission(f"s{n:03}", form_id=longest, status=longest, version=2) for n in range(100)))
    held = {f"s{n:03}": Held(f"s{n:03}", NOW, 1) for n in range(100)}
    rounds = 0
    while updates := compared(table, *held.values(), snapshot=100):
        told({"updates": updates, "epoch": 0})
        for update in updates:
            held[update["data"]["submission_id"]] = Held(update["data"]["submission_id"], NOW, 2)
        rounds += 1
    assert set(held.values()) == {Held(f"s{n:03}", NOW, 2) for n in range(100)}
    assert 1 < rounds < 5


HELD = st.builds(Held, st.sampled_from("abcd"), st.sampled_from([0, NOW]), st.integers(1, 3))
STORED = st.builds(
    submission,
    st.sampled_from("abcd"),
    form_id=st.sampled_from(["contact", "survey"]),
    status=st.sampled_from(["open", "deleted"]),
    version=st.integers(1, 3),
    incarnation=st.sampled_from([0, NOW]),
    expires_at=st.sampled_from([None, NOW_S, NOW_S + 1]),
)


@given(
    st.lists(STORED, unique_by=lambda each: each.submission_id),
    st.lists(HELD, unique_by=lambda one: one.submission_id),
    st.none() | st.just(SURVEYS),
)
def test_a_view_that_was_compared_is_what_the_table_holds(
    stored: list[Submission], held: list[Held], wanted: SubscriptionFilter | None
) -> None:
    table = Submissions()
    table.put(*stored)
    shown = {one.submission_id: (one.incarnation, one.version) for one in held}
    for update in compared(table, *held, snapshot=4, wanted=wanted):
        data: Mapping[str, Any] = update["data"]
        if update["event"] in ("leave", "remove"):
            del shown[data["submission_id"]]
        else:
            shown[data["submission_id"]] = data["incarnation"], data["version"]
    there = {each.submission_id: each for each in stored if not each.has_expired(NOW)}
    # A client drops a submission when it receives its deletion. It may hold one whose deletion it has received.
    for name, recency in shown.items():
        assert there[name].recency == recency
    matching = {name for name, each in there.items() if wanted is None or wanted.matches(each)}
    assert {name for name in matching if not there[name].is_deleted} <= shown.keys() <= matching


# --- 128 KB ---------------------------------------------------------------------------------------------------

WIDE = ["x", "é", "\x01", "\N{WAVING HAND SIGN}", '"']
"""Characters that take the most bytes, in a key, in JSON, or in a cursor."""


@pytest.mark.parametrize("character", WIDE, ids=ascii)
@pytest.mark.parametrize("is_snapshot", [True, False], ids=["snapshot", "resume"])
def test_whatever_a_table_of_someone_elses_holds_a_reply_is_one_frame(
    table: Submissions, character: str, *, is_snapshot: bool
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
    if is_snapshot:
        names = [name[:3] for name in ids(see(table, None, 40))]
        assert names == [f"{n:03}" for n in reversed(range(40))][: len(names)]
        assert 0 < len(names) < 40
    else:
        replies = pages(table, RESUME)
        assert [name[:3] for name in all_ids(replies)] == [f"{n:03}" for n in range(40)]
        assert len(replies) > 1
