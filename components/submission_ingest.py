"""Event bus for submissions, and the persist Lambda that writes the submissions to the table.

Example:
    from components import StreamTable, SubmissionIngest

    table = StreamTable("submissions", {})
    SubmissionIngest("ingest", {"table_arn": table.table_arn})
"""

import json
from typing import TYPE_CHECKING, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _oidc
from ._checks import IntegerInput
from ._dead_letters import create_dead_letter_queue
from ._encryption import SEND, allow_key_use
from ._event_rule import invoke_from_rule
from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._iam import Statement
from ._naming import MAX_FUNCTION_NAME, check_name
from ._packaging import DEFAULT_PACKAGE_FOR, check_package_for
from ._tags import Tags

if TYPE_CHECKING:
    from formbridge.runtime import keys
else:
    from ._formbridge.runtime import keys

EVENT_PATTERN = {
    "source": ["form-bridge"],
    "detail-type": ["submission.received", "submission.updated"],
}
"""Event pattern of the rule: matching events invoke the persist Lambda."""

DEFAULT_CLOCK_SKEW_SECONDS = 300
"""Default of `max_clock_skew_seconds`."""
MAX_CLOCK_SKEW_SECONDS = 3600
"""Maximum of `max_clock_skew_seconds`. It is far below the day that `TOMBSTONE_DAYS` allows for clocks that differ."""

RETRY_SECONDS = 3600
"""Maximum age of an event in seconds. EventBridge and Lambda do not retry an older event: it becomes a dead letter."""
DELIVERY_RETRIES = 10
"""Maximum number of times that EventBridge retries an event that Lambda does not accept."""
FUNCTION_RETRIES = 2
"""Maximum number of times that Lambda retries an event after the persist Lambda failed. AWS allows at most 2."""


