"""Each handler makes the AWS calls that `tests/program/needs.py` says it makes, and no other."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import boto3.session
import pytest
from botocore import xform_name

import authenticate
import broadcast
import connect
import janitor
import message
import persist
from formbridge.cursor import Cursor
from formbridge.tenants import LONGEST_MS, QUARTER_MS
from tests.handlers import issuer
from tests.handlers.builders import (
    NOW,
    LambdaContext,
    connect_event,
    disconnect_event,
    inserted,
    message_event,
    received,
    submission,
)
from tests.handlers.connections import connection
from tests.handlers.region import CONNECTIONS, SUBMISSIONS
from tests.program import needs

if TYPE_CHECKING:
    from botocore.model import OperationModel

    from tests.handlers.clock import Clock
    from tests.handlers.gateway import Gateway
    from tests.handlers.region import Region

Calls = set[tuple[str, str]]
"""IAM action and resource of each."""

HANDLERS = Path(__file__).resolve().parents[2] / "handlers"
TABLES = {SUBMISSIONS: needs.TABLE, CONNECTIONS: needs.CONNECTIONS}
"""Which of AWS's tables each of these stands for."""


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


@pytest.fixture
def one_message_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends more is disconnected at its second refusal."""
    monkeypatch.setenv("MESSAGES_PER_SECOND", "1")
    monkeypatch.setenv("MESSAGE_BURST", "1")
    monkeypatch.setattr("formbridge.session.MAX_REFUSALS", 1)


def test_persist(calls: Calls) -> None:
    persist.handler(received(), LambdaContext())
    persist.handler(received(tenant_id="malformed"), LambdaContext())

    assert calls == set(needs.CALLS["ingest-persist"])


def test_connect(calls: Calls, clock: Clock) -> None:
    connect.handler(connect_event(), LambdaContext())
    connect.handler(disconnect_event(), LambdaContext())

    assert calls == set(needs.CALLS["gateway-connect"])


def test_message(calls: Calls, gateway: Gateway, clock: Clock, one_message_a_second: None) -> None:
    gateway.subscribe("conn-1")
    calls.clear()
    cursor = Cursor.complete("t_acme", NOW).encode()
    for request in ({"action": "subscribe"}, {"action": "sync", "cursor": cursor}, {"action": "unsubscribe"}):
        clock.advance(1_000)
        message.handler(message_event(request), LambdaContext())
    for _ in range(2):
        message.handler(message_event({"action": "ping"}), LambdaContext())

    assert gateway.closed == ["conn-1"]
    assert calls == set(needs.CALLS["gateway-message"])


def test_authenticate(calls: Calls, gateway: Gateway, trusted_issuer: None, one_message_a_second: None) -> None:
    gateway.subscribe("conn-1")
    calls.clear()
    request = {"action": "authenticate", "token": issuer.token()}
    reply, *_ = [authenticate.handler(message_event(request), LambdaContext()) for _ in range(3)]

    assert json.loads(reply["body"])["type"] == "authenticated"
    assert gateway.closed == ["conn-1"]
    assert calls == set(needs.CALLS["gateway-authenticate"])


def test_broadcast(calls: Calls, gateway: Gateway) -> None:
    for connection_id in ("posted", "gone", "slow", "behind"):
        gateway.subscribe(connection_id)
    gateway.subscribe("expired", expires_in=60)
    connect.registry().mark_behind(connection("behind"), NOW)
    gateway.statuses |= {"gone": 410, "slow": 429}
    calls.clear()
    broadcast.handler([inserted(submission())], LambdaContext())

    assert calls == set(needs.CALLS["gateway-broadcast"])


def test_janitor(calls: Calls, gateway: Gateway, clock: Clock) -> None:
    gateway.subscribe("outlived", "t_globex")
    clock.advance(LONGEST_MS + QUARTER_MS)
    gateway.subscribe("behind")
    gateway.subscribe("expired", expires_in=60)
    connect.registry().mark_behind(connection("behind"), NOW)
    calls.clear()
    janitor.handler({}, LambdaContext())

    assert gateway.closed == ["expired"]
    assert calls == set(needs.CALLS["gateway-janitor"])


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
