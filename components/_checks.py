"""Checks of inputs by AWS's own limits. Each names the field, what it may be, and what it was."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar, cast

import pulumi

T = TypeVar("T")
U = TypeVar("U")

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

_ARN = "arn:aws[a-z-]*"


def checked(value: pulumi.Input[T], check: Callable[[T], U]) -> pulumi.Output[U]:
    """What `check` makes of `value`.

    A plain value is checked at once, so that what is raised is raised before any resource exists; an Output's when it
    is known, so that the resource that takes it is not made.
    """
    if isinstance(value, pulumi.Output | Awaitable):
        return pulumi.Output.from_input(cast("pulumi.Input[T]", value)).apply(check)
    return pulumi.Output.from_input(check(value))


def optional(
    check: Callable[[str, pulumi.Input[T]], pulumi.Output[U]], field: str, value: pulumi.Input[T] | None
) -> pulumi.Output[U] | None:
    """What `check` makes of `value`, where there is one."""
    return None if value is None else check(field, value)


def each(
    check: Callable[[str, pulumi.Input[T]], pulumi.Output[U]],
    field: str,
    values: pulumi.Input[Sequence[pulumi.Input[T]]],
) -> pulumi.Output[list[U]]:
    """What `check` makes of each of `values`, under the name `field[0]` and so on."""

    def check_all(known: Sequence[pulumi.Input[T]]) -> pulumi.Output[list[U]]:
        return pulumi.Output.all(*(check(f"{field}[{index}]", value) for index, value in enumerate(known)))

    if isinstance(values, pulumi.Output | Awaitable):
        return pulumi.Output.from_input(cast("pulumi.Input[Sequence[pulumi.Input[T]]]", values)).apply(check_all)
    return check_all(values)


def whole_number(field: str, value: pulumi.Input[int], low: int, high: int | None = None) -> pulumi.Output[int]:
    """A whole number from `low` to `high`, or from `low` on.

    Raises:
        ValueError: it is none.
    """
    allowed = f"of {low:,} or more" if high is None else f"from {low:,} to {high:,}"

    def check(number: Any) -> int:
        # Pulumi's wire has no integers: what comes over it is 100.0.
        whole = not isinstance(number, bool) and isinstance(number, int | float) and float(number).is_integer()
        if not whole or number < low or (high is not None and number > high):
            raise ValueError(f"{field}: must be a whole number {allowed}, got {number!r}")
        return int(number)

    return checked(value, check)


def log_retention(field: str, value: pulumi.Input[int]) -> pulumi.Output[int]:
    """Days for which CloudWatch Logs can keep a log.

    Raises:
        ValueError: it cannot.
    """

    def check(days: Any) -> int:
        if isinstance(days, bool) or days not in LOG_RETENTION_DAYS:
            raise ValueError(f"{field}: must be one of {', '.join(map(str, LOG_RETENTION_DAYS))}, got {days!r}")
        return int(days)

    return checked(value, check)


def stream_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """The ARN of a DynamoDB table's stream. Raises `ValueError` if it is none."""
    return matching(field, value, rf"{_ARN}:dynamodb:[^:]+:\d+:table/[^/]+/stream/.+", "the ARN of a DynamoDB stream")


def table_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """The ARN of a DynamoDB table. Raises `ValueError` if it is none."""
    return matching(field, value, rf"{_ARN}:dynamodb:[^:]+:\d+:table/[^/]+", "the ARN of a DynamoDB table")


def function_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """The ARN of a Lambda function, of a version or an alias. Raises `ValueError` if it is none."""
    shape = rf"{_ARN}:lambda:[^:]+:\d+:function:[\w-]+(:[\w$-]+)?"
    return matching(field, value, shape, "the ARN of a Lambda function")


def standard_queue_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """The ARN of a standard SQS queue; the name of a FIFO queue ends in `.fifo`. Raises `ValueError` if it is none."""
    shape = rf"{_ARN}:sqs:[^:]+:\d+:[\w-]+"
    return matching(field, value, shape, "the ARN of a standard SQS queue, as EventBridge Pipes sends to no FIFO one")


def topic_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """The ARN of a standard SNS topic; CloudWatch alarms go to no FIFO one. Raises `ValueError` if it is none."""
    return matching(field, value, rf"{_ARN}:sns:[^:]+:\d+:[\w-]+", "the ARN of a standard SNS topic")


def matching(field: str, value: pulumi.Input[str], shape: str, what: str) -> pulumi.Output[str]:
    """A text of the regular expression `shape`, which is called `what`. Raises `ValueError` if it is none."""

    def check(text: Any) -> str:
        if not isinstance(text, str) or not re.fullmatch(shape, text):
            raise ValueError(f"{field}: must be {what}, got {text!r}")
        return text

    return checked(value, check)
