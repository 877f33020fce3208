from __future__ import annotations

from typing import Any

import pulumi
import pytest

from local.type_metadata import find_problems
from local.wire import UNKNOWN

PIPE = {"roleArn": "role", "source": "stream", "target": "function"}


def stream(**parameters: Any) -> dict[str, Any]:
    return {**PIPE, "sourceParameters": {"dynamodbStreamParameters": {"startingPosition": "LATEST", **parameters}}}


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        ("aws:pipes/pipe:Pipe", stream(batchSize=10, deadLetterConfig={"arn": "queue"})),
        ("aws:pipes/pipe:Pipe", stream(batchSize=UNKNOWN, deadLetterConfig=UNKNOWN)),
        (
            "aws:cloudwatch/metricAlarm:MetricAlarm",
            {"comparisonOperator": "x", "evaluationPeriods": 1, "threshold": 0.5},
        ),
        ("aws:cloudwatch/metricAlarm:MetricAlarm", {"comparisonOperator": "x", "evaluationPeriods": 1, "threshold": 1}),
        ("aws:lambda/function:Function", {"role": "r", "runtime": "python3.13", "code": pulumi.AssetArchive({})}),
        ("aws:lambda/function:Function", {"role": "r", "environment": {"variables": {"ANY_name": "1"}}}),
        (
            "aws:iam/role:Role",
            {
                "assumeRolePolicy": {
                    "Version": "2012-10-17",
                    "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda"}}],
                }
            },
        ),
    ],
)
def test_right_inputs_have_no_problems(token: str, inputs: dict[str, Any]) -> None:
    assert find_problems(token, inputs) == []


@pytest.mark.parametrize(
    ("token", "inputs", "found"),
    [
        (
            "aws:pipes/pipe:Pipe",
            stream(batchsize=10),
            ["sourceParameters.dynamodbStreamParameters.batchsize: unknown property (did you mean batchSize?)"],
        ),
        (
            "aws:pipes/pipe:Pipe",
            stream(batch_sise=10, nothing_like_it=1),
            [
                "sourceParameters.dynamodbStreamParameters.batch_sise: unknown property (did you mean batchSize?)",
                "sourceParameters.dynamodbStreamParameters.nothing_like_it: unknown property",
            ],
        ),
        ("aws:pipes/pipe:Pipe", {"source": "s", "target": "t"}, ["roleArn: is required"]),
        ("aws:pipes/pipe:Pipe", {**PIPE, "tags": {"a": 1}}, ["tags.a: must be a string, got an integer"]),
        ("aws:pipes/pipe:Pipe", {**PIPE, "tags": "a"}, ["tags: must be an object, got a string"]),
        ("aws:lambda/function:Function", {"role": "r", "timeout": "5"}, ["timeout: must be an integer, got a string"]),
        (
            "aws:lambda/function:Function",
            {"role": "r", "timeout": True},
            ["timeout: must be an integer, got a boolean"],
        ),
        ("aws:lambda/function:Function", {"role": "r", "publish": 1}, ["publish: must be a boolean, got an integer"]),
        ("aws:lambda/function:Function", {"role": "r", "code": "zip"}, ["code: must be Archive, got a string"]),
        ("aws:lambda/function:Function", {"role": "r", "layers": "l"}, ["layers: must be a list, got a string"]),
        (
            "aws:dynamodb/table:Table",
            {"attributes": [{"name": "a", "type": "S"}, {"name": "b", "typ": "S"}]},
            ["attributes[1].typ: unknown property (did you mean type?)", "attributes[1].type: is required"],
        ),
        ("aws:lambda/fnction:Function", {}, ["unknown resource type"]),
        ("nowhere:index:Thing", {}, ["unknown resource type"]),
    ],
)
def test_a_problem_is_named_by_its_path(token: str, inputs: dict[str, Any], found: list[str]) -> None:
    assert find_problems(token, inputs) == found
