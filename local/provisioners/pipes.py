"""EventBridge Pipes: the record of the pipe. The emulator delivers nothing to Lambda; `local.pipes` does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, to_pascal_case
from ._names import choose_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

_STREAM = "sourceParameters.dynamodbStreamParameters"
_LOG = "logConfiguration"


def _create_pipe(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    request = pick_arguments(
        inputs, ["description", "roleArn", "source", "target", "targetParameters", "kmsKeyIdentifier"]
    )
    if source := to_pascal_case(inputs.get("sourceParameters")):
        # The one name that is not the property's in another case.
        if stream := source.pop("DynamodbStreamParameters", None):
            source["DynamoDBStreamParameters"] = stream
        request["SourceParameters"] = source
    # Stopped, whatever the program says: the emulator's own poller must not compete for the stream.
    pipe = aws.client("pipes").create_pipe(Name=name, DesiredState="STOPPED", Tags=inputs.get("tags", {}), **request)
    return CreatedResource(name, {"name": name, "arn": pipe["Arn"]})


TYPES = {
    "aws:pipes/pipe:Pipe": ResourceType(
        _create_pipe,
        properties(
            *("name", "tags", "description", "roleArn", "source", "target", "kmsKeyIdentifier"),
            "sourceParameters.filterCriteria.filters.pattern",
            *(f"{_STREAM}.{name}" for name in ("startingPosition", "batchSize", "deadLetterConfig.arn")),
            *(
                f"{_STREAM}.maximum{what}"
                for what in ("BatchingWindowInSeconds", "RecordAgeInSeconds", "RetryAttempts")
            ),
            *(f"{_STREAM}.{name}" for name in ("onPartialBatchItemFailure", "parallelizationFactor")),
            *("targetParameters.lambdaFunctionParameters", "targetParameters.inputTemplate"),
        ),
        # The runner reads the state from the program's own inputs. Pipe logs have no counterpart here: what the
        # runner does is in its own output.
        ignored=properties("desiredState", _LOG),
    )
}
