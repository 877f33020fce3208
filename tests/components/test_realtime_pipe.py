"""`RealtimePipe`: every record reaches the Lambda, or the queue, and none holds up the rest."""

from __future__ import annotations

import json
from fnmatch import fnmatchcase
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from components import SUBMISSION_RECORDS, RealtimePipe, RealtimePipeArgs
from tests.support.components.examples import FUNCTION_ARN, STREAM_ARN
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.policies import allow, document, trust
from tests.support.components.provider import ACCOUNT, arn, physical_name

QUEUE = physical_name("realtime-dead-letters")
QUEUE_ARN = arn("sqs", QUEUE)
REQUIRED: RealtimePipeArgs = {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN}


def declare(args: RealtimePipeArgs) -> Recording:
    return run(lambda: RealtimePipe("realtime", args))


def stream_parameters(recording: Recording) -> dict[str, Any]:
    return recording.inputs("realtime-pipe")["sourceParameters"]["dynamodbStreamParameters"]


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare({**REQUIRED, "filters": [SUBMISSION_RECORDS]})


def test_declares_the_pipe_its_role_and_the_queue_for_what_fails(recording: Recording) -> None:
    assert recording.children("realtime") == {
        ("pipes/pipe:Pipe", "realtime-pipe"),
        ("iam/role:Role", "realtime-role"),
        ("iam/rolePolicy:RolePolicy", "realtime-policy"),
        ("iam/rolePolicy:RolePolicy", "realtime-invoke-policy"),
        ("sqs/queue:Queue", "realtime-dead-letters"),
        ("sqs/queuePolicy:QueuePolicy", "realtime-dead-letters-policy"),
        ("cloudwatch/metricAlarm:MetricAlarm", "realtime-dead-letters-alarm"),
    }


def test_only_this_pipe_may_take_the_role(recording: Recording) -> None:
    """The role is made before the pipe, so that it knows the pipe by the name that Pulumi makes its own name of."""
    assert recording.json("realtime-role", "assumeRolePolicy") == trust(
        "pipes.amazonaws.com",
        {
            "StringEquals": {"aws:SourceAccount": ACCOUNT},
            "ArnLike": {"aws:SourceArn": arn("pipes", "pipe/*realtime-pipe*")},
        },
    )
    assert fnmatchcase(recording.registered("realtime")["pipe_arn"], arn("pipes", "pipe/*realtime-pipe*"))


def test_the_role_names_pipes_of_the_streams_own_partition_and_region() -> None:
    stream = "arn:aws-cn:dynamodb:cn-north-1:210987654321:table/forms/stream/1"
    trusted = declare({**REQUIRED, "stream_arn": stream}).json("realtime-role", "assumeRolePolicy")["Statement"][0]

    assert trusted["Condition"]["ArnLike"] == {
        "aws:SourceArn": "arn:aws-cn:pipes:cn-north-1:210987654321:pipe/*realtime-pipe*"
    }


def test_the_role_may_read_the_stream_invoke_the_lambda_and_send_dead_letters(recording: Recording) -> None:
    for policy in ("realtime-policy", "realtime-invoke-policy"):
        assert recording.inputs(policy)["role"] == physical_name("realtime-role")
    assert recording.json("realtime-policy", "policy") == document(
        allow(
            [
                "dynamodb:DescribeStream",
                "dynamodb:GetRecords",
                "dynamodb:GetShardIterator",
                "dynamodb:ListStreams",
            ],
            STREAM_ARN,
        ),
        allow(["sqs:SendMessage"], QUEUE_ARN),
    )
    # A policy of its own: it waits for the Lambda, and the other one need not.
    assert recording.json("realtime-invoke-policy", "policy") == document(
        allow(["lambda:InvokeFunction"], FUNCTION_ARN)
    )


