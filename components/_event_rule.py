"""The target of an EventBridge rule: a Lambda, the rule's permission to invoke it, and the retries."""

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

    The resources are `{name}-target`, `{name}-permission` and `{name}-retries`.

    Args:
        name: Prefix of the names of the resources.
        rule: The rule that matches events.
        function: The Lambda. The rule invokes it asynchronously.
        parent: The component that the resources belong to.
        max_event_age_seconds: Maximum age of an event in seconds. EventBridge and Lambda each stop retrying an event
            that is older.
        delivery_retries: Maximum number of times that EventBridge retries an event that Lambda does not accept.
        function_retries: Maximum number of times that Lambda retries an event after the function failed, 0 to 2.
        event_bus_name: The rule's event bus. None: the account's default bus.
        dead_letter_queue_arn: The queue for events whose retries have all failed. None: these events are lost.
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
