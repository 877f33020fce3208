"""Checks of inputs against the limits of AWS.

Each error message names the input, the allowed values and the value that it got.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

import pulumi

from ._input_error import InputError

T = TypeVar("T")
U = TypeVar("U")

IntegerInput = pulumi.Input[float]
"""Type of an integer input. The function `integer` checks that the value is an integer.

The type is not `Input[int]`. For that type, Pulumi's component provider (3.272) calls `int()` on a value from a program
in another language. The call fails if the value is an Output."""

FieldName = Callable[[str], str]
"""Function from the name of an input to the name that an error shows. For `max_frame_bytes`, an error shows
`limits.max_frame_bytes` or the setting `maxFrameBytes`."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Numbers of days that CloudWatch Logs accepts as the retention of a log.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

_ARN = "arn:aws[a-z-]*"


def check_fields(args: Mapping[str, Any], kind: Any, field: FieldName = str) -> None:
    """Check that `args` has all required fields of the `TypedDict` `kind`, and no unknown fields.

    Python does not check the fields of a `TypedDict` at run time.

    Raises:
        InputError: A field is unknown, or a required field is missing.
    """
    known = kind.__annotations__
    required: frozenset[str] = kind.__required_keys__
    for name in args:
        if name not in known:
            raise InputError(field(name), f"unknown input, must be one of {', '.join(known)}, got {args[name]!r}")
    for name in known:
        if name in required and args.get(name) is None:
            raise InputError(field(name), "is required, got None")


def qualify(group: str) -> FieldName:
    """Return a function that puts the name of a group before a field's name, as in `limits.rate_limit`."""
    return lambda name: f"{group}.{name}"


def check_input(value: pulumi.Input[T], check: Callable[[T], U]) -> pulumi.Output[U]:
    """Return the result of `check` for `value`.

    A plain value is checked at once. An error is then raised before any resource exists. A value that contains an
    Output is checked as soon as the Output is known. After an error, the resource that uses the value is not created.

    An error message ends with the value. If the value is a secret, it ends with "a secret" instead.
    """
    if not is_known(value):
        output = pulumi.Output.from_input(value)

        async def check_known(known: T) -> U:
            try:
                return check(known)
            except InputError as error:
                if not await output.is_secret():
                    raise
                raise error.without_value() from None

        return output.apply(check_known)
    return pulumi.Output.from_input(check(cast("T", value)))


def is_known(value: object) -> bool:
    """Return whether `value` contains no Output at any depth."""
    match value:
        case Mapping():
            return all(map(is_known, cast("Mapping[str, object]", value).values()))
        case list() | tuple():
            return all(map(is_known, cast("Sequence[object]", value)))
        case _:
            return not isinstance(value, pulumi.Output | Awaitable)


def check_optional(
    check: Callable[[str, pulumi.Input[T]], pulumi.Output[U]], field: str, value: pulumi.Input[T] | None
) -> pulumi.Output[U] | None:
    """Return the result of `check` for `value`, or None if `value` is None."""
    return None if value is None else check(field, value)


def check_each(
    check: Callable[[str, pulumi.Input[T]], pulumi.Output[U]],
    field: str,
    values: pulumi.Input[Sequence[pulumi.Input[T]]],
) -> pulumi.Output[list[U]]:
    """Return the result of `check` for each of `values`.

    An error names the bad value by its index: `field[0]`.

    Raises:
        InputError: `values` is not a list, or `check` rejects a value.
    """

    def check_all(known: Sequence[pulumi.Input[T]]) -> pulumi.Output[list[U]]:
        check_list(field, known)
        return pulumi.Output.all(*(check(f"{field}[{index}]", value) for index, value in enumerate(known)))

    if isinstance(values, pulumi.Output | Awaitable):
        return pulumi.Output.from_input(cast("pulumi.Input[Sequence[pulumi.Input[T]]]", values)).apply(check_all)
    return check_all(values)


def check_list(field: str, values: object) -> None:
    """Check that `values` is a list.

    Without this check, a string would pass as a list of its characters.

    Raises:
        InputError: The value is not a list.
    """
    if not isinstance(values, list | tuple):
        raise InputError(field, f"must be a list, got {values!r}")


def one_of(field: str, value: pulumi.Input[T], allowed: Collection[T]) -> pulumi.Output[T]:
    """Check that a value is one of the `allowed` values.

    Raises:
        InputError: The value is not allowed.
    """

    def check(known: T) -> T:
        if isinstance(known, bool) or known not in allowed:
            raise InputError(field, f"must be one of {', '.join(map(str, allowed))}, got {known!r}")
        return known

    return check_input(value, check)


def boolean(field: str, value: pulumi.Input[bool]) -> pulumi.Output[bool]:
    """Check a boolean.

    Raises:
        InputError: The value is not a boolean.
    """

    def check(known: Any) -> bool:
        if not isinstance(known, bool):
            raise InputError(field, f"must be true or false, got {known!r}")
        return known

    return check_input(value, check)


def plain_boolean(field: str, value: object) -> bool:
    """Check a boolean that must be known when the program runs.

    Raises:
        InputError: The value is an Output, or not a boolean.
    """
    if not isinstance(value, bool):
        raise InputError(field, f"must be true or false and not an Output, got {value!r}")
    return value