def test_the_pipe_is_made_when_its_role_may_do_what_it_needs(recording: Recording) -> None:
    pipe = recording.inputs("realtime-pipe")

    assert pipe["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{physical_name('realtime-role')}"
    assert recording.dependencies("realtime-pipe") >= {"realtime-policy", "realtime-invoke-policy"}


def test_the_pipe_reads_the_stream_from_its_oldest_record(recording: Recording) -> None:
    assert recording.inputs("realtime-pipe")["source"] == STREAM_ARN
    assert stream_parameters(recording)["startingPosition"] == "TRIM_HORIZON"


def test_the_pipe_hands_over_what_one_poll_finds(recording: Recording) -> None:
    assert stream_parameters(recording)["batchSize"] == 100
    assert stream_parameters(recording)["maximumBatchingWindowInSeconds"] == 0


def test_a_failing_record_is_tried_a_bounded_number_of_times_alone_and_then_goes_to_the_queue(
    recording: Recording,
) -> None:
    parameters = stream_parameters(recording)

    assert parameters["maximumRetryAttempts"] == 10
    assert parameters["maximumRecordAgeInSeconds"] == 3600
    assert parameters["onPartialBatchItemFailure"] == "AUTOMATIC_BISECT"
    assert parameters["deadLetterConfig"] == {"arn": QUEUE_ARN}


def test_the_pipe_waits_for_the_lambda_and_gives_it_raw_records(recording: Recording) -> None:
    pipe = recording.inputs("realtime-pipe")

    assert pipe["target"] == FUNCTION_ARN
    # No input template: it would insert what people typed into JSON, unescaped.
    assert pipe["targetParameters"] == {"lambdaFunctionParameters": {"invocationType": "REQUEST_RESPONSE"}}


def test_the_pipe_logs_no_execution_data(recording: Recording) -> None:
    assert "logConfiguration" not in recording.inputs("realtime-pipe")


def test_the_pipe_takes_only_what_a_filter_matches(recording: Recording) -> None:
    (only,) = recording.inputs("realtime-pipe")["sourceParameters"]["filterCriteria"]["filters"]

    assert list(only) == ["pattern"]
    assert json.loads(only["pattern"]) == {
        "eventName": ["INSERT", "MODIFY", "REMOVE"],
        "dynamodb": {"Keys": {"PK": {"S": [{"prefix": "SUB#"}]}}},
    }


def test_without_filters_the_pipe_takes_every_record() -> None:
    assert "filterCriteria" not in declare(REQUIRED).inputs("realtime-pipe")["sourceParameters"]


def test_batches_and_retries_are_what_was_asked_for() -> None:
    recording = declare(
        {
            **REQUIRED,
            "batch_size": 5,
            "batching_window_seconds": 2,
            "retry_attempts": 1,
            "record_age_seconds": 60,
        }
    )

    parameters = stream_parameters(recording)

    assert parameters["batchSize"] == 5
    assert parameters["maximumBatchingWindowInSeconds"] == 2
    assert parameters["maximumRetryAttempts"] == 1
    assert parameters["maximumRecordAgeInSeconds"] == 60


def test_an_alias_of_a_lambda_is_a_target_too() -> None:
    target = f"{FUNCTION_ARN}:live"

    assert declare({**REQUIRED, "function_arn": target}).inputs("realtime-pipe")["target"] == target


def test_a_queue_of_ones_own_takes_what_is_given_up_and_no_other_is_made() -> None:
    own = arn("sqs", "mine")
    recording = declare({**REQUIRED, "dead_letter_queue_arn": own})

    assert stream_parameters(recording)["deadLetterConfig"] == {"arn": own}
    assert recording.registered("realtime")["dead_letter_queue_arn"] == own
    assert allow(["sqs:SendMessage"], own) in recording.json("realtime-policy", "policy")["Statement"]
    assert recording.of_type("sqs/queue:Queue") == []
    assert recording.of_type("cloudwatch/metricAlarm:MetricAlarm") == []


def test_a_queue_of_ones_own_has_an_alarm_of_ones_own() -> None:
    topic = arn("sns", "alarms")
    args: RealtimePipeArgs = {**REQUIRED, "dead_letter_queue_arn": arn("sqs", "mine"), "alarm_topic_arn": topic}

    assert refusal(lambda: RealtimePipe("realtime", args)) == (
        f"alarm_topic_arn: must not be set together with dead_letter_queue_arn, got {topic!r}"
    )


def test_registers_the_pipe_and_the_queue(recording: Recording) -> None:
    pipe = physical_name("realtime-pipe")

    assert recording.registered("realtime") == {
        "pipe_name": pipe,
        "pipe_arn": arn("pipes", f"pipe/{pipe}"),
        "pipe_state": "RUNNING",
        "dead_letter_queue_arn": QUEUE_ARN,
    }


ANY = {"eventName": ["INSERT"]}
LONG = {"dynamodb": {"Keys": {"PK": {"S": ["x" * 4057]}}}}
"""A pattern of 4,096 characters."""


def test_takes_values_at_each_limit() -> None:
    assert len(json.dumps(LONG, separators=(",", ":"))) == 4096
    for limits in (
        {"batch_size": 1, "batching_window_seconds": 0, "retry_attempts": 1, "record_age_seconds": 60},
        {"batch_size": 10_000, "batching_window_seconds": 300, "retry_attempts": 10_000, "record_age_seconds": 86_400},
    ):
        args: Any = {**REQUIRED, **limits, "filters": [LONG] * 5}

        assert len(declare(args).inputs("realtime-pipe")["sourceParameters"]["filterCriteria"]["filters"]) == 5


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("batch_size", 0, "must be an integer from 1 to 10,000, got 0"),
        ("batch_size", 10_001, "must be an integer from 1 to 10,000, got 10001"),
        ("batch_size", True, "must be an integer from 1 to 10,000, got True"),
        ("batch_size", 1.5, "must be an integer from 1 to 10,000, got 1.5"),
        ("batch_size", "100", "must be an integer from 1 to 10,000, got '100'"),
        ("desired_state", "PAUSED", "must be one of RUNNING, STOPPED, got 'PAUSED'"),
        ("batching_window_seconds", -1, "must be an integer from 0 to 300, got -1"),
        ("batching_window_seconds", 301, "must be an integer from 0 to 300, got 301"),
        ("retry_attempts", 0, "must be an integer from 1 to 10,000, got 0"),
        ("record_age_seconds", 59, "must be an integer from 60 to 86,400, got 59"),
        ("record_age_seconds", float("inf"), "must be an integer from 60 to 86,400, got inf"),
        ("filters", [ANY] * 6, "must have at most 5 patterns, got 6"),
        ("stream_arn", arn("dynamodb", "table/orders"), "must be the ARN of a DynamoDB stream, got "),
        ("function_arn", "broadcast", "must be the ARN of a Lambda function, got 'broadcast'"),
        ("alarm_topic_arn", arn("sns", "alarms.fifo"), "must be the ARN of a standard SNS topic, got "),
        (
            "dead_letter_queue_arn",
            arn("sqs", "mine.fifo"),
            f"must be the ARN of a standard (not FIFO) SQS queue, got '{arn('sqs', 'mine.fifo')}'",
        ),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args: Any = {**REQUIRED, field: value}

    assert refusal(lambda: RealtimePipe("realtime", args)).startswith(f"{field}: {message}")


def test_a_bad_value_of_an_output_is_refused_when_it_is_known() -> None:
    with pytest.raises(ValueError, match=r"^batch_size: must be an integer from 1 to 10,000, got 0$"):
        run(lambda: RealtimePipe("realtime", {**REQUIRED, "batch_size": pulumi.Output.from_input(0)}))


def test_a_bad_secret_is_refused_without_being_said() -> None:
    with pytest.raises(ValueError, match=r"^stream_arn: must be the ARN of a DynamoDB stream, got a secret$"):
        run(lambda: RealtimePipe("realtime", {**REQUIRED, "stream_arn": pulumi.Output.secret("hush")}))


def test_every_input_may_be_an_output() -> None:
    """As it is where one component's outputs are another's inputs."""

    def program() -> None:
        table = aws.dynamodb.Table("orders", stream_enabled=True)
        queue = aws.sqs.Queue("queue")
        known = pulumi.Output.from_input
        RealtimePipe(
            "realtime",
            {
                "stream_arn": table.stream_arn,
                "function_arn": known(FUNCTION_ARN),
                "filters": known([ANY]),
                "batch_size": known(5),
                "batching_window_seconds": known(1),
                "retry_attempts": known(2),
                "record_age_seconds": known(61),
                "dead_letter_queue_arn": queue.arn,
                "tags": {"Table": table.name},
            },
        )

    recording = run(program)
    parameters = stream_parameters(recording)

    assert recording.inputs("realtime-pipe")["source"].startswith(arn("dynamodb", "table/orders"))
    assert recording.dependencies("realtime-pipe") >= {"orders", "queue"}
    assert (parameters["batchSize"], parameters["maximumRetryAttempts"]) == (5, 2)
    assert recording.inputs("realtime-pipe")["tags"] == {"Table": physical_name("orders")}
