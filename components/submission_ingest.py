"""From the bus into the table: every submission's event becomes its next version, or a dead letter with its reason."""

import json
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from ._dead_letters import dead_letter_queue
from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._iam import Statement, queue_policy
from ._packaging import DEFAULT_PACKAGE_FOR
from ._tags import Tags

EVENT_PATTERN = {
    "source": ["form-bridge"],
    "detail-type": ["submission.received", "submission.updated"],
}

RETRY_SECONDS = 3600
DELIVERY_ATTEMPTS = 10
"""How often EventBridge hands an event to Lambda while Lambda does not take it."""
FUNCTION_RETRIES = 2
"""How often Lambda runs a failed event again: its limit."""


class SubmissionIngestArgs(TypedDict):
    """What a `SubmissionIngest` takes."""

    table_arn: pulumi.Input[str]
    """The ARN of the submissions table, as a `StreamTable` gives it."""
    retention_days: NotRequired[int]
    """Days until a submission expires, counted from its last change. Default: 0, never."""
    log_retention_days: NotRequired[int]
    """Days that CloudWatch keeps the Lambda's log; a value that CloudWatch knows. Default: 14."""
    package_for: NotRequired[str]
    """The machine that runs the Lambda: `lambda` or `host`. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every child that can have them. Default: none."""


class SubmissionIngest(pulumi.ComponentResource):
    """An event bus whose submissions the persist Lambda writes to the table.

    What cannot be stored, whether malformed or failing for an hour, ends in the dead-letter queue.
    """

    event_bus_name: pulumi.Output[str]
    event_bus_arn: pulumi.Output[str]
    dead_letter_queue_url: pulumi.Output[str]

    def __init__(self, name: str, args: SubmissionIngestArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        retention_days = args.get("retention_days", 0)
        if retention_days < 0:
            raise ValueError(f"retention_days: must be 0 or more, got {retention_days!r}")
        super().__init__("formbridge:index:SubmissionIngest", name, {}, opts)
        own = pulumi.ResourceOptions(parent=self)
        tags = args.get("tags")
        table_arn = pulumi.Output.from_input(args["table_arn"])

        bus = aws.cloudwatch.EventBus(f"{name}-bus", tags=tags, opts=own)
        rule = aws.cloudwatch.EventRule(
            f"{name}-rule",
            description="Submissions, received and updated",
            event_bus_name=bus.name,
            event_pattern=json.dumps(EVENT_PATTERN),
            tags=tags,
            opts=own,
        )
        dead_letters = dead_letter_queue(name, self, tags)
        aws.sqs.QueuePolicy(
            f"{name}-dead-letters-policy",
            queue_url=dead_letters.url,
            policy=queue_policy("events.amazonaws.com", dead_letters.arn, rule.arn),
            opts=own,
        )
        persist = HandlerFunction(
            f"{name}-persist",
            "persist",
            environment={
                "TABLE_NAME": table_arn.apply(lambda arn: arn.split("/")[-1]),
                "DEAD_LETTER_QUEUE_URL": dead_letters.url,
                "RETENTION_DAYS": str(retention_days),
            },
            statements=[
                Statement(["dynamodb:UpdateItem"], [table_arn]),
                Statement(["sqs:SendMessage"], [dead_letters.arn]),
            ],
            package_for=args.get("package_for", DEFAULT_PACKAGE_FOR),
            log_retention_days=args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS),
            tags=tags,
            opts=own,
        )
        aws.lambda_.FunctionEventInvokeConfig(
            f"{name}-persist-retries",
            function_name=persist.name,
            maximum_event_age_in_seconds=RETRY_SECONDS,
            maximum_retry_attempts=FUNCTION_RETRIES,
            destination_config={"on_failure": {"destination": dead_letters.arn}},
            opts=own,
        )
        may_invoke = aws.lambda_.Permission(
            f"{name}-persist-permission",
            action="lambda:InvokeFunction",
            function=persist.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=own,
        )
        aws.cloudwatch.EventTarget(
            f"{name}-target",
            event_bus_name=bus.name,
            rule=rule.name,
            arn=persist.arn,
            dead_letter_config={"arn": dead_letters.arn},
            retry_policy={
                "maximum_event_age_in_seconds": RETRY_SECONDS,
                "maximum_retry_attempts": DELIVERY_ATTEMPTS,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_invoke]),
        )
        self.event_bus_name = bus.name
        self.event_bus_arn = bus.arn
        self.dead_letter_queue_url = dead_letters.url
        self.register_outputs(
            {
                "event_bus_name": self.event_bus_name,
                "event_bus_arn": self.event_bus_arn,
                "dead_letter_queue_url": self.dead_letter_queue_url,
            }
        )
