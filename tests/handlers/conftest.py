"""What the tests of the handlers share: AWS in memory, a clock that stands, servers on 127.0.0.1."""

from __future__ import annotations

import json
from contextlib import ExitStack
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

import authenticate
import authorize
import connect
import janitor
import message
import persist
import resync
from formbridge.broadcast import accounting, wiring
from formbridge.runtime import clock as clock_module
from formbridge.runtime.tenant_id_pattern import DEFAULT_TENANT_ID_PATTERN
from formbridge.session import lambda_reply
from tests.support.handlers import issuer
from tests.support.handlers.clock import Clock
from tests.support.handlers.gateway import Gateway
from tests.support.handlers.principals import USER_HASH_KEY
from tests.support.handlers.region import (
    CONNECTIONS,
    REVOCATIONS,
    SUBMISSIONS,
    Region,
    make_connections_table,
    make_revocations_table,
    make_submissions_table,
)
from tests.support.handlers.server import Answer, LocalServer, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture
def forgetful_handlers() -> Iterator[None]:
    """A Lambda keeps its clients from one call to the next; a test must not inherit those of another."""
    made = [
        lambda_reply.poster,
        authenticate.sessions,
        authorize.verifier,
        authorize.hashes,
        wiring.broadcaster,
        wiring.sqs,
        connect.connections_table,
        connect.revocations_table,
        connect.sessions,
        janitor.janitor,
        janitor.connections_table,
        janitor.revocations_table,
        message.sessions,
        persist.submissions_table,
        persist.dead_letter_queue,
        persist.tenant_ids,
        resync.stream,
        resync.sqs,
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
        make_revocations_table(dynamodb)
        dead_letters, fanout = (sqs.create_queue(QueueName=name)["QueueUrl"] for name in ("dead-letters", "fanout"))
        yield Region(dynamodb, sqs, dead_letters, fanout)


@pytest.fixture
def region(aws: Region, monkeypatch: pytest.MonkeyPatch, forgetful_handlers: None) -> Region:
    """AWS with empty tables and queues, in the environment of handlers that have made no client yet."""
    # moto keeps its tables in plain dictionaries, and two requests at once may trip over one.
    monkeypatch.setattr(accounting, "WRITER_THREADS", 1)
    monkeypatch.setenv("TABLE_NAME", SUBMISSIONS)
    monkeypatch.setenv("CONNECTIONS_TABLE_NAME", CONNECTIONS)
    monkeypatch.setenv("REVOCATIONS_TABLE_NAME", REVOCATIONS)
    monkeypatch.setenv("USER_HASH_KEY", USER_HASH_KEY)
    monkeypatch.setenv("ISSUER", issuer.ISSUER)
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", aws.queue_url)
    monkeypatch.setenv("RETENTION_DAYS", "0")
    monkeypatch.setenv("TENANT_ID_PATTERN", DEFAULT_TENANT_ID_PATTERN)
    monkeypatch.setenv("MAX_CLOCK_SKEW_SECONDS", "300")
    monkeypatch.setenv("CONNECTION_TTL_SECONDS", "7800")
    monkeypatch.setenv("MAX_CONNECTIONS_PER_TENANT", "5000")
    # As many as a test likes: all its connections are those of one user.
    monkeypatch.setenv("MAX_CONNECTIONS_PER_USER", "5000")
    monkeypatch.setenv("MESSAGES_PER_SECOND", "10")
    monkeypatch.setenv("MESSAGE_BURST", "20")
    monkeypatch.setenv("TENANT_MESSAGES_PER_SECOND", "200")
    monkeypatch.setenv("TENANT_MESSAGE_BURST", "1000")
    monkeypatch.setenv("TENANT_CONNECTS_PER_SECOND", "50")
    monkeypatch.setenv("TENANT_CONNECT_BURST", "500")
    monkeypatch.setenv("MAX_FILTER_LENGTH", "4096")
    monkeypatch.setenv("MAX_FILTERS_PER_TENANT", "100")
    monkeypatch.setenv("MAX_FRAME_BYTES", "32768")
    monkeypatch.setenv("MANAGEMENT_ENDPOINT", "http://127.0.0.1:1/live")
    monkeypatch.setenv("POSTS_PER_SECOND", "1000")
    monkeypatch.setenv("FANOUT_QUEUE_URL", aws.fanout_queue_url)
    monkeypatch.setenv("FANOUT_THRESHOLD", "5000")
    monkeypatch.setenv("FAILURE_IDENTIFIER", "eventID")
    monkeypatch.setenv("CONNECTION_SHARDS", "1")
    aws.clear()
    return aws


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Set the clock that all handlers read."""
    standing = Clock()
    monkeypatch.setattr(clock_module, "time", standing)
    return standing


@pytest.fixture
def serve() -> Iterator[Callable[[Answer], LocalServer]]:
    """Starts servers that end with the test."""
    with ExitStack() as running:
        yield lambda answer: running.enter_context(serving(answer))


@pytest.fixture
def trusted_issuer(serve: Callable[[Answer], LocalServer], monkeypatch: pytest.MonkeyPatch) -> None:
    """The issuer's keys over HTTP, in the environment of those that verify tokens."""
    keys = json.dumps(issuer.published())
    for name, value in issuer.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JWKS_URL", serve(lambda _method, _path: (200, keys)).url)


@pytest.fixture
def gateway(
    region: Region, clock: Clock, serve: Callable[[Answer], LocalServer], monkeypatch: pytest.MonkeyPatch
) -> Gateway:
    """A gateway whose @connections are on 127.0.0.1."""
    gateway = Gateway(serve, clock)
    monkeypatch.setenv("MANAGEMENT_ENDPOINT", f"{gateway.server.url}/live")
    return gateway
