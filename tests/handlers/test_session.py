from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge import protocol, session, timestamps
from formbridge.cursor import MAX_AGE_MS, OVERLAP_MS, Cursor
from formbridge.session import Page, Session
from formbridge.submission import Submission
from tests.handlers.builders import HOUR_S, NOW, NOW_ISO, iso, submission
from tests.handlers.clock import Clock

MAX_FRAME_BYTES = 128 * 1024
EXPIRES_AT = NOW // 1000 + HOUR_S


@dataclass
class Subscriptions:
    """The connections table in memory: one connection, which is registered and has not subscribed."""

    calls: list[str]
    registered: bool = True
    on: bool = False

    def subscribe(self, tenant_id: str, connection_id: str) -> bool:
        self.calls.append("subscribe")
        self.on = self.registered
        return self.registered

    def unsubscribe(self, tenant_id: str, connection_id: str) -> bool:
        self.calls.append("unsubscribe")
        self.on = False
        return self.registered

    def is_subscribed(self, tenant_id: str, connection_id: str) -> bool | None:
        return self.on if self.registered else None


@dataclass
class Submissions:
    """The submissions table in memory."""

    calls: list[str]
    held: dict[str, Submission] = field(default_factory=dict[str, Submission])

    def put(self, *submissions: Submission) -> None:
        self.held.update({submission.submission_id: submission for submission in submissions})

    def newest(self, tenant_id: str, limit: int) -> Sequence[Submission]:
        self.calls.append("newest")
        return self._in_order(tenant_id)[::-1][:limit]

    def changed_since(self, tenant_id: str, position: str, limit: int) -> Page:
        self.calls.append("changed_since")
        found = [submission for submission in self._in_order(tenant_id) if _sort_key(submission) > position]
        return Page(found[:limit], more=len(found) > limit)

    def _in_order(self, tenant_id: str) -> list[Submission]:
        return sorted((held for held in self.held.values() if held.tenant_id == tenant_id), key=_sort_key)


def _sort_key(submission: Submission) -> str:
    return f"{submission.updated_at}#{submission.submission_id}"


