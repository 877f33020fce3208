from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

import connect
import message
from formbridge import session
from formbridge.cursor import Cursor
from tests.handlers.builders import NOW, LambdaContext, connect_event, iso, message_event, submission

if TYPE_CHECKING:
    from tests.handlers.clock import Clock
    from tests.handlers.region import Region


@pytest.fixture(autouse=True)
def connected(region: Region, clock: Clock) -> None:
    """A connection of t_acme, conn-1."""
    connect.handler(connect_event("t_acme", "conn-1"), LambdaContext())


def ask(body: object, tenant_id: str = "t_acme", connection_id: str = "conn-1", **granted: int) -> dict[str, Any]:
    """The frame that answers a frame."""
    answer = message.handler(message_event(body, tenant_id, connection_id, **granted), LambdaContext())
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def ids(reply: dict[str, Any]) -> list[str]:
    return [update["data"]["submission_id"] for update in reply["updates"]]


def test_a_subscribed_client_has_its_tenants_newest_and_gets_updates_from_now_on(region: Region) -> None:
    region.put(
        submission("s1", updated_at=iso(-2)),
        submission("s2", updated_at=iso(-1)),
        submission("s3", tenant_id="t_globex"),
    )
    reply = ask({"action": "subscribe", "id": "1"})
    assert (reply["type"], reply["id"], ids(reply)) == ("subscribed", "1", ["s2", "s1"])
    assert (region.connection("t_acme", "conn-1") or {})["subscribed"] == {"BOOL": True}


def test_a_sync_brings_what_changed_since(region: Region) -> None:
    region.put(submission("s1", updated_at=iso(-2)))
    cursor = ask({"action": "subscribe"})["cursor"]
    region.put(submission("s1", updated_at=iso(1), version=2), submission("s2", updated_at=iso(2)))
    reply = ask({"action": "sync", "id": "2", "cursor": cursor})
    assert (reply["type"], reply["complete"]) == ("synced", True)
    assert [(update["event"], update["data"]["version"]) for update in reply["updates"]] == [
        ("modify", 2),
        ("insert", 1),
    ]


def test_a_long_absence_is_read_in_pages(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "PAGE_ITEMS", 3)
    region.put(*(submission(f"s{n}", updated_at=iso(n)) for n in range(8)))
    reply = ask({"action": "subscribe", "cursor": Cursor("t_acme", iso(-1)).encode()})
    pages = [ids(reply)]
    while not reply["complete"]:
        reply = ask({"action": "sync", "cursor": reply["cursor"]})
        pages.append(ids(reply))
    assert pages == [["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6", "s7"]]


def test_an_unsubscribed_client_gets_no_more_updates(region: Region) -> None:
    ask({"action": "subscribe"})
    assert ask({"action": "unsubscribe", "id": "3"}) == {"type": "unsubscribed", "id": "3"}
    assert (region.connection("t_acme", "conn-1") or {})["subscribed"] == {"BOOL": False}


def test_a_ping_is_answered() -> None:
    assert ask({"action": "ping", "id": "5"}) == {"type": "pong", "id": "5", "timestamp": NOW}


@pytest.mark.parametrize("body", ["", "not JSON", "[]", '{"action":5}'])
def test_what_is_no_request_is_answered_with_an_error(body: str) -> None:
    reply = ask(body)
    assert (reply["type"], reply["code"]) == ("error", "bad_request")


def test_a_binary_frame_without_a_body_is_answered_with_an_error() -> None:
    event = message_event("{}")
    del event["body"]
    assert json.loads(message.handler(event, LambdaContext())["body"])["code"] == "bad_request"


def test_a_connection_that_was_removed_is_unauthorized() -> None:
    assert ask({"action": "subscribe"}, connection_id="conn-9")["code"] == "unauthorized"


def test_an_expired_token_is_unauthorized() -> None:
    assert ask({"action": "subscribe"}, expires_at=NOW // 1000)["code"] == "unauthorized"


def test_another_tenants_cursor_is_refused(region: Region) -> None:
    region.put(submission("s3", tenant_id="t_globex"))
    ask({"action": "subscribe"})
    reply = ask({"action": "sync", "cursor": Cursor("t_globex", iso(-1)).encode()})
    assert (reply["type"], reply["code"]) == ("error", "bad_cursor")


def test_a_made_up_cursor_does_not_reach_the_table() -> None:
    ask({"action": "subscribe"})
    reply = ask({"action": "sync", "cursor": Cursor("t_acme", f"{iso()}#{'x' * 2_000}").encode()})
    assert (reply["type"], reply["code"]) == ("error", "bad_cursor")


def test_a_gateway_without_a_table_answers_without_one(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    region.put(submission("s1"))
    monkeypatch.delenv("TABLE_NAME")

    assert ids(ask({"action": "subscribe"})) == []
