"""The configuration `pulumi:autonaming` of a stack decides on physical names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi_aws as aws

if TYPE_CHECKING:
    from tests.support.engine.stacks import World


def run_program() -> None:
    aws.sqs.Queue("queue")
    aws.sqs.QueuePolicy("policy", queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/queue", policy="{}")


def test_the_pattern_has_project_and_stack(empty: World) -> None:
    pattern = {"pattern": "${project}-${stack}-${name}"}

    outcome = empty.stack(program=run_program, config={"pulumi:autonaming": pattern}).up()

    assert not outcome.failed, outcome.output
    (queue,) = empty.cloud.of_name("queue")
    assert queue.outputs.fields["name"].string_value == "formbridge-realtime-dev-queue"
