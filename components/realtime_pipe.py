"""An EventBridge Pipe from a table's stream to a Lambda, with bounded retries and dead letters.

Example:
    from components import RealtimePipe, StreamTable

    orders = StreamTable("orders", {"hash_key": "order_id"})
    RealtimePipe(
        "order-changes",
        {
            "stream_arn": orders.stream_arn,
            "function_arn": "arn:aws:lambda:us-east-1:123456789012:function:notify",
        },
    )
"""

from collections.abc import Sequence
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._checks import IntegerInput
from ._dead_letters import create_dead_letter_queue
from ._event_patterns import serialize_patterns
from ._iam import Statement, build_policy, build_trust_policy
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
"""A stream keeps its records for one day. Source of the other limits:
https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_PipeSourceDynamoDBStreamParameters.html"""


class RealtimePipeArgs(TypedDict):
    """The inputs of a `RealtimePipe`."""

    stream_arn: pulumi.Input[str]
    """The ARN of a DynamoDB table's stream. For the broadcast Lambda of a `WebSocketGateway`, the stream must have
    new and old images."""
    function_arn: pulumi.Input[str]
    """The ARN of the Lambda that receives each batch as a JSON array of raw stream records. To report single failed
    records, it returns `{"batchItemFailures": [{"itemIdentifier": eventID}]}`. To fail the whole batch, it raises an
    exception."""
    filters: NotRequired[pulumi.Input[Sequence[Any]]]
    """Event patterns for raw stream records: at most 5, each at most 4,096 characters as JSON. A record passes if it
    matches one of them. Default: every record passes."""
    batch_size: NotRequired[IntegerInput]
    """Maximum number of records in a batch, 1 to 10,000. Default: 100."""
    batching_window_seconds: NotRequired[IntegerInput]
    """Maximum time to collect a batch, in seconds, 0 to 300. Default: 0, a batch contains the records of one poll."""
    retry_attempts: NotRequired[IntegerInput]
    """Number of retries of a failed batch, 1 to 10,000. Default: 10. The default of AWS is unlimited retries, so that
    one bad record blocks all later records. 0 is not allowed: the AWS provider omits it from a new pipe, which then has
    the default of AWS."""
    record_age_seconds: NotRequired[IntegerInput]
    """Maximum age of a record in seconds, 60 to 86,400. An older record is not retried and becomes a dead letter.
    Default: 3,600. The default of AWS is no maximum."""
    dead_letter_queue_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of your own standard SQS queue for dead letters. The component then creates no alarm. Default: the
    component creates a queue with an alarm."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic that gets an alarm on the first dead letter in the queue that the component creates. Not
    allowed together with `dead_letter_queue_arn`. A `DeadLetterResync` empties the queue at once, so this alarm then
    rarely fires: give the topic to the `DeadLetterResync` too. Default: none, the alarm is only visible in
    CloudWatch."""
    tags: NotRequired[Tags]
    """Tags of every resource that supports tags. Default: none."""


class RealtimePipe(pulumi.ComponentResource):
    """An EventBridge Pipe from any DynamoDB stream to any Lambda.

    The pipe starts at the oldest record of the stream, so it misses no record that is written while the pipe is
    created. It divides a failed batch in half until the failing record is alone. That record goes to the dead-letter
    queue, and all others are delivered.
    """

    pipe_name: pulumi.Output[str]
    """The name of the pipe."""
    pipe_arn: pulumi.Output[str]
    """The ARN of the pipe."""
    dead_letter_queue_arn: pulumi.Output[str]
    """The ARN of the dead-letter queue, for a `DeadLetterResync`. A dead letter names the shard and the sequence
    numbers of the records that failed, not their content."""

    def __init__(self, name: str, args: RealtimePipeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-pipe", MAX_PIPE_NAME)
        _checks.check_fields(args, RealtimePipeArgs)
        stream_arn = _checks.stream_arn("stream_arn", args["stream_arn"])
        function_arn = _checks.function_arn("function_arn", args["function_arn"])
        patterns = _checks.check_input(args.get("filters", []), lambda known: serialize_patterns("filters", known))
        stream_parameters = _check_stream_parameters(args)
        queue_arn = _checks.check_optional(
            _checks.standard_queue_arn, "dead_letter_queue_arn", args.get("dead_letter_queue_arn")
        )
        alarm_topic_arn = _checks.check_optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        if queue_arn is not None and alarm_topic_arn is not None:
            raise ValueError(
                "alarm_topic_arn: must not be set together with dead_letter_queue_arn, "
                f"got {args.get('alarm_topic_arn')!r}"
            )
        super().__init__("formbridge:index:RealtimePipe", name, {}, opts)
        child_options = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")

        if queue_arn is None:
            queue_arn = create_dead_letter_queue(name, self, tags, alarm_topic_arn).arn
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=build_trust_policy(
                "pipes.amazonaws.com", source_account=stream_arn.apply(lambda arn: arn.split(":")[4])
            ),
            tags=tags,
            opts=child_options,
        )
        policy = aws.iam.RolePolicy(
            f"{name}-policy",
            role=role.name,
            policy=build_policy(
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
            opts=child_options,
        )
        pipe = aws.pipes.Pipe(
            f"{name}-pipe",
            role_arn=role.arn,
            source=stream_arn,
            source_parameters={
                "dynamodb_stream_parameters": {**stream_parameters, "dead_letter_config": {"arn": queue_arn}},
                "filter_criteria": patterns.apply(_build_filter_criteria),
            },
            target=function_arn,
            target_parameters={"lambda_function_parameters": {"invocation_type": "REQUEST_RESPONSE"}},
            tags=tags,
            # AWS checks the permissions of the role when it creates a pipe.
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


def _build_filter_criteria(patterns: list[str]) -> aws.pipes.PipeSourceParametersFilterCriteriaArgsDict | None:
    """Return the filters of the pipe, or None if every record passes."""
    return {"filters": [{"pattern": pattern} for pattern in patterns]} if patterns else None


def _check_stream_parameters(args: RealtimePipeArgs) -> aws.pipes.PipeSourceParametersDynamodbStreamParametersArgsDict:
    """Check the inputs that configure how the pipe reads the stream. Return them with defaults for absent inputs."""
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
