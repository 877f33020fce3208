"""Checks of inputs against the limits of AWS.

Each error names the input, the allowed values and the value.
"""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

import pulumi

T = TypeVar("T")
U = TypeVar("U")

IntegerInput = pulumi.Input[float]
"""Type of an integer input. It is not `Input[int]`, because Pulumi's component provider (3.272) would call `int()` on
the value from a program in another language, which fails for an Output. `integer` checks the value."""

FieldName = Callable[[str], str]
"""Function that returns the name that an error shows for an input: `limits.max_frame_bytes`, or the setting
`maxFrameBytes`."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""Days for which CloudWatch Logs can keep a log.
https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

_ARN = "arn:aws[a-z-]*"


def check_fields(args: Mapping[str, Any], kind: Any, field: FieldName = str) -> None:
    """Check that `args` has only fields of the `TypedDict` `kind`, and all required ones.

    Python does not check this at run time.

    Raises:
        ValueError: A field is unknown, or a required field is missing.
    """
    known = kind.__annotations__
    required: frozenset[str] = kind.__required_keys__
    for name in args:
        if name not in known:
            raise ValueError(f"{field(name)}: unknown input, must be one of {', '.join(known)}, got {args[name]!r}")
    for name in known:
        if name in required and args.get(name) is None:
            raise ValueError(f"{field(name)}: is required, got None")


def qualify(group: str) -> FieldName:
    """Return a function that puts a group in front of a field's name, as in `limits.rate_limit`."""
    return lambda name: f"{group}.{name}"


def check_input(value: pulumi.Input[T], check: Callable[[T], U]) -> pulumi.Output[U]:
    """Return the result of `check` for `value`.

    A plain value is checked at once, so that an error is raised before any resource exists. A value that contains an
    Output is checked when the Output is known, so that the resource that takes the value is not created. An error
    message ends in the value, unless the value is a secret.
    """
    if not is_known(value):
        output = pulumi.Output.from_input(value)

        async def check_known(known: T) -> U:
            try:
                return check(known)
            except ValueError as error:
                if not await output.is_secret():
                    raise
                raise ValueError(f"{str(error).rpartition(', got ')[0]}, got a secret") from None

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
    """Return the result of `check` for each of `values`. An error names the value as in `field[0]`.

    Raises:
        ValueError: `values` is not a list, or `check` rejects a value.
    """

    def check_all(known: Sequence[pulumi.Input[T]]) -> pulumi.Output[list[U]]:
        check_list(field, known)
        return pulumi.Output.all(*(check(f"{field}[{index}]", value) for index, value in enumerate(known)))

    if isinstance(values, pulumi.Output | Awaitable):
        return pulumi.Output.from_input(cast("pulumi.Input[Sequence[pulumi.Input[T]]]", values)).apply(check_all)
    return check_all(values)


def check_list(field: str, values: object) -> None:
    """Check that `values` is a list. Python would iterate over the characters of a string too.

    Raises:
        ValueError: The value is not a list.
    """
    if not isinstance(values, list | tuple):
        raise ValueError(f"{field}: must be a list, got {values!r}")  # noqa: TRY004 - as for all bad values


def one_of(field: str, value: pulumi.Input[T], allowed: Collection[T]) -> pulumi.Output[T]:
    """Check that a value is one of the `allowed` values.

    Raises:
        ValueError: The value is not allowed.
    """

    def check(known: T) -> T:
        if isinstance(known, bool) or known not in allowed:
            raise ValueError(f"{field}: must be one of {', '.join(map(str, allowed))}, got {known!r}")
        return known

    return check_input(value, check)


def boolean(field: str, value: pulumi.Input[bool]) -> pulumi.Output[bool]:
    """Check a boolean.

    Raises:
        ValueError: The value is not a boolean.
    """

    def check(known: Any) -> bool:
        if not isinstance(known, bool):
            raise ValueError(f"{field}: must be true or false, got {known!r}")  # noqa: TRY004 - as for all bad values
        return known

    return check_input(value, check)


