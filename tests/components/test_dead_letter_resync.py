"""`DeadLetterResync`: from a pipe's dead-letter queue to the fan-out queue, and what cannot be read to a person."""

from __future__ import annotations

from typing import Any

import pytest

from components import DeadLetterResync, DeadLetterResyncArgs, RealtimePipe
from tests.support.components.examples import (
    DEAD_LETTERS_ARN,
    FANOUT_QUEUE_ARN,
    FANOUT_QUEUE_URL,
    FUNCTION_ARN,
    STREAM_ARN,
)
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.policies import allow, allow_logs, document
from tests.support.components.provider import ACCOUNT, REGION, arn, physical_name

REQUIRED: DeadLetterResyncArgs = {
    "dead_letter_queue_arn": DEAD_LETTERS_ARN,
    "stream_arn": STREAM_ARN,
    "fanout_queue_url": FANOUT_QUEUE_URL,
    "fanout_queue_arn": FANOUT_QUEUE_ARN,
}
UNREAD = physical_name("recovery-dead-letters")
UNREAD_ARN = arn("sqs", UNREAD)
TOPIC = arn("sns", "alarms")
ENVIRONMENT = {
    "FANOUT_QUEUE_URL": FANOUT_QUEUE_URL,
    "DEAD_LETTER_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{UNREAD}",
}
STATEMENTS = [
    allow_logs("recovery-resync"),
    allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], DEAD_LETTERS_ARN),
    allow(["dynamodb:GetShardIterator", "dynamodb:GetRecords"], STREAM_ARN),
    allow(["sqs:SendMessage"], FANOUT_QUEUE_ARN, UNREAD_ARN),
]


def declare(args: DeadLetterResyncArgs) -> Recording:
    return run(lambda: DeadLetterResync("recovery", args))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


def test_declares_the_lambda_its_mapping_and_the_queue_for_what_it_cannot_read(recording: Recording) -> None:
    assert recording.children("recovery") == {
        ("formbridge:index:HandlerFunction", "recovery-resync"),
        ("lambda/eventSourceMapping:EventSourceMapping", "recovery-resync-mapping"),
        ("sqs/queue:Queue", "recovery-dead-letters"),
        ("sqs/queuePolicy:QueuePolicy", "recovery-dead-letters-policy"),
        ("cloudwatch/metricAlarm:MetricAlarm", "recovery-dead-letters-alarm"),
        ("cloudwatch/metricAlarm:MetricAlarm", "recovery-stuck-alarm"),
    }


def test_the_lambda_takes_one_dead_letter_at_a_time_and_two_at_once(recording: Recording) -> None:
    assert recording.inputs("recovery-resync-mapping") == {
        "eventSourceArn": DEAD_LETTERS_ARN,
        "functionName": physical_name("recovery-resync-function"),
        "batchSize": 1,
        "scalingConfig": {"maximumConcurrency": 2},
    }


def test_the_lambda_is_told_where_its_findings_go(recording: Recording) -> None:
    function = recording.inputs("recovery-resync-function")

    assert (function["handler"], function["timeout"]) == ("resync.handler", 60)
    assert function["environment"]["variables"] == ENVIRONMENT
    assert set(function["code"].assets) & {"resync.py", "formbridge/__init__.py"}


def test_the_lambda_may_read_the_range_and_send_what_it_found(recording: Recording) -> None:
    assert recording.json("recovery-resync-policy", "policy") == document(*STATEMENTS)


def test_the_lambda_tells_a_topic_where_there_is_one() -> None:
    told = declare({**REQUIRED, "alarm_topic_arn": TOPIC})

    assert told.inputs("recovery-resync-function")["environment"]["variables"] == {
        **ENVIRONMENT,
        "ALARM_TOPIC_ARN": TOPIC,
    }
    assert told.json("recovery-resync-policy", "policy") == document(*STATEMENTS, allow(["sns:Publish"], TOPIC))


