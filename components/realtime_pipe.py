"""From a table's stream to a Lambda: the EventBridge Pipe, and what keeps one bad record from stopping the rest."""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._checks import IntegerInput
from ._dead_letters import dead_letter_queue
from ._event_patterns import pattern_texts
from ._iam import Statement, policy_document, trust_policy
from ._naming import MAX_PIPE_NAME, check_name
from ._tags import Tags

DEFAULT_BATCH_SIZE = 100
MAX_BATCH_SIZE = 10_000
DEFAULT_BATCHING_WINDOW_SECONDS = 0
MAX_BATCHING_WINDOW_SECONDS = 300
DEFAULT_RETRY_ATTEMPTS = 10
MAX_RETRY_ATTEMPTS = 10_000
DEFAULT_RECORD_AGE_SECONDS = 3600
MIN_RECORD_AGE_SECONDS = 60
MAX_RECORD_AGE_SECONDS = 24 * 3600
"""A stream forgets its records after a day. The others are in
https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_PipeSourceDynamoDBStreamParameters.html"""


class RealtimePipeArgs(TypedDict):
    """What a `RealtimePipe` takes."""

    stream_arn: pulumi.Input[str]
    """The ARN of a DynamoDB table's stream, with new and old images where the Lambda is a gateway's."""
    function_arn: pulumi.Input[str]
    """The ARN of the Lambda that gets each batch, as a JSON array of raw stream records. It fails single records by
    returning `{"batchItemFailures": [{"itemIdentifier": eventID}]}`, and the batch by raising."""
    filters: NotRequired[pulumi.Input[Sequence[Any]]]
    """Event patterns over a raw stream record, at most 5 of at most 4,096 characters each; a record that matches any
    of them passes. Default: every record passes."""
    batch_size: NotRequired[IntegerInput]
    """Records in a batch, 1 to 10,000. Default: 100."""
    batching_window_seconds: NotRequired[IntegerInput]
    """Seconds for which a batch is gathered, 0 to 300. Default: 0, what one poll finds."""
    retry_attempts: NotRequired[IntegerInput]
    """How often a failed batch is tried again, 1 to 10,000. Default: 10. AWS's own default, for ever, lets one bad
    record hold up all behind it; and it is what 0 comes to, which the AWS provider leaves out of a new pipe."""
    record_age_seconds: NotRequired[IntegerInput]
    """Seconds after which a record is given up, 60 to 86,400. Default: 3,600. AWS's own default is for ever."""
    dead_letter_queue_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a standard SQS queue of your own for what is given up; its alarm is yours too. Default: one is made,
    with an alarm."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic that hears of the first dead letter in the queue that is made. Beside a
    `DeadLetterResync`, which empties the queue at once, it hardly ever does: give that the topic too. Default: none,
    the alarm only shows."""
    tags: NotRequired[Tags]
    """Tags of every child that can have them. Default: none."""


class RealtimePipe(pulumi.ComponentResource):
    """An EventBridge Pipe from any DynamoDB stream to any Lambda.

    It starts at the stream's oldest record, so that none is missed while it is made; a batch that fails is halved
    until the record at fault stands alone, and that one ends in the dead-letter queue while the others flow.
    """

    pipe_name: pulumi.Output[str]
    """The pipe's name."""
    pipe_arn: pulumi.Output[str]
    """The pipe's ARN."""
    dead_letter_queue_arn: pulumi.Output[str]
    """The ARN of the queue that hears of records that were given up: a shard and its sequence numbers, no content."""

    def __init__(self, name: str, args: RealtimePipeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-pipe", MAX_PIPE_NAME)
        _checks.fields(args, RealtimePipeArgs)
        stream_arn = _checks.stream_arn("stream_arn", args["stream_arn"])
        function_arn = _checks.function_arn("function_arn", args["function_arn"])
        patterns = _checks.checked(args.get("filters", []), lambda given: pattern_texts("filters", given))
        stream_parameters = _stream_parameters(args)
        queue_arn = _checks.optional(
            _checks.standard_queue_arn, "dead_letter_queue_arn", args.get("dead_letter_queue_arn")
        )
        alarm_topic_arn = _checks.optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        if queue_arn is not None and alarm_topic_arn is not None:
            raise ValueError(
                "alarm_topic_arn: goes with the queue that is made here, "
                f"got {args.get('alarm_topic_arn')!r} with a dead_letter_queue_arn"
            )
        super().__init__("formbridge:index:RealtimePipe", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")

        if queue_arn is None:
            queue_arn = dead_letter_queue(name, self, tags, alarm_topic_arn).arn
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
                    Statement(["lambda:InvokeFunction"], [function_arn]),
                    Statement(["sqs:SendMessage"], [queue_arn]),
                ]
            ),
            opts=own,
        )
        pipe = aws.pipes.Pipe(
            f"{name}-pipe",
            role_arn=role.arn,
            source=stream_arn,
            source_parameters={
                "dynamodb_stream_parameters": {**stream_parameters, "dead_letter_config": {"arn": queue_arn}},
                "filter_criteria": patterns.apply(_filter_criteria),
            },
            target=function_arn,
            target_parameters={"lambda_function_parameters": {"invocation_type": "REQUEST_RESPONSE"}},
            tags=tags,
            # A pipe checks what its role may do when it is made.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[policy]),
        )
        self.pipe_name = pipe.name
        self.pipe_arn = pipe.arn
        self.dead_letter_queue_arn = queue_arn
        self.register_outputs(
            {
                "pipe_name": self.pipe_name,
                "pipe_arn": self.pipe_arn,
                "dead_letter_queue_arn": self.dead_letter_queue_arn,
            }
        )


def _filter_criteria(patterns: list[str]) -> aws.pipes.PipeSourceParametersFilterCriteriaArgsDict | None:
    return {"filters": [{"pattern": pattern} for pattern in patterns]} if patterns else None


def _stream_parameters(args: RealtimePipeArgs) -> aws.pipes.PipeSourceParametersDynamodbStreamParametersArgsDict:
    """How the stream is read; checked."""
    return {
        "starting_position": "TRIM_HORIZON",
        "batch_size": _checks.integer("batch_size", args.get("batch_size", DEFAULT_BATCH_SIZE), 1, MAX_BATCH_SIZE),
        "maximum_batching_window_in_seconds": _checks.integer(
            "batching_window_seconds",
            args.get("batching_window_seconds", DEFAULT_BATCHING_WINDOW_SECONDS),
            0,
            MAX_BATCHING_WINDOW_SECONDS,
        ),
        "maximum_retry_attempts": _checks.integer(
            "retry_attempts", args.get("retry_attempts", DEFAULT_RETRY_ATTEMPTS), 1, MAX_RETRY_ATTEMPTS
        ),
        "maximum_record_age_in_seconds": _checks.integer(
            "record_age_seconds",
            args.get("record_age_seconds", DEFAULT_RECORD_AGE_SECONDS),
            MIN_RECORD_AGE_SECONDS,
            MAX_RECORD_AGE_SECONDS,
        ),
        "on_partial_batch_item_failure": "AUTOMATIC_BISECT",
    }