class World:
    """A session of t_acme, with its tables and its clock."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.subscriptions = Subscriptions(self.calls)
        self.submissions = Submissions(self.calls)
        self.clock = Clock()
        self.session = Session(
            "t_acme", "conn-1", EXPIRES_AT, self.subscriptions, self.submissions, now_ms=self.clock.now_ms
        )

    def ask(self, action: str, **fields: object) -> dict[str, Any]:
        """The reply to a request, as a client reads it."""
        text = protocol.encode(self.session.answer(json.dumps({"action": action, **fields})))
        assert len(text.encode()) <= MAX_FRAME_BYTES
        return json.loads(text)

    def subscribed(self) -> dict[str, Any]:
        return self.ask("subscribe", snapshot=0)


@pytest.fixture
def world() -> World:
    return World()


def ids(reply: dict[str, Any]) -> list[str]:
    return [update["data"]["submission_id"] for update in reply["updates"]]


def cursor(position: str = NOW_ISO, tenant_id: str = "t_acme") -> str:
    return Cursor(tenant_id, position).encode()


# --- Subscribe ------------------------------------------------------------------------------------------------


def test_subscribed_is_as_the_protocol_has_it(world: World) -> None:
    world.submissions.put(submission("s1"))
    assert world.ask("subscribe", id="1") == {
        "type": "subscribed",
        "id": "1",
        "cursor": Cursor("t_acme", iso(-OVERLAP_MS)).encode(),
        "updates": [submission("s1").current()],
        "complete": True,
        "heartbeat_seconds": 300,
        "expires_at": EXPIRES_AT,
        "server_time": NOW,
    }


def test_the_subscription_stands_before_the_table_is_read(world: World) -> None:
    world.ask("subscribe")
    world.ask("subscribe", cursor=cursor())
    assert world.calls == ["subscribe", "newest", "subscribe", "changed_since"]


def test_a_snapshot_is_the_newest_first(world: World) -> None:
    world.submissions.put(*(submission(f"s{n}", updated_at=iso(n)) for n in range(10)))
    assert ids(world.ask("subscribe", snapshot=3)) == ["s9", "s8", "s7"]


def test_a_snapshot_holds_fifty_unless_told(world: World) -> None:
    world.submissions.put(*(submission(f"s{n}") for n in range(60)))
    assert len(ids(world.ask("subscribe"))) == 50


def test_without_a_snapshot_the_table_is_not_read(world: World) -> None:
    world.submissions.put(submission())
    assert ids(world.ask("subscribe", snapshot=0)) == []
    assert world.calls == ["subscribe"]


def test_the_cursor_of_a_snapshot_trails_the_moment_before_the_read(world: World) -> None:
    held = world.submissions.newest

    def slow(tenant_id: str, limit: int) -> Sequence[Submission]:
        world.clock.advance(3_000)
        return held(tenant_id, limit)

    world.submissions.newest = slow  # pyright: ignore[reportAttributeAccessIssue] - a slower fake
    assert world.ask("subscribe")["cursor"] == Cursor("t_acme", iso(-OVERLAP_MS)).encode()


def test_another_tenants_submissions_are_not_seen(world: World) -> None:
    world.submissions.put(submission("s1", tenant_id="t_globex"), submission("s2"))
    assert ids(world.ask("subscribe")) == ["s2"]
    assert ids(world.ask("sync", cursor=cursor(iso(-1)))) == ["s2"]


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
    world.session = replace(world.session, tenant_id=tenant_id)
    # An id's characters may each take twelve bytes: JSON escapes what is beyond the basic plane in pairs.
    reply = world.ask("subscribe", id="\N{WAVING HAND SIGN}" * 64, snapshot=200)
    assert len(ids(reply)) == 200
    too_old = world.ask(
        "subscribe", id="\N{WAVING HAND SIGN}" * 64, snapshot=200, cursor=cursor(iso(-(10**9)), tenant_id)
    )
    assert len(ids(too_old)) == 200


def test_a_filter_is_refused_and_changes_nothing(world: World) -> None:
    reply = world.ask("subscribe", id="1", filter={"form_id": ["contact"]})
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "bad_filter")
    assert world.calls == []


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
        "cursor": Cursor("t_acme", iso(-OVERLAP_MS)).encode(),
        "updates": [submission("s1", version=2).current()],
        "complete": True,
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
    world.subscriptions.on = True
    reply = world.ask(action, id="9", cursor=bad)
    assert reply == {
        "type": "error",
        "id": "9",
        "code": "bad_cursor",
        "message": "cursor: not one of this server's",
        "retryable": False,
    }
    assert world.calls == []


def test_sync_comes_after_subscribe(world: World) -> None:
    world.submissions.put(submission())
    reply = world.ask("sync", id="2", cursor=cursor(iso(-1)))
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "2", "bad_request")
    assert reply["message"] == "action: subscribe before sync"
    assert "changed_since" not in world.calls


def test_sync_after_unsubscribe_is_refused(world: World) -> None:
    world.subscribed()
    assert world.ask("unsubscribe", id="3") == {"type": "unsubscribed", "id": "3"}
    assert world.ask("sync", cursor=cursor())["code"] == "bad_request"


# --- Pages ----------------------------------------------------------------------------------------------------


def pages(world: World, start: str, step_ms: int = 0) -> list[dict[str, Any]]:
    """The replies from a cursor to the first that is complete; the clock goes on between them."""
    replies = [world.ask("sync", cursor=start)]
    while not replies[-1]["complete"]:
        world.clock.advance(step_ms)
        replies.append(world.ask("sync", cursor=replies[-1]["cursor"]))
    return replies


def test_what_does_not_fit_one_frame_comes_in_pages_each_submission_once(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", updated_at=iso(n // 7)) for n in range(1_300)))
    replies = pages(world, cursor(iso(-1)))
    assert [name for reply in replies for name in ids(reply)] == [f"s{n:04}" for n in range(1_300)]
    assert len(replies) > 3


def test_a_frame_is_full_before_the_next_begins(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", form_id="f" * 64) for n in range(400)))
    first, *_ = pages(world, cursor(iso(-1)))
    assert len(protocol.encode(first).encode()) > MAX_FRAME_BYTES - 2_048


def test_the_last_pages_cursor_trails_the_start_of_the_scan(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}") for n in range(1_300)))
    last = pages(world, cursor(iso(-1)), step_ms=60_000)[-1]
    assert world.clock.ms > NOW
    assert last["cursor"] == Cursor("t_acme", iso(-OVERLAP_MS)).encode()


def test_what_is_written_behind_the_reader_while_it_pages_is_read_by_the_next_sync(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", updated_at=iso(n)) for n in range(1_300)))
    first = world.ask("sync", cursor=cursor(iso(-1)))
    world.submissions.put(submission("late", updated_at=iso(1)))
    last = pages(world, first["cursor"], step_ms=60_000)[-1]
    assert "late" in ids(pages(world, last["cursor"])[0])


@given(st.data())
def test_a_client_that_syncs_ends_with_what_the_table_holds(data: st.DataObject) -> None:
    """Writes commit up to the overlap late, pages are small, and pushes are all lost."""
    world = World()
    seen: dict[str, int] = {}

    def read(reply: dict[str, Any]) -> None:
        for update in reply["updates"]:
            name, version = update["data"]["submission_id"], update["data"]["version"]
            seen[name] = max(version, seen.get(name, 0))

    def write() -> None:
        name = data.draw(st.sampled_from("abcdef"))
        late = data.draw(st.integers(0, OVERLAP_MS - 1))
        version = world.submissions.held[name].version + 1 if name in world.submissions.held else 1
        world.submissions.put(submission(name, version=version, updated_at=timestamps.to_iso(world.clock.ms - late)))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "PAGE_ITEMS", 2)
        reply = world.ask("subscribe")
        read(reply)
        for step in data.draw(st.lists(st.sampled_from(["write", "sync", "wait"]), max_size=25)):
            if step == "write":
                write()
            elif step == "sync":
                reply = world.ask("sync", cursor=reply["cursor"])
                read(reply)
            else:
                world.clock.advance(data.draw(st.integers(0, 60_000)))
        # Whatever lay before is read once two syncs in a row were complete: the first may have begun earlier.
        for _ in range(2):
            replies = pages(world, reply["cursor"])
            for reply in replies:
                read(reply)
    assert seen == {name: held.version for name, held in world.submissions.held.items()}


# --- The connection -------------------------------------------------------------------------------------------


def test_a_ping_is_answered(world: World) -> None:
    assert world.ask("ping", id="5") == {"type": "pong", "id": "5", "timestamp": NOW}


@pytest.mark.parametrize("action", ["subscribe", "sync", "unsubscribe", "ping"])
def test_an_expired_token_is_unauthorized_and_does_nothing(world: World, action: str) -> None:
    world.subscriptions.on = True
    world.clock.ms = EXPIRES_AT * 1000
    reply = world.ask(action, id="1", cursor=cursor())
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unauthorized")
    assert world.calls == []


def test_a_token_is_good_until_the_second_it_expires(world: World) -> None:
    world.clock.ms = EXPIRES_AT * 1000 - 1
    assert world.ask("ping")["type"] == "pong"


@pytest.mark.parametrize("action", ["subscribe", "unsubscribe"])
def test_a_connection_without_a_row_is_unauthorized_and_reads_nothing(world: World, action: str) -> None:
    world.subscriptions.registered = False
    world.submissions.put(submission())
    reply = world.ask(action, id="1")
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unauthorized")
    assert world.calls == [action]


def test_a_sync_of_a_connection_without_a_row_is_unauthorized(world: World) -> None:
    world.subscriptions.registered = False
    reply = world.ask("sync", id="1", cursor=cursor(iso(-1)))
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unauthorized")


def test_an_unknown_action_is_refused(world: World) -> None:
    reply = world.ask("dance", id="1")
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "1", "unknown_action")


@given(
    st.text(alphabet=st.characters())
    | st.fixed_dictionaries(
        {"action": st.sampled_from(["subscribe", "sync", "unsubscribe", "ping"])},
        optional={"cursor": st.text(), "snapshot": st.integers(), "id": st.text()},
    ).map(json.dumps)
)
def test_nothing_that_a_client_sends_raises(body: str) -> None:
    assert World().session.answer(body)["type"] in {"subscribed", "synced", "unsubscribed", "pong", "error"}


def test_a_page_with_the_longest_request_id_is_one_frame(world: World) -> None:
    world.subscribed()
    world.submissions.put(*(submission(f"s{n:04}", form_id="f" * 64) for n in range(400)))
    first = world.ask("sync", id="\N{WAVING HAND SIGN}" * 64, cursor=cursor(iso(-1)))
    assert not first["complete"]
    assert len(protocol.encode(first).encode()) <= MAX_FRAME_BYTES


# --- Without a table ------------------------------------------------------------------------------------------


class TestWithoutATable:
    """Whoever posts to connections without a `StreamTable` has nothing that could be read again."""

    @pytest.fixture
    def world(self, world: World) -> World:
        world.session = replace(world.session, submissions=None)
        return world

    def test_a_subscription_counts_from_now_on(self, world: World) -> None:
        reply = world.ask("subscribe", snapshot=50)

        assert (reply["type"], reply["updates"], reply["complete"]) == ("subscribed", [], True)
        assert "recovered" not in reply
        assert world.subscriptions.on

    def test_a_client_that_returns_is_told_that_it_may_have_missed_something(self, world: World) -> None:
        reply = world.ask("subscribe", cursor=cursor())

        assert (reply["updates"], reply["complete"], reply["recovered"]) == ([], True, False)

    def test_a_sync_recovers_nothing_and_says_so(self, world: World) -> None:
        reply = world.ask("sync", cursor=world.subscribed()["cursor"])

        assert (reply["type"], reply["updates"], reply["recovered"]) == ("synced", [], False)
