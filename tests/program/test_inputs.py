"""Every input, at every depth, is one that pulumi_aws knows: the SDK itself sends a typo on in silence."""

from __future__ import annotations

from typing import Any

import pulumi_aws as aws
import pytest

from local.type_metadata import find_problems
from tests.support.components.harness import Recording, run
from tests.support.components.provider import ACCOUNT, arn
from tests.support.program.whole_program import declare


def found(recording: Recording) -> dict[str, list[str]]:
    """What is wrong, by the resource's name."""
    every = {one.name: find_problems(one.type, one.inputs) for one in recording.custom()}
    return {name: wrong for name, wrong in every.items() if wrong}


def pipe_with(parameters: dict[str, Any]) -> Recording:
    source: Any = {"dynamodb_stream_parameters": {"starting_position": "TRIM_HORIZON", **parameters}}
    return run(
        lambda: aws.pipes.Pipe(
            "pipe",
            role_arn=f"arn:aws:iam::{ACCOUNT}:role/pipe",
            source=arn("dynamodb", "table/submissions/stream/1"),
            source_parameters=source,
            target=arn("lambda", "function:broadcast"),
        )
    )


@pytest.mark.parametrize("preview", [False, True])
def test_of_the_program_are_known(preview: bool) -> None:
    recording = declare(preview=preview)

    assert len(list(recording.custom())) > 50
    assert found(recording) == {}


def test_without_a_typo_are_known() -> None:
    assert found(pipe_with({"batch_size": 100, "dead_letter_config": {"arn": arn("sqs", "dead-letters")}})) == {}


@pytest.mark.parametrize(
    ("parameters", "path"),
    [
        ({"batchsize": 100}, "sourceParameters.dynamodbStreamParameters.batchsize"),
        ({"dead_letter_config": {"arm": "a"}}, "sourceParameters.dynamodbStreamParameters.deadLetterConfig.arm"),
        ({"batch_size": "many"}, "sourceParameters.dynamodbStreamParameters.batchSize"),
    ],
)
def test_with_a_typo_are_named(parameters: dict[str, Any], path: str) -> None:
    (wrong,) = found(pipe_with(parameters))["pipe"]

    assert wrong.startswith(f"{path}: ")
