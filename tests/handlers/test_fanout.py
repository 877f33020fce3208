from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge import protocol
from formbridge.cursor import Cursor
from formbridge.fanout import YOUNG_MS, Batch, Broadcaster, Connection, Outcome, frames
from formbridge.submission import Submission, Update
from tests.handlers.builders import HOUR_S, NOW, image, inserted, iso, modified, record, removed, submission

BILLED_BYTES = 32 * 1024
RESYNC = '{"type":"resync","reason":"behind"}'
TOKEN_EXPIRED = '{"type":"disconnect","code":"token_expired","reconnect":true}'


# --- A batch --------------------------------------------------------------------------------------------------


def events(batch: Batch, tenant_id: str = "t_acme") -> list[tuple[str, str, int]]:
    """(event, submission, version) of each update."""
    return [
        (update["event"], update["data"]["submission_id"], update["data"]["version"])
        for update in batch.updates.get(tenant_id, [])
    ]


def test_records_become_updates() -> None:
    batch = Batch.read([inserted(submission("s1")), modified(submission("s2", version=2)), removed(submission("s3"))])
    assert events(batch) == [("insert", "s1", 1), ("modify", "s2", 2), ("remove", "s3", 1)]
    assert batch.malformed == {}


def test_an_update_is_what_the_stream_shows_now() -> None:
    old, new = submission(version=1), submission(version=2, status="completed")
    batch = Batch.read([record("MODIFY", old=image(old), new=image(new))])
    assert batch.updates == {"t_acme": [new.update("modify")]}


def test_updates_are_sorted_by_tenant() -> None:
    batch = Batch.read([inserted(submission("s1")), inserted(submission("s2", tenant_id="t_globex"))])
    assert events(batch, "t_acme") == [("insert", "s1", 1)]
    assert events(batch, "t_globex") == [("insert", "s2", 1)]


@given(st.permutations([1, 2, 3, 3, 4]))
def test_of_each_submission_only_the_newest_version_is_kept(versions: list[int]) -> None:
    batch = Batch.read([modified(submission("s1", version=version)) for version in versions])
    assert events(batch) == [("modify", "s1", 4)]


@given(st.permutations([modified(submission(version=2)), removed(submission(version=2))]))
def test_of_two_with_the_same_version_remove_wins(records: list[dict[str, Any]]) -> None:
    assert events(Batch.read(records)) == [("remove", "s1", 2)]


def test_a_malformed_record_is_told_by_its_event_id_and_the_others_go_on() -> None:
    broken = image(submission("s2"))
    del broken["version"]
    batch = Batch.read([inserted(submission("s1")), record("INSERT", new=broken, event_id="r2")])
    assert events(batch) == [("insert", "s1", 1)]
    assert batch.malformed == {"r2": "version: must be of DynamoDB type N"}


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
def test_a_record_without_the_image_it_needs_is_malformed(name: str) -> None:
    batch = Batch.read([record(name, event_id="r1")])
    assert batch.malformed == {"r1": "the stream carries no images: it must be NEW_AND_OLD_IMAGES"}


def test_an_empty_batch_holds_nothing() -> None:
    assert Batch.read([]) == Batch()


# --- Frames ---------------------------------------------------------------------------------------------------


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


def carried(frame: str) -> list[Update]:
    """The updates of a frame."""
    read = json.loads(frame)
    if read["type"] == "submission_update":
        return [{"event": read["event"], "data": read["data"]}]
    assert read["type"] == "submission_updates"
    return read["updates"]


@pytest.mark.parametrize("count", [1, 2, 60, 200])
def test_frames_are_complete_and_each_is_billed_as_one_message(count: int) -> None:
    for length in range(1, 65):  # of a name, so that frames end at every distance from the limit
        updates = [replace(longest(n), form_id="f" * length).current() for n in range(count)]
        made = list(frames(longest(0).tenant_id, updates, NOW))
        assert [update for frame in made for update in carried(frame)] == updates
        assert max(len(frame.encode()) for frame in made) <= BILLED_BYTES


def test_frames_are_as_few_as_can_be() -> None:
    updates = [longest(n).current() for n in range(200)]
    *full, _ = frames(longest(0).tenant_id, updates, NOW)
    one_more = len(protocol.encode(updates[0]).encode())
    assert all(len(frame.encode()) + one_more > BILLED_BYTES - 512 for frame in full)


def test_one_update_is_one_submission_update() -> None:
    (frame,) = frames("t_acme", [submission("s1").current()], NOW)
    assert json.loads(frame)["type"] == "submission_update"
    assert json.loads(frame)["timestamp"] == NOW


