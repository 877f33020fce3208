"""`SubmissionIngest`: from the bus into the table, and what fails into the queue."""

from __future__ import annotations

from typing import Any

import pytest

from components import SubmissionIngest
from formbridge.wire.cursor import CONSISTENCY_WINDOW_MS
from tests.support.components.examples import TABLE_ARN
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.policies import allow, allow_logs, deny_without_tls, document
from tests.support.components.provider import ACCOUNT, REGION, arn, physical_name

BUS = physical_name("ingest-bus")
RULE_ARN = arn("events", f"rule/{BUS}/{physical_name('ingest-rule')}")
FUNCTION = physical_name("ingest-persist-function")
FUNCTION_ARN = arn("lambda", f"function:{FUNCTION}")
QUEUE = physical_name("ingest-dead-letters")
QUEUE_ARN = arn("sqs", QUEUE)
QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{QUEUE}"


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(lambda: SubmissionIngest("ingest", {"table_arn": TABLE_ARN}))


def test_declares_the_bus_the_rule_its_target_and_the_queue_for_what_fails(recording: Recording) -> None:
    assert recording.children("ingest") == {
        ("cloudwatch/eventBus:EventBus", "ingest-bus"),
        ("cloudwatch/eventRule:EventRule", "ingest-rule"),
        ("cloudwatch/eventTarget:EventTarget", "ingest-persist-target"),
        ("sqs/queue:Queue", "ingest-dead-letters"),
        ("sqs/queuePolicy:QueuePolicy", "ingest-dead-letters-policy"),
        ("cloudwatch/metricAlarm:MetricAlarm", "ingest-dead-letters-alarm"),
        ("formbridge:index:HandlerFunction", "ingest-persist"),
        ("lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", "ingest-persist-retries"),
        ("lambda/permission:Permission", "ingest-persist-permission"),
    }


def test_the_rule_matches_submissions_and_nothing_else_on_the_bus(recording: Recording) -> None:
    assert recording.inputs("ingest-rule")["eventBusName"] == BUS
    assert recording.json("ingest-rule", "eventPattern") == {
        "source": ["form-bridge"],
        "detail-type": ["submission.received", "submission.updated"],
    }


def test_the_target_is_the_persist_lambda_tried_for_an_hour_and_then_the_queue(recording: Recording) -> None:
    assert recording.inputs("ingest-persist-target") == {
        "eventBusName": BUS,
        "rule": physical_name("ingest-rule"),
        "arn": FUNCTION_ARN,
        "deadLetterConfig": {"arn": QUEUE_ARN},
        "retryPolicy": {"maximumEventAgeInSeconds": 3600, "maximumRetryAttempts": 10},
    }


def test_the_target_is_made_when_the_rule_may_invoke_it(recording: Recording) -> None:
    assert "ingest-persist-permission" in recording.dependencies("ingest-persist-target")


def test_only_this_rule_may_invoke_the_lambda(recording: Recording) -> None:
    assert recording.inputs("ingest-persist-permission") == {
        "action": "lambda:InvokeFunction",
        "function": FUNCTION,
        "principal": "events.amazonaws.com",
        "sourceArn": RULE_ARN,
    }


def test_a_failing_event_is_run_three_times_and_then_goes_to_the_queue(recording: Recording) -> None:
    assert recording.inputs("ingest-persist-retries") == {
        "functionName": FUNCTION,
        "maximumEventAgeInSeconds": 3600,
        "maximumRetryAttempts": 2,
        "destinationConfig": {"onFailure": {"destination": QUEUE_ARN}},
    }


def test_only_this_rule_may_send_to_the_queue_from_outside(recording: Recording) -> None:
    assert recording.inputs("ingest-dead-letters-policy")["queueUrl"] == QUEUE_URL
    assert recording.json("ingest-dead-letters-policy", "policy") == document(
        {
            "Effect": "Allow",
            "Principal": {"Service": "events.amazonaws.com"},
            "Action": "sqs:SendMessage",
            "Resource": QUEUE_ARN,
            "Condition": {"ArnEquals": {"aws:SourceArn": RULE_ARN}},
        },
        deny_without_tls("sqs:*", QUEUE_ARN),
    )


def test_the_lambda_may_write_submissions_and_send_dead_letters(recording: Recording) -> None:
    assert recording.json("ingest-persist-policy", "policy") == document(
        allow_logs("ingest-persist"),
        allow(["dynamodb:UpdateItem"], TABLE_ARN),
        allow(["dynamodb:Query"], f"{TABLE_ARN}/index/GSI1"),
        allow(["sqs:SendMessage"], QUEUE_ARN),
    )


def test_the_lambda_is_told_where_to_write_and_keeps_submissions_for_ever(recording: Recording) -> None:
    assert recording.inputs("ingest-persist-function")["handler"] == "persist.handler"
    assert recording.inputs("ingest-persist-function")["environment"]["variables"] == {
        "TABLE_NAME": "submissions",
        "DEAD_LETTER_QUEUE_URL": QUEUE_URL,
        "TENANT_ID_PATTERN": "t_[A-Za-z0-9_-]{1,64}",
        "RETENTION_DAYS": "0",
        "MAX_CLOCK_SKEW_SECONDS": "300",
    }


