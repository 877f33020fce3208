from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.accounting import YOUNG_CONNECTION_MS
from formbridge.broadcast.changes import Change
from formbridge.broadcast.fanout_task import FanoutTask
from formbridge.broadcast.frames import Frames
from formbridge.connections.connection import Connection, Span
from formbridge.posting.delivery import Outcome
from formbridge.wire.cursor import CONSISTENCY_WINDOW_MS, Cursor
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.broadcasts import THRESHOLD, Broadcast
from tests.support.handlers.builders import NOW, inserted, iso, modified, removed, submission
from tests.support.handlers.connections import EVERYWHERE, connection, wanting

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from formbridge.posting.delivery import Delivery, Receipt
    from formbridge.submissions.submission import Submission

NEW = wanting({"status": ["new"]})
RESYNC = '{"type":"resync","reason":"behind"}'
THEIRS = inserted(submission("s9", tenant_id="t_globex"))
TOKEN_EXPIRED = '{"type":"disconnect","code":"token_expired","reconnect":true}'


UPDATE = inserted(submission("s1"))
FRAME = Frames("t_acme", [Change(submission("s1"), "insert", NOW)], 0, NOW).for_connection(connection())[0].decode()


def test_an_update_reaches_every_connection_of_its_tenant() -> None:
    world = Broadcast(connection("a"), connection("b"))
    assert world.send(UPDATE) == {Outcome.POSTED: 2}
    assert world.sent() == {"a": [FRAME], "b": [FRAME]}
    assert world.registered.untouched


def test_a_connection_that_has_not_subscribed_gets_nothing() -> None:
    world = Broadcast(connection("a", subscribed=False))
    assert world.send(UPDATE) == {}
    assert world.sent() == {}
    assert world.registered.untouched


def test_connections_with_the_same_filter_share_frames_that_were_made_once() -> None:
    world = Broadcast(*(connection(name, filter=wanting({"status": ["new"]})) for name in "ab"))
    world.send(inserted(submission("s1", status="new")), inserted(submission("s2", status="spam")))
    assert [update["data"]["submission_id"] for update in world.got("a")] == ["s1"]
    first, second = world.poster.made
    assert first is second


def test_connections_with_different_filters_get_what_each_of_them_sees() -> None:
    pages = {"all": None, "new": NEW, "spam": wanting({"status": ["spam"]}), "done": wanting({"status": ["done"]})}
    world = Broadcast(*(connection(name, filter=wanted) for name, wanted in pages.items()))
    was, became = submission("s1", status="new"), submission("s1", status="spam", version=2)
    assert world.send(modified(became, before=was)) == {Outcome.POSTED: 3}
    assert world.got("all") == world.got("spam") == [became.build_update("modify")]
    assert world.got("new") == [became.build_leave()]
    assert world.got("done") == []


@pytest.mark.parametrize(
    ("updated_at", "count"), [(iso(-CONSISTENCY_WINDOW_MS), 0), (iso(-CONSISTENCY_WINDOW_MS + 1), 1)]
)
def test_what_a_view_began_with_is_not_posted_to_it(updated_at: str, count: int) -> None:
    world = Broadcast(connection("a", subscribed_at=NOW))
    world.send(inserted(submission(updated_at=updated_at)))
    assert len(world.got("a")) == count


def test_a_removal_is_posted_however_old_what_was_removed_is() -> None:
    world = Broadcast(connection("a", subscribed_at=NOW))
    held = submission(updated_at=iso(-2 * CONSISTENCY_WINDOW_MS))
    world.send(removed(held))
    assert world.got("a") == [held.build_update("remove")]


def test_views_that_began_at_other_times_get_what_is_new_to_each_in_frames_that_were_made_once() -> None:
    began = {"a": -60_000, "b": -60_001, "late": 0}
    world = Broadcast(*(connection(name, subscribed_at=NOW + at) for name, at in began.items()))
    old, new = submission("s1", updated_at=iso(-CONSISTENCY_WINDOW_MS)), submission("s2")
    world.send(inserted(old), inserted(new))
    assert world.got("a") == [old.build_current(), new.build_current()]
    first, second, _ = world.poster.made
    assert first is second
    assert world.got("late") == [new.build_current()]


