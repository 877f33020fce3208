from __future__ import annotations

import io
import json
import random
import zipfile
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.emulator import Emulator, client
from local.pipes import PipeError, PipeRunner, PipeSettings
from local.pipes.delivery import MAX_BACKOFF_SECONDS, Delivery, TargetError, records_done
from local.pipes.runner import pipe_record
from local.pipes.settings import Record

STREAM = "arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-11-22T20:00:00.000"
FUNCTION = "arn:aws:lambda:us-east-1:000000000000:function:f"
QUEUE = "arn:aws:sqs:us-east-1:000000000000:q"
PIPE = "arn:aws:pipes:us-east-1:000000000000:pipe/p"
NOW = 1_790_000_000.0


def settings(**changes: Any) -> PipeSettings:
    fields: dict[str, Any] = {
        "arn": PIPE,
        "stream_arn": STREAM,
        "function_arn": FUNCTION,
        "starting_position": "TRIM_HORIZON",
        "dead_letter_arn": QUEUE,
        **changes,
    }
    return PipeSettings(**fields)


def record(number: int, *, age: float = 0.0, kind: str = "SUB") -> Record:
    return {
        "eventID": f"event-{number}",
        "eventName": "INSERT",
        "eventSourceARN": STREAM,
        "dynamodb": {
            "ApproximateCreationDateTime": NOW - age,
            "Keys": {"PK": {"S": f"{kind}#{number}"}},
            "SequenceNumber": f"{number:021d}",
        },
    }


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(one["dynamodb"]["SequenceNumber"]) for one in records]


class Pipe:
    """A delivery with a target whose behaviour the test gives, and a memory of everything that happened."""

    def __init__(self, target: Callable[[Sequence[Record]], object] = lambda _batch: None, **changes: Any) -> None:
        self.now = NOW
        self.batches: list[list[int]] = []
        self.done: list[int] = []
        self.dead_letters: list[dict[str, Any]] = []
        self.pauses: list[float] = []
        self._target = target
        self.delivery = Delivery(
            settings(**changes),
            "shard-1",
            target=self._invoke,
            dead_letter=lambda message: self.dead_letters.append(dict(message)),
            clock=lambda: self.now,
            sleep=self.pauses.append,
            jitter=lambda: 1.0,
        )

    def _invoke(self, batch: Sequence[Record]) -> object:
        self.batches.append(numbers(batch))
        response = self._target(batch)
        self.done += numbers(batch)[: records_done(batch, response)]
        return response

    def given_up(self) -> list[tuple[int, int, str]]:
        """(first, last, condition) of each dead-letter message."""
        return [
            (
                int(message["DDBStreamBatchInfo"]["startSequenceNumber"]),
                int(message["DDBStreamBatchInfo"]["endSequenceNumber"]),
                message["context"]["condition"],
            )
            for message in self.dead_letters
        ]


def fails_on(*poison: int) -> Callable[[Sequence[Record]], object]:
    def target(batch: Sequence[Record]) -> None:
        if set(numbers(batch)) & set(poison):
            raise TargetError("Unhandled ValueError")

    return target


# --- Batches ------------------------------------------------------------------------------------------------


def test_batches_keep_the_order_and_the_size() -> None:
    pipe = Pipe(batch_size=3)
    pipe.delivery.offer([record(n) for n in range(8)])
    assert pipe.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_nothing_found_delivers_nothing() -> None:
    pipe = Pipe()
    pipe.delivery.offer([])
    assert pipe.batches == []


def test_the_filter_comes_before_the_batch() -> None:
    pattern = {"dynamodb": {"Keys": {"PK": {"S": [{"prefix": "SUB#"}]}}}}
    pipe = Pipe(batch_size=2, patterns=(pattern,))
    pipe.delivery.offer([record(0), record(1, kind="CONN"), record(2), record(3, kind="CONN"), record(4)])
    assert pipe.batches == [[0, 2], [4]]


