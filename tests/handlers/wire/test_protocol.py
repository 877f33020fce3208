from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.wire import protocol
from formbridge.wire.protocol import (
    Authenticate,
    Limits,
    Ping,
    Request,
    RequestError,
    Subscribe,
    Sync,
    Unsubscribe,
    find_request_id,
    parse_request,
)
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.builders import NOW, NOW_ISO, submission
from tests.support.handlers.strategies import ANY_TEXT, JSON
from tests.support.handlers.world import LIMITS

FIELDS = st.sampled_from(["action", "id", "cursor", "snapshot", "filter", "token"])
ACTIONS = st.sampled_from(["subscribe", "sync", "unsubscribe", "ping", "authenticate"])
CONTACT = SubscriptionFilter('{"form_id":["contact"]}', {"form_id": ["contact"]})


def refusal(body: str | None) -> RequestError:
    with pytest.raises(RequestError) as refused:
        parse_request(body, LIMITS)
    return refused.value


# --- Requests -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "request_"),
    [
        ('{"action":"subscribe"}', Subscribe(None, None, None, 50)),
        ('{"action":"subscribe","id":"1","snapshot":0}', Subscribe("1", None, None, 0)),
        ('{"action":"subscribe","snapshot":200}', Subscribe(None, None, None, 200)),
        ('{"action":"subscribe","cursor":"c","snapshot":7}', Subscribe(None, None, "c", 7)),
        ('{"action":"subscribe","cursor":null,"id":null,"snapshot":null}', Subscribe(None, None, None, 50)),
        ('{"action":"subscribe","filter":{}}', Subscribe(None, None, None, 50)),
        ('{"action":"subscribe","filter":null}', Subscribe(None, None, None, 50)),
        ('{"action":"subscribe","filter":{"form_id":["contact"]}}', Subscribe(None, CONTACT, None, 50)),
        ('{"action":"subscribe","unheard":"of"}', Subscribe(None, None, None, 50)),
        ('{"action":"sync","cursor":"c","id":"2"}', Sync("2", "c")),
        ('{"action":"unsubscribe","id":"3"}', Unsubscribe("3")),
        ('{"action":"authenticate","token":"a.b.c","id":"4"}', Authenticate("4", "a.b.c")),
        ('{"action":"authenticate","token":""}', Authenticate(None, "")),
        ('{"action":"ping","id":"5"}', Ping("5")),
        ('{"action":"ping","action":"unsubscribe"}', Unsubscribe(None)),
        (' {"action":"ping"}\n', Ping(None)),
        (json.dumps({"action": "ping", "id": "x" * 64}), Ping("x" * 64)),
    ],
)
def test_a_request_is_read(body: str, request_: Request) -> None:
    assert parse_request(body, LIMITS) == request_


