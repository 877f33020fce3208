"""`RealtimePipe`: every record reaches the Lambda, or the queue, and none holds up the rest."""

from __future__ import annotations

import json
from typing import Any

import pytest

from components import SUBMISSION_RECORDS, RealtimePipe, RealtimePipeArgs

from .examples import FUNCTION_ARN, STREAM_ARN
from .harness import Recording, run
from .policies import allow, document, trust
from .provider import ACCOUNT, REGION, arn, physical_name

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
        ("sqs/queue:Queue", "realtime-dead-letters"),
        ("cloudwatch/metricAlarm:MetricAlarm", "realtime-dead-letters-alarm"),
    }


def test_only_pipes_of_this_account_may_take_the_role(recording: Recording) -> None:
    assert recording.json("realtime-role", "assumeRolePolicy") == trust(
        "pipes.amazonaws.com", {"StringEquals": {"aws:SourceAccount": ACCOUNT}}
    )


def test_the_role_may_read_the_stream_invoke_the_lambda_and_send_dead_letters(recording: Recording) -> None:
    assert recording.inputs("realtime-policy")["role"] == physical_name("realtime-role")
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
        allow(["lambda:InvokeFunction"], FUNCTION_ARN),
        allow(["sqs:SendMessage"], QUEUE_ARN),
    )


def test_the_pipe_is_made_when_its_role_may_do_what_it_needs(recording: Recording) -> None:
    pipe = recording.inputs("realtime-pipe")

    assert pipe["roleArn"] == f"arn:aws:iam::{ACCOUNT}:role/{physical_name('realtime-role')}"
    assert "realtime-policy" in recording.dependencies("realtime-pipe")


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
            "retry_attempts": 0,
            "record_age_seconds": 60,
        }
    )

    parameters = stream_parameters(recording)

    assert parameters["batchSize"] == 5
    assert parameters["maximumBatchingWindowInSeconds"] == 2
    assert parameters["maximumRetryAttempts"] == 0
    assert parameters["maximumRecordAgeInSeconds"] == 60


def test_the_queue_is_standard_encrypted_and_keeps_dead_letters_for_two_weeks(recording: Recording) -> None:
    assert recording.inputs("realtime-dead-letters") == {
        "messageRetentionSeconds": 14 * 24 * 3600,
        "sqsManagedSseEnabled": True,
    }


def test_the_first_dead_letter_raises_an_alarm(recording: Recording) -> None:
    alarm = recording.inputs("realtime-dead-letters-alarm")

    assert alarm["dimensions"] == {"QueueName": QUEUE}
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("GreaterThanThreshold", 0)


def test_registers_the_pipe_and_the_queue(recording: Recording) -> None:
    pipe = physical_name("realtime-pipe")

    assert recording.registered("realtime") == {
        "pipe_name": pipe,
        "pipe_arn": arn("pipes", f"pipe/{pipe}"),
        "dead_letter_queue_url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{QUEUE}",
    }