def test_filters_are_alternatives() -> None:
    pipe = Pipe(patterns=({"eventID": ["event-1"]}, {"eventID": ["event-3"]}))
    pipe.delivery.offer([record(n) for n in range(5)])
    assert pipe.batches == [[1, 3]]


def test_a_window_lets_a_batch_fill_up() -> None:
    pipe = Pipe(batch_size=3, window_seconds=5)
    pipe.delivery.offer([record(0)])
    pipe.now += 4
    pipe.delivery.offer([record(1)])
    assert pipe.batches == []
    pipe.delivery.offer([record(2), record(3)])
    assert pipe.batches == [[0, 1, 2]]
    pipe.now += 4
    pipe.delivery.offer([])
    assert pipe.batches == [[0, 1, 2]]
    pipe.now += 1
    pipe.delivery.offer([])
    assert pipe.batches == [[0, 1, 2], [3]]


# --- Failures -----------------------------------------------------------------------------------------------


def test_a_failing_batch_is_retried_until_it_succeeds() -> None:
    outcomes = iter([TargetError("one"), TargetError("two"), None])

    def target(_batch: Sequence[Record]) -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    pipe = Pipe(target)
    pipe.delivery.offer([record(0), record(1)])
    assert pipe.batches == [[0, 1]] * 3
    assert pipe.dead_letters == []
    assert pipe.pauses == [0.1, 0.2]


def test_retries_are_bounded_and_what_follows_is_delivered() -> None:
    pipe = Pipe(fails_on(0), batch_size=2, retries=2)
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1], [0, 1], [0, 1], [2, 3]]
    assert pipe.given_up() == [(0, 1, "RetryAttemptsExhausted")]


def test_no_retries_at_all() -> None:
    pipe = Pipe(fails_on(0), retries=0)
    pipe.delivery.offer([record(0)])
    assert pipe.batches == [[0]]
    assert pipe.given_up() == [(0, 0, "RetryAttemptsExhausted")]


def test_the_backoff_is_jittered_and_capped() -> None:
    pipe = Pipe(fails_on(0), retries=12)
    pipe.delivery.offer([record(0)])
    assert pipe.pauses[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, MAX_BACKOFF_SECONDS]
    assert set(pipe.pauses[5:]) == {MAX_BACKOFF_SECONDS}


def test_bisection_isolates_the_poison_and_costs_no_retry() -> None:
    pipe = Pipe(fails_on(2), retries=1, bisect=True)
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [2], [3]]
    assert pipe.given_up() == [(2, 2, "RetryAttemptsExhausted")]
    assert pipe.done == [0, 1, 3]


def test_a_partial_failure_is_a_checkpoint() -> None:
    failures = iter([[{"itemIdentifier": "event-3"}, {"itemIdentifier": "event-2"}], []])
    pipe = Pipe(lambda _batch: {"batchItemFailures": next(failures)})
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1, 2, 3], [2, 3]]
    assert pipe.done == [0, 1, 2, 3]


def test_a_checkpoint_splits_the_batch() -> None:
    def target(batch: Sequence[Record]) -> object:
        failed = [one["eventID"] for one in batch if one["eventID"] == "event-1"]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}

    pipe = Pipe(target, retries=1, bisect=True)
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1, 2, 3], [1, 2, 3], [1], [1], [2, 3]]
    assert pipe.given_up() == [(1, 1, "RetryAttemptsExhausted")]


RESPONSES: list[tuple[object, int]] = [
    (None, 3),
    ({}, 3),
    ("done", 3),
    ([], 3),
    ({"statusCode": 500}, 3),
    ({"batchItemFailures": None}, 3),
    ({"batchItemFailures": []}, 3),
    ({"batchItemFailures": [{"itemIdentifier": "event-1"}]}, 1),
    ({"batchItemFailures": [{"itemIdentifier": f"{2:021d}"}]}, 2),
    ({"batchItemFailures": [{"itemIdentifier": "event-2"}, {"itemIdentifier": f"{1:021d}"}]}, 1),
    ({"batchItemFailures": [{"itemIdentifier": "event-9"}]}, 0),
    ({"batchItemFailures": [{"itemIdentifier": ""}]}, 0),
    ({"batchItemFailures": [{"itemIdentifier": None}]}, 0),
    ({"batchItemFailures": [{"identifier": "event-2"}]}, 0),
    ({"batchItemFailures": [{"itemIdentifier": "event-2"}, {"itemIdentifier": "event-9"}]}, 0),
    ({"batchItemFailures": ["event-1"]}, 0),
    ({"batchItemFailures": "event-1"}, 0),
]


