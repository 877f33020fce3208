"""What a client does. The core of `tools.client` is shown to do it; no gateway is needed for most of it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from websockets.datastructures import Headers
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from tests.support.conformance.document import PAGE, states
from tests.support.tools.frames import DAY, NOW, error, push, subscribed, synced, update, versions
from tools.client import Disconnected, HandshakeRefused, Subscription, websocket_client
from tools.client.subscription import REPLY_TIMEOUT_SECONDS
from tools.client.view import GONE_RETENTION_SECONDS
from tools.client.websocket_client import MAX_RECONNECT_SECONDS, Client

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tools.client import Frame, Update

SETTLES: dict[str, Any] = {"settle_seconds": 30, "epoch": 0}


def live(*updates: Update, filter_id: str | None = None, **fields: Any) -> Subscription:
    """A subscription whose view holds updates."""
    subscription = Subscription(filter={"status": ["new"]} if filter_id else None)
    (request,) = subscription.handle_connect(NOW)
    named = {"filter_id": filter_id} if filter_id else {}
    subscription.handle_frame(subscribed(request, *updates, **named, **fields), NOW)
    subscription.changes.clear()
    return subscription


def take(subscription: Subscription, frame: Mapping[str, Any], now: float = NOW) -> list[tuple[str, str | None]]:
    """The actions of the requests that a frame leads to, with their cursors."""
    return [(sent["action"], sent.get("cursor")) for sent in subscription.handle_frame(dict(frame), now)]


# --- Requests -------------------------------------------------------------------------------------------------


@states(
    "**One request at a time.**",
    (
        "A client waits for the reply to a request before it sends the next one, because the server may process the "
        "frames of a connection in any order."
    ),
    "Only `authenticate` and `ping` may be sent meanwhile.",
    "If no reply arrives within 30 seconds, the client connects again.",
)
def test_one_request_is_under_way() -> None:
    subscription = Subscription()
    subscription.handle_connect(NOW)
    assert take(subscription, {"type": "resync"}) == []
    assert subscription.set_filter({"status": ["new"]}, NOW) == []
    assert [frame["action"] for frame in subscription.authenticate("token")] == ["authenticate"]
    assert subscription.handle_timeout(NOW + 29.9) == []
    assert REPLY_TIMEOUT_SECONDS == 30
    with pytest.raises(Disconnected) as ended:
        subscription.handle_timeout(NOW + 30)
    assert ended.value.reconnect


@states(
    "**Keep early updates.**",
    "An update frame may overtake the reply to a `subscribe`, and the reply may not contain its updates.",
    ("A client keeps every update frame that arrives after it has sent `subscribe`, and applies it after the reply."),
    (
        "It also keeps update frames that arrive while it waits for another reply, applies them at once, and "
        "applies them again if that reply clears its submissions."
    ),
    "**Clear when the reply arrives.**",
    (
        "A client clears its submissions when it receives the `subscribed` reply to a request without a cursor, or any "
        'reply with `"recovered": false`.'
    ),
    "Then it applies the updates of the reply, and then the update frames that it has kept.",
    "It does not clear them when it sends the request.",
    "It also forgets its cursor and the versions of what it has removed.",
)
def test_early_updates_are_kept_and_the_view_is_cleared_by_the_reply() -> None:
    subscription = live(update("insert", 1, "old"))
    (request,) = subscription.set_filter({"status": ["new"]}, NOW)
    assert versions(subscription.view) == {"old": 1}
    subscription.handle_frame(push(update("insert", 1, "early"), update("modify", 3, "s1"), filter_id="F"), NOW)
    subscription.handle_frame(push(update("insert", 1, "former")), NOW)
    subscription.handle_frame(subscribed(request, update("modify", 2, "s1"), filter_id="F"), NOW)
    assert versions(subscription.view) == {"s1": 3, "early": 1}
    (request,) = subscription.handle_frame({"type": "resync"}, NOW)
    subscription.handle_frame(push(update("modify", 2, "early"), filter_id="F"), NOW)
    subscription.handle_frame(synced(request, update("insert", 1, "early"), recovered=False, filter_id="F"), NOW)
    assert versions(subscription.view) == {"early": 2}

    subscription.handle_frame(push(update("leave", 9, "early"), filter_id="F"), NOW)
    (request,) = subscription.set_filter({"status": ["done"]}, NOW)
    assert "cursor" not in request
    subscription.handle_frame(subscribed(request, update("insert", 9, "early"), complete=False), NOW)
    assert versions(subscription.view) == {"early": 9}
    assert subscription.cursor is None


@states(
    "**Check the epoch.**",
    "The epoch of a client's submissions is that of its last reply.",
    "A client drops update frames with a lower `epoch`.",
    "It applies update frames with a higher `epoch`, and sends `sync` at once.",
)
def test_epochs_are_checked() -> None:
    subscription = live(update("insert", 1), epoch=7)
    assert take(subscription, push(update("modify", 2), epoch=6)) == []
    assert versions(subscription.view) == {"s1": 1}
    assert take(subscription, push(update("modify", 3), epoch=8)) == [("sync", "of 1")]
    assert versions(subscription.view) == {"s1": 3}


@states("**Hide deletions.**", "A client does not show a submission whose `status` is `deleted`.")
def test_deleted_submissions_are_not_shown() -> None:
    subscription = live(update("insert", 1), update("modify", 2, "s2", status="deleted"))
    subscription.handle_frame(push(update("modify", 2, status="deleted")), NOW)
    assert versions(subscription.view) == {}


@states(
    "**Compare.**",
    (
        "A client applies an update only if its `incarnation` is higher than that of the submission that it holds, "
        "or equal with a higher `version`, or both are equal and only the update is a `remove` or a `leave`."
    ),
    "It remembers the `incarnation` and the `version` of what it removed for 24 hours.",
)
def test_updates_are_compared() -> None:
    subscription = live(update("modify", 4, incarnation=5))
    for lower in (update("modify", 9, incarnation=4), update("modify", 3, incarnation=5)):
        subscription.handle_frame(push(lower), NOW)
    assert versions(subscription.view) == {"s1": 4}
    subscription.handle_frame(push(update("remove", 4, incarnation=5)), NOW)
    subscription.handle_frame(push(update("modify", 4, incarnation=5)), NOW + DAY - 1)
    assert versions(subscription.view, NOW + DAY - 1) == {}
    subscription.handle_frame(push(update("insert", 1, incarnation=6)), NOW)
    assert versions(subscription.view) == {"s1": 1}
    assert GONE_RETENTION_SECONDS == DAY


@states(
    "**Settle.**",
    (
        "A client sends one more `sync` when `settle_seconds` have passed since a `subscribed` reply, since the "
        'reply to the `sync` that a `resync` has caused, or since a reply with `"recovered": false`.'
    ),
    "The time counts from the reply with `complete: true`.",
    "This `sync` finds writes that became visible late.",
)
def test_a_client_syncs_once_more_when_writes_have_settled() -> None:
    subscription = live(**SETTLES)
    assert subscription.handle_timeout(NOW + 29) == []
    (settling,) = subscription.handle_timeout(NOW + 30)
    assert settling["action"] == "sync"
    subscription.handle_frame(synced(settling, **SETTLES), NOW + 30)
    assert subscription.timeout_at > NOW + 60
    for fields in ({}, {"recovered": False}):
        (request,) = subscription.handle_frame({"type": "resync"}, NOW + 31)
        subscription.handle_frame(synced(request, **SETTLES, **fields), NOW + 31)
        assert subscription.timeout_at == NOW + 61
        (settling,) = subscription.handle_timeout(NOW + 61)
        subscription.handle_frame(synced(settling, **SETTLES), NOW + 31)
    (request,) = subscription.handle_connect(NOW + 70)
    (more,) = subscription.handle_frame(subscribed(request, complete=False, **SETTLES), NOW + 70)
    subscription.handle_frame(synced(more, **SETTLES), NOW + 75)
    assert subscription.timeout_at == NOW + 105


@states(
    "**Reconcile.**",
    (
        "A client sends `reconcile` after it has resumed from a cursor and had received no frame for longer than "
        "`heartbeat_seconds` before, and at the latest 24 hours after the last `reconcile` or fresh snapshot."
    ),
    "It sends everything that it shows, at most 100 submissions and 32 KB per request.",
    "The first request has `snapshot`, so that it also finds submissions that the client lacks.",
    (
        "If the client still holds a submission exactly as it was sent, the update replaces it, even with a lower "
        "`version`."
    ),
    "Otherwise, the client compares the update as usual.",
)
def test_a_client_reconciles_what_it_shows() -> None:
    subscription = live(*(update("insert", 3, f"s{number:03}", incarnation=1) for number in range(150)))
    (request,) = subscription.handle_connect(NOW + 301)
    (first,) = subscription.handle_frame(subscribed(request), NOW + 301)
    subscription.handle_frame(push(update("modify", 4, "s149", incarnation=1)), NOW + 301)
    answer = [update("modify", 2, "s148", incarnation=1), update("modify", 2, "s149", incarnation=1)]
    held = {name for name, *_ in first["held"]}
    assert {"s148", "s149"} <= held
    reply = {"type": "reconciled", "id": first["id"], "updates": answer}
    (second,) = subscription.handle_frame(reply, NOW + 301)
    assert (first["action"], second["action"]) == ("reconcile", "reconcile")
    assert [len(first["held"]), len(second["held"])] == [100, 50]
    large = live(*(update("insert", 3, f"{number:01000}", incarnation=1) for number in range(100)))
    (request,) = large.handle_connect(NOW + 301)
    (part,) = large.handle_frame(subscribed(request), NOW + 301)
    assert 20 < len(part["held"]) < 100
    assert len(json.dumps(part)) <= 32 * 1024
    assert (first["snapshot"], second["snapshot"]) == (50, 0)
    assert versions(subscription.view)["s148"] == 2
    assert versions(subscription.view)["s149"] == 4
    subscription.handle_frame({**reply, "id": second["id"], "updates": []}, NOW + 301)
    assert subscription.handle_timeout(NOW + 302) == []

    (request,) = subscription.handle_connect(NOW + 302)
    assert subscription.handle_frame(subscribed(request), NOW + 302) == []
    daily = live()
    at = NOW
    while at < NOW + DAY:
        at = daily.timeout_at
        (request,) = daily.handle_timeout(at)
        daily.handle_frame(synced(request), at) if request["action"] == "sync" else None
    assert (request["action"], at) == ("reconcile", NOW + DAY)


@states(
    "**Renew the token.**",
    (
        "A client sends `authenticate` with a newer token one minute before the `expires_at` of the last "
        "`subscribed` or `authenticated` reply."
    ),
    "| `unauthorized` to `authenticate` | continues; the connection ends at its `expires_at` |",
)
def test_a_client_renews_its_token() -> None:
    subscription = live(expires_at=NOW + 600)
    assert subscription.renew_at == NOW + 540
    (request,) = subscription.authenticate("token")
    assert request == {"action": "authenticate", "id": request["id"], "token": "token"}
    subscription.handle_frame({"type": "authenticated", "id": request["id"], "expires_at": NOW + 1_200}, NOW)
    assert subscription.renew_at == NOW + 1_140
    (request,) = subscription.authenticate("another")
    assert subscription.handle_frame(error(request, "unauthorized"), NOW) == []


@states(
    "**Name the filter.**",
    "A client sends the `filter_id` of its last `subscribed` reply with `sync`, and null if that reply had none.",
)
@pytest.mark.parametrize("filter_id", ["F1", None])
def test_a_sync_names_its_filter(filter_id: str | None) -> None:
    (request,) = live(filter_id=filter_id).handle_frame({"type": "resync"}, NOW)
    assert request["filter_id"] == filter_id


# --- What arrives ---------------------------------------------------------------------------------------------


@states(
    "| `rate_limited`, `internal` | sends the request again, with another `id`, after `retry_after_ms` |",
    "| `bad_cursor` | sends `subscribe` without a cursor |",
    (
        "| `superseded` | ignores it if a later request of the client is waiting for its reply, else sends "
        "`subscribe` with its cursor |"
    ),
    "| `unauthorized` to another request | gets a new token and connects again |",
    (
        "| `bad_request`, `bad_filter`, `too_many_filters`, `unknown_action`, `too_large` | stops and reports the "
        "error, because the same request would fail again |"
    ),
)
def test_errors_are_met() -> None:
    def refuse(code: str, **fields: Any) -> tuple[Subscription, list[Frame]]:
        subscription = live()
        (request,) = subscription.handle_connect(NOW)
        return subscription, subscription.handle_frame(error(request, code, **fields), NOW)

    for code in ("rate_limited", "internal"):
        subscription, sent = refuse(code, retryable=True, retry_after_ms=2_000)
        assert sent == []
        (again,) = subscription.handle_timeout(NOW + 2)
        assert (again["cursor"], again["id"]) == ("of 1", "3")
    assert ["cursor" in frame for frame in refuse("bad_cursor")[1]] == [False]
    subscription, (again,) = refuse("superseded")
    assert (again["action"], again["cursor"]) == ("subscribe", "of 1")
    assert subscription.handle_frame(error({"id": "2"}, "superseded"), NOW) == []
    for code, reconnects in (
        ("unauthorized", True),
        ("bad_request", False),
        ("bad_filter", False),
        ("too_many_filters", False),
        ("unknown_action", False),
        ("too_large", False),
    ):
        with pytest.raises(Disconnected) as ended:
            refuse(code)
        assert (ended.value.code, ended.value.reconnect) == (code, reconnects)


@states(
    '| `disconnect` with `"reconnect": true` | connects again, after `token_expired` or `revoked` with a new token |',
    '| `disconnect` with `"reconnect": false` | stops and reports the code |',
    "| `resync` | sends `sync`, or if a request is waiting for its reply, sends `sync` after it |",
    "| a frame of an unknown type | ignores it |",
    "| the end of the connection | connects again and sends `subscribe` with its cursor |",
)
def test_other_frames_are_met() -> None:
    for reconnect in (True, False):
        with pytest.raises(Disconnected) as ended:
            live().handle_frame({"type": "disconnect", "code": "revoked", "reconnect": reconnect}, NOW)
        assert (ended.value.code, ended.value.reconnect) == ("revoked", reconnect)
    subscription = live()
    assert take(subscription, {"type": "of version 2"}) == []
    (syncing,) = subscription.handle_frame({"type": "resync"}, NOW)
    assert take(subscription, {"type": "resync"}) == []
    assert take(subscription, synced(syncing)) == [("sync", "of 2")]
    assert [frame["cursor"] for frame in subscription.handle_connect(NOW)] == ["of 2"]


@states(
    "A client connects again after a random time between zero and the smaller of 30 seconds and 1, 2, 4, 8, … seconds "
    "(full jitter)."
)
def test_the_wait_before_a_connection_has_full_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    limits: list[tuple[float, float]] = []

    def jitter(low: float, high: float) -> float:
        limits.append((low, high))
        if len(limits) == 7:
            client.close()
        return 0.0

    # Nothing listens there.
    client = Client("ws://127.0.0.1:9/live", "a.b.c", jitter=jitter)
    assert list(client) == []
    assert limits == [(0, wait) for wait in (1, 2, 4, 8, 16, MAX_RECONNECT_SECONDS, MAX_RECONNECT_SECONDS)]
    assert MAX_RECONNECT_SECONDS == 30


TRACE = [line for line in PAGE.partition("## Worked example")[2].splitlines() if line[:1] in "→←" and line]


@states(
    "| 401 or 403 to the handshake | stops and reports the status; after 401, a new sign-in may help |",
    "| any other failure of the handshake | connects again |",
)
@pytest.mark.parametrize(("status", "stops"), [(401, True), (403, True), (500, False), (429, False)])
def test_a_refused_handshake_is_met(monkeypatch: pytest.MonkeyPatch, status: int, stops: bool) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise InvalidStatus(Response(status, "", Headers()))

    monkeypatch.setattr(websocket_client, "connect", refuse)
    waits: list[float] = []

    def jitter(_low: float, high: float) -> float:
        waits.append(high)
        client.close()
        return 0.0

    client = Client("ws://127.0.0.1:9/live", "a.b.c", jitter=jitter)
    if stops:
        with pytest.raises(HandshakeRefused, match=f"HTTP {status}$"):
            next(client)
    else:
        assert list(client) == []
        assert waits == [1]
