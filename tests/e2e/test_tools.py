"""`python -m tools` against the running stack."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus

from formbridge.connections.table import ConnectionsTable
from local.emulator import build_local_environment
from local.emulator_client import client
from tests.e2e.conftest import ROOT
from tests.support.conformance.tokens import Issuer
from tests.support.e2e.client import PATIENCE, Producer, aws, aws_environment, dashboard
from tests.support.e2e.places import find
from tests.support.processes import Printed

if TYPE_CHECKING:
    from pathlib import Path

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


@dataclass(frozen=True)
class Operator:
    """`python -m tools` with the file of the running stack."""

    stack: Stack
    state_dir: Path

    def run(self, command: str, *words: str) -> tuple[int, str, str]:
        outputs = str(self.state_dir / "stack.json")
        with tools(command, "--outputs", outputs, *words, **aws_environment(self.stack)) as process:
            output, errors = process.communicate(timeout=PATIENCE)
        return process.returncode, output, errors


@pytest.fixture
def operator(stack: Stack, state_dir: Path) -> Operator:
    return Operator(stack, state_dir)


@pytest.fixture
def issuer(stack: Stack, state_dir: Path) -> Issuer:
    """The user pool, which signs what a test wants."""
    return Issuer(stack, state_dir)


REVOKED = {"type": "disconnect", "code": "revoked", "reconnect": True}


def expect_end(client: Any) -> None:
    assert client.receive(PATIENCE) == REVOKED
    with pytest.raises(ConnectionClosed):
        client.receive(PATIENCE)


CLOCK_TOLERANCE: Final = 30
"""Seconds by which the stack lets the clock of the issuer be ahead: the default of `clockToleranceSeconds`."""


def next_sign_in(since: int) -> int:
    """When a user signs in after `since`, by the clock of an issuer that is ahead."""
    while (now := int(time.time())) <= since:
        time.sleep(0.05)
    return now + CLOCK_TOLERANCE


def test_revoke_ends_every_connection_of_the_tenant_and_no_other(
    stack: Stack, operator: Operator, issuer: Issuer, tenant: str
) -> None:
    other, now = f"{tenant}-other", int(time.time())
    old = issuer.token(tenant)
    with ExitStack() as open_ones:
        theirs = [open_ones.enter_context(dashboard(stack, old, subscribe=number > 0)) for number in range(3)]
        for each in theirs:
            each.ask("ping")
        untouched = open_ones.enter_context(dashboard(stack, issuer.token(other)))
        code, output, errors = operator.run("revoke", "--tenant", tenant, "--reason", "a leaked token")
        assert (code, errors) == (0, "")
        assert output.startswith(f"tenant {tenant}: sign-ins before ")
        assert output.splitlines()[1:] == ["connections closed: 3", "users signed out at Cognito: 0"]
        for each in theirs:
            expect_end(each)
        assert untouched.ask("ping")["type"] == "pong"

    assert refusal(stack, old) == 403
    later = int(time.time()) + 2
    # Issued 1.5 s later: by the refresh of the same sign-in, and by an issuer that does not say when that was.
    assert refusal(stack, issuer.token(tenant, auth_time=now, iat=later)) == 403
    assert refusal(stack, issuer.token(tenant, auth_time=None, iat=later)) == 403
    sign_in = next_sign_in(later)
    assert refusal(stack, issuer.token(tenant, auth_time=sign_in, iat=sign_in)) is None

    code, _, errors = operator.run("revoke", "--tenant", f"{tenant}-mistyped", "--reason", "a leaked token")
    assert (code, "is not known to this stack" in errors) == (1, True)


def test_a_user_is_revoked_blocked_and_lifted(stack: Stack, operator: Operator, issuer: Issuer, tenant: str) -> None:
    subject, why = f"ada of {tenant}", ("--reason", "a lost laptop")
    old, eve = issuer.token(tenant, sub=subject), issuer.token(tenant, sub=f"eve of {tenant}")
    with dashboard(stack, old) as ada, dashboard(stack, eve) as untouched:
        code, output, _ = operator.run("revoke", "--user", subject, "--block", *why)
        assert (code, output.splitlines()[1]) == (0, "connections closed: 1")
        expect_end(ada)
        assert untouched.ask("ping")["type"] == "pong"
    sign_in = next_sign_in(int(time.time()))
    new = issuer.token(tenant, sub=subject, auth_time=sign_in, iat=sign_in)
    assert (refusal(stack, old), refusal(stack, new), refusal(stack, eve)) == (403, 403, None)

    assert operator.run("lift", "--user", subject, *why)[0] == 0
    assert (refusal(stack, old), refusal(stack, new)) == (403, None)

    _, listed, _ = operator.run("revocations")
    assert subject not in listed
    assert listed.count("; a lost laptop") >= 2


def test_a_session_and_a_token_are_revoked(stack: Stack, operator: Operator, issuer: Issuer, tenant: str) -> None:
    session, other = (issuer.token(tenant, origin_jti=f"{name} of {tenant}") for name in ("s1", "s2"))
    single = issuer.token(tenant, jti=f"k1 of {tenant}")
    with ExitStack() as open_ones:
        ended = [open_ones.enter_context(dashboard(stack, each)) for each in (session, single)]
        untouched = open_ones.enter_context(dashboard(stack, other))
        assert operator.run("revoke", "--session", f"s1 of {tenant}", "--reason", "a leaked token")[0] == 0
        assert operator.run("revoke", "--token-id", f"k1 of {tenant}", "--reason", "a leaked token")[0] == 0
        for each in ended:
            expect_end(each)
        assert untouched.ask("ping")["type"] == "pong"
    assert [refusal(stack, each) for each in (session, single, other)] == [403, 403, None]


def test_no_place_holds_the_name_of_a_user(
    stack: Stack, issuer: Issuer, tenant: str, state_dir: Path, log: Path
) -> None:
    subject, session, token_id = (f"{name}-of-{uuid.uuid4()}" for name in ("ada", "session", "token"))
    bearer = issuer.token(tenant, sub=subject, origin_jti=session, jti=token_id)
    with dashboard(stack, bearer) as client:
        client.ask("ping")
        assert client.ask("authenticate", token=bearer)["code"] == "unauthorized"
        assert {name: find(stack, [state_dir, log], name) for name in (subject, session, token_id)} == {
            subject: set(),
            session: set(),
            token_id: set(),
        }


def refusal(stack: Stack, token: str) -> int | None:
    """The status that a handshake with a token is refused with; None where it is not."""
    try:
        with dashboard(stack, token):
            return None
    except InvalidStatus as refused:
        return refused.response.status_code


# --- The sign-in ----------------------------------------------------------------------------------------------


def test_doctor_finds_nothing_wrong_and_explains_a_token(
    operator: Operator, token: Mint, tenant: str, tmp_path: Path
) -> None:
    file = tmp_path / "token.txt"
    file.write_text(token(tenant))
    code, output, errors = operator.run("doctor", "--token", str(file))

    assert (code, errors) == (0, "")
    assert output.splitlines()[-1] == f"pass  tenantClaim            the claim grants: {tenant}"
    assert not any(part in output for part in file.read_text().split("."))
