from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge import protocol
from formbridge.connection import Outcome
from formbridge.cursor import OVERLAP_MS, Cursor
from formbridge.fanout import YOUNG_MS, Batch, Change, Pushes
from formbridge.submission import Submission
from formbridge.subscription_filter import SubscriptionFilter
from tests.handlers.builders import NOW, image, inserted, iso, modified, record, removed, submission
from tests.handlers.connections import Broadcast, carried, connection, wanting

BILLED_BYTES = 32 * 1024
NEW = wanting({"status": ["new"]})
RESYNC = '{"type":"resync","reason":"behind"}'
TOKEN_EXPIRED = '{"type":"disconnect","code":"token_expired","reconnect":true}'


# --- A batch --------------------------------------------------------------------------------------------------


def events(batch: Batch, tenant_id: str = "t_acme") -> list[tuple[str, str, int]]:
    """(event, submission, version) of each change."""
    return [
        (change.event, change.newest.submission_id, change.newest.version)
        for change in batch.changes.get(tenant_id, [])
    ]


def test_records_become_changes() -> None:
    batch = Batch.read([inserted(submission("s1")), modified(submission("s2", version=2)), removed(submission("s3"))])
    assert events(batch) == [("insert", "s1", 1), ("modify", "s2", 2), ("remove", "s3", 1)]
    assert batch.malformed == {}


def test_a_change_is_what_the_stream_shows_now_and_what_it_showed_before() -> None:
    old, new = submission(version=1), submission(version=2, status="completed")
    assert Batch.read([modified(new, before=old)]).changes == {"t_acme": [Change(new, "modify", NOW, (old,))]}


def test_changes_are_sorted_by_tenant() -> None:
    batch = Batch.read([inserted(submission("s1")), inserted(submission("s1", tenant_id="t_globex"))])
    assert events(batch, "t_acme") == [("insert", "s1", 1)]
    assert events(batch, "t_globex") == [("insert", "s1", 1)]


@given(st.permutations([1, 2, 3, 3, 4]))
def test_of_each_submission_only_the_newest_version_is_kept(versions: list[int]) -> None:
    batch = Batch.read([modified(submission("s1", version=version)) for version in versions])
    assert events(batch) == [("modify", "s1", 4)]


@given(st.permutations([modified(submission(version=2)), removed(submission(version=2))]))
def test_of_two_with_the_same_version_remove_wins(records: list[dict[str, Any]]) -> None:
    assert events(Batch.read(records)) == [("remove", "s1", 2)]


