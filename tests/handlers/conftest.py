"""What the tests of the handlers share: AWS in memory, a clock that stands, servers on 127.0.0.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import boto3
import hypothesis
import pytest
from moto import mock_aws

import authorize
import broadcast
import connect
import message
import persist
from formbridge import timestamps
from tests.handlers.clock import Clock
from tests.handlers.region import (
    CONNECTIONS,
    SUBMISSIONS,
    Region,
    make_connections_table,
    make_submissions_table,
)
from tests.handlers.server import Answer, LocalServer, serving

# No timing assertions: not by us, and not by Hypothesis.
hypothesis.settings.register_profile("no deadline", deadline=None)
hypothesis.settings.load_profile("no deadline")


@pytest.fixture
def forgetful_handlers() -> Iterator[None]:
    """A Lambda keeps its clients from one call to the next; a test must not inherit those of another."""
    made = [
        authorize.verifier,
        broadcast.broadcaster,
        connect.registry,
        message.tables,
        persist.submissions,
        persist.dead_letters,
    ]
    for function in made:
        function.cache_clear()
    yield
    for function in made:
        function.cache_clear()


@pytest.fixture(scope="module")
def aws() -> Iterator[Region]:
    """AWS in memory, once a module: clients take a while to make."""
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        dynamodb = boto3.client("dynamodb")
        sqs = boto3.client("sqs")
        make_submissions_table(dynamodb)
        make_connections_table(dynamodb)
        yield Region(dynamodb, sqs, sqs.create_queue(QueueName="dead-letters")["QueueUrl"])


@pytest.fixture
def region(aws: Region, monkeypatch: pytest.MonkeyPatch, forgetful_handlers: None) -> Region:
    """AWS with empty tables and queue, in the environment of handlers that have made no client yet."""
    monkeypatch.setenv("TABLE_NAME", SUBMISSIONS)
    monkeypatch.setenv("CONNECTIONS_TABLE_NAME", CONNECTIONS)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", aws.queue_url)
    monkeypatch.setenv("RETENTION_DAYS", "0")
    monkeypatch.setenv("CONNECTION_TTL_SECONDS", "7800")
    aws.clear()
    return aws


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """The clock that `timestamps`, and so everything, tells the time by."""
    standing = Clock()
    monkeypatch.setattr(timestamps, "time", standing)
    return standing


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], LocalServer]]:
    """Starts servers that end with the test."""
    with ExitStack() as running:
        yield lambda answer: running.enter_context(serving(answer))
