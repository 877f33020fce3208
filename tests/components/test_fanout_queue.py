"""The fan-out queue of a `WebSocketGateway`, and the queue for tasks that failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.components.examples import TABLE_ARN
from tests.support.components.gateway import (
    REQUIRED,
    declare,
    gateway_args,
)
from tests.support.components.policies import deny_without_tls, document
from tests.support.components.provider import arn, physical_name

if TYPE_CHECKING:
    from tests.support.components.harness import Recording


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


class TestQueue:
    def test_is_encrypted_and_keeps_work_that_failed_ten_times(self, recording: Recording) -> None:
        queue = recording.inputs("gateway-fanout-queue")

        assert queue["sqsManagedSseEnabled"] is True
        assert (queue["maxMessageSize"], queue["messageRetentionSeconds"]) == (1024 * 1024, 14 * 24 * 3600)
        assert recording.json("gateway-fanout-queue", "redrivePolicy") == {
            "deadLetterTargetArn": arn("sqs", physical_name("gateway-fanout-dead-letters")),
            "maxReceiveCount": 10,
        }

    def test_answers_no_request_without_tls(self, recording: Recording) -> None:
        for queue in ("gateway-fanout-queue", "gateway-fanout-dead-letters"):
            assert recording.inputs(f"{queue}-policy")["queueUrl"].endswith(f"/{physical_name(queue)}")
            assert recording.json(f"{queue}-policy", "policy") == document(
                deny_without_tls("sqs:*", arn("sqs", physical_name(queue)))
            )

    def test_keeps_its_dead_letters_no_less_long_than_work(self, recording: Recording) -> None:
        """A dead letter is as old as the message that it was."""
        queue, dead_letters = (recording.inputs(f"gateway-fanout-{one}") for one in ("queue", "dead-letters"))

        assert dead_letters["messageRetentionSeconds"] >= queue["messageRetentionSeconds"]
        assert dead_letters["maxMessageSize"] >= queue["maxMessageSize"]

    def test_has_an_alarm_on_the_first_dead_letter(self, recording: Recording) -> None:
        topic = arn("sns", "alarms")
        told = declare(gateway_args({"table_arn": TABLE_ARN, "alarm_topic_arn": topic})).inputs(
            "gateway-fanout-dead-letters-alarm"
        )
        silent = recording.inputs("gateway-fanout-dead-letters-alarm")

        assert silent["dimensions"] == {"QueueName": physical_name("gateway-fanout-dead-letters")}
        assert not {"alarmActions", "okActions"} & set(silent)
        assert (told["alarmActions"], told["okActions"]) == ([topic], [topic])
