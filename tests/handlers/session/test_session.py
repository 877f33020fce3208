from __future__ import annotations

import json
import logging
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from formbridge.access.handshake import Identity
from formbridge.access.principal import Principal
from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.connections.message_budget import BREAK_MS, MessageBudget
from formbridge.connections.rate_limit import Rate
from formbridge.posting.delivery import Delivery, Outcome, Receipt
from formbridge.revocations.revocation import FOREVER, Kind, Revocation, Target
from formbridge.runtime import timestamps
from formbridge.session import replay
from formbridge.session.session import CLOSING_SECONDS, MAX_EARLY, MAX_REFUSALS
from formbridge.submissions.submission import Page, Submission, build_removal
from formbridge.wire import protocol
from formbridge.wire.cursor import CONSISTENCY_WINDOW_MS, MAX_AGE_MS, Cursor
from formbridge.wire.event_matcher import matches
from formbridge.wire.protocol import Limits, parse_request
from tests.support.handlers.builders import NOW, NOW_ISO, iso, submission
from tests.support.handlers.principals import HASHES, OTHER_USER, USER
from tests.support.handlers.strategies import ANY_TEXT
from tests.support.handlers.world import (
    EXPIRES_AT,
    LIMITS,
    MAX_MESSAGE_BYTES,
    MAX_USER_CONNECTIONS,
    World,
    all_ids,
    cursor,
    ids,
    to_the_end,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

WAVES = "\N{WAVING HAND SIGN}" * 64
"""The request id that takes most bytes: JSON escapes what is beyond the basic plane in pairs, of twelve bytes."""


@pytest.fixture
def world() -> World:
    return World()


# --- Subscribe ------------------------------------------------------------------------------------------------


def test_subscribed_is_as_the_protocol_has_it(world: World) -> None:
    world.submissions.put(submission("s1"))
    assert world.ask("subscribe", id="1") == {
        "type": "subscribed",
        "id": "1",
        "cursor": Cursor("t_acme", 0, iso(-CONSISTENCY_WINDOW_MS)).encode(),
        "updates": [submission("s1").build_current()],
        "complete": True,
        "epoch": 0,
        "settle_seconds": 30,
        "heartbeat_seconds": 300,
        "expires_at": EXPIRES_AT,
        "server_time": NOW,
    }


@pytest.mark.parametrize("wanted", [{}, {"filter": {"form_id": ["contact"]}}], ids=["unfiltered", "filtered"])
def test_the_subscription_stands_before_the_table_is_read(world: World, wanted: dict[str, Any]) -> None:
    world.ask("subscribe", **wanted)
    world.ask("subscribe", **wanted, cursor=cursor())
    assert world.calls == ["subscribe", "read_epoch", "read", "subscribe", "read_epoch", "read"]


def test_a_snapshot_is_the_newest_first(world: World) -> None:
    world.submissions.put(*(submission(f"s{n}", updated_at=iso(n)) for n in range(10)))
    assert ids(world.ask("subscribe", snapshot=3)) == ["s9", "s8", "s7"]


def test_a_snapshot_holds_fifty_unless_told(world: World) -> None:
    world.submissions.put(*(submission(f"s{n}") for n in range(60)))
    assert len(ids(world.ask("subscribe"))) == 50


def test_without_a_snapshot_the_table_is_not_read(world: World) -> None:
    world.submissions.put(submission())
    assert ids(world.ask("subscribe", snapshot=0)) == []
    assert world.calls == ["subscribe", "read_epoch"]


def test_the_cursor_of_a_snapshot_trails_the_moment_before_the_read(world: World) -> None:
    read = world.submissions.read

    def slow(tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page:
        world.clock.advance(3_000)
        return read(tenant_id, position, limit, newest_first=newest_first)

    world.submissions.read = slow
    assert world.ask("subscribe")["cursor"] == Cursor("t_acme", 0, iso(-CONSISTENCY_WINDOW_MS)).encode()


def test_another_tenants_submissions_are_not_seen(world: World) -> None:
    world.submissions.put(submission("s1", tenant_id="t_globex"), submission("s2"))
    assert ids(world.ask("subscribe")) == ["s2"]
    assert ids(world.ask("sync", cursor=cursor(iso(-1)))) == ["s2"]
    assert world.submissions.tenants == {"t_acme"}


def test_the_largest_snapshot_with_the_longest_names_is_one_frame(world: World) -> None:
    tenant_id = "t_" + "x" * 64
    longest = [
        Submission(
            tenant_id=tenant_id,
            submission_id=f"{n:064}",
            form_id="f" * 64,
            status="s" * 32,
            version=10**15,
            submitted_at=NOW_ISO,
            updated_at=NOW_ISO,
            expires_at=10**10,
        )
        for n in range(200)
    ]
    world.submissions.put(*longest)
    key = ConnectionKey(tenant_id, "conn-1")
    world.connections.put(Connection(key, NOW, EXPIRES_AT))
    world.session = replace(world.session, key=key)
    reply = world.ask("subscribe", id=WAVES, snapshot=200)
    assert (len(ids(reply)), reply["complete"]) == (200, True)
    too_old = world.ask("subscribe", id=WAVES, snapshot=200, cursor=cursor(iso(-(10**9)), tenant_id))
    assert (len(ids(too_old)), too_old["complete"]) == (200, True)


# --- Filters --------------------------------------------------------------------------------------------------

WANTED: dict[str, Any] = {"form_id": ["contact", {"prefix": "survey-"}], "status": [{"anything-but": "spam"}]}


def mixed(world: World) -> None:
    """Submissions of which `WANTED` matches every other: s0, s2, …, s8."""
    world.submissions.put(
        *(
            submission(f"s{n}", form_id="survey-1" if n % 4 == 0 else "contact", updated_at=iso(n))
            if n % 2 == 0
            else submission(f"s{n}", status="spam", updated_at=iso(n))
            for n in range(10)
        )
    )


def test_a_filter_is_kept_with_the_subscription(world: World) -> None:
    world.subscribed(filter=WANTED)
    assert world.row is not None
    assert world.row.subscribed
    assert world.row.filter is not None
    assert world.row.filter.pattern == WANTED


def test_a_filter_is_replaced_in_place(world: World) -> None:
    world.subscribed(filter=WANTED)
    world.subscribed(filter={"status": ["spam"]})
    assert world.row is not None
    assert world.row.filter is not None
    assert world.row.filter.pattern == {"status": ["spam"]}


@pytest.mark.parametrize("without", [{}, {"filter": None}, {"filter": {}}], ids=str)
def test_a_subscribe_without_a_filter_removes_it(world: World, without: dict[str, Any]) -> None:
    world.subscribed(filter=WANTED)
    reply = world.ask("subscribe", **without)
    assert world.row is not None
    assert world.row.filter is None
    assert "filter_id" not in reply


def test_a_filtered_snapshot_is_the_newest_of_those_that_match(world: World) -> None:
    mixed(world)
    assert ids(world.ask("subscribe", filter=WANTED, snapshot=3)) == ["s8", "s6", "s4"]


@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_what_changed_and_does_not_match_leaves(world: World, action: str) -> None:
    world.subscribed(filter=WANTED)
    mixed(world)
    reply = world.ask(action, filter=WANTED, cursor=cursor(f"{iso(5)}#s5"))
    assert [(update["event"], update["data"]["submission_id"]) for update in reply["updates"]] == [
        ("insert", "s6"),
        ("leave", "s7"),
        ("insert", "s8"),
        ("leave", "s9"),
    ]


def test_a_leave_is_as_the_protocol_has_it(world: World) -> None:
    world.subscribed(filter=WANTED)
    world.submissions.put(submission("s1", status="spam", version=2))
    (left,) = world.ask("sync", cursor=cursor(iso(-1)))["updates"]
    data = {"tenant_id": "t_acme", "submission_id": "s1", "version": 2, "incarnation": NOW, "event": "leave"}
    assert left == {"event": "leave", "data": data}


def test_replies_through_a_filter_say_which_it_was(world: World) -> None:
    one = world.ask("subscribe", filter=WANTED)
    synced = world.ask("sync", cursor=one["cursor"])
    again = world.ask("subscribe", filter=dict(reversed(WANTED.items())))
    other = world.ask("subscribe", filter={"status": ["spam"]})
    assert one["filter_id"] == synced["filter_id"] == again["filter_id"] != other["filter_id"]


FAULTS: list[tuple[object, str]] = [
    (5, "filter: must be an object, got 5"),
    ([], "filter: must be an object, got []"),
    ({"form": ["contact"]}, "filter.form: must be one of form_id, status, submission_id, got 'form'"),
    ({"tenant_id": ["t_globex"]}, "filter.tenant_id: must be one of form_id, status, submission_id, got 'tenant_id'"),
    ({"status": "spam"}, "filter.status: must be a list of alternatives or a nested pattern, got 'spam'"),
    (
        {"status": ["a", {"like": "b"}]},
        "filter.status[1]: must be an operator that EventBridge Pipes support, got 'like'",
    ),
    ({"$or": [{"status": ["a"]}, {"status": []}]}, "filter.$or[1].status: must have at least one alternative, got []"),
    ({"form_id": ["x" * 5_000]}, "filter: must have at most 4,096 characters as JSON, got 5,016"),
]


@pytest.mark.parametrize(("wanted", "message"), FAULTS, ids=[message[:40] for _, message in FAULTS])
def test_a_filter_that_is_wrong_is_refused_by_its_place_and_changes_nothing(
    world: World, wanted: object, message: str
) -> None:
    world.subscribed(filter=WANTED)
    before = world.row
    world.calls.clear()
    assert world.ask("subscribe", id="1", filter=wanted) == {
        "type": "error",
        "id": "1",
        "code": "bad_filter",
        "message": message,
        "retryable": False,
    }
    assert world.row == before
    assert world.calls == []


def test_a_filter_that_is_one_too_many_is_refused_and_changes_nothing(world: World) -> None:
    world.session = replace(world.session, limits=replace(world.session.limits, max_filters_per_tenant=1))
    world.subscribed(filter=WANTED)
    before = world.row
    assert world.ask("subscribe", id="1", filter={"status": ["of another"]}) == {
        "type": "error",
        "id": "1",
        "code": "too_many_filters",
        "message": "filter: must be one of the 1 filters that connections of this tenant have at present",
        "retryable": False,
    }
    assert world.row == before
    assert world.ask("subscribe", filter=WANTED)["type"] == "subscribed"
    assert world.ask("subscribe")["type"] == "subscribed"


# --- Resume and sync ------------------------------------------------------------------------------------------


def test_a_cursor_resumes_from_where_it_stands_oldest_first(world: World) -> None:
    world.submissions.put(*(submission(f"s{n}", updated_at=iso(n)) for n in range(5)))
    reply = world.ask("subscribe", cursor=cursor(f"{iso(1)}#s1"), snapshot=1)
    assert ids(reply) == ["s2", "s3", "s4"]
    assert reply["complete"] is True
    assert "recovered" not in reply


def test_synced_is_as_the_protocol_has_it(world: World) -> None:
    world.subscribed()
    world.submissions.put(submission("s1", version=2))
    assert world.ask("sync", id="2", cursor=cursor(iso(-1))) == {
        "type": "synced",
        "id": "2",
        "cursor": Cursor("t_acme", 0, iso(-CONSISTENCY_WINDOW_MS)).encode(),
        "updates": [submission("s1", version=2).build_current()],
        "complete": True,
        "epoch": 0,
        "settle_seconds": 30,
        "server_time": NOW,
    }


@pytest.mark.parametrize("request_", [{"action": "subscribe", "snapshot": 2}, {"action": "sync"}], ids=str)
def test_a_cursor_that_is_too_old_gets_a_fresh_snapshot(world: World, request_: dict[str, Any]) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n}", updated_at=iso(n)) for n in range(5)))
    reply = world.ask(**request_, cursor=cursor(iso(-MAX_AGE_MS - 1)))
    assert reply["recovered"] is False
    assert reply["complete"] is True
    assert ids(reply) == ["s4", "s3", "s2", "s1", "s0"][: request_.get("snapshot", 50)]


@pytest.mark.parametrize("action", ["subscribe", "sync"])
@pytest.mark.parametrize("bad", ["garbage", cursor(tenant_id="t_globex")], ids=["garbage", "another tenant's"])
def test_a_cursor_that_is_not_ours_is_refused_and_reads_nothing(world: World, action: str, bad: str) -> None:
    world.subscribed()
    world.calls.clear()
    assert world.ask(action, id="9", cursor=bad) == {
        "type": "error",
        "id": "9",
        "code": "bad_cursor",
        "message": "cursor: must be a cursor that this server sent for this tenant",
        "retryable": False,
    }
    assert world.calls == []


def test_a_cursor_that_is_no_text_is_a_bad_cursor(world: World) -> None:
    assert world.ask("subscribe", id="9", cursor=5)["code"] == "bad_cursor"


def test_sync_comes_after_subscribe(world: World) -> None:
    world.submissions.put(submission())
    reply = world.ask("sync", id="2", cursor=cursor(iso(-1)))
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "2", "bad_request")
    assert reply["message"] == "action: 'sync' requires a subscription, subscribe first"
    assert world.calls == []


