"""Client to server: what a client asks, and what it gets."""

from __future__ import annotations

import json
import math
import time
from typing import TYPE_CHECKING

import pytest

from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from formbridge.wire.cursor import MAX_AGE_MS, Cursor
from tests.support.conformance.backstage import Backstage, made
from tests.support.conformance.client import Client
from tests.support.conformance.crowd import Crowd
from tests.support.conformance.document import states
from tests.support.conformance.wire import Frame, Gateway, ids_of
from tests.support.handlers.builders import inserted
from tests.support.tools.frames import subscribed
from tools.client import Subscription
from tools.client.subscription import MAX_SECONDS_BETWEEN_REPLIES

if TYPE_CHECKING:
    from tests.support.conformance.tokens import Issuer

MINUTE_MS = 60_000
HEARTBEAT_SECONDS = 300
ENVELOPE = (
    "Each frame is one JSON object.",
    "Its `action` chooses the route.",
    "Its `id` (string, optional, at most 64 characters) comes back in the reply.",
)


# --- Frames ---------------------------------------------------------------------------------------------------


@states(*ENVELOPE)
def test_the_id_comes_back_and_the_action_chooses(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    longest = "é" * 64
    with gateway.connect(issuer.token(tenant)) as wire:
        replies: list[Frame] = []
        for request in (
            {"action": "ping", "id": longest},
            {"action": "ping"},
            {"action": "subscribe", "id": ""},
            {"action": "ping", "id": longest + "é"},
            {"action": "ping", "id": 7},
        ):
            wire.send(request)
            replies.append(wire.next())

    assert [(reply["type"], reply.get("id"), reply.get("code")) for reply in replies] == [
        ("pong", longest, None),
        ("pong", None, None),
        ("subscribed", "", None),
        ("error", None, "bad_request"),
        ("error", None, "bad_request"),
    ]


@states(ENVELOPE[0])
def test_what_is_no_one_json_object_is_refused(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    ping = json.dumps({"action": "ping"})
    with gateway.connect(issuer.token(tenant)) as wire:
        for text in ("ping", f"[{ping}]", f"{ping}{ping}", '"ping"', "null", "{}"):
            wire.send(text)
            refusal = wire.next()
            assert (refusal["type"], refusal["code"]) == ("error", "bad_request"), text


# --- Actions --------------------------------------------------------------------------------------------------

SUBSCRIBE = (
    "| `subscribe` | `filter` (optional), `cursor` (optional: resume from it), `snapshot` (optional, "
    "0–200: number of newest submissions, default 50) | `subscribed` |"  # noqa: RUF001
)


@states(SUBSCRIBE)
def test_a_snapshot_has_the_newest_submissions(gateway: Gateway, issuer: Issuer, crowd: Crowd) -> None:
    newest = crowd.ids()[::-1]
    with gateway.connect(issuer.token(crowd.tenant_id)) as wire:
        for asked, number in (({}, 50), ({"snapshot": 0}, 0), ({"snapshot": 1}, 1), ({"snapshot": 200}, 200)):
            reply = wire.ask("subscribe", **asked)
            assert (reply["type"], ids_of(reply)) == ("subscribed", newest[:number])
        for asked in (-1, 201, 1.5, "5", True):
            assert wire.ask("subscribe", snapshot=asked)["code"] == "bad_request"


@states(SUBSCRIBE)
def test_filter_and_cursor_say_what_to_see_and_since_when(gateway: Gateway, issuer: Issuer, crowd: Crowd) -> None:
    ids = crowd.ids()
    with gateway.connect(issuer.token(crowd.tenant_id)) as wire:
        filtered = wire.ask("subscribe", filter={"submission_id": [ids[-2], ids[-4]]}, snapshot=2)
        resumed = wire.ask("subscribe", cursor=crowd.cursor(Crowd.SIZE - 5))

    assert ids_of(filtered) == [ids[-2], ids[-4]]
    assert ids_of(resumed) == ids[-5:]


@states("| `sync` | `cursor`, `filter_id` (optional: the filter of the view, null if it has none) | `synced` |")
def test_sync_takes_a_cursor(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        cursor = wire.ask("subscribe")["cursor"]
        assert wire.ask("sync", cursor=cursor)["type"] == "synced"
        assert wire.ask("sync", cursor=cursor, filter_id=None)["type"] == "synced"
        assert wire.ask("sync")["code"] == "bad_request"
        assert wire.ask("sync", cursor=cursor, filter_id=5)["code"] == "bad_request"


@states("| `unsubscribe` | – | `unsubscribed` |")  # noqa: RUF001
def test_unsubscribe_ends_the_updates(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        assert wire.ask("unsubscribe")["type"] == "unsubscribed"
        backstage.broadcast(inserted(made(tenant, "after")))
        wire.ask("ping")

    assert wire.pushes == []


@states("| `authenticate` | `token` (same tenant, later expiry) | `authenticated` |")
def test_authenticate_takes_a_token_that_lasts_longer(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    later = int(time.time()) + 7_200
    with gateway.connect(issuer.token(tenant)) as wire:
        reply = wire.ask("authenticate", token=issuer.token(tenant, exp=later))
        assert (reply["type"], reply["expires_at"]) == ("authenticated", later)
        assert wire.ask("subscribe")["expires_at"] == later
        assert wire.ask("authenticate")["code"] == "bad_request"


@states("| `ping` | – | `pong` |")  # noqa: RUF001
def test_ping_is_answered_by_pong(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        assert wire.ask("ping")["type"] == "pong"


# --- Views ----------------------------------------------------------------------------------------------------

REPLACES = (
    "A further `subscribe` replaces the filter in place and starts a new view.",
    "If the filter has changed, the client sends no cursor.",
)


@states(REPLACES[0])
def test_subscribe_again_replaces_the_filter(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    backstage.store(made(tenant, f"a-{tenant}", form_id="a"), made(tenant, f"b-{tenant}", form_id="b"))
    with gateway.join(issuer.token(tenant), filter={"form_id": ["a"]}) as wire:
        assert ids_of(wire.frames[0]) == [f"a-{tenant}"]
        again = wire.ask("subscribe", filter={"form_id": ["b"]})
        assert ids_of(again) == [f"b-{tenant}"]
        backstage.broadcast(inserted(made(tenant, "a2", form_id="a")), inserted(made(tenant, "b2", form_id="b")))
        wire.until_told("b2")
        wire.ask("ping")

    assert "a2" not in [name for frame in wire.pushes for name in ids_of(frame)]


@states(*REPLACES)
def test_a_client_with_a_new_filter_begins_anew(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    backstage.store(made(tenant, f"a-{tenant}", form_id="a"), made(tenant, f"b-{tenant}", form_id="b"))
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire, Subscription({"form_id": ["a"]}))
        assert client.versions == {f"a-{tenant}": 1}
        client.refilter({"form_id": ["b"]})
        client.settle()

    assert client.versions == {f"b-{tenant}": 1}
    assert [frame["action"] for frame in client.sent] == ["subscribe", "subscribe"]
    assert "cursor" not in client.sent[1]


@states(
    "If a request has both `cursor` and `snapshot`, `cursor` decides, and `snapshot` applies only if the "
    "cursor is too old (older than 24 hours by default)."
)
def test_the_cursor_decides_unless_it_is_too_old(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    backstage.store(
        *(made(tenant, f"{number}-{tenant}", updated_at=to_iso(now_ms() - 9_000 + number)) for number in range(3))
    )
    day_ago = now_ms() - MAX_AGE_MS
    with gateway.connect(issuer.token(tenant)) as wire:
        young = wire.ask("subscribe", cursor=Cursor(tenant, 0, to_iso(day_ago + 5 * MINUTE_MS)).encode(), snapshot=1)
        old = wire.ask("subscribe", cursor=Cursor(tenant, 0, to_iso(day_ago - MINUTE_MS)).encode(), snapshot=1)

    assert MAX_AGE_MS == 24 * 60 * MINUTE_MS
    assert ids_of(young) == [f"{number}-{tenant}" for number in range(3)]
    assert "recovered" not in young
    assert ids_of(old) == [f"2-{tenant}"]
    assert old["recovered"] is False


@states(
    '`sync` is heartbeat, cumulative acknowledgment and repair in one: it says "I hold everything up to this '
    'cursor", and the reply contains every change since then.'
)
def test_sync_gives_what_changed_since_its_cursor(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, crowd: Crowd
) -> None:
    ids = crowd.ids()
    with gateway.join(issuer.token(crowd.tenant_id), snapshot=0) as wire:
        assert ids_of(wire.ask("sync", cursor=crowd.cursor(Crowd.SIZE - 9))) == ids[-9:]
        assert ids_of(wire.ask("sync", cursor=crowd.cursor(Crowd.SIZE - 3))) == ids[-3:]
        again = wire.ask("sync", cursor=wire.frames[0]["cursor"])
        assert (again["updates"], again["complete"]) == ([], True)


# --- The cursor to resume from ----------------------------------------------------------------------------------


@states("**The cursor to resume from** is the cursor of the last `subscribed` or `synced` reply with `complete: true`.")
def test_a_client_resumes_from_the_last_complete_reply(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token = issuer.token(tenant)
    with gateway.connect(token) as wire:
        client = Client(wire)
        client.later(HEARTBEAT_SECONDS)
        client.settle()
        assert wire.frames[-1]["type"] == "synced"
        assert client.subscription.cursor == wire.frames[-1]["cursor"]
    missed = backstage.received(tenant)
    with gateway.join(token) as watcher:
        while missed not in [name for frame in watcher.frames for name in ids_of(frame)]:
            watcher.next()
    with gateway.connect(token) as again:
        client.reconnect(again)

    assert client.sent[-1]["cursor"] == wire.frames[-1]["cursor"]
    assert client.versions == {missed: 1}


@states("**The cursor to resume from** is the cursor of the last `subscribed` or `synced` reply with `complete: true`.")
def test_a_client_does_not_resume_from_a_reply_that_was_cut(gateway: Gateway, issuer: Issuer, crowd: Crowd) -> None:
    begun = crowd.cursor(Crowd.SIZE - 600)
    subscription = Subscription(cursor=begun)
    with gateway.connect(issuer.token(crowd.tenant_id)) as wire:
        (request,) = subscription.handle_connect(time.time())
        wire.send(request)
        cut = wire.next()
        assert cut["complete"] is False
        (more,) = subscription.handle_frame(cut, time.time())

    assert more["cursor"] == cut["cursor"]
    assert subscription.cursor == begun


@states(
    "The `cursor` of an update frame (`submission_update` or `submission_updates`) only says how recent the "
    "frame is: it acknowledges nothing, because an earlier frame may have failed."
)
def test_a_pushs_cursor_acknowledges_nothing(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire)
        cursor = wire.frames[0]["cursor"]
        lost = backstage.received(tenant)
        wire.until_told(lost)  # and the client is not handed it
        later = backstage.received(tenant)
        wire.until_told(later)
        push = wire.frames[-1]
        client.take(push)
        assert push["cursor"] != cursor
        assert client.subscription.cursor == cursor
        client.later(HEARTBEAT_SECONDS)
        client.settle()

    assert client.versions == {lost: 1, later: 1}


SYNCS = (
    "A client sends `sync` when it has received no frame for `heartbeat_seconds` (any frame restarts that "
    "timer), on a `resync` frame, when its device wakes up, and at the latest 30 minutes after the last "
    "`subscribed` or `synced` reply."
)


def live(now: float) -> Subscription:
    """A subscription that has its first view."""
    subscription = Subscription()
    (request,) = subscription.handle_connect(now)
    reply = subscribed(request, cursor="the first", heartbeat_seconds=HEARTBEAT_SECONDS, expires_at=math.inf)
    assert subscription.handle_frame(reply, now) == []
    return subscription


def synced(frames: list[Frame]) -> bool:
    return [(frame["action"], frame["cursor"]) for frame in frames] == [("sync", "the first")]


@states(SYNCS)
@pytest.mark.parametrize("kind", ["pong", "submission_update", "something new"])
def test_a_client_syncs_after_a_heartbeats_silence(kind: str) -> None:
    now = time.time()
    subscription = live(now)
    frame = {"type": kind, "event": "remove", "data": {"submission_id": "s1", "version": 1}}
    assert subscription.handle_timeout(now + HEARTBEAT_SECONDS - 1) == []
    subscription.handle_frame(frame, now + HEARTBEAT_SECONDS - 1)
    assert subscription.handle_timeout(now + 2 * HEARTBEAT_SECONDS - 2) == []

    assert synced(subscription.handle_timeout(now + 2 * HEARTBEAT_SECONDS - 1))


@states(SYNCS)
def test_a_client_syncs_on_resync(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire)
        backstage.post(tenant, {"type": "resync", "reason": "behind"})
        client.take(wire.next())
        client.settle()

    assert [frame["action"] for frame in client.sent] == ["subscribe", "sync"]
    assert wire.frames[-1]["type"] == "synced"


@states(SYNCS)
def test_a_client_syncs_on_waking_up() -> None:
    now = time.time()

    assert synced(live(now).handle_timeout(now + 8 * 3_600))


@states(SYNCS)
def test_a_client_syncs_half_an_hour_after_the_last_reply() -> None:
    now = time.time()
    subscription = live(now)
    for seconds in range(60, MAX_SECONDS_BETWEEN_REPLIES, 60):
        assert subscription.handle_timeout(now + seconds) == []
        subscription.handle_frame({"type": "pong"}, now + seconds)

    assert MAX_SECONDS_BETWEEN_REPLIES == 30 * 60
    assert synced(subscription.handle_timeout(now + MAX_SECONDS_BETWEEN_REPLIES))