@pytest.mark.parametrize(
    "body",
    [None, "", " ", "ping", "null", "5", '"ping"', "[]", '[{"action":"ping"}]', "{", "{}{}", "\ud800", "[" * 30_000],
    ids=lambda body: str(body)[:20].encode("ascii", "replace").decode(),
)
def test_what_is_no_json_object_is_a_bad_request(body: str | None) -> None:
    error = refusal(body)
    assert (error.code, error.message) == ("bad_request", "frame: must be one JSON object")


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ("{}", "bad_request", "action: must be a string, got None"),
        ('{"action":5}', "bad_request", "action: must be a string, got 5"),
        ('{"action":["ping"]}', "bad_request", "action: must be a string, got ['ping']"),
        (
            '{"action":"dance"}',
            "unknown_action",
            "action: must be one of subscribe, sync, unsubscribe, authenticate, ping, got 'dance'",
        ),
        (
            '{"action":"Ping"}',
            "unknown_action",
            "action: must be one of subscribe, sync, unsubscribe, authenticate, ping, got 'Ping'",
        ),
        ('{"action":"ping","id":5}', "bad_request", "id: must be a string of at most 64 characters, got 5"),
        (
            json.dumps({"action": "ping", "id": "x" * 65}),
            "bad_request",
            f"id: must be a string of at most 64 characters, got '{'x' * 65}'",
        ),
        ('{"action":"sync"}', "bad_request", "cursor: is required"),
        ('{"action":"sync","cursor":5}', "bad_cursor", "cursor: must be a string, got 5"),
        ('{"action":"subscribe","cursor":{}}', "bad_cursor", "cursor: must be a string, got {}"),
        (
            '{"action":"subscribe","snapshot":201}',
            "bad_request",
            "snapshot: must be an integer from 0 to 200, got 201",
        ),
        (
            '{"action":"subscribe","snapshot":-1}',
            "bad_request",
            "snapshot: must be an integer from 0 to 200, got -1",
        ),
        (
            '{"action":"subscribe","snapshot":1.5}',
            "bad_request",
            "snapshot: must be an integer from 0 to 200, got 1.5",
        ),
        (
            '{"action":"subscribe","snapshot":"5"}',
            "bad_request",
            "snapshot: must be an integer from 0 to 200, got '5'",
        ),
        (
            '{"action":"subscribe","snapshot":true}',
            "bad_request",
            "snapshot: must be an integer from 0 to 200, got True",
        ),
        ('{"action":"subscribe","filter":[]}', "bad_filter", "filter: must be an object, got []"),
        ('{"action":"subscribe","filter":""}', "bad_filter", "filter: must be an object, got ''"),
        ('{"action":"subscribe","filter":false}', "bad_filter", "filter: must be an object, got False"),
        ('{"action":"subscribe","filter":0}', "bad_filter", "filter: must be an object, got 0"),
        (
            '{"action":"subscribe","filter":{"form_id":["a",{"prefix":5}]}}',
            "bad_filter",
            'filter.form_id[1].prefix: must be a string or {"equals-ignore-case": string}, got 5',
        ),
        ('{"action":"authenticate"}', "bad_request", "token: must be a string"),
        ('{"action":"authenticate","token":{"SECRET":"SECRET"}}', "bad_request", "token: must be a string"),
    ],
)
def test_a_request_that_is_wrong_is_refused_by_field_and_value(body: str, code: str, message: str) -> None:
    error = refusal(body)
    assert (error.code, error.message) == (code, message)


@pytest.mark.parametrize(
    "request_",
    [
        {"action": "dance"},
        {"action": "sync"},
        {"action": 5},
        {"action": "subscribe", "filter": 5},
        {"action": "subscribe", "cursor": 5},
        {"action": "subscribe", "snapshot": "5"},
        {"action": "authenticate"},
    ],
    ids=str,
)
def test_a_refusal_carries_the_requests_id(request_: dict[str, object]) -> None:
    assert refusal(json.dumps({**request_, "id": "7"})).request_id == "7"


@pytest.mark.parametrize(
    ("body", "given"),
    [
        ('{"id":"7"}', "7"),
        ('{"id":"7","action":5}', "7"),
        (json.dumps({"id": "x" * 64}), "x" * 64),
        (json.dumps({"id": "x" * 65}), None),
        ('{"id":7}', None),
        ('{"action":"ping"}', None),
        ('["id"]', None),
        ("{", None),
        ("", None),
        (None, None),
    ],
)
def test_the_id_of_a_frame_is_found_whatever_else_is_wrong_with_it(body: str | None, given: str | None) -> None:
    assert find_request_id(body) == given


def test_a_frame_counts_in_bytes() -> None:
    body = '{"action":"ping","x":"é\ud800"}'
    size = len('{"action":"ping","x":""}') + 2 + 3
    assert parse_request(body, Limits(size, 4_096)) == Ping(None)
    with pytest.raises(RequestError) as refused:
        parse_request(body, Limits(size - 1, 4_096))
    assert (refused.value.code, refused.value.message) == ("too_large", "frame: must be at most 28 bytes, got 29")


@pytest.mark.parametrize(
    ("body", "request_id"),
    [
        (json.dumps({"action": "ping", "id": "7", "x": "x" * 40_000}), "7"),
        (json.dumps({"action": "ping", "id": 7, "x": "x" * 40_000}), None),
        ("[" * 200_000, None),
        ("x" * 200_000, None),
    ],
    ids=["an id", "no id", "nested", "no JSON"],
)
def test_a_frame_that_is_too_large_is_refused_with_its_id(body: str, request_id: str | None) -> None:
    refused = refusal(body)
    assert (refused.code, refused.request_id) == ("too_large", request_id)


NESTED = json.dumps({"action": "subscribe", "filter": {"x" * 30_000: {"status": []}}})
OPERATOR = json.dumps({"action": "subscribe", "filter": {"status": [{"\x7f" * 30_000: 1}]}}, ensure_ascii=False)


