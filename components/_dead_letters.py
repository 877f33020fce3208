"""Dead-letter queues. Each is a standard queue with encryption, a retention of 14 days and an alarm."""

from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws

from ._encryption import encrypt_queue
from ._iam import build_queue_policy
from ._queue_mapping import VISIBILITY_SECONDS
from ._tags import Tags

if TYPE_CHECKING:
    from formbridge.submissions import retention
else:
    from ._formbridge.submissions import retention

RETENTION_SECONDS = retention.DEAD_LETTER_DAYS * retention.SECONDS_PER_DAY
"""Seconds for which a queue keeps a message."""
MAX_MESSAGE_SIZE = 1024 * 1024
"""Maximum size of a message in bytes. This is the maximum that SQS allows.

The default of Pulumi's AWS provider is 256 KiB, which is too small. An event may be 1 MB, and a dead letter contains
the event and more: the reason, or the record of a failed invocation.
https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb"""


def create_dead_letter_queue(
    name: str,
    parent: pulumi.Resource,
    tags: Tags | None,
    alarm_topic_arn: pulumi.Input[str] | None,
    *,
    rule_arn: pulumi.Input[str] | None = None,
    kms_key_arn: pulumi.Input[str] | None = None,
) -> aws.sqs.Queue:
    """Create the queue `{name}-dead-letters`, its policy, and an alarm that fires when the queue has a message.

    Args:
        name: Prefix of the names of the resources.
        parent: The component that the resources belong to.
        tags: Tags of every resource that supports tags.
        alarm_topic_arn: The SNS topic to which the alarm is sent. None: the alarm is only visible in CloudWatch.
        rule_arn: The EventBridge rule that may send messages to the queue. None: only roles may send messages.
        kms_key_arn: The KMS key that encrypts the messages. None: a key of SQS encrypts them.
    """
    queue = aws.sqs.Queue(
        f"{name}-dead-letters",
        max_message_size=MAX_MESSAGE_SIZE,
        message_retention_seconds=RETENTION_SECONDS,
        **encrypt_queue(kms_key_arn),
        # A `DeadLetterResync` may read this queue. Its Lambda needs this visibility timeout.
        visibility_timeout_seconds=VISIBILITY_SECONDS,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    aws.sqs.QueuePolicy(
        f"{name}-dead-letters-policy",
        queue_url=queue.url,
        policy=build_queue_policy(queue.arn, rule_arn),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    create_queue_alarm(
        f"{name}-dead-letters-alarm",
        f"{name}: something could not be processed and waits in the dead-letter queue",
        queue.name,
        "ApproximateNumberOfMessagesVisible",
        1,
        parent,
        tags,
        alarm_topic_arn,
    )
    return queue


def create_queue_alarm(
    name: str,
    description: str,
    queue_name: pulumi.Input[str],
    metric_name: str,
    minutes: int,
    parent: pulumi.Resource,
    tags: Tags | None,
    alarm_topic_arn: pulumi.Input[str] | None,
) -> None:
    """Create the alarm `name` on a metric of a queue.

    Args:
        name: Name of the alarm.
        description: Text that the alarm shows.
        queue_name: Name of the queue.
        metric_name: Name of the metric. The alarm fires if the metric is above zero for `minutes` minutes in a row.
        minutes: Number of minutes in a row.
        parent: The component that the alarm belongs to.
        tags: Tags of the alarm.
        alarm_topic_arn: The SNS topic to which the alarm is sent. None: the alarm is only visible in CloudWatch.
    """
    actions = [alarm_topic_arn] if alarm_topic_arn is not None else None
    aws.cloudwatch.MetricAlarm(
        name,
        alarm_description=description,
        namespace="AWS/SQS",
        metric_name=metric_name,
        dimensions={"QueueName": queue_name},
        statistic="Maximum",
        period=60,
        evaluation_periods=minutes,
        comparison_operator="GreaterThanThreshold",
        threshold=0,
        treat_missing_data="notBreaching",
        alarm_actions=actions,
        ok_actions=actions,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