@pytest.mark.parametrize(("response", "done"), RESPONSES, ids=[json.dumps(r[0]) for r in RESPONSES])
def test_what_a_response_says(response: object, done: int) -> None:
    assert records_done([record(n) for n in range(3)], response) == done


def test_records_that_are_too_old_are_given_up_unseen() -> None:
    pipe = Pipe(record_age_seconds=60)
    pipe.delivery.offer([record(0, age=90), record(1, age=61), record(2, age=60), record(3)])
    assert pipe.batches == [[2, 3]]
    assert pipe.given_up() == [(0, 1, "RecordAgeExceeded")]


def test_a_record_may_grow_too_old_while_it_is_retried() -> None:
    pipe = Pipe(fails_on(0), record_age_seconds=60)
    pipe.delivery = Delivery(
        settings(record_age_seconds=60),
        "shard-1",
        target=fails_on(0),
        dead_letter=lambda message: pipe.dead_letters.append(dict(message)),
        clock=lambda: pipe.now,
        sleep=lambda seconds: setattr(pipe, "now", pipe.now + max(seconds, 10)),
    )
    pipe.delivery.offer([record(0)])
    assert pipe.given_up() == [(0, 0, "RecordAgeExceeded")]


def test_the_dead_letter_says_where_and_never_what() -> None:
    pipe = Pipe(fails_on(1), retries=0)
    pipe.delivery.offer([record(1, age=2.5), record(2, age=1)])
    assert pipe.dead_letters == [
        {
            "context": {"partnerResourceArn": PIPE, "condition": "RetryAttemptsExhausted"},
            "version": "1.0",
            "timestamp": "2026-09-21T14:13:20.000Z",
            "DDBStreamBatchInfo": {
                "shardId": "shard-1",
                "startSequenceNumber": f"{1:021d}",
                "endSequenceNumber": f"{2:021d}",
                "approximateArrivalOfFirstRecord": "2026-09-21T14:13:17Z",
                "approximateArrivalOfLastRecord": "2026-09-21T14:13:19Z",
                "batchSize": 2,
                "streamArn": STREAM,
            },
        }
    ]


def test_an_error_of_ours_is_no_failure_of_the_target() -> None:
    def target(_batch: Sequence[Record]) -> None:
        raise ZeroDivisionError

    pipe = Pipe(target)
    with pytest.raises(ZeroDivisionError):
        pipe.delivery.offer([record(0)])


@given(
    count=st.integers(0, 30),
    batch_size=st.integers(1, 10),
    retries=st.integers(0, 3),
    bisect=st.booleans(),
    poison=st.sets(st.integers(0, 29), max_size=4),
    seed=st.integers(0, 1000),
)
def test_each_record_is_done_or_given_up_in_order(
    count: int, batch_size: int, retries: int, bisect: bool, poison: set[int], seed: int
) -> None:
    """With any mix of poison, flaky errors and partial failures: nothing is lost, nothing overtakes."""
    chance = random.Random(seed)

    def target(batch: Sequence[Record]) -> object:
        bad = [one["eventID"] for one in batch if numbers([one])[0] in poison]
        if bad and chance.random() < 0.5:
            return {"batchItemFailures": [{"itemIdentifier": bad[0]}]}
        if bad or chance.random() < 0.2:
            raise TargetError("flaky")
        return None

    pipe = Pipe(target, batch_size=batch_size, retries=retries, bisect=bisect)
    pipe.delivery.offer([record(n) for n in range(count)])
    given_up = {n for first, last, _ in pipe.given_up() for n in range(first, last + 1)}
    assert set(pipe.done) | given_up == set(range(count))
    assert pipe.done == sorted(set(pipe.done))
    assert not set(pipe.done) & poison
    assert all(len(batch) <= batch_size for batch in pipe.batches)


