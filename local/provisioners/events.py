"""Event buses, rules and targets of EventBridge. Their Pulumi types have the prefix `aws:cloudwatch`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..resource import CreatedResource, ProvisionError, Resource
from ._arguments import pick_arguments, to_json, to_tag_list
from ._names import choose_name, generate_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

DEFAULT_BUS = "default"


def _create_event_bus(aws: Aws, resource: Resource) -> CreatedResource:
    name = choose_name(resource)
    response = aws.client("events").create_event_bus(
        Name=name,
        Tags=to_tag_list(resource.inputs),
        **pick_arguments(resource.inputs, ["description", "kmsKeyIdentifier", "deadLetterConfig"]),
    )
    return CreatedResource(name, {"name": name, "arn": response["EventBusArn"]})


def _create_event_rule(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    bus = inputs.get("eventBusName", DEFAULT_BUS)
    state = inputs.get("state", "ENABLED" if inputs.get("isEnabled", True) else "DISABLED")
    request = pick_arguments(inputs, ["description", "roleArn", "scheduleExpression"])
    if "eventPattern" in inputs:
        request["EventPattern"] = to_json(inputs["eventPattern"])
    response = aws.client("events").put_rule(
        Name=name, EventBusName=bus, State=state, Tags=to_tag_list(inputs), **request
    )
    outputs = {"name": name, "arn": response["RuleArn"], "eventBusName": bus, "state": state}
    return CreatedResource(name if bus == DEFAULT_BUS else f"{bus}/{name}", outputs)


def _create_event_target(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    bus = inputs.get("eventBusName", DEFAULT_BUS)
    target_id = inputs.get("targetId") or generate_name(resource)
    target: dict[str, Any] = {
        "Id": target_id,
        **pick_arguments(inputs, ["arn", "roleArn", "input", "inputPath", "deadLetterConfig", "retryPolicy"]),
    }
    response = aws.client("events").put_targets(Rule=inputs["rule"], EventBusName=bus, Targets=[target])
    for failed in response["FailedEntries"]:
        raise ProvisionError(f"{failed['ErrorCode']}: {failed['ErrorMessage']}")
    own_id = f"{inputs['rule']}-{target_id}"
    return CreatedResource(
        own_id if bus == DEFAULT_BUS else f"{bus}-{own_id}", {"targetId": target_id, "eventBusName": bus}
    )


TYPES = {
    "aws:cloudwatch/eventBus:EventBus": ResourceType(
        _create_event_bus, properties("name", "tags", "description", "kmsKeyIdentifier", "deadLetterConfig.arn")
    ),
    "aws:cloudwatch/eventRule:EventRule": ResourceType(
        _create_event_rule,
        properties(
            *("name", "tags", "description", "eventBusName", "eventPattern", "scheduleExpression"),
            *("isEnabled", "state", "roleArn"),
        ),
        # `forceDestroy` concerns deletion, and the local run deletes nothing.
        ignored=properties("forceDestroy"),
    ),
    "aws:cloudwatch/eventTarget:EventTarget": ResourceType(
        _create_event_target,
        # The emulator stores `retryPolicy` and `deadLetterConfig` but does not apply them.
        properties(
            *("arn", "rule", "eventBusName", "targetId", "roleArn", "input", "inputPath"),
            *("deadLetterConfig.arn", "retryPolicy"),
        ),
        # `forceDestroy` concerns deletion, and the local run deletes nothing.
        ignored=properties("forceDestroy"),
    ),
}
