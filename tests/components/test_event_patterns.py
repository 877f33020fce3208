"""The event patterns of a `RealtimePipe`, which are checked before the pipe is made."""

from __future__ import annotations

import json
from typing import Any

import pulumi
import pytest

from components import RealtimePipe, RealtimePipeArgs
from tests.support.components.examples import FUNCTION_ARN, STREAM_ARN
from tests.support.components.harness import refusal, run

REQUIRED: RealtimePipeArgs = {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN}
ANY = {"eventName": ["INSERT"]}


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        (
            {"eventName": [{"wildcard": "I*"}]},
            "eventName[0]: must be an operator that EventBridge Pipes support, got 'wildcard'",
        ),
        ({"eventName": [{"anything-but": {"prefix": "I"}}]}, "eventName[0].anything-but: must be a string, a number, "),
        ({"eventName": "INSERT"}, "eventName: must be a list of alternatives or a nested pattern, got 'INSERT'"),
        ({}, "pattern: must have at least one field"),
        ({"a": ["é" * 5000]}, "must have at most 4,096 characters as JSON, got 5,010"),
    ],
)
def test_a_pattern_that_pipes_do_not_take_is_refused_with_its_place(pattern: object, message: str) -> None:
    refused = refusal(lambda: RealtimePipe("realtime", {**REQUIRED, "filters": [ANY, pattern]}))

    assert refused.startswith(f"filters[1]: {message}")


def test_a_pattern_may_hold_an_output() -> None:
    def program() -> None:
        status: Any = pulumi.Output.from_input("paid")
        pattern = {"dynamodb": {"NewImage": {"status": {"S": [status]}}}}
        RealtimePipe("realtime", {**REQUIRED, "filters": [pattern]})

    (only,) = run(program).inputs("realtime-pipe")["sourceParameters"]["filterCriteria"]["filters"]

    assert json.loads(only["pattern"]) == {"dynamodb": {"NewImage": {"status": {"S": ["paid"]}}}}


def test_a_whole_number_in_a_pattern_stays_one() -> None:
    """EventBridge compares numbers as they are written, and Pulumi's wire writes 5 as 5.0."""
    pattern = {"a": [5.0, 0.5, {"numeric": [">", 1e3]}]}
    (only,) = run(lambda: RealtimePipe("realtime", {**REQUIRED, "filters": [pattern]})).inputs("realtime-pipe")[
        "sourceParameters"
    ]["filterCriteria"]["filters"]

    assert only["pattern"] == '{"a":[5,0.5,{"numeric":[">",1000]}]}'
