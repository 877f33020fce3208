"""Settings of a pipe, read from the inputs of the resource `aws:pipes/pipe:Pipe`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from formbridge.wire import event_matcher, event_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Record = dict[str, Any]
"""A stream record as a pipe delivers it: decoded JSON."""

# Defaults and limits of EventBridge Pipes for a DynamoDB stream.
DEFAULT_BATCH_SIZE = 100
MAX_BATCH_SIZE = 10_000
MAX_WINDOW_SECONDS = 300
MAX_RETRIES = 10_000
MAX_RECORD_AGE_SECONDS = 604_800
MAX_LANES = 10


class PipeError(Exception):
    """A pipe has unsupported properties, or failed while it ran."""


@dataclass(frozen=True, kw_only=True)
class PipeSettings:
    """Properties of a pipe that determine its delivery. Defaults are those of EventBridge Pipes."""

    arn: str
    stream_arn: str
    function_arn: str
    starting_position: Literal["TRIM_HORIZON", "LATEST"]
    """Where a new pipe starts to read: at the oldest record, or after the latest one."""
    running: bool = True
    """Whether the pipe delivers records; False if the program declares the pipe as stopped."""
    invocation_type: Literal["RequestResponse", "Event"] = "RequestResponse"
    """`RequestResponse` waits for the function's response; `Event` does not."""
    patterns: tuple[Mapping[str, object], ...] = ()
    """Event patterns of the filter. A record must match one of them; without patterns every record passes."""
    batch_size: int = DEFAULT_BATCH_SIZE
    window_seconds: int = 0
    """How long a batch waits for more records, in seconds, 0 to 300.

    With 0, the records of each poll are delivered immediately.
    """
    max_retries: int = -1
    """Maximum number of retries of a failed batch, up to 10,000; -1 means without limit."""
    max_record_age_seconds: int = -1
    """Maximum age of a record at its delivery, in seconds, up to 604,800 (7 days); -1 means without limit."""
    bisect: bool = False
    """Whether a failed batch is split into halves. A split does not count as a retry."""
    dead_letter_arn: str | None = None
    """The ARN of the dead-letter queue, an SQS queue; None if the pipe has no such queue."""
    lanes: int = 1
    """Number of lanes per shard, 1 to 10. The lanes deliver batches at the same time.

    All records of one table item go through the same lane, in order.
    """

    @classmethod
    def from_inputs(cls, arn: str, inputs: Mapping[str, Any]) -> Self:
        """Read the settings from the inputs of a resource `aws:pipes/pipe:Pipe`.

        Args:
            arn: The ARN of the pipe.
            inputs: The resource's inputs under their wire names.

        Raises:
            PipeError: A property is invalid or not supported. The message names the property and the value.
        """
        pipe = _Properties("", inputs)
        pipe.skip(
            "name", "namePrefix", "roleArn", "description", "tags", "region", "logConfiguration", "kmsKeyIdentifier"
        )
        source = pipe.take_object("sourceParameters")
        stream = source.take_object("dynamodbStreamParameters")
        criteria = source.take_object("filterCriteria")
        target = pipe.take_object("targetParameters")
        function = target.take_object("lambdaFunctionParameters")
        dead_letter = stream.take_object("deadLetterConfig")
        invocation_types = {"REQUEST_RESPONSE": "RequestResponse", "FIRE_AND_FORGET": "Event"}
        settings = cls(
            arn=arn,
            stream_arn=pipe.take_arn("source", "dynamodb", required=True),
            function_arn=pipe.take_arn("target", "lambda", required=True),
            running=pipe.take_choice("desiredState", "RUNNING", "STOPPED") == "RUNNING",
            invocation_type=cast(
                "Literal['RequestResponse', 'Event']",
                invocation_types[function.take_choice("invocationType", *invocation_types)],
            ),
            patterns=tuple(_parse_patterns(criteria)),
            starting_position=cast(
                "Literal['TRIM_HORIZON', 'LATEST']",
                stream.take_choice("startingPosition", "TRIM_HORIZON", "LATEST", required=True),
            ),
            batch_size=stream.take_integer("batchSize", 1, MAX_BATCH_SIZE, DEFAULT_BATCH_SIZE),
            window_seconds=stream.take_integer("maximumBatchingWindowInSeconds", 0, MAX_WINDOW_SECONDS, 0),
            max_retries=stream.take_integer("maximumRetryAttempts", -1, MAX_RETRIES, -1),
            max_record_age_seconds=stream.take_integer("maximumRecordAgeInSeconds", -1, MAX_RECORD_AGE_SECONDS, -1),
            bisect=stream.take_choice("onPartialBatchItemFailure", "", "AUTOMATIC_BISECT") == "AUTOMATIC_BISECT",
            dead_letter_arn=dead_letter.take_arn("arn", "sqs") or None,
            lanes=stream.take_integer("parallelizationFactor", 1, MAX_LANES, 1),
        )
        for properties in (pipe, source, stream, criteria, target, function, dead_letter):
            properties.refuse_unknown()
        return settings

    def passes(self, record: Record) -> bool:
        """Return whether `record` matches the filter of the pipe."""
        return not self.patterns or any(event_matcher.matches(pattern, record) for pattern in self.patterns)