def test_sync_after_unsubscribe_is_refused(world: World) -> None:
    world.subscribed(filter=WANTED)
    assert world.ask("unsubscribe", id="3") == {"type": "unsubscribed", "id": "3"}
    assert world.ask("sync", cursor=cursor())["code"] == "bad_request"
    assert world.row is not None
    assert world.row.filter is None


def test_a_named_submission_is_read_by_its_id_for_a_sync_too(world: World) -> None:
    wanted = {"submission_id": ["s1"]}
    world.submissions.put(submission("s1", updated_at=iso(-MAX_AGE_MS), version=2))
    subscribed = world.ask("subscribe", filter=wanted)
    synced = world.ask("sync", cursor=subscribed["cursor"], filter_id=subscribed["filter_id"])
    assert ids(subscribed) == ids(synced) == ["s1"]
    assert world.calls == ["subscribe", "read_epoch", "read_by_id", "read_epoch", "read_by_id"]


# --- Epochs ---------------------------------------------------------------------------------------------------

HELD = [["s1", NOW, 1]]


def test_the_epoch_is_that_of_the_tenant_and_of_the_history_that_the_gateway_reads(world: World) -> None:
    world.connections.epochs.update({"t_acme": NOW - 60_000, "t_globex": NOW - 1})
    subscribed = world.subscribed()
    synced = world.ask("sync", cursor=subscribed["cursor"])
    reconciled = world.ask("reconcile", held=HELD)
    assert {reply["epoch"] for reply in (subscribed, synced, reconciled)} == {NOW - 60_000}
    assert world.connections.histories == {("t_acme", "stream-1")}