class SubmissionIngestArgs(TypedDict):
    """The inputs of a `SubmissionIngest`."""

    table_arn: pulumi.Input[str]
    """The ARN of the submissions table, a `StreamTable` with its default keys."""
    tenant_id_pattern: NotRequired[pulumi.Input[str]]
    """The regular expression that the whole tenant id of an event matches: the input `access.tenant_id_pattern` of the
    `WebSocketGateway`. An event of another tenant becomes a dead letter. Default: `t_[A-Za-z0-9_-]{1,64}`."""
    retention_days: NotRequired[IntegerInput]
    """Number of days from the last change of a submission until it expires; 0 or more. Default: 0. Submissions then
    never expire."""
    max_clock_skew_seconds: NotRequired[IntegerInput]
    """Maximum number of seconds by which the time of an event may be ahead of the clock of the persist Lambda, and by
    which a time in the event may be ahead of the event's own time; 0 to 3,600. An event that exceeds the limit becomes
    a dead letter, because a time far in the future would win against every later event. Default: 300."""
    reserved_concurrency: NotRequired[IntegerInput | None]
    """Number of concurrent invocations that are kept free for the persist Lambda; 1 or more. The Lambda cannot have
    more: a burst of events then waits in Lambda's queue and does not take the concurrency of the gateway's Lambdas. An
    event that has waited for an hour becomes a dead letter. AWS accepts a reservation only if at least 100 invocations
    of the account stay unreserved. Default: none."""
    log_retention_days: NotRequired[IntegerInput]
    """Days for which CloudWatch keeps the logs; a value that CloudWatch accepts, such as 14, 30, 90 or 365.
    Default: 14."""
    kms_key_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a KMS key of your account that encrypts the dead-letter queue and the logs. It must also be the
    key of the table, if the table has such a key. Default: none. Keys of AWS then encrypt them."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic for the alarm of the dead-letter queue. The alarm fires when the queue has a dead letter.
    Default: none. The alarm is then only visible in CloudWatch."""
    package_for: NotRequired[str]
    """The machine that runs the Lambda: `lambda`, or `host` for an emulator on this machine. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every resource that supports tags. Default: none."""


class SubmissionIngest(pulumi.ComponentResource):
    """An event bus, and the persist Lambda that writes the submissions in its events to the table.

    The component also creates a dead-letter queue with an alarm. The queue holds two kinds of events: malformed events,
    and events whose submissions could not be stored even after the retries.
    """

    event_bus_name: pulumi.Output[str]
    """The name of the bus to which a form product sends the events `submission.received` and `submission.updated`."""
    event_bus_arn: pulumi.Output[str]
    """The ARN of the bus. A producer needs the permission `events:PutEvents` on this ARN."""
    dead_letter_queue_arn: pulumi.Output[str]
    """The ARN of the dead-letter queue. A dead letter contains an event that could not be stored, and the reason."""
    dead_letter_queue_url: pulumi.Output[str]
    """The URL of the dead-letter queue, for `python -m tools erase`."""

    def __init__(self, name: str, args: SubmissionIngestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-persist-function", MAX_FUNCTION_NAME)
        _checks.check_fields(args, SubmissionIngestArgs)
        table_arn = _checks.table_arn("table_arn", args["table_arn"])
        tenant_id_pattern = _oidc.tenant_id_pattern(
            "tenant_id_pattern", args.get("tenant_id_pattern", _oidc.DEFAULT_TENANT_ID_PATTERN)
        )
        retention_days = _checks.integer("retention_days", args.get("retention_days", 0), 0)
        max_clock_skew_seconds = _checks.integer(
            "max_clock_skew_seconds",
            args.get("max_clock_skew_seconds", DEFAULT_CLOCK_SKEW_SECONDS),
            0,
            MAX_CLOCK_SKEW_SECONDS,
        )
        reserved_concurrency = _checks.check_optional(
            _checks.reserved_concurrency, "reserved_concurrency", args.get("reserved_concurrency")
        )
        log_retention_days = _checks.log_retention(
            "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
        )
        alarm_topic_arn = _checks.check_optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        kms_key_arn = _checks.check_optional(_checks.key_arn, "kms_key_arn", args.get("kms_key_arn"))
        package_for = check_package_for("package_for", args.get("package_for", DEFAULT_PACKAGE_FOR))
        super().__init__("formbridge:index:SubmissionIngest", name, {}, opts)
        child_options = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")

        bus = aws.cloudwatch.EventBus(f"{name}-bus", tags=tags, opts=child_options)
        rule = aws.cloudwatch.EventRule(
            f"{name}-rule",
            description="Submissions, received and updated",
            event_bus_name=bus.name,
            event_pattern=json.dumps(EVENT_PATTERN),
            tags=tags,
            opts=child_options,
        )
        dead_letters = create_dead_letter_queue(
            name, self, tags, alarm_topic_arn, rule_arn=rule.arn, kms_key_arn=kms_key_arn
        )
        persist = HandlerFunction(
            f"{name}-persist",
            "persist",
            environment={
                "TABLE_NAME": table_arn.apply(lambda arn: arn.split("/")[-1]),
                "DEAD_LETTER_QUEUE_URL": dead_letters.url,
                "TENANT_ID_PATTERN": tenant_id_pattern,
                "RETENTION_DAYS": retention_days.apply(str),
                "MAX_CLOCK_SKEW_SECONDS": max_clock_skew_seconds.apply(str),
            },
            statements=[
                Statement(["dynamodb:UpdateItem"], [table_arn]),
                # Persist measures how far the index lags behind the table.
                Statement(["dynamodb:Query"], [pulumi.Output.concat(table_arn, "/index/", keys.SUBMISSIONS_INDEX)]),
                Statement(["sqs:SendMessage"], [dead_letters.arn]),
                *allow_key_use(kms_key_arn, SEND),
            ],
            kms_key_arn=kms_key_arn,
            package_for=package_for,
            log_retention_days=log_retention_days,
            reserved_concurrency=reserved_concurrency,
            tags=tags,
            opts=child_options,
        )
        invoke_from_rule(
            f"{name}-persist",
            rule,
            persist,
            self,
            max_event_age_seconds=RETRY_SECONDS,
            delivery_retries=DELIVERY_RETRIES,
            function_retries=FUNCTION_RETRIES,
            event_bus_name=bus.name,
            dead_letter_queue_arn=dead_letters.arn,
        )
        self.event_bus_name = bus.name
        self.event_bus_arn = bus.arn
        self.dead_letter_queue_arn = dead_letters.arn
        self.dead_letter_queue_url = dead_letters.url
        self.register_outputs(
            {
                "event_bus_name": self.event_bus_name,
                "event_bus_arn": self.event_bus_arn,
                "dead_letter_queue_arn": self.dead_letter_queue_arn,
                "dead_letter_queue_url": self.dead_letter_queue_url,
            }
        )