class _Properties:
    """Declared properties of a pipe, or of an object within it, to be read one by one.

    `skip` and the `take` methods remove the properties that they read. The properties that are left at the end are not
    supported. `refuse_unknown` reports them.

    Args:
        path: The path of the object that holds the properties, with a dot at its end; empty for the pipe itself.
        values: The properties by name.
    """

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._values = {name: value for name, value in values.items() if value is not None}

    def skip(self, *names: str) -> None:
        """Remove properties that do not affect delivery."""
        for name in names:
            self._values.pop(name, None)

    def take_object(self, name: str) -> _Properties:
        """Remove and return a nested object; an empty object if the property is absent."""
        return _Properties(f"{self.get_path(name)}.", self._values.pop(name, {}))

    def take(self, name: str) -> Any:
        """Remove and return a property of any type; None if it is absent."""
        return self._values.pop(name, None)

    def get_path(self, name: str) -> str:
        """Return the full path of a property."""
        return f"{self._path}{name}"

    def take_arn(self, name: str, service: str, *, required: bool = False) -> str:
        """Remove and return an ARN of `service`; an empty string if the property is absent and not required."""
        value = self._values.pop(name, "")
        if (value or required) and not (isinstance(value, str) and value.startswith(f"arn:aws:{service}:")):
            raise PipeError(f"{self.get_path(name)}: must be an ARN of {service} in the local run, got {value!r}")
        return value

    def take_choice(self, name: str, *choices: str, required: bool = False) -> str:
        """Remove and return one of `choices`; the first one if the property is absent and not required."""
        value = self._values.pop(name, None if required else choices[0])
        if value not in choices:
            raise PipeError(f"{self.get_path(name)}: must be one of {', '.join(filter(None, choices))}, got {value!r}")
        return value

    def take_integer(self, name: str, low: int, high: int, default: int) -> int:
        """Remove and return an integer from `low` to `high`; `default` if the property is absent."""
        value = self._values.pop(name, default)
        # An integer may arrive as `5.0`, because Pulumi's wire format has only floating-point numbers.
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise PipeError(f"{self.get_path(name)}: must be an integer, got {value!r}")
        if not low <= value <= high:
            raise PipeError(f"{self.get_path(name)}: must be from {low} to {high}, got {int(value)}")
        return int(value)

    def refuse_unknown(self) -> None:
        """Raise PipeError if a property is left."""
        for name, value in self._values.items():
            raise PipeError(
                f"{self.get_path(name)}: the local run does not support this property of a pipe (value {value!r})"
            )


def _parse_patterns(criteria: _Properties) -> Iterable[Mapping[str, object]]:
    declared: list[Mapping[str, Any]] = criteria.take("filters") or []
    if len(declared) > event_pattern.MAX_FILTERS:
        raise PipeError(
            f"{criteria.get_path('filters')}: must have at most {event_pattern.MAX_FILTERS} items, got {len(declared)}"
        )
    for index, declared_filter in enumerate(declared):
        properties = _Properties(f"{criteria.get_path('filters')}[{index}].", declared_filter)
        path, text = properties.get_path("pattern"), properties.take("pattern")
        properties.refuse_unknown()
        if not isinstance(text, str) or len(text) > event_pattern.MAX_PATTERN_LENGTH:
            limit = event_pattern.MAX_PATTERN_LENGTH
            raise PipeError(f"{path}: must be a JSON string of at most {limit} characters, got {text!r:.60}")
        try:
            pattern = json.loads(text)
            event_pattern.validate(pattern)
        except json.JSONDecodeError as error:
            raise PipeError(f"{path}: must be valid JSON, got {text!r:.60} ({error})") from error
        except event_pattern.BadPattern as error:
            raise PipeError(f"{path}: {error}") from error
        yield pattern