def test_no_updates_are_no_frames() -> None:
    assert list(frames("t_acme", [], NOW)) == []


def test_the_cursor_of_a_frame_tells_how_recent_its_newest_update_is() -> None:
    updates = [submission("s1", updated_at=iso(5)).current(), submission("s2", updated_at=iso(2)).current()]
    (frame,) = frames("t_acme", updates, NOW)
    assert Cursor.decode(json.loads(frame)["cursor"], "t_acme") == Cursor("t_acme", iso(5))


# --- Broadcast ------------------------------------------------------------------------------------------------


@dataclass
class Registered:
    """The connections table in memory."""

    rows: list[Connection] = field(default_factory=list[Connection])
    removed: list[str] = field(default_factory=list[str])
    behind: dict[str, int] = field(default_factory=dict[str, int])
    cleared: list[str] = field(default_factory=list[str])

    def subscribed(self, tenant_id: str) -> Iterable[Connection]:
        return [row for row in self.rows if row.tenant_id == tenant_id]

    def remove(self, tenant_id: str, connection_id: str) -> None:
        self.removed.append(connection_id)

    def mark_behind(self, connection: Connection, since_ms: int) -> None:
        self.behind[connection.connection_id] = since_ms

    def clear_behind(self, connection: Connection) -> None:
        self.cleared.append(connection.connection_id)


@dataclass
class Posts:
    """@connections in memory: answers as it is told, POSTED otherwise."""

    outcomes: dict[str, Outcome | Exception] = field(default_factory=dict[str, "Outcome | Exception"])
    sent: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    closed: list[str] = field(default_factory=list[str])
    closing: Outcome = Outcome.POSTED

    def post(self, connection_id: str, frames: Sequence[str]) -> Outcome:
        outcome = self.outcomes.get(connection_id, Outcome.POSTED)
        if isinstance(outcome, Exception):
            raise outcome
        self.sent.setdefault(connection_id, []).extend(frames)
        return outcome

    def close(self, connection_id: str) -> Outcome:
        self.closed.append(connection_id)
        return self.closing


