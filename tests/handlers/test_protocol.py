from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge import protocol
from formbridge.protocol import (
    Ping,
    Request,
    RequestError,
    Subscribe,
    Sync,
    Unsubscribe,
    parse_request,
)
from tests.handlers.builders import NOW, NOW_ISO, submission
from tests.handlers.strategies import ANY_TEXT, JSON

FIELDS = st.sampled_from(["action", "id", "cursor", "snapshot", "filter", "token"])
ACTIONS = st.sampled_from(["subscribe", "sync", "unsubscribe", "ping", "authenticate"])


def refusal(body: str | None) -> RequestError:
    with pytest.raises(RequestError) as refused:
        parse_request(body)
    return refused.value


# --- Requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ('{"action":"subscribe"}', Subscribe(None, None, 50)),
        ('{"action":"subscribe","id":"1","snapshot":0}', Subscribe("1", None, 0)),
        ('{"action":"subscribe","snapshot":200}', Subscribe(None, None, 200)),
        ('{"action":"subscribe","cursor":"c","snapshot":7}', Subscribe(None, "c", 7)),
        ('{"action":"subscribe","cursor":null,"id":null}', Subscribe(None, None, 50)),
        ('{"action":"subscribe","filter":{}}', Subscribe(None, None, 50)),
        ('{"action":"subscribe","unheard":"of"}', Subscribe(None, None, 50)),
        ('{"action":"sync","cursor":"c","id":"2"}', Sync("2", "c")),
        ('{"action":"unsubscribe","id":"3"}', Unsubscribe("3")),
        ('{"action":"ping","id":"5"}', Ping("5")),
        (' {"action":"ping"}\n', Ping(None)),
        (json.dumps({"action": "ping", "id": "x" * 64}), Ping("x" * 64)),
    ],
)
def test_a_request_is_read(body: str, request_: Request) -> None:
    assert parse_request(body) == request_


@pytest.mark.parametrize(
    "body",
    [None, "", " ", "ping", "null", "5", '"ping"', "[]", '[{"action":"ping"}]', "{", "{}{}", "\ud800", "[" * 200_000],
    ids=lambda body: str(body)[:20].encode("ascii", "replace").decode(),
)
def test_what_is_no_json_object_is_a_bad_request(body: str | None) -> None:
    error = refusal(body)
    assert (error.code, error.message) == ("bad_request", "the frame must be one JSON object")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{}", "bad_request", "action: must be a text, got None"),
        ('{"action":5}', "bad_request", "action: must be a text, got 5"),
        ('{"action":["ping"]}', "bad_request", "action: must be a text, got ['ping']"),
        ('{"action":"dance"}', "unknown_action", "action: unknown, got 'dance'"),
        ('{"action":"Ping"}', "unknown_action", "action: unknown, got 'Ping'"),
        ('{"action":"ping","id":5}', "bad_request", "id: must be a text of at most 64 characters"),
        (json.dumps({"action": "ping", "id": "x" * 65}), "bad_request", "id: must be a text of at most 64 characters"),
        ('{"action":"sync"}', "bad_request", "cursor: required"),
        ('{"action":"sync","cursor":5}', "bad_request", "cursor: must be a text, got 5"),
        ('{"action":"subscribe","cursor":{}}', "bad_request", "cursor: must be a text, got {}"),
        (
            '{"action":"subscribe","snapshot":201}',
            "bad_request",
            "snapshot: must be a whole number from 0 to 200, got 201",
        ),
        (
            '{"action":"subscribe","snapshot":-1}',
            "bad_request",
            "snapshot: must be a whole number from 0 to 200, got -1",
        ),
        (
            '{"action":"subscribe","snapshot":1.5}',
            "bad_request",
            "snapshot: must be a whole number from 0 to 200, got 1.5",
        ),
        (
            '{"action":"subscribe","snapshot":"5"}',
            "bad_request",
            "snapshot: must be a whole number from 0 to 200, got '5'",
        ),
        (
            '{"action":"subscribe","snapshot":true}',
            "bad_request",
            "snapshot: must be a whole number from 0 to 200, got True",
        ),
        ('{"action":"subscribe","filter":{"form_id":["contact"]}}', "bad_filter", "filter: this server has no filters"),
        ('{"action":"subscribe","filter":[]}', "bad_filter", "filter: this server has no filters"),
        ('{"action":"subscribe","filter":""}', "bad_filter", "filter: this server has no filters"),
    ],
)
def test_a_request_that_is_wrong_is_refused_by_field_and_value(body: str, code: str, message: str) -> None:
    error = refusal(body)
    assert (error.code, error.message) == (code, message)


