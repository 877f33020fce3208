"""EventBridge: buses, rules and their targets. (Pulumi keeps CloudWatch's old name for them.)"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..resource import Created, ProvisionError, Resource
from ._arguments import arguments, json_text, tag_list
from ._names import generated_name, name_of
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

DEFAULT_BUS = "default"


def _event_bus(aws: Aws, resource: Resource) -> Created:
    name = name_of(resource)
    response = aws.client("events").create_event_bus(
        Name=name,
        Tags=tag_list(resource.inputs),
        **arguments(resource.inputs, ["description", "kmsKeyIdentifier", "deadLetterConfig"]),
    )
    return Created(name, {"name": name, "arn": response["EventBusArn"]})


def _event_rule(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    bus = inputs.get("eventBusName", DEFAULT_BUS)
    state = inputs.get("state", "ENABLED" if inputs.get("isEnabled", True) else "DISABLED")
    request = arguments(inputs, ["description", "roleArn", "scheduleExpression"])
    if "eventPattern" in inputs:
        request["EventPattern"] = json_text(inputs["eventPattern"])
    response = aws.client("events").put_rule(Name=name, EventBusName=bus, State=state, Tags=tag_list(inputs), **request)
    outputs = {"name": name, "arn": response["RuleArn"], "eventBusName": bus, "state": state}
    return Created(name if bus == DEFAULT_BUS else f"{bus}/{name}", outputs)


def _event_target(aws: Aws, resource: Resource) -> Created:
    inputs = resource.inputs
    bus = inputs.get("eventBusName", DEFAULT_BUS)
    target_id = inputs.get("targetId") or generated_name(resource)
    target: dict[str, Any] = {
        "Id": target_id,
        **arguments(inputs, ["arn", "roleArn", "input", "inputPath", "deadLetterConfig", "retryPolicy"]),
    }
    response = aws.client("events").put_targets(Rule=inputs["rule"], EventBusName=bus, Targets=[target])
    for failed in response["FailedEntries"]:
        raise ProvisionError(f"{failed['ErrorCode']}: {failed['ErrorMessage']}")
    own_id = f"{inputs['rule']}-{target_id}"
    return Created(own_id if bus == DEFAULT_BUS else f"{bus}-{own_id}", {"targetId": target_id, "eventBusName": bus})


TYPES = {
    "aws:cloudwatch/eventBus:EventBus": ResourceType(
        _event_bus, properties("name", "tags", "description", "kmsKeyIdentifier", "deadLetterConfig.arn")
    ),
    "aws:cloudwatch/eventRule:EventRule": ResourceType(
        _event_rule,
        properties(
            *("name", "tags", "description", "eventBusName", "eventPattern", "scheduleExpression"),
            *("isEnabled", "state", "roleArn"),
        ),
        # About deleting the rule, and nothing is ever deleted here.
        ignored=properties("forceDestroy"),
    ),
    "aws:cloudwatch/eventTarget:EventTarget": ResourceType(
        _event_target,
        # The emulator keeps retryPolicy and deadLetterConfig, and acts on neither.
        properties(
            *("arn", "rule", "eventBusName", "targetId", "roleArn", "input", "inputPath"),
            *("deadLetterConfig.arn", "retryPolicy"),
        ),
        # As for the rule.
        ignored=properties("forceDestroy"),
    ),
}
