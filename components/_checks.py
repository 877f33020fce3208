"""Checks of inputs by AWS's own limits. Each names the field, what it may be, and what it was."""

import re
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar, cast

import pulumi

T = TypeVar("T")
U = TypeVar("U")

IntegerInput = pulumi.Input[float]
"""An integer, as every component accepts and checks it. Pulumi's component provider (3.272) calls `int()` on the value
of an `Input[int]` from another language, which fails for an Output."""

FieldName = Callable[[str], str]
"""Gives the name that an error shows for an input: `limits.max_frame_bytes`, or the setting `maxFrameBytes`."""

LOG_RETENTION_DAYS = (
    *(1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653),
)
"""https://docs.aws.amazon.com/AmazonCloudWatchLogs/latest/APIReference/API_PutRetentionPolicy.html"""

_ARN = "arn:aws[a-z-]*"


def fields(args: Mapping[str, Any], kind: Any, field: FieldName = str) -> None:
    """Check that `args` has the fields of `kind`, a `TypedDict`. Python itself does not check them at run time.

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


def below(group: str) -> FieldName:
    """Return the names of a group's fields, such as `limits.rate_limit`."""
    return lambda name: f"{group}.{name}"


def checked(value: pulumi.Input[T], check: Callable[[T], U]) -> pulumi.Output[U]:
    """What `check` makes of `value`.

    A plain value is checked at once, so that what is raised is raised before any resource exists; where there is an
    Output in it, it is checked when that is known, so that the resource that takes it is not made. What is raised ends
    in the value, unless that is a secret.
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
    """Whether there is no Output in `value`, at any depth."""
    match value:
        case Mapping():
            return all(map(is_known, cast("Mapping[str, object]", value).values()))
        case list() | tuple():
            return all(map(is_known, cast("Sequence[object]", value)))
        case _:
            return not isinstance(value, pulumi.Output | Awaitable)


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
        check_list(field, known)
        return pulumi.Output.all(*(check(f"{field}[{index}]", value) for index, value in enumerate(known)))

    if isinstance(values, pulumi.Output | Awaitable):
        return pulumi.Output.from_input(cast("pulumi.Input[Sequence[pulumi.Input[T]]]", values)).apply(check_all)
    return check_all(values)


def check_list(field: str, values: object) -> None:
    """Whether `values` is a list, and no single value that Python would take for one.

    Raises:
        ValueError: it is none.
    """
    if not isinstance(values, list | tuple):
        raise ValueError(f"{field}: must be a list, got {values!r}")  # noqa: TRY004 - as every bad value


def one_of(field: str, value: pulumi.Input[T], allowed: Collection[T]) -> pulumi.Output[T]:
    """One of the `allowed` values.

    Raises:
        ValueError: it is none of them.
    """

    def check(known: T) -> T:
        if isinstance(known, bool) or known not in allowed:
            raise ValueError(f"{field}: must be one of {', '.join(map(str, allowed))}, got {known!r}")
        return known

    return checked(value, check)


def boolean(field: str, value: pulumi.Input[bool]) -> pulumi.Output[bool]:
    """True or false.

    Raises:
        ValueError: it is neither.
    """

    def check(known: Any) -> bool:
        if not isinstance(known, bool):
            raise ValueError(f"{field}: must be true or false, got {known!r}")  # noqa: TRY004 - as every bad value
        return known

    return checked(value, check)


def integer(field: str, value: IntegerInput, minimum: int, maximum: int | None = None) -> pulumi.Output[int]:
    """Check an integer from `minimum` to `maximum`; without `maximum` it has no upper limit.

    Raises:
        ValueError: The value is not an integer, or out of range.
    """
    allowed = (
        f"an integer of at least {minimum:,}" if maximum is None else f"an integer from {minimum:,} to {maximum:,}"
    )

    def check(number: Any) -> int:
        # Numbers on Pulumi's wire are floating-point: 100 arrives as 100.0.
        is_integer = isinstance(number, int) and not isinstance(number, bool)
        is_integer = is_integer or (isinstance(number, float) and number.is_integer())
        if not is_integer or number < minimum or (maximum is not None and number > maximum):
            raise ValueError(f"{field}: must be {allowed}, got {number!r}")
        return int(number)

    return checked(value, check)


def log_retention(field: str, value: IntegerInput) -> pulumi.Output[int]:
    """Days for which CloudWatch Logs can keep a log. Raises `ValueError` if it cannot."""
    return one_of(field, value, LOG_RETENTION_DAYS).apply(int)


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
    return matching(field, value, shape, "the ARN of a standard SQS queue, no FIFO one")


def topic_arn(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """The ARN of a standard SNS topic; CloudWatch alarms go to no FIFO one. Raises `ValueError` if it is none."""
    return matching(field, value, rf"{_ARN}:sns:[^:]+:\d+:[\w-]+", "the ARN of a standard SNS topic")


def word(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a string without spaces, such as a client id or the name of a claim.

    Raises:
        ValueError: The value is not a string, is empty or contains a space.
    """
    return matching(field, value, r"\S+", "a string without spaces")


def email(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """An e-mail address. Raises `ValueError` if it is none."""
    return matching(field, value, r"[^@\s]+@[^@\s]+", "an e-mail address")


def matching(field: str, value: pulumi.Input[str], shape: str, what: str) -> pulumi.Output[str]:
    """A text of the regular expression `shape`, which is called `what`. Raises `ValueError` if it is none."""

    def check(text: Any) -> str:
        if not isinstance(text, str) or not re.fullmatch(shape, text):
            raise ValueError(f"{field}: must be {what}, got {text!r}")
        return text

    return checked(value, check)
