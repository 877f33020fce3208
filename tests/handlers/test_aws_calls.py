"""Each handler makes the AWS calls that `tests/support/program/needs.py` says it makes, and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

import pytest
from botocore import xform_name

import authenticate
import broadcast
import connect
import fanout
import janitor
import message
import persist
import resync
from bench.cost import UNITS, Units
from formbridge.broadcast.fanout_task import FanoutTask
from formbridge.runtime import aws
from formbridge.submissions.index_lag import is_sampled
from formbridge.wire.cursor import Cursor
from tests.support.handlers import issuer
from tests.support.handlers.builders import (
    NOW,
    LambdaContext,
    connect_event,
    disconnect_event,
    inserted,
    message_event,
    received,
    refused_by_frame,
    submission,
)
from tests.support.handlers.connections import connection
from tests.support.handlers.region import CONNECTIONS, REVOCATIONS, SUBMISSIONS
from tests.support.program import needs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from botocore.model import OperationModel

    from tests.support.handlers.clock import Clock
    from tests.support.handlers.gateway import Gateway
    from tests.support.handlers.region import Region

Calls = set[tuple[str, str]]
"""IAM action and resource of each."""
MANAGE: Final = "execute-api:ManageConnections"

HANDLERS = Path(__file__).resolve().parents[2] / "handlers"
TABLES = {SUBMISSIONS: needs.TABLE, CONNECTIONS: needs.CONNECTIONS, REVOCATIONS: needs.REVOCATIONS}
"""Which of AWS's tables each of these stands for."""
QUEUES = {
    "dead-letters": needs.INGEST_DEAD_LETTERS,
    "fanout": needs.FANOUT_QUEUE,
    "unread": needs.UNREAD_DEAD_LETTERS,
}
TOPIC = "arn:aws:sns:us-east-1:123456789012:alarms"


def needed(model: OperationModel, params: Mapping[str, Any]) -> tuple[str, str]:
    """What a request needs to be allowed."""
    match model.service_model.service_name:
        case "dynamodb":
            index = f"/index/{params['IndexName']}" if "IndexName" in params else ""
            if "RequestItems" in params:
                (table,) = params["RequestItems"]
                return f"dynamodb:{model.name}", TABLES[table]
            return f"dynamodb:{model.name}", f"{TABLES[params['TableName']]}{index}"
        case "dynamodbstreams":
            return f"dynamodb:{model.name}", needs.STREAM
        case "sqs":
            # There is no action for a batch of its own.
            return f"sqs:{model.name.removesuffix('Batch')}", QUEUES[params["QueueUrl"].rpartition("/")[2]]
        case "sns":
            return f"sns:{model.name}", {TOPIC: needs.ALARM_TOPIC}[params["TopicArn"]]
        case other:
            raise AssertionError(f"{other}: no handler is known to ask it anything")


