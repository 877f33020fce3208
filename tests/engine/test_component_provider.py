"""The components as the engine runs them for a program in another language: in a component provider of their own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi
import pytest

from local import wire

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine.stacks import World

COMPONENTS = Path(__file__).resolve().parents[2] / "components"
FUNCTION_ARN = "arn:aws:lambda:eu-west-1:123456789012:function:notify"


def declare(kind: str, name: str, inputs: dict[str, Any], output: str = "") -> pulumi.Output[str]:
    """Declare a component of the provider, as an SDK that Pulumi generates does.

    Args:
        kind: The name of the component.
        name: The name of the resource.
        inputs: The inputs by the names that the provider's schema has.
        output: The name of the output to return.
    """
    properties = {**inputs, output: None}
    component: Any = pulumi.ComponentResource(f"formbridge:index:{kind}", name, properties, remote=True)
    return component.__dict__[output]


def run_program(batch_size: int = 7, function_arn: pulumi.Input[str] = FUNCTION_ARN) -> None:
    stream_arn = declare("StreamTable", "orders", {"hashKey": "id"}, "streamArn")
    inputs = {"streamArn": stream_arn, "functionArn": function_arn, "batchSize": batch_size}
    pulumi.export("pipe", declare("RealtimePipe", "changes", inputs, "pipeName"))


def declare_table(**inputs: str) -> None:
    declare("StreamTable", "orders", inputs, "tableName")


@pytest.fixture
def provided(empty: World) -> World:
    """A world without stacks, whose engine finds the component provider."""
    plugin = empty.folder / "bin" / "pulumi-resource-formbridge"
    plugin.write_text(f'#!/bin/sh\nexec {sys.executable} {COMPONENTS} "$@"\n')
    plugin.chmod(0o755)
    return empty


def pipe_inputs(world: World) -> dict[str, Any]:
    (pipe,) = world.cloud.of_name("changes-pipe")
    return wire.load(pipe.inputs)


def batch_size(world: World) -> int:
    return pipe_inputs(world)["sourceParameters"]["dynamodbStreamParameters"]["batchSize"]


def test_preview_up_update_and_destroy(provided: World) -> None:
    previewed = provided.stack(program=run_program).preview()
    created = provided.stack(program=run_program).up()
    again = provided.stack(program=run_program).up()
    before = batch_size(provided)
    updated = provided.stack(program=lambda: run_program(batch_size=8)).up()
    after = batch_size(provided)
    destroyed = provided.stack(program=run_program).destroy()

    assert not [one.output for one in (previewed, created, again, updated, destroyed) if one.failed]
    assert set(created.operations.values()) == {"create"}
    assert {"orders", "orders-table", "changes", "changes-pipe"} < set(created.operations)
    assert previewed.operations == created.operations
    assert again.operations == {}
    assert updated.operations == {"changes-pipe": "update"}
    assert (before, after) == (7, 8)
    assert provided.cloud.existing == []


def test_a_secret_input_is_encrypted_in_the_state(provided: World) -> None:
    stack = provided.stack(program=lambda: run_program(function_arn=pulumi.Output.secret(FUNCTION_ARN)))

    outcome = stack.up()

    assert not outcome.failed, outcome.output
    assert pipe_inputs(provided)["target"] == FUNCTION_ARN
    # `pulumi stack export`, as the Automation API runs it, decrypts secrets. The backend's file is what is stored.
    (state,) = (provided.folder / "backend").glob(".pulumi/stacks/*/dev.json")
    assert "changes-pipe" in state.read_text()
    assert FUNCTION_ARN not in state.read_text()


@pytest.mark.parametrize(
    ("program", "message"),
    [
        (lambda: run_program(batch_size=0), "batch_size: must be an integer from 1 to 10,000, got 0"),
        (lambda: declare_table(hashKey=""), "hash_key: must have 1 to 255 characters, got ''"),
    ],
)
def test_a_wrong_input_is_an_error(provided: World, program: Callable[[], None], message: str) -> None:
    outcome = provided.stack(program=program).up()

    assert outcome.failed
    assert message in outcome.output
