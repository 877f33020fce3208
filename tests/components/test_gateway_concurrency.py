"""The inputs `concurrency` of a `WebSocketGateway`."""

from __future__ import annotations

import pulumi
import pytest

from components import WebSocketGateway
from tests.support.components.examples import TABLE_ARN
from tests.support.components.gateway import REQUIRED, declare, gateway_args
from tests.support.components.harness import Recording, refusal, run

FUNCTIONS = ("authorize", "connect", "message", "broadcast")
INPUTS = {f"{function}_reserved_concurrency": number for number, function in enumerate(FUNCTIONS, 11)}


def reserved(recording: Recording) -> dict[str, int]:
    """The reserved concurrency of each Lambda that has one."""
    return {
        one.name.removeprefix("gateway-").removesuffix("-function"): one.inputs["reservedConcurrentExecutions"]
        for one in recording.of_type("lambda/function:Function")
        if "reservedConcurrentExecutions" in one.inputs
    }


def test_nothing_is_reserved_by_default() -> None:
    assert reserved(declare(REQUIRED)) == {}
    assert reserved(declare(gateway_args({"table_arn": TABLE_ARN, **dict.fromkeys(INPUTS)}))) == {}


def test_each_lambda_reserves_what_it_is_told() -> None:
    recording = declare(gateway_args({"table_arn": TABLE_ARN, **INPUTS}))

    assert reserved(recording) == {"authorize": 11, "connect": 12, "message": 13, "broadcast": 14}


def test_as_many_broadcast_lambdas_as_the_pipe_invokes_may_be_reserved() -> None:
    args = {"table_arn": TABLE_ARN, "broadcast_concurrency": 8, "broadcast_reserved_concurrency": 8}

    assert reserved(declare(gateway_args(args))) == {"broadcast": 8}


@pytest.mark.parametrize(("concurrency", "needed"), [({}, 4), ({"broadcast_concurrency": 8}, 8)])
def test_fewer_broadcast_lambdas_than_the_pipe_invokes_are_refused(concurrency: dict[str, int], needed: int) -> None:
    args = gateway_args({"table_arn": TABLE_ARN, "broadcast_reserved_concurrency": needed - 1, **concurrency})

    assert refusal(lambda: WebSocketGateway("gateway", args)) == (
        f"concurrency.broadcast_reserved_concurrency: must be at least posting.broadcast_concurrency ({needed}), "
        f"because the pipe invokes as many at once, got {needed - 1}"
    )


def test_fewer_are_refused_once_they_are_known() -> None:
    def program() -> None:
        reserved = pulumi.Output.from_input(3)
        WebSocketGateway("gateway", gateway_args({"table_arn": TABLE_ARN, "broadcast_reserved_concurrency": reserved}))

    with pytest.raises(ValueError, match=r"must be at least posting.broadcast_concurrency \(4\), .*, got 3$"):
        run(program)


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("value", [0, 1.5])
def test_a_bad_value_is_refused_by_name_before_anything_is_made(name: str, value: float) -> None:
    args = gateway_args({"table_arn": TABLE_ARN, name: value})

    expected = f"concurrency.{name}: must be an integer of at least 1, got {value}"
    assert refusal(lambda: WebSocketGateway("gateway", args)) == expected
