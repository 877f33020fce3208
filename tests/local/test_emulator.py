from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from textwrap import dedent
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlsplit

import pytest
import websockets

from local import ministack_child
from local.emulator import ACCOUNT_ID, Emulator, EmulatorError, client, local_environment
from tests.local.conftest import REGION
from tests.support.local.functions import make_function
from tests.support.processes import listeners

ROOT = Path(__file__).resolve().parents[2]
WHO_AM_I = """
import os
def handler(event, context):
    return {"worker": os.getpid(), "emulator": os.getppid(), "profile": os.environ.get("AWS_PROFILE")}
"""


BUSY = """
import os, pathlib, time
def handler(event, context):
    report = pathlib.Path(event["report"])
    report.with_suffix(".part").write_text(str(os.getpid()))
    report.with_suffix(".part").rename(report)
    time.sleep(3600)
"""


def who_am_i(emulator: Emulator) -> dict[str, Any]:
    """The process ids of a Lambda worker and of the emulator, as the worker sees them."""
    make_function(emulator, "who-am-i", WHO_AM_I)
    response = client("lambda", emulator.endpoint_url, emulator.region).invoke(FunctionName="who-am-i")
    return json.loads(response["Payload"].read())


def is_running(pid: int) -> bool:
    try:
        # An orphan may stay a zombie until init looks at it.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def assert_ends(*pids: int) -> None:
    deadline = time.monotonic() + 20
    while any(is_running(pid) for pid in pids):
        assert time.monotonic() < deadline, f"still running: {[pid for pid in pids if is_running(pid)]}"
        time.sleep(0.02)


needs_proc = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="reads /proc")


@needs_proc
def test_stopping_leaves_no_process_port_or_file(tmp_path: Path) -> None:
    with Emulator(tmp_path, REGION) as emulator:
        pids = who_am_i(emulator)
        address = urlsplit(emulator.endpoint_url)
        ports = [address.port or 0, emulator.line_port]
        assert is_running(pids["worker"])
        assert is_running(pids["emulator"])
        assert [listeners(port, tmp_path) for port in ports] == [[pids["emulator"]]] * 2
        assert list(tmp_path.iterdir()) == [emulator.directory]
    assert_ends(pids["worker"], pids["emulator"])
    assert list(tmp_path.iterdir()) == []
    assert [listeners(port, tmp_path) for port in ports] == [[], []]
    emulator.stop()


@needs_proc
def test_stopping_ends_a_function_that_is_busy(tmp_path: Path) -> None:
    report = tmp_path / "pid"
    with Emulator(tmp_path / "state", REGION) as emulator:
        make_function(emulator, "busy", BUSY)
        client("lambda", emulator.endpoint_url, REGION).invoke(
            FunctionName="busy", InvocationType="Event", Payload=json.dumps({"report": str(report)})
        )
        deadline = time.monotonic() + 20
        while not report.exists():
            assert time.monotonic() < deadline, "the function was not invoked"
            time.sleep(0.02)
    assert_ends(int(report.read_text()))


def test_nobody_else_can_take_its_ports_while_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    start_process = subprocess.Popen

    def take_ports_first(*arguments: Any, **options: Any) -> Any:
        for descriptor in options["pass_fds"]:
            with socket.socket(fileno=os.dup(descriptor)) as bound, socket.socket() as other:
                other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with pytest.raises(OSError, match="in use"):
                    other.bind(bound.getsockname())
                taken.append(bound.getsockname()[1])
        return start_process(*arguments, **options)

    monkeypatch.setattr("local.emulator.subprocess.Popen", take_ports_first)
    with Emulator(tmp_path, REGION) as emulator:
        assert taken == [urlsplit(emulator.endpoint_url).port, emulator.line_port]


def test_only_this_machine_is_listened_to(emulator: Emulator) -> None:
    address = urlsplit(emulator.endpoint_url)
    assert address.hostname == "127.0.0.1"
    for port in (address.port or 0, emulator.line_port):
        with socket.socket() as other:
            # Taken on every address, it would be taken on this one.
            other.bind(("127.0.0.2", port))


