"""The SNS topic to which CloudWatch sends alarms, with an e-mail subscription.

Example:
    from components import AlarmTopic

    AlarmTopic("alarms", {"email": "operations@example.com"})
"""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._iam import build_topic_policy
from ._naming import MAX_TOPIC_NAME, check_name
from ._tags import Tags


class AlarmTopicArgs(TypedDict):
    """The inputs of an `AlarmTopic`."""

    email: NotRequired[pulumi.Input[str] | None]
    """An e-mail address that receives each alarm, after its owner has followed the link in SNS's confirmation mail.
    Default: none, subscribe to the topic yourself."""
    tags: NotRequired[Tags]
    """Tags of the topic. Default: none."""


class AlarmTopic(pulumi.ComponentResource):
    """An SNS topic for the CloudWatch alarms of its account. No other AWS service can publish to it.

    The topic has no KMS key. CloudWatch alarms cannot publish to a topic with the AWS managed key of SNS, because
    nobody can change the policy of that key (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html). A
    customer managed key costs one dollar per month, and the messages contain only names and numbers of alarms: no
    payload and no tenant.
    """

    topic_arn: pulumi.Output[str]
    """The ARN of the topic, for the input `alarm_topic_arn` of other components and the actions of your own alarms."""

    def __init__(self, name: str, args: AlarmTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-topic", MAX_TOPIC_NAME)
        _checks.check_fields(args, AlarmTopicArgs)
        email = _checks.check_optional(_checks.email, "email", args.get("email"))
        super().__init__("formbridge:index:AlarmTopic", name, {}, opts)
        child_options = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(f"{name}-topic", tags=args.get("tags"), opts=child_options)
        account = topic.arn.apply(lambda arn: arn.split(":")[4])
        aws.sns.TopicPolicy(
            f"{name}-policy",
            arn=topic.arn,
            policy=build_topic_policy("cloudwatch.amazonaws.com", topic.arn, account),
            opts=child_options,
        )
        if email is not None:
            aws.sns.TopicSubscription(
                f"{name}-email", topic=topic.arn, protocol="email", endpoint=email, opts=child_options
            )
        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})
