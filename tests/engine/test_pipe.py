"""A pipe is RUNNING when `up` says that it is done, and each preview says when it is not.

The program here has one `RealtimePipe`. The messages are those of the AWS provider.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from components import RealtimePipe, _pipe_hooks
from components._pipe_hooks import RETRY_SECONDS, SETTLING_SECONDS
from tests.support.components.examples import FUNCTION_ARN, TABLE_ARN
from tests.support.engine.cloud import PIPE
from tests.support.engine.stacks import ROOT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine.cloud import Existing
    from tests.support.engine.stacks import EngineStack, World

URN = f"urn:pulumi:dev::formbridge-realtime::formbridge:index:RealtimePipe${PIPE}::realtime-pipe"
REFUSED = (
    "creating EventBridge Pipes Pipe (realtime-pipe): operation error Pipes: CreatePipe, https response error "
    "StatusCode: 400, RequestID: 0a1b2c3d, ValidationException: Cannot access stream"
)
CREATED_AND_FAILED = (
    "waiting for EventBridge Pipes Pipe (realtime-pipe) create: unexpected state 'CREATE_FAILED', wanted target "
    "'RUNNING, STOPPED'. last error: Cannot access stream"
)
STREAM_CREATED = datetime(2026, 12, 1, 12, tzinfo=UTC)
STREAM_ARN = f"{TABLE_ARN}/stream/2026-12-01T12:00:00.000"
OLD_STREAM_ARN = f"{TABLE_ARN}/stream/2026-11-22T20:00:00.000"


def declaring(**args: Any) -> Callable[[], None]:
    """Return a program with one pipe that reads a new stream."""

    def program() -> None:
        inputs: Any = {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN, **args}
        pulumi.export("state", RealtimePipe("realtime", inputs).pipe_state)

    return program


def declare_secret() -> None:
    declaring(stream_arn=pulumi.Output.secret(STREAM_ARN))()  # an Output exists only while a program runs


def declare_remote() -> None:
    Remote("realtime")


@pytest.fixture
def slept(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The waits of a test in seconds. The stream is ten seconds old."""
    waits: list[float] = []

    async def note(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(_pipe_hooks, "sleep", note)
    monkeypatch.setattr(_pipe_hooks, "read_clock", lambda: STREAM_CREATED.timestamp() + 10)
    return waits


def the_pipe(world: World) -> Existing:
    (pipe,) = world.cloud.of_name("realtime-pipe")
    return pipe


def state_output(stack: EngineStack) -> str:
    (found,) = [one["outputs"] for urn, one in stack.resources().items() if "::pulumi:pulumi:Stack::" in urn]
    return found["state"]


class TestCreation:
    """What happens before and while AWS creates the pipe."""

    def test_it_waits_for_a_new_stream_and_a_preview_does_not(self, empty: World, slept: list[float]) -> None:
        stack = empty.stack(program=declaring())

        assert not stack.preview().failed
        assert slept == []
        assert not stack.up().failed
        assert slept == [SETTLING_SECONDS - 10]

    def test_it_does_not_wait_for_an_old_stream(self, empty: World, slept: list[float]) -> None:
        assert not empty.stack(program=declaring(stream_arn=OLD_STREAM_ARN)).up().failed
        assert slept == []

    def test_the_stream_of_a_secret_is_waited_for_too(self, empty: World, slept: list[float]) -> None:
        stack = empty.stack(program=declare_secret)

        assert not stack.up().failed
        assert slept == [SETTLING_SECONDS - 10]

    def test_what_the_pipe_needs_is_there_first(self, empty: World, slept: list[float]) -> None:
        assert not empty.stack(program=declaring()).up().failed

        created = empty.cloud.called("create")
        assert created[-1] == "realtime-pipe"
        assert {"realtime-role", "realtime-policy", "realtime-invoke-policy"} < set(created)

    def test_a_creation_that_aws_refuses_three_times_works_in_one_up(self, empty: World, slept: list[float]) -> None:
        empty.cloud.fail("create", PIPE, message=REFUSED, times=3)
        stack = empty.stack(program=declaring())

        outcome = stack.up()

        assert not outcome.failed, outcome.output
        assert tuple(slept) == (SETTLING_SECONDS - 10, *RETRY_SECONDS)
        assert empty.cloud.called("create").count("realtime-pipe") == 4
        assert the_pipe(empty).current_state == "RUNNING"
        assert state_output(stack) == "RUNNING"

    def test_a_creation_that_aws_refuses_for_good_leaves_nothing(self, empty: World, slept: list[float]) -> None:
        empty.cloud.fail("create", PIPE, message=REFUSED, times=4)
        stack = empty.stack(program=declaring())

        first, second = stack.up(), stack.up()

        assert first.failed
        assert REFUSED in first.errors
        assert not second.failed, second.output
        assert second.operations == {"realtime-pipe": "create"}

    def test_a_pipe_that_is_created_and_fails_fails_every_run_until_it_is_replaced(
        self, empty: World, slept: list[float]
    ) -> None:
        empty.cloud.fail("create", PIPE, message=CREATED_AND_FAILED, has_id=True)
        stack = empty.stack(program=declaring())

        first = stack.up()
        failed = [stack.preview(), stack.up(), stack.preview()]

        assert first.failed
        assert any(CREATED_AND_FAILED in error for error in first.errors)
        assert empty.cloud.called("create").count("realtime-pipe") == 1
        name = the_pipe(empty).id
        message = (
            f"pipe {name} must be RUNNING, got CREATE_FAILED (Cannot access stream). "
            f"When the cause is gone, run: pulumi up --replace '{URN}'"
        )
        assert [(outcome.failed, outcome.errors) for outcome in failed] == [(True, [message])] * 3

        assert not stack.preview(replace=[URN]).failed
        healed = stack.up(replace=[URN])

        assert not healed.failed, healed.output
        assert the_pipe(empty).id != name
        assert [stack.preview().failed, stack.up().operations] == [False, {}]

    def test_a_replacement_does_not_wait(self, empty: World, slept: list[float]) -> None:
        stack = empty.stack(program=declaring(stream_arn=OLD_STREAM_ARN))
        assert not stack.up().failed

        assert not stack.up(replace=[URN]).failed
        assert slept == []


class TestState:
    """A pipe that exists, with a state that somebody changed."""

    @pytest.fixture
    def stack(self, empty: World) -> EngineStack:
        """A stack with a running pipe."""
        stack = empty.stack(program=declaring())
        assert not stack.up().failed
        return stack

    def test_each_run_says_that_a_pipe_was_stopped_by_hand(self, empty: World, stack: EngineStack) -> None:
        pipe = the_pipe(empty)
        pipe.current_state = "STOPPED"
        message = (
            f"pipe {pipe.id} must be RUNNING, got STOPPED. Run: aws pipes start-pipe --name {pipe.id}. "
            f"Or run: pulumi up --replace '{URN}'"
        )

        stopped = [stack.preview(), stack.up()]
        pipe.current_state = "RUNNING"
        started = [stack.preview(), stack.up()]

        assert [outcome.errors for outcome in stopped] == [[message]] * 2
        assert [outcome.failed for outcome in stopped + started] == [True, True, False, False]

    def test_a_state_that_passes_stops_no_preview(self, empty: World, stack: EngineStack) -> None:
        pipe = the_pipe(empty)
        pipe.current_state = "STARTING"

        preview, up = stack.preview(), stack.up()

        assert not preview.failed, preview.output
        assert up.errors == [f"pipe {pipe.id} must be RUNNING, got STARTING. Wait a minute and run the command again."]

    def test_a_pipe_that_was_deleted_by_hand_is_noticed(self, empty: World, stack: EngineStack) -> None:
        empty.cloud.existing.remove(the_pipe(empty))

        assert stack.preview().failed
        assert not stack.refresh().failed
        assert stack.up().operations == {"realtime-pipe": "create"}

    def test_a_pipe_is_stopped_and_started_on_purpose(self, empty: World, stack: EngineStack) -> None:
        stopping = empty.stack(program=declaring(desired_state="STOPPED"))

        for program, state in ((stopping, "STOPPED"), (stack, "RUNNING")):
            for outcome in (program.preview(), program.up()):
                assert not outcome.failed, outcome.output
                assert outcome.operations == {"realtime-pipe": "update"}
            assert the_pipe(empty).current_state == state
            assert [program.preview().operations, program.up().operations] == [{}, {}]


class Remote(pulumi.ComponentResource):
    """The component from the plugin, as a program in another language has it."""

    def __init__(self, name: str) -> None:
        inputs = {"streamArn": STREAM_ARN, "functionArn": FUNCTION_ARN}
        super().__init__("formbridge:index:RealtimePipe", name, inputs, None, remote=True)


PLUGIN = f"""\
import runpy, sys
sys.path.insert(0, {str(ROOT)!r})
from components import _pipe_hooks
_pipe_hooks.SETTLING_SECONDS = 0
_pipe_hooks.RETRY_SECONDS = (0, 0, 0)
sys.argv[0] = {str(ROOT / "components")!r}
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_the_component_of_the_plugin_does_the_same(empty: World) -> None:
    plugin = empty.folder / "bin" / "pulumi-resource-formbridge"
    plugin.with_suffix(".py").write_text(PLUGIN)
    plugin.write_text(f'#!/bin/sh\nexec {sys.executable} {plugin}.py "$@"\n')
    plugin.chmod(0o755)
    empty.cloud.fail("create", PIPE, message=REFUSED, times=3)
    stack = empty.stack(program=declare_remote)

    created = stack.up()
    pipe = the_pipe(empty)
    pipe.current_state = "STOPPED"
    stopped = [stack.preview(), stack.up()]

    assert not created.failed, created.output
    assert empty.cloud.called("create").count("realtime-pipe") == 4
    for outcome in stopped:
        assert outcome.failed
        assert f"pipe {pipe.id} must be RUNNING, got STOPPED." in outcome.errors[0]
        assert "\n" not in outcome.errors[0]
