"""When a gateway's janitor runs."""

import pulumi
import pulumi_aws as aws

from ._function import HandlerFunction
from ._tags import Tags

JANITOR_SECONDS = 60
"""From one run of the janitor to the next: by then it has ended or is given up, as the next one does what it left."""
DELIVERY_RETRIES = 2
"""How often EventBridge hands a run to Lambda again while Lambda does not take it."""


def run_every_minute(name: str, janitor: HandlerFunction, parent: pulumi.Resource, tags: Tags | None) -> None:
    """The schedule `{name}-rule` of a janitor. A run that is lost is kept nowhere: the next one does its work."""
    own = pulumi.ResourceOptions(parent=parent)
    rule = aws.cloudwatch.EventRule(
        f"{name}-rule",
        description="The gateway's janitor, once a minute",
        schedule_expression="rate(1 minute)",
        tags=tags,
        opts=own,
    )
    # By default Lambda runs what failed again after a minute, beside the next run, and keeps what it has no room
    # for up to six hours, to run all of it at once.
    aws.lambda_.FunctionEventInvokeConfig(
        f"{name}-retries",
        function_name=janitor.name,
        maximum_event_age_in_seconds=JANITOR_SECONDS,
        maximum_retry_attempts=0,
        opts=own,
    )
    may_invoke = aws.lambda_.Permission(
        f"{name}-permission",
        action="lambda:InvokeFunction",
        function=janitor.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=own,
    )
    aws.cloudwatch.EventTarget(
        f"{name}-target",
        rule=rule.name,
        arn=janitor.arn,
        retry_policy={
            "maximum_event_age_in_seconds": JANITOR_SECONDS,
            "maximum_retry_attempts": DELIVERY_RETRIES,
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[may_invoke]),
    )
