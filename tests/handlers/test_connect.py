from __future__ import annotations

import json
import logging
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any

import pytest

import authorize
import connect
import message
from formbridge.connections.rate_limit import Rate
from formbridge.revocations.revocation import FOREVER, Kind, Revocation, Target
from tests.support.handlers.builders import (
    HOUR_S,
    NOW,
    LambdaContext,
    connect_event,
    disconnect_event,
    message_event,
    refused_by_frame,
)
from tests.support.handlers.builders import forbidden as with_forbidden
from tests.support.handlers.principals import HASHES, OTHER_USER, SUBJECT, USER

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.gateway import Gateway
    from tests.support.handlers.region import Region


def test_a_connection_is_registered_for_the_tenant_that_the_authorizer_chose(region: Region, clock: Clock) -> None:
    event = connect_event("t_acme", "conn-1", expires_at=NOW // 1000 + 60, signed_in_at=NOW // 1000 - 5)
    assert connect.handler(event, LambdaContext()) == {"statusCode": 200, "headers": {}}
    row = region.connection("t_acme", "conn-1") or {}
    assert row["connected_at"] == {"N": str(NOW)}
    assert row["expires_at"] == {"N": str(NOW // 1000 + 60)}
    assert row["signed_in_at"] == {"N": str(NOW // 1000 - 5)}
    assert row["subscribed"] == {"BOOL": False}


def test_a_row_outlives_the_two_hours_of_a_connection(
    region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CONNECTION_TTL_SECONDS", str(2 * HOUR_S + 1))
    connect.handler(connect_event(), LambdaContext())
    assert (region.connection("t_acme", "conn-1") or {})["ttl"] == {"N": str(NOW // 1000 + 2 * HOUR_S + 1)}


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "sec-websocket-protocol"])
def test_our_subprotocol_is_selected_where_it_is_offered_and_the_token_is_never_echoed(
    region: Region, name: str
) -> None:
    reply = connect.handler(connect_event(headers={name: "formbridge.v1, bearer.THE.JWT.x"}), LambdaContext())
    assert reply == {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "formbridge.v1"}}


@pytest.mark.parametrize("offered", ["bearer.THE.JWT.x", "formbridge.v2", ""])
def test_no_subprotocol_is_selected_where_ours_is_not_offered(region: Region, offered: str) -> None:
    reply = connect.handler(connect_event(headers={"Sec-WebSocket-Protocol": offered}), LambdaContext())
    assert reply["headers"] == {}


def test_a_disconnected_connection_loses_its_row(region: Region) -> None:
    connect.handler(connect_event(), LambdaContext())
    assert connect.handler(disconnect_event(), LambdaContext()) == {"statusCode": 200}
    assert region.connection("t_acme", "conn-1") is None


def test_a_disconnect_that_is_delivered_twice_counts_once(region: Region) -> None:
    for connection_id in ("conn-1", "conn-2"):
        connect.handler(connect_event(connection_id=connection_id), LambdaContext())
    for _ in range(2):
        assert connect.handler(disconnect_event(connection_id="conn-1"), LambdaContext()) == {"statusCode": 200}
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "1"}


def test_disconnecting_touches_no_other_connection(region: Region) -> None:
    connect.handler(connect_event("t_acme", "conn-1"), LambdaContext())
    connect.handler(connect_event("t_acme", "conn-2"), LambdaContext())
    connect.handler(disconnect_event("t_acme", "conn-2"), LambdaContext())
    connect.handler(disconnect_event("t_globex", "conn-1"), LambdaContext())
    assert region.connection("t_acme", "conn-1") is not None


def test_a_connection_that_cannot_be_registered_is_refused(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTIONS_TABLE_NAME", "another")
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        connect.handler(connect_event(), LambdaContext())


def test_a_tenant_at_its_limit_is_refused_until_a_connection_ends(
    region: Region, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "1")
    connect.handler(connect_event(connection_id="conn-1"), LambdaContext())
    caplog.set_level(logging.INFO, logger="formbridge")
    assert connect.handler(connect_event(connection_id="conn-2"), LambdaContext()) == {"statusCode": 403}
    line = vars(caplog.records[-1])
    assert (line["msg"], line["reason"]) == ("refused", "too_many_connections")
    assert (line["tenant_id"], line["connection_id"]) == ("t_acme", "conn-2")
    assert region.connection("t_acme", "conn-2") is None
    assert connect.handler(connect_event("t_globex", "conn-3"), LambdaContext())["statusCode"] == 200
    connect.handler(disconnect_event(connection_id="conn-1"), LambdaContext())
    assert connect.handler(connect_event(connection_id="conn-2"), LambdaContext())["statusCode"] == 200


def test_a_client_that_wants_it_is_let_in_over_the_limit_without_a_row(
    region: Region, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "1")
    connect.handler(connect_event(connection_id="conn-1"), LambdaContext())
    caplog.set_level(logging.INFO, logger="formbridge")
    offering = connect_event(connection_id="conn-2", headers={"Sec-WebSocket-Protocol": "formbridge.v1"})
    assert connect.handler(refused_by_frame(offering), LambdaContext()) == {
        "statusCode": 200,
        "headers": {"Sec-WebSocket-Protocol": "formbridge.v1"},
    }
    line = vars(caplog.records[-1])
    assert (line["msg"], line["reason"]) == ("refused", "too_many_connections")
    assert region.connection("t_acme", "conn-2") is None
    leaving = refused_by_frame(disconnect_event(connection_id="conn-2"))
    assert connect.handler(leaving, LambdaContext()) == {"statusCode": 200}
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "1"}


def test_a_client_that_wants_to_be_refused_by_a_frame_is_registered_like_any_other(region: Region) -> None:
    assert connect.handler(refused_by_frame(connect_event()), LambdaContext())["statusCode"] == 200
    assert region.connection("t_acme", "conn-1") is not None


def test_a_revoked_token_is_403_whatever_the_client_wants(region: Region) -> None:
    region.revoke_tenant("t_acme", NOW // 1000)
    event = refused_by_frame(connect_event(signed_in_at=NOW // 1000 - 1))
    assert connect.handler(event, LambdaContext()) == {"statusCode": 403}


# --- Revocations ----------------------------------------------------------------------------------------------

SESSION, TOKEN_ID = HASHES.hash_session("session-1"), HASHES.hash_token_id("token-1")
TARGETS = [
    Target(Kind.TENANT, "t_acme"),
    Target(Kind.USER, USER),
    Target(Kind.USER, USER, "t_acme"),
    Target(Kind.SESSION, SESSION),
    Target(Kind.TOKEN, TOKEN_ID),
]
NOW_S = NOW // 1000


def come(*, signed_in_at: int = NOW_S - 60) -> int:
    event = connect_event(signed_in_at=signed_in_at)
    event["requestContext"]["authorizer"] |= {"session": SESSION, "token_id": TOKEN_ID}
    status: int = connect.handler(event, LambdaContext())["statusCode"]
    return status


def is_registered(region: Region) -> bool:
    """Whether the connection has a row; if it has none, it is not counted either."""
    has_row = region.connection("t_acme", "conn-1") is not None
    assert (region.tenant("t_acme") or {}).get("connections", {"N": "0"}) == {"N": str(int(has_row))}
    assert len((region.user("t_acme", USER) or {}).get("connections", {}).get("SS", [])) == int(has_row)
    return has_row


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.key.partition("#")[0])
def test_whoever_is_revoked_is_refused_and_leaves_nothing(region: Region, clock: Clock, target: Target) -> None:
    region.revoke(target, Revocation(NOW_S, FOREVER))
    assert come(signed_in_at=NOW_S - 1) == 403
    assert not is_registered(region)
    assert come(signed_in_at=NOW_S) == 200
    assert is_registered(region)


def test_a_revoked_client_that_connects_again_and_again_uses_up_nothing_of_its_tenant(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_CONNECT_BURST", "1")
    region.revoke(TARGETS[1], Revocation(blocked_until=FOREVER))
    assert [come() for _ in range(3)] == [403] * 3
    assert (region.tenant("t_acme"), region.user("t_acme", USER)) == (None, None)


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.key.partition("#")[0])
def test_whoever_is_blocked_is_refused_until_the_block_ends(region: Region, clock: Clock, target: Target) -> None:
    region.revoke(target, Revocation(blocked_until=NOW_S + 60))
    assert come(signed_in_at=NOW_S + 59) == 403
    clock.advance(60_000)
    assert come(signed_in_at=NOW_S) == 200


@pytest.mark.parametrize(
    "target",
    [Target(Kind.TENANT, "t_globex"), Target(Kind.USER, OTHER_USER), Target(Kind.USER, USER, "t_globex")],
    ids=lambda target: target.key,
)
def test_the_revocation_of_another_refuses_nothing(region: Region, clock: Clock, target: Target) -> None:
    region.revoke(target, Revocation(blocked_until=FOREVER))
    assert come() == 200


def test_a_revocation_between_the_row_and_the_check_refuses(region: Region, clock: Clock) -> None:
    """The connect Lambda has written the row when `revoke` writes its item: it finds the item itself."""

    def revoke(**_: object) -> None:
        region.revoke_tenant("t_acme", NOW_S)

    events = connect.connections_table().client.meta.events
    events.register("after-call.dynamodb.PutItem", revoke)
    try:
        assert come() == 403
    finally:
        events.unregister("after-call.dynamodb.PutItem", revoke)
    assert not is_registered(region)


def test_a_revocation_after_the_last_check_finds_the_row(region: Region, clock: Clock) -> None:
    """The connect Lambda finds no item, but `revoke`, which lists the rows after its write, finds the row."""
    checks = count()
    listed: list[str] = []

    def revoke(**_: object) -> None:
        if next(checks) == 0:  # before the row is added
            return
        region.revoke_tenant("t_acme", NOW_S)
        listed.extend(row.connection_id for row in connect.connections_table().list_connections("t_acme"))

    events = connect.revocations_table().client.meta.events
    events.register("after-call.dynamodb.BatchGetItem", revoke)
    try:
        assert come() == 200
    finally:
        events.unregister("after-call.dynamodb.BatchGetItem", revoke)
    assert listed == ["conn-1"]


def test_revocations_that_cannot_be_read_let_nobody_in(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVOCATIONS_TABLE_NAME", "another")
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        come()
    assert not is_registered(region)


# --- Users ----------------------------------------------------------------------------------------------------


def test_a_user_at_the_limit_is_refused_until_a_connection_ends(
    region: Region, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_USER", "1")
    connect.handler(connect_event(connection_id="conn-1"), LambdaContext())
    caplog.set_level(logging.INFO, logger="formbridge")
    assert connect.handler(connect_event(connection_id="conn-2"), LambdaContext()) == {"statusCode": 403}
    line = vars(caplog.records[-1])
    assert (line["msg"], line["reason"], line["user"]) == ("refused", "too_many_connections_of_user", USER)
    other = connect_event(connection_id="conn-3", user=OTHER_USER)
    assert connect.handler(other, LambdaContext())["statusCode"] == 200
    connect.handler(disconnect_event(connection_id="conn-1"), LambdaContext())
    assert connect.handler(connect_event(connection_id="conn-2"), LambdaContext())["statusCode"] == 200


def test_a_user_over_the_limit_who_wants_it_is_refused_by_a_frame(
    region: Region, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_USER", "1")
    connect.handler(connect_event(connection_id="conn-1"), LambdaContext())
    event = refused_by_frame(connect_event(connection_id="conn-2"))
    assert connect.handler(event, LambdaContext())["statusCode"] == 200
    frame = refused_by_frame(message_event({"action": "subscribe"}, connection_id="conn-2"))
    assert message.handler(frame, LambdaContext()) == {"statusCode": 200}
    disconnect = {"type": "disconnect", "code": "too_many_connections_of_user", "reconnect": True}
    assert (gateway.posted("conn-2"), gateway.closed) == ([disconnect], ["conn-2"])


def test_the_tenants_own_limit_is_told_from_that_of_a_user(
    region: Region, gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "1")
    connect.handler(connect_event(connection_id="conn-1"), LambdaContext())
    connect.handler(refused_by_frame(connect_event(connection_id="conn-2", user=OTHER_USER)), LambdaContext())
    frame = refused_by_frame(message_event({"action": "subscribe"}, connection_id="conn-2"))
    frame["requestContext"]["authorizer"]["user"] = OTHER_USER
    message.handler(frame, LambdaContext())
    assert [each["code"] for each in gateway.posted("conn-2")] == ["too_many_connections"]


def test_neither_rows_nor_logs_name_a_user(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    connect.handler(connect_event(), LambdaContext())
    kept = str(region.dynamodb.scan(TableName="connections")["Items"]) + caplog.text
    lines = [vars(line) for line in caplog.records if line.name == "formbridge"]
    assert USER in kept
    assert [line["user"] for line in lines] == [USER]
    assert SUBJECT not in kept + str(lines)


# --- Shards ---------------------------------------------------------------------------------------------------


def test_a_row_stands_in_the_shard_that_the_authorizer_chose(region: Region) -> None:
    connect.handler(connect_event(shard=3), LambdaContext())
    assert region.connection("t_acme", "conn-1", 3) is not None
    assert (region.tenant("t_acme") or {})["shards"] == {"N": "4"}
    connect.handler(disconnect_event(shard=3), LambdaContext())
    assert region.connection("t_acme", "conn-1", 3) is None
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "0"}


def test_a_connection_that_was_authorized_before_there_were_shards_is_in_the_first(region: Region) -> None:
    connect.handler(connect_event(shard=None), LambdaContext())
    assert region.connection("t_acme", "conn-1") is not None
    assert "shards" not in (region.tenant("t_acme") or {})
    connect.handler(disconnect_event(shard=None), LambdaContext())
    assert region.connection("t_acme", "conn-1") is None


def test_whatever_number_of_shards_is_set_meanwhile_no_connection_is_stranded(
    region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arrive(connection_id: str, shards: int) -> int:
        monkeypatch.setenv("CONNECTION_SHARDS", str(shards))
        shard = authorize.choose_shard(connection_id)
        event = connect_event(connection_id=connection_id, shard=shard)
        assert connect.handler(event, LambdaContext())["statusCode"] == 200
        return shard

    came = {f"conn-{n}": arrive(f"conn-{n}", shards) for n, shards in enumerate([1, 1, 8, 8, 8, 8, 2, 2, 1])}
    assert max(came.values()) > 1

    for connection_id, shard in came.items():
        asked = message_event({"action": "subscribe"}, connection_id=connection_id, shard=shard)
        assert json.loads(message.handler(asked, LambdaContext())["body"])["type"] == "subscribed"
    roster = connect.connections_table().read_tenant_connections("t_acme")
    assert {row.connection_id: row.key.shard for row in roster.subscribed} == came

    for connection_id, shard in came.items():
        connect.handler(disconnect_event(connection_id=connection_id, shard=shard), LambdaContext())
    assert list(connect.connections_table().list_connections("t_acme")) == []
    assert connect.connections_table().read_tenant_connections("t_acme").reserved == 0


# --- The rate of new connections ------------------------------------------------------------------------------


@pytest.fixture
def two_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two connections of a tenant at once, and one more per second."""
    monkeypatch.setenv("TENANT_CONNECTS_PER_SECOND", "1")
    monkeypatch.setenv("TENANT_CONNECT_BURST", "2")


def arrive(connection_id: str, tenant_id: str = "t_acme", *, by_frame: bool = False) -> int:
    """The status of a handshake."""
    event = connect_event(tenant_id, connection_id)
    return connect.handler(refused_by_frame(event) if by_frame else event, LambdaContext())["statusCode"]


@pytest.mark.parametrize("by_frame", [False, True])
def test_a_tenant_that_connects_too_fast_is_429_until_there_are_tokens(
    region: Region,
    clock: Clock,
    two_at_once: None,
    by_frame: bool,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert [arrive(f"conn-{n}", by_frame=by_frame) for n in range(2)] == [200, 200]
    caplog.set_level(logging.INFO, logger="formbridge")
    assert arrive("conn-3", by_frame=by_frame) == 429
    line = vars(caplog.records[-1])
    assert (line["msg"], line["reason"], line["tenant_id"]) == ("refused", "connect_rate", "t_acme")
    assert json.loads(capsys.readouterr().out)["ConnectsOverTenantRate"] == 1
    assert region.connection("t_acme", "conn-3") is None
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "2"}
    assert arrive("conn-4", "t_globex") == 200
    clock.advance(999)
    assert arrive("conn-3", by_frame=by_frame) == 429
    clock.advance(1)
    assert arrive("conn-3", by_frame=by_frame) == 200
    assert arrive("conn-5", by_frame=by_frame) == 429


def test_connections_that_are_accepted_to_be_refused_count_too(
    region: Region, clock: Clock, two_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """API Gateway keeps such a connection until it sends a frame, or for ten minutes."""
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "1")
    assert [arrive(f"conn-{n}", by_frame=True) for n in range(4)] == [200, 200, 429, 429]
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "1"}
    clock.advance(1_000)
    assert arrive("conn-5", by_frame=True) == 200


def test_handshakes_that_are_refused_by_status_take_no_token(
    region: Region, clock: Clock, two_at_once: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "1")
    assert [arrive(f"conn-{n}") for n in range(4)] == [200, 403, 403, 403]
    connect.handler(disconnect_event(connection_id="conn-0"), LambdaContext())
    assert arrive("conn-5") == 200


def test_a_storm_of_a_full_tenant_heals_by_the_backoff_of_its_clients(region: Region, clock: Clock) -> None:
    """The defaults, at a hundredth: 50 clients, 5 at once, and one more every two seconds."""
    rate, chance = Rate(per_second=1, burst=5), Random("storm")
    tenants = connect.connections_table().tenants
    waiting: dict[int, tuple[int, int]] = dict.fromkeys(range(50), (0, clock.ms))
    attempts = 0
    while waiting:
        clock.advance(100)
        for number, (failures, due) in [*waiting.items()]:
            if due > clock.ms:
                continue
            attempts += 1
            if tenants.reserve("t_acme", clock.ms, 50, 0, rate) is None:
                del waiting[number]
            else:
                wait_ms = chance.uniform(0, min(30, 2**failures)) * 1_000
                waiting[number] = (failures + 1, clock.ms + int(wait_ms))
    assert clock.ms - NOW < 3 * (50 - 5) * 1_000
    assert attempts < 50 * 15


# --- What is no connection's ----------------------------------------------------------------------------------


def frame_named(action: str, tenant_id: str = "t_acme", connection_id: str = "conn-1") -> dict[str, Any]:
    """A frame that API Gateway routes to the connect Lambda."""
    frame = message_event({"action": action, "id": "7"}, tenant_id, connection_id)
    frame["requestContext"]["routeKey"] = action
    return frame


NAMED_LIKE_A_ROUTE = pytest.mark.parametrize("action", ["$connect", "$disconnect"])


@NAMED_LIKE_A_ROUTE
def test_a_frame_named_like_a_route_of_ours_neither_connects_nor_disconnects(
    region: Region, clock: Clock, action: str
) -> None:
    connect.handler(connect_event(), LambdaContext())
    before = region.connection("t_acme", "conn-1") or {}
    reply = json.loads(connect.handler(frame_named(action), LambdaContext())["body"])
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "7", "unknown_action")
    after = region.connection("t_acme", "conn-1") or {}
    assert after.pop("full_at")
    assert after == before


@NAMED_LIKE_A_ROUTE
def test_such_frames_count_like_all_frames_and_end_the_connection(
    region: Region, gateway: Gateway, clock: Clock, action: str
) -> None:
    connect.handler(connect_event(), LambdaContext())
    answers = [connect.handler(frame_named(action), LambdaContext()) for _ in range(300)]
    replies = [json.loads(answer["body"])["code"] for answer in answers if "body" in answer]
    assert replies[:120] == ["unknown_action"] * 20 + ["rate_limited"] * 100
    assert "body" not in answers[120]
    assert set(replies[120:]) == {"unauthorized"}
    assert [method for method, *_ in gateway.server.requests] == ["POST", "DELETE"]
    assert region.connection("t_acme", "conn-1") is None


def test_such_frames_count_against_the_tenants_budget_too(
    region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TENANT_MESSAGE_BURST", "3")
    for number in range(5):
        connect.handler(connect_event(connection_id=f"conn-{number}"), LambdaContext())
    answers = [connect.handler(frame_named("$connect", connection_id=f"conn-{n}"), LambdaContext()) for n in range(5)]
    replies = [json.loads(answer["body"]) for answer in answers]
    assert [reply.get("limit") for reply in replies] == [None] * 3 + ["tenant"] * 2


@NAMED_LIKE_A_ROUTE
def test_a_forbidden_connection_that_sends_such_a_frame_is_closed(
    region: Region, gateway: Gateway, clock: Clock, action: str
) -> None:
    answer = connect.handler(with_forbidden(frame_named(action)), LambdaContext())
    assert answer == {"statusCode": 200}
    assert gateway.server.requests[0][2] == '{"type":"disconnect","code":"forbidden","reconnect":false}'
    assert [method for method, *_ in gateway.server.requests] == ["POST", "DELETE"]
