"""An EventBridge rule's target: a Lambda, its permission and its retries."""

import pulumi
import pulumi_aws as aws

from ._function import HandlerFunction


def invoke_from_rule(
    name: str,
    rule: aws.cloudwatch.EventRule,
    function: HandlerFunction,
    parent: pulumi.Resource,
    *,
    max_event_age_seconds: int,
    delivery_retries: int,
    function_retries: int,
    event_bus_name: pulumi.Input[str] | None = None,
    dead_letter_queue_arn: pulumi.Input[str] | None = None,
) -> None:
    """Create the resources through which `rule` invokes `function`.

    They are `{name}-target`, `{name}-permission` and `{name}-retries`.

    Args:
        name: Prefix of the names of the resources.
        rule: The rule that matches events.
        function: The Lambda that is invoked, asynchronously.
        parent: The component that the resources belong to.
        max_event_age_seconds: Seconds for which EventBridge, and then Lambda, retry an event.
        delivery_retries: How often EventBridge retries while Lambda does not accept the event.
        function_retries: How often Lambda runs the function again after it failed, 0 to 2.
        event_bus_name: The rule's event bus. Default: the account's default bus.
        dead_letter_queue_arn: The queue for events whose retries have all failed. Default: none, the events are
            dropped.
    """
    own = pulumi.ResourceOptions(parent=parent)
    on_failure: aws.lambda_.FunctionEventInvokeConfigDestinationConfigArgsDict | None = None
    if dead_letter_queue_arn is not None:
        on_failure = {"on_failure": {"destination": dead_letter_queue_arn}}
    aws.lambda_.FunctionEventInvokeConfig(
        f"{name}-retries",
        function_name=function.name,
        maximum_event_age_in_seconds=max_event_age_seconds,
        maximum_retry_attempts=function_retries,
        destination_config=on_failure,
        opts=own,
    )
    permission = aws.lambda_.Permission(
        f"{name}-permission",
        action="lambda:InvokeFunction",
        function=function.name,
        principal="events.amazonaws.com",
        source_arn=rule.arn,
        opts=own,
    )
    aws.cloudwatch.EventTarget(
        f"{name}-target",
        event_bus_name=event_bus_name,
        rule=rule.name,
        arn=function.arn,
        dead_letter_config={"arn": dead_letter_queue_arn} if dead_letter_queue_arn is not None else None,
        retry_policy={
            "maximum_event_age_in_seconds": max_event_age_seconds,
            "maximum_retry_attempts": delivery_retries,
        },
        opts=pulumi.ResourceOptions(parent=parent, depends_on=[permission]),
    )
