"""Functions of Lambda, with their permissions, event invoke configurations and event source mappings."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..archives import build_zip
from ..resource import CreatedResource, ProvisionError, Resource
from ._arguments import pick_arguments
from ._names import choose_name, generate_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

_FUNCTION_ARGUMENTS = (
    *("runtime", "handler", "role", "description", "timeout", "memorySize", "architectures", "packageType"),
    *("publish", "layers", "loggingConfig", "tracingConfig", "deadLetterConfig", "ephemeralStorage"),
)

_MAPPING_ARGUMENTS = ("batchSize", "enabled", "filterCriteria", "functionResponseTypes", "scalingConfig")


def _create_function(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    if "code" not in inputs:
        raise ProvisionError(
            "code: is required; the local run does not support functions from S3 or from container images"
        )
    client = aws.client("lambda")
    function = client.create_function(
        FunctionName=name,
        Code={"ZipFile": build_zip(inputs["code"], aws.root)},
        Environment={"Variables": inputs.get("environment", {}).get("variables", {})},
        Tags=inputs.get("tags", {}),
        **pick_arguments(inputs, _FUNCTION_ARGUMENTS),
    )
    if "reservedConcurrentExecutions" in inputs:
        client.put_function_concurrency(
            FunctionName=name, ReservedConcurrentExecutions=inputs["reservedConcurrentExecutions"]
        )
    arn, version = function["FunctionArn"], function["Version"]
    outputs: dict[str, Any] = {
        "name": name,
        "arn": arn,
        "invokeArn": _build_invoke_arn(aws, arn),
        "version": version,
        "qualifiedArn": f"{arn}:{version}",
        "qualifiedInvokeArn": _build_invoke_arn(aws, f"{arn}:{version}"),
        "codeSha256": function["CodeSha256"],
        "sourceCodeSize": function["CodeSize"],
        "lastModified": function["LastModified"],
    }
    return CreatedResource(name, outputs)


def _build_invoke_arn(aws: Aws, function_arn: str) -> str:
    return f"arn:aws:apigateway:{aws.region}:lambda:path/2015-03-31/functions/{function_arn}/invocations"


def _create_permission(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    statement_id = inputs.get("statementId") or generate_name(resource)
    names = ["action", "principal", "sourceArn", "sourceAccount", "qualifier", "principalOrgId"]
    aws.client("lambda").add_permission(
        FunctionName=inputs["function"], StatementId=statement_id, **pick_arguments(inputs, names)
    )
    return CreatedResource(statement_id, {"statementId": statement_id})


def _create_event_invoke_config(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, function = resource.inputs, resource.inputs["functionName"]
    qualifier = pick_arguments(inputs, ["qualifier"])
    aws.client("lambda").put_function_event_invoke_config(
        FunctionName=function,
        **qualifier,
        **pick_arguments(inputs, ["maximumRetryAttempts", "maximumEventAgeInSeconds", "destinationConfig"]),
    )
    return CreatedResource(f"{function}:{inputs['qualifier']}" if qualifier else function, {})


def _create_event_source_mapping(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    mapping = aws.client("lambda").create_event_source_mapping(
        EventSourceArn=inputs["eventSourceArn"],
        FunctionName=inputs["functionName"],
        Tags=inputs.get("tags", {}),
        **pick_arguments(inputs, _MAPPING_ARGUMENTS),
    )
    return CreatedResource(
        mapping["UUID"],
        {
            "uuid": mapping["UUID"],
            "arn": mapping["EventSourceMappingArn"],
            "functionArn": mapping["FunctionArn"],
            "state": mapping["State"],
        },
    )


TYPES = {
    "aws:lambda/function:Function": ResourceType(
        _create_function,
        properties(
            *("name", "tags", "code", "environment.variables", "reservedConcurrentExecutions"),
            *_FUNCTION_ARGUMENTS,
        ),
        # These properties concern updates and deletion, and the local run only creates resources.
        ignored=properties("sourceCodeHash", "skipDestroy", "useResourceTimeoutForPropagation"),
    ),
    "aws:lambda/permission:Permission": ResourceType(
        _create_permission,
        properties(
            *("action", "function", "principal", "principalOrgId", "qualifier"),
            *("sourceAccount", "sourceArn", "statementId"),
        ),
    ),
    "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig": ResourceType(
        _create_event_invoke_config,
        properties(
            *("functionName", "qualifier", "destinationConfig", "maximumEventAgeInSeconds"),
            "maximumRetryAttempts",
        ),
    ),
    "aws:lambda/eventSourceMapping:EventSourceMapping": ResourceType(
        # Only queues are supported as event sources. Properties for streams, such as `startingPosition`, are rejected.
        _create_event_source_mapping,
        properties("eventSourceArn", "functionName", "tags", *_MAPPING_ARGUMENTS),
    ),
}
