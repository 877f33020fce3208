"""Topics of SNS, with policies and subscriptions.

The emulator's alarms publish to topics. The emulator sends no e-mail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import pick_renamed, to_json, to_tag_list
from ._names import choose_name
from ._policies import to_http_policy
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_topic(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    attributes = pick_renamed(inputs, {"displayName": "DisplayName", "kmsMasterKeyId": "KmsMasterKeyId"})
    arn: str = aws.client("sns").create_topic(Name=name, Attributes=attributes, Tags=to_tag_list(inputs))["TopicArn"]
    return CreatedResource(arn, {"name": name, "arn": arn, "owner": arn.split(":")[4]})


def _create_topic_policy(aws: Aws, resource: Resource) -> CreatedResource:
    topic: str = resource.inputs["arn"]
    if policy := to_http_policy(resource.inputs["policy"]):
        aws.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return CreatedResource(topic, {"policy": to_json(resource.inputs["policy"]), "owner": topic.split(":")[4]})


def _create_topic_subscription(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    arn = aws.client("sns").subscribe(
        TopicArn=inputs["topic"], Protocol=inputs["protocol"], Endpoint=inputs["endpoint"], ReturnSubscriptionArn=True
    )["SubscriptionArn"]
    return CreatedResource(arn, {"arn": arn})


TYPES = {
    "aws:sns/topic:Topic": ResourceType(_create_topic, properties("name", "tags", "displayName", "kmsMasterKeyId")),
    "aws:sns/topicPolicy:TopicPolicy": ResourceType(_create_topic_policy, properties("arn", "policy")),
    "aws:sns/topicSubscription:TopicSubscription": ResourceType(
        _create_topic_subscription, properties("topic", "protocol", "endpoint")
    ),
}
