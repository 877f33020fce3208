from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

import connect
import message
from formbridge.session import replay
from formbridge.session.session import MAX_REFUSALS
from formbridge.wire.cursor import Cursor
from tests.support.handlers.builders import (
    HOUR_S,
    NOW,
    LambdaContext,
    connect_event,
    iso,
    message_event,
    refused_by_frame,
    submission,
)
from tests.support.handlers.world import ids, to_the_end

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.gateway import Gateway
    from tests.support.handlers.region import Region


@pytest.fixture(autouse=True)
def connected(region: Region, clock: Clock) -> None:
    """A connection of t_acme, conn-1, whose token is good for an hour."""
    connect.handler(connect_event("t_acme", "conn-1", expires_at=NOW // 1000 + HOUR_S), LambdaContext())


def ask(body: object, tenant_id: str = "t_acme", connection_id: str = "conn-1", **granted: int) -> dict[str, Any]:
    """The frame that answers a frame."""
    answer = message.handler(message_event(body, tenant_id, connection_id, **granted), LambdaContext())
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def row(region: Region) -> dict[str, Any]:
    return dict(region.connection("t_acme", "conn-1") or {})


def test_a_subscribed_client_has_its_tenants_newest_and_gets_updates_from_now_on(region: Region) -> None:
    region.put(
        submission("s1", updated_at=iso(-2)),
        submission("s2", updated_at=iso(-1)),
        submission("s3", tenant_id="t_globex"),
    )
    reply = ask({"action": "subscribe", "id": "1"})
    assert (reply["type"], reply["id"], ids(reply)) == ("subscribed", "1", ["s2", "s1"])
    assert row(region)["subscribed"] == {"BOOL": True}


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
    monkeypatch.setattr(replay, "PAGE_ITEMS", 3)
    monkeypatch.setattr(replay, "MAX_PAGES", 1)
    region.put(*(submission(f"s{n}", updated_at=iso(n)) for n in range(8)))
    first = ask({"action": "subscribe", "cursor": Cursor("t_acme", 0, iso(-1)).encode()})
    replies = to_the_end(first, lambda cursor: ask({"action": "sync", "cursor": cursor}))
    assert [ids(reply) for reply in replies] == [["s0", "s1", "s2"], ["s3", "s4", "s5"], ["s6", "s7"]]


WANTED = {"form_id": [{"prefix": "survey-"}], "status": [{"anything-but": "spam"}]}


def test_a_filter_is_kept_and_replaced_and_removed(region: Region) -> None:
    ask({"action": "subscribe", "filter": WANTED})
    assert json.loads(row(region)["filter"]["S"]) == WANTED
    ask({"action": "subscribe", "filter": {"status": ["spam"]}})
    assert json.loads(row(region)["filter"]["S"]) == {"status": ["spam"]}
    ask({"action": "subscribe"})
    assert "filter" not in row(region)


def test_a_filter_narrows_what_a_client_is_told(region: Region) -> None:
    region.put(
        submission("s1", updated_at=iso(-3), form_id="survey-1"),
        submission("s2", updated_at=iso(-2), form_id="contact"),
        submission("s3", updated_at=iso(-1), form_id="survey-2"),
    )
    reply = ask({"action": "subscribe", "filter": WANTED})
    assert ids(reply) == ["s3", "s1"]
    region.put(submission("s1", updated_at=iso(1), form_id="survey-1", status="spam", version=2))
    told = ask({"action": "sync", "cursor": reply["cursor"]})["updates"]
    assert [(update["event"], update["data"]["submission_id"]) for update in told] == [
        ("leave", "s2"),
        ("insert", "s3"),
        ("leave", "s1"),
    ]


def test_a_snapshot_of_few_among_many_reads_so_many_pages_and_is_complete(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "PAGE_ITEMS", 3)
    region.put(
        *(submission(f"s{n:02}", updated_at=iso(n), form_id="contact" if n % 8 else "survey-1") for n in range(40))
    )
    reply = ask({"action": "subscribe", "filter": WANTED, "snapshot": 4})
    assert (reply["complete"], ids(reply)) == (True, ["s32"])


def test_named_submissions_are_read_by_their_ids(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replay, "PAGE_ITEMS", 1)
    region.put(*(submission(f"s{n:02}", updated_at=iso(n)) for n in range(20)))
    reply = ask({"action": "subscribe", "filter": {"submission_id": ["s00", "s01", "gone"]}})
    assert ids(reply) == ["s01", "s00"]


def test_what_a_client_holds_is_compared_with_the_table(region: Region) -> None:
    region.put(submission("s1", version=2), submission("s2"), submission("s3", updated_at=iso(1)))
    region.put(submission("s4", tenant_id="t_globex"))
    ask({"action": "subscribe"})
    reply = ask(
        {
            "action": "reconcile",
            "id": "6",
            "held": [["s1", NOW, 1], ["s2", NOW, 1], ["s4", NOW, 1]],
            "snapshot": 1,
        }
    )
    assert (reply["type"], reply["id"], reply["epoch"], reply["server_time"]) == ("reconciled", "6", 0, NOW)
    told = [(update["event"], update["data"]["submission_id"]) for update in reply["updates"]]
    assert told == [("modify", "s1"), ("remove", "s4"), ("insert", "s3")]


def test_a_table_that_was_restored_starts_every_view_anew(
    region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = "arn:aws:dynamodb:us-east-1:123456789012:table/submissions/stream/2026-11-22T20:00:00.000"
    monkeypatch.setenv("STREAM_ARN", stream)
    message.sessions.cache_clear()
    cursor = ask({"action": "subscribe"})["cursor"]
    assert "recovered" not in ask({"action": "sync", "cursor": cursor})
    monkeypatch.setenv("STREAM_ARN", f"{stream}1")
    message.sessions.cache_clear()
    clock.advance(60_000)
    reply = ask({"action": "sync", "cursor": cursor})
    assert (reply["recovered"], reply["epoch"]) == (False, clock.ms)
    assert row(region)["subscribed_at"] == {"N": str(clock.ms)}


def test_a_request_that_the_gateway_received_earlier_is_superseded(region: Region) -> None:
    later = message_event({"action": "subscribe", "filter": WANTED}, at=NOW + 1)
    assert json.loads(message.handler(later, LambdaContext())["body"])["type"] == "subscribed"
    assert ask({"action": "unsubscribe"})["code"] == "superseded"
    assert row(region)["subscribed"] == {"BOOL": True}


def test_a_filter_that_is_wrong_is_refused_and_changes_nothing(region: Region) -> None:
    ask({"action": "subscribe", "filter": WANTED})
    before = row(region)
    reply = ask({"action": "subscribe", "id": "1", "filter": {"status": ["new", {"like": "x"}]}})
    assert (reply["code"], reply["id"]) == ("bad_filter", "1")
    assert reply["message"].startswith(
        "filter.status[1]: must be an operator that EventBridge Pipes support, got 'like'"
    )
    assert {**row(region), "full_at": before["full_at"]} == before


def test_an_unsubscribed_client_gets_no_more_updates(region: Region) -> None:
    ask({"action": "subscribe", "filter": WANTED})
    assert ask({"action": "unsubscribe", "id": "3"}) == {"type": "unsubscribed", "id": "3"}
    assert row(region)["subscribed"] == {"BOOL": False}
    assert "filter" not in row(region)


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


def test_an_expired_token_is_unauthorized(region: Region, clock: Clock) -> None:
    """It is the row that tells when: the authorizer's context is as old as the connection."""
    clock.ms = (NOW // 1000 + HOUR_S) * 1000
    reply = ask({"action": "subscribe"}, expires_at=NOW // 1000 + 2 * HOUR_S)
    assert reply["code"] == "unauthorized"
    assert row(region)["subscribed"] == {"BOOL": False}
    clock.ms -= 1
    assert ask({"action": "subscribe"}, expires_at=NOW // 1000)["type"] == "subscribed"


def test_another_connections_row_is_not_used() -> None:
    assert ask({"action": "subscribe"}, tenant_id="t_globex")["code"] == "unauthorized"
    assert ask({"action": "subscribe"}, tenant_id="t_globex", connection_id="conn-1")["code"] == "unauthorized"


def test_a_frame_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAX_FRAME_BYTES", "1024")
    assert ask({"action": "ping", "padding": "x" * 1_024})["code"] == "too_large"


# --- The rate -------------------------------------------------------------------------------------------------


def test_a_client_that_sends_too_much_is_told_when_to_go_on(clock: Clock) -> None:
    assert {ask({"action": "ping"})["type"] for _ in range(20)} == {"pong"}
    reply = ask({"action": "ping", "id": "21"})
    assert (reply["id"], reply["code"], reply["retryable"], reply["retry_after_ms"]) == (
        "21",
        "rate_limited",
        True,
        100,
    )
    clock.advance(100)
    assert ask({"action": "ping"})["type"] == "pong"
    assert ask({"action": "ping"})["code"] == "rate_limited"


def test_a_client_that_keeps_sending_is_told_why_and_disconnected(region: Region, gateway: Gateway) -> None:
    for _ in range(20 + MAX_REFUSALS):
        ask({"action": "ping"})
    assert gateway.server.requests == []

    answer = message.handler(message_event({"action": "ping"}), LambdaContext())
    assert answer == {"statusCode": 200}
    assert gateway.server.requests == [
        (
            "POST",
            "/live/@connections/conn-1",
            '{"type":"disconnect","code":"protocol_error","reconnect":false}',
        ),
        ("DELETE", "/live/@connections/conn-1", ""),
    ]
    assert row(region) == {}
    assert ask({"action": "ping"})["code"] == "unauthorized"


def test_a_client_that_came_over_the_limit_is_told_so_by_its_first_frame(region: Region, gateway: Gateway) -> None:
    event = refused_by_frame(message_event({"action": "subscribe"}, connection_id="conn-2"))
    assert message.handler(event, LambdaContext()) == {"statusCode": 200}
    assert gateway.server.requests == [
        (
            "POST",
            "/live/@connections/conn-2",
            '{"type":"disconnect","code":"too_many_connections","reconnect":true}',
        ),
        ("DELETE", "/live/@connections/conn-2", ""),
    ]
    assert row(region) != {}


# --- What fails -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", ["CONNECTIONS_TABLE_NAME", "TABLE_NAME"])
def test_a_failure_is_told_logged_and_counted(
    missing: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(missing, "gone")
    caplog.set_level(logging.DEBUG, logger="formbridge")
    reply = ask({"action": "subscribe", "id": "SECRET", "token": "SECRET"})
    assert reply == {
        "type": "error",
        "id": "SECRET",
        "code": "internal",
        "message": "the server failed, try again",
        "retryable": True,
        "retry_after_ms": 1_000,
    }
    (line,) = [vars(line) for line in caplog.records if line.levelname == "ERROR"]
    assert (line["request_id"], line["connection_id"], line["tenant_id"]) == ("request-1", "conn-1", "t_acme")
    assert "ResourceNotFoundException" in caplog.text
    assert "SECRET" not in caplog.text + str([vars(line) for line in caplog.records if line.name == "formbridge"])
    assert json.loads(capsys.readouterr().out)["InternalErrors"] == 1


def test_another_tenants_cursor_is_refused(region: Region) -> None:
    region.put(submission("s3", tenant_id="t_globex"))
    ask({"action": "subscribe"})
    reply = ask({"action": "sync", "cursor": Cursor("t_globex", 0, iso(-1)).encode()})
    assert (reply["type"], reply["code"]) == ("error", "bad_cursor")


@pytest.mark.parametrize("made_up", ["x" * 2_000, "\ud800"], ids=["too long", "half a character"])
def test_a_made_up_cursor_does_not_reach_the_table(made_up: str) -> None:
    ask({"action": "subscribe"})
    reply = ask({"action": "sync", "cursor": Cursor("t_acme", 0, f"{iso()}#{made_up}").encode()})
    assert (reply["type"], reply["code"]) == ("error", "bad_cursor")


def test_a_gateway_without_a_table_answers_without_one(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    region.put(submission("s1"))
    monkeypatch.delenv("TABLE_NAME")

    assert ids(ask({"action": "subscribe"})) == []
