"""Queues of SQS, with their policies."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import to_json
from ._names import choose_name
from ._policies import to_http_policy
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


def _create_queue(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    # The API takes every attribute as a string, numbers and booleans included.
    attributes = {
        attribute: to_json(inputs[property_name])
        for property_name, attribute in _ATTRIBUTES.items()
        if property_name in inputs
    }
    url = aws.client("sqs").create_queue(QueueName=name, Attributes=attributes, tags=inputs.get("tags", {}))["QueueUrl"]
    return CreatedResource(url, {"name": name, "url": url, "arn": aws.arn("sqs", name)})


def _create_queue_policy(aws: Aws, resource: Resource) -> CreatedResource:
    url: str = resource.inputs["queueUrl"]
    if policy := to_http_policy(resource.inputs["policy"]):
        aws.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return CreatedResource(url, {"policy": to_json(resource.inputs["policy"])})


TYPES = {
    "aws:sqs/queue:Queue": ResourceType(_create_queue, properties("name", "tags", *_ATTRIBUTES)),
    "aws:sqs/queuePolicy:QueuePolicy": ResourceType(_create_queue_policy, properties("queueUrl", "policy")),
}