# --- What the program declared --------------------------------------------------------------------------------


def inputs(**changes: Any) -> dict[str, Any]:
    """The wire inputs of a pipe; `a__b` changes a property below a property."""
    declared: dict[str, Any] = {
        "roleArn": "arn:aws:iam::000000000000:role/r",
        "source": STREAM,
        "target": FUNCTION,
        "sourceParameters": {
            "dynamodbStreamParameters": {"startingPosition": "TRIM_HORIZON"},
        },
    }
    for path, value in changes.items():
        *parents, name = path.split("__")
        place = declared
        for parent in parents:
            place = place.setdefault(parent, {})
        place[name] = value
    return declared


STREAM_PARAMETERS = "sourceParameters__dynamodbStreamParameters__"


def test_defaults_are_those_of_pipes() -> None:
    assert PipeSettings.from_inputs(PIPE, inputs()) == settings(dead_letter_arn=None)


def test_everything_that_a_program_may_declare() -> None:
    pattern = {"eventName": ["INSERT"]}
    declared = inputs(
        name="p",
        description="d",
        tags={"a": "b"},
        desiredState="STOPPED",
        logConfiguration={"level": "ERROR"},
        targetParameters__lambdaFunctionParameters__invocationType="FIRE_AND_FORGET",
        sourceParameters__filterCriteria__filters=[{"pattern": json.dumps(pattern)}],
        **{
            STREAM_PARAMETERS + "startingPosition": "LATEST",
            STREAM_PARAMETERS + "batchSize": 10.0,
            STREAM_PARAMETERS + "maximumBatchingWindowInSeconds": 3.0,
            STREAM_PARAMETERS + "maximumRetryAttempts": 10.0,
            STREAM_PARAMETERS + "maximumRecordAgeInSeconds": 3600.0,
            STREAM_PARAMETERS + "onPartialBatchItemFailure": "AUTOMATIC_BISECT",
            STREAM_PARAMETERS + "parallelizationFactor": 4.0,
            STREAM_PARAMETERS + "deadLetterConfig": {"arn": QUEUE},
        },
    )
    assert PipeSettings.from_inputs(PIPE, declared) == settings(
        running=False,
        invocation_type="Event",
        patterns=(pattern,),
        starting_position="LATEST",
        batch_size=10,
        window_seconds=3,
        retries=10,
        record_age_seconds=3600,
        bisect=True,
        lanes=4,
    )


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"enrichment": FUNCTION}, f"enrichment: the local run does not know this property of a pipe (value '{FUNCTION}')"),
    ({"targetParameters__inputTemplate": "<$.x>"}, "targetParameters.inputTemplate: the local run does not know"),
    ({"targetParameters__sqsQueueParameters": {"a": 1}}, "targetParameters.sqsQueueParameters: the local run does not"),
    ({STREAM_PARAMETERS + "batchsize": 10}, "sourceParameters.dynamodbStreamParameters.batchsize: the local run does"),
    ({STREAM_PARAMETERS + "batchSize": 0}, "dynamodbStreamParameters.batchSize: must be from 1 to 10000, not 0"),
    ({STREAM_PARAMETERS + "batchSize": 1.5}, "dynamodbStreamParameters.batchSize: must be a whole number, not 1.5"),
    ({STREAM_PARAMETERS + "batchSize": True}, "dynamodbStreamParameters.batchSize: must be a whole number, not True"),
    ({STREAM_PARAMETERS + "parallelizationFactor": 11}, "parallelizationFactor: must be from 1 to 10, not 11"),
    (
        {STREAM_PARAMETERS + "startingPosition": "AT_TIMESTAMP"},
        "must be one of TRIM_HORIZON, LATEST, not 'AT_TIMESTAMP'",
    ),
    ({STREAM_PARAMETERS + "startingPosition": None}, "must be one of TRIM_HORIZON, LATEST, not None"),
    ({STREAM_PARAMETERS + "onPartialBatchItemFailure": "x"}, "must be one of AUTOMATIC_BISECT, not 'x'"),
    (
        {STREAM_PARAMETERS + "deadLetterConfig": {"arn": "arn:aws:sns:x"}},
        "deadLetterConfig.arn: the local run takes an",
    ),
    ({"source": "arn:aws:kinesis:x"}, "source: the local run takes an ARN of dynamodb, not 'arn:aws:kinesis:x'"),
    ({"target": "arn:aws:states:x"}, "target: the local run takes an ARN of lambda, not 'arn:aws:states:x'"),
    ({"sourceParameters__filterCriteria__filters": [{"pattern": "{"}]}, "filters[0].pattern: not JSON"),
    ({"sourceParameters__filterCriteria__filters": [{"pattern": '{"a": 1}'}]}, "filters[0].pattern: a: must be a list"),
    (
        {"sourceParameters__filterCriteria__filters": [{"patern": "{}"}]},
        "filters[0].patern: the local run does not know",
    ),
    ({"sourceParameters__filterCriteria__filters": [{"pattern": "{}"}] * 6}, "filters: at most 5, not 6"),
]