@pytest.mark.parametrize("action", ["dance", "sync", 5])
def test_a_refusal_carries_the_requests_id(action: object) -> None:
    assert refusal(json.dumps({"action": action, "id": "7"})).request_id == "7"


def test_a_deeply_nested_field_is_refused_like_any_other() -> None:
    assert refusal('{"action":' + "[" * 500 + "]" * 500 + "}").code == "bad_request"


@given(ANY_TEXT | JSON.map(json.dumps))
def test_any_text_is_a_request_or_refused(body: str) -> None:
    read_or_refused(body)


@given(st.dictionaries(FIELDS, JSON | ACTIONS))
def test_any_object_is_a_request_or_refused(fields: dict[str, object]) -> None:
    read_or_refused(json.dumps(fields))


def read_or_refused(body: str) -> None:
    try:
        request = parse_request(body)
    except RequestError as error:
        frame = protocol.encode(protocol.error(error))
        assert frame.isascii()
        assert len(frame) < 8_000
    else:
        assert isinstance(request, Request)


# --- Frames: what `protocol.md` prints ------------------------------------------------------------------------


def test_a_reply_carries_its_id_second_and_only_where_the_request_had_one() -> None:
    assert protocol.encode(protocol.reply("unsubscribed", "3")) == '{"type":"unsubscribed","id":"3"}'
    assert protocol.encode(protocol.reply("unsubscribed", None)) == '{"type":"unsubscribed"}'
    assert protocol.encode(protocol.reply("unsubscribed", "")) == '{"type":"unsubscribed","id":""}'


def test_a_pong() -> None:
    frame = protocol.encode(protocol.reply("pong", "5", timestamp=1790000000000))
    assert frame == '{"type":"pong","id":"5","timestamp":1790000000000}'


def test_an_error() -> None:
    frame = protocol.encode(protocol.error(RequestError("bad_request", "cursor: required", "2")))
    assert frame == '{"type":"error","id":"2","code":"bad_request","message":"cursor: required","retryable":false}'


def test_a_resync() -> None:
    assert protocol.encode(protocol.RESYNC) == '{"type":"resync","reason":"behind"}'


def test_a_disconnect() -> None:
    frame = protocol.encode(protocol.TOKEN_EXPIRED)
    assert frame == '{"type":"disconnect","code":"token_expired","reconnect":true}'


DATA = (
    '{"tenant_id":"t_acme","submission_id":"s1","form_id":"contact","status":"processing","version":1,'
    f'"submitted_at":"{NOW_ISO}","updated_at":"{NOW_ISO}","timestamp":"{NOW_ISO}",'
    '"message":"New form submission received","event":"insert"}'
)


def test_one_update() -> None:
    frame = protocol.encode(protocol.push([submission().current()], "cur", NOW))
    assert frame == (
        f'{{"type":"submission_update","event":"insert","data":{DATA},"cursor":"cur","timestamp":1795377600000}}'
    )


def test_several_updates() -> None:
    frame = protocol.encode(protocol.push([submission().current()] * 2, "cur", NOW))
    update = f'{{"event":"insert","data":{DATA}}}'
    assert frame == (
        f'{{"type":"submission_updates","updates":[{update},{update}],"cursor":"cur","timestamp":1795377600000}}'
    )
