"""Each handler makes the AWS calls that `tests/program/needs.py` says it makes, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import boto3.session
import pytest
from botocore import xform_name
from botocore.config import Config

import broadcast
import connect
import message
import persist
from formbridge.aws import CONFIG
from formbridge.connection import Connection
from formbridge.cursor import Cursor
from formbridge.registry import Registry
from tests.handlers.builders import (
    HOUR_S,
    NOW,
    LambdaContext,
    connect_event,
    disconnect_event,
    inserted,
    message_event,
    received,
    submission,
)
from tests.handlers.region import CONNECTIONS, SUBMISSIONS
from tests.program import needs

if TYPE_CHECKING:
    from botocore.model import OperationModel

    from tests.handlers.clock import Clock
    from tests.handlers.region import Region
    from tests.handlers.server import Answer, LocalServer

Calls = set[tuple[str, str]]
"""IAM action and resource of each."""

HANDLERS = Path(__file__).resolve().parents[2] / "handlers"
TABLES = {SUBMISSIONS: needs.TABLE, CONNECTIONS: needs.CONNECTIONS}
"""Which of AWS's tables each of these stands for."""
ERRORS = {410: "GoneException", 429: "LimitExceededException"}


def needed(model: OperationModel, params: Mapping[str, Any]) -> tuple[str, str]:
    """What a request needs to be allowed."""
    match model.service_model.service_name:
        case "dynamodb":
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            return f"dynamodb:{model.name}", f"{TABLES[params['TableName']]}{index}"
        case "sqs":
            return f"sqs:{model.name}", needs.INGEST_DEAD_LETTERS
        case "apigatewaymanagementapi":
            return "execute-api:ManageConnections", f"{needs.API}/live/{model.http['method']}/{needs.CONNECTION}"
        case other:
            raise AssertionError(f"{other}: no handler is known to ask it anything")


@pytest.fixture
def calls(region: Region, monkeypatch: pytest.MonkeyPatch) -> Calls:
    """What is asked by the clients that are made from here on: those of the handlers."""
    made: Calls = set()

    def note(params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        made.add(needed(model, params))

    session = boto3.session.Session()
    session.events.register("provide-client-params", note)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", session)
    return made


@dataclass(frozen=True)
class Gateway:
    """The connections of a tenant, and @connections."""

    registry: Registry
    statuses: dict[str, int]
    """What a post to a connection is answered with; 200 unless it says otherwise."""

    def subscribe(self, connection_id: str, *, status: int = 200, expires_in: int = HOUR_S) -> Connection:
        """A connection that is a minute old."""
        self.statuses[connection_id] = status
        connection = Connection("t_acme", connection_id, NOW - 60_000, NOW // 1000 + expires_in)
        self.registry.add(connection, 2 * HOUR_S)
        self.registry.subscribe("t_acme", connection_id)
        return connection


@pytest.fixture
def gateway(
    region: Region, clock: Clock, serve: Callable[[Answer], LocalServer], monkeypatch: pytest.MonkeyPatch
) -> Gateway:
    statuses: dict[str, int] = {}

    def answer(_method: str, path: str) -> tuple[int, str]:
        status = statuses[path.rpartition("/")[2]]
        return status, json.dumps({"__type": ERRORS[status]}) if status in ERRORS else ""

    server = serve(answer)
    monkeypatch.setenv("MANAGEMENT_ENDPOINT", f"{server.url}/live")
    once = CONFIG.merge(Config(retries={"mode": "standard", "total_max_attempts": 1}))
    monkeypatch.setattr(broadcast, "CONFIG", once)
    return Gateway(Registry(region.dynamodb, CONNECTIONS), statuses)


def test_persist(calls: Calls) -> None:
    persist.handler(received(), LambdaContext())
    persist.handler(received(tenant_id="malformed"), LambdaContext())

    assert calls == set(needs.CALLS["ingest-persist"])


def test_connect(calls: Calls, clock: Clock) -> None:
    connect.handler(connect_event(), LambdaContext())
    connect.handler(disconnect_event(), LambdaContext())

    assert calls == set(needs.CALLS["gateway-connect"])


def test_message(calls: Calls, gateway: Gateway) -> None:
    gateway.subscribe("conn-1")
    cursor = Cursor.complete("t_acme", NOW).encode()
    for request in ({"action": "subscribe"}, {"action": "sync", "cursor": cursor}, {"action": "unsubscribe"}):
        message.handler(message_event(request), LambdaContext())

    assert calls == set(needs.CALLS["gateway-message"])


def test_broadcast(calls: Calls, gateway: Gateway) -> None:
    gateway.subscribe("posted")
    gateway.subscribe("gone", status=410)
    gateway.subscribe("slow", status=429)
    gateway.subscribe("expired", expires_in=-1)
    gateway.registry.mark_behind(gateway.subscribe("behind"), NOW)
    broadcast.handler([inserted(submission())], LambdaContext())

    assert calls == set(needs.CALLS["gateway-broadcast"])


def test_authorize_has_no_client() -> None:
    with_clients = {path.stem for path in HANDLERS.glob("*.py") if "boto3" in path.read_text()}

    assert with_clients == {name.partition("-")[2] for name, needed in needs.CALLS.items() if needed}


def test_no_source_asks_aws_in_another_way() -> None:
    source = "".join(path.read_text() for path in HANDLERS.rglob("*.py"))
    asked = {"".join(either) for either in re.findall(r'\bclient\.(?:get_paginator\("(\w+)"|(\w+)\()', source)}
    actions = {action.partition(":")[2] for needed in needs.CALLS.values() for action, _ in needed}

    # These two are what ManageConnections is needed for.
    expected = actions - {"ManageConnections"} | {"PostToConnection", "DeleteConnection"}
    assert asked == {xform_name(action) for action in expected}
