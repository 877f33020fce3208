from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any
from urllib.parse import urlsplit

import pytest

from local.emulator import ACCOUNT_ID, Emulator, EmulatorError, build_local_environment
from local.emulator_client import client
from tests.local.conftest import REGION
from tests.support.local.functions import make_function
from tests.support.processes import listeners

ROOT = Path(__file__).resolve().parents[2]
WHO_AM_I = """
import os
def handler(event, context):
    found = {name: os.environ.get(key) for name, key in (("profile", "AWS_PROFILE"), ("certificates", "SSL_CERT_FILE"))}
    return {"worker": os.getpid(), "emulator": os.getppid(), **found}
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
    response = client("lambda", emulator).invoke(FunctionName="who-am-i")
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
        port = urlsplit(emulator.endpoint_url).port or 0
        assert is_running(pids["worker"])
        assert is_running(pids["emulator"])
        assert listeners(port, tmp_path) == [pids["emulator"]]
        assert list(tmp_path.iterdir()) == [emulator.directory]
    assert_ends(pids["worker"], pids["emulator"])
    assert list(tmp_path.iterdir()) == []
    assert listeners(port, tmp_path) == []
    emulator.stop()


@needs_proc
def test_stopping_ends_a_function_that_is_busy(tmp_path: Path) -> None:
    report = tmp_path / "pid"
    with Emulator(tmp_path / "state", REGION) as emulator:
        make_function(emulator, "busy", BUSY)
        client("lambda", emulator).invoke(
            FunctionName="busy", InvocationType="Event", Payload=json.dumps({"report": str(report)})
        )
        deadline = time.monotonic() + 20
        while not report.exists():
            assert time.monotonic() < deadline, "the function was not invoked"
            time.sleep(0.02)
    assert_ends(int(report.read_text()))


def test_nobody_else_can_take_its_port_while_it_starts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []
    start_process = subprocess.Popen

    def take_port_first(*arguments: Any, **options: Any) -> Any:
        gateway, _control = options["pass_fds"]
        with socket.socket(fileno=os.dup(gateway)) as bound, socket.socket() as other:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with pytest.raises(OSError, match="in use"):
                other.bind(bound.getsockname())
            taken.append(bound.getsockname()[1])
        return start_process(*arguments, **options)

    monkeypatch.setattr("local.emulator.subprocess.Popen", take_port_first)
    with Emulator(tmp_path, REGION) as emulator:
        assert taken == [urlsplit(emulator.endpoint_url).port]


def test_only_this_machine_is_listened_to(emulator: Emulator) -> None:
    address = urlsplit(emulator.endpoint_url)
    assert address.hostname == "127.0.0.1"
    with socket.socket() as other:
        # Taken on every address, it would be taken on this one.
        other.bind(("127.0.0.2", address.port or 0))


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
    environment = build_local_environment(
        {"PATH": "/bin", "AWS_PROFILE": "production", "AWS_ENDPOINT_URL": "https://x", "no_proxy": "intranet"}
    )
    assert environment["PATH"] == "/bin"
    assert "AWS_PROFILE" not in environment
    assert "AWS_ENDPOINT_URL" not in environment
    assert environment["AWS_CONFIG_FILE"] == environment["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert environment["no_proxy"] == environment["NO_PROXY"] == "intranet,127.0.0.1,localhost"
    assert "SSL_CERT_FILE" not in environment

    monkeypatch.setenv("AWS_PROFILE", "production")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    with Emulator(tmp_path, REGION) as emulator:
        monkeypatch.delenv("AWS_PROFILE")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert who_am_i(emulator)["profile"] is None


def test_lambdas_trust_the_certificates_of_the_user_wherever_they_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", "own.pem")
    with Emulator(tmp_path, REGION) as emulator:
        assert who_am_i(emulator)["certificates"] == str(tmp_path / "own.pem")


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
        iam, functions = (client(service, emulator) for service in ("iam", "lambda"))
        client("sqs", emulator).create_queue(QueueName="queue")
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
