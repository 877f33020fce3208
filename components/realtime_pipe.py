"""From a table's stream to a Lambda: the EventBridge Pipe, and what keeps one bad record from stopping the rest."""

import json
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from ._dead_letters import dead_letter_queue
from ._iam import Statement, policy_document, trust_policy
from ._tags import Tags

DEFAULT_BATCH_SIZE = 100
DEFAULT_BATCHING_WINDOW_SECONDS = 0
DEFAULT_RETRY_ATTEMPTS = 10
DEFAULT_RECORD_AGE_SECONDS = 3600


class RealtimePipeArgs(TypedDict):
    """What a `RealtimePipe` takes."""

    stream_arn: pulumi.Input[str]
    """The ARN of a DynamoDB stream."""
    function_arn: pulumi.Input[str]
    """The ARN of the Lambda that gets each batch, as a JSON array of raw stream records."""
    filters: NotRequired[list[Any]]
    """Event patterns, at most 5; a record that matches any of them passes. Default: every record passes."""
    batch_size: NotRequired[int]
    """Records in a batch, 1 to 10,000. Default: 100."""
    batching_window_seconds: NotRequired[int]
    """How long a batch is gathered, 0 to 300. Default: 0, what one poll finds."""
    retry_attempts: NotRequired[int]
    """How often a failed batch is tried again. Default: 10; AWS's own is for ever."""
    record_age_seconds: NotRequired[int]
    """The age at which a record is given up. Default: 3,600; AWS's own is for ever."""
    tags: NotRequired[Tags]
    """Tags of every child that can have them. Default: none."""


class RealtimePipe(pulumi.ComponentResource):
    """An EventBridge Pipe from a DynamoDB stream to a Lambda.

    It starts at the stream's oldest record, so that none is missed while it is made; a batch that fails is halved
    until the record at fault stands alone, and that one ends in the dead-letter queue while the others flow.
    """

    pipe_name: pulumi.Output[str]
    pipe_arn: pulumi.Output[str]
    dead_letter_queue_url: pulumi.Output[str]

    def __init__(self, name: str, args: RealtimePipeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("formbridge:index:RealtimePipe", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")
        stream_arn = pulumi.Output.from_input(args["stream_arn"])

        dead_letters = dead_letter_queue(name, self, tags)
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=trust_policy(
                "pipes.amazonaws.com", source_account=stream_arn.apply(lambda arn: arn.split(":")[4])
            ),
            tags=tags,
            opts=own,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=policy_document(
                [
                    Statement(
                        [
                            "dynamodb:DescribeStream",
                            "dynamodb:GetRecords",
                            "dynamodb:GetShardIterator",
                            "dynamodb:ListStreams",
                        ],
                        [stream_arn],
                    ),
                    Statement(["lambda:InvokeFunction"], [args["function_arn"]]),
                    Statement(["sqs:SendMessage"], [dead_letters.arn]),
                ]
            ),
            opts=own,
        )
        patterns = [json.dumps(pattern) for pattern in args.get("filters", [])]
        pipe = aws.pipes.Pipe(
            f"{name}-pipe",
            role_arn=role.arn,
            source=stream_arn,
            source_parameters={
                "dynamodb_stream_parameters": {
                    "starting_position": "TRIM_HORIZON",
                    "batch_size": args.get("batch_size", DEFAULT_BATCH_SIZE),
                    "maximum_batching_window_in_seconds": args.get(
                        "batching_window_seconds", DEFAULT_BATCHING_WINDOW_SECONDS
                    ),
                    "maximum_retry_attempts": args.get("retry_attempts", DEFAULT_RETRY_ATTEMPTS),
                    "maximum_record_age_in_seconds": args.get("record_age_seconds", DEFAULT_RECORD_AGE_SECONDS),
                    "on_partial_batch_item_failure": "AUTOMATIC_BISECT",
                    "dead_letter_config": {"arn": dead_letters.arn},
                },
                "filter_criteria": {"filters": [{"pattern": pattern} for pattern in patterns]} if patterns else None,
            },
            target=args["function_arn"],
            target_parameters={"lambda_function_parameters": {"invocation_type": "REQUEST_RESPONSE"}},
            tags=tags,
            # A pipe checks what its role may do when it is made.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.pipe_name = pipe.name
        self.pipe_arn = pipe.arn
        self.dead_letter_queue_url = dead_letters.url
        self.register_outputs(
            {
                "pipe_name": self.pipe_name,
                "pipe_arn": self.pipe_arn,
                "dead_letter_queue_url": self.dead_letter_queue_url,
            }
        )
