"""`python -m tools tail` as a person uses it: as a process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from local.emulator import build_local_environment
from tests.support.processes import ignored
from tests.support.tools.frames import error, push, subscribed, update
from tests.support.tools.gateway import PATIENCE, TOKEN, Script, Talk, gateway

if TYPE_CHECKING:
    from collections.abc import Generator

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def tail(url: str, *words: str, token: str | None = TOKEN) -> Generator[subprocess.Popen[str]]:
    """A running one, with the token in its environment."""
    environment = build_local_environment(os.environ) | ({"FORMBRIDGE_TOKEN": token} if token is not None else {})
    with subprocess.Popen(
        [sys.executable, "-m", "tools", "tail", "--url", url, *words],
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ended(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Exit code, output and errors, once it has ended."""
    output, errors = process.communicate(timeout=PATIENCE)
    assert TOKEN not in output + errors
    assert "Traceback" not in errors
    return process.returncode, output, errors


def run(url: str, *words: str, token: str | None = TOKEN) -> tuple[int, str, str]:
    with tail(url, *words, token=token) as process:
        return ended(process)


def a_view(talk: Talk) -> None:
    """One that is complete, then a change, until the client hangs up."""
    first = update("insert", 1, form_id="contact", status="new", updated_at="2026-11-22T20:00:00.000Z")
    talk.send(subscribed(talk.asked(), first))
    talk.send(push(update("leave", 2)))
    talk.until_closed()


def test_it_prints_a_line_a_change_until_ctrl_c_and_then_the_cursor() -> None:
    with gateway(a_view) as running, tail(running.url) as process:
        assert process.stdout
        lines = [process.stdout.readline().split() for _ in range(2)]
        process.send_signal(signal.SIGINT)
        code, output, errors = ended(process)

    assert lines == [
        ["2026-11-22T20:00:00.000Z", "insert", "s1", "contact", "new", "v1"],
        ["-", "leave", "s1", "-", "-", "v2"],
    ]
    assert (code, output) == (0, "")
    assert errors.splitlines() == ["connected", "cursor: of 1"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_in_order_though_its_parent_ignores_the_signal(number: signal.Signals) -> None:
    with gateway(a_view) as running, ignored(number), tail(running.url) as process:
        assert process.stdout
        for _ in range(2):  # all that the gateway sends
            process.stdout.readline()
        process.send_signal(number)
        code, output, errors = ended(process)

    assert (code, output) == (0, "")
    assert errors.splitlines() == ["connected", "cursor: of 1"]


def test_it_prints_json() -> None:
    with gateway(a_view) as running, tail(running.url, "--json") as process:
        assert process.stdout
        process.stdout.readline()
        line = process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0

    assert json.loads(line) == update("leave", 2)


def test_what_it_prints_cannot_steer_the_terminal() -> None:
    def script(talk: Talk) -> None:
        talk.send(subscribed(talk.asked(), update("insert", 1, form_id="\x1b[2J")))
        talk.until_closed()

    with gateway(script) as running, tail(running.url) as process:
        assert process.stdout
        assert "\x1b" not in process.stdout.readline()


def test_its_options_make_the_subscription() -> None:
    def script(talk: Talk) -> None:
        request = talk.asked()
        del request["id"]
        assert request == {"action": "subscribe", "filter": {"status": ["new"]}, "cursor": "c", "snapshot": 7}
        talk.send({"type": "disconnect", "code": "protocol_error", "reconnect": False})
        talk.until_closed()

    with gateway(script) as running:
        options = ("--filter", '{"status": ["new"]}', "--cursor", "c", "--snapshot", "7", "--token", TOKEN)
        code, _, errors = run(running.url, *options, token=None)

    assert code == 1
    assert errors.splitlines() == ["connected", "cursor: c", "error: disconnected: protocol_error"]


def test_a_lost_connection_is_told_and_made_again() -> None:
    def lost(talk: Talk) -> None:
        talk.send(subscribed(talk.asked()))

    with gateway(lost, a_view) as running, tail(running.url) as process:
        assert process.stdout
        assert process.stderr
        told = [process.stderr.readline() for _ in range(3)]
        for _ in range(2):  # all that the gateway sends
            process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert ended(process)[0] == 0

    assert told[0] == told[2] == "connected\n"
    assert told[1].startswith("ConnectionClosedOK; connecting again in ")


def bad_filter(talk: Talk) -> None:
    talk.send(error(talk.asked(), "bad_filter", message="filter.size: is no field"))


def wrong_tenant(talk: Talk) -> None:
    talk.asked()
    talk.send({"type": "disconnect", "code": "forbidden", "reconnect": False})
    talk.until_closed()


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (401, "--token: the gateway rejected it as invalid or expired"),
        (403, "--token: does not grant access, or was revoked"),
        (404, "--url: the gateway refused the connection: HTTP 404"),
        (wrong_tenant, "--token: does not grant the tenant, or grants several while --url has no ?tenant_id="),
        (bad_filter, "--filter: bad_filter: filter.size: is no field"),
    ],
)
def test_what_the_gateway_refuses_names_the_option(script: Script, message: str) -> None:
    with gateway(script) as running:
        code, output, errors = run(running.url)

    assert (code, output) == (1, "")
    assert errors.splitlines()[-1] == f"error: {message}"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--filter", "{"), "--filter: must be JSON (Expecting property name"),
        (("--filter", "[1]"), "--filter: must be a JSON object, got '[1]'"),
        (("--token", "none"), "--token: must be a JWT"),
        (("--url", "https://host/live"), "--url: must be wss://HOST/STAGE, or ws://HOST/STAGE with "),
    ],
)
def test_bad_input_is_an_error_that_names_option_and_value(words: tuple[str, str], message: str) -> None:
    code, output, errors = run("ws://127.0.0.1:1", *words)

    assert (code, output) == (1, "")
    assert errors.startswith(f"error: {message}")


def test_a_token_must_be_given() -> None:
    code, _, errors = run("ws://127.0.0.1:1", token=None)

    assert code == 2
    assert "--token" in errors
    assert "FORMBRIDGE_TOKEN" in errors