def integer(field: str, value: IntegerInput, minimum: int, maximum: int | None = None) -> pulumi.Output[int]:
    """Check an integer from `minimum` to `maximum`; without `maximum` it has no upper limit.

    Raises:
        ValueError: The value is not an integer, or out of range.
    """
    allowed = (
        f"an integer of at least {minimum:,}" if maximum is None else f"an integer from {minimum:,} to {maximum:,}"
    )

    def check(number: Any) -> int:
        # Pulumi sends numbers as floating-point numbers: 100 arrives as 100.0.
        is_integer = isinstance(number, int) and not isinstance(number, bool)
        is_integer = is_integer or (isinstance(number, float) and number.is_integer())
        if not is_integer or number < minimum or (maximum is not None and number > maximum):
            raise ValueError(f"{field}: must be {allowed}, got {number!r}")
        return int(number)

    return check_input(value, check)


def log_retention(field: str, value: IntegerInput) -> pulumi.Output[int]:
    """Check a number of days for which CloudWatch Logs can keep a log.

    Raises:
        ValueError: The value is not in `LOG_RETENTION_DAYS`.
    """
    return one_of(field, value, LOG_RETENTION_DAYS).apply(int)


def stream_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a DynamoDB table's stream.

    Raises:
        ValueError: The value is not the ARN of a stream.
    """
    return string(field, value, rf"{_ARN}:dynamodb:[^:]+:\d+:table/[^/]+/stream/.+", "the ARN of a DynamoDB stream")


def table_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a DynamoDB table.

    Raises:
        ValueError: The value is not the ARN of a table.
    """
    return string(field, value, rf"{_ARN}:dynamodb:[^:]+:\d+:table/[^/]+", "the ARN of a DynamoDB table")


def function_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a Lambda function, of one of its versions or of one of its aliases.

    Raises:
        ValueError: The value is not the ARN of a function, a version or an alias.
    """
    pattern = rf"{_ARN}:lambda:[^:]+:\d+:function:[\w-]+(:[\w$-]+)?"
    return string(field, value, pattern, "the ARN of a Lambda function")


def standard_queue_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a standard SQS queue. The name of a FIFO queue ends in `.fifo`.

    Raises:
        ValueError: The value is not the ARN of a standard queue.
    """
    return string(field, value, rf"{_ARN}:sqs:[^:]+:\d+:[\w-]+", "the ARN of a standard (not FIFO) SQS queue")


def topic_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the ARN of a standard SNS topic. CloudWatch alarms cannot publish to a FIFO topic.

    Raises:
        ValueError: The value is not the ARN of a standard topic.
    """
    return string(field, value, rf"{_ARN}:sns:[^:]+:\d+:[\w-]+", "the ARN of a standard SNS topic")


def word(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a string without spaces, such as a client id or the name of a claim.

    Raises:
        ValueError: The value is not a string, is empty or contains a space.
    """
    return string(field, value, r"\S+", "a string without spaces")


def email(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check an e-mail address.

    Raises:
        ValueError: The value is not an e-mail address.
    """
    return string(field, value, r"[^@\s]+@[^@\s]+", "an e-mail address")


def string(field: str, value: pulumi.Input[str], pattern: str, description: str) -> pulumi.Output[str]:
    """Check a string that the regular expression `pattern` matches completely.

    Args:
        field: Name of the input in an error.
        value: The value to check.
        pattern: The regular expression.
        description: Description of the allowed values in an error.

    Raises:
        ValueError: The value is not a string, or the pattern does not match it.
    """

    def check(known: Any) -> str:
        if not isinstance(known, str) or not re.fullmatch(pattern, known):
            raise ValueError(f"{field}: must be {description}, got {known!r}")
        return known

    return check_input(value, check)