def test_a_connection_behind_that_sees_nothing_of_a_batch_is_left_to_the_janitor() -> None:
    world = Broadcast(connection("a", filter=NEW, behind_since=NOW - 1))
    assert world.send(inserted(submission("s1", status="spam"))) == {}
    assert world.sent() == {}
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
    world = Broadcast(connection("a", behind_since=NOW - 1))
    assert world.send(UPDATE) == {Outcome.POSTED: 1}
    assert world.poster.to("a") == [RESYNC, FRAME]
    assert world.registered.cleared == ["a"]


def test_a_connection_behind_that_misses_another_post_stays_behind() -> None:
    world = Broadcast(connection("a", behind_since=NOW - 1), a=Outcome.BEHIND)
    world.send(UPDATE)
    assert world.registered.behind == {"a": NOW}
    assert world.registered.cleared == []


@pytest.mark.parametrize(
    ("age_ms", "outcome"),
    [(0, Outcome.BEHIND), (YOUNG_CONNECTION_MS - 1, Outcome.BEHIND), (YOUNG_CONNECTION_MS, Outcome.GONE)],
)
def test_a_connection_that_is_seconds_old_and_gone_may_not_be_there_yet(age_ms: int, outcome: Outcome) -> None:
    world = Broadcast(connection("a", connected_at=NOW - age_ms), a=Outcome.GONE)
    assert world.send(UPDATE) == {outcome: 1}
    assert world.registered.removed == (["a"] if outcome is Outcome.GONE else [])
    assert world.registered.behind == ({"a": NOW} if outcome is Outcome.BEHIND else {})


