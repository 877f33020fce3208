"""The target of an EventBridge rule: the Lambda, who may invoke it, and how often it is retried."""

from __future__ import annotations

import pulumi
import pulumi_aws as aws
import pytest

from components._event_rule import invoke_from_rule
from components._function import HandlerFunction
from tests.support.components.harness import Recording, run
from tests.support.components.provider import arn, physical_name

DEAD_LETTERS_ARN = arn("sqs", "dead-letters")


def declare(*, event_bus_name: str | None = None, dead_letter_queue_arn: str | None = None) -> Recording:
    def program() -> None:
        parent = pulumi.ComponentResource("example:index:Parent", "parent")
        rule = aws.cloudwatch.EventRule("rule", event_pattern='{"source":["example"]}')
        function = HandlerFunction("worker", "connect", environment={}, statements=[])
        invoke_from_rule(
            "parent-worker",
            rule,
            function,
            parent,
            max_event_age_seconds=120,
            delivery_retries=3,
            function_retries=1,
            event_bus_name=event_bus_name,
            dead_letter_queue_arn=dead_letter_queue_arn,
        )

    return run(program)


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(event_bus_name="forms", dead_letter_queue_arn=DEAD_LETTERS_ARN)


def test_the_target_is_the_lambda_with_bounded_retries(recording: Recording) -> None:
    assert recording.inputs("parent-worker-target") == {
        "eventBusName": "forms",
        "rule": physical_name("rule"),
        "arn": arn("lambda", f"function:{physical_name('worker-function')}"),
        "deadLetterConfig": {"arn": DEAD_LETTERS_ARN},
        "retryPolicy": {"maximumEventAgeInSeconds": 120, "maximumRetryAttempts": 3},
    }


def test_lambda_retries_and_then_sends_a_dead_letter(recording: Recording) -> None:
    assert recording.inputs("parent-worker-retries") == {
        "functionName": physical_name("worker-function"),
        "maximumEventAgeInSeconds": 120,
        "maximumRetryAttempts": 1,
        "destinationConfig": {"onFailure": {"destination": DEAD_LETTERS_ARN}},
    }


def test_only_the_rule_may_invoke_the_lambda(recording: Recording) -> None:
    permission = recording.inputs("parent-worker-permission")

    assert (permission["principal"], permission["sourceArn"]) == (
        "events.amazonaws.com",
        arn("events", f"rule/{physical_name('rule')}"),
    )
    assert "parent-worker-permission" in recording.dependencies("parent-worker-target")


def test_without_a_queue_an_event_that_failed_is_dropped() -> None:
    recording = declare()

    assert "deadLetterConfig" not in recording.inputs("parent-worker-target")
    assert "destinationConfig" not in recording.inputs("parent-worker-retries")
