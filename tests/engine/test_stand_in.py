"""The test provider refuses what AWS refuses, and resources are in the region of the stack."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi_aws as aws

if TYPE_CHECKING:
    from tests.support.engine.stacks import World


def declare_pool() -> None:
    aws.cognito.UserPool("users", deletion_protection="ACTIVE")


def declare_long_name() -> None:
    aws.sqs.Queue("queue", name="q" * 81)


def declare_in_two_regions() -> None:
    aws.sqs.Queue("here")
    aws.cloudwatch.LogGroup("elsewhere", region="us-east-1")


def test_a_pool_with_deletion_protection_stays(empty: World) -> None:
    stack = empty.stack(program=declare_pool)
    assert not stack.up().failed

    destroyed = stack.destroy()

    assert destroyed.failed
    assert any("has deletion protection" in error for error in destroyed.errors)
    assert len(empty.cloud.of_name("users")) == 1


def test_a_name_that_is_too_long_is_refused_in_a_preview(empty: World) -> None:
    outcome = empty.stack(program=declare_long_name).preview()

    assert outcome.failed
    assert any("at most 80 characters" in error for error in outcome.errors)


def test_a_resource_is_in_the_region_of_the_stack_or_in_its_own(empty: World) -> None:
    outcome = empty.stack(program=declare_in_two_regions, config={"aws:region": "ap-southeast-2"}).up()

    assert not outcome.failed, outcome.output
    arns = {one.outputs.fields["arn"].string_value.split(":")[3] for one in empty.cloud.existing}
    assert arns == {"ap-southeast-2", "us-east-1"}
