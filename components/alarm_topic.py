"""Where alarms go: an SNS topic that CloudWatch may publish to, and someone's e-mail address."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._iam import topic_policy
from ._naming import MAX_TOPIC_NAME, check_name
from ._tags import Tags


class AlarmTopicArgs(TypedDict):
    """What an `AlarmTopic` takes."""

    email: NotRequired[pulumi.Input[str] | None]
    """An e-mail address that gets each alarm, once its owner has followed the link in the mail that SNS sends first.
    Default: none, you subscribe to the topic yourself."""
    tags: NotRequired[Tags]
    """Tags of the topic. Default: none."""


class AlarmTopic(pulumi.ComponentResource):
    """An SNS topic that the CloudWatch alarms of its own account may publish to, and nothing else of AWS.

    It has no KMS key. CloudWatch alarms cannot publish under SNS's own key, whose policy no one can change
    (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html), and a key of one's own costs a dollar a
    month, while what passes is names and numbers of alarms: no payload, no tenant.
    """

    topic_arn: pulumi.Output[str]
    """The topic's ARN, for an alarm's actions."""

    def __init__(self, name: str, args: AlarmTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-topic", MAX_TOPIC_NAME)
        _checks.fields(args, AlarmTopicArgs)
        email = _checks.optional(_checks.email, "email", args.get("email"))
        super().__init__("formbridge:index:AlarmTopic", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(f"{name}-topic", tags=args.get("tags"), opts=own)
        account = topic.arn.apply(lambda arn: arn.split(":")[4])
        aws.sns.TopicPolicy(
            f"{name}-policy",
            arn=topic.arn,
            policy=topic_policy("cloudwatch.amazonaws.com", topic.arn, account),
            opts=own,
        )
        if email is not None:
            aws.sns.TopicSubscription(f"{name}-email", topic=topic.arn, protocol="email", endpoint=email, opts=own)
        self.topic_arn = topic.arn
        self.register_outputs({"topic_arn": self.topic_arn})
