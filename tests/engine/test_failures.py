"""What the engine does when AWS refuses a call, and when a resource is created and does not work.

The program here has one pipe. Its first `up` takes a second.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from tests.support.engine.cloud import PIPE

if TYPE_CHECKING:
    from tests.support.engine.stacks import World

URN = f"urn:pulumi:dev::formbridge-realtime::{PIPE}::pipe"
NO_ACCESS = "the role cannot read the stream"


def declare_pipe() -> aws.pipes.Pipe:
    return aws.pipes.Pipe(
        "pipe",
        role_arn="arn:aws:iam::123456789012:role/pipe",
        source="arn:aws:dynamodb:eu-west-1:123456789012:table/submissions/stream/2026-12-01T00:00:00.000",
        target="arn:aws:lambda:eu-west-1:123456789012:function:broadcast",
    )


def run_pipe() -> None:
    declare_pipe()


def run_watched_pipe() -> None:
    """Declare the pipe, and fail unless it is running."""
    found = aws.cloudcontrol.get_resource_output(type_name="AWS::Pipes::Pipe", identifier=declare_pipe().name)
    pulumi.export("state", found.properties.apply(check_state))


def check_state(properties: str) -> str:
    state = json.loads(properties)["CurrentState"]
    if state != "RUNNING":
        raise pulumi.RunError(f"the pipe is {state}")
    return state


def test_a_refused_creation_leaves_nothing_and_is_tried_again(empty: World) -> None:
    empty.cloud.fail("create", PIPE, message=NO_ACCESS)
    stack = empty.stack(program=run_pipe)

    first, second = stack.up(), stack.up()

    assert first.failed
    assert any(NO_ACCESS in error for error in first.errors)
    assert second.operations == {"pipe": "create"}
    assert len(empty.cloud.existing) == 1


def test_a_resource_that_was_created_and_failed_is_updated_although_nothing_differs(empty: World) -> None:
    empty.cloud.fail("create", "pipe", message=NO_ACCESS, has_id=True)
    stack = empty.stack(program=run_pipe)

    first, second = stack.up(), stack.up()

    assert first.failed
    assert any(NO_ACCESS in error for error in first.errors)
    assert not second.failed
    assert second.operations == {"pipe": "update"}
    assert empty.cloud.existing[0].current_state == "CREATE_FAILED"


class TestWatched:
    """A pipe whose state the program reads."""

    def test_each_run_fails_in_one_line_until_the_pipe_runs(self, empty: World) -> None:
        stack = empty.stack(program=run_watched_pipe)
        assert not stack.up().failed

        empty.cloud.existing[0].current_state = "STOPPED"
        failed = [stack.preview(), stack.up()]
        empty.cloud.existing[0].current_state = "RUNNING"
        healed = [stack.preview(), stack.up()]

        assert [outcome.errors for outcome in failed] == [["the pipe is STOPPED"]] * 2
        assert [outcome.failed for outcome in failed + healed] == [True, True, False, False]

    def test_a_replacement_heals_it(self, empty: World) -> None:
        empty.cloud.fail("create", URN, message=NO_ACCESS, has_id=True)
        stack = empty.stack(program=run_watched_pipe)
        assert stack.up().failed
        assert stack.up().errors == ["the pipe is CREATE_FAILED"]

        healed = stack.up(replace=[URN])

        assert not healed.failed, healed.output
        assert [one.current_state for one in empty.cloud.existing] == ["RUNNING"]