@pytest.mark.parametrize("body", [NESTED, OPERATOR], ids=["a path", "an operator"])
def test_an_error_is_short_however_long_the_name_of_what_is_wrong(body: str) -> None:
    frame = protocol.encode(protocol.build_error(refusal(body)))
    assert json.loads(frame)["code"] == "bad_filter"
    assert len(frame) < 8_000


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
        request = parse_request(body, LIMITS)
    except RequestError as error:
        frame = protocol.encode(protocol.build_error(error))
        assert frame.isascii()
        assert len(frame) < 8_000
    else:
        assert isinstance(request, Request)


# --- Frames: what `protocol.md` prints ------------------------------------------------------------------------


def test_a_reply_carries_its_id_second_and_only_where_the_request_had_one() -> None:
    assert protocol.encode(protocol.build_reply("unsubscribed", "3")) == '{"type":"unsubscribed","id":"3"}'
    assert protocol.encode(protocol.build_reply("unsubscribed", None)) == '{"type":"unsubscribed"}'
    assert protocol.encode(protocol.build_reply("unsubscribed", "")) == '{"type":"unsubscribed","id":""}'


def test_a_pong() -> None:
    frame = protocol.encode(protocol.build_reply("pong", "5", timestamp=1790000000000))
    assert frame == '{"type":"pong","id":"5","timestamp":1790000000000}'


def test_an_error() -> None:
    frame = protocol.encode(protocol.build_error(RequestError("bad_request", "cursor: is required", "2")))
    assert frame == '{"type":"error","id":"2","code":"bad_request","message":"cursor: is required","retryable":false}'


def test_an_error_that_passes() -> None:
    refused = RequestError("rate_limited", "too many", "2", retry_after_ms=1000)
    assert protocol.encode(protocol.build_error(refused)) == (
        '{"type":"error","id":"2","code":"rate_limited","message":"too many","retryable":true,"retry_after_ms":1000}'
    )


def test_a_resync() -> None:
    assert protocol.encode(protocol.RESYNC) == '{"type":"resync","reason":"behind"}'


@pytest.mark.parametrize(
    ("frame", "code", "reconnect"),
    [
        (protocol.TOKEN_EXPIRED, "token_expired", "true"),
        (protocol.REVOKED, "revoked", "true"),
        (protocol.TOO_MANY_CONNECTIONS, "too_many_connections", "true"),
        (protocol.FORBIDDEN, "forbidden", "false"),
        (protocol.PROTOCOL_ERROR, "protocol_error", "false"),
    ],
    ids=["token_expired", "revoked", "too_many_connections", "forbidden", "protocol_error"],
)
def test_a_disconnect(frame: protocol.Frame, code: str, reconnect: str) -> None:
    assert protocol.encode(frame) == f'{{"type":"disconnect","code":"{code}","reconnect":{reconnect}}}'


DATA = (
    '{"tenant_id":"t_acme","submission_id":"s1","form_id":"contact","status":"processing","version":1,'
    f'"submitted_at":"{NOW_ISO}","updated_at":"{NOW_ISO}","timestamp":"{NOW_ISO}",'
    '"message":"New form submission received","event":"insert"}'
)


def test_one_update() -> None:
    frame = protocol.encode(protocol.build_update_frame([submission().build_current()], None, "cur", NOW))
    assert frame == (
        f'{{"type":"submission_update","event":"insert","data":{DATA},"cursor":"cur","timestamp":1795377600000}}'
    )


def test_several_updates() -> None:
    frame = protocol.encode(protocol.build_update_frame([submission().build_current()] * 2, None, "cur", NOW))
    update = f'{{"event":"insert","data":{DATA}}}'
    assert frame == (
        f'{{"type":"submission_updates","updates":[{update},{update}],"cursor":"cur","timestamp":1795377600000}}'
    )


@pytest.mark.parametrize("count", [1, 2])
def test_a_push_through_a_filter_says_which_it_was(count: int) -> None:
    frame = protocol.build_update_frame([submission().build_current()] * count, CONTACT, "cur", NOW)
    assert frame["filter_id"] == CONTACT.id
    assert protocol.build_update_frame([submission().build_current()] * count, None, "cur", NOW) == {
        name: value for name, value in frame.items() if name != "filter_id"
    }
