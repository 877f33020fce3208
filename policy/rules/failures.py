"""Rules about failures and overload: retries, dead-letter queues and throttling."""

from collections.abc import Iterator, Sequence

from .resources import (
    FUNCTION,
    MAPPING,
    PERMISSION,
    QUEUE,
    STAGE,
    Inputs,
    Resource,
    find_dependents,
    get_value,
    has_value,
    is_positive,
)

BOUNDS = {"maximumRetryAttempts": "retries a failed batch", "maximumRecordAgeInSeconds": "keeps a failed record"}


def check_pipe(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a pipe that retries without limit, or that loses records."""
    if resource_type != "aws:pipes/pipe:Pipe" or has_value(inputs, "sourceParameters", "sqsQueueParameters"):
        return  # the queue itself handles failed messages
    source = get_value(inputs, "sourceParameters")
    parameters: Inputs = (
        get_value(source, "dynamodbStreamParameters") or get_value(source, "kinesisStreamParameters") or {}
    )
    if not has_value(parameters, "deadLetterConfig", "arn"):
        yield "records that the pipe cannot deliver are lost: set deadLetterConfig"
    for key, description in BOUNDS.items():
        bound = parameters.get(key)
        if not isinstance(bound, int | float) or bound < 0:
            yield f"the pipe {description} forever and blocks its shard: set {key}"
    if parameters.get("onPartialBatchItemFailure") != "AUTOMATIC_BISECT":
        yield "one bad record makes its whole batch fail: set onPartialBatchItemFailure to AUTOMATIC_BISECT"


def check_event_target(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report an event target without a dead-letter queue."""
    target = resource_type == "aws:cloudwatch/eventTarget:EventTarget"
    if target and not has_value(inputs, "deadLetterConfig", "arn"):
        yield "an event that cannot be delivered is lost: set deadLetterConfig"


ASYNCHRONOUS = {"events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com", "logs.amazonaws.com"}
"""Services that invoke a function asynchronously."""


def check_function_failures(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """Report a function whose asynchronous invocations have no destination for failures."""
    for function in stack:
        if function.type != FUNCTION:
            continue
        permissions = find_dependents(stack, function, PERMISSION)
        configs = find_dependents(stack, function, "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
        kept = has_value(function.inputs, "deadLetterConfig", "targetArn") or any(
            has_value(one.inputs, "destinationConfig", "onFailure", "destination") for one in configs
        )
        callers = sorted({one.inputs.get("principal", "") for one in permissions} & ASYNCHRONOUS)
        if callers and not kept:
            yield (
                function,
                f"an event of {', '.join(callers)} that fails three times is lost: set an onFailure destination",
            )


def check_queue_redrive(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """Report a queue that invokes a function and has no dead-letter queue."""
    for queue in stack:
        if (
            queue.type == QUEUE
            and find_dependents(stack, queue, MAPPING)
            and not has_value(queue.inputs, "redrivePolicy")
        ):
            yield (
                queue,
                "a message that the function cannot process is lost when it expires: set redrivePolicy",
            )


def check_throttling(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a stage without a rate limit or burst limit."""
    if resource_type == STAGE:
        for key in ("throttlingRateLimit", "throttlingBurstLimit"):
            if not is_positive(get_value(inputs, "defaultRouteSettings", key)):
                yield f"this stage can use up the account's quota: set defaultRouteSettings.{key}"
