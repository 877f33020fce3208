"""What the tests of the operators' commands share: stacks in memory, and the command line."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from formbridge.broadcast import accounting
from formbridge.posting import poster
from tests.support.handlers.region import make_submissions_table
from tests.support.handlers.server import serving
from tests.support.tools.access import NOW, AccessStack
from tests.support.tools.account import Account
from tests.support.tools.pool import Pool
from tests.support.tools.stack import BUS, Stack
from tools import (
    access_commands,
    aws_account,
    bootstrap,
    dead_letters,
    doctor_account,
    doctor_orphans,
    revocation_log,
)
from tools.__main__ import main
from tools.console import create_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def stack(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stack]:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(dead_letters, "WAIT_SECONDS", 0)
    with mock_aws():
        dynamodb, sqs, events = boto3.client("dynamodb"), boto3.client("sqs"), boto3.client("events")
        make_submissions_table(dynamodb)
        events.create_event_bus(Name=BUS)
        queue = sqs.create_queue(QueueName="ingest-dead-letters", Attributes={"MaximumMessageSize": str(1024 * 1024)})
        yield Stack(dynamodb, sqs, events, queue["QueueUrl"])


@pytest.fixture
def access(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[AccessStack]:
    """What the commands for access use. The clock stands at `NOW`."""
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setattr(revocation_log, "now_seconds", lambda: NOW)
    # moto keeps its tables in plain dictionaries, and two requests at once may trip over one.
    monkeypatch.setattr(accounting, "WRITER_THREADS", 1)
    monkeypatch.setattr(poster, "BACKOFF_SECONDS", 0.001)
    statuses: dict[str, int] = {}

    def answer(_method: str, path: str) -> tuple[int, str]:
        status = statuses[path.rpartition("/")[2]]
        return status, json.dumps({"__type": {410: "GoneException", 403: "ForbiddenException"}.get(status, "")})

    with mock_aws(), serving(answer) as server:
        pool = Pool()
        made = AccessStack(boto3.client("dynamodb"), pool, server, statuses, tmp_path / "outputs.json")

        def create(service: Any) -> Any:
            return pool if service == "cognito-idp" else create_client(service)

        monkeypatch.setattr(access_commands, "create_client", create)
        made.build(boto3.client("ssm"))
        yield made


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Account]:
    """An empty account. The current folder has the project's files."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.delenv("AWS_DEFAULT_REGION", raising=False)
    for file in ("Pulumi.yaml", "Pulumi.dev.yaml", "Pulumi.prod.yaml"):
        shutil.copy(ROOT / file, tmp_path)
    monkeypatch.chdir(tmp_path)
    made = Account()
    for module in (aws_account, bootstrap, doctor_account, doctor_orphans):
        monkeypatch.setattr(module, "create_client", made.create_client)
    with mock_aws():
        yield made


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str, str]]:
    """`python -m tools`: its exit code, output and errors."""

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["tools", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        return ended.value.code or 0, output, errors

    return run
