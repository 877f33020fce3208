"""What becomes of work that fails, or is too much."""

from collections.abc import Iterator, Sequence

from .resources import FUNCTION, MAPPING, PERMISSION, QUEUE, STAGE, Inputs, Resource, about, at, given, positive

BOUNDS = {"maximumRetryAttempts": "retries a failed batch", "maximumRecordAgeInSeconds": "keeps a failed record"}


def unbounded_pipe(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type != "aws:pipes/pipe:Pipe" or given(inputs, "sourceParameters", "sqsQueueParameters"):
        return  # what a queue does with what fails is the queue's own affair
    source = at(inputs, "sourceParameters")
    parameters: Inputs = at(source, "dynamodbStreamParameters") or at(source, "kinesisStreamParameters") or {}
    if not given(parameters, "deadLetterConfig", "arn"):
        yield "what the pipe gives up is lost: set deadLetterConfig"
    for key, what in BOUNDS.items():
        bound = parameters.get(key)
        if not isinstance(bound, int | float) or bound < 0:
            yield f"the pipe {what} for ever, and the shard's others wait: set {key}"
    if parameters.get("onPartialBatchItemFailure") != "AUTOMATIC_BISECT":
        yield "one bad record takes its whole batch with it: set onPartialBatchItemFailure to AUTOMATIC_BISECT"


def lost_event(resource_type: str, inputs: Inputs) -> Iterator[str]:
    target = resource_type == "aws:cloudwatch/eventTarget:EventTarget"
    if target and not given(inputs, "deadLetterConfig", "arn"):
        yield "an event that cannot be delivered is lost: set deadLetterConfig"


ASYNCHRONOUS = {"events.amazonaws.com", "s3.amazonaws.com", "sns.amazonaws.com", "logs.amazonaws.com"}
"""The services that invoke a function and do not wait for what becomes of it."""


def lost_invocation(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for function in stack:
        if function.type != FUNCTION:
            continue
        permissions = about(stack, function, PERMISSION)
        configs = about(stack, function, "aws:lambda/functionEventInvokeConfig:FunctionEventInvokeConfig")
        kept = given(function.inputs, "deadLetterConfig", "targetArn") or any(
            given(one.inputs, "destinationConfig", "onFailure", "destination") for one in configs
        )
        callers = sorted({one.inputs.get("principal", "") for one in permissions} & ASYNCHRONOUS)
        if callers and not kept:
            yield (
                function,
                f"an event of {', '.join(callers)} that fails thrice is lost: give it an onFailure destination",
            )


def lost_message(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    for queue in stack:
        if queue.type == QUEUE and about(stack, queue, MAPPING) and not given(queue.inputs, "redrivePolicy"):
            yield (
                queue,
                "what its function fails on is tried until it is too old, and then lost: give it a redrivePolicy",
            )


def unthrottled(resource_type: str, inputs: Inputs) -> Iterator[str]:
    if resource_type == STAGE:
        for key in ("throttlingRateLimit", "throttlingBurstLimit"):
            if not positive(at(inputs, "defaultRouteSettings", key)):
                yield f"one stage may use up the account's quota: set defaultRouteSettings.{key}"
