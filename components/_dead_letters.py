"""A dead-letter queue as every component makes it: standard, encrypted, two weeks' memory, an alarm."""

import pulumi
import pulumi_aws as aws

from ._queue_mapping import VISIBILITY_SECONDS
from ._tags import Tags

RETENTION_SECONDS = 14 * 24 * 3600
"""The longest that SQS keeps a message."""
MAX_MESSAGE_SIZE = 1024 * 1024
"""The most that SQS takes; the AWS provider's own default is 256 KiB. An event alone may have 1 MB, and a dead letter
adds its reason, or is the record of a failed invocation with the event in it.
https://aws.amazon.com/blogs/compute/more-room-to-build-serverless-services-now-support-payloads-up-to-1-mb"""


def dead_letter_queue(
    name: str,
    parent: pulumi.Resource,
    tags: Tags | None,
    alarm_topic_arn: pulumi.Input[str] | None,
) -> aws.sqs.Queue:
    """The queue `{name}-dead-letters`, and the alarm `{name}-dead-letters-alarm` on the first message in it."""
    queue = aws.sqs.Queue(
        f"{name}-dead-letters",
        max_message_size=MAX_MESSAGE_SIZE,
        message_retention_seconds=RETENTION_SECONDS,
        sqs_managed_sse_enabled=True,
        # A `DeadLetterResync` may be put on it.
        visibility_timeout_seconds=VISIBILITY_SECONDS,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    queue_alarm(
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


def queue_alarm(
    name: str,
    description: str,
    queue_name: pulumi.Input[str],
    metric_name: str,
    minutes: int,
    parent: pulumi.Resource,
    tags: Tags | None,
    alarm_topic_arn: pulumi.Input[str] | None,
) -> None:
    """The alarm `name`: a metric of a queue is above zero, and has been for so many minutes."""
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
