"""Revoking a tenant, under moto and with a gateway's @connections on 127.0.0.1."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

import tools.revoke
from formbridge.broadcast import accounting
from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.connections.table import ConnectionsTable
from formbridge.posting import poster
from formbridge.runtime import aws
from tests.support.handlers.region import CONNECTIONS, make_connections_table
from tests.support.handlers.server import LocalServer, serving
from tools.__main__ import main
from tools.revoke import revoke

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

NOW = 1_800_000_000
"""The test's moment, in epoch seconds."""


class Clock:
    monotonic = staticmethod(time.monotonic)
    monotonic_ns = staticmethod(time.monotonic_ns)

    @staticmethod
    def time() -> float:
        return NOW + 0.7


@dataclass(frozen=True)
class Stack:
    """A connections table, and the connections' gateway."""

    connections_table: ConnectionsTable
    server: LocalServer
    statuses: dict[str, int]
    """What a connection is answered with, where that is not 200."""

    @property
    def endpoint(self) -> str:
        return f"{self.server.url}/live"

    def connect(
        self, connection_id: str, tenant_id: str = "t_acme", *, issued_at: int = NOW - 60, status: int = 200
    ) -> None:
        self.statuses[connection_id] = status
        assert self.add(connection_id, tenant_id, issued_at) is None

    def add(self, connection_id: str, tenant_id: str, issued_at: int) -> str | None:
        """A connection with a token of that time, or why there is none."""
        key = ConnectionKey(tenant_id, connection_id)
        return self.connections_table.add(Connection(key, NOW * 1000, NOW + 3600, issued_at, ttl=2**32), 10)

    def connections(self, tenant_id: str = "t_acme") -> set[str]:
        return {connection.connection_id for connection in self.connections_table.list_connections(tenant_id)}


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(tools.revoke, "time", Clock)
    # moto keeps its tables in plain dictionaries, and two requests at once may trip over one.
    monkeypatch.setattr(accounting, "WRITER_THREADS", 1)
    monkeypatch.setattr(poster, "BACKOFF_SECONDS", 0.001)
    statuses: dict[str, int] = {}

    def answer(_method: str, path: str) -> tuple[int, str]:
        status = statuses[path.rpartition("/")[2]]
        return status, json.dumps({"__type": {410: "GoneException", 403: "ForbiddenException"}.get(status, "")})

    aws.session.cache_clear()
    with mock_aws(), serving(answer) as server:
        client = boto3.client("dynamodb")
        make_connections_table(client)
        yield Stack(ConnectionsTable(client, CONNECTIONS), server, statuses)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str, str]]:
    """`python -m tools revoke`: its exit code, output and errors."""

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["tools", "revoke", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        return ended.value.code or 0, output, errors

    return run


def test_every_connection_of_the_tenant_is_told_closed_and_forgotten(stack: Stack) -> None:
    for connection_id in ("one", "two"):
        stack.connect(connection_id)
    stack.connect("gone", status=410)
    stack.connect("other", "t_globex")

    assert revoke("t_acme", CONNECTIONS, stack.endpoint) == tools.revoke.Revocation(3, [])
    assert stack.connections() == set()
    assert stack.connections("t_globex") == {"other"}
    told = {"type": "disconnect", "code": "revoked", "reconnect": True}
    for connection_id in ("one", "two"):
        path = f"/live/@connections/{connection_id}"
        mine = [(method, body) for method, asked, body in stack.server.requests if asked == path]
        assert [method for method, _ in mine] == ["POST", "DELETE"]
        assert json.loads(mine[0][1]) == told
    assert not [path for _, path, _ in stack.server.requests if "other" in path]


def test_every_token_issued_until_now_is_refused_and_a_later_one_is_not(stack: Stack) -> None:
    revoke("t_acme", CONNECTIONS, stack.endpoint)

    assert stack.add("new", "t_acme", NOW) == "revoked"
    assert stack.add("new", "t_globex", NOW) is None
    assert stack.add("new", "t_acme", NOW + 1) is None


def test_a_connection_that_has_a_later_token_stays(stack: Stack) -> None:
    stack.connect("old", issued_at=NOW)
    stack.connect("new", issued_at=NOW + 1)

    assert revoke("t_acme", CONNECTIONS, stack.endpoint).closed == 1
    assert stack.connections() == {"new"}


def test_those_that_fail_do_not_stop_the_others_and_are_named(
    stack: Stack, run: Callable[..., tuple[object, str, str]]
) -> None:
    stack.connect("forbidden", status=403)
    stack.connect("slow", status=429)
    stack.connect("fine")
    code, output, errors = run("--tenant", "t_acme", "--table", CONNECTIONS, "--endpoint", stack.endpoint)

    assert code == 1
    assert output == "t_acme is revoked; connections closed: 1\n"
    assert "forbidden: " in errors
    assert "slow: cannot be reached now" in errors
    assert stack.connections() == {"forbidden", "slow"}
    # The janitor, or whoever runs it again, knows what is left to do.
    assert stack.add("new", "t_acme", NOW) == "revoked"


def test_it_prints_how_many(stack: Stack, run: Callable[..., tuple[object, str, str]]) -> None:
    stack.connect("one")

    options = ("--tenant", "t_acme", "--table", CONNECTIONS, "--endpoint", stack.endpoint)
    assert run(*options) == (0, "t_acme is revoked; connections closed: 1\n", "")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"--tenant": "acme"}, "error: --tenant: must match ^t_[A-Za-z0-9_-]{1,64}$, got 'acme'"),
        ({"--endpoint": "wss://host/live"}, "error: --endpoint: must be https://HOST/STAGE, got 'wss://host/live'"),
        ({"--table": "missing"}, "error: --table missing: An error occurred (ResourceNotFoundException)"),
    ],
)
def test_bad_input_is_an_error_that_names_option_and_value(
    stack: Stack, run: Callable[..., tuple[object, str, str]], changed: dict[str, str], message: str
) -> None:
    options = {"--tenant": "t_acme", "--table": CONNECTIONS, "--endpoint": stack.endpoint} | changed
    code, output, errors = run(*(word for option in options.items() for word in option))

    assert (code, output) == (1, "")
    assert errors.startswith(message)
