from __future__ import annotations

import json
from itertools import count
from typing import TYPE_CHECKING, Any

import pytest

from local.emulator import ACCOUNT_ID, Emulator
from local.emulator_client import client
from local.pipes import PipeError, PipeRunner
from local.pipes import runner as runner_module
from local.pipes.direct_client import CallError, DirectClient
from local.pipes.runner import to_pipe_record
from tests.local.conftest import REGION
from tests.support.local.functions import make_function
from tests.support.local.pipes import NOW, PIPE, QUEUE, STREAM, settings

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from local.pipes.settings import Record

HANDLER = """
def handler(event, context):
    if any(record["dynamodb"]["NewImage"]["PK"]["S"] == "poison" for record in event):
        raise ValueError("poison")
    print(len(event))
    import boto3, json, os
    boto3.client("sqs").send_message(QueueUrl=os.environ["QUEUE"], MessageBody=json.dumps(event))
"""


class Cloud:
    """A table with a stream, a function that reports to a queue, and a dead-letter queue."""

    def __init__(self, emulator: Emulator, name: str) -> None:
        self.emulator = emulator
        self.name = name
        self.dynamodb, self.sqs = client("dynamodb", emulator), client("sqs", emulator)
        self.delivered = self.sqs.create_queue(QueueName=f"{name}-delivered")["QueueUrl"]
        self.dead = self.sqs.create_queue(QueueName=f"{name}-dead")["QueueUrl"]
        table = self.dynamodb.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_AND_OLD_IMAGES"},
        )
        self.stream_arn: str = table["TableDescription"]["LatestStreamArn"]
        self.function_arn = make_function(emulator, name, HANDLER, QUEUE=self.delivered)

    def put(self, *keys: str, **attributes: Any) -> None:
        for key in keys:
            self.dynamodb.put_item(TableName=self.name, Item={"PK": {"S": key}, **attributes})

    def runner(self, **changes: Any) -> PipeRunner:
        changed = {
            "stream_arn": self.stream_arn,
            "function_arn": self.function_arn,
            "dead_letter_arn": f"arn:aws:sqs:us-east-1:{ACCOUNT_ID}:{self.name}-dead",
            **changes,
        }
        return PipeRunner(settings(**changed), self.emulator)

    def next_message(self, queue: str) -> Any:
        """The body of the next message; fails when none comes within 20 s."""
        response = self.sqs.receive_message(QueueUrl=queue, WaitTimeSeconds=20, MaxNumberOfMessages=1)
        assert response.get("Messages"), "no message came"
        (message,) = response["Messages"]
        self.sqs.delete_message(QueueUrl=queue, ReceiptHandle=message["ReceiptHandle"])
        return json.loads(message["Body"])

    def next_records(self, count: int) -> list[Record]:
        """The next `count` records that the function got, in whatever batches."""
        records: list[Record] = []
        while len(records) < count:
            records += self.next_message(self.delivered)
        return records


def keys(records: Sequence[Record]) -> list[str]:
    return [one["dynamodb"]["NewImage"]["PK"]["S"] for one in records]


def test_a_pipe_delivers_and_gives_up(emulator: Emulator) -> None:
    cloud = Cloud(emulator, "pipe-delivers")
    cloud.put("a", "poison", "b", raw={"B": b"\x00\xff"})
    runner = cloud.runner(bisect=True, max_retries=1)
    ended = runner.start()
    try:
        delivered = cloud.next_records(2)
        assert keys(delivered) == ["a", "b"]
        assert delivered[0]["dynamodb"]["NewImage"]["raw"] == {"B": "AP8="}
        assert {one["eventSourceARN"] for one in delivered} == {cloud.stream_arn}
        dead = cloud.next_message(cloud.dead)
        assert dead["context"] == {"partnerResourceArn": PIPE, "condition": "RetryAttemptsExhausted"}
        assert dead["DDBStreamBatchInfo"]["batchSize"] == 1
        assert dead["DDBStreamBatchInfo"]["streamArn"] == cloud.stream_arn
    finally:
        runner.stop()
        runner.join()
    assert ended.result(timeout=0) is None


