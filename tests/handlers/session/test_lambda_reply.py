from __future__ import annotations

import json
import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from formbridge.connections.rate_limit import Rate
from formbridge.posting.delivery import Outcome
from formbridge.runtime.environment import EnvironmentVariableError
from formbridge.session import lambda_reply
from formbridge.session.session import MAX_REFUSALS, Session
from formbridge.wire import protocol
from formbridge.wire.protocol import Limits
from tests.support.handlers.builders import NOW, LambdaContext, forbidden, message_event, refused_by_frame
from tests.support.handlers.principals import USER
from tests.support.handlers.world import KEY, World

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from formbridge.connections.connection import ConnectionKey
    from tests.support.handlers.clock import Clock

OPENED: list[ConnectionKey] = []


def answered(
    session: Session | Exception, body: object = '{"action":"ping","id":"5"}', **changes: Any
) -> dict[str, Any]:
    """The integration's answer to a frame; `changes` are made to the event."""
    OPENED.clear()

    def open_session(key: ConnectionKey, *, refused_by_frame: bool, user: str) -> Session:
        OPENED.append(key)
        if isinstance(session, Exception):
            raise session
        return session

    event: Mapping[str, Any] = {**message_event(body, "t_acme", "conn-1"), **changes}
    return lambda_reply.reply_to_frame(open_session, event, LambdaContext())


