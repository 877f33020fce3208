"""What a subscription sends and holds, frame by frame: no socket, no clock."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.support.tools.frames import DAY, NOW, error, push, subscribed, synced, update, versions
from tools.client import Disconnected, Frame, Subscription, Update


def live(*updates: Update, **fields: Any) -> Subscription:
    """A subscription with a view of these."""
    subscription = Subscription(filter={"status": ["new"]} if "filter_id" in fields else None)
    (request,) = subscription.handle_connect(NOW)
    assert subscription.handle_frame(subscribed(request, *updates, **fields), NOW) == []
    subscription.changes.clear()
    return subscription


def told(subscription: Subscription) -> list[tuple[str, int]]:
    """The changes since the last time, as submission and version."""
    changes = [(change["data"]["submission_id"], change["data"]["version"]) for change in subscription.changes]
    subscription.changes.clear()
    return changes


# --- Views and cursors ----------------------------------------------------------------------------------------


def test_a_first_view_is_asked_for_without_a_cursor() -> None:
    wanted = {"form_id": ["contact"]}
    (request,) = Subscription(filter=wanted, snapshot=7).handle_connect(NOW)

    assert request == {"action": "subscribe", "id": request["id"], "snapshot": 7, "filter": wanted}
    (request,) = Subscription().handle_connect(NOW)
    assert request == {"action": "subscribe", "id": request["id"], "snapshot": 50}


def test_a_snapshot_is_told_oldest_first() -> None:
    subscription = Subscription()
    (request,) = subscription.handle_connect(NOW)
    subscription.handle_frame(subscribed(request, update("insert", 1, "new"), update("insert", 1, "old")), NOW)

    assert told(subscription) == [("old", 1), ("new", 1)]


def test_a_push_is_told_if_it_changes_the_view() -> None:
    subscription = live(update("insert", 1))
    for frame in (push(update("modify", 2)), push(update("insert", 1), update("modify", 2)), push(update("remove", 2))):
        subscription.handle_frame(frame, NOW)

    assert told(subscription) == [("s1", 2), ("s1", 2)]
    assert versions(subscription.view) == {}


def test_the_next_connection_resumes_from_the_last_complete_reply_and_keeps_the_view() -> None:
    subscription = live(update("insert", 1), update("insert", 1, "s2"))
    (request,) = subscription.handle_connect(NOW)
    assert (request["action"], request["cursor"]) == ("subscribe", "of 1")
    subscription.handle_frame(subscribed(request, update("modify", 2)), NOW)

    assert told(subscription) == [("s1", 2)]
    assert versions(subscription.view) == {"s1": 2, "s2": 1}
    assert subscription.cursor == "of 2"


def test_the_cursor_of_a_push_acknowledges_nothing() -> None:
    subscription = live()
    subscription.handle_frame(push(update("insert", 1)), NOW)

    assert subscription.cursor == "of 1"


def test_what_is_incomplete_is_synced_on_and_not_resumed_from() -> None:
    subscription = live()
    (request,) = subscription.handle_connect(NOW)
    (more,) = subscription.handle_frame(subscribed(request, update("insert", 1), complete=False), NOW)
    assert more == {"action": "sync", "id": more["id"], "cursor": "of 2", "filter_id": None}
    assert subscription.cursor == "of 1"
    assert subscription.handle_frame(synced(more, update("insert", 1, "s2")), NOW) == []

    assert subscription.cursor == "of 3"
    assert versions(subscription.view) == {"s1": 1, "s2": 1}


def test_an_incomplete_snapshot_is_not_resumed_from_but_begun_again() -> None:
    subscription = live(update("insert", 1))
    (request,) = subscription.handle_connect(NOW)
    subscription.handle_frame(subscribed(request, update("insert", 1, "s2"), recovered=False, complete=False), NOW)
    (request,) = subscription.handle_connect(NOW)

    assert "cursor" not in request


@pytest.mark.parametrize("by_sync", [True, False])
def test_a_cursor_that_is_too_old_gets_a_fresh_view(by_sync: bool) -> None:
    subscription = live(update("insert", 1), update("insert", 4, "s2"))
    if by_sync:
        (request,) = subscription.handle_frame({"type": "resync", "reason": "behind"}, NOW)
        frame = synced(request, update("insert", 1, "s2"), recovered=False)
    else:
        (request,) = subscription.handle_connect(NOW)
        frame = subscribed(request, update("insert", 1, "s2"), recovered=False)
    subscription.handle_frame(frame, NOW)

    assert versions(subscription.view) == {"s2": 1}
    assert subscription.cursor == "of 2"


@pytest.mark.parametrize("recovered", [True, False])
def test_pushes_that_overtook_a_fresh_view_are_kept(recovered: bool) -> None:
    subscription = live() if not recovered else Subscription()
    (request,) = subscription.handle_connect(NOW)
    subscription.handle_frame(push(update("modify", 3), update("insert", 1, "s2")), NOW)
    subscription.handle_frame(subscribed(request, update("modify", 2), recovered=recovered), NOW)

    assert told(subscription) == [("s1", 2), ("s1", 3), ("s2", 1)]
    assert versions(subscription.view) == {"s1": 3, "s2": 1}


def test_pushes_that_overtook_the_reply_of_a_sync_are_kept_where_it_begins_a_fresh_view() -> None:
    subscription = live()
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    subscription.handle_frame(push(update("modify", 3)), NOW)
    assert told(subscription) == [("s1", 3)]
    subscription.handle_frame(synced(request, update("modify", 2), recovered=False), NOW)

    assert versions(subscription.view) == {"s1": 3}


def test_an_unreadable_cursor_makes_for_a_fresh_view() -> None:
    subscription = Subscription(cursor="from an earlier run")
    (request,) = subscription.handle_connect(NOW)
    assert request["cursor"] == "from an earlier run"
    (fresh,) = subscription.handle_frame(error(request, "bad_cursor"), NOW)

    assert fresh["action"] == "subscribe"
    assert "cursor" not in fresh
    with pytest.raises(Disconnected) as ended:
        subscription.handle_frame(error(fresh, "bad_cursor"), NOW)
    assert not ended.value.reconnect


def test_where_an_earlier_run_is_resumed_what_goes_is_told_too() -> None:
    subscription = Subscription(cursor="from an earlier run")
    (request,) = subscription.handle_connect(NOW)
    subscription.handle_frame(subscribed(request, update("leave", 2), update("modify", 3, "s2", status="deleted")), NOW)

    assert told(subscription) == [("s1", 2), ("s2", 3)]


@pytest.mark.parametrize("kind", ["new", "synced", "subscribed", "error", None])
def test_what_it_did_not_ask_for_or_does_not_know_is_ignored(kind: str | None) -> None:
    subscription = live(update("insert", 1))
    stale = {**subscribed({"id": "7"}, update("modify", 2)), "type": kind, "code": "bad_cursor"}

    assert subscription.handle_frame(stale, NOW) == []
    subscription.handle_frame({"type": "resync"}, NOW)
    assert subscription.handle_frame(stale, NOW) == []
    assert versions(subscription.view) == {"s1": 1}
    assert subscription.cursor == "of 1"


# --- When it syncs --------------------------------------------------------------------------------------------


def test_resync_makes_it_sync_at_once() -> None:
    (request,) = live().handle_frame({"type": "resync", "reason": "behind"}, NOW)

    assert request == {"action": "sync", "id": request["id"], "cursor": "of 1", "filter_id": None}


def test_resync_makes_it_sync_again_after_the_request_under_way() -> None:
    subscription = live()
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    assert subscription.handle_frame({"type": "resync"}, NOW) == []
    (more,) = subscription.handle_frame(synced(request, complete=False), NOW)
    assert more["cursor"] == "of 2"
    (again,) = subscription.handle_frame(synced(more), NOW)
    assert again["cursor"] == "of 3"
    assert subscription.handle_frame(synced(again), NOW) == []


def test_what_was_wanted_on_a_lost_connection_is_not_on_the_next() -> None:
    subscription = live()
    subscription.handle_frame({"type": "resync"}, NOW)
    subscription.handle_frame({"type": "resync"}, NOW)
    (request,) = subscription.handle_connect(NOW)

    assert subscription.handle_frame(subscribed(request), NOW) == []


def test_silence_makes_it_sync_and_any_frame_ends_the_silence() -> None:
    subscription = live(heartbeat_seconds=60)
    assert subscription.handle_timeout(NOW + 59) == []
    subscription.handle_frame({"type": "pong"}, NOW + 59)
    assert subscription.timeout_at == NOW + 119
    assert subscription.handle_timeout(NOW + 118) == []
    (request,) = subscription.handle_timeout(NOW + 119)

    assert request == {"action": "sync", "id": request["id"], "cursor": "of 1", "filter_id": None}
    assert subscription.handle_timeout(NOW + 119) == []


def test_however_busy_it_syncs_half_an_hour_after_the_last_reply() -> None:
    subscription = live()
    for moment in range(100, 1_800, 100):
        assert subscription.handle_frame(push(update("modify", moment)), NOW + moment) == []
    assert subscription.timeout_at == NOW + 1_800
    (request,) = subscription.handle_frame(push(update("modify", 1_800)), NOW + 1_800)
    assert request["action"] == "sync"
    subscription.handle_frame(synced(request), NOW + 1_800)
    subscription.handle_frame({"type": "pong"}, NOW + 3_500)

    assert subscription.timeout_at == NOW + 3_600


def test_without_a_reply_the_connection_is_given_up() -> None:
    subscription = Subscription()
    subscription.handle_connect(NOW)
    subscription.handle_frame(push(update("insert", 1)), NOW + 29)
    assert subscription.handle_timeout(NOW + 29) == []
    with pytest.raises(Disconnected) as lost:
        subscription.handle_timeout(NOW + 30)

    assert (lost.value.code, lost.value.reconnect) == ("no_reply", True)


# --- Errors and the end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("code", ["rate_limited", "internal"])
@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_what_may_be_tried_again_is_when_the_gateway_says(code: str, action: str) -> None:
    subscription = live()
    (request,) = (
        subscription.handle_connect(NOW)
        if action == "subscribe"
        else subscription.handle_frame({"type": "resync"}, NOW)
    )
    assert subscription.handle_frame(error(request, code, retryable=True, retry_after_ms=2_500), NOW) == []
    assert subscription.timeout_at == NOW + 2.5
    assert subscription.handle_timeout(NOW + 2.4) == []
    (again,) = subscription.handle_timeout(NOW + 2.5)

    assert again == {**request, "id": again["id"]}
    assert again["id"] != request["id"]
    assert subscription.timeout_at == NOW + 32.5


def test_pushes_are_kept_over_what_is_tried_again() -> None:
    subscription = Subscription()
    (request,) = subscription.handle_connect(NOW)
    subscription.handle_frame(push(update("modify", 3)), NOW)
    subscription.handle_frame(error(request, "rate_limited", retryable=True, retry_after_ms=10), NOW)
    (again,) = subscription.handle_timeout(NOW + 1)
    subscription.handle_frame(subscribed(again, update("modify", 2)), NOW + 1)

    assert versions(subscription.view) == {"s1": 3}


@pytest.mark.parametrize("code", ["bad_filter", "too_many_filters", "bad_request", "too_large"])
def test_a_subscription_that_can_never_be_ends_it(code: str) -> None:
    subscription = Subscription()
    (request,) = subscription.handle_connect(NOW)
    with pytest.raises(Disconnected, match=f"^{code}: why$") as ended:
        subscription.handle_frame(error(request, code), NOW)

    assert (ended.value.code, ended.value.reconnect) == (code, False)


@pytest.mark.parametrize(
    ("action", "code"), [("subscribe", "unauthorized"), ("sync", "unauthorized"), ("sync", "bad_request")]
)
def test_a_connection_that_the_gateway_no_longer_knows_is_replaced(action: str, code: str) -> None:
    subscription = live()
    (request,) = (
        subscription.handle_connect(NOW)
        if action == "subscribe"
        else subscription.handle_frame({"type": "resync"}, NOW)
    )
    with pytest.raises(Disconnected) as ended:
        subscription.handle_frame(error(request, code), NOW)

    assert (ended.value.code, ended.value.reconnect) == (code, True)


@pytest.mark.parametrize(
    ("fields", "reconnect"), [({"reconnect": True}, True), ({"reconnect": False}, False), ({}, True)]
)
def test_disconnect_ends_the_connection_with_its_code(fields: dict[str, bool], reconnect: bool) -> None:
    with pytest.raises(Disconnected, match=r"^token_expired$") as ended:
        live().handle_frame({"type": "disconnect", "code": "token_expired", **fields}, NOW)

    assert (ended.value.code, ended.value.reconnect) == ("token_expired", reconnect)


# --- Filters --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mine", "others"), [({"filter_id": "b"}, {"filter_id": "a"}), ({"filter_id": "b"}, {}), ({}, {"filter_id": "a"})]
)
def test_a_push_through_another_filter_is_dropped(mine: dict[str, str], others: dict[str, str]) -> None:
    subscription = live(update("insert", 1), **mine)
    subscription.handle_frame(push(update("leave", 2), **others), NOW)
    assert versions(subscription.view) == {"s1": 1}
    subscription.handle_frame(push(update("modify", 3), **mine), NOW)

    assert versions(subscription.view) == {"s1": 3}


def test_a_new_filter_begins_a_new_view_without_a_cursor() -> None:
    subscription = live(update("insert", 1), filter_id="a")
    wanted = {"status": ["done"]}
    (request,) = subscription.set_filter(wanted, NOW)
    assert request == {"action": "subscribe", "id": request["id"], "snapshot": 50, "filter": wanted}
    # Which of these came through the new filter is known once it is acknowledged.
    subscription.handle_frame(push(update("leave", 9, "s2"), filter_id="a"), NOW)
    subscription.handle_frame(push(update("modify", 3, "s3"), filter_id="b"), NOW)
    subscription.handle_frame(subscribed(request, update("insert", 1, "s2"), filter_id="b"), NOW)

    assert versions(subscription.view) == {"s2": 1, "s3": 3}


def test_a_new_filter_waits_for_the_request_under_way_whose_view_is_not_taken() -> None:
    subscription = live(update("insert", 1), filter_id="a")
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    assert subscription.set_filter(None, NOW) == []
    assert subscription.handle_frame({"type": "resync"}, NOW) == []
    (fresh,) = subscription.handle_frame(synced(request, update("modify", 2), filter_id="a"), NOW)

    assert fresh == {"action": "subscribe", "id": fresh["id"], "snapshot": 50}
    assert versions(subscription.view) == {"s1": 1}
    assert subscription.cursor is None
    assert subscription.handle_frame(subscribed(fresh), NOW) == []
    assert versions(subscription.view) == {}


@pytest.mark.parametrize("is_refused_first", [True, False])
def test_a_new_filter_waits_as_long_as_the_refused_request(is_refused_first: bool) -> None:
    """The gateway closes a connection that sends too often before the time that it was told."""
    subscription = live()
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    refusal = error(request, "rate_limited", retryable=True, retry_after_ms=9_000)
    wanted = {"status": ["done"]}
    steps = [lambda: subscription.handle_frame(refusal, NOW), lambda: subscription.set_filter(wanted, NOW)]
    for step in steps if is_refused_first else reversed(steps):
        assert step() == []

    assert subscription.handle_timeout(NOW + 8.9) == []
    (fresh,) = subscription.handle_timeout(NOW + 9)
    assert (fresh["action"], fresh["filter"]) == ("subscribe", wanted)
    assert "cursor" not in fresh


def test_a_filter_that_was_replaced_while_offline_is_not_resumed() -> None:
    subscription = live()
    subscription.set_filter({"status": ["done"]}, NOW)
    (request,) = subscription.handle_connect(NOW)

    assert request["filter"] == {"status": ["done"]}
    assert "cursor" not in request


# --- The token ------------------------------------------------------------------------------------------------


def test_a_fresh_token_is_wanted_a_minute_before_the_connection_ends() -> None:
    subscription = live(expires_at=NOW + 600)
    assert subscription.renew_at == NOW + 540
    (request,) = subscription.authenticate("a.b.c")
    assert (request["action"], request["token"]) == ("authenticate", "a.b.c")
    assert subscription.renew_at > NOW + DAY
    subscription.handle_frame({"type": "authenticated", "id": request["id"], "expires_at": NOW + 1_600}, NOW + 540)

    assert subscription.renew_at == NOW + 1_540


def test_by_a_wrong_clock_it_asks_for_a_token_only_twice_a_minute() -> None:
    assert live(expires_at=NOW - DAY).renew_at == NOW + 30


def test_a_fresh_token_that_came_too_soon_is_brought_again_and_one_that_is_refused_is_not() -> None:
    subscription = live()
    (request,) = subscription.authenticate("a.b.c")
    subscription.handle_frame(error(request, "rate_limited", retryable=True, retry_after_ms=500), NOW)
    assert subscription.renew_at == NOW + 0.5
    (request,) = subscription.authenticate("a.b.c")
    assert subscription.handle_frame(error(request, "unauthorized"), NOW) == []
    assert subscription.renew_at > NOW + DAY


def test_each_connection_has_its_own_expiry() -> None:
    subscription = live(expires_at=NOW + 600)
    subscription.handle_connect(NOW)

    assert subscription.renew_at > NOW + DAY


# --- Epochs ---------------------------------------------------------------------------------------------------


def test_a_push_of_an_earlier_epoch_is_dropped() -> None:
    subscription = live(update("insert", 1), epoch=5)
    for epoch in (4, 0):
        assert subscription.handle_frame(push(update("modify", 2), epoch=epoch), NOW) == []
    assert subscription.handle_frame(push(update("modify", 2)), NOW) == []
    assert versions(subscription.view) == {"s1": 1}
    assert subscription.handle_frame(push(update("modify", 3), epoch=5), NOW) == []

    assert versions(subscription.view) == {"s1": 3}


def test_a_push_of_a_later_epoch_is_applied_and_makes_it_sync_at_once() -> None:
    subscription = live(update("insert", 1), update("insert", 1, "s2"), epoch=5)
    (request,) = subscription.handle_frame(push(update("modify", 2), epoch=6), NOW)
    assert versions(subscription.view) == {"s1": 2, "s2": 1}
    assert request == {"action": "sync", "id": request["id"], "cursor": "of 1", "filter_id": None}
    subscription.handle_frame(synced(request, update("insert", 1), recovered=False, epoch=6), NOW)
    assert versions(subscription.view) == {"s1": 1}
    # The view is of the later epoch now.
    assert subscription.handle_frame(push(update("modify", 4), epoch=6), NOW) == []
    subscription.handle_frame(push(update("modify", 9), epoch=5), NOW)

    assert versions(subscription.view) == {"s1": 4}


def test_a_push_of_a_later_epoch_makes_it_sync_after_the_request_under_way() -> None:
    subscription = live(update("insert", 1), epoch=5)
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    assert subscription.handle_frame(push(update("modify", 2), epoch=6), NOW) == []
    (again,) = subscription.handle_frame(synced(request, epoch=5), NOW)

    assert (again["action"], again["cursor"]) == ("sync", "of 2")


def test_a_push_that_overtook_a_reply_of_a_later_epoch_is_dropped() -> None:
    subscription = Subscription()
    (request,) = subscription.handle_connect(NOW)
    subscription.handle_frame(push(update("modify", 9), epoch=5), NOW)
    subscription.handle_frame(push(update("modify", 3), epoch=6), NOW)
    subscription.handle_frame(subscribed(request, update("modify", 2), epoch=6), NOW)

    assert told(subscription) == [("s1", 2), ("s1", 3)]


def test_the_view_stays_until_the_reply_that_replaces_it() -> None:
    subscription = live(update("insert", 1), filter_id="a")
    (request,) = subscription.set_filter(None, NOW)
    subscription.handle_frame(push(update("modify", 2), filter_id="a"), NOW)
    assert versions(subscription.view) == {"s1": 1}
    subscription.handle_frame(subscribed(request), NOW)

    assert versions(subscription.view) == {}


# --- Settling -------------------------------------------------------------------------------------------------


def settled(subscription: Subscription, at: float) -> Frame:
    """The `sync` that is sent at a time and not before it."""
    assert subscription.timeout_at == at
    assert subscription.handle_timeout(at - 0.1) == []
    (request,) = subscription.handle_timeout(at)
    assert request["action"] == "sync"
    return request


@pytest.mark.parametrize("resumes", [False, True])
def test_it_syncs_once_more_when_a_subscription_has_settled(resumes: bool) -> None:
    subscription = live(settle_seconds=30)
    if resumes:
        (request,) = subscription.handle_connect(NOW)
        subscription.handle_frame(subscribed(request, settle_seconds=30), NOW)
    request = settled(subscription, NOW + 30)
    assert subscription.handle_frame(synced(request, update("insert", 1), settle_seconds=30), NOW + 31) == []
    assert versions(subscription.view) == {"s1": 1}
    assert subscription.timeout_at == NOW + 31 + 300


def test_it_syncs_once_more_when_a_resync_has_settled() -> None:
    subscription = live()
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    subscription.handle_frame(synced(request, settle_seconds=30), NOW + 5)
    request = settled(subscription, NOW + 35)
    subscription.handle_frame(synced(request, settle_seconds=30), NOW + 35)
    assert subscription.timeout_at == NOW + 335


def test_it_syncs_once_more_when_a_view_that_started_anew_has_settled() -> None:
    subscription = live()
    (request,) = subscription.handle_timeout(NOW + 300)
    subscription.handle_frame(synced(request, recovered=False, settle_seconds=30), NOW + 300)
    settled(subscription, NOW + 330)


def test_a_heartbeats_sync_needs_no_settling() -> None:
    subscription = live()
    (request,) = subscription.handle_timeout(NOW + 300)
    subscription.handle_frame(synced(request, settle_seconds=30), NOW + 300)
    assert subscription.timeout_at == NOW + 600


def test_settling_begins_with_the_last_part_of_a_reply() -> None:
    subscription = Subscription()
    (request,) = subscription.handle_connect(NOW)
    (more,) = subscription.handle_frame(subscribed(request, complete=False, settle_seconds=30), NOW)
    subscription.handle_frame(synced(more, settle_seconds=30), NOW + 5)
    settled(subscription, NOW + 35)


def test_what_settles_while_a_request_is_under_way_is_synced_after_it() -> None:
    subscription = live(settle_seconds=30)
    (request,) = subscription.handle_frame({"type": "resync"}, NOW + 29)
    assert subscription.handle_timeout(NOW + 31) == []
    subscription.handle_frame(synced(request, settle_seconds=30), NOW + 31)
    settled(subscription, NOW + 61)


# --- Superseded -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_a_superseded_request_is_followed_by_a_subscribe_with_the_cursor(action: str) -> None:
    subscription = live(update("insert", 1), filter_id="a")
    (request,) = (
        subscription.handle_connect(NOW)
        if action == "subscribe"
        else subscription.handle_frame({"type": "resync"}, NOW)
    )
    subscription.handle_frame(push(update("modify", 3), filter_id="a"), NOW)
    (again,) = subscription.handle_frame(error(request, "superseded"), NOW)
    assert (again["action"], again["cursor"], again["filter"]) == ("subscribe", "of 1", {"status": ["new"]})
    subscription.handle_frame(subscribed(again, update("modify", 2), filter_id="a"), NOW)

    assert versions(subscription.view) == {"s1": 3}


def test_a_superseded_request_for_a_new_view_is_followed_by_another() -> None:
    subscription = Subscription()
    (request,) = subscription.handle_connect(NOW)
    (again,) = subscription.handle_frame(error(request, "superseded"), NOW)

    assert "cursor" not in again


def test_a_sync_names_the_filter_of_the_view() -> None:
    (request,) = live(filter_id="a").handle_frame({"type": "resync"}, NOW)
    assert request["filter_id"] == "a"


# --- Reconciliation -------------------------------------------------------------------------------------------


def shown(count: int) -> list[Update]:
    return [update("insert", 1, f"s{n:03}", incarnation=7) for n in range(count)]


def reconciled(request: Frame, *updates: Update, **fields: Any) -> Frame:
    return {"type": "reconciled", "id": request["id"], "updates": list(updates), "epoch": 0, **fields}


def returned(subscription: Subscription, gap: float) -> list[Frame]:
    """What it sends once it has resumed after a gap."""
    (request,) = subscription.handle_connect(NOW + gap)
    return subscription.handle_frame(subscribed(request), NOW + gap)


def test_it_compares_its_view_after_a_gap_that_is_longer_than_a_heartbeat() -> None:
    assert returned(live(*shown(2), heartbeat_seconds=60), 60) == []
    (request,) = returned(live(*shown(2), heartbeat_seconds=60), 61)

    held = [("s000", 7, 1), ("s001", 7, 1)]
    assert request == {"action": "reconcile", "id": request["id"], "held": held[::-1], "snapshot": 50}


def test_a_new_view_needs_no_comparison_whenever_it_begins() -> None:
    subscription = live(*shown(2))
    (request,) = subscription.handle_connect(NOW + DAY)
    assert subscription.handle_frame(subscribed(request, recovered=False), NOW + DAY) == []


def test_it_compares_its_view_a_day_after_the_view_began_or_was_last_compared() -> None:
    subscription = live(*shown(1))
    now = NOW
    while now < NOW + DAY - 1_000:
        now = subscription.timeout_at
        (request,) = subscription.handle_timeout(now)
        assert request["action"] == "sync"
        subscription.handle_frame(synced(request), now)
    assert subscription.timeout_at <= NOW + DAY
    while (request := subscription.handle_timeout(now)[:1]) == [] or request[0]["action"] == "sync":
        if request:
            subscription.handle_frame(synced(request[0]), now)
        now = subscription.timeout_at
    assert now == NOW + DAY
    assert request[0]["action"] == "reconcile"
    subscription.handle_frame(reconciled(request[0]), now)
    assert subscription.handle_timeout(now) == []


def test_a_large_view_is_compared_in_parts_one_after_another() -> None:
    subscription = live(*shown(250))
    sent = returned(subscription, DAY - 1)
    held: list[list[Any]] = []
    snapshots: list[int] = []
    while sent:
        (request,) = sent
        assert request["action"] == "reconcile"
        held.append(request["held"])
        snapshots.append(request["snapshot"])
        sent = subscription.handle_frame(reconciled(request), NOW + DAY - 1)

    assert list(map(len, held)) == [100, 100, 50]
    assert {name for part in held for name, *_ in part} == {f"s{n:03}" for n in range(250)}
    assert snapshots == [50, 0, 0]


def test_a_view_of_long_names_is_compared_in_requests_that_fit_a_frame() -> None:
    names = [f"{n:03}" + "水" * 250 for n in range(100)]
    subscription = live(*(update("insert", 1, name) for name in names))
    sent = returned(subscription, DAY - 1)
    compared: list[str] = []
    while sent:
        (request,) = sent
        assert len(json.dumps(request, ensure_ascii=False).encode()) <= 32 * 1024
        compared += [name for name, *_ in request["held"]]
        sent = subscription.handle_frame(reconciled(request), NOW + DAY - 1)

    assert sorted(compared) == names


def test_where_an_earlier_run_is_resumed_what_that_run_has_shown_is_not_told_again() -> None:
    subscription = Subscription(cursor="from an earlier run")
    (request,) = subscription.handle_connect(NOW)
    assert subscription.handle_frame(subscribed(request, settle_seconds=30), NOW) == []
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    subscription.handle_frame(synced(request, update("insert", 1)), NOW)
    (request,) = returned(subscription, DAY - 1)
    assert request == {"action": "reconcile", "id": request["id"], "held": [("s1", 0, 1)], "snapshot": 0}


def test_an_empty_view_is_compared_too() -> None:
    (request,) = returned(live(), DAY - 1)
    assert (request["held"], request["snapshot"]) == ([], 50)


def test_a_comparison_asks_for_no_more_than_it_may() -> None:
    subscription = Subscription(snapshot=200)
    (request,) = subscription.handle_connect(NOW)
    subscription.handle_frame(subscribed(request), NOW)
    (request,) = returned(subscription, DAY - 1)
    assert request["snapshot"] == 100


def test_what_a_comparison_finds_replaces_what_was_compared() -> None:
    subscription = live(*(update("modify", 4, name, incarnation=7) for name in ("s1", "s2", "s3", "s4")))
    (request,) = returned(subscription, DAY - 1)
    subscription.handle_frame(push(update("modify", 5, "s4", incarnation=7)), NOW + DAY - 1)
    subscription.changes.clear()
    found = [
        update("modify", 3, "s1", incarnation=7),
        update("remove", 4, "s2", incarnation=7),
        update("leave", 2, "s3", incarnation=6),
        update("modify", 3, "s4", incarnation=7),
        update("insert", 1, "s5", incarnation=8),
    ]
    subscription.handle_frame(reconciled(request, *found), NOW + DAY - 1)

    assert told(subscription) == [("s1", 3), ("s2", 4), ("s3", 2), ("s5", 1)]
    assert versions(subscription.view, NOW + DAY - 1) == {"s1": 3, "s4": 5, "s5": 1}
    assert subscription.cursor == "of 2"


def test_a_comparison_that_starts_the_view_anew_is_the_last() -> None:
    subscription = live(*shown(250))
    (request,) = returned(subscription, DAY - 1)
    fresh = reconciled(
        request, update("insert", 1, "s9"), recovered=False, cursor="new", complete=True, settle_seconds=30
    )
    assert subscription.handle_frame(fresh, NOW + DAY - 1) == []

    assert versions(subscription.view, NOW + DAY - 1) == {"s9": 1}
    assert subscription.cursor == "new"
    settled(subscription, NOW + DAY - 1 + 30)


def test_a_resync_during_a_comparison_comes_before_the_next_part() -> None:
    subscription = live(*shown(150))
    (request,) = returned(subscription, DAY - 1)
    assert subscription.handle_frame({"type": "resync"}, NOW + DAY - 1) == []
    (sync,) = subscription.handle_frame(reconciled(request), NOW + DAY - 1)
    assert sync["action"] == "sync"
    (part,) = subscription.handle_frame(synced(sync), NOW + DAY - 1)

    assert len(part["held"]) == 50


def test_a_comparison_that_may_be_tried_again_is() -> None:
    subscription = live(*shown(2))
    (request,) = returned(subscription, DAY - 1)
    later = NOW + DAY - 1
    subscription.handle_frame(error(request, "rate_limited", retryable=True, retry_after_ms=1_000), later)
    (again,) = subscription.handle_timeout(later + 1)
    assert again == {**request, "id": again["id"]}


# --- The server's clock ---------------------------------------------------------------------------------------

HOUR = 3_600


@pytest.mark.parametrize("ahead", [HOUR, -HOUR], ids=["device behind", "device ahead"])
def test_by_a_wrong_device_clock_what_expires_expires_when_the_server_says(ahead: int) -> None:
    server = NOW + ahead
    subscription = live(update("insert", 1, expires_at=server + 60), server_time=server * 1000, expires_at=server + 600)
    assert subscription.renew_at == NOW + 540
    assert subscription.get_submissions(NOW + 59).keys() == {"s1"}
    assert subscription.get_submissions(NOW + 60).keys() == set()
    subscription.handle_frame(push(update("insert", 1, "s2", expires_at=server + 61)), NOW + 60)
    subscription.handle_frame(push(update("insert", 1, "s3", expires_at=server + 60)), NOW + 60)
    assert subscription.get_submissions(NOW + 60).keys() == {"s2"}
    subscription.handle_frame({"type": "authenticated", "id": "authenticate", "expires_at": server + 1_600}, NOW + 60)
    assert subscription.renew_at == NOW + 1_540


def test_the_server_clock_is_that_of_the_last_reply() -> None:
    subscription = live(update("insert", 1, expires_at=NOW + 60), server_time=NOW * 1000)
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    subscription.handle_frame(synced(request, server_time=(NOW + 60) * 1000), NOW)
    assert subscription.get_submissions(NOW).keys() == set()