@needs_proc
def test_a_killed_parent_takes_everything_with_it(tmp_path: Path) -> None:
    script = """
        import json, sys, time
        from pathlib import Path
        from local.emulator import Emulator
        from tests.local.test_emulator import who_am_i
        with Emulator(Path(sys.argv[1]), "us-east-1") as emulator:
            print(json.dumps(who_am_i(emulator)), flush=True)
            sys.stdin.read()
    """
    with subprocess.Popen(
        [sys.executable, "-c", dedent(script), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as parent:
        assert parent.stdout is not None
        pids = json.loads(parent.stdout.readline())
        assert is_running(pids["emulator"])
        parent.kill()
    assert_ends(pids["worker"], pids["emulator"])


def test_what_a_killed_run_left_is_cleared_away(tmp_path: Path) -> None:
    left = tmp_path / "emulator" / "state" / "left"
    left.parent.mkdir(parents=True)
    left.touch()
    with Emulator(tmp_path, REGION):
        assert not left.exists()


@needs_proc
def test_an_emulator_that_dies_says_so(tmp_path: Path) -> None:
    with Emulator(tmp_path, REGION) as emulator:
        assert emulator.wait(timeout=0) is None
        with emulator.log_path.open("a") as log:
            log.write("the last words\n")
        os.kill(who_am_i(emulator)["emulator"], signal.SIGKILL)
        ended = emulator.wait(timeout=20)
        assert isinstance(ended, EmulatorError)
        assert "was ended by SIGKILL" in str(ended)
        assert "the last words" in str(ended)


def test_an_emulator_that_cannot_start_quotes_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho no ministack here\nexit 3\n")
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    state_dir = tmp_path / "state"
    with (
        pytest.raises(EmulatorError, match=r"(?s)ended with exit code 3.*no ministack here"),
        Emulator(state_dir, REGION),
    ):
        pass
    assert list(state_dir.iterdir()) == []


def test_the_users_aws_settings_and_proxies_stay_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = local_environment(
        {"PATH": "/bin", "AWS_PROFILE": "production", "AWS_ENDPOINT_URL": "https://x", "no_proxy": "intranet"}
    )
    assert environment["PATH"] == "/bin"
    assert "AWS_PROFILE" not in environment
    assert "AWS_ENDPOINT_URL" not in environment
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert environment["no_proxy"] == environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"

    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Emulator(tmp_path, REGION) as emulator:
        monkeypatch.delenv("AWS_PROFILE")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert who_am_i(emulator)["profile"] is None


# --- Enforcing IAM ------------------------------------------------------------------------------------------

ASK = """
import boto3
def handler(event, context):
    boto3.client("sqs").get_queue_url(QueueName="queue")
"""


@pytest.mark.parametrize("enforce_iam", [False, True])
def test_a_function_is_held_to_its_role_where_iam_is_enforced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enforce_iam: bool
) -> None:
    # MiniStack's own switch, whatever the user has under this name, decides nothing.
    monkeypatch.setenv("AUTH", str(not enforce_iam).lower())
    with Emulator(tmp_path, REGION, enforce_iam=enforce_iam) as emulator:
        iam, functions = (client(service, emulator.endpoint_url, REGION) for service in ("iam", "lambda"))
        client("sqs", emulator.endpoint_url, REGION).create_queue(QueueName="queue")
        iam.create_role(RoleName="r", AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": []}))
        make_function(emulator, "ask", ASK)
        answer = functions.invoke(FunctionName="ask")
        refused = b"is not authorized to perform: sqs:GetQueueUrl" in answer["Payload"].read()
        assert ("FunctionError" in answer, refused) == (enforce_iam, enforce_iam)

        queue = f"arn:aws:sqs:{REGION}:{ACCOUNT_ID}:queue"
        statement = {"Effect": "Allow", "Action": "sqs:GetQueueUrl", "Resource": queue}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        iam.put_role_policy(RoleName="r", PolicyName="p", PolicyDocument=policy)
        assert "FunctionError" not in functions.invoke(FunctionName="ask")


# --- The repairs of MiniStack -------------------------------------------------------------------------------


async def _coroutine() -> None:
    pass


@pytest.mark.parametrize(
    "missing",
    [
        *(f"apigateway.{name}" for name in ministack_child.PATCHED),
        "dynamodb.esm_wake",
        "dynamodb_streams.handle_request",
        "lambda_svc.handle_request",
    ],
)
def test_another_ministack_is_refused(missing: str) -> None:
    modules = {
        "apigateway": SimpleNamespace(**dict.fromkeys(ministack_child.PATCHED, _coroutine)),
        "dynamodb": SimpleNamespace(esm_wake=threading.Event()),
        "dynamodb_streams": SimpleNamespace(handle_request=_coroutine),
        "lambda_svc": SimpleNamespace(handle_request=_coroutine),
    }
    ministack_child.check_fit(*modules.values())
    module, _, name = missing.partition(".")
    delattr(modules[module], name)
    with pytest.raises(SystemExit, match=rf"MiniStack .* has no ministack\.services\.{re.escape(missing)}:"):
        ministack_child.check_fit(*modules.values())


AUTHORIZER = """
def handler(event, context):
    token = event["headers"].get("authorization")
    if token == "boom":
        raise ValueError("boom")
    if token != "good":
        raise Exception("Unauthorized")
    statement = {"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": event["methodArn"]}
    return {"principalId": "p", "policyDocument": {"Version": "2012-10-17", "Statement": [statement]}}
"""
CONNECT = """
def handler(event, context):
    offered = event["headers"].get("sec-websocket-protocol")
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": "second"} if offered else {}}
"""


@pytest.fixture(scope="module")
def gateway_url(emulator: Emulator) -> str:
    """A WebSocket API whose $connect selects the subprotocol `second`."""
    api = client("apigatewayv2", emulator.endpoint_url, REGION)
    invoke = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{{}}/invocations"
    api_id = api.create_api(
        Name="handshake", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    authorizer = api.create_authorizer(
        ApiId=api_id,
        Name="a",
        AuthorizerType="REQUEST",
        AuthorizerUri=invoke.format(make_function(emulator, "handshake-authorizer", AUTHORIZER)),
        IdentitySource=[],
    )
    integration = api.create_integration(
        ApiId=api_id,
        IntegrationType="AWS_PROXY",
        IntegrationUri=invoke.format(make_function(emulator, "handshake-connect", CONNECT)),
    )
    api.create_route(
        ApiId=api_id,
        RouteKey="$connect",
        AuthorizationType="CUSTOM",
        AuthorizerId=authorizer["AuthorizerId"],
        Target=f"integrations/{integration['IntegrationId']}",
    )
    api.create_stage(ApiId=api_id, StageName="live", AutoDeploy=True)
    return emulator.endpoint_url.replace("http:", "ws:") + f"/_aws/execute-api/{api_id}/live"


def handshake(url: str, token: str, *subprotocols: str) -> str | None:
    async def connect() -> str | None:
        async with websockets.connect(
            url,
            additional_headers={"Authorization": token},
            subprotocols=[websockets.Subprotocol(name) for name in subprotocols] or None,
            proxy=None,
        ) as connection:
            return connection.subprotocol

    return asyncio.run(connect())


def test_the_integrations_subprotocol_is_selected(gateway_url: str) -> None:
    assert handshake(gateway_url, "good", "first", "second") == "second"


def test_no_subprotocol_is_selected_where_none_is_returned(gateway_url: str) -> None:
    assert handshake(gateway_url, "good") is None


@pytest.mark.parametrize(("token", "status"), [("bad", 401), ("boom", 500)])
def test_an_authorizers_errors(gateway_url: str, token: str, status: int) -> None:
    with pytest.raises(websockets.InvalidStatus) as caught:
        handshake(gateway_url, token, "first", "second")
    assert caught.value.response.status_code == status


# --- Waiting for a stream's records -------------------------------------------------------------------------


class Stream:
    """MiniStack's stream as its repair meets it: what GetRecords answers, and what hears of a record."""

    def __init__(self) -> None:
        self.records: list[str] = []
        self.reads = 0
        self.event_source_mappings = threading.Event()
        self._dynamodb = SimpleNamespace(esm_wake=self.event_source_mappings)
        self._streams = SimpleNamespace(handle_request=self._handle)
        ministack_child.await_records(self._dynamodb, self._streams)

    async def _handle(self, *_request: object) -> tuple[int, dict[str, Any], bytes]:
        self.reads += 1
        return 200, {}, json.dumps({"Records": self.records}).encode()

    async def tell(self) -> None:
        """Say that there is a record, from another thread."""
        await asyncio.to_thread(self._dynamodb.esm_wake.set)

    async def get(self, **headers: str) -> list[str]:
        _status, _headers, body = await self._streams.handle_request("POST", "/", headers, b"", {})
        return json.loads(body)["Records"]

    async def get_while(self, wait_seconds: float, happens: Callable[[], Coroutine[Any, Any, None]]) -> list[str]:
        """What a call gets that waits for so long, when `happens` comes after its first look."""
        async with asyncio.timeout(20), asyncio.TaskGroup() as tasks:
            got = tasks.create_task(self.get(**{ministack_child.WAIT_HEADER: str(wait_seconds)}))
            while not self.reads:
                await asyncio.sleep(0)
            await happens()
        return got.result()


def test_a_record_ends_the_wait() -> None:
    stream = Stream()

    async def a_record_comes() -> None:
        stream.records.append("record")
        await stream.tell()

    assert asyncio.run(stream.get_while(3600, a_record_comes)) == ["record"]
    assert stream.event_source_mappings.is_set()


def test_another_streams_record_does_not_end_the_wait() -> None:
    stream = Stream()

    async def two_records_come() -> None:
        await stream.tell()
        while stream.reads < 2:
            await asyncio.sleep(0)
        stream.records.append("record")
        await stream.tell()

    assert asyncio.run(stream.get_while(3600, two_records_come)) == ["record"]


def test_a_record_that_nobody_told_of_is_found_when_the_time_is_over() -> None:
    stream = Stream()

    async def a_record_comes() -> None:
        stream.records.append("record")

    assert asyncio.run(stream.get_while(0.05, a_record_comes)) == ["record"]
    assert stream.reads == 2


def test_nobody_waits_who_does_not_say_so() -> None:
    stream = Stream()
    assert asyncio.run(stream.get()) == []
    assert stream.reads == 1
