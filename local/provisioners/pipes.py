"""Pipes of EventBridge. The emulator only stores a pipe; `local.pipes` delivers its records to Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, to_pascal_case
from ._names import choose_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

TYPE_NAME: Final = "AWS::Pipes::Pipe"
"""The type of a pipe in CloudFormation."""

_STREAM = "sourceParameters.dynamodbStreamParameters"
_LOG = "logConfiguration"


def _create_pipe(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    request = pick_arguments(
        inputs,
        ["description", "desiredState", "roleArn", "source", "target", "targetParameters", "kmsKeyIdentifier"],
    )
    if source := to_pascal_case(inputs.get("sourceParameters")):
        # `to_pascal_case` changes only the first letter of a name. The API spells this name with capitals: DynamoDB.
        if stream := source.pop("DynamodbStreamParameters", None):
            source["DynamoDBStreamParameters"] = stream
        request["SourceParameters"] = source
    pipe = aws.client("pipes").create_pipe(Name=name, Tags=inputs.get("tags", {}), **request)
    return CreatedResource(name, {"name": name, "arn": pipe["Arn"]})


def read_pipe(aws: Aws, name: str) -> dict[str, Any]:
    """Return the properties of a pipe under CloudFormation's names, of those that change by themselves."""
    pipe = aws.client("pipes").describe_pipe(Name=name)
    return {key: pipe[key] for key in ("Name", "CurrentState", "DesiredState", "StateReason") if key in pipe}


TYPES = {
    "aws:pipes/pipe:Pipe": ResourceType(
        _create_pipe,
        properties(
            *("name", "tags", "description", "desiredState", "roleArn", "source", "target", "kmsKeyIdentifier"),
            "sourceParameters.filterCriteria.filters.pattern",
            *(f"{_STREAM}.{name}" for name in ("startingPosition", "batchSize", "deadLetterConfig.arn")),
            *(
                f"{_STREAM}.maximum{limit}"
                for limit in ("BatchingWindowInSeconds", "RecordAgeInSeconds", "RetryAttempts")
            ),
            *(f"{_STREAM}.{name}" for name in ("onPartialBatchItemFailure", "parallelizationFactor")),
            *("targetParameters.lambdaFunctionParameters", "targetParameters.inputTemplate"),
        ),
        # There are no pipe logs here: the runner logs to the output of `python -m local up`.
        ignored=properties(_LOG),
    )
}