@pytest.mark.parametrize("wanted", [None, wanting({"status": ["of no submission"]})])
def test_a_connection_whose_token_has_expired_is_told_closed_and_forgotten(wanted: SubscriptionFilter | None) -> None:
    world = Broadcast(connection("a", expires_at=NOW // 1000, filter=wanted))
    assert world.send(UPDATE) == {Outcome.GONE: 1}
    assert world.sent() == {"a": [TOKEN_EXPIRED]}
    assert world.poster.closed == ["a"]
    assert world.registered.removed == ["a"]


def test_an_expired_connection_that_cannot_be_closed_now_is_tried_again_later() -> None:
    world = Broadcast(connection("a", expires_at=NOW // 1000), a=Outcome.BEHIND)
    assert world.send(UPDATE) == {Outcome.BEHIND: 1}
    assert world.registered.untouched


def test_a_token_that_is_good_for_another_second_gets_its_update() -> None:
    world = Broadcast(connection("a", expires_at=NOW // 1000 + 1))
    assert world.send(UPDATE) == {Outcome.POSTED: 1}
    assert world.sent() == {"a": [FRAME]}


def test_what_cannot_be_accounted_for_is_raised_once_every_other_connection_had_its_turn() -> None:
    world = Broadcast(connection("a"), connection("b"), connection("c", "t_globex"))
    world.poster.failures["a"] = PermissionError("403")
    with pytest.raises(ExceptionGroup) as raised:
        world.send(UPDATE, THEIRS)
    assert [repr(error) for error in raised.value.exceptions] == ["PermissionError('403')"]
    assert world.sent().keys() == {"b", "c"}
    # Should nobody do it again, the janitor will.
    assert world.registered.behind == {"a": NOW}


def test_a_tenant_whose_connections_cannot_be_read_is_no_other_tenants_matter() -> None:
    world = Broadcast(connection("a"), connection("c", "t_globex"))
    world.registered.unreadable.add("t_acme")
    with pytest.raises(ExceptionGroup, match="1 failures"):
        world.send(UPDATE, THEIRS)
    assert world.sent().keys() == {"c"}


def test_a_burst_of_a_thousand_updates_takes_at_most_a_fiftieth_of_the_frames_of_one_post_an_update() -> None:
    world = Broadcast(*(connection(name) for name in "abc"))
    tally = world.tally(*(inserted(submission(f"{number:032}")) for number in range(1_000)))
    assert len(world.got("a")) == len(world.got("c")) == 1_000
    assert tally.frames <= 0.02 * 1_000 * 3
    # Each is made once, however many connections it goes to.
    assert len({id(frame) for frame in world.poster.made}) == tally.frames / 3


def test_nothing_to_send_posts_nothing() -> None:
    world = Broadcast(connection("a"))
    assert world.send() == {}
    assert world.sent() == {}


TENANTS = st.sampled_from(["t_a", "t_b", "t_ab", "-"])
SUBMISSIONS = st.tuples(TENANTS, st.integers(0, 9).map(str))


@given(st.lists(SUBMISSIONS, max_size=30), st.lists(TENANTS, max_size=20))
def test_tenants_are_never_mixed(stored: list[tuple[str, str]], tenants: list[str]) -> None:
    rows = [connection(str(n), tenant_id) for n, tenant_id in enumerate(tenants)]
    world = Broadcast(*rows)
    outcomes = world.send(*(inserted(submission(name, tenant_id=tenant)) for tenant, name in stored))
    written_to = {tenant for tenant, _ in stored if tenant != "-"}
    assert outcomes.total() == sum(tenant in written_to for tenant in tenants)
    for row in rows:
        got = [update["data"] for update in world.got(row.connection_id)]
        own = {name for tenant, name in stored if tenant == row.tenant_id and tenant != "-"}
        assert {data["submission_id"] for data in got} == own
        assert all(data["tenant_id"] == row.tenant_id for data in got)


# --- Epochs ---------------------------------------------------------------------------------------------------

HELD = submission("s1", version=2)
REPLACEMENTS = {
    "deleted": removed(HELD),
    "restored version": modified(submission("s1"), before=HELD),
    "restored row": inserted(HELD),
}


def epochs(world: Broadcast, connection_id: str) -> list[tuple[int, int]]:
    """The epoch of each frame that a connection took, and that of the frame's cursor."""
    frames = map(json.loads, world.poster.to(connection_id))
    return [
        (frame["epoch"], Cursor.decode(frame["cursor"], "t_acme", NOW).epoch) for frame in frames if "epoch" in frame
    ]


def test_a_frame_has_the_epoch_of_its_tenant(rows: list[Connection]) -> None:
    world = Broadcast(*rows)
    world.registered.epochs.update({"t_acme": NOW - 9, "t_globex": NOW - 1})
    world.send(UPDATE)
    assert epochs(world, "a") == [(NOW - 9, NOW - 9)]
    assert world.registered.calls == [("read", "t_acme")]


@pytest.mark.parametrize("record", REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_a_replaced_history_raises_the_epoch_before_the_connections_are_read(
    rows: list[Connection], record: dict[str, Any]
) -> None:
    """A client that connects later starts from the new history."""
    world = Broadcast(*rows)
    world.send(record, THEIRS)
    assert world.registered.calls == [("raise_epoch", "t_acme"), ("read", "t_acme"), ("read", "t_globex")]
    assert epochs(world, "a") == [(NOW, NOW)]
    assert json.loads(world.poster.to("c")[0])["epoch"] == 0


def test_one_replacement_among_many_changes_raises_the_epoch_of_all_frames(rows: list[Connection]) -> None:
    world = Broadcast(*rows)
    world.send(*(inserted(submission(f"{n:032}")) for n in range(100)), removed(HELD))
    assert {*epochs(world, "a")} == {(NOW, NOW)}
    assert len(epochs(world, "a")) > 1


def test_a_batch_that_comes_again_raises_the_epoch_again(rows: list[Connection]) -> None:
    world = Broadcast(*rows)
    for _ in range(2):
        world.send(removed(HELD))
    assert [call for call, _ in world.registered.calls] == ["raise_epoch", "read"] * 2


def test_a_tenant_whose_epoch_cannot_be_raised_is_not_posted_to_and_is_no_other_tenants_matter(
    rows: list[Connection], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(tenant_id: str) -> None:
        raise ConnectionError(tenant_id)

    world = Broadcast(*rows)
    monkeypatch.setattr(world.registered, "raise_epoch", fail)
    with pytest.raises(ExceptionGroup, match="1 failures"):
        world.send(removed(HELD), THEIRS)
    assert world.sent().keys() == {"c"}


@pytest.fixture
def rows() -> list[Connection]:
    return [connection("a"), connection("c", "t_globex")]


# --- More than one Lambda can post to -------------------------------------------------------------------------


CHANGE = Change(submission("s1"), "insert", NOW)


def large(*rows: Connection) -> Broadcast:
    """A tenant that is counted to have one connection more than the threshold."""
    world = Broadcast(*rows)
    world.registered.reserved["t_acme"] = THRESHOLD + 1
    return world


def test_a_tenant_at_the_threshold_is_posted_to_here() -> None:
    world = large(connection("a"))
    world.registered.reserved["t_acme"] = THRESHOLD
    assert world.send(UPDATE) == {Outcome.POSTED: 1}
    assert world.queue.sent == []


def test_a_larger_tenant_goes_to_the_queue_by_the_shard_and_is_not_posted_to() -> None:
    world = large(connection("a"), connection("b", shard=2), connection("c", "t_globex"))
    tally = world.tally(UPDATE, THEIRS)
    assert world.queue.sent == [FanoutTask("t_acme", [CHANGE], 0, shard) for shard in range(3)]
    assert tally.handed_over == 3
    assert world.sent().keys() == {"c"}


def test_what_counts_is_posts_and_so_a_burst_makes_a_tenant_large_sooner() -> None:
    half = [connection(str(number)) for number in range(THRESHOLD // 2 + 1)]
    one, two = ([inserted(submission(f"{number:032}")) for number in range(count)] for count in (80, 100))
    world = Broadcast(*half)
    assert world.send(*one).total() == len(half)
    assert world.send(*two).total() == 0
    (work,) = world.queue.sent
    world.run_task(work)
    assert [part.span for part in world.queue.sent[1:]] == world.registered.split_shard("t_acme", 0, THRESHOLD // 2)


def test_an_invocation_hands_over_what_is_more_than_it_posts_though_no_tenant_is_large() -> None:
    tenants = [f"t_{number}" for number in range(4)]
    rows = [connection(f"{tenant}-{number}", tenant) for tenant in tenants for number in range(THRESHOLD // 3)]
    world = Broadcast(*rows)
    outcomes = world.send(*(inserted(submission("s1", tenant_id=tenant)) for tenant in tenants))
    assert outcomes.total() == 3 * (THRESHOLD // 3)
    assert [(part.tenant_id, part.shard) for part in world.queue.sent] == [("t_3", 0)]


def test_work_that_the_queue_does_not_take_is_a_failure() -> None:
    world = large(connection("a"), connection("c", "t_globex"))
    world.queue.failure = ConnectionError("no queue")
    with pytest.raises(ExceptionGroup) as raised:
        world.send(UPDATE, THEIRS)
    assert raised.value.exceptions == (world.queue.failure,)
    assert world.sent().keys() == {"c"}


def test_a_task_carries_the_epoch_and_its_parts_do_not_raise_it_again() -> None:
    world = large(connection("a"), connection("b", shard=1))
    world.send(removed(HELD))
    assert [(task.epoch, task.shard) for task in world.queue.sent] == [(NOW, 0), (NOW, 1)]
    world.registered.calls.clear()
    for task in world.queue.sent:
        (message,) = task.encode()
        world.run_task(FanoutTask.decode(message))
    assert epochs(world, "a") == epochs(world, "b") == [(NOW, NOW)]
    assert world.registered.calls == []


def test_a_task_of_an_earlier_epoch_is_posted_with_that_epoch() -> None:
    """Its clients know the later epoch already, and drop the frames."""
    world = Broadcast(connection("b", shard=1))
    world.registered.epochs["t_acme"] = NOW
    world.run_task(FanoutTask("t_acme", [CHANGE], NOW - 9, 1))
    assert epochs(world, "b") == [(NOW - 9, NOW - 9)]


def test_the_connections_of_a_shard_are_told_and_no_others() -> None:
    world = large(connection("a"), connection("b", shard=1), connection("c", "t_globex", shard=1))
    assert world.run_task(FanoutTask("t_acme", [CHANGE], 0, 1)) == {Outcome.POSTED: 1}
    assert world.sent() == {"b": [FRAME]}


def test_a_shard_that_is_too_large_as_well_is_divided_once_more() -> None:
    names = [f"{n:03}" for n in range(2 * THRESHOLD + 1)]
    world = Broadcast(*(connection(name, shard=1) for name in names))
    assert world.run_task(FanoutTask("t_acme", [CHANGE], 0, 1)) == {}
    spans = [Span(None, "049"), Span("049", "099"), Span("099", None)]
    assert world.queue.sent == [FanoutTask("t_acme", [CHANGE], 0, 1, span) for span in spans]
    for part in [*world.queue.sent]:
        world.run_task(part)
    assert [name for name, _ in world.poster.posted] == names
    assert len(world.queue.sent) == 3


def test_a_whole_tenant_that_is_handed_over_is_divided_where_it_is_large() -> None:
    world = Broadcast(connection("a"), connection("b", shard=1))
    assert world.run_task(FanoutTask("t_acme", None)) == {Outcome.POSTED: 2}
    world.registered.reserved["t_acme"] = THRESHOLD + 1
    assert world.run_task(FanoutTask("t_acme", None)) == {}
    assert world.queue.sent == [FanoutTask("t_acme", None, NOW, 0), FanoutTask("t_acme", None, NOW, 1)]


# --- Fair shares ----------------------------------------------------------------------------------------------

EXPENSIVE = [wanting({"status": ["new", *(f"{n}-{m}" for m in range(190))]}) for n in range(20)]


def made_by(tenant_id: str, count: int) -> list[dict[str, Any]]:
    return [inserted(submission(f"{number:032}", tenant_id=tenant_id, status="new")) for number in range(count)]


def order_of(world: Broadcast) -> list[str]:
    """The tenant of each delivery in the order in which the poster was given them."""
    tenants = {row.connection_id: row.tenant_id for row in world.registered.rows}
    return [tenants[name] for name, _ in world.poster.posted]


def test_a_small_tenant_is_served_before_a_larger_one_that_came_first() -> None:
    large = [connection(f"l{number}", "t_large") for number in range(30)]
    small = [connection(f"s{number}", "t_small") for number in range(5)]
    world = Broadcast(*large, *small)
    assert world.send(*made_by("t_large", 1), *made_by("t_small", 1)) == {Outcome.POSTED: 35}
    assert order_of(world) == ["t_small"] * 5 + ["t_large"] * 30


def test_larger_tenants_take_turns() -> None:
    rows = [connection(f"{tenant}-{number}", f"t_{tenant}") for tenant in "ab" for number in range(20)]
    world = Broadcast(*rows)
    world.send(*made_by("t_a", 1), *made_by("t_b", 1))
    order = order_of(world)
    assert all(abs(order[:end].count("t_a") - order[:end].count("t_b")) <= 2 for end in range(len(order)))


def test_the_posts_of_a_small_tenant_are_not_taken_by_a_large_one_that_came_first() -> None:
    rows = [connection(f"l{number}", "t_large") for number in range(THRESHOLD)]
    rows += [connection(f"s{number}", "t_small") for number in range(5)]
    world = Broadcast(*rows)
    assert world.send(*made_by("t_large", 1), *made_by("t_small", 1)) == {Outcome.POSTED: 5}
    assert order_of(world) == ["t_small"] * 5
    assert [task.tenant_id for task in world.queue.sent] == ["t_large"]


def test_the_frames_of_each_connection_keep_their_order() -> None:
    rows = [connection(f"{tenant}-{number}", f"t_{tenant}") for tenant in "ab" for number in range(12)]
    world = Broadcast(*rows)
    world.send(*made_by("t_a", 190), *made_by("t_b", 190))
    for row in rows:
        ids = [update["data"]["submission_id"] for update in world.got(row.connection_id)]
        assert ids in ([], [f"{number:032}" for number in range(190)])


def test_the_filters_of_a_tenant_count_as_posts() -> None:
    rows = [connection(f"a{number}", "t_a", filter=wanted) for number, wanted in enumerate(EXPENSIVE)]
    world = Broadcast(*rows)
    assert world.send(*made_by("t_a", 1)) == {}
    (task,) = world.queue.sent
    assert task.filter_costs == tuple(wanted.cost for wanted in EXPENSIVE)
    world.run_task(task)
    parts = world.queue.sent[1:]
    assert len(parts) > 1
    for part in parts:
        world.run_task(part)
    assert sorted(name for name, _ in world.poster.posted) == sorted(row.connection_id for row in rows)


def test_one_tenants_filters_do_not_delay_another_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between two deliveries to the other tenant, filters are tested for as long as a few posts take."""
    matched = 0
    match = SubscriptionFilter.matches

    def count(wanted: SubscriptionFilter, held: Submission) -> bool:
        nonlocal matched
        matched += held.tenant_id == "t_a"
        return match(wanted, held)

    monkeypatch.setattr(SubscriptionFilter, "matches", count)
    rows = [connection(f"a{number}", "t_a", filter=wanted) for number, wanted in enumerate(EXPENSIVE[:10])]
    rows += [connection(f"b{number:02}", "t_b") for number in range(20)]
    world = Broadcast(*rows, threshold=5_000)
    seen: list[int] = []
    deliver = world.poster.deliver

    def note(deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        def noted() -> Iterator[Delivery]:
            for delivery in deliveries:
                if delivery.connection.tenant_id == "t_b":
                    seen.append(matched)
                yield delivery

        return deliver(noted(), deadline)

    monkeypatch.setattr(world.poster, "deliver", note)
    assert world.send(*made_by("t_a", 100), *made_by("t_b", 1)) == {Outcome.POSTED: 30}
    assert matched == 10 * 100
    assert seen[-1] <= 5 * len(seen)


def test_a_tenant_that_fails_while_it_is_served_does_not_stop_the_others() -> None:
    world = Broadcast(*(connection(f"{tenant}{n}", f"t_{tenant}") for tenant in "ab" for n in range(20)))
    read_shard = world.registered.read_shard

    def fail_later(tenant_id: str, shard: int, span: Span = EVERYWHERE) -> Iterator[Connection]:
        for number, row in enumerate(read_shard(tenant_id, shard, span)):
            if tenant_id == "t_a" and number == 3:
                raise ConnectionError(tenant_id)
            yield row

    world.registered.read_shard = fail_later  # type: ignore[method-assign]
    tally = world.tally(*made_by("t_a", 1), *made_by("t_b", 1))
    assert [str(failure) for failure in tally.failures] == ["t_a"]
    assert order_of(world).count("t_b") == 20


# --- Resync ---------------------------------------------------------------------------------------------------


def test_connections_are_told_to_resync_whatever_their_filter() -> None:
    world = Broadcast(connection("a"), connection("b", filter=NEW), connection("c", "t_globex"))
    assert world.run_task(FanoutTask("t_acme", None)) == {Outcome.POSTED: 2}
    assert world.sent() == {"a": [RESYNC], "b": [RESYNC]}
    assert world.registered.untouched


def test_a_resync_raises_the_epoch_before_the_connections_are_read() -> None:
    """What could not be delivered may have replaced the history."""
    world = Broadcast(connection("a"))
    world.run_task(FanoutTask("t_acme", None))
    assert world.registered.calls == [("raise_epoch", "t_acme"), ("read", "t_acme")]


@pytest.mark.parametrize("span", [None, Span(None, "a")])
def test_a_part_of_a_resync_does_not_raise_the_epoch_again(span: Span | None) -> None:
    world = Broadcast(connection("a"))
    assert world.run_task(FanoutTask("t_acme", None, NOW - 9, 0, span)) == {Outcome.POSTED: 1}
    assert world.registered.calls == []


def test_a_connection_behind_that_is_told_so_is_behind_no_more() -> None:
    world = Broadcast(connection("a", behind_since=NOW - 1))
    assert world.run_task(FanoutTask("t_acme", None)) == {Outcome.POSTED: 1}
    assert world.sent() == {"a": [RESYNC]}
    assert world.registered.cleared == ["a"]


def test_a_connection_that_cannot_be_told_to_resync_is_behind() -> None:
    world = Broadcast(connection("a"), a=Outcome.BEHIND)
    assert world.run_task(FanoutTask("t_acme", None)) == {Outcome.BEHIND: 1}
    assert world.registered.behind == {"a": NOW}


# --- Time -----------------------------------------------------------------------------------------------------
