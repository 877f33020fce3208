"""The schedule of a gateway's janitor."""

import pulumi
import pulumi_aws as aws

from ._event_rule import invoke_from_rule
from ._function import HandlerFunction
from ._tags import Tags

JANITOR_SECONDS = 60
"""Seconds between two runs, and the timeout of one run."""
DELIVERY_RETRIES = 2
"""Maximum number of times that EventBridge retries to start a run that Lambda does not accept."""


def run_every_minute(name: str, janitor: HandlerFunction, parent: pulumi.Resource, tags: Tags | None) -> None:
    """Create the schedule `{name}-rule`, which runs the janitor every minute.

    A lost run is harmless: each run checks every row of the connections table, so the next run does the same work.
    """
    rule = aws.cloudwatch.EventRule(
        f"{name}-rule",
        description="The gateway's janitor, once per minute",
        schedule_expression="rate(1 minute)",
        tags=tags,
        opts=pulumi.ResourceOptions(parent=parent),
    )
    # By default, Lambda retries a failed run after a minute. At that time, the next run is already active. Lambda also
    # keeps runs that it cannot start for up to six hours, and then starts all of them at the same time.
    invoke_from_rule(
        name,
        rule,
        janitor,
        parent,
        max_event_age_seconds=JANITOR_SECONDS,
        delivery_retries=DELIVERY_RETRIES,
        function_retries=0,
    )