@pytest.fixture
def calls(region: Region) -> Iterator[Calls]:
    """What is asked by the clients that are made from here on: those of the handlers."""
    made: Calls = set()

    def note(params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        made.add(needed(model, params))

    aws.session.cache_clear()
    aws.session().register("provide-client-params", note)
    yield made
    aws.session.cache_clear()


def managed(gateway: Gateway) -> Calls:
    """What was asked of @connections."""
    assert {path.rpartition("/")[0] for _, path, _ in gateway.server.requests} <= {"/live/@connections"}
    return {(MANAGE, f"{needs.API}/live/{method}/{needs.CONNECTION}") for method, *_ in gateway.server.requests}


@pytest.fixture
def one_message_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that sends more is disconnected at its second refusal."""
    monkeypatch.setenv("MESSAGES_PER_SECOND", "1")
    monkeypatch.setenv("MESSAGE_BURST", "1")
    monkeypatch.setattr("formbridge.session.session.MAX_REFUSALS", 1)


def test_persist(calls: Calls) -> None:
    # Only for a sample of the events, persist reads the index.
    sampled = next(name for number in range(10_000) if is_sampled(name := f"e{number}"))
    persist.handler(received(event_id=sampled), LambdaContext())
    persist.handler(received(tenant_id="malformed"), LambdaContext())

    assert calls == set(needs.CALLS["ingest-persist"])


def test_connect(calls: Calls, gateway: Gateway, clock: Clock, one_message_a_second: None) -> None:
    connect.handler(connect_event(), LambdaContext())
    for _ in range(3):
        connect.handler(message_event({"action": "$connect"}), LambdaContext())
    over_the_limit = refused_by_frame(message_event({"action": "$connect"}, connection_id="conn-2"))
    connect.handler(over_the_limit, LambdaContext())
    connect.handler(disconnect_event(), LambdaContext())

    assert gateway.closed == ["conn-1", "conn-2"]
    assert calls | managed(gateway) == set(needs.CALLS["gateway-connect"])


def test_message(calls: Calls, gateway: Gateway, clock: Clock, one_message_a_second: None) -> None:
    gateway.subscribe("conn-1")
    calls.clear()
    cursor = Cursor.for_complete_reply("t_acme", 0, NOW).encode()
    for request in (
        {"action": "subscribe"},
        {"action": "sync", "cursor": cursor},
        {"action": "reconcile", "held": [["s1", NOW, 1]]},
        {"action": "unsubscribe"},
    ):
        clock.advance(1_000)
        message.handler(message_event(request), LambdaContext())
    for _ in range(2):
        message.handler(message_event({"action": "ping"}), LambdaContext())
    over_the_limit = refused_by_frame(message_event({"action": "ping"}, connection_id="conn-2"))
    message.handler(over_the_limit, LambdaContext())

    assert gateway.closed == ["conn-1", "conn-2"]
    assert calls | managed(gateway) == set(needs.CALLS["gateway-message"])


def test_authenticate(calls: Calls, gateway: Gateway, trusted_issuer: None, one_message_a_second: None) -> None:
    gateway.subscribe("conn-1")
    calls.clear()
    request = {"action": "authenticate", "token": issuer.token()}
    reply, *_ = [authenticate.handler(message_event(request), LambdaContext()) for _ in range(3)]
    over_the_limit = refused_by_frame(message_event(request, connection_id="conn-2"))
    authenticate.handler(over_the_limit, LambdaContext())

    assert json.loads(reply["body"])["type"] == "authenticated"
    assert gateway.closed == ["conn-1", "conn-2"]
    assert calls | managed(gateway) == set(needs.CALLS["gateway-authenticate"])


@pytest.fixture
def dashboards(gateway: Gateway) -> None:
    """Connections of which every write that may follow a post is made, and those of a tenant that is too large."""
    for connection_id in ("posted", "gone", "slow", "behind"):
        gateway.subscribe(connection_id)
    gateway.subscribe("expired", expires_in=60)
    connect.connections_table().mark_behind(connection("behind").key, NOW)
    gateway.statuses |= {"gone": 410, "slow": 429}
    for number in range(6):
        gateway.subscribe(f"one-of-many-{number}", "t_globex")


def test_broadcast(calls: Calls, gateway: Gateway, dashboards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANOUT_THRESHOLD", "5")
    calls.clear()
    records = [inserted(submission(tenant_id=tenant_id), tenant_id) for tenant_id in ("t_acme", "t_globex")]
    broadcast.handler(records, LambdaContext())

    assert calls | managed(gateway) == set(needs.CALLS["gateway-broadcast"])


def test_fanout(calls: Calls, gateway: Gateway, dashboards: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FANOUT_THRESHOLD", "5")
    calls.clear()
    for work in (FanoutTask("t_acme", None), FanoutTask("t_globex", None)):
        bodies = [{"messageId": "message-1", "body": body} for body in work.encode()]
        fanout.handler({"Records": bodies}, LambdaContext())

    assert calls | managed(gateway) == set(needs.CALLS["gateway-fanout"])


def test_janitor(calls: Calls, gateway: Gateway, clock: Clock) -> None:
    gateway.subscribe("outlived", "t_globex")
    clock.advance(130 * 60_000)
    gateway.subscribe("silent")
    clock.advance(601_000)
    gateway.subscribe("behind")
    gateway.subscribe("expired", expires_in=60)
    connect.connections_table().mark_behind(connection("behind").key, NOW)
    calls.clear()
    janitor.handler({}, LambdaContext())

    assert gateway.closed == ["expired"]
    assert calls | managed(gateway) == set(needs.CALLS["gateway-janitor"])


def test_resync(calls: Calls, region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    """One dead letter tells where its records are, and one tells nothing."""
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", region.sqs.create_queue(QueueName="unread")["QueueUrl"])
    monkeypatch.setenv("ALARM_TOPIC_ARN", TOPIC)

    held = inserted(submission())
    held["dynamodb"]["SequenceNumber"] = number = "100000000000000000001"
    answers: dict[str, Mapping[str, Any]] = {
        "dynamodb-streams.GetShardIterator": {"ShardIterator": "iterator"},
        "dynamodb-streams.GetRecords": {"Records": [held]},
        "sns.Publish": {"MessageId": "message-1"},
    }

    def answer(event_name: str, **_: object) -> Any:
        return SimpleNamespace(status_code=200), answers[event_name.removeprefix("before-call.")]

    for operation in answers:
        aws.session().register(f"before-call.{operation}", answer)
    shard = {"streamArn": needs.STREAM, "shardId": "shardId-00000001790000000000-1234abcd"}
    place = {**shard, "startSequenceNumber": number, "endSequenceNumber": number}
    for letter in (json.dumps({"DDBStreamBatchInfo": place}), "no dead letter"):
        resync.handler({"Records": [{"messageId": "message-1", "body": letter}]}, LambdaContext())

    assert calls == set(needs.CALLS["recovery-resync"])


def test_the_requests_of_clients_take_the_units_of_the_cost_model(
    region: Region, gateway: Gateway, clock: Clock, trusted_issuer: None
) -> None:
    units = dict.fromkeys(UNITS, Units(0, 0))
    request = ""

    def count(params: Mapping[str, Any], model: OperationModel, **_: object) -> None:
        read, write = units[request]
        match model.name:
            case "GetItem":
                read += 1
            case "BatchGetItem":
                read += sum(len(table["Keys"]) for table in params["RequestItems"].values())
            case "Query":
                read += 0.5
            case _:
                is_budget = params.get("Key", {}).get("SK") == {"S": "TENANT"} and "connect" not in request
                write += 0 if is_budget else 1
        units[request] = Units(read, write)

    aws.session.cache_clear()
    aws.session().register("provide-client-params.dynamodb", count)
    for request in UNITS:
        clock.advance(1_000)
        match request:
            case "connect":
                connect.handler(connect_event(), LambdaContext())
            case "disconnect":
                connect.handler(disconnect_event(), LambdaContext())
            case "authenticate":
                event = message_event({"action": request, "token": issuer.token()})
                authenticate.handler(event, LambdaContext())
            case _:
                cursor = Cursor.for_complete_reply("t_acme", 0, NOW).encode()
                fields = {"cursor": cursor} if request == "sync" else {}
                message.handler(message_event({"action": request, **fields}), LambdaContext())
    aws.session.cache_clear()

    assert units == UNITS


def test_no_source_asks_aws_in_another_way() -> None:
    source = "".join(path.read_text() for path in HANDLERS.rglob("*.py"))
    asked = set(re.findall(r"\bclient(?:\(\S*\))?\.(\w+)", source)) - {"exceptions"}
    actions = {action.partition(":")[2] for needed in needs.CALLS.values() for action, _ in needed}

    # To @connections go requests of our own.
    expected = actions - {"ManageConnections"}
    assert asked == {xform_name(action) for action in expected}