def test_the_queue_of_a_pipe_hides_a_dead_letter_six_times_as_long_as_the_lambda_may_run(
    recording: Recording,
) -> None:
    """Lambda refuses a queue that hides it for less time than the function may run."""
    pipe = run(lambda: RealtimePipe("realtime", {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN}))
    timeout = recording.inputs("recovery-resync-function")["timeout"]

    assert pipe.inputs("realtime-dead-letters")["visibilityTimeoutSeconds"] == 6 * timeout


def test_what_could_not_be_read_raises_an_alarm(recording: Recording) -> None:
    alarm = recording.inputs("recovery-dead-letters-alarm")

    assert alarm["dimensions"] == {"QueueName": UNREAD}
    assert (alarm["metricName"], alarm["threshold"]) == ("ApproximateNumberOfMessagesVisible", 0)


def test_a_dead_letter_that_the_lambda_fails_on_raises_an_alarm(recording: Recording) -> None:
    """It is hidden while it is tried, and the alarm of the queue itself counts what is not."""
    alarm = recording.inputs("recovery-stuck-alarm")
    tries = 60 * alarm["evaluationPeriods"] / 360

    assert alarm["dimensions"] == {"QueueName": "realtime-dead-letters"}
    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesNotVisible")
    assert (alarm["statistic"], alarm["comparisonOperator"], alarm["threshold"]) == (
        "Maximum",
        "GreaterThanThreshold",
        0,
    )
    assert (alarm["period"], alarm["treatMissingData"]) == (60, "notBreaching")
    assert tries > 2


@pytest.mark.parametrize("name", ["recovery-dead-letters-alarm", "recovery-stuck-alarm"])
def test_an_alarm_goes_nowhere_by_default_and_to_a_topic_where_there_is_one(recording: Recording, name: str) -> None:
    alarm = declare({**REQUIRED, "alarm_topic_arn": TOPIC}).inputs(name)

    assert (alarm["alarmActions"], alarm["okActions"]) == ([TOPIC], [TOPIC])
    assert not {"alarmActions", "okActions"} & set(recording.inputs(name))


def test_logs_are_kept_as_long_as_was_asked_for(recording: Recording) -> None:
    assert recording.inputs("recovery-resync-logs")["retentionInDays"] == 14
    assert declare({**REQUIRED, "log_retention_days": 7}).inputs("recovery-resync-logs")["retentionInDays"] == 7


def test_registers_the_queue_of_what_could_not_be_read(recording: Recording) -> None:
    assert recording.registered("recovery") == {"dead_letter_queue_arn": UNREAD_ARN}


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("dead_letter_queue_arn", f"{DEAD_LETTERS_ARN}.fifo", "must be the ARN of a standard (not FIFO) SQS queue, "),
        ("stream_arn", arn("dynamodb", "table/orders"), "must be the ARN of a DynamoDB stream, got "),
        (
            "fanout_queue_url",
            FANOUT_QUEUE_ARN,
            "must be the https URL of an SQS queue, or an http URL of localhost or 127.0.0.1, got ",
        ),
        ("fanout_queue_arn", FANOUT_QUEUE_URL, "must be the ARN of a standard (not FIFO) SQS queue, got "),
        ("alarm_topic_arn", "alarms", "must be the ARN of a standard SNS topic, got 'alarms'"),
        ("log_retention_days", 13, "must be one of 1, 3, 5, 7, 14, 30, "),
        ("package_for", "arm64", "must be one of lambda, host, got 'arm64'"),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args: Any = {**REQUIRED, field: value}

    assert refusal(lambda: DeadLetterResync("recovery", args)).startswith(f"{field}: {message}")


def test_an_emulators_queue_is_reached_without_tls() -> None:
    url = "http://127.0.0.1:4566/000000000000/gateway-fanout-queue"
    function = declare({**REQUIRED, "fanout_queue_url": url}).inputs("recovery-resync-function")

    assert function["environment"]["variables"]["FANOUT_QUEUE_URL"] == url