@pytest.mark.parametrize(("expires_at", "changes"), [(NOW // 1000, []), (NOW // 1000 + 1, [("remove", "s1", 2)])])
def test_a_removal_that_every_client_knew_of_beforehand_is_no_change(
    expires_at: int, changes: list[tuple[str, str, int]]
) -> None:
    assert events(Batch.read([removed(submission(version=2, expires_at=expires_at))])) == changes


@pytest.mark.parametrize("expires_at", [None, NOW // 1000])
def test_what_is_there_again_after_its_removal_counts_from_1_and_is_the_newest(expires_at: int | None) -> None:
    held = submission(version=3, expires_at=expires_at)
    assert events(Batch.read([modified(held), removed(held), inserted(submission())])) == [("insert", "s1", 1)]


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


def test_a_change_without_its_old_image_is_malformed() -> None:
    batch = Batch.read([record("MODIFY", new=image(submission()), event_id="r1")])
    assert batch.malformed == {"r1": "the stream carries no old images: it must be NEW_AND_OLD_IMAGES"}


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


def frames(*held: Submission, wanted: SubscriptionFilter | None = None) -> list[str]:
    """The frames of a tenant's new submissions."""
    tenant_id = held[0].tenant_id if held else "t_acme"
    return Pushes(tenant_id, [Change(each, "insert", NOW) for each in held], NOW).to(connection(filter=wanted))


@pytest.mark.parametrize("count", [1, 2, 60, 200])
def test_frames_are_complete_and_each_is_billed_as_one_message(count: int) -> None:
    for length in range(1, 65):  # of a name, so that frames end at every distance from the limit
        held = [replace(longest(n), form_id="f" * length) for n in range(count)]
        made = frames(*held, wanted=wanting({"form_id": ["f" * length]}))
        assert [update for frame in made for update in carried(frame)] == [each.update("insert") for each in held]
        assert max(len(frame.encode()) for frame in made) <= BILLED_BYTES


def test_frames_are_as_few_as_can_be() -> None:
    *full, _ = frames(*map(longest, range(200)))
    one_more = len(protocol.encode(longest(0).update("insert")).encode())
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
    assert Cursor.decode(json.loads(frame)["cursor"], "t_acme") == Cursor("t_acme", iso(5))


def test_a_frame_names_the_filter_that_it_was_made_through() -> None:
    (through_one,) = frames(submission("s1", status="new"), wanted=NEW)
    (through_none,) = frames(submission("s1", status="new"))
    assert json.loads(through_one)["filter_id"] == NEW.id
    assert "filter_id" not in json.loads(through_none)


# --- Broadcast ------------------------------------------------------------------------------------------------


UPDATE = inserted(submission("s1"))
(FRAME,) = frames(submission("s1"))


def test_an_update_reaches_every_connection_of_its_tenant() -> None:
    world = Broadcast(connection("a"), connection("b"))
    assert world.send(UPDATE) == {Outcome.POSTED: 2}
    assert world.posts.sent == {"a": [FRAME], "b": [FRAME]}
    assert world.registered.untouched


def test_a_connection_that_has_not_subscribed_gets_nothing() -> None:
    world = Broadcast(connection("a", subscribed=False))
    assert world.send(UPDATE) == {}
    assert world.posts.sent == {}
    assert world.registered.untouched


def test_connections_with_the_same_filter_share_frames_that_were_made_once() -> None:
    world = Broadcast(*(connection(name, filter=wanting({"status": ["new"]})) for name in "ab"))
    world.send(inserted(submission("s1", status="new")), inserted(submission("s2", status="spam")))
    (frame,) = world.posts.sent["a"]
    assert [update["data"]["submission_id"] for update in carried(frame)] == ["s1"]
    assert world.posts.sent["b"][0] is frame


def test_connections_with_different_filters_get_what_each_of_them_sees() -> None:
    pages = {"all": None, "new": NEW, "spam": wanting({"status": ["spam"]}), "done": wanting({"status": ["done"]})}
    world = Broadcast(*(connection(name, filter=wanted) for name, wanted in pages.items()))
    was, became = submission("s1", status="new"), submission("s1", status="spam", version=2)
    assert world.send(modified(became, before=was)) == {Outcome.POSTED: 3}
    assert world.got("all") == world.got("spam") == [became.update("modify")]
    assert world.got("new") == [became.leave()]
    assert world.got("done") == []


@pytest.mark.parametrize(("updated_at", "count"), [(iso(-OVERLAP_MS), 0), (iso(-OVERLAP_MS + 1), 1)])
def test_what_a_view_began_with_is_not_posted_to_it(updated_at: str, count: int) -> None:
    world = Broadcast(connection("a", subscribed_at=NOW))
    world.send(inserted(submission(updated_at=updated_at)))
    assert len(world.got("a")) == count


def test_a_removal_is_posted_however_old_what_was_removed_is() -> None:
    world = Broadcast(connection("a", subscribed_at=NOW))
    held = submission(updated_at=iso(-2 * OVERLAP_MS))
    world.send(removed(held))
    assert world.got("a") == [held.update("remove")]


def test_views_that_began_at_other_times_get_what_is_new_to_each_in_frames_that_were_made_once() -> None:
    began = {"a": -60_000, "b": -60_001, "late": 0}
    world = Broadcast(*(connection(name, subscribed_at=NOW + at) for name, at in began.items()))
    old, new = submission("s1", updated_at=iso(-30_000)), submission("s2")
    world.send(inserted(old), inserted(new))
    assert world.got("a") == [old.current(), new.current()]
    assert world.posts.sent["b"][0] is world.posts.sent["a"][0]
    assert world.got("late") == [new.current()]


def test_a_connection_behind_that_sees_nothing_of_a_batch_is_left_to_the_janitor() -> None:
    world = Broadcast(connection("a", filter=NEW, behind=NOW - 1))
    assert world.send(inserted(submission("s1", status="spam"))) == {}
    assert world.posts.sent == {}
    assert world.registered.untouched


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


@pytest.mark.parametrize("subscribed", [True, False])
@pytest.mark.parametrize("wanted", [None, wanting({"status": ["of no submission"]})])
def test_a_connection_whose_token_has_expired_is_told_closed_and_forgotten(
    subscribed: bool, wanted: SubscriptionFilter | None
) -> None:
    world = Broadcast(connection("a", expires_at=NOW // 1000, subscribed=subscribed, filter=wanted))
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
    theirs = inserted(submission("s9", tenant_id="t_globex"))
    with pytest.raises(ExceptionGroup) as raised:
        world.send(UPDATE, theirs)
    assert [repr(error) for error in raised.value.exceptions] == ["PermissionError('403')"]
    assert world.posts.sent.keys() == {"b", "c"}


def test_a_failure_among_many_at_a_time_is_raised_too() -> None:
    world = Broadcast(connection("a"), connection("b"), b=PermissionError("403"))
    with ThreadPoolExecutor(2) as threads, pytest.raises(ExceptionGroup):
        replace(world.broadcaster, map=threads.map).send(Batch.read([UPDATE]).changes)


def test_nothing_to_send_posts_nothing() -> None:
    world = Broadcast(connection("a"))
    assert world.send() == {}
    assert world.posts.sent == {}


TENANTS = st.sampled_from(["t_a", "t_b", "t_ab", "t_"])
SUBMISSIONS = st.tuples(TENANTS, st.integers(0, 9).map(str))


@given(st.lists(SUBMISSIONS, max_size=30), st.lists(TENANTS, max_size=20))
def test_tenants_are_never_mixed(stored: list[tuple[str, str]], tenants: list[str]) -> None:
    rows = [connection(str(n), tenant_id) for n, tenant_id in enumerate(tenants)]
    world = Broadcast(*rows)
    with ThreadPoolExecutor(4) as threads:
        batch = Batch.read([inserted(submission(name, tenant_id=tenant)) for tenant, name in stored])
        outcomes = replace(world.broadcaster, map=threads.map).send(batch.changes)
    written_to = {tenant for tenant, _ in stored if tenant != "t_"}
    assert outcomes.total() == sum(tenant in written_to for tenant in tenants)
    for row in rows:
        got = [update["data"] for update in world.got(row.connection_id)]
        own = {name for tenant, name in stored if tenant == row.tenant_id and tenant != "t_"}
        assert {data["submission_id"] for data in got} == own
        assert all(data["tenant_id"] == row.tenant_id for data in got)