@pytest.mark.parametrize(("changes", "message"), FAULTS, ids=[f[1] for f in FAULTS])
def test_faults_name_property_and_value(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PipeError) as caught:
        PipeSettings.from_inputs(PIPE, inputs(**changes))
    assert message in str(caught.value)


def test_a_record_as_a_pipe_delivers_it() -> None:
    from_boto3 = {
        "eventID": "1",
        "eventName": "REMOVE",
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": {
            "ApproximateCreationDateTime": datetime.fromtimestamp(NOW, UTC),
            "Keys": {"PK": {"S": "SUB#1"}},
            "OldImage": {"PK": {"S": "SUB#1"}, "n": {"N": "5"}, "raw": {"B": b"\x00\xff"}},
            "SequenceNumber": "111",
            "SizeBytes": 26,
            "StreamViewType": "NEW_AND_OLD_IMAGES",
        },
        "userIdentity": {"Type": "Service", "PrincipalId": "dynamodb.amazonaws.com"},
    }
    event = pipe_record(from_boto3, STREAM)
    assert event["eventSourceARN"] == STREAM
    assert event["dynamodb"]["ApproximateCreationDateTime"] == int(NOW)
    assert event["dynamodb"]["OldImage"]["raw"] == {"B": "AP8="}
    assert event["userIdentity"] == {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


# --- Against the emulator -------------------------------------------------------------------------------------

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
        url, region = emulator.endpoint_url, emulator.region
        self.emulator = emulator
        self.name = name
        self.dynamodb, self.sqs = client("dynamodb", url, region), client("sqs", url, region)
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
        archive = io.BytesIO()
        with zipfile.ZipFile(archive, "w") as file:
            file.writestr("index.py", HANDLER)
        self.function_arn: str = client("lambda", url, region).create_function(
            FunctionName=name,
            Runtime="python3.13",
            Handler="index.handler",
            Role="arn:aws:iam::000000000000:role/r",
            Code={"ZipFile": archive.getvalue()},
            Timeout=30,
            Environment={"Variables": {"QUEUE": self.delivered}},
        )["FunctionArn"]

    def put(self, *keys: str) -> None:
        for key in keys:
            self.dynamodb.put_item(TableName=self.name, Item={"PK": {"S": key}})

    def runner(self, **changes: Any) -> PipeRunner:
        changed = {
            "stream_arn": self.stream_arn,
            "function_arn": self.function_arn,
            "dead_letter_arn": f"arn:aws:sqs:us-east-1:000000000000:{self.name}-dead",
            **changes,
        }
        return PipeRunner(settings(**changed), self.emulator.endpoint_url, self.emulator.region)

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
    cloud.put("a", "poison", "b")
    runner = cloud.runner(bisect=True, retries=1)
    ended = runner.start()
    try:
        delivered = cloud.next_records(2)
        assert keys(delivered) == ["a", "b"]
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
