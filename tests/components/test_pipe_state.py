"""The check of a pipe's state: a pipe that does not do what the program asks for is an error."""

from __future__ import annotations

import pytest

from components import RealtimePipe
from components._pipe_state import CHANGING_STATES, PipeStateError, describe
from tests.support.components.examples import FUNCTION_ARN, STREAM_ARN
from tests.support.components.harness import Recording, run
from tests.support.components.provider import Provider, physical_name

NAME = physical_name("realtime-pipe")
URN = "urn:pulumi:test::formbridge-realtime::formbridge:index:RealtimePipe$aws:pipes/pipe:Pipe::realtime-pipe"


def declare(desired_state: str, **properties: str) -> Recording:
    """Declare a pipe that has these properties when Cloud Control reads it."""
    return run(
        lambda: RealtimePipe(
            "realtime", {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN, "desired_state": desired_state}
        ),
        provider=Provider(pipe=properties),
    )


@pytest.mark.parametrize("state", ["RUNNING", "STOPPED"])
def test_the_desired_state_is_an_output(state: str) -> None:
    assert declare(state, CurrentState=state).registered("realtime")["pipe_state"] == state


@pytest.mark.parametrize(
    ("desired", "state", "advice"),
    [
        ("RUNNING", "STOPPED", f"Run: aws pipes start-pipe --name {NAME}. Or run: pulumi up --replace '{URN}'"),
        ("STOPPED", "RUNNING", f"Run: aws pipes stop-pipe --name {NAME}. Or run: pulumi up --replace '{URN}'"),
        ("RUNNING", "CREATE_FAILED", f"When the cause is gone, run: pulumi up --replace '{URN}'"),
        ("STOPPED", "STOP_FAILED", f"When the cause is gone, run: pulumi up --replace '{URN}'"),
        *(("RUNNING", state, "Wait a minute and run the command again.") for state in CHANGING_STATES),
    ],
)
def test_another_state_is_an_error_that_says_what_to_do(desired: str, state: str, advice: str) -> None:
    with pytest.raises(PipeStateError) as caught:
        declare(desired, CurrentState=state)

    assert str(caught.value) == f"pipe {NAME} must be {desired}, got {state}. {advice}"


def test_the_error_has_the_reason_on_the_same_line() -> None:
    message = describe("p", "urn", "RUNNING", "START_FAILED", "Cannot access\n  stream s.")

    assert message.startswith("pipe p must be RUNNING, got START_FAILED (Cannot access stream s.). When ")


def test_a_preview_of_a_new_pipe_reads_nothing() -> None:
    run(lambda: RealtimePipe("realtime", {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN}), preview=True)