@pytest.mark.parametrize("action", ["subscribe", "sync", "reconcile"])
def test_replies_tell_the_servers_time_when_they_are_made(world: World, action: str) -> None:
    start = world.subscribed()["cursor"]
    world.clock.advance(5_000)
    assert world.ask(action, cursor=start, held=HELD)["server_time"] == NOW + 5_000


@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_replies_tell_when_a_client_syncs_again(world: World, action: str) -> None:
    assert world.ask(action, cursor=world.subscribed()["cursor"])["settle_seconds"] == CONSISTENCY_WINDOW_MS // 1000


@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_a_client_of_an_earlier_epoch_starts_anew(world: World, action: str) -> None:
    world.submissions.put(submission("s1", updated_at=iso(-60_000)))
    start = world.subscribed()["cursor"]
    world.clock.advance(60_000)
    assert ids(world.ask(action, cursor=start)) == []
    world.connections.epochs["t_acme"] = NOW + 59_000
    reply = world.ask(action, cursor=start)
    assert (reply["recovered"], reply["epoch"], ids(reply)) == (False, NOW + 59_000, ["s1"])


def test_a_client_that_read_too_soon_after_an_epoch_starts_anew_once_more(world: World) -> None:
    world.connections.epochs["t_acme"] = NOW
    first = world.subscribed()
    world.clock.advance(CONSISTENCY_WINDOW_MS)
    second = world.ask("sync", cursor=first["cursor"])
    third = world.ask("sync", cursor=second["cursor"])
    assert [reply.get("recovered") for reply in (first, second, third)] == [None, False, None]


@pytest.mark.parametrize("request_", [{"action": "sync"}, {"action": "reconcile", "held": HELD}], ids=str)
def test_a_view_that_starts_anew_is_recorded_before_its_snapshot_is_read(
    world: World, request_: dict[str, Any]
) -> None:
    """Changes from before the snapshot are then no longer posted to the connection."""
    world.subscribed(filter=WANTED)
    world.submissions.has_other_keys = True
    world.connections.epochs["t_acme"] = NOW
    world.clock.advance(60_000)
    world.calls.clear()
    assert world.ask(**request_, cursor=cursor())["recovered"] is False
    assert [call for call in world.calls if call != "read_by_id"] == ["read_epoch", "restart_view", "read"]
    assert world.row is not None
    assert world.row.subscribed_at == NOW + 60_000
    assert world.row.filter is not None


def test_a_view_that_goes_on_keeps_the_time_of_its_subscription(world: World) -> None:
    start = world.subscribed()["cursor"]
    world.clock.advance(60_000)
    world.ask("sync", cursor=start)
    world.ask("reconcile", held=HELD)
    assert world.row is not None
    assert world.row.subscribed_at == NOW
    assert "restart_view" not in world.calls


# --- Superseded -----------------------------------------------------------------------------------------------

SUPERSEDED = {
    "type": "error",
    "id": "8",
    "code": "superseded",
    "message": "a later request of this connection was processed before",
    "retryable": False,
}


@pytest.mark.parametrize("late", ["subscribe", "unsubscribe"])
@pytest.mark.parametrize("newest", ["subscribe", "unsubscribe"])
def test_a_request_that_arrives_after_a_later_one_changes_nothing(world: World, late: str, newest: str) -> None:
    earlier, later = world.next_order(), world.next_order()
    assert (world.send(world.session, newest, later, filter=WANTED) or {})["type"] == f"{newest}d"
    before = world.row
    world.calls.clear()
    assert world.send(world.session, late, earlier, id="8") == SUPERSEDED
    assert world.row == before
    assert world.calls == [late]


def test_a_request_that_arrives_again_is_processed_again(world: World) -> None:
    order = world.next_order()
    replies = [world.send(world.session, "subscribe", order) or {} for _ in range(2)]
    assert [reply["type"] for reply in replies] == ["subscribed", "subscribed"]


FILTER_ID = "filter_id: is not that of the current subscription, subscribe again"


def test_a_sync_of_the_present_subscription_names_its_filter_or_none(world: World) -> None:
    wanted = world.subscribed(filter=WANTED)
    assert world.ask("sync", cursor=wanted["cursor"], filter_id=wanted["filter_id"])["type"] == "synced"
    assert world.ask("sync", cursor=wanted["cursor"])["type"] == "synced"
    everything = world.subscribed()
    assert world.ask("sync", cursor=everything["cursor"], filter_id=None)["type"] == "synced"
    assert world.ask("sync", cursor=everything["cursor"])["type"] == "synced"


def test_a_sync_of_another_subscription_is_superseded_and_reads_nothing(world: World) -> None:
    wanted = world.subscribed(filter=WANTED)
    other = world.subscribed(filter={"status": ["spam"]})
    for filter_id in (wanted["filter_id"], None, ""):
        world.calls.clear()
        reply = world.ask("sync", id="8", cursor=other["cursor"], filter_id=filter_id)
        assert reply == {**SUPERSEDED, "message": FILTER_ID}
        assert world.calls == []
    everything = world.subscribed()
    reply = world.ask("sync", id="8", cursor=everything["cursor"], filter_id=other["filter_id"])
    assert reply == {**SUPERSEDED, "message": FILTER_ID}


# --- Reconcile ------------------------------------------------------------------------------------------------


