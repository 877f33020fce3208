"""The Lambda of `notices`: a notice reaches the subscribed connections of its tenant, and no other."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import boto3
from moto import mock_aws

from examples.notices.notify import notify
from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.connections.table import ConnectionsTable
from formbridge.runtime.clock import now_ms
from tests.support.handlers.region import CONNECTIONS, make_connections_table
from tests.support.handlers.server import serving

if TYPE_CHECKING:
    import pytest
    from mypy_boto3_dynamodb import DynamoDBClient

SUBSCRIBED = {"t_berlin": ["here", "gone", "too"], "t_paris": ["elsewhere"]}


def fill(client: DynamoDBClient) -> None:
    make_connections_table(client)
    connections_table = ConnectionsTable(client, CONNECTIONS)
    for tenant_id, connections in SUBSCRIBED.items():
        for connection_id in connections:
            key = ConnectionKey(tenant_id, connection_id)
            connections_table.add(Connection(key, now_ms(), 2_000_000_000), max_connections=10, max_user_connections=10)
            connections_table.subscribe(key, None, "1")
    connections_table.add(
        Connection(ConnectionKey("t_berlin", "silent"), now_ms(), 2_000_000_000),
        max_connections=10,
        max_user_connections=10,
    )


def test_a_notice_reaches_the_subscribed_connections_of_its_tenant(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(_method: str, path: str) -> tuple[int, str]:
        return (410, '{"__type": "GoneException"}') if path.endswith("gone") else (200, "")

    with serving(answer) as api, mock_aws(config=_beside(api.url)):
        monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
        monkeypatch.setenv("CONNECTIONS_TABLE_NAME", CONNECTIONS)
        monkeypatch.setenv("MANAGEMENT_ENDPOINT", api.url)
        fill(boto3.client("dynamodb"))

        answered = notify.handler({"tenant_id": "t_berlin", "text": "Closed on Friday"}, None)

    assert answered == {"reached": 2}
    assert {path.removeprefix("/%40connections/").removeprefix("/@connections/") for _, path, _ in api.requests} == {
        "here",
        "gone",
        "too",
    }
    assert {body for _, _, body in api.requests} == {json.dumps({"type": "notice", "text": "Closed on Friday"})}


def _beside(url: str) -> Any:
    """Moto answers for AWS, and this server for itself."""
    return {"core": {"passthrough": {"urls": [f"{url}.*"]}}}
