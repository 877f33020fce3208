"""The fan-out queue of a gateway. It carries fan-out tasks to the fan-out Lambda."""

import pulumi
import pulumi_aws as aws

from ._dead_letters import MAX_MESSAGE_SIZE, RETENTION_SECONDS, create_dead_letter_queue
from ._encryption import encrypt_queue
from ._iam import build_queue_policy
from ._queue_mapping import VISIBILITY_SECONDS
from ._tags import Tags

MAX_RECEIVES = 10
"""Number of times that a message is received before it becomes a dead letter.

Each receive hides the message for `VISIBILITY_SECONDS`, so ten receives take an hour. AWS advises five or more: Lambda
may receive a message and then not process it, because the function has reached its maximum concurrency. Such a receive
counts too."""


def create_fanout_queue(
    name: str,
    parent: pulumi.Resource,
    tags: Tags | None,
    alarm_topic_arn: pulumi.Input[str] | None,
    kms_key_arn: pulumi.Input[str] | None,
) -> aws.sqs.Queue:
    """Create the queue `{name}-queue` with its policy, and its dead-letter queue.

    `kms_key_arn` is the KMS key that encrypts the messages of both queues. None: a key of SQS encrypts them.
    A message that has failed ten times goes to `{name}-dead-letters`, which has an alarm.
    """
    dead_letters = create_dead_letter_queue(name, parent, tags, alarm_topic_arn, kms_key_arn=kms_key_arn)
    queue = aws.sqs.Queue(
        f"{name}-queue",
        max_message_size=MAX_MESSAGE_SIZE,
        # SQS deletes a message that is older than `RETENTION_SECONDS`. Such a message does not become a dead letter.
        message_retention_seconds=RETENTION_SECONDS,
        redrive_policy=pulumi.Output.json_dumps(
            {"deadLetterTargetArn": dead_letters.arn, "maxReceiveCount": MAX_RECEIVES}
        ),
        **encrypt_queue(kms_key_arn),
        visibility_timeout_seconds=VISIBILITY_SECONDS,
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    aws.sqs.QueuePolicy(
        f"{name}-queue-policy",
        queue_url=queue.url,
        policy=build_queue_policy(queue.arn),
        opts=pulumi.ResourceOptions(parent=parent),
    )
    return queue
