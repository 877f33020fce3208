"""The dead-letter queue of a component, as a `RealtimePipe` has it, and its alarm."""

from __future__ import annotations

import pytest

from components import RealtimePipe, RealtimePipeArgs
from tests.support.components.examples import FUNCTION_ARN, STREAM_ARN
from tests.support.components.harness import Recording, run
from tests.support.components.policies import deny_without_tls, document
from tests.support.components.provider import arn, physical_name

REQUIRED: RealtimePipeArgs = {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN}
QUEUE = physical_name("realtime-dead-letters")


def declare(args: RealtimePipeArgs) -> Recording:
    return run(lambda: RealtimePipe("realtime", args))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


def test_the_queue_is_standard_encrypted_and_keeps_dead_letters_for_two_weeks(recording: Recording) -> None:
    assert recording.inputs("realtime-dead-letters") == {
        "maxMessageSize": 1024 * 1024,
        "messageRetentionSeconds": 14 * 24 * 3600,
        "sqsManagedSseEnabled": True,
        "visibilityTimeoutSeconds": 360,
    }


def test_the_queue_answers_no_request_without_tls(recording: Recording) -> None:
    assert recording.inputs("realtime-dead-letters-policy")["queueUrl"].endswith(f"/{QUEUE}")
    assert recording.json("realtime-dead-letters-policy", "policy") == document(
        deny_without_tls("sqs:*", arn("sqs", QUEUE))
    )


def test_the_first_dead_letter_raises_an_alarm(recording: Recording) -> None:
    alarm = recording.inputs("realtime-dead-letters-alarm")

    assert alarm["dimensions"] == {"QueueName": QUEUE}
    assert (alarm["comparisonOperator"], alarm["threshold"]) == ("GreaterThanThreshold", 0)


def test_the_alarm_goes_nowhere_by_default_and_to_a_topic_where_there_is_one(recording: Recording) -> None:
    topic = arn("sns", "alarms")
    alarm = declare({**REQUIRED, "alarm_topic_arn": topic}).inputs("realtime-dead-letters-alarm")

    assert (alarm["alarmActions"], alarm["okActions"]) == ([topic], [topic])
    assert not {"alarmActions", "okActions"} & set(recording.inputs("realtime-dead-letters-alarm"))
