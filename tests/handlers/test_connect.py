from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest

import authorize
import connect
import message
from tests.support.handlers.builders import (
    HOUR_S,
    NOW,
    LambdaContext,
    connect_event,
    disconnect_event,
    message_event,
    refused_by_frame,
)

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
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


def test_a_token_that_was_issued_before_its_tenant_was_revoked_is_refused(region: Region) -> None:
    region.revoke_tenant("t_acme", NOW // 1000)
    assert connect.handler(connect_event(signed_in_at=NOW // 1000 - 1), LambdaContext()) == {"statusCode": 403}
    assert region.connection("t_acme", "conn-1") is None
    assert connect.handler(connect_event(signed_in_at=NOW // 1000), LambdaContext())["statusCode"] == 200


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
    def come(connection_id: str, shards: int) -> int:
        monkeypatch.setenv("CONNECTION_SHARDS", str(shards))
        shard = authorize.choose_shard(connection_id)
        event = connect_event(connection_id=connection_id, shard=shard)
        assert connect.handler(event, LambdaContext())["statusCode"] == 200
        return shard

    came = {f"conn-{n}": come(f"conn-{n}", shards) for n, shards in enumerate([1, 1, 8, 8, 8, 8, 2, 2, 1])}
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


# --- What is no connection's ----------------------------------------------------------------------------------


@pytest.mark.parametrize("action", ["$connect", "$disconnect"])
def test_a_frame_named_like_a_route_of_ours_neither_connects_nor_disconnects(region: Region, action: str) -> None:
    connect.handler(connect_event(), LambdaContext())
    before = region.connection("t_acme", "conn-1")
    frame = message_event({"action": action, "id": "7"})
    frame["requestContext"]["routeKey"] = action
    reply = json.loads(connect.handler(frame, LambdaContext())["body"])
    assert (reply["type"], reply["id"], reply["code"]) == ("error", "7", "unknown_action")
    assert region.connection("t_acme", "conn-1") == before
