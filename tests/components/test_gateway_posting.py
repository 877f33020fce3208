"""The inputs `posting` of a `WebSocketGateway`: how fast its Lambdas post, and what goes over the fan-out queue."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components import WebSocketGateway
from tests.support.components.examples import TABLE_ARN
from tests.support.components.gateway import (
    FANOUT_ENVIRONMENT,
    declare,
    environment,
    full_name,
    gateway_args,
)
from tests.support.components.harness import refusal, run

POSTERS = ("broadcast", "fanout", "janitor", "message", "authenticate")


class TestAuthorizer:
    def test_spreads_connections_over_as_many_shards_as_it_is_told(self) -> None:
        told = environment(declare(gateway_args({"table_arn": TABLE_ARN, "connection_shards": 64})), "authorize")

        assert told["CONNECTION_SHARDS"] == "64"


class TestBroadcast:
    def test_names_failures_as_it_is_told(self) -> None:
        told = declare(gateway_args({"table_arn": TABLE_ARN, "failure_identifier": "SequenceNumber"}))

        assert environment(told, "broadcast")["FAILURE_IDENTIFIER"] == "SequenceNumber"


class TestFanout:
    @pytest.mark.parametrize("function", ["broadcast", "fanout"])
    def test_makes_as_many_posts_itself_as_is_told(self, function: str) -> None:
        assert (
            environment(declare(gateway_args({"table_arn": TABLE_ARN, "fanout_threshold": 100})), function)[
                "FANOUT_THRESHOLD"
            ]
            == "100"
        )


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


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("posts_per_second", 0, ": must be an integer of at least 1, got 0"),
        ("broadcast_concurrency", 0, ": must be an integer of at least 1, got 0"),
        ("fanout_concurrency", 1, ": must be an integer from 2 to 1,000, got 1"),
        ("fanout_concurrency", 1_001, ": must be an integer from 2 to 1,000, got 1001"),
        ("fanout_threshold", 99, ": must be an integer of at least 100, got 99"),
        ("connection_shards", 0, ": must be an integer from 1 to 64, got 0"),
        ("connection_shards", 65, ": must be an integer from 1 to 64, got 65"),
        ("failure_identifier", "eventId", ": must be one of eventID, SequenceNumber, got 'eventId'"),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args = gateway_args({"table_arn": TABLE_ARN, field: value})

    assert refusal(lambda: WebSocketGateway("gateway", args)).startswith(f"{full_name(field)}{message}")
