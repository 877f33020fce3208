from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

import connect
from tests.handlers.builders import HOUR_S, NOW, LambdaContext, connect_event, disconnect_event, message_event

if TYPE_CHECKING:
    from tests.handlers.clock import Clock
    from tests.handlers.region import Region


def test_a_connection_is_registered_for_the_tenant_that_the_authorizer_chose(region: Region, clock: Clock) -> None:
    assert connect.handler(connect_event("t_acme", "conn-1", expires_at=NOW // 1000 + 60), LambdaContext()) == {
        "statusCode": 200,
        "headers": {},
    }
    row = region.connection("t_acme", "conn-1") or {}
    assert row["connected_at"] == {"N": str(NOW)}
    assert row["expires_at"] == {"N": str(NOW // 1000 + 60)}
    assert row["subscribed"] == {"BOOL": False}


def test_a_row_outlives_the_two_hours_of_a_connection(region: Region, clock: Clock) -> None:
    connect.handler(connect_event(), LambdaContext())
    ttl = (region.connection("t_acme", "conn-1") or {}).get("ttl", {}).get("N", "0")
    assert int(ttl) > NOW // 1000 + 2 * HOUR_S


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


@pytest.mark.parametrize("action", ["$connect", "$disconnect"])
def test_a_frame_named_like_a_route_of_ours_neither_connects_nor_disconnects(region: Region, action: str) -> None:
    connect.handler(connect_event(), LambdaContext())
    before = region.connection("t_acme", "conn-1")
    frame = message_event(f'{{"action":"{action}"}}')
    frame["requestContext"]["routeKey"] = action
    reply = json.loads(connect.handler(frame, LambdaContext())["body"])
    assert (reply["type"], reply["code"]) == ("error", "unknown_action")
    assert region.connection("t_acme", "conn-1") == before
