"""SQS."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import Created, Resource
from ._arguments import json_text
from ._names import name_of
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

_ATTRIBUTES = {
    "delaySeconds": "DelaySeconds",
    "kmsDataKeyReusePeriodSeconds": "KmsDataKeyReusePeriodSeconds",
    "kmsMasterKeyId": "KmsMasterKeyId",
    "maxMessageSize": "MaximumMessageSize",
    "messageRetentionSeconds": "MessageRetentionPeriod",
    "policy": "Policy",
    "receiveWaitTimeSeconds": "ReceiveMessageWaitTimeSeconds",
    "redriveAllowPolicy": "RedriveAllowPolicy",
    "redrivePolicy": "RedrivePolicy",
    "sqsManagedSseEnabled": "SqsManagedSseEnabled",
    "visibilityTimeoutSeconds": "VisibilityTimeout",
}


def _queue(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    # Every attribute is text, numbers and booleans included.
    attributes = {
        attribute: json_text(inputs[property_name])
        for property_name, attribute in _ATTRIBUTES.items()
        if property_name in inputs
    }
    url = aws.client("sqs").create_queue(QueueName=name, Attributes=attributes, tags=inputs.get("tags", {}))["QueueUrl"]
    return Created(url, {"name": name, "url": url, "arn": aws.arn("sqs", name)})


def _queue_policy(aws: Aws, resource: Resource) -> Created:
    url: str = resource.inputs["queueUrl"]
    policy = json_text(resource.inputs["policy"])
    aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return Created(url, {"policy": policy})


TYPES = {
    "aws:sqs/queue:Queue": ResourceType(_queue, properties("name", "tags", *_ATTRIBUTES)),
    "aws:sqs/queuePolicy:QueuePolicy": ResourceType(_queue_policy, properties("queueUrl", "policy")),
}
