"""SNS. The emulator's alarms do publish; its e-mails go nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import Created, Resource
from ._arguments import json_text, tag_list
from ._names import name_of
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _topic(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    attributes = {"DisplayName": inputs["displayName"]} if "displayName" in inputs else {}
    arn: str = aws.client("sns").create_topic(Name=name, Attributes=attributes, Tags=tag_list(inputs))["TopicArn"]
    return Created(arn, {"name": name, "arn": arn, "owner": arn.split(":")[4]})


def _topic_policy(aws: Aws, resource: Resource) -> Created:
    topic: str = resource.inputs["arn"]
    policy = json_text(resource.inputs["policy"])
    aws.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return Created(topic, {"policy": policy, "owner": topic.split(":")[4]})


def _topic_subscription(aws: Aws, resource: Resource) -> Created:
    inputs = resource.inputs
    arn = aws.client("sns").subscribe(
        TopicArn=inputs["topic"], Protocol=inputs["protocol"], Endpoint=inputs["endpoint"], ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    return Created(arn, {"arn": arn})


TYPES = {
    "aws:sns/topic:Topic": ResourceType(_topic, properties("name", "tags", "displayName")),
    "aws:sns/topicPolicy:TopicPolicy": ResourceType(_topic_policy, properties("arn", "policy")),
    "aws:sns/topicSubscription:TopicSubscription": ResourceType(
        _topic_subscription, properties("topic", "protocol", "endpoint")
    ),
}