class Broken:
    """A connections table that is not there."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        def fail(*_arguments: object) -> None:
            raise LookupError("the table is not there")

        return fail


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def broken(world: World) -> Session:
    return replace(world.session, connections=Broken())


def test_the_reply_goes_back_as_one_line_of_json(world: World) -> None:
    assert answered(world.session) == {"statusCode": 200, "body": f'{{"type":"pong","id":"5","timestamp":{NOW}}}'}
    assert OPENED == [KEY]


@pytest.mark.parametrize(("shard", "expected"), [(None, 0), (0, 0), (7, 7)])
def test_the_shard_is_the_one_that_the_authorizer_said_and_the_first_where_it_said_none(
    world: World, shard: int | None, expected: int
) -> None:
    answered(world.session, requestContext=message_event("", shard=shard)["requestContext"])
    (key,) = OPENED
    assert key == ("t_acme", "conn-1", expected)


@pytest.mark.parametrize("change", [refused_by_frame, dict], ids=["wanted", "not wanted"])
def test_the_session_knows_the_user_and_whether_the_client_wants_to_be_refused_by_a_frame(
    world: World, change: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> None:
    told: list[tuple[bool, str]] = []

    def open_session(_key: ConnectionKey, *, refused_by_frame: bool, user: str) -> Session:
        told.append((refused_by_frame, user))
        return world.session

    lambda_reply.reply_to_frame(open_session, change(message_event({"action": "ping"})), LambdaContext())
    assert told == [(change is refused_by_frame, USER)]


@pytest.mark.parametrize("body", ['{"action":"subscribe"}', "no JSON", ""])
@pytest.mark.parametrize("outcome", Outcome)
def test_a_forbidden_connection_is_told_so_and_closed_and_has_no_session(
    world: World, monkeypatch: pytest.MonkeyPatch, body: str, outcome: Outcome
) -> None:
    monkeypatch.setattr(lambda_reply, "poster", lambda: world.poster)
    world.poster.outcomes["conn-1"] = outcome
    event = forbidden(message_event(body))
    assert answered(world.session, requestContext=event["requestContext"]) == {"statusCode": 200}
    assert OPENED == []
    assert world.poster.to("conn-1") == ['{"type":"disconnect","code":"forbidden","reconnect":false}']
    assert world.poster.closed == ["conn-1"]


def test_a_forbidden_connection_that_cannot_be_closed_is_a_failure(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(lambda_reply, "poster", lambda: world.poster)
    world.poster.failures["conn-1"] = PermissionError("403")
    reply = answered(world.session, requestContext=forbidden(message_event(""))["requestContext"])
    assert json.loads(reply["body"])["code"] == "internal"
    assert [line.message for line in caplog.records] == ["failed", "answered"]


def test_the_connection_is_the_gateways_whatever_the_frame_says(world: World) -> None:
    forged = {
        "action": "ping",
        "tenant_id": "t_globex",
        "connection_id": "conn-9",
        "connectionId": "conn-9",
        "shard": "9",
    }
    answered(world.session, forged)
    assert OPENED == [KEY]


def test_frames_are_ordered_by_when_the_gateway_received_them_then_by_their_ids() -> None:
    times = [0, 1, 999, 1_000, NOW - 1, NOW, 5 * NOW]
    orders = [
        lambda_reply.build_request_order({"requestTimeEpoch": time, "messageId": message_id})
        for time in times
        for message_id in ("A=", "B=", "a=")
    ]
    assert orders == sorted(set(orders))


def test_a_session_is_told_the_order_of_a_frame(world: World) -> None:
    context = message_event("")["requestContext"]
    later = {**context, "requestTimeEpoch": NOW + 1}
    subscribe = '{"action":"subscribe","id":"5"}'
    first = json.loads(answered(world.session, subscribe, requestContext=later)["body"])
    second = json.loads(answered(world.session, subscribe, requestContext=context)["body"])
    assert (first["type"], second["code"]) == ("subscribed", "superseded")


def test_a_connection_that_was_closed_is_answered_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    world.session = replace(world.session, rate=Rate(1, 1))
    answered(world.session)
    world.connections.refusals[KEY] = MAX_REFUSALS
    assert answered(world.session) == {"statusCode": 200}
    assert [line.message for line in caplog.records] == ["answered", "disconnected"]


@pytest.mark.parametrize("change", [{"body": None}, {"body": ""}], ids=str)
def test_a_frame_without_a_body_is_answered_with_an_error(world: World, change: dict[str, Any]) -> None:
    assert json.loads(answered(world.session, **change)["body"])["code"] == "bad_request"


def test_what_was_answered_is_logged_by_its_kind(world: World, caplog: pytest.LogCaptureFixture) -> None:
    answered(world.session)
    answered(world.session, {"action": "dance"})
    assert [
        [vars(line)[name] for name in ("message", "request_id", "connection_id", "tenant_id", "reply", "code")]
        for line in caplog.records
    ] == [
        ["answered", "request-1", "conn-1", "t_acme", "pong", None],
        ["answered", "request-1", "conn-1", "t_acme", "error", "unknown_action"],
    ]


# --- What fails -----------------------------------------------------------------------------------------------


def test_an_unexpected_failure_is_told_to_the_client_who_may_try_again(broken: Session) -> None:
    assert answered(broken, {"action": "ping", "id": "7"}) == {
        "statusCode": 200,
        "body": (
            '{"type":"error","id":"7","code":"internal","message":"the server failed, try again",'
            '"retryable":true,"retry_after_ms":1000}'
        ),
    }


def test_so_is_a_session_that_cannot_be_opened() -> None:
    frame = json.loads(answered(EnvironmentVariableError("TABLE: the environment variable is not set"))["body"])
    assert (frame["code"], frame["id"]) == ("internal", "5")


@pytest.mark.parametrize("body", ["{", "", '{"action":"ping"}', '{"action":"ping","id":5}', "[" * 30_000])
def test_a_failure_has_no_id_where_the_frame_has_none(broken: Session, body: str) -> None:
    assert "id" not in json.loads(answered(broken, body)["body"])


def test_a_failure_is_one_error_in_the_log_with_the_ids_and_nothing_that_was_sent(
    broken: Session, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    answered(broken, {"action": "authenticate", "token": "SECRET", "id": "SECRET"})
    (line,) = [line for line in caplog.records if line.levelname == "ERROR"]
    fields = vars(line)
    assert (fields["message"], fields["request_id"], fields["connection_id"]) == ("failed", "request-1", "conn-1")
    assert "LookupError: the table is not there" in caplog.text
    assert "SECRET" not in caplog.text + str([vars(line) for line in caplog.records])


def test_a_failure_is_counted(broken: Session, clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    answered(broken)
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["InternalErrors"], line["_aws"]["Timestamp"]) == (1, NOW)
    metrics = [metric for each in line["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]]
    assert metrics == [{"Name": "InternalErrors", "Unit": "Count"}]


def test_what_a_client_does_wrong_is_not_counted(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    answered(world.session, {"action": "dance"})
    assert capsys.readouterr().out == ""


# --- What the environment says --------------------------------------------------------------------------------


def test_the_limits_are_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = {
        "MESSAGES_PER_SECOND": 7,
        "MESSAGE_BURST": 9,
        "MAX_FRAME_BYTES": 1_024,
        "MAX_FILTER_LENGTH": 99,
        "TENANT_MESSAGES_PER_SECOND": 70,
        "TENANT_MESSAGE_BURST": 90,
        "MAX_FILTERS_PER_TENANT": 5,
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, str(value))
    assert lambda_reply.read_rate() == Rate(per_second=7, burst=9)
    assert lambda_reply.read_tenant_rate() == Rate(per_second=70, burst=90)
    assert lambda_reply.read_limits() == Limits(max_frame_bytes=1_024, max_filter_length=99, max_filters_per_tenant=5)


def test_no_error_frame_is_larger_than_a_frame_may_be(world: World) -> None:
    world.session = replace(world.session, limits=Limits(protocol.MAX_REPLY_BYTES, 4_096, 100))
    body = json.dumps({"action": "subscribe", "filter": {"\N{WAVING HAND SIGN}" * 30_000: 1}}, ensure_ascii=False)
    answer = answered(world.session, body)["body"]
    assert json.loads(answer)["code"] == "bad_filter"
    assert len(answer) < protocol.MAX_REPLY_BYTES
