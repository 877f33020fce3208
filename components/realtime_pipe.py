"""EventBridge Pipe from a table's stream to a Lambda, with a limit on retries and a dead-letter queue.

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
from ._encryption import SEND, allow_key_use
from ._event_patterns import serialize_patterns
from ._iam import Statement, build_policy, build_trust_policy
from ._input_error import InputError
from ._naming import MAX_PIPE_NAME, check_name
from ._pipe_hooks import PipeHooks
from ._pipe_state import DESIRED_STATES, read_state
from ._tags import Tags

DEFAULT_DESIRED_STATE = "RUNNING"
DEFAULT_BATCH_SIZE = 100
MAX_BATCH_SIZE = 10_000
DEFAULT_BATCHING_WINDOW_SECONDS = 0
MAX_BATCHING_WINDOW_SECONDS = 300
DEFAULT_RETRY_ATTEMPTS = 10
MAX_RETRY_ATTEMPTS = 10_000
DEFAULT_RECORD_AGE_SECONDS = 3600
MIN_RECORD_AGE_SECONDS = 60
MAX_RECORD_AGE_SECONDS = 24 * 3600
"""Maximum of `record_age_seconds`. A stream keeps its records for one day. Source of the limits above:
https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_PipeSourceDynamoDBStreamParameters.html"""


class RealtimePipeArgs(TypedDict):
    """The inputs of a `RealtimePipe`."""

    stream_arn: pulumi.Input[str]
    """The ARN of a DynamoDB table's stream. For the broadcast Lambda of a `WebSocketGateway`, the stream must have
    new and old images."""
    function_arn: pulumi.Input[str]
    """The ARN of the Lambda that the pipe invokes. The Lambda receives each batch as a JSON array of raw stream
    records. If only some records failed, the Lambda returns `{"batchItemFailures": [{"itemIdentifier": eventID}]}`,
    with one entry per failed record. If the whole batch failed, the Lambda raises an exception."""
    filters: NotRequired[pulumi.Input[Sequence[Any]]]
    """Event patterns for raw stream records: at most 5, each at most 4,096 characters as JSON. A record passes if it
    matches one of them. Default: every record passes."""
    desired_state: NotRequired[pulumi.Input[str]]
    """The state of the pipe: `RUNNING` or `STOPPED`. If the pipe is in another state, each preview and each update
    fails with an error that says what to do. Default: `RUNNING`."""
    batch_size: NotRequired[IntegerInput]
    """Maximum number of records in a batch, 1 to 10,000. Default: 100."""
    batching_window_seconds: NotRequired[IntegerInput]
    """Maximum number of seconds for which the pipe collects records for a batch, 0 to 300. Default: 0. A batch then
    contains the records of one poll of the stream."""
    retry_attempts: NotRequired[IntegerInput]
    """Maximum number of retries of a failed batch, 1 to 10,000. Default: 10. The default of AWS is different: AWS does
    not limit retries, so one bad record blocks all later records of its shard. 0 is not allowed. Pulumi's AWS provider
    ignores the value 0 when it creates a pipe, so the pipe would have the default of AWS."""
    record_age_seconds: NotRequired[IntegerInput]
    """Maximum age of a record in seconds, 60 to 86,400. The pipe does not retry an older record. The record becomes a
    dead letter. Default: 3,600. The default of AWS is different: AWS does not limit the age."""
    dead_letter_queue_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of your own queue for dead letters, a standard SQS queue. With this input, the component creates no queue
    and no alarm. Default: none. The component then creates a queue with an alarm."""
    kms_key_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a KMS key of your account that encrypts the dead-letter queue that the component creates. It must
    also be the key of the stream's table and of your own `dead_letter_queue_arn`, if they have such a key. Default:
    none. A key of SQS then encrypts the queue."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic for the alarm of the queue that the component creates. The alarm fires when the queue has
    a dead letter. This input is not allowed together with `dead_letter_queue_arn`. A `DeadLetterResync` empties the
    queue at once, so that this alarm rarely fires. If you have a `DeadLetterResync`, set its `alarm_topic_arn` too.
    Default: none. The alarm is then only visible in CloudWatch."""
    tags: NotRequired[Tags]
    """Tags of every resource that supports tags. Default: none."""


class RealtimePipe(pulumi.ComponentResource):
    """An EventBridge Pipe from any DynamoDB stream to any Lambda.

    The pipe starts at the oldest record of the stream. It therefore also delivers records that are written before the
    pipe is ready. The pipe divides a failed batch in half until the failing record is alone in a batch. This record
    goes to the dead-letter queue. All other records are delivered.
    """

    pipe_name: pulumi.Output[str]
    """The name of the pipe."""
    pipe_arn: pulumi.Output[str]
    """The ARN of the pipe."""
    pipe_state: pulumi.Output[str]
    """The state of the pipe when Pulumi read it: equal to `desired_state`, or in a preview possibly a state that AWS
    leaves by itself, such as `STARTING`."""
    dead_letter_queue_arn: pulumi.Output[str]
    """The ARN of the dead-letter queue, for a `DeadLetterResync`. A dead letter contains the shard and the sequence
    numbers of the failed records. It does not contain the records."""

    def __init__(self, name: str, args: RealtimePipeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-pipe", MAX_PIPE_NAME)
        _checks.check_fields(args, RealtimePipeArgs)
        stream_arn = _checks.stream_arn("stream_arn", args["stream_arn"])
        function_arn = _checks.function_arn("function_arn", args["function_arn"])
        patterns = _checks.check_input(args.get("filters", []), lambda known: serialize_patterns("filters", known))
        desired_state = _checks.one_of(
            "desired_state", args.get("desired_state", DEFAULT_DESIRED_STATE), DESIRED_STATES
        )
        stream_parameters = _check_stream_parameters(args)
        queue_arn = _checks.check_optional(
            _checks.standard_queue_arn, "dead_letter_queue_arn", args.get("dead_letter_queue_arn")
        )
        alarm_topic_arn = _checks.check_optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        kms_key_arn = _checks.check_optional(_checks.key_arn, "kms_key_arn", args.get("kms_key_arn"))
        if queue_arn is not None and alarm_topic_arn is not None:
            raise InputError(
                "alarm_topic_arn",
                f"must not be set together with dead_letter_queue_arn, got {args.get('alarm_topic_arn')!r}",
            )
        super().__init__("formbridge:index:RealtimePipe", name, {}, opts)
        child_options = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")

        if queue_arn is None:
            queue_arn = create_dead_letter_queue(name, self, tags, alarm_topic_arn, kms_key_arn=kms_key_arn).arn
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=build_trust_policy(
                "pipes.amazonaws.com",
                source_account=stream_arn.apply(lambda arn: arn.split(":")[4]),
                source_arn=stream_arn.apply(lambda arn: _build_pipe_arns(arn, name)),
            ),
            tags=tags,
            opts=child_options,
        )
        # IAM needs time until a policy has an effect. Only one policy has to wait for the function.
        policies = [
            aws.iam.RolePolicy(f"{name}-{policy}", role=role.name, policy=build_policy(statements), opts=child_options)
            for policy, statements in {
                "policy": [
                    Statement(
                        [
                            "dynamodb:DescribeStream",
                            "dynamodb:GetRecords",
                            "dynamodb:GetShardIterator",
                            "dynamodb:ListStreams",
                        ],
                        [stream_arn],
                    ),
                    Statement(["sqs:SendMessage"], [queue_arn]),
                    *allow_key_use(kms_key_arn, SEND),
                ],
                "invoke-policy": [Statement(["lambda:InvokeFunction"], [function_arn])],
            }.items()
        ]
        hooks = PipeHooks(name, stream_arn, role.create_date)
        pipe = aws.pipes.Pipe(
            f"{name}-pipe",
            role_arn=role.arn,
            desired_state=desired_state,
            source=stream_arn,
            source_parameters={
                "dynamodb_stream_parameters": {**stream_parameters, "dead_letter_config": {"arn": queue_arn}},
                "filter_criteria": patterns.apply(_build_filter_criteria),
            },
            target=function_arn,
            target_parameters={"lambda_function_parameters": {"invocation_type": "REQUEST_RESPONSE"}},
            tags=tags,
            # The policies must exist first, because AWS checks the permissions of the role when it creates a pipe.
            opts=pulumi.ResourceOptions(parent=self, depends_on=policies, hooks=hooks.binding),
        )
        self.pipe_name = pipe.name
        self.pipe_arn = pipe.arn
        self.pipe_state = read_state(pipe, desired_state, lambda: hooks.changes_desired_state)
        self.dead_letter_queue_arn = queue_arn
        self.register_outputs(
            {
                "pipe_name": self.pipe_name,
                "pipe_arn": self.pipe_arn,
                "pipe_state": self.pipe_state,
                "dead_letter_queue_arn": self.dead_letter_queue_arn,
            }
        )


def _build_pipe_arns(stream_arn: str, name: str) -> str:
    """Return a pattern of the ARNs that the pipe of the component `name` can have.

    The role must exist before the pipe, and the physical name of the pipe is not known until then. However Pulumi's
    automatic naming is configured, that name contains the name of the resource.
    """
    _, partition, _, region, account, _ = stream_arn.split(":", 5)
    return f"arn:{partition}:pipes:{region}:{account}:pipe/*{name}-pipe*"


def _build_filter_criteria(patterns: list[str]) -> aws.pipes.PipeSourceParametersFilterCriteriaArgsDict | None:
    """Return the filters of the pipe, or None if there are no patterns and every record passes."""
    return {"filters": [{"pattern": pattern} for pattern in patterns]} if patterns else None


def _check_stream_parameters(args: RealtimePipeArgs) -> aws.pipes.PipeSourceParametersDynamodbStreamParametersArgsDict:
    """Check the inputs that configure how the pipe reads the stream.

    Return their values. An absent input has its default.
    """
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
