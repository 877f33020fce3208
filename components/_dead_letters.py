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
    own = pulumi.ResourceOptions(parent=parent)
    queue = aws.sqs.Queue(
        f"{name}-dead-letters",
        max_message_size=MAX_MESSAGE_SIZE,
        message_retention_seconds=RETENTION_SECONDS,
        sqs_managed_sse_enabled=True,
        # A `DeadLetterResync` may be put on it.
        visibility_timeout_seconds=VISIBILITY_SECONDS,
        tags=tags,
        opts=own,
    )
    actions = [alarm_topic_arn] if alarm_topic_arn is not None else None
    aws.cloudwatch.MetricAlarm(
        f"{name}-dead-letters-alarm",
        alarm_description=f"{name}: something could not be processed and waits in the dead-letter queue",
        namespace="AWS/SQS",
        metric_name="ApproximateNumberOfMessagesVisible",
        dimensions={"QueueName": queue.name},
        statistic="Maximum",
        period=60,
        evaluation_periods=1,
        comparison_operator="GreaterThanThreshold",
        threshold=0,
        treat_missing_data="notBreaching",
        alarm_actions=actions,
        ok_actions=actions,
        tags=tags,
        opts=own,
    )
    return queue
