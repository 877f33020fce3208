from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest

import authenticate
import authorize
import connect
import message
from formbridge.runtime.logs import correlation_ids, log, log_failures
from tests.support.handlers import issuer
from tests.support.handlers.builders import (
    LambdaContext,
    authorizer_event,
    bus_event,
    connect_event,
    message_event,
)
from tests.support.handlers.issuer import KeysInMemory, claims, token
from tests.support.handlers.principals import HASHES, USER

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Callable[[], list[dict[str, Any]]]:
    """What was logged so far, each line with its fields."""
    caplog.set_level(logging.INFO, logger="formbridge")
    return lambda: [vars(record) for record in caplog.records]


Lines = Callable[[], list[dict[str, Any]]]


@log_failures
def failing(event: object, context: object) -> None:
    raise LookupError("the table is not there")


@log_failures
def echoing(event: str, context: object) -> str:
    return event


def test_a_handler_that_fails_logs_its_ids_and_its_error_and_raises(lines: Lines) -> None:
    with pytest.raises(LookupError):
        failing(connect_event(connection_id="conn-1"), LambdaContext())
    (line,) = lines()
    assert (line["levelname"], line["request_id"], line["connection_id"]) == ("ERROR", "request-1", "conn-1")
    assert "the table is not there" in str(line["exc_text"] or line["exc_info"])


def test_a_handler_that_does_well_answers_and_logs_nothing(lines: Lines) -> None:
    assert echoing("event", LambdaContext()) == "event"
    assert lines() == []


@pytest.mark.parametrize(
    ("event", "ids"),
    [
        (connect_event(connection_id="conn-1"), {"connection_id": "conn-1", "user": USER}),
        (message_event({}, connection_id="conn-1"), {"connection_id": "conn-1", "user": USER}),
        (authorizer_event(connection_id="conn-1"), {"connection_id": "conn-1"}),
        (bus_event("submission.received", {}, event_id="e1"), {"event_id": "e1"}),
        ([], {}),
        (None, {}),
        ({"id": 5}, {}),
        ({"requestContext": None}, {}),
    ],
    ids=["connect", "message", "authorizer", "bus", "batch", "nothing", "a number", "no context"],
)
def test_a_line_is_tied_to_its_request(event: object, ids: dict[str, str]) -> None:
    assert correlation_ids(event, LambdaContext()) == {"request_id": "request-1", **ids}
    assert correlation_ids(event, None) == ids


def test_the_fields_of_a_line_stand_beside_its_message(lines: Lines) -> None:
    log("saved", {"tenant_id": "t_acme"})
    (line,) = lines()
    assert (line["msg"], line["tenant_id"]) == ("saved", "t_acme")


# --- No token, whatever happens -------------------------------------------------------------------------------

TOKENS: Mapping[str, Callable[[], str]] = {
    "good": token,
    "expired": lambda: token(claims(exp=1)),
    "of another tenant": lambda: token(claims(**{issuer.CLAIM: "t_globex"})),
    "of no tenant": lambda: token(claims(**{issuer.CLAIM: None})),
    "signed with another key": lambda: token(key="rsa-2"),
    "unknown kid": lambda: token(kid="rsa-9"),
    "alg none": issuer.unsigned_token,
    "garbage": lambda: "garbage-that-may-be-somebodys-password",
}


def brought(place: str, bearer: str) -> tuple[dict[str, str], dict[str, str]]:
    """Headers and query of a handshake that brings a token."""
    match place:
        case "subprotocol":
            return {"Sec-WebSocket-Protocol": f"formbridge.v1, bearer.{bearer}"}, {}
        case "header":
            return {"Authorization": f"Bearer {bearer}"}, {}
        case _:
            return {}, {"token": bearer}


def quotes(lines: list[dict[str, Any]], bearer: str) -> bool:
    """Whether a part of a token stands in what was logged."""
    return any(part in str(lines) for part in bearer.split(".") if len(part) > 8)


@pytest.mark.parametrize("make", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("place", ["subprotocol", "header", "query"])
def test_the_authorizer_logs_what_it_decided_and_nothing_of_the_token(
    make: Callable[[], str], place: str, lines: Lines, monkeypatch: pytest.MonkeyPatch, forgetful_handlers: None
) -> None:
    bearer = make()
    trusted = authorize.TokenVerifier(issuer.rules(), KeysInMemory())
    monkeypatch.setattr(authorize, "verifier", lambda: trusted)
    monkeypatch.setattr(authorize, "hashes", lambda: HASHES)
    monkeypatch.setenv("TOKEN_IN_QUERY", "true")
    monkeypatch.setenv("CONNECTION_SHARDS", "1")
    headers, query = brought(place, bearer)
    with suppress(Exception):  # the authorizer's 401
        authorize.handler(authorizer_event(headers, {"tenant_id": "t_acme", **query}), LambdaContext())
    (line,) = lines()
    assert line["msg"] in {"authorized", "unauthorized", "forbidden"}
    assert line["connection_id"] == "conn-1"
    assert not quotes(lines(), bearer)


@pytest.mark.parametrize("make", TOKENS.values(), ids=TOKENS.keys())
def test_authenticating_logs_what_was_answered_and_nothing_of_the_token(
    make: Callable[[], str], region: Region, clock: Clock, trusted_issuer: None, lines: Lines
) -> None:
    bearer = make()
    connect.handler(connect_event(), LambdaContext())
    body = {"action": "authenticate", "token": bearer}
    answer = authenticate.handler(message_event(body), LambdaContext())
    assert lines()[-1]["reply"] in {"authenticated", "error"}
    assert lines()[-1]["connection_id"] == "conn-1"
    assert not quotes(lines(), bearer)
    assert not quotes([answer], bearer)


def test_connecting_logs_nothing_of_the_token(region: Region, lines: Lines) -> None:
    bearer = token()
    event = connect_event(headers={"Sec-WebSocket-Protocol": f"formbridge.v1, bearer.{bearer}"})
    connect.handler(event, LambdaContext())
    assert [line["tenant_id"] for line in lines()] == ["t_acme"]
    assert not quotes(lines(), bearer)


def test_a_handler_that_fails_logs_nothing_of_the_token(
    region: Region, lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTIONS_TABLE_NAME", "another")
    bearer = token()
    event = connect_event(headers={"Sec-WebSocket-Protocol": f"formbridge.v1, bearer.{bearer}"})
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        connect.handler(event, LambdaContext())
    assert any(line["levelname"] == "ERROR" for line in lines())
    assert not quotes(lines(), bearer)


def test_a_message_logs_nothing_of_what_the_client_sent(region: Region, lines: Lines) -> None:
    message.handler(message_event({"action": "secret-of-a-client", "token": "secret-of-a-client"}), LambdaContext())
    (line,) = lines()
    assert (line["reply"], line["tenant_id"]) == ("error", "t_acme")
    assert "secret-of-a-client" not in str(line)
