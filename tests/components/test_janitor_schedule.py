"""The schedule of a gateway's janitor."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.components.gateway import (
    CONNECTIONS_ARN,
    EXECUTION_ARN,
    POSTING_ENVIRONMENT,
    REQUIRED,
    REVOCATIONS,
    REVOCATIONS_ARN,
    declare,
    environment,
    function_name,
)
from tests.support.components.policies import allow, allow_logs, document
from tests.support.components.provider import arn, physical_name

if TYPE_CHECKING:
    from tests.support.components.harness import Recording


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


class TestJanitor:
    def test_runs_every_minute(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-rule") == {
            "description": "The gateway's janitor, once per minute",
            "scheduleExpression": "rate(1 minute)",
        }

    def test_is_what_the_rule_invokes_and_invokes_again_within_the_minute_alone(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-target") == {
            "rule": physical_name("gateway-janitor-rule"),
            "arn": arn("lambda", f"function:{function_name('janitor')}"),
            "retryPolicy": {"maximumEventAgeInSeconds": 60, "maximumRetryAttempts": 2},
        }

    def test_is_not_run_again_by_lambda_beside_its_next_run(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-retries") == {
            "functionName": function_name("janitor"),
            "maximumEventAgeInSeconds": 60,
            "maximumRetryAttempts": 0,
        }

    def test_is_the_target_when_the_rule_may_invoke_it(self, recording: Recording) -> None:
        assert "gateway-janitor-permission" in recording.dependencies("gateway-janitor-target")

    def test_is_invoked_by_its_rule_alone(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-permission") == {
            "action": "lambda:InvokeFunction",
            "function": function_name("janitor"),
            "principal": "events.amazonaws.com",
            "sourceArn": arn("events", f"rule/{physical_name('gateway-janitor-rule')}"),
        }

    def test_may_look_at_every_connection_post_to_it_close_it_and_probe_it(self, recording: Recording) -> None:
        assert recording.json("gateway-janitor-policy", "policy") == document(
            allow_logs("gateway-janitor"),
            allow(["dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            allow(["dynamodb:Scan"], f"{REVOCATIONS_ARN}/index/REVOCATIONS"),
            allow(
                ["execute-api:ManageConnections"],
                *(f"{EXECUTION_ARN}/live/{method}/@connections/*" for method in ("POST", "DELETE", "GET")),
            ),
        )
        assert environment(recording, "janitor") == {**POSTING_ENVIRONMENT, "REVOCATIONS_TABLE_NAME": REVOCATIONS}

    def test_ends_before_its_next_run(self, recording: Recording) -> None:
        function = recording.inputs("gateway-janitor-function")

        assert (function["timeout"], function["memorySize"]) == (60, 512)
        assert "reservedConcurrentExecutions" not in function
