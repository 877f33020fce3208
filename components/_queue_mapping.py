"""Event source mapping of a queue: each message of the queue invokes a Lambda."""

import pulumi
import pulumi_aws as aws

from ._function import HandlerFunction
from ._iam import Statement
from ._tags import Tags

FUNCTION_SECONDS = 60
"""Timeout of a Lambda that processes a queue, in seconds."""
VISIBILITY_SECONDS = 6 * FUNCTION_SECONDS
"""Visibility timeout of the queue: seconds for which a received message is hidden.

AWS advises six times the timeout of the function. Lambda rejects a queue whose visibility timeout is shorter than the
timeout of the function.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""


def allow_receive(queue_arn: pulumi.Input[str]) -> Statement:
    """Return the permissions to receive messages from a queue.

    The role of the function needs them, because Lambda receives the messages with this role.
    """
    return Statement(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [queue_arn])


def map_queue(
    name: str,
    queue_arn: pulumi.Input[str],
    function: HandlerFunction,
    maximum_concurrency: pulumi.Input[int],
    parent: pulumi.Resource,
    tags: Tags | None,
) -> None:
    """Create the mapping `{name}-mapping`: each message of the queue invokes the function.

    When the function returns, Lambda deletes the message. When the function raises an exception, Lambda receives the
    message again after `VISIBILITY_SECONDS`.

    Args:
        name: Prefix of the mapping's name.
        queue_arn: ARN of the queue.
        function: The Lambda that processes the messages.
        maximum_concurrency: Maximum number of invocations at the same time.
        parent: The component that the mapping belongs to.
        tags: Tags of the mapping.
    """
    aws.lambda_.EventSourceMapping(
        f"{name}-mapping",
        event_source_arn=queue_arn,
        function_name=function.name,
        batch_size=1,
        scaling_config={"maximum_concurrency": maximum_concurrency},
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
