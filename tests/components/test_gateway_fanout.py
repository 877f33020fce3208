"""The fan-out of a `WebSocketGateway`: who posts how fast, and the queue for what is too much for one Lambda."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components import WebSocketGateway
from tests.components.test_websocket_gateway import (
    CONNECTIONS_ARN,
    MAY_POST,
    POSTING_ENVIRONMENT,
    REQUIRED,
    declare,
    environment,
    function_name,
)
from tests.support.components.examples import TABLE_ARN
from tests.support.components.gateway import gateway_args
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.policies import allow, allow_logs, document
from tests.support.components.provider import ACCOUNT, REGION, arn, physical_name

QUEUE = physical_name("gateway-fanout-queue")
QUEUE_ARN = arn("sqs", QUEUE)
FANOUT_ENVIRONMENT = {
    **POSTING_ENVIRONMENT,
    "FANOUT_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{QUEUE}",
    "FANOUT_THRESHOLD": "5000",
}
MAY_FIND_CONNECTIONS = allow(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN)
POSTERS = ("broadcast", "fanout", "janitor", "message", "authenticate")


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


class TestBroadcast:
    def test_may_find_connections_post_to_them_close_them_and_hand_on_the_rest(self, recording: Recording) -> None:
        assert recording.json("gateway-broadcast-policy", "policy") == document(
            allow_logs("gateway-broadcast"),
            MAY_FIND_CONNECTIONS,
            MAY_POST,
            allow(["sqs:SendMessage"], QUEUE_ARN),
        )

    def test_knows_where_the_connections_are_and_the_queue(self, recording: Recording) -> None:
        assert environment(recording, "broadcast") == {**FANOUT_ENVIRONMENT, "FAILURE_IDENTIFIER": "eventID"}

    def test_names_failures_as_it_is_told(self) -> None:
        told = declare(gateway_args({"table_arn": TABLE_ARN, "failure_identifier": "SequenceNumber"}))

        assert environment(told, "broadcast")["FAILURE_IDENTIFIER"] == "SequenceNumber"


class TestFanout:
    def test_may_what_a_broadcast_may_and_take_work_from_the_queue(self, recording: Recording) -> None:
        assert recording.json("gateway-fanout-policy", "policy") == document(
            allow_logs("gateway-fanout"),
            MAY_FIND_CONNECTIONS,
            MAY_POST,
            allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], QUEUE_ARN),
            allow(["sqs:SendMessage"], QUEUE_ARN),
        )

    def test_knows_where_the_connections_are_and_the_queue(self, recording: Recording) -> None:
        assert environment(recording, "fanout") == FANOUT_ENVIRONMENT

    @pytest.mark.parametrize("function", ["broadcast", "fanout"])
    def test_makes_as_many_posts_itself_as_is_told(self, function: str) -> None:
        assert (
            environment(declare(gateway_args({"table_arn": TABLE_ARN, "fanout_threshold": 100})), function)[
                "FANOUT_THRESHOLD"
            ]
            == "100"
        )


class TestQueue:
    def test_is_encrypted_and_keeps_work_that_failed_ten_times(self, recording: Recording) -> None:
        queue = recording.inputs("gateway-fanout-queue")

        assert queue["sqsManagedSseEnabled"] is True
        assert (queue["maxMessageSize"], queue["messageRetentionSeconds"]) == (1024 * 1024, 14 * 24 * 3600)
        assert recording.json("gateway-fanout-queue", "redrivePolicy") == {
            "deadLetterTargetArn": arn("sqs", physical_name("gateway-fanout-dead-letters")),
            "maxReceiveCount": 10,
        }

    def test_keeps_its_dead_letters_no_less_long_than_work(self, recording: Recording) -> None:
        """A dead letter is as old as the message that it was."""
        queue, dead_letters = (recording.inputs(f"gateway-fanout-{one}") for one in ("queue", "dead-letters"))

        assert dead_letters["messageRetentionSeconds"] >= queue["messageRetentionSeconds"]
        assert dead_letters["maxMessageSize"] >= queue["maxMessageSize"]

    def test_hides_work_six_times_as_long_as_a_lambda_may_run(self, recording: Recording) -> None:
        timeout = recording.inputs("gateway-fanout-function")["timeout"]

        assert recording.inputs("gateway-fanout-queue")["visibilityTimeoutSeconds"] == 6 * timeout

    def test_invokes_the_lambda_with_one_message_at_a_time(self, recording: Recording) -> None:
        assert recording.inputs("gateway-fanout-mapping") == {
            "eventSourceArn": QUEUE_ARN,
            "functionName": function_name("fanout"),
            "batchSize": 1,
            "scalingConfig": {"maximumConcurrency": 4},
        }

    @pytest.mark.parametrize("concurrency", [2, 1_000])
    def test_runs_as_many_lambdas_as_is_told(self, concurrency: int) -> None:
        mapping = declare(gateway_args({"table_arn": TABLE_ARN, "fanout_concurrency": concurrency})).inputs(
            "gateway-fanout-mapping"
        )

        assert mapping["scalingConfig"] == {"maximumConcurrency": concurrency}

    def test_has_an_alarm_on_the_first_dead_letter(self, recording: Recording) -> None:
        topic = arn("sns", "alarms")
        told = declare(gateway_args({"table_arn": TABLE_ARN, "alarm_topic_arn": topic})).inputs(
            "gateway-fanout-dead-letters-alarm"
        )
        silent = recording.inputs("gateway-fanout-dead-letters-alarm")

        assert silent["dimensions"] == {"QueueName": physical_name("gateway-fanout-dead-letters")}
        assert not {"alarmActions", "okActions"} & set(silent)
        assert (told["alarmActions"], told["okActions"]) == ([topic], [topic])


class TestPosts:
    @pytest.mark.parametrize("function", POSTERS)
    def test_are_divided_among_the_lambdas_that_run_at_once(self, function: str) -> None:
        told = declare(
            gateway_args(
                {"table_arn": TABLE_ARN, "posts_per_second": 500, "broadcast_concurrency": 10, "fanout_concurrency": 20}
            )
        )

        assert environment(told, function)["POSTS_PER_SECOND"] == "16"

    def test_are_one_a_second_and_lambda_at_least(self) -> None:
        told = declare(gateway_args({"table_arn": TABLE_ARN, "posts_per_second": 9}))

        assert environment(told, "broadcast")["POSTS_PER_SECOND"] == "1"

    @pytest.mark.parametrize(
        ("args", "those", "got"),
        [
            ({"posts_per_second": 8}, "posting.broadcast_concurrency 4 + posting.fanout_concurrency 4 + 1 janitor", 8),
            (
                {"fanout_concurrency": 5, "posts_per_second": 9.0},
                "posting.broadcast_concurrency 4 + posting.fanout_concurrency 5",
                9,
            ),
            (
                {"broadcast_concurrency": 9_000},
                "posting.broadcast_concurrency 9,000 + posting.fanout_concurrency 4",
                9000,
            ),
        ],
    )
    def test_that_are_too_few_are_refused_before_anything_is_made(
        self, args: dict[str, Any], those: str, got: int
    ) -> None:
        message = refusal(lambda: WebSocketGateway("gateway", gateway_args({"table_arn": TABLE_ARN, **args})))

        assert message.startswith(f"posting.posts_per_second: must be at least 1 for each Lambda that posts ({those}")
        assert message.endswith(f", got {got}")

    def test_that_are_too_few_are_refused_when_they_are_known(self) -> None:
        def program() -> None:
            WebSocketGateway(
                "gateway", gateway_args({"table_arn": TABLE_ARN, "posts_per_second": pulumi.Output.from_input(8)})
            )

        with pytest.raises(
            ValueError, match=r"^posting.posts_per_second: must be at least 1 for each Lambda .*, got 8$"
        ):
            run(program)

    def test_that_are_a_secret_are_refused_without_being_said(self) -> None:
        def program() -> None:
            WebSocketGateway(
                "gateway", gateway_args({"table_arn": TABLE_ARN, "posts_per_second": pulumi.Output.secret(8)})
            )

        with pytest.raises(ValueError, match=r"^posting.posts_per_second: must be at least 1 .*, got a secret$"):
            run(program)

    def test_may_be_outputs(self) -> None:
        def program() -> None:
            known = pulumi.Output.from_input
            WebSocketGateway(
                "gateway",
                gateway_args(
                    {
                        "table_arn": TABLE_ARN,
                        "posts_per_second": known(100),
                        "broadcast_concurrency": known(1),
                        "fanout_concurrency": known(2),
                        "fanout_threshold": known(700),
                        "connection_shards": known(3),
                        "failure_identifier": known("SequenceNumber"),
                    }
                ),
            )

        recording = run(program)

        assert environment(recording, "broadcast") == {
            **FANOUT_ENVIRONMENT,
            "POSTS_PER_SECOND": "25",
            "FANOUT_THRESHOLD": "700",
            "FAILURE_IDENTIFIER": "SequenceNumber",
        }
        assert environment(recording, "authorize")["CONNECTION_SHARDS"] == "3"
        assert recording.inputs("gateway-fanout-mapping")["scalingConfig"] == {"maximumConcurrency": 2}
