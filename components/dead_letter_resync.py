"""What a pipe gave up, made good: the dashboards that may have missed it are told to ask again."""

from typing import NotRequired, TypedDict

import pulumi

from . import _checks, _urls
from ._checks import IntegerInput
from ._dead_letters import dead_letter_queue, queue_alarm
from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._iam import Statement
from ._naming import MAX_FUNCTION_NAME, check_name
from ._packaging import DEFAULT_PACKAGE_FOR, check_package_for
from ._queue_mapping import FUNCTION_SECONDS, map_queue, may_receive
from ._tags import Tags

CONCURRENCY = 2
"""The fewest that Lambda takes for a queue. A shard of a stream serves two readers at most, and the pipe is one.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
STUCK_MINUTES = 15
"""For so long a dead letter is tried, about three times, before the alarm."""


class DeadLetterResyncArgs(TypedDict):
    """What a `DeadLetterResync` takes."""

    dead_letter_queue_arn: pulumi.Input[str]
    """The ARN of the dead-letter queue of a `RealtimePipe`. A queue of your own must hide what was received for at
    least 60 seconds, and should for 360 (`visibility_timeout_seconds`)."""
    stream_arn: pulumi.Input[str]
    """The ARN of the stream that the pipe reads, of new and old images."""
    fanout_queue_url: pulumi.Input[str]
    """The `fanout_queue_url` of the gateway whose dashboards the pipe serves."""
    fanout_queue_arn: pulumi.Input[str]
    """The ARN of that queue."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic that hears of each dead letter that could not be read, with the reason and the range of
    the stream, and of the alarms. Where it has a KMS key, that key's policy must let the Lambda use it. Default: none,
    the alarms only show."""
    log_retention_days: NotRequired[IntegerInput]
    """Days that CloudWatch keeps the Lambda's log; a number that CloudWatch knows, such as 14, 30, 90 or 365.
    Default: 14."""
    package_for: NotRequired[str]
    """The machine that runs the Lambda: `lambda`, or `host` for an emulator on this one. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every child that can have them. Default: none."""


class DeadLetterResync(pulumi.ComponentResource):
    """A Lambda on the dead-letter queue of a `RealtimePipe`.

    A dead letter names a range of the stream. The Lambda reads that range again, while the stream has it, which is for
    a day, and has the dashboards of every tenant in it told to resync. What it cannot read goes, with the reason and
    the range, to a queue of its own.
    """

    dead_letter_queue_arn: pulumi.Output[str]
    """The ARN of the queue that holds what could not be read: no one knows whose dashboards missed it. A message is
    `{"reason": …, "dead_letter": …}`, the dead letter as the text that it was. What is too large for one message goes
    as several, `{"reason": …, "dead_letter_id": …, "part": 1, "parts": 3, "text": …}`, whose texts put together are
    that text as JSON."""

    def __init__(self, name: str, args: DeadLetterResyncArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-resync-function", MAX_FUNCTION_NAME)
        _checks.fields(args, DeadLetterResyncArgs)
        queue_arn = _checks.standard_queue_arn("dead_letter_queue_arn", args["dead_letter_queue_arn"])
        stream_arn = _checks.stream_arn("stream_arn", args["stream_arn"])
        fanout_queue_url = _urls.queue_url("fanout_queue_url", args["fanout_queue_url"])
        fanout_queue_arn = _checks.standard_queue_arn("fanout_queue_arn", args["fanout_queue_arn"])
        alarm_topic_arn = _checks.optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        log_retention_days = _checks.log_retention(
            "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
        )
        package_for = check_package_for("package_for", args.get("package_for", DEFAULT_PACKAGE_FOR))
        super().__init__("formbridge:index:DeadLetterResync", name, {}, opts)
        tags = args.get("tags")

        unread = dead_letter_queue(name, self, tags, alarm_topic_arn)
        environment: dict[str, pulumi.Input[str]] = {
            "FANOUT_QUEUE_URL": fanout_queue_url,
            "DEAD_LETTER_QUEUE_URL": unread.url,
        }
        statements = [
            may_receive(queue_arn),
            Statement(["dynamodb:GetShardIterator", "dynamodb:GetRecords"], [stream_arn]),
            Statement(["sqs:SendMessage"], [fanout_queue_arn, unread.arn]),
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
            tags=tags,
            opts=pulumi.ResourceOptions(parent=self),
        )
        map_queue(f"{name}-resync", queue_arn, resync, CONCURRENCY, self, tags)
        # The queue's own alarm counts what can be received, and what the Lambda fails on again and again is almost
        # never among that.
        queue_alarm(
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
