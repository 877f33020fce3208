from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any

import pytest

import connect
import janitor
import message
from formbridge.access.principal import Principal
from formbridge.broadcast.janitor import ConnectionState
from formbridge.connections.connection import ConnectionKey
from formbridge.connections.tenant_row import PERIOD_MS
from tests.support.handlers.builders import HOUR_S, NOW, LambdaContext, connect_event, message_event
from tests.support.handlers.principals import USER

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.gateway import Gateway
    from tests.support.handlers.region import Region

RESYNC = {"type": "resync", "reason": "behind"}
TOKEN_EXPIRED = {"type": "disconnect", "code": "token_expired", "reconnect": True}
REVOKED = {"type": "disconnect", "code": "revoked", "reconnect": True}

NOW_S = NOW // 1000
MAX_CONNECTION_MS = 130 * 60_000
"""After this time, the row of a connection is removed even if nobody knows of its end."""


def sweep() -> None:
    janitor.handler({"source": "aws.events"}, LambdaContext())


def counted(capsys: pytest.CaptureFixture[str]) -> int:
    """The connections that the metric's line counts."""
    (line,) = capsys.readouterr().out.splitlines()
    read = json.loads(line)
    names = [metric["Name"] for metric in read["_aws"]["CloudWatchMetrics"][0]["Metrics"]]
    assert names == ["WebSocketConnections", "StaleConnectionCleanups", "Failures"]
    return read["WebSocketConnections"]


def test_each_connection_is_put_right_and_what_is_left_is_counted(
    gateway: Gateway,
    region: Region,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    for connection_id in ("live", "behind"):
        gateway.subscribe(connection_id)
    gateway.subscribe("expired", expires_in=60)
    gateway.subscribe("revoked", "t_globex")
    connect.connections_table().mark_behind(ConnectionKey("t_acme", "behind"), NOW)
    region.revoke_tenant("t_globex", NOW_S)
    caplog.set_level(logging.INFO, logger="formbridge")

    sweep()

    assert gateway.posted("live") == []
    assert gateway.posted("behind") == [RESYNC]
    assert gateway.posted("expired") == [TOKEN_EXPIRED]
    assert gateway.posted("revoked") == [REVOKED]
    assert sorted(gateway.closed) == ["expired", "revoked"]
    assert "behind" not in (region.connection("t_acme", "behind") or {})
    assert region.connection("t_acme", "expired") is None
    assert region.connection("t_globex", "revoked") is None
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "2"}
    assert (region.tenant("t_globex") or {})["connections"] == {"N": "0"}
    assert counted(capsys) == 2
    line = vars(caplog.records[-1])
    found = {kind.value: line[kind.value] for kind in ConnectionState}
    assert found == {"live": 1, "behind": 1, "expired": 1, "revoked": 1, "silent": 0, "outlived": 0}
    assert (line["corrections"], line["failures"]) == (0, 0)


def test_a_connection_whose_token_was_renewed_lives_on(
    gateway: Gateway, region: Region, clock: Clock, capsys: pytest.CaptureFixture[str]
) -> None:
    gateway.subscribe("a", expires_in=60)
    renewed = Principal(USER, signed_in_at=NOW_S)
    connect.connections_table().extend(ConnectionKey("t_acme", "a"), clock.ms // 1000 + HOUR_S, renewed)
    region.revoke_tenant("t_acme", NOW_S)
    sweep()
    assert gateway.server.requests == []
    assert counted(capsys) == 1


def test_a_connection_that_ended_unnoticed_is_forgotten_and_makes_room(
    gateway: Gateway, region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "1")
    gateway.subscribe("a", expires_in=3 * HOUR_S)
    clock.advance(MAX_CONNECTION_MS)
    assert connect.handler(connect_event(connection_id="b"), LambdaContext())["statusCode"] == 403
    sweep()
    assert region.connection("t_acme", "a") is None
    assert gateway.server.requests == []
    assert connect.handler(connect_event(connection_id="b"), LambdaContext())["statusCode"] == 200


def test_a_row_that_dynamodb_dropped_makes_room_too(gateway: Gateway, region: Region, clock: Clock) -> None:
    gateway.subscribe("a")
    key: dict[str, Any] = {"PK": {"S": "TENANT#t_acme"}, "SK": {"S": "CONN#a"}}
    region.dynamodb.delete_item(TableName="connections", Key=key)
    sweep()
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "1"}
    clock.advance(PERIOD_MS + 60_000)
    sweep()
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "1"}
    clock.advance(60_000)
    sweep()
    assert (region.tenant("t_acme") or {})["connections"] == {"N": "0"}


def test_a_connection_that_died_unnoticed_is_found_after_two_heartbeats_and_makes_room(
    gateway: Gateway, region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "2")
    gateway.subscribe("dead")
    gateway.subscribe("alive")
    gateway.statuses["dead"] = 410
    clock.advance(601_000)
    sweep()
    assert sorted(gateway.server.requests) == [
        ("GET", "/live/@connections/alive", ""),
        ("GET", "/live/@connections/dead", ""),
    ]
    assert counted(capsys) == 2
    assert region.connection("t_acme", "dead") is None
    assert connect.handler(connect_event(connection_id="new"), LambdaContext())["statusCode"] == 200
    gateway.server.requests.clear()
    clock.advance(599_000)
    sweep()
    assert gateway.server.requests == []


def test_a_frame_of_the_client_puts_off_the_next_probe(gateway: Gateway, clock: Clock) -> None:
    gateway.subscribe("a")
    clock.advance(601_000)
    message.handler(message_event({"action": "ping"}, connection_id="a"), LambdaContext())
    sweep()
    assert gateway.server.requests == []


def test_a_gateway_that_does_not_let_us_close_fails_the_run_after_all_others(
    gateway: Gateway, region: Region, capsys: pytest.CaptureFixture[str]
) -> None:
    for connection_id in ("a", "b"):
        gateway.subscribe(connection_id, expires_in=60)
    gateway.statuses["a"] = 403
    with pytest.raises(ExceptionGroup) as raised:
        sweep()
    assert ["403" in str(error) for error in raised.value.exceptions] == [True]
    assert region.connection("t_acme", "a") is not None
    assert region.connection("t_acme", "b") is None
    # The number of connections has no gap for it.
    assert counted(capsys) == 0
