"""Check of the state in which a pipe is. It is made in each preview and each update."""

import json
from collections.abc import Callable

import pulumi
import pulumi_aws as aws

DESIRED_STATES = ("RUNNING", "STOPPED")
"""States that a program can ask for."""
CHANGING_STATES = ("CREATING", "UPDATING", "STARTING", "STOPPING")
"""States that AWS leaves by itself, usually within a minute.
https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_DescribePipe.html"""


class PipeStateError(pulumi.RunError):
    """Error: a pipe is not in the desired state. The message is one line that says what to do.

    It is no `InputError`, because that one is a `ValueError` too. The SDK adds a traceback to a `ValueError` that it
    meets in an output of a component.
    """


def read_state(
    pipe: aws.pipes.Pipe, desired_state: pulumi.Output[str], changes_desired_state: Callable[[], bool]
) -> pulumi.Output[str]:
    """Return the state of a pipe, such as `RUNNING`. It is unknown in a preview that creates or replaces the pipe.

    The provider does not look at the state: it reports no change for a pipe that failed or was stopped.

    Args:
        pipe: The pipe.
        desired_state: The state that the program asks for.
        changes_desired_state: Return whether this run changes the desired state of the pipe. In a preview, the pipe is
            then still in the old state.

    Raises:
        PipeStateError: The pipe is in another state. Whatever depends on the Output fails too.
    """
    found = aws.cloudcontrol.get_resource_output(
        type_name="AWS::Pipes::Pipe",
        # The id is unknown until the pipe exists, also while the pipe is replaced.
        identifier=pipe.id,
        opts=pulumi.InvokeOutputOptions(parent=pipe),
    )

    def check(known: list[str]) -> str:
        text, desired, name, urn = known
        properties = json.loads(text)
        state: str = properties["CurrentState"]
        is_changing = pulumi.runtime.is_dry_run() and (state in CHANGING_STATES or changes_desired_state())
        if state != desired and not is_changing:
            raise PipeStateError(describe(name, urn, desired, state, properties.get("StateReason", "")))
        return state

    return pulumi.Output.all(found.properties, desired_state, pipe.name, pipe.urn).apply(check)


def describe(name: str, urn: str, desired: str, state: str, reason: str) -> str:
    """Return one line that says what is wrong and what to do."""
    problem = f"pipe {name} must be {desired}, got {state}" + (f" ({' '.join(reason.split())})" if reason else "")
    if state in CHANGING_STATES:
        return f"{problem}. Wait a minute and run the command again."
    replace = f"run: pulumi up --replace '{urn}'"
    if state in DESIRED_STATES:
        verb = "start" if desired == "RUNNING" else "stop"
        return f"{problem}. Run: aws pipes {verb}-pipe --name {name}. Or {replace}"
    return f"{problem}. When the cause is gone, {replace}"