def test_latest_starts_where_the_stream_ends(emulator: Emulator) -> None:
    cloud = Cloud(emulator, "pipe-latest")
    cloud.put("before")
    runner = cloud.runner(starting_position="LATEST", lanes=3)
    runner.start()
    try:
        cloud.put("after-1", "after-2")
        delivered = cloud.next_records(2)
        assert sorted(keys(delivered)) == ["after-1", "after-2"]
    finally:
        runner.stop()
        runner.join()


def test_a_record_is_delivered_at_once(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "WAIT_SECONDS", 30)
    cloud = Cloud(emulator, "pipe-at-once")
    runner = cloud.runner()
    runner.start()
    try:
        for key in ("first", "second", "third"):
            # By now the runner waits for it.
            cloud.put(key)
            assert keys(cloud.next_records(1)) == [key]
    finally:
        runner.stop()
        cloud.put("what ends the wait")
        runner.join()


def test_a_batch_is_due_though_no_record_comes(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "WAIT_SECONDS", 30)
    cloud = Cloud(emulator, "pipe-window")
    cloud.put("a", "b")
    runner = cloud.runner(window_seconds=1)
    runner.start()
    try:
        assert keys(cloud.next_message(cloud.delivered)) == ["a", "b"]
    finally:
        runner.stop()
        cloud.put("what ends the wait")
        runner.join()


def test_reading_goes_on_after_an_iterator_has_expired(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    cloud = Cloud(emulator, "pipe-expired")
    get_records, pages = DirectClient.get_records, count(1)

    def expire_after_the_first_page(calls: DirectClient, iterator: str, wait_seconds: float) -> Mapping[str, Any]:
        if next(pages) == 2:
            cloud.put("meanwhile")
            raise CallError("expired", "ExpiredIteratorException")
        return get_records(calls, iterator, wait_seconds)

    monkeypatch.setattr(DirectClient, "get_records", expire_after_the_first_page)
    cloud.put("before")
    runner = cloud.runner()
    runner.start()
    try:
        assert keys(cloud.next_records(2)) == ["before", "meanwhile"]
    finally:
        runner.stop()
        runner.join()


def test_an_emulator_that_ends_is_a_fault_unless_the_runner_was_stopped(tmp_path: Path) -> None:
    with Emulator(tmp_path, REGION) as emulator:
        cloud = Cloud(emulator, "pipe-ends")
        stopped, surprised = cloud.runner(), cloud.runner()
        ends = stopped.start(), surprised.start()
        stopped.stop()
    assert ends[0].result(timeout=20) is None
    assert isinstance(ends[1].exception(timeout=20), PipeError)
    stopped.join()
    surprised.join()


def test_a_missing_stream_or_queue_is_an_error_at_the_start(emulator: Emulator) -> None:
    cloud = Cloud(emulator, "pipe-missing")
    for changes in ({"stream_arn": STREAM}, {"dead_letter_arn": QUEUE}):
        runner = cloud.runner(**changes)
        with pytest.raises(PipeError, match=PIPE):
            runner.start()
        runner.join()


def test_a_fault_while_running_ends_the_runner_and_is_told(emulator: Emulator) -> None:
    cloud = Cloud(emulator, "pipe-fault")
    runner = cloud.runner()
    ended = runner.start()
    cloud.dynamodb.delete_table(TableName=cloud.name)
    assert isinstance(ended.exception(timeout=20), PipeError)
    runner.join()


def test_a_record_as_a_pipe_delivers_it() -> None:
    record = {
        "eventID": "1",
        "eventName": "REMOVE",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": NOW,
            "Keys": {"PK": {"S": "SUB#1"}},
            "OldImage": {"PK": {"S": "SUB#1"}, "n": {"N": "5"}, "raw": {"B": "AP8="}},
            "SequenceNumber": "111",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"},
    }
    assert to_pipe_record(record, STREAM) == {
        **record,
        "eventSourceARN": STREAM,
        "userIdentity": {"type": "Service", "principalId": "dynamodb.amazonaws.com"},
    }