def connection(connection_id: str, tenant_id: str = "t_acme", **fields: int) -> Connection:
    """A connection of ten minutes, whose token is good for an hour."""
    values = {"connected_at": NOW - 600_000, "expires_at": NOW // 1000 + HOUR_S, **fields}
    return Connection(tenant_id, connection_id, **values)


class Broadcast:
    """A broadcaster with its fakes."""

    def __init__(self, *rows: Connection, **outcomes: Outcome | Exception) -> None:
        self.registered = Registered(list(rows))
        self.posts = Posts(outcomes)
        self.broadcaster = Broadcaster(self.registered, self.posts, now_ms=lambda: NOW)

    def send(self, *updates: Update) -> Counter[Outcome]:
        by_tenant: dict[str, list[Update]] = {}
        for update in updates:
            by_tenant.setdefault(update["data"]["tenant_id"], []).append(update)
        return self.broadcaster.send(by_tenant)

    @property
    def untouched(self) -> bool:
        """Whether no row was changed."""
        return not (self.registered.removed or self.registered.behind or self.registered.cleared)


UPDATE = submission("s1").current()
FRAME = protocol.encode(protocol.push([UPDATE], Cursor("t_acme", submission().updated_at).encode(), NOW))


def test_an_update_reaches_every_connection_of_its_tenant() -> None:
    world = Broadcast(connection("a"), connection("b"))
    assert world.send(UPDATE) == {Outcome.POSTED: 2}
    assert world.posts.sent == {"a": [FRAME], "b": [FRAME]}
    assert world.untouched


def test_a_connection_that_is_gone_loses_its_row() -> None:
    world = Broadcast(connection("a"), connection("b"), a=Outcome.GONE)
    assert world.send(UPDATE) == {Outcome.GONE: 1, Outcome.POSTED: 1}
    assert world.registered.removed == ["a"]


def test_a_connection_that_missed_a_post_is_marked_behind() -> None:
    world = Broadcast(connection("a"), a=Outcome.BEHIND)
    assert world.send(UPDATE) == {Outcome.BEHIND: 1}
    assert world.registered.behind == {"a": NOW}
    assert world.registered.removed == []


def test_a_connection_behind_is_told_to_resync_before_it_gets_the_update() -> None:
    world = Broadcast(connection("a", behind=NOW - 1))
    assert world.send(UPDATE) == {Outcome.POSTED: 1}
    assert world.posts.sent["a"] == [RESYNC, FRAME]
    assert world.registered.cleared == ["a"]


def test_a_connection_behind_that_misses_another_post_stays_behind() -> None:
    world = Broadcast(connection("a", behind=NOW - 1), a=Outcome.BEHIND)
    world.send(UPDATE)
    assert world.registered.behind == {"a": NOW}
    assert world.registered.cleared == []


@pytest.mark.parametrize(
    ("age_ms", "outcome"), [(0, Outcome.BEHIND), (YOUNG_MS - 1, Outcome.BEHIND), (YOUNG_MS, Outcome.GONE)]
)
def test_a_connection_that_is_seconds_old_and_gone_may_not_be_there_yet(age_ms: int, outcome: Outcome) -> None:
    world = Broadcast(connection("a", connected_at=NOW - age_ms), a=Outcome.GONE)
    assert world.send(UPDATE) == {outcome: 1}
    assert world.registered.removed == (["a"] if outcome is Outcome.GONE else [])
    assert world.registered.behind == ({"a": NOW} if outcome is Outcome.BEHIND else {})


def test_a_connection_whose_token_has_expired_is_told_closed_and_forgotten() -> None:
    world = Broadcast(connection("a", expires_at=NOW // 1000))
    assert world.send(UPDATE) == {Outcome.GONE: 1}
    assert world.posts.sent == {"a": [TOKEN_EXPIRED]}
    assert world.posts.closed == ["a"]
    assert world.registered.removed == ["a"]


def test_an_expired_connection_that_cannot_be_closed_now_is_tried_again_later() -> None:
    world = Broadcast(connection("a", expires_at=NOW // 1000))
    world.posts.closing = Outcome.BEHIND
    assert world.send(UPDATE) == {Outcome.BEHIND: 1}
    assert world.registered.removed == []


def test_a_token_that_is_good_for_another_second_gets_its_update() -> None:
    world = Broadcast(connection("a", expires_at=NOW // 1000 + 1))
    assert world.send(UPDATE) == {Outcome.POSTED: 1}
    assert world.posts.sent == {"a": [FRAME]}


def test_what_cannot_be_accounted_for_is_raised_once_every_other_connection_had_its_turn() -> None:
    world = Broadcast(connection("a"), connection("b"), connection("c", "t_globex"), a=PermissionError("403"))
    theirs = submission("s9", tenant_id="t_globex").current()
    with pytest.raises(ExceptionGroup) as raised:
        world.send(UPDATE, theirs)
    assert [repr(error) for error in raised.value.exceptions] == ["PermissionError('403')"]
    assert world.posts.sent.keys() == {"b", "c"}


def test_a_failure_among_many_at_a_time_is_raised_too() -> None:
    world = Broadcast(connection("a"), connection("b"), b=PermissionError("403"))
    with ThreadPoolExecutor(2) as threads, pytest.raises(ExceptionGroup):
        Broadcaster(world.registered, world.posts, map=threads.map, now_ms=lambda: NOW).send({"t_acme": [UPDATE]})


def test_nothing_to_send_posts_nothing() -> None:
    world = Broadcast(connection("a"))
    assert world.send() == {}
    assert world.posts.sent == {}


TENANTS = st.sampled_from(["t_a", "t_b", "t_ab", "t_"])
SUBMISSIONS = st.tuples(TENANTS, st.integers(0, 9).map(str))


@given(st.lists(SUBMISSIONS, max_size=30), st.lists(TENANTS, max_size=20))
def test_tenants_are_never_mixed(written: list[tuple[str, str]], tenants: list[str]) -> None:
    rows = [connection(str(n), tenant_id) for n, tenant_id in enumerate(tenants)]
    world = Broadcast(*rows)
    with ThreadPoolExecutor(4) as threads:
        broadcaster = Broadcaster(world.registered, world.posts, map=threads.map, now_ms=lambda: NOW)
        batch = Batch.read([inserted(submission(name, tenant_id=tenant)) for tenant, name in written])
        outcomes = broadcaster.send(batch.updates)
    written_to = {tenant for tenant, _ in written if tenant != "t_"}
    assert outcomes.total() == sum(tenant in written_to for tenant in tenants)
    for row in rows:
        got = [update["data"] for frame in world.posts.sent.get(row.connection_id, []) for update in carried(frame)]
        own = {name for tenant, name in written if tenant == row.tenant_id and tenant != "t_"}
        assert {data["submission_id"] for data in got} == own
        assert all(data["tenant_id"] == row.tenant_id for data in got)
