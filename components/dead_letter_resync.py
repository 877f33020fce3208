"""Recovery from the dead letters of a pipe: a resync for the dashboards that may have missed changes.

Example:
    from components import DeadLetterResync, RealtimePipe, StreamTable, WebSocketGateway

    table = StreamTable("submissions", {})
    gateway = WebSocketGateway(
        "gateway",
        {"access": {"issuer": "https://login.example.com", "audience": "dashboards"}, "table_arn": table.table_arn},
    )
    pipe = RealtimePipe("realtime", {"stream_arn": table.stream_arn, "function_arn": gateway.broadcast_function_arn})
    DeadLetterResync(
        "realtime-recovery",
        {
            "dead_letter_queue_arn": pipe.dead_letter_queue_arn,
            "stream_arn": table.stream_arn,
            "fanout_queue_url": gateway.fanout_queue_url,
            "fanout_queue_arn": gateway.fanout_queue_arn,
        },
    )
"""

from typing import NotRequired, TypedDict

import pulumi

from . import _checks, _urls
from ._checks import IntegerInput
from ._dead_letters import create_dead_letter_queue, create_queue_alarm
from ._encryption import SEND, allow_key_use
from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._iam import Statement
from ._naming import MAX_FUNCTION_NAME, check_name
from ._packaging import DEFAULT_PACKAGE_FOR, check_package_for
from ._queue_mapping import FUNCTION_SECONDS, allow_receive, map_queue
from ._tags import Tags

CONCURRENCY = 2
"""Maximum concurrency of the Lambda. It is the lowest value that Lambda allows for a queue, because the Lambda should
read little at once: a shard of a stream supports two readers, and the pipe is one of them.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
STUCK_MINUTES = 15
"""Minutes after which the alarm fires for a dead letter that the Lambda cannot process. In that time, the Lambda tries
about three times."""


class DeadLetterResyncArgs(TypedDict):
    """The inputs of a `DeadLetterResync`."""

    dead_letter_queue_arn: pulumi.Input[str]
    """The ARN of the dead-letter queue of a `RealtimePipe`. If you created the queue yourself, its visibility timeout
    (`visibility_timeout_seconds`) must be at least 60 seconds and should be 360 seconds."""
    stream_arn: pulumi.Input[str]
    """The ARN of the stream that the pipe reads. The stream must have new and old images."""
    fanout_queue_url: pulumi.Input[str]
    """The URL of the fan-out queue: the output `fanout_queue_url` of the `WebSocketGateway` that the pipe invokes."""
    fanout_queue_arn: pulumi.Input[str]
    """The ARN of the fan-out queue: the output `fanout_queue_arn` of the same gateway."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic that gets the alarms. It also gets a message for each dead letter whose range could not
    be read. The message contains the reason and the range of the stream. Default: none. The alarms are then only
    visible in CloudWatch."""
    kms_key_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a KMS key of your account that encrypts the second dead-letter queue and the logs. It must also be
    the key of the stream's table, of both other queues and of the topic, if they have such a key. Default: none. Keys
    of AWS then encrypt them."""
    log_retention_days: NotRequired[IntegerInput]
    """Days for which CloudWatch keeps the logs; a value that CloudWatch accepts, such as 14, 30, 90 or 365.
    Default: 14."""
    package_for: NotRequired[str]
    """The machine that runs the Lambda: `lambda`, or `host` for an emulator on this machine. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every resource that supports tags. Default: none."""


class DeadLetterResync(pulumi.ComponentResource):
    """A Lambda that processes the dead-letter queue of a `RealtimePipe`.

    A dead letter names a range of stream records that the pipe could not deliver. The Lambda reads this range from the
    stream, and sends a resync to the dashboards of every tenant in the range. This is possible for one day, because the
    stream keeps its records for one day. If the range cannot be read, the Lambda puts the dead letter into a second
    dead-letter queue, with the reason and the range.
    """

    dead_letter_queue_arn: pulumi.Output[str]
    """The ARN of the second dead-letter queue. It holds the dead letters whose range could not be read. For these dead
    letters, it is not known which dashboards missed changes. A message is `{"reason": …, "dead_letter": …}`. The value
    of `dead_letter` is a string, the original body of the dead letter. A dead letter that is too large for one message
    is split into several messages `{"reason": …, "dead_letter_id": …, "part": 1, "parts": 3, "text": …}`. To restore
    it, join the values of `text` in the order of `part`, and parse the result as JSON. This gives a string, the
    original body."""

    def __init__(self, name: str, args: DeadLetterResyncArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-resync-function", MAX_FUNCTION_NAME)
        _checks.check_fields(args, DeadLetterResyncArgs)
        queue_arn = _checks.standard_queue_arn("dead_letter_queue_arn", args["dead_letter_queue_arn"])
        stream_arn = _checks.stream_arn("stream_arn", args["stream_arn"])
        fanout_queue_url = _urls.queue_url("fanout_queue_url", args["fanout_queue_url"])
        fanout_queue_arn = _checks.standard_queue_arn("fanout_queue_arn", args["fanout_queue_arn"])
        alarm_topic_arn = _checks.check_optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        log_retention_days = _checks.log_retention(
            "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
        )
        kms_key_arn = _checks.check_optional(_checks.key_arn, "kms_key_arn", args.get("kms_key_arn"))
        package_for = check_package_for("package_for", args.get("package_for", DEFAULT_PACKAGE_FOR))
        super().__init__("formbridge:index:DeadLetterResync", name, {}, opts)
        tags = args.get("tags")

        unread = create_dead_letter_queue(name, self, tags, alarm_topic_arn, kms_key_arn=kms_key_arn)
        environment: dict[str, pulumi.Input[str]] = {
            "FANOUT_QUEUE_URL": fanout_queue_url,
            "DEAD_LETTER_QUEUE_URL": unread.url,
        }
        statements = [
            allow_receive(queue_arn),
            Statement(["dynamodb:GetShardIterator", "dynamodb:GetRecords"], [stream_arn]),
            Statement(["sqs:SendMessage"], [fanout_queue_arn, unread.arn]),
            *allow_key_use(kms_key_arn, SEND),
        ]
        if alarm_topic_arn is not None:
            environment["ALARM_TOPIC_ARN"] = alarm_topic_arn
            statements.append(Statement(["sns:Publish"], [alarm_topic_arn]))
        resync = HandlerFunction(
            f"{name}-resync",
            "resync",
            environment=environment,
            statements=statements,
            package_for=package_for,
            timeout_seconds=FUNCTION_SECONDS,
            log_retention_days=log_retention_days,
            kms_key_arn=kms_key_arn,
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        map_queue(f"{name}-resync", queue_arn, resync, CONCURRENCY, self, tags)
        # This alarm fires for a dead letter that the Lambda cannot process. Such a message is hidden between two tries.
        # The alarm that the pipe creates for the queue rarely fires for it, because it counts only visible messages.
        create_queue_alarm(
            f"{name}-stuck-alarm",
            f"{name}: a dead letter stays in its queue, as the Lambda fails on it",
            queue_arn.apply(lambda arn: arn.split(":")[-1]),
            "ApproximateNumberOfMessagesNotVisible",
            STUCK_MINUTES,
            self,
            tags,
            alarm_topic_arn,
        )
        self.dead_letter_queue_arn = unread.arn
        self.register_outputs({"dead_letter_queue_arn": self.dead_letter_queue_arn})