def test_tenant_ids_match_what_was_asked_for() -> None:
    recording = run(lambda: SubmissionIngest("ingest", {"table_arn": TABLE_ARN, "tenant_id_pattern": "org_[a-z]+"}))

    environment = recording.inputs("ingest-persist-function")["environment"]["variables"]
    assert environment["TENANT_ID_PATTERN"] == "org_[a-z]+"


def test_a_pattern_that_browsers_read_differently_is_refused() -> None:
    message = refusal(lambda: SubmissionIngest("ingest", {"table_arn": TABLE_ARN, "tenant_id_pattern": r"(?i)org_\w+"}))
    assert message.startswith("tenant_id_pattern: must be a regular expression of letters, digits, ")


def test_retention_is_what_was_asked_for() -> None:
    recording = run(
        lambda: SubmissionIngest("ingest", {"table_arn": TABLE_ARN, "retention_days": 30, "log_retention_days": 7})
    )

    assert recording.inputs("ingest-persist-function")["environment"]["variables"]["RETENTION_DAYS"] == "30"
    assert recording.inputs("ingest-persist-logs")["retentionInDays"] == 7


def test_the_queue_is_standard_encrypted_and_keeps_dead_letters_for_two_weeks(recording: Recording) -> None:
    assert recording.inputs("ingest-dead-letters") == {
        "maxMessageSize": 1024 * 1024,
        "messageRetentionSeconds": 14 * 24 * 3600,
        "sqsManagedSseEnabled": True,
        "visibilityTimeoutSeconds": 360,
    }


def test_the_first_dead_letter_raises_an_alarm(recording: Recording) -> None:
    alarm = recording.inputs("ingest-dead-letters-alarm")

    assert (alarm["namespace"], alarm["metricName"]) == ("AWS/SQS", "ApproximateNumberOfMessagesVisible")
    assert alarm["dimensions"] == {"QueueName": QUEUE}
    assert (alarm["statistic"], alarm["comparisonOperator"], alarm["threshold"]) == (
        "Maximum",
        "GreaterThanThreshold",
        0,
    )
    assert (alarm["period"], alarm["evaluationPeriods"]) == (60, 1)
    assert alarm["treatMissingData"] == "notBreaching", "an empty queue says nothing"


def test_registers_the_bus_and_the_queue(recording: Recording) -> None:
    assert recording.registered("ingest") == {
        "event_bus_name": BUS,
        "event_bus_arn": arn("events", f"event-bus/{BUS}"),
        "dead_letter_queue_arn": QUEUE_ARN,
        "dead_letter_queue_url": QUEUE_URL,
    }


def test_refuses_a_machine_that_there_is_no_packaging_for() -> None:
    with pytest.raises(ValueError, match=r"^package_for: must be one of lambda, host, got 'windows'$"):
        run(lambda: SubmissionIngest("ingest", {"table_arn": TABLE_ARN, "package_for": "windows"}))


def test_a_cursor_trails_the_clock_by_more_than_the_persist_lambda_may_run(recording: Recording) -> None:
    assert 1000 * recording.inputs("ingest-persist-function")["timeout"] < CONSISTENCY_WINDOW_MS


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("retention_days", -1, "must be an integer of at least 0, got -1"),
        ("log_retention_days", 0, "must be one of 1, 3, 5, 7, 14, 30, "),
        ("table_arn", arn("dynamodb", "table/orders/stream/1"), "must be the ARN of a DynamoDB table, got "),
        ("alarm_topic_arn", "alarms", "must be the ARN of a standard SNS topic, got 'alarms'"),
        ("package_for", "arm64", "must be one of lambda, host, got 'arm64'"),
        ("reserved_concurrency", 0, "must be an integer of at least 1, got 0"),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args: Any = {"table_arn": TABLE_ARN, field: value}

    assert refusal(lambda: SubmissionIngest("ingest", args)).startswith(f"{field}: {message}")


def test_events_that_find_no_reserved_concurrency_wait_for_an_hour_and_then_go_to_the_queue() -> None:
    recording = run(lambda: SubmissionIngest("ingest", {"table_arn": TABLE_ARN, "reserved_concurrency": 5}))

    assert recording.inputs("ingest-persist-function")["reservedConcurrentExecutions"] == 5
    retries = recording.inputs("ingest-persist-retries")
    assert retries["maximumEventAgeInSeconds"] == 3600
    assert retries["destinationConfig"] == {"onFailure": {"destination": QUEUE_ARN}}


def test_the_alarm_goes_to_a_topic_where_there_is_one() -> None:
    topic = arn("sns", "alarms")
    recording = run(lambda: SubmissionIngest("ingest", {"table_arn": TABLE_ARN, "alarm_topic_arn": topic}))

    assert recording.inputs("ingest-dead-letters-alarm")["alarmActions"] == [topic]
