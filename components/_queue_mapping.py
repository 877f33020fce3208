"""A Lambda that works off a queue, one message at a time."""

import pulumi
import pulumi_aws as aws

from ._function import HandlerFunction
from ._iam import Statement
from ._tags import Tags

FUNCTION_SECONDS = 60
"""How long such a Lambda may run."""
VISIBILITY_SECONDS = 6 * FUNCTION_SECONDS
"""For how long its queue hides a message that was received, before it is there again. Lambda refuses a queue that
hides it for less than the function may run, and AWS advises six times as long.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""


def may_receive(queue_arn: pulumi.Input[str]) -> Statement:
    """What Lambda does with the queue, as the function's role."""
    return Statement(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], [queue_arn])


def map_queue(
    name: str,
    queue_arn: pulumi.Input[str],
    function: HandlerFunction,
    maximum_concurrency: pulumi.Input[int],
    parent: pulumi.Resource,
    tags: Tags | None,
) -> None:
    """The mapping `{name}-mapping`: each message of the queue invokes the function, `maximum_concurrency` at a time.

    A message is gone when the function returns, and there again, after `VISIBILITY_SECONDS`, when it raises.
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