def test_reconciled_is_as_the_protocol_has_it(world: World) -> None:
    world.subscribed()
    world.submissions.put(submission("s1"), submission("s2", version=2), submission("s4", updated_at=iso(1)))
    assert world.ask("reconcile", id="6", held=[["s1", NOW, 1], ["s2", NOW, 1], ["s3", NOW, 1]], snapshot=1) == {
        "type": "reconciled",
        "id": "6",
        "updates": [
            submission("s2", version=2).build_current(),
            build_removal("t_acme", "s3", NOW, 1),
            submission("s4", updated_at=iso(1)).build_current(),
        ],
        "epoch": 0,
        "server_time": NOW,
    }


def test_a_comparison_is_made_through_the_filter_of_the_subscription(world: World) -> None:
    world.subscribed(filter=WANTED)
    mixed(world)
    reply = world.ask("reconcile", held=world.held(), snapshot=100)
    assert {(update["event"], update["data"]["submission_id"]) for update in reply["updates"]} == {
        ("leave", f"s{n}") for n in range(1, 10, 2)
    }


def test_reconcile_comes_after_subscribe(world: World) -> None:
    reply = world.ask("reconcile", id="2", held=HELD)
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "2", "bad_request")
    assert reply["message"] == "action: 'reconcile' requires a subscription, subscribe first"
    assert world.calls == []


def test_where_rows_cannot_be_read_by_id_a_comparison_starts_the_view_anew(world: World) -> None:
    world.subscribed()
    world.submissions.has_other_keys = True
    world.submissions.put(*(submission(f"s{n:02}", updated_at=iso(n)) for n in range(60)))
    reply = world.ask("reconcile", id="6", held=HELD, snapshot=3)
    assert ids(reply) == [f"s{n:02}" for n in range(59, 9, -1)]
    assert {name: reply[name] for name in reply.keys() - {"updates"}} == {
        "type": "reconciled",
        "id": "6",
        "recovered": False,
        "complete": True,
        "cursor": Cursor("t_acme", 0, iso(-CONSISTENCY_WINDOW_MS)).encode(),
        "epoch": 0,
        "settle_seconds": 30,
        "server_time": NOW,
    }


def test_a_comparison_of_the_longest_names_is_one_frame_and_the_rest_is_compared_later(world: World) -> None:
    world.subscribed()
    world.session = replace(world.session, limits=Limits(MAX_MESSAGE_BYTES, 4_096, 100))
    # Each takes two bytes in the request and six in the reply.
    held = [[f"{n:03}" + "é" * 253, 10**15, 10**15] for n in range(100)]
    request = json.dumps({"action": "reconcile", "id": WAVES, "held": held}, ensure_ascii=False)
    reply = world.session.reply(request, world.next_order())
    assert reply is not None
    assert len(protocol.encode(reply)) <= MAX_MESSAGE_BYTES
    assert 50 < len(ids(reply)) < 100


# --- Pages ----------------------------------------------------------------------------------------------------


def pages(world: World, start: str, step_ms: int = 0) -> list[dict[str, Any]]:
    """The replies from a cursor to the first that is complete; the clock goes on between them."""
    return rest(world, world.ask("sync", cursor=start), step_ms)


def rest(world: World, first: dict[str, Any], step_ms: int = 0) -> list[dict[str, Any]]:
    def sync(held: str) -> dict[str, Any]:
        world.clock.advance(step_ms)
        return world.ask("sync", cursor=held)

    return to_the_end(first, sync)


