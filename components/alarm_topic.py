"""SNS topic to which CloudWatch sends alarms, and its e-mail subscription.

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
    """An e-mail address that receives each alarm. SNS first sends a confirmation mail to this address. Alarms arrive
    only after someone has followed the link in that mail. Default: none. You can subscribe to the topic yourself."""
    kms_key_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a KMS key of your account that encrypts the topic. Its policy must allow CloudWatch to use it, as
    that of a `DataKey` does. Default: none. The topic is then not encrypted with a KMS key."""
    tags: NotRequired[Tags]
    """Tags of the topic. Default: none."""


class AlarmTopic(pulumi.ComponentResource):
    """An SNS topic for the CloudWatch alarms of its account. Other AWS services cannot publish to it.

    By default, the topic is not encrypted with a KMS key. The AWS managed key of SNS is not possible: its policy does
    not allow CloudWatch to use it, and nobody can change that policy
    (https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html). A key of your own costs one dollar per month.
    It protects little, because an alarm contains only names and numbers: no payload and no tenant.
    """

    topic_arn: pulumi.Output[str]
    """The ARN of the topic. Use it for the input `alarm_topic_arn` of other components and for the actions of your own
    alarms."""

    def __init__(self, name: str, args: AlarmTopicArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-topic", MAX_TOPIC_NAME)
        _checks.check_fields(args, AlarmTopicArgs)
        email = _checks.check_optional(_checks.email, "email", args.get("email"))
        kms_key_arn = _checks.check_optional(_checks.key_arn, "kms_key_arn", args.get("kms_key_arn"))
        super().__init__("formbridge:index:AlarmTopic", name, {}, opts)
        child_options = pulumi.ResourceOptions(parent=self)
        topic = aws.sns.Topic(f"{name}-topic", kms_master_key_id=kms_key_arn, tags=args.get("tags"), opts=child_options)
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
