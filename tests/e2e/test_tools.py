"""`python -m tools` against the running stack."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from formbridge.connections.table import ConnectionsTable
from local.emulator import build_local_environment
from local.emulator_client import client
from tests.e2e.conftest import ROOT
from tests.support.e2e.client import PATIENCE, Producer, aws, aws_environment, dashboard
from tests.support.processes import Printed

if TYPE_CHECKING:
    from local.stack import Stack

Mint = Callable[..., str]


def tools(*words: str, **environment: str) -> subprocess.Popen[str]:
    """`python -m tools`, started."""
    return subprocess.Popen(
        [sys.executable, "-m", "tools", *words],
        cwd=ROOT,
        env=build_local_environment(os.environ) | environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass(frozen=True)
class Tail:
    """A running `tail --json`."""

    process: subprocess.Popen[str]
    output: Printed
    errors: Printed

    def change(self) -> tuple[str, str, int]:
        """Event, submission and version of the next line."""
        change = json.loads(self.output.line(PATIENCE))
        return change["event"], change["data"]["submission_id"], change["data"]["version"]

    def tells(self, pattern: str) -> str:
        """The first match of a pattern in what it says beside its output."""
        while True:
            if match := re.search(pattern, self.errors.line(PATIENCE)):
                return match[0]


@pytest.fixture
def tail(stack: Stack, token: Mint, tenant: str) -> Callable[..., Any]:
    """Starts `tail` for the test's tenant."""

    @contextmanager
    def running(*options: str) -> Generator[Tail]:
        words = ("tail", "--json", "--url", stack.output("websocket_url"), *options)
        with tools(*words, FORMBRIDGE_TOKEN=token(tenant)) as process:
            printed = Printed(process.stdout), Printed(process.stderr)
            try:
                yield Tail(process, *printed)
            finally:
                process.kill()
                for stream in printed:
                    stream.whole(PATIENCE)

    return running


def test_tail_prints_what_is_put_on_the_bus(tail: Callable[..., Any], producer: Producer, tenant: str) -> None:
    with tail() as printed:
        submission_id = producer.received(tenant)
        assert printed.change() == ("insert", submission_id, 1)
        producer.updated(tenant, submission_id, "approved")
        assert printed.change() == ("modify", submission_id, 2)


def test_tail_with_a_filter_prints_only_what_matches(
    tail: Callable[..., Any], stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    with dashboard(stack, token(tenant)) as watcher, tail("--filter", '{"form_id": ["survey"]}') as printed:
        first = producer.received(tenant, "survey")
        assert printed.change() == ("insert", first, 1)
        other = producer.received(tenant, "contact")
        watcher.until_held(lambda held: other in held)
        second = producer.received(tenant, "survey")
        assert printed.change() == ("insert", second, 1)


def test_tail_resumes_when_its_connection_was_cut(
    tail: Callable[..., Any], stack: Stack, producer: Producer, tenant: str
) -> None:
    connections = ConnectionsTable(aws(stack, "dynamodb"), stack.output("connections_table_name"))
    management = client("apigatewaymanagementapi", stack, url=stack.output("management_endpoint"))
    with tail() as printed:
        before = producer.received(tenant)
        assert printed.change() == ("insert", before, 1)
        (connection,) = connections.list_connections(tenant)
        management.delete_connection(ConnectionId=connection.connection_id)
        printed.tells("connecting again")
        after = producer.received(tenant)
        # A fresh view would tell of the first one again.
        assert printed.change() == ("insert", after, 1)


def test_tail_ends_with_the_cursor_that_the_next_one_resumes_from(
    tail: Callable[..., Any], producer: Producer, tenant: str
) -> None:
    with tail() as printed:
        submission_id = producer.received(tenant)
        assert printed.change() == ("insert", submission_id, 1)
        # Once it asks for the next change, it has done with the reply that brought the first.
        producer.updated(tenant, submission_id, "approved")
        assert printed.change() == ("modify", submission_id, 2)
        printed.process.send_signal(signal.SIGINT)
        cursor = printed.tells("cursor: .*").removeprefix("cursor: ")
        assert printed.process.wait(PATIENCE) == 0
    missed = producer.received(tenant)
    with tail("--cursor", cursor, "--snapshot", "0") as printed:
        # What is as new as the cursor may be told twice.
        while (change := printed.change()) != ("insert", missed, 1):
            assert change == ("modify", submission_id, 2)


def test_revoke_ends_every_connection_of_the_tenant_and_no_other(stack: Stack, token: Mint, tenant: str) -> None:
    other = f"{tenant}-other"
    old = token(tenant)
    with ExitStack() as open_ones:
        theirs = [open_ones.enter_context(dashboard(stack, old, subscribe=number > 0)) for number in range(3)]
        for each in theirs:
            each.ask("ping")
        untouched = open_ones.enter_context(dashboard(stack, token(other)))
        options = {
            "--tenant": tenant,
            "--table": stack.output("connections_table_name"),
            "--endpoint": stack.output("management_endpoint"),
        }
        words = [word for option in options.items() for word in option]
        with tools("revoke", *words, **aws_environment(stack)) as run:
            output, errors = run.communicate(timeout=PATIENCE)
        assert (run.returncode, errors) == (0, "")
        assert output == f"{tenant} is revoked; connections closed: 3\n"
        for each in theirs:
            assert each.receive(PATIENCE) == {"type": "disconnect", "code": "revoked", "reconnect": True}
            with pytest.raises(ConnectionClosed):
                each.receive(PATIENCE)
        assert untouched.ask("ping")["type"] == "pong"

    assert refusal(stack, old) == 403
    deadline = time.monotonic() + PATIENCE
    # What was issued in the second of the revocation is refused too.
    while refusal(stack, token(tenant)) is not None:
        assert time.monotonic() < deadline


def refusal(stack: Stack, token: str) -> int | None:
    """The status that a handshake with a token is refused with; None where it is not."""
    try:
        with dashboard(stack, token):
            return None
    except InvalidStatus as refused:
        return refused.response.status_code