def test_what_does_not_fit_one_frame_comes_in_pages_each_submission_once(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", updated_at=iso(n // 7)) for n in range(1_300)))
    replies = pages(world, cursor(iso(-1)))
    assert all_ids(replies) == [f"s{n:04}" for n in range(1_300)]
    assert len(replies) > 3


def test_a_frame_is_full_before_the_next_begins(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", form_id="f" * 64) for n in range(400)))
    first, *_ = pages(world, cursor(iso(-1)))
    assert len(protocol.encode(first).encode()) > MAX_MESSAGE_BYTES - protocol.REPLY_ENVELOPE_BYTES - 1_024


def test_the_last_pages_cursor_trails_the_start_of_the_scan(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}") for n in range(1_300)))
    last = pages(world, cursor(iso(-1)), step_ms=60_000)[-1]
    assert world.clock.ms > NOW
    assert last["cursor"] == Cursor("t_acme", 0, iso(-CONSISTENCY_WINDOW_MS)).encode()


def test_what_is_written_behind_the_reader_while_it_pages_is_read_by_the_next_sync(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", updated_at=iso(n)) for n in range(1_300)))
    first = world.ask("sync", cursor=cursor(iso(-1)))
    world.submissions.put(submission("late", updated_at=iso(1)))
    last = pages(world, first["cursor"], step_ms=60_000)[-1]
    assert "late" in ids(pages(world, last["cursor"])[0])


def test_a_snapshot_of_few_among_many_is_complete_with_those_among_the_newest(world: World) -> None:
    """Every hundredth of 5,000 is a survey, and so are twenty of the newest 2,000."""
    world.submissions.put(
        *(submission(f"s{n:05}", form_id="other" if n % 100 else "survey", updated_at=iso(n)) for n in range(5_000))
    )
    reply = world.ask("subscribe", filter={"form_id": ["survey"]}, snapshot=50)
    assert reply["complete"] is True
    assert ids(reply) == [f"s{n:05}" for n in range(4_900, 2_999, -100)]
    assert world.calls.count("read") == replay.MAX_PAGES


def test_a_resume_of_few_among_many_tells_what_may_have_left(world: World) -> None:
    world.submissions.put(
        *(submission(f"s{n:05}", form_id="other" if n % 100 else "survey", updated_at=iso(n)) for n in range(3_000))
    )
    first = world.ask("subscribe", filter={"form_id": ["survey"]}, cursor=cursor(iso(-1)))
    updates = [update for reply in rest(world, first) for update in reply["updates"]]
    assert [update["event"] for update in updates] == ["insert", *["leave"] * 99] * 30


FORMS = ["contact", "survey"]
FILTERS: list[dict[str, Any] | None] = [
    None,
    {"form_id": ["survey"]},
    {"status": [{"anything-but": "deleted"}]},
    {"$or": [{"form_id": ["contact"]}, {"status": ["done"]}]},
]

LOOKED_AT = 4
"""Number of submissions that a snapshot looks at, in pages of two."""


@dataclass(frozen=True)
class Write:
    """A write that becomes visible some time after its `updated_at`."""

    name: str
    late_ms: int = 0
    form_id: str = "contact"
    status: str = "open"


@dataclass(frozen=True)
class Sync:
    """A `sync` of the client. Its reply need not be complete."""


@dataclass(frozen=True)
class Filter:
    """A `subscribe` of the client with another filter."""

    wanted: dict[str, Any] | None


@dataclass(frozen=True)
class Wait:
    """Time that passes."""

    ms: int


STEPS = st.one_of(
    st.builds(
        Write,
        st.sampled_from("abcdef"),
        st.integers(0, CONSISTENCY_WINDOW_MS - 1),
        st.sampled_from(FORMS),
        st.sampled_from(["open", "done", "deleted"]),
    ),
    st.just(Sync()),
    st.builds(Filter, st.sampled_from(FILTERS)),
    st.builds(Wait, st.integers(0, 60_000)),
)


class Table:
    """The submissions table, and which of its submissions a client is to show."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.older: dict[str, int] = {}
        """Versions, by submission, that the last snapshot did not look at and that are before its cursor. A client
        lacks such a submission until it changes."""

    def write(self, write: Write) -> None:
        held = self.world.submissions.held.get(write.name)
        self.world.submissions.put(
            submission(
                write.name,
                version=held.version + 1 if held else 1,
                updated_at=timestamps.to_iso(self.world.clock.ms - write.late_ms),
                form_id=write.form_id,
                status=write.status,
            )
        )

    def subscribed(self, reply: dict[str, Any]) -> None:
        reached = Cursor.decode(reply["cursor"], "t_acme", self.world.clock.ms).position
        newest_first = self.world.submissions.in_order("t_acme", newest_first=True)
        self.older = {held.submission_id: held.version for held in newest_first[LOOKED_AT:] if held.position <= reached}

    def shown(self, wanted: dict[str, Any] | None) -> dict[str, int]:
        return {
            name: held.version
            for name, held in self.world.submissions.held.items()
            if not held.is_deleted
            and held.version != self.older.get(name)
            and (wanted is None or matches(wanted, {"form_id": held.form_id, "status": held.status}))
        }


class View:
    """What a client shows, by the rules of the protocol."""

    def __init__(self) -> None:
        self.newest: dict[str, tuple[int, bool]] = {}
        """By submission: the newest version, and whether the client shows it."""

    def apply(self, reply: dict[str, Any]) -> None:
        if reply["type"] == "subscribed":
            self.newest.clear()
        for update in reply["updates"]:
            told = update["data"]
            newest = told["version"], update["event"] != "leave" and told["status"] != "deleted"
            self.newest[told["submission_id"]] = max(newest, self.newest.get(told["submission_id"], newest))

    def shown(self) -> dict[str, int]:
        return {name: version for name, (version, is_shown) in self.newest.items() if is_shown}


@given(st.lists(STEPS, max_size=25))
@example([*(Write(name) for name in "abcde"), Wait(CONSISTENCY_WINDOW_MS + 1), Filter(None)])
@example([*(Write(name) for name in "abcde"), Wait(CONSISTENCY_WINDOW_MS + 1), Filter(None), Write("a")])
@example([*(Write(name) for name in "abcde"), Wait(CONSISTENCY_WINDOW_MS - 1), Filter(None)])
@example([*(Write(name) for name in "abcde"), Sync(), Write("a", late_ms=1), Wait(CONSISTENCY_WINDOW_MS + 1)])
def test_a_client_that_syncs_ends_with_what_the_table_holds(steps: list[Write | Sync | Filter | Wait]) -> None:
    """Writes show up to the consistency window late, pages are small, filters change, and pushes are all lost.

    A snapshot looks at the newest submissions only. Older submissions appear when they change.
    """
    world = World()
    table, view = Table(world), View()
    wanted: dict[str, Any] | None = None

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(replay, "PAGE_ITEMS", 2)
        patch.setattr(replay, "MAX_PAGES", LOOKED_AT // 2)
        reply = world.ask("subscribe")
        for step in steps:
            match step:
                case Write():
                    table.write(step)
                case Sync():
                    reply = world.ask("sync", cursor=reply["cursor"])
                    view.apply(reply)
                case Filter(wanted):
                    reply = world.ask("subscribe", filter=wanted)
                    table.subscribed(reply)
                    view.apply(reply)
                case Wait(ms):
                    world.clock.advance(ms)
        # Whatever lay before is read once two syncs in a row were complete: the first may have begun earlier.
        for _ in range(2):
            replies = pages(world, reply["cursor"])
            for reply in replies:
                view.apply(reply)
    assert view.shown() == table.shown(wanted)


# --- The connection -------------------------------------------------------------------------------------------

ACTIONS = ["subscribe", "sync", "reconcile", "unsubscribe", "ping", "authenticate"]


def test_a_ping_is_answered(world: World) -> None:
    assert world.ask("ping", id="5") == {"type": "pong", "id": "5", "timestamp": NOW}


@pytest.mark.parametrize("action", ACTIONS)
def test_an_expired_token_is_unauthorized_and_does_nothing(world: World, action: str) -> None:
    world.subscribed()
    world.verifier.identities["later"] = Identity("user-1", ("t_acme",), EXPIRES_AT + 60, 0)
    world.calls.clear()
    world.clock.ms = EXPIRES_AT * 1000
    reply = world.ask(action, id="1", cursor=cursor(), token="later", held=[])
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unauthorized")
    assert world.calls == []


def test_a_token_is_good_until_the_second_it_expires(world: World) -> None:
    world.clock.ms = EXPIRES_AT * 1000 - 1
    assert world.ask("ping")["type"] == "pong"


@pytest.mark.parametrize("action", ACTIONS)
def test_a_connection_without_a_row_is_unauthorized_and_does_nothing(world: World, action: str) -> None:
    world.connections.rows.clear()
    world.submissions.put(submission())
    reply = world.ask(action, id="1", cursor=cursor(iso(-1)), token="any", held=[])
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unauthorized")
    assert world.calls == []


@pytest.mark.parametrize("body", ['{"action":"subscribe"}', '{"action":"authenticate","token":"any"}', "no JSON", None])
@pytest.mark.parametrize("outcome", Outcome)
def test_a_client_over_the_limit_that_wants_a_frame_is_told_and_disconnected(
    world: World, body: str | None, outcome: Outcome
) -> None:
    world.connections.rows.clear()
    world.poster.outcomes["conn-1"] = outcome
    session = replace(world.session, refused_by_frame=True)
    assert session.reply(body, "1") is None
    assert world.poster.to("conn-1") == ['{"type":"disconnect","code":"too_many_connections","reconnect":true}']
    assert world.poster.closed == ["conn-1"]
    assert world.calls == []


def test_a_user_over_the_limit_is_told_so(world: World) -> None:
    world.connections.rows.clear()
    for number in range(MAX_USER_CONNECTIONS):
        world.connections.put(Connection(ConnectionKey("t_acme", f"other-{number}"), NOW, EXPIRES_AT, Principal(USER)))
    session = replace(world.session, refused_by_frame=True, user=USER)
    assert session.reply('{"action":"ping"}', "1") is None
    (told,) = world.poster.to("conn-1")
    assert told == '{"type":"disconnect","code":"too_many_connections_of_user","reconnect":true}'


def test_a_client_that_wants_a_frame_and_has_a_row_is_served(world: World) -> None:
    session = replace(world.session, refused_by_frame=True)
    assert session.reply('{"action":"ping"}', "1") == {"type": "pong", "timestamp": NOW}


@pytest.mark.parametrize(
    "request_",
    [
        {"action": "subscribe"},
        {"action": "unsubscribe"},
        {"action": "authenticate", "token": "later"},
        {"action": "sync", "cursor": cursor(iso(-MAX_AGE_MS - 1))},
        {"action": "reconcile", "held": HELD},
    ],
    ids=lambda request_: request_["action"],
)
def test_a_row_that_goes_while_its_client_is_answered_is_unauthorized(
    world: World, request_: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.verifier.identities["later"] = Identity("user-1", ("t_acme",), EXPIRES_AT + 60, 0)
    world.subscribed()
    world.submissions.has_other_keys = True
    world.calls.clear()
    admit = world.connections.admit

    def admit_and_remove(key: ConnectionKey, rate: Rate, now_ms: int) -> object:
        admitted = admit(key, rate, now_ms)
        world.connections.rows.clear()
        return admitted

    monkeypatch.setattr(world.connections, "admit", admit_and_remove)
    reply = world.ask(**request_, id="1")
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unauthorized")
    assert "read" not in world.calls


def test_an_unknown_action_is_refused(world: World) -> None:
    reply = world.ask("dance", id="1")
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unknown_action")


def test_a_frame_that_is_too_large_is_refused(world: World) -> None:
    reply = world.ask("ping", id="7", padding="x" * 32_768)
    assert (reply["type"], reply["id"], reply["code"], reply["retryable"]) == ("error", "7", "too_large", False)
    assert reply["message"].startswith("frame: must be at most 32,768 bytes, got 32,8")


@given(
    ANY_TEXT
    | st.fixed_dictionaries(
        {"action": st.sampled_from(ACTIONS)},
        optional={
            "cursor": st.text(),
            "snapshot": st.integers(),
            "id": st.text(),
            "token": st.text(),
            "filter_id": st.none() | st.text(),
            "held": st.lists(st.tuples(st.text(), st.integers(), st.integers())),
        },
    ).map(json.dumps),
    st.booleans(),
)
def test_nothing_that_a_client_sends_raises(body: str, subscribed: bool) -> None:
    world = World()
    if subscribed:
        world.subscribed()
    for session in (world.session, world.authenticator):
        reply = session.reply(body, world.next_order())
        assert reply is not None
        assert reply["type"] in {"subscribed", "synced", "reconciled", "unsubscribed", "pong", "error"}


def test_a_page_with_the_longest_request_id_is_one_frame(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", form_id="f" * 64) for n in range(400)))
    first = world.ask("sync", id=WAVES, cursor=cursor(iso(-1)))
    assert not first["complete"]


# --- The rate -------------------------------------------------------------------------------------------------


class TestOverTheRate:
    """Two messages at once, one more every 500 ms."""

    @pytest.fixture
    def world(self, world: World) -> World:
        world.session = replace(world.session, rate=Rate(per_second=2, burst=2))
        return world

    def test_a_message_too_many_is_refused_and_told_when_to_try_again(self, world: World) -> None:
        assert [world.ask("ping")["type"] for _ in range(2)] == ["pong", "pong"]
        world.clock.advance(100)
        assert world.ask("subscribe", id="7") == {
            "type": "error",
            "id": "7",
            "code": "rate_limited",
            "message": "at most 2 messages per second, 2 at once",
            "retryable": True,
            "retry_after_ms": 400,
            "limit": "connection",
        }
        assert world.calls == []
        world.clock.advance(399)
        assert world.ask("ping")["code"] == "rate_limited"
        world.clock.advance(1)
        assert world.ask("ping")["type"] == "pong"

    def test_messages_that_are_wrong_count_too(self, world: World) -> None:
        assert [world.ask("dance")["code"] for _ in range(3)] == ["unknown_action", "unknown_action", "rate_limited"]

    def test_a_client_that_keeps_sending_is_told_why_and_disconnected(self, world: World) -> None:
        for _ in range(2 + MAX_REFUSALS):
            assert world.tell("ping") is not None
        assert world.poster.posted == []

        assert world.tell("ping") is None
        assert world.poster.posted == [("conn-1", '{"type":"disconnect","code":"protocol_error","reconnect":false}')]
        assert world.poster.closed == ["conn-1"]
        assert world.row is None
        assert world.ask("ping")["code"] == "unauthorized"

    def test_a_connection_that_cannot_be_closed_now_is_closed_by_the_next_message(self, world: World) -> None:
        world.poster.outcomes["conn-1"] = Outcome.BEHIND
        for _ in range(2 + MAX_REFUSALS + 1):
            world.tell("ping")
        assert world.row is not None
        world.poster.outcomes.clear()
        assert world.tell("ping") is None
        assert world.row is None

    def test_a_connection_that_is_gone_already_is_forgotten(self, world: World) -> None:
        world.poster.outcomes["conn-1"] = Outcome.GONE
        for _ in range(2 + MAX_REFUSALS + 1):
            world.tell("ping")
        assert world.row is None

    def test_why_no_connection_can_be_closed_is_raised_and_the_row_stays(self, world: World) -> None:
        world.poster.failures["conn-1"] = PermissionError("403")
        for _ in range(2 + MAX_REFUSALS):
            world.tell("ping")
        with pytest.raises(PermissionError, match="403"):
            world.tell("ping")
        assert world.row is not None

    def test_closing_takes_no_longer_than_the_lambda_has(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        deadlines: list[float] = []
        deliver = world.poster.deliver

        def note(deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
            deadlines.append(deadline)
            return deliver(deliveries, deadline)

        monkeypatch.setattr(world.poster, "deliver", note)
        world.session = replace(world.session, monotonic=lambda: 1_000.0)
        for _ in range(2 + MAX_REFUSALS + 1):
            world.tell("ping")
        assert deadlines == [1_000.0 + CLOSING_SECONDS]

    def test_a_pause_in_which_the_bucket_fills_forgives(self, world: World) -> None:
        for _ in range(2 + MAX_REFUSALS):
            world.tell("ping")
        world.clock.advance(1_000)
        for _ in range(2 + MAX_REFUSALS):
            assert world.tell("ping") is not None
        assert world.poster.closed == []


class TestOverTheTenantsRate:
    """Ten messages at once for the whole tenant, and two more per second. It has 20 connections: a turn is 10 s.

    Two early messages at once, and two more per second.
    """

    @pytest.fixture
    def world(self, world: World) -> World:
        world.buckets.connections = 20
        world.session = replace(world.session, budget=MessageBudget(world.buckets, Rate(per_second=2, burst=10)))
        return world

    @staticmethod
    def use_up(world: World) -> None:
        """Send what the tenant may send at once, on other connections."""
        for number in range(10):
            key = ConnectionKey("t_acme", f"other-{number}")
            world.connections.put(Connection(key, NOW, EXPIRES_AT))
            assert (world.send(replace(world.session, key=key), "ping") or {})["type"] == "pong"

    def test_a_message_too_many_is_refused_and_told_whose_limit_it_is_and_when_to_try_again(self, world: World) -> None:
        self.use_up(world)
        reply = world.ask("subscribe", id="7")
        assert 5_000 <= reply.pop("retry_after_ms") < 15_000
        assert reply == {
            "type": "error",
            "id": "7",
            "code": "rate_limited",
            "message": "the tenant's limit is 2 messages per second, 10 at once",
            "retryable": True,
            "limit": "tenant",
        }
        assert world.calls == []

    def test_a_client_that_waits_as_it_is_told_is_answered_and_never_closed(self, world: World) -> None:
        self.use_up(world)
        for _ in range(2 * MAX_REFUSALS):
            world.clock.advance(world.ask("ping")["retry_after_ms"])
            world.buckets.full_at["t_acme"] = (world.clock.ms + 10_000) * 1_000
        assert world.poster.closed == []
        world.buckets.full_at.clear()
        assert world.ask("ping")["type"] == "pong"

    def test_a_client_that_sends_before_its_time_is_told_the_rest_and_then_disconnected(self, world: World) -> None:
        self.use_up(world)
        wait_ms = world.ask("ping")["retry_after_ms"]
        for number in range(MAX_EARLY):
            world.clock.advance(500)
            reply = world.ask("ping")
            assert (reply["limit"], reply["retry_after_ms"]) == ("tenant", wait_ms - 500 * (number + 1))
        world.clock.advance(500)
        assert world.poster.posted == []
        assert world.tell("ping") is None
        assert world.poster.posted == [("conn-1", '{"type":"disconnect","code":"protocol_error","reconnect":false}')]
        assert world.row is None

    def test_messages_before_its_time_cost_the_tenant_no_other_message(self, world: World) -> None:
        self.use_up(world)
        world.ask("ping")
        full_at = world.buckets.full_at["t_acme"]
        assert [world.ask("ping")["limit"] for _ in range(2)] == ["tenant", "tenant"]
        assert world.buckets.full_at["t_acme"] == full_at

    def test_what_its_own_connection_refuses_costs_the_tenant_no_other_message(self, world: World) -> None:
        world.session = replace(world.session, rate=Rate(per_second=1, burst=1))
        assert [world.ask("ping").get("limit") for _ in range(10)] == [None, *["connection"] * 9]
        assert world.buckets.full_at["t_acme"] == NOW * 1_000 + 500_000

    def test_more_early_messages_than_the_tenant_may_send_close_each_connection_that_sends(self, world: World) -> None:
        self.flood(world)
        assert world.tell("ping") is None
        assert world.poster.posted == [
            ("conn-1", '{"type":"disconnect","code":"too_many_connections","reconnect":true}')
        ]
        assert world.poster.closed == ["conn-1"]
        assert world.row is not None  # until API Gateway reports the end of the connection
        assert world.connections.calls == []

    def test_a_while_after_a_flood_the_tenants_messages_are_answered(self, world: World) -> None:
        self.flood(world)
        world.clock.advance(BREAK_MS)
        assert world.ask("ping")["type"] == "pong"

    def test_a_flood_closes_no_connection_of_another_tenant(self, world: World) -> None:
        self.flood(world)
        key = ConnectionKey("t_globex", "theirs")
        world.connections.put(Connection(key, NOW, EXPIRES_AT))
        assert (world.send(replace(world.session, key=key), "ping") or {})["type"] == "pong"

    def flood(self, world: World) -> None:
        """Use up the tenant's budget, then send two early messages and the one too many, each on a connection."""
        self.use_up(world)
        for number in range(3):
            key = ConnectionKey("t_acme", f"other-{number}")
            for _ in range(2):
                world.send(replace(world.session, key=key), "ping")
        assert world.poster.closed == ["other-2"]
        world.poster.posted.clear()
        world.poster.closed.clear()
        world.connections.calls.clear()

    def test_the_route_of_authenticate_charges_the_same_budget(self, world: World) -> None:
        self.use_up(world)
        assert world.ask("authenticate", token="later")["limit"] == "tenant"

    def test_another_tenants_messages_are_answered(self, world: World) -> None:
        self.use_up(world)
        key = ConnectionKey("t_globex", "theirs")
        world.connections.put(Connection(key, NOW, EXPIRES_AT))
        assert (world.send(replace(world.session, key=key), "ping") or {})["type"] == "pong"

    def test_messages_that_are_wrong_or_expired_count_too(self, world: World) -> None:
        assert world.ask("dance")["code"] == "unknown_action"
        world.clock.ms = EXPIRES_AT * 1_000
        assert world.ask("ping")["code"] == "unauthorized"
        assert world.buckets.writes == 2


# --- Authenticate ---------------------------------------------------------------------------------------------

TOKENS = {
    "later": Identity("user-1", ("t_acme",), EXPIRES_AT + 600, 1_790_000_000, "session-1", "token-1"),
    "later, of two tenants": Identity("user-1", ("t_globex", "t_acme"), EXPIRES_AT + 600, 0),
    "of another tenant": Identity("user-1", ("t_globex",), EXPIRES_AT + 600, 0),
    "of no tenant": Identity("user-1", (), EXPIRES_AT + 600, 0),
    "as late": Identity("user-1", ("t_acme",), EXPIRES_AT, 0),
    "of another user": Identity("user-2", ("t_acme",), EXPIRES_AT + 600, 0),
    "earlier": Identity("user-1", ("t_acme",), EXPIRES_AT - 1, 0),
}


class TestAuthenticate:
    @pytest.fixture
    def world(self, world: World) -> World:
        world.verifier.identities.update(TOKENS)
        return world

    @pytest.mark.parametrize("token", ["later", "later, of two tenants"])
    def test_a_later_token_of_the_same_tenant_makes_the_connection_last_longer(self, world: World, token: str) -> None:
        reply = world.ask("authenticate", id="4", token=token)
        assert reply == {"type": "authenticated", "id": "4", "expires_at": EXPIRES_AT + 600}
        assert world.row is not None
        assert (world.row.expires_at, world.row.principal) == (EXPIRES_AT + 600, HASHES.identify(TOKENS[token]))
        world.clock.ms = EXPIRES_AT * 1000
        assert world.ask("ping")["type"] == "pong"
        assert world.ask("subscribe")["expires_at"] == EXPIRES_AT + 600

    @pytest.mark.parametrize(
        ("token", "message"),
        [
            ("of another tenant", "token: does not grant this connection's tenant"),
            ("of no tenant", "token: does not grant this connection's tenant"),
            ("of another user", "token: belongs to another user than the connection"),
            ("as late", "token: must expire later than the previous token"),
            ("earlier", "token: must expire later than the previous token"),
            ("none of these", "token: does not verify (InvalidSignatureError)"),
        ],
    )
    def test_any_other_is_unauthorized_and_the_connection_goes_on_as_it_was(
        self, world: World, token: str, message: str
    ) -> None:
        world.subscribed(filter=WANTED)
        before = world.row
        assert world.ask("authenticate", id="4", token=token) == {
            "type": "error",
            "id": "4",
            "code": "unauthorized",
            "message": message,
            "retryable": False,
        }
        assert world.row == before
        assert world.ask("ping")["type"] == "pong"

    def test_of_two_at_once_the_later_expiry_stays_and_is_told(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Both read the row before either writes it."""
        extend = world.connections.extend

        later = Principal(USER, signed_in_at=1)

        def write_later_first(key: ConnectionKey, expires_at: int, principal: Principal) -> int | None:
            extend(key, EXPIRES_AT + 900, later)
            return extend(key, expires_at, principal)

        monkeypatch.setattr(world.connections, "extend", write_later_first)
        assert world.ask("authenticate", token="later") == {"type": "authenticated", "expires_at": EXPIRES_AT + 900}
        assert world.row is not None
        assert (world.row.expires_at, world.row.principal) == (EXPIRES_AT + 900, later)

    def test_a_token_without_the_session_of_the_one_before_is_fine(self, world: World) -> None:
        world.ask("authenticate", token="later")
        assert world.row is not None
        assert world.row.principal.session == HASHES.hash_session("session-1")
        world.verifier.identities["much later"] = Identity("user-1", ("t_acme",), EXPIRES_AT + 900, 0)
        assert world.ask("authenticate", token="much later")["type"] == "authenticated"
        assert world.row.principal == Principal(USER)

    @pytest.mark.parametrize(
        "target",
        [
            Target(Kind.TENANT, "t_acme"),
            Target(Kind.USER, USER),
            Target(Kind.USER, USER, "t_acme"),
            Target(Kind.SESSION, HASHES.hash_session("session-1")),
            Target(Kind.TOKEN, HASHES.hash_token_id("token-1")),
        ],
        ids=lambda target: target.key.partition("#")[0],
    )
    def test_a_revoked_token_ends_the_connection(self, world: World, target: Target) -> None:
        world.revocations[target] = Revocation(TOKENS["later"].signed_in_at + 1, FOREVER)
        assert world.tell("authenticate", token="later") is None
        assert world.poster.to("conn-1") == ['{"type":"disconnect","code":"revoked","reconnect":true}']
        assert world.poster.closed == ["conn-1"]
        assert world.row is None

    def test_the_row_is_written_before_the_revocations_are_read(self, world: World) -> None:
        world.ask("authenticate", token="later")
        assert world.calls == ["extend", "find_revocations"]

    def test_the_revocation_of_another_refuses_nothing(self, world: World) -> None:
        for target in (Target(Kind.TENANT, "t_globex"), Target(Kind.USER, OTHER_USER), Target(Kind.USER, USER, "t_a")):
            world.revocations[target] = Revocation(blocked_until=FOREVER)
        assert world.ask("authenticate", token="later")["type"] == "authenticated"

    def test_the_subscription_and_its_filter_stay(self, world: World) -> None:
        world.subscribed(filter=WANTED)
        world.ask("authenticate", token="later")
        assert world.row is not None
        assert world.row.subscribed
        assert world.row.filter is not None

    @pytest.mark.parametrize("token", [None, 5, ["SECRET"], {"SECRET": "SECRET"}, "SECRET", "SECRET.SECRET.SECRET"])
    def test_the_token_is_in_no_reply_and_no_log(
        self, world: World, token: object, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        reply = world.ask("authenticate", token=token)
        assert reply["type"] == "error"
        assert "SECRET" not in json.dumps(reply)
        assert "SECRET" not in caplog.text

    def test_the_token_is_in_no_repr(self) -> None:
        request = parse_request('{"action":"authenticate","token":"SECRET"}', LIMITS)
        assert "SECRET" not in repr(request)

    def test_where_nothing_verifies_it_is_an_unknown_action(self, world: World) -> None:
        reply = world.send(world.session, "authenticate", id="4", token="later")
        assert reply is not None
        assert (reply["type"], reply["id"], reply["code"]) == ("error", "4", "unknown_action")

    @pytest.mark.parametrize("action", [action for action in ACTIONS if action != "authenticate"])
    def test_the_route_of_authenticate_answers_nothing_else(self, world: World, action: str) -> None:
        """API Gateway may choose it for a frame that the Lambda reads otherwise. It has no submissions table."""
        world.subscribed(filter=WANTED)
        before = world.row
        world.calls.clear()
        reply = world.send(world.authenticator, action, id="4", cursor=cursor(), held=[])
        assert reply == {
            "type": "error",
            "id": "4",
            "code": "bad_request",
            "message": "action: must be 'authenticate' on this route",
            "retryable": False,
        }
        assert (world.row, world.calls) == (before, [])

    def test_the_route_of_authenticate_says_what_is_wrong_with_a_request(self, world: World) -> None:
        reply = world.send(world.authenticator, "dance", id="4")
        assert reply is not None
        assert reply["code"] == "unknown_action"


# --- Without a table ------------------------------------------------------------------------------------------


class TestWithoutATable:
    """Whoever posts to connections without a `StreamTable` has nothing that could be read again."""

    @pytest.fixture
    def world(self, world: World) -> World:
        world.session = replace(world.session, submissions=None)
        return world

    def test_a_subscription_counts_from_now_on(self, world: World) -> None:
        reply = world.ask("subscribe", snapshot=50, filter=WANTED)

        assert (reply["type"], reply["updates"], reply["complete"]) == ("subscribed", [], True)
        assert "recovered" not in reply
        assert world.row is not None
        assert world.row.subscribed
        assert world.row.filter is not None

    def test_a_client_that_returns_is_told_that_it_may_have_missed_something(self, world: World) -> None:
        reply = world.ask("subscribe", cursor=cursor())

        assert (reply["updates"], reply["complete"], reply["recovered"]) == ([], True, False)

    def test_a_sync_recovers_nothing_and_says_so(self, world: World) -> None:
        reply = world.ask("sync", cursor=world.subscribed()["cursor"])

        assert (reply["type"], reply["updates"], reply["recovered"]) == ("synced", [], False)
