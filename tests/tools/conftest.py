"""What the tests of the privacy tools share: a stack in memory, and the command line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from tests.support.handlers.region import make_submissions_table
from tests.support.tools.stack import BUS, Stack
from tools import dead_letters
from tools.__main__ import main

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


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
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[object, str, str]]:
    """`python -m tools`: its exit code, output and errors."""

    def run(*words: str) -> tuple[object, str, str]:
        monkeypatch.setattr(sys, "argv", ["tools", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        output, errors = capsys.readouterr()
        return ended.value.code or 0, output, errors

    return run