def integer(field: str, value: IntegerInput, minimum: int, maximum: int | None = None) -> pulumi.Output[int]:
    """Check that a value is an integer from `minimum` to `maximum`.

    If `maximum` is None, there is no upper limit.

    Raises:
        InputError: The value is not an integer, or it is out of range.
    """
    allowed = (
        f"an integer of at least {minimum:,}" if maximum is None else f"an integer from {minimum:,} to {maximum:,}"
    )

    def check(number: Any) -> int:
        # Pulumi sends numbers as floating-point numbers: 100 arrives as 100.0.
        is_integer = isinstance(number, int) and not isinstance(number, bool)
        is_integer = is_integer or (isinstance(number, float) and number.is_integer())
        if not is_integer or number < minimum or (maximum is not None and number > maximum):
            raise InputError(field, f"must be {allowed}, got {number!r}")
        return int(number)

    return check_input(value, check)


def reserved_concurrency(field: str, value: IntegerInput) -> pulumi.Output[int]:
    """Check the reserved concurrency of a Lambda.

    Raises:
        InputError: It is not an integer of at least 1. AWS accepts 0, but the Lambda could then never run.
    """
    return integer(field, value, 1)


def log_retention(field: str, value: IntegerInput) -> pulumi.Output[int]:
    """Check the number of days for which CloudWatch Logs keeps a log.

    Raises:
        InputError: The value is not in `LOG_RETENTION_DAYS`.
    """
    return one_of(field, value, LOG_RETENTION_DAYS).apply(int)


def stream_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a DynamoDB table's stream.

    Raises:
        InputError: The value is not the ARN of a stream.
    """
    return string(field, value, rf"{_ARN}:dynamodb:[^:]+:\d+:table/[^/]+/stream/.+", "the ARN of a DynamoDB stream")


def table_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a DynamoDB table.

    Raises:
        InputError: The value is not the ARN of a table.
    """
    return string(field, value, rf"{_ARN}:dynamodb:[^:]+:\d+:table/[^/]+", "the ARN of a DynamoDB table")


def function_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a Lambda function, or of a version or an alias of a function.

    Raises:
        InputError: The value is not the ARN of a function, a version or an alias.
    """
    pattern = rf"{_ARN}:lambda:[^:]+:\d+:function:[\w-]+(:[\w$-]+)?"
    return string(field, value, pattern, "the ARN of a Lambda function")


def standard_queue_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a standard SQS queue. The ARN of a FIFO queue is rejected: it ends in `.fifo`.

    Raises:
        InputError: The value is not the ARN of a standard queue.
    """
    return string(field, value, rf"{_ARN}:sqs:[^:]+:\d+:[\w-]+", "the ARN of a standard (not FIFO) SQS queue")


def topic_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a standard SNS topic.

    The ARN of a FIFO topic is rejected, because CloudWatch alarms cannot publish to a FIFO topic.

    Raises:
        InputError: The value is not the ARN of a standard topic.
    """
    return string(field, value, rf"{_ARN}:sns:[^:]+:\d+:[\w-]+", "the ARN of a standard SNS topic")


def key_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a KMS key.

    Raises:
        InputError: The value is not the ARN of a key.
    """
    return string(field, value, rf"{_ARN}:kms:[^:]+:\d+:key/[\w-]+", "the ARN of a KMS key")


def mail_sender_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of an e-mail address in Amazon SES.

    Raises:
        InputError: The value is not the ARN of an e-mail address. The ARN of a domain names no sender.
    """
    pattern = rf"{_ARN}:ses:[^:]+:\d+:identity/[^@\s/]+@[^@\s/]+"
    return string(field, value, pattern, "the ARN of an e-mail address in Amazon SES")


def policy_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a customer-managed IAM policy.

    Raises:
        InputError: The value is not the ARN of such a policy.
    """
    return string(field, value, rf"{_ARN}:iam::\d+:policy/[\w+=,.@/-]+", "the ARN of an IAM policy of your account")


def web_acl_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a web ACL for CloudFront, of AWS WAF version 2.

    Raises:
        InputError: The value is not the ARN of such a web ACL.
    """
    pattern = rf"{_ARN}:wafv2:us-east-1:\d+:global/webacl/[^/]+/[^/]+"
    return string(field, value, pattern, "the ARN of a web ACL for CloudFront, in us-east-1")


def word(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a string without spaces, such as a client id or the name of a claim.

    Raises:
        InputError: The value is not a string, is empty or contains a space.
    """
    return string(field, value, r"\S+", "a string without spaces")


def email(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check an e-mail address.

    Raises:
        InputError: The value is not an e-mail address.
    """
    return string(field, value, r"[^@\s]+@[^@\s]+", "an e-mail address")


def string(field: str, value: pulumi.Input[str], pattern: str, description: str) -> pulumi.Output[str]:
    """Check that a value is a string, and that the regular expression `pattern` matches all of it.

    Args:
        field: Name of the input that an error shows.
        value: The value to check.
        pattern: The regular expression.
        description: Description of the allowed values that an error shows.

    Raises:
        InputError: The value is not a string, or the pattern does not match it.
    """

    def check(known: Any) -> str:
        if not isinstance(known, str) or not re.fullmatch(pattern, known):
            raise InputError(field, f"must be {description}, got {known!r}")
        return known

    return check_input(value, check)
