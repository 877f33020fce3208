"""What a broadcast Lambda hands to others: the fan-out queue, and where ends what none of them could do."""

import pulumi
import pulumi_aws as aws

from ._dead_letters import MAX_MESSAGE_SIZE, RETENTION_SECONDS, dead_letter_queue
from ._queue_mapping import VISIBILITY_SECONDS
from ._tags import Tags

MAX_RECEIVES = 10
"""How often a message is tried: for an hour, by the time for which each try hides it. AWS advises five or more, as a
Lambda that has no room for a message has received it too."""


def fanout_queue(
    name: str, parent: pulumi.Resource, tags: Tags | None, alarm_topic_arn: pulumi.Input[str] | None
) -> aws.sqs.Queue:
    """The queue `{name}-queue`; what failed ten times goes to `{name}-dead-letters`, which has an alarm."""
    dead_letters = dead_letter_queue(name, parent, tags, alarm_topic_arn)
    return aws.sqs.Queue(
        f"{name}-queue",
        max_message_size=MAX_MESSAGE_SIZE,
        # What is older is deleted without becoming a dead letter.
        message_retention_seconds=RETENTION_SECONDS,
        redrive_policy=pulumi.Output.json_dumps(
            {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": MAX_RECEIVES}
        ),
        sqs_managed_sse_enabled=True,
        visibility_timeout_seconds=VISIBILITY_SECONDS,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
