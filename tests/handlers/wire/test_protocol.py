from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.wire import protocol
from formbridge.wire.cursor import Cursor
from formbridge.wire.protocol import (
    Authenticate,
    Held,
    Limits,
    Ping,
    Reconcile,
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

FIELDS = st.sampled_from(["action", "id", "cursor", "snapshot", "filter", "token", "filter_id", "held"])
ACTIONS = st.sampled_from(["subscribe", "sync", "reconcile", "unsubscribe", "ping", "authenticate"])
CONTACT = SubscriptionFilter('{"form_id":["contact"]}')


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
        ('{"action":"sync","cursor":"c","id":"2"}', Sync("2", "c", None, names_filter=False)),
        ('{"action":"sync","cursor":"c","filter_id":null}', Sync(None, "c", None, names_filter=True)),
        ('{"action":"sync","cursor":"c","filter_id":"f1"}', Sync(None, "c", "f1", names_filter=True)),
        ('{"action":"reconcile","held":[]}', Reconcile(None, [], 0)),
        (
            '{"action":"reconcile","id":"6","held":[["s1",1795377600000,3],["é b#\\n",0,1]],"snapshot":100}',
            Reconcile("6", [Held("s1", 1795377600000, 3), Held("é b#\n", 0, 1)], 100),
        ),
        (
            json.dumps({"action": "reconcile", "held": [["x" * 256, 0, 1]] * 100, "snapshot": None}),
            Reconcile(None, [Held("x" * 256, 0, 1)] * 100, 0),
        ),
        (
            json.dumps({"action": "reconcile", "held": [["x" * 1_024, 0, 1]] * 30}),
            Reconcile(None, [Held("x" * 1_024, 0, 1)] * 30, 0),
        ),
        ('{"action":"unsubscribe","id":"3"}', Unsubscribe("3")),
        ('{"action":"authenticate","token":"a.b.c","id":"4"}', Authenticate("4", "a.b.c")),
        ('{"action":"authenticate","token":""}', Authenticate(None, "")),
        ('{"action":"ping","id":"5"}', Ping("5")),
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
            "action: must be one of subscribe, sync, reconcile, unsubscribe, authenticate, ping, got 'dance'",
        ),
        (
            '{"action":"Ping"}',
            "unknown_action",
            "action: must be one of subscribe, sync, reconcile, unsubscribe, authenticate, ping, got 'Ping'",
        ),
        ('{"action":"ping","id":5}', "bad_request", "id: must be a string of at most 64 characters, got 5"),
        (
            json.dumps({"action": "ping", "id": "x" * 65}),
            "bad_request",
            f"id: must be a string of at most 64 characters, got '{'x' * 65}'",
        ),
        ('{"action":"sync"}', "bad_request", "cursor: is required"),
        ('{"action":"sync","cursor":5}', "bad_cursor", "cursor: must be a string, got 5"),
        (
            '{"action":"sync","cursor":"c","filter_id":5}',
            "bad_request",
            "filter_id: must be a string or null, got 5",
        ),
        (
            '{"action":"sync","cursor":"c","filter_id":["f1"]}',
            "bad_request",
            "filter_id: must be a string or null, got ['f1']",
        ),
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


HELD_FAULTS: list[tuple[dict[str, Any], str]] = [
    ({}, "held: must be a list of at most 100 items, got None"),
    ({"held": None}, "held: must be a list of at most 100 items, got None"),
    ({"held": "s1"}, "held: must be a list of at most 100 items, got 's1'"),
    ({"held": {"s1": 1}}, "held: must be a list of at most 100 items, got {'s1': 1}"),
    ({"held": [["s1", 1, 1]] * 101}, "held: must be a list of at most 100 items, got 101 items"),
    ({"held": [["s1", 1, 1], 5]}, "held[1]: must be [submission_id, incarnation, version], got 5"),
    ({"held": [None]}, "held[0]: must be [submission_id, incarnation, version], got None"),
    ({"held": ["s11"]}, "held[0]: must be [submission_id, incarnation, version], got 's11'"),
    ({"held": [[]]}, "held[0]: must be [submission_id, incarnation, version], got []"),
    ({"held": [["s1", 1]]}, "held[0]: must be [submission_id, incarnation, version], got ['s1', 1]"),
    ({"held": [["s1", 1, 1, 1]]}, "held[0]: must be [submission_id, incarnation, version], got ['s1', 1, 1, 1]"),
    ({"held": [[1, "s1", 1]]}, "held[0]: must be [submission_id, incarnation, version], got [1, 's1', 1]"),
    ({"held": [["s1", "1", 1]]}, "held[0]: must be [submission_id, incarnation, version], got ['s1', '1', 1]"),
    ({"held": [["s1", 1, 1.0]]}, "held[0]: must be [submission_id, incarnation, version], got ['s1', 1, 1.0]"),
    ({"held": [["s1", None, 1]]}, "held[0]: must be [submission_id, incarnation, version], got ['s1', None, 1]"),
    ({"held": [["s1", True, 1]]}, "held[0]: must be [submission_id, incarnation, version], got ['s1', True, 1]"),
    ({"held": [["s1", 1, False]]}, "held[0]: must be [submission_id, incarnation, version], got ['s1', 1, False]"),
    ({"held": [["", 1, 1]]}, "held[0]: must be [submission_id, incarnation, version], got ['', 1, 1]"),
    ({"held": [["\ud800", 1, 1]]}, "held[0]: must be [submission_id, incarnation, version], got ['\\ud800', 1, 1]"),
    ({"held": [], "snapshot": 101}, "snapshot: must be an integer from 0 to 100, got 101"),
    ({"held": [], "snapshot": -1}, "snapshot: must be an integer from 0 to 100, got -1"),
    ({"held": [], "snapshot": "5"}, "snapshot: must be an integer from 0 to 100, got '5'"),
]


