"""The Lambda on the pipe's dead-letter queue."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

import boto3
import pytest
from botocore.exceptions import ClientError

import resync
from formbridge.broadcast.fanout_task import FanoutTask
from tests.support.handlers.builders import LambdaContext

if TYPE_CHECKING:
    from tests.support.handlers.region import Region

TABLE: Final = "streamed"


@pytest.fixture
def given_up(region: Region) -> Any:
    """Writes items to a table with a stream; the dead letter of a pipe that gave all of them up."""
    dynamodb = region.dynamodb
    dynamodb.create_table(
        TableName=TABLE,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
        StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
    )
    streams = boto3.client("dynamodbstreams")
    arn = dynamodb.describe_table(TableName=TABLE)["Table"].get("LatestStreamArn", "")

    def write(*tenants: str | None) -> str:
        for number, tenant in enumerate(tenants):
            owner: dict[str, Any] = {} if tenant is None else {"tenant_id": {"S": tenant}}
            dynamodb.put_item(TableName=TABLE, Item={"PK": {"S": f"SUB#{number}"}, **owner})
        (shard,) = streams.describe_stream(StreamArn=arn)["StreamDescription"].get("Shards", [])
        shard_id = shard.get("ShardId", "")
        start = streams.get_shard_iterator(StreamArn=arn, ShardId=shard_id, ShardIteratorType="TRIM_HORIZON")
        records = streams.get_records(ShardIterator=start.get("ShardIterator", ""))["Records"]
        numbers = [record.get("dynamodb", {}).get("SequenceNumber") for record in records]
        where = {"startSequenceNumber": numbers[0], "endSequenceNumber": numbers[-1]}
        return json.dumps({"DDBStreamBatchInfo": {"streamArn": arn, "shardId": shard_id, **where}})

    yield write
    dynamodb.delete_table(TableName=TABLE)


def take(*bodies: str) -> None:
    """The queue hands over dead letters."""
    records = [{"messageId": f"message-{number}", "body": body} for number, body in enumerate(bodies)]
    resync.handler({"Records": records}, LambdaContext())


def metrics(capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    (line,) = capsys.readouterr().out.splitlines()
    told = json.loads(line)
    return told["DeadLetters"], told["UnreadableDeadLetters"]


def test_the_tenants_of_what_was_given_up_are_told_to_resync(
    region: Region, given_up: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    take(given_up("t_acme", "t_globex", "t_acme"))
    handed_over = [FanoutTask.decode(message) for message in region.handed_over()]
    assert sorted(handed_over, key=lambda work: work.tenant_id) == [
        FanoutTask("t_acme", None),
        FanoutTask("t_globex", None),
    ]
    assert region.dead_letters() == []
    assert metrics(capsys) == (1, 0)


def test_what_names_no_tenant_is_kept_for_a_person_and_the_others_are_told(
    region: Region, given_up: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    letter = given_up("t_acme", None)
    take(letter)
    assert [FanoutTask.decode(message) for message in region.handed_over()] == [FanoutTask("t_acme", None)]
    (kept,) = map(json.loads, region.dead_letters())
    assert kept.keys() == {"reason", "dead_letter"}
    assert kept["dead_letter"] == letter
    assert kept["reason"].startswith("records ")
    assert kept["reason"].endswith(" have no valid tenant_id")
    assert metrics(capsys) == (1, 1)


def test_a_person_hears_of_it_where_it_is(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    sns = boto3.client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    told = region.sqs.create_queue(QueueName="told")["QueueUrl"]
    sns.subscribe(TopicArn=topic, Protocol="sqs", Endpoint="arn:aws:sqs:us-east-1:123456789012:told")
    monkeypatch.setenv("ALARM_TOPIC_ARN", topic)
    where = {
        "streamArn": "arn:aws:dynamodb:us-east-1:123456789012:table/gone/stream/2026-11-22T20:00:00.000",
        "shardId": "shardId-00000001790000000000-1234abcd",
        "startSequenceNumber": "300000000000000000001",
        "endSequenceNumber": "300000000000000000002",
    }
    take(json.dumps({"DDBStreamBatchInfo": where}))
    (message,) = region.sqs.receive_message(QueueUrl=told).get("Messages", [])
    text = json.loads(message.get("Body", ""))["Message"]
    assert all(part in text for part in where.values())
    assert region.handed_over() == []


def test_what_is_larger_than_a_message_is_kept_whole_in_several(region: Region) -> None:
    letter = '"' * 1024 * 1024
    take(letter)
    kept = [json.loads(message) for message in region.dead_letters()]
    assert {(each["dead_letter_id"], each["parts"]) for each in kept} == {("message-0", len(kept))}
    kept.sort(key=lambda each: each["part"])
    assert json.loads("".join(each["text"] for each in kept)) == letter


def test_a_person_who_cannot_be_told_now_finds_one_dead_letter_and_not_one_a_try(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    sns = boto3.client("sns")
    topic = sns.create_topic(Name="alarms")["TopicArn"]
    sns.delete_topic(TopicArn=topic)
    monkeypatch.setenv("ALARM_TOPIC_ARN", topic)
    for _ in range(2):
        with pytest.raises(ClientError, match="NotFound"):
            take("no dead letter")
    assert region.dead_letters() == []

    sns.create_topic(Name="alarms")
    take("no dead letter")
    assert len(region.dead_letters()) == 1


def test_a_failure_leaves_the_dead_letter_in_its_queue(
    region: Region, given_up: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("FANOUT_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/of-nobody")
    caplog.set_level(logging.INFO, logger="formbridge")
    with pytest.raises(Exception, match="NonExistentQueue"):
        take(given_up("t_acme"))
    assert "failed" in caplog.messages
