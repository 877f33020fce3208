"""Server to client: the frames, what stands in them, and what it means."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

import pytest

from formbridge.revocations.revocation import Kind, Revocation, Target
from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from formbridge.wire.cursor import Cursor
from tests.support.conformance.backstage import Backstage, made
from tests.support.conformance.client import Client
from tests.support.conformance.crowd import Crowd
from tests.support.conformance.document import states
from tests.support.conformance.examples import like
from tests.support.conformance.wire import Frame, Gateway, ids_of
from tests.support.handlers.builders import inserted, modified
from tests.support.tools.frames import subscribed
from tools.client import Disconnected, Subscription, View

if TYPE_CHECKING:
    from tests.support.conformance.flood import Flood
    from tests.support.conformance.tokens import Issuer

# --- Each type of frame ---------------------------------------------------------------------------------------

RATE_LIMITED = '{"type":"error","id":"2","code":"rate_limited","message":"…","retryable":true,"retry_after_ms":1000}'
EXAMPLES = (
    '{"type":"subscribed","id":"1","cursor":"…","updates":[…],"complete":true,"epoch":0,"settle_seconds":30,'
    '"heartbeat_seconds":300,"expires_at":1790000000,"server_time":1790000000000}',
    '{"type":"synced","id":"2","cursor":"…","updates":[…],"complete":true,"epoch":0,"settle_seconds":30,'
    '"server_time":1790000000000}',
    '{"type":"reconciled","id":"6","updates":[…],"epoch":0,"server_time":1790000000000}',
    '{"type":"unsubscribed","id":"3"}',
    '{"type":"authenticated","id":"4","expires_at":1790003600}',
    '{"type":"pong","id":"5","timestamp":1790000000000}',
    '{"type":"submission_update","event":"insert","data":{…},"epoch":0,"cursor":"…","timestamp":1790000000000}',
    '{"type":"submission_updates","updates":[{"event":"modify","data":{…}}],"epoch":0,"cursor":"…",'
    '"timestamp":1790000000000}',
    '{"type":"resync","reason":"behind"}',
    '{"type":"disconnect","code":"token_expired","reconnect":true}',
)


@pytest.fixture(scope="module")
def specimens(gateway: Gateway, issuer: Issuer, backstage: Backstage) -> list[Frame]:
    """A frame of each type, but for errors."""
    tenant = f"t_specimens-{time.time_ns()}"
    with gateway.join(issuer.token(tenant)) as wire:
        backstage.broadcast(inserted(made(tenant, "one")))
        backstage.broadcast(modified(made(tenant, "one")), modified(made(tenant, "two")))
        wire.ask("sync", cursor=wire.frames[0]["cursor"])
        wire.ask("reconcile", held=[["one", 0, 1]])
        wire.ask("authenticate", token=issuer.token(tenant, exp=int(time.time()) + 7_200))
        wire.ask("ping")
        backstage.connections_table.mark_behind(backstage.row(tenant).key, now_ms())
        backstage.broadcast(inserted(made(tenant, "three")))
        wire.ask("unsubscribe")
        backstage.expire(tenant)
        backstage.sweep()
        wire.until_closed()
    return wire.frames


@states(*EXAMPLES)
@pytest.mark.parametrize("example", EXAMPLES)
def test_a_frame_is_like_the_pages_example(specimens: list[Frame], example: str) -> None:
    of_its_type = [frame for frame in specimens if example.startswith(f'{{"type":"{frame["type"]}"')]

    assert of_its_type
    assert all(like(frame, example) for frame in of_its_type), of_its_type


@states(RATE_LIMITED)
def test_an_error_is_like_the_pages_example(flood: Flood) -> None:
    assert all(like(refused, RATE_LIMITED) for refused in flood.refused)


@states(
    "Independent clients are written against this page, so its names, types and codes are fixed: fields may "
    "be added, but no field is removed or changed."
)
def test_what_is_added_leaves_server_and_client_as_they_are(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire)
        assert wire.ask("ping", since="version 2")["type"] == "pong"
        submission_id = backstage.received(tenant)
        wire.until_told(submission_id)
        (push,) = wire.pushes
        client.take({"type": "from version 2", "updates": [], "cursor": "another"})
        client.take({**push, "since": "version 2", "data": {**push["data"], "since": "version 2"}})

    assert client.versions == {submission_id: 1}


# --- Updates --------------------------------------------------------------------------------------------------

DATA = (
    "`data` has the fields `tenant_id`, `submission_id`, `form_id`, `status`, `version` (integer, rises by "
    "one with each write of that submission), `incarnation` (integer), `submitted_at`, `updated_at`, "
    "`timestamp` (same as `updated_at`), `message` and `event`."
)
TIMES = (
    "Times in `data` are ISO 8601 in UTC with milliseconds.",
    "The `timestamp` of a frame and `server_time` are in epoch milliseconds.",
)
ISO = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", re.ASCII)


@states(
    DATA,
    "`event` says how the submission changed:",
    "| `insert` | the submission was created |",
    "| `modify` | the submission was changed |",
)
def test_data_has_these_fields_and_each_write_is_the_next_version(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        submission_id = backstage.received(tenant, "survey", submitted_at="2026-11-22T10:00:00+02:00")
        updates = [wire.until_told(submission_id, "insert")]
        for status in ("approved", "archived"):
            backstage.updated(tenant, submission_id, status, "survey")
            updates.append(wire.until_told(submission_id, "modify"))

    for version, (update, status) in enumerate(zip(updates, ("processing", "approved", "archived"), strict=True), 1):
        data = update["data"]
        said = {
            "tenant_id": tenant,
            "submission_id": submission_id,
            "form_id": "survey",
            "status": status,
            "version": version,
            "timestamp": data["updated_at"],
            "event": update["event"],
        }
        assert said.items() <= data.items()
        assert type(data["version"]) is int
        assert isinstance(data["message"], str)
        assert data["submitted_at"] < data["updated_at"]


@states(*TIMES)
def test_times_in_data_are_iso_and_others_epoch_milliseconds(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    before = now_ms()
    with gateway.join(issuer.token(tenant)) as wire:
        submission_id = backstage.received(tenant, submitted_at="2026-11-22T10:00:00+02:00")
        data = wire.until_told(submission_id)["data"]
        pushed, pong = wire.frames[-1], wire.ask("ping")
    after = now_ms()

    assert data["submitted_at"] == "2026-11-22T08:00:00.000Z"
    assert all(ISO.fullmatch(data[name]) for name in ("submitted_at", "updated_at", "timestamp"))
    assert to_iso(before) <= data["updated_at"] <= to_iso(after)
    assert before <= wire.frames[0]["server_time"] <= pushed["timestamp"] <= pong["timestamp"] <= after


@states(
    "Each `expires_at` is in epoch seconds.",
    "In a reply, `expires_at` is the time at which the connection expires.",
    (
        "In `data`, `expires_at` is the time at which a client drops the submission; it is present only if the "
        "submission has a retention time."
    ),
)
def test_expires_at_is_the_connections_or_the_submissions_end(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token_ends = int(time.time()) + 1_234
    with gateway.connect(issuer.token(tenant, exp=token_ends)) as wire:
        client = Client(wire)
        assert wire.frames[0]["expires_at"] == token_ends
        ends = int(client.now) + 100
        retained, kept = made(tenant, f"r-{tenant}", expires_at=ends), made(tenant, f"k-{tenant}")
        backstage.broadcast(inserted(retained), inserted(kept))
        wire.until_told(kept.submission_id)
        (push,) = wire.pushes
        assert [update["data"].get("expires_at") for update in push["updates"]] == [ends, None]
        client.take(push)
        assert client.versions.keys() == {retained.submission_id, kept.submission_id}
        client.later(100)

    assert client.versions.keys() == {kept.submission_id}


@states(
    "| `leave` | the submission was changed and no longer matches the filter of this subscription; `data` has "
    "only `submission_id`, `version`, `incarnation`, `tenant_id` and `event` |"
)
def test_what_no_longer_matches_the_filter_leaves(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant), filter={"status": ["processing"]}) as wire:
        submission_id = backstage.received(tenant)
        inserted = wire.until_told(submission_id, "insert")
        backstage.updated(tenant, submission_id, "approved")
        update = wire.until_told(submission_id, "leave")

    assert update["data"] == {
        "submission_id": submission_id,
        "version": 2,
        "incarnation": inserted["data"]["incarnation"],
        "tenant_id": tenant,
        "event": "leave",
    }


@states("| `remove` | the item is gone from the table; `version` is its last version |")
def test_what_is_gone_from_the_table_is_removed(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        submission_id = backstage.received(tenant)
        wire.until_told(submission_id)
        backstage.updated(tenant, submission_id, "approved")
        wire.until_told(submission_id)
        backstage.delete(tenant, submission_id)
        update = wire.until_told(submission_id, "remove")

    assert (update["data"]["version"], update["data"]["event"]) == (2, "remove")


@states("If two updates of a submission have the same `version`, `remove` and `leave` win over `insert` and `modify`.")
@pytest.mark.parametrize("goes", ["remove", "leave"])
def test_of_the_same_version_what_goes_wins(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, goes: str
) -> None:
    wanted = {"status": ["processing"]} if goes == "leave" else None
    with gateway.join(issuer.token(tenant), filter=wanted) as wire:
        submission_id = backstage.received(tenant)
        first = wire.until_told(submission_id)
        if goes == "leave":
            backstage.updated(tenant, submission_id, "approved")
        else:
            backstage.delete(tenant, submission_id)
        gone = wire.until_told(submission_id, goes)
    version = gone["data"]["version"]
    there = {**first, "data": {**first["data"], "version": version}}

    for updates in ([there, gone], [gone, there], [gone, there, gone, there]):
        view = View()
        for update in updates:
            view.apply(update, time.time())
        assert view.get_submissions(time.time()) == {}


@states("The server sends one update as `submission_update`, and several updates in one `submission_updates` frame.")
def test_several_updates_go_in_one_frame(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        backstage.broadcast(inserted(made(tenant, "one")))
        backstage.broadcast(*(inserted(made(tenant, name)) for name in ("two", "three", "four")))
        wire.until_told("four")

    assert [(frame["type"], ids_of(frame)) for frame in wire.pushes] == [
        ("submission_update", ["one"]),
        ("submission_updates", ["two", "three", "four"]),
    ]


@states("For each submission, a frame contains only the newest version in its batch.")
def test_a_frame_has_the_newest_version_of_each_submission(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        backstage.broadcast(
            inserted(made(tenant, "one")),
            inserted(made(tenant, "two")),
            modified(made(tenant, "one", version=2)),
            modified(made(tenant, "one", version=3)),
        )
        wire.until_told("one")

    (frame,) = wire.pushes
    assert {update["data"]["submission_id"]: update["data"]["version"] for update in frame["updates"]} == {
        "one": 3,
        "two": 1,
    }
    assert len(frame["updates"]) == 2


# --- Cursors --------------------------------------------------------------------------------------------------


@states("`cursor` is opaque.")
def test_a_client_sends_back_whatever_cursor_it_got() -> None:
    now = time.time()
    subscription = Subscription()
    (request,) = subscription.handle_connect(now)
    cursor = "\u2603 ==not+ours== \ud83d\ude00"
    subscription.handle_frame(subscribed(request, cursor=cursor, expires_at=now + 3_600), now)

    assert [frame["cursor"] for frame in subscription.handle_timeout(now + 300)] == [cursor]
    assert [frame["cursor"] for frame in subscription.handle_connect(now + 301)] == [cursor]


@states(
    (
        "`complete: false` means that more updates are waiting: send `sync` again with the cursor that you just "
        "received."
    ),
    (
        "A `subscribed` or `synced` reply with `complete: true` means that the server has sent every change up to "
        "that cursor that this subscription may see."
    ),
)
@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_sync_goes_on_until_every_change_was_sent(gateway: Gateway, issuer: Issuer, crowd: Crowd, action: str) -> None:
    seen = Crowd.SIZE - 900
    with gateway.join(issuer.token(crowd.tenant_id), snapshot=0) as wire:
        replies = wire.to_the_end(wire.ask(action, cursor=crowd.cursor(seen)))

    assert [reply["complete"] for reply in replies] == [False] * (len(replies) - 1) + [True]
    assert len(replies) > 1
    assert [name for reply in replies for name in ids_of(reply)] == crowd.ids()[seen:]


@states(
    "A fresh snapshot is complete when it contains the newest `snapshot` submissions.",
    "Older submissions appear when they change.",
)
def test_a_fresh_snapshot_is_complete_and_older_ones_appear_when_they_change(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        older = backstage.received(tenant)
        wire.until_told(older)
        newer = backstage.received(tenant)
        wire.until_told(newer)
        again = wire.ask("subscribe", snapshot=1)
        assert (ids_of(again), again["complete"]) == ([newer], True)
        backstage.updated(tenant, older, "approved")
        wire.until_told(older, "modify")


@states("A cursor that the server cannot read gets the `error` `bad_cursor`.", "Error codes: `bad_cursor`")
@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_a_cursor_that_cannot_be_read_is_bad(gateway: Gateway, issuer: Issuer, tenant: str, action: str) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        good = wire.frames[0]["cursor"]
        for cursor in ("", "nonsense", good[:-3], good + "AAAA", Cursor(tenant, 0, "0#").encode(), 7, [good]):
            refusal = wire.ask(action, cursor=cursor)
            assert (refusal["type"], refusal["code"], refusal["retryable"]) == ("error", "bad_cursor", False), cursor


@states('A cursor that is too old to resume from gets a fresh snapshot and `"recovered": false` in the reply.')
@pytest.mark.parametrize("action", ["subscribe", "sync"])
def test_a_cursor_that_is_too_old_gets_a_fresh_snapshot(
    gateway: Gateway, issuer: Issuer, crowd: Crowd, action: str
) -> None:
    old = Cursor(crowd.tenant_id, 0, to_iso(now_ms() - 25 * 3_600_000)).encode()
    with gateway.join(issuer.token(crowd.tenant_id), snapshot=0) as wire:
        reply = wire.ask(action, cursor=old)

    assert (reply["recovered"], reply["complete"]) == (False, True)
    assert ids_of(reply) == crowd.ids()[:-51:-1]


# --- The end --------------------------------------------------------------------------------------------------

DISCONNECT = "`disconnect` comes before the server closes the connection, because API Gateway can set no close code."


@states(DISCONNECT, "Disconnect codes: `token_expired`")
@pytest.mark.parametrize("by", ["broadcast", "janitor"])
def test_a_connection_whose_token_has_expired_is_told_and_closed(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, by: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        backstage.expire(tenant)
        if by == "broadcast":
            backstage.broadcast(inserted(made(tenant, "after")))
        else:
            backstage.sweep()
        (last,) = wire.until_closed()

    assert last == {"type": "disconnect", "code": "token_expired", "reconnect": True}
    assert backstage.rows(tenant) == []


@states(DISCONNECT, "Disconnect codes: `revoked`")
def test_a_connection_of_a_revoked_tenant_is_told_and_closed(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.join(issuer.token(tenant)) as wire:
        now = int(time.time())
        backstage.revoke(Target(Kind.TENANT, tenant), Revocation(now + 1, revoked_until=now + 3_600))
        backstage.sweep()
        (last,) = wire.until_closed()

    assert (last["type"], last["code"]) == ("disconnect", "revoked")


@states(DISCONNECT, "Disconnect codes: `protocol_error`")
def test_a_client_that_breaks_the_rules_is_told_and_disconnected(flood: Flood) -> None:
    assert (flood.last["type"], flood.last["code"]) == ("disconnect", "protocol_error")


@states(
    "Disconnect codes: `too_many_connections`",
    "Disconnect codes: `too_many_connections_of_user`",
    "Disconnect codes: `server_shutdown`",
)
@pytest.mark.parametrize("code", ["too_many_connections", "too_many_connections_of_user", "server_shutdown"])
@pytest.mark.parametrize("reconnect", [True, False])
def test_a_client_knows_the_codes_that_an_administrator_may_send(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, code: str, reconnect: bool
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        client = Client(wire)
        backstage.post(tenant, {"type": "disconnect", "code": code, "reconnect": reconnect})
        with pytest.raises(Disconnected) as ended:
            client.take(wire.next())

    assert (ended.value.code, ended.value.reconnect) == (code, reconnect)


# --- Errors ---------------------------------------------------------------------------------------------------


@states(
    "Error codes: `bad_request`",
    "Error codes: `bad_filter`",
    "Error codes: `unknown_action`",
    "Error codes: `unauthorized`",
    "Error codes: `too_large`",
    "Every `error` that answers a request with a valid `id` has this `id`.",
)
@pytest.mark.parametrize(
    ("code", "action", "fields"),
    [
        ("bad_request", "subscribe", {"snapshot": "many"}),
        ("bad_filter", "subscribe", {"filter": {"form_id": "contact"}}),
        ("unknown_action", "publish", {}),
        ("unknown_action", "$connect", {}),
        ("unauthorized", "authenticate", {"token": "not.a.token"}),
        ("too_large", "ping", {"padding": "x" * 33_000}),
    ],
)
def test_an_error_has_its_code_and_is_not_to_be_tried_again(
    gateway: Gateway, issuer: Issuer, tenant: str, code: str, action: str, fields: dict[str, object]
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        wire.send({"action": action, "id": "mine", **fields})
        refusal = wire.next()
        assert wire.ask("ping")["type"] == "pong"

    assert (refusal["type"], refusal["code"], refusal["retryable"]) == ("error", code, False)
    assert refusal.get("id") == "mine"
    assert isinstance(refusal["message"], str)


@states("Error codes: `rate_limited`")
def test_a_message_too_many_is_rate_limited(flood: Flood) -> None:
    assert {refused["code"] for refused in flood.refused} == {"rate_limited"}


@states("Error codes: `internal`")
def test_a_failure_of_the_server_is_internal(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        with backstage.without("gateway-message", "dynamodb:Query"):
            refusal = wire.ask("subscribe")
        assert (refusal["type"], refusal["code"]) == ("error", "internal")
        assert wire.ask("subscribe")["type"] == "subscribed"


@states("No error names anything that belongs to another tenant.")
def test_no_error_tells_of_another_tenant(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    other = f"t_secret-{tenant[-8:]}"
    with gateway.join(issuer.token(other)) as theirs:
        stolen = theirs.frames[0]["cursor"]
        secret = backstage.received(other)
        theirs.until_told(secret)
        pushed = theirs.frames[-1]["cursor"]
    with gateway.join(issuer.token(tenant)) as wire:
        errors = [
            wire.ask("subscribe", cursor=stolen),
            wire.ask("subscribe", cursor=pushed),
            wire.ask("sync", cursor=stolen),
            wire.ask("authenticate", token=issuer.token(other, exp=int(time.time()) + 7_200)),
            wire.ask("subscribe", filter={"tenant_id": [other]}),
        ]
        garbled = wire.ask("sync", cursor="nonsense")

    assert {error["type"] for error in errors} == {"error"}
    assert [error["message"] for error in errors[:3]] == [garbled["message"]] * 3
    assert not any(other in str(error) or secret in str(error) or stolen in str(error) for error in errors)