@pytest.mark.parametrize(("fields", "message"), HELD_FAULTS, ids=[str(fields)[:40] for fields, _ in HELD_FAULTS])
def test_a_reconcile_that_is_wrong_is_refused_by_field_and_value(fields: dict[str, object], message: str) -> None:
    error = refusal(json.dumps({"action": "reconcile", "id": "7", **fields}))
    assert (error.code, error.message, error.request_id) == ("bad_request", message, "7")


def test_an_id_that_fits_no_key_is_no_id_of_a_submission() -> None:
    assert refusal(json.dumps({"action": "reconcile", "held": [["x" * 1_025, 1, 1]]})).message.startswith(
        "held[0]: must be [submission_id, incarnation, version], got ['xxx"
    )


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ('{"action":"ping","action":"unsubscribe"}', "action"),
        ('{"action":"ping","action":"ping"}', "action"),
        ('{"action":"ping","id":"1","\\u0069d":"2"}', "id"),
        ('{"action":"subscribe","filter":{"status":["a"],"status":["b"]}}', "status"),
        ('{"action":"subscribe","filter":{"status":[{"prefix":"a","prefix":"b"}]}}', "prefix"),
        ('{"":1,"":2}', ""),
    ],
)
def test_a_frame_that_says_a_field_twice_is_refused(body: str, name: str) -> None:
    error = refusal(body)
    assert (error.code, error.message) == ("bad_request", f"frame: must have each field once, got {name!r} twice")
    assert find_request_id(body) is None


def test_different_objects_may_have_fields_of_the_same_name() -> None:
    assert parse_request('{"action":"ping","a":[{"id":1},{"id":2}],"id":"5"}', LIMITS) == Ping("5")


@pytest.mark.parametrize(
    "request_",
    [
        {"action": "dance"},
        {"action": "sync"},
        {"action": "sync", "cursor": "c", "filter_id": 5},
        {"action": "reconcile"},
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
    assert parse_request(body, Limits(size, 4_096, 100)) == Ping(None)
    with pytest.raises(RequestError) as refused:
        parse_request(body, Limits(size - 1, 4_096, 100))
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
        (protocol.TOO_MANY_CONNECTIONS_OF_USER, "too_many_connections_of_user", "true"),
        (protocol.FORBIDDEN, "forbidden", "false"),
        (protocol.PROTOCOL_ERROR, "protocol_error", "false"),
    ],
    ids=["token_expired", "revoked", "too_many_connections", "of_user", "forbidden", "protocol_error"],
)
def test_a_disconnect(frame: protocol.Frame, code: str, reconnect: str) -> None:
    assert protocol.encode(frame) == f'{{"type":"disconnect","code":"{code}","reconnect":{reconnect}}}'


DATA = (
    '{"tenant_id":"t_acme","submission_id":"s1","form_id":"contact","status":"processing","version":1,'
    f'"incarnation":{NOW},"submitted_at":"{NOW_ISO}","updated_at":"{NOW_ISO}","timestamp":"{NOW_ISO}",'
    '"message":"New form submission received","event":"insert"}'
)


CURSOR = Cursor("t_acme", 1795377000000, NOW_ISO)
ENVELOPE = f'"epoch":1795377000000,"cursor":"{CURSOR.encode()}","timestamp":1795377600000}}'


CURRENT = protocol.encode(submission().build_current())


def test_one_update() -> None:
    frame = protocol.encode_update_frame([CURRENT], None, CURSOR, NOW)
    assert frame == f'{{"type":"submission_update","event":"insert","data":{DATA},{ENVELOPE}'


def test_several_updates() -> None:
    frame = protocol.encode_update_frame([CURRENT] * 2, None, CURSOR, NOW)
    update = f'{{"event":"insert","data":{DATA}}}'
    assert frame == f'{{"type":"submission_updates","updates":[{update},{update}],{ENVELOPE}'


@pytest.mark.parametrize("count", [1, 2])
def test_a_push_through_a_filter_says_which_it_was(count: int) -> None:
    frame = json.loads(protocol.encode_update_frame([CURRENT] * count, CONTACT, CURSOR, NOW))
    assert frame["filter_id"] == CONTACT.id
    assert json.loads(protocol.encode_update_frame([CURRENT] * count, None, CURSOR, NOW)) == {
        name: value for name, value in frame.items() if name != "filter_id"
    }
