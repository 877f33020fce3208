"""What of a declared `aws:pipes/pipe:Pipe` decides its delivery."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from formbridge.wire import event_pattern

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Record = dict[str, Any]
"""A stream record as a pipe delivers it: decoded JSON."""

DEFAULT_BATCH_SIZE = 100


class PipeError(Exception):
    """A pipe that the local run cannot run as declared, or that failed while running."""


@dataclass(frozen=True, kw_only=True)
class PipeSettings:
    """What of an `aws:pipes/pipe:Pipe` decides its delivery; defaults are those of EventBridge Pipes."""

    arn: str
    stream_arn: str
    function_arn: str
    starting_position: Literal["TRIM_HORIZON", "LATEST"]
    running: bool = True
    invocation_type: Literal["RequestResponse", "Event"] = "RequestResponse"
    patterns: tuple[Mapping[str, object], ...] = ()
    """A record passes if it matches one of them, or if there are none."""
    batch_size: int = DEFAULT_BATCH_SIZE
    window_seconds: int = 0
    """How long a batch may wait to fill up; 0 delivers what a poll found."""
    max_retries: int = -1
    """How often a failing batch is retried; -1: for ever."""
    max_record_age_seconds: int = -1
    """How old a record may be and still be delivered; -1: any age."""
    bisect: bool = False
    """Whether a failing batch is halved; a split costs no retry."""
    dead_letter_arn: str | None = None
    """The SQS queue that hears of given-up records."""
    lanes: int = 1
    """How many batches of a shard may be under way at once; records of one item always share a lane."""

    @classmethod
    def from_inputs(cls, arn: str, inputs: Mapping[str, Any]) -> Self:
        """Read the wire inputs of `aws:pipes/pipe:Pipe`.

        Raises:
            PipeError: something is wrong, or the local run cannot do it; the message names property and value.
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
            batch_size=stream.take_integer("batchSize", 1, 10_000, DEFAULT_BATCH_SIZE),
            window_seconds=stream.take_integer("maximumBatchingWindowInSeconds", 0, 300, 0),
            max_retries=stream.take_integer("maximumRetryAttempts", -1, 10_000, -1),
            max_record_age_seconds=stream.take_integer("maximumRecordAgeInSeconds", -1, 604_800, -1),
            bisect=stream.take_choice("onPartialBatchItemFailure", "", "AUTOMATIC_BISECT") == "AUTOMATIC_BISECT",
            dead_letter_arn=dead_letter.take_arn("arn", "sqs") or None,
            lanes=stream.take_integer("parallelizationFactor", 1, 10, 1),
        )
        for properties in (pipe, source, stream, criteria, target, function, dead_letter):
            properties.refuse_unknown()
        return settings

    def passes(self, record: Record) -> bool:
        """Whether the pipe's filter lets this record through."""
        return not self.patterns or any(event_pattern.matches(pattern, record) for pattern in self.patterns)


class _Properties:
    """Properties, taken by name one after another; what is left at the end, nobody knows."""

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._values = {name: value for name, value in values.items() if value is not None}

    def skip(self, *names: str) -> None:
        """Leave out what changes nothing about delivery."""
        for name in names:
            self._values.pop(name, None)

    def take_object(self, name: str) -> _Properties:
        return _Properties(f"{self.get_path(name)}.", self._values.pop(name, {}))

    def take(self, name: str) -> Any:
        return self._values.pop(name, None)

    def get_path(self, name: str) -> str:
        return f"{self._path}{name}"

    def take_arn(self, name: str, service: str, *, required: bool = False) -> str:
        value = self._values.pop(name, "")
        if (value or required) and not (isinstance(value, str) and value.startswith(f"arn:aws:{service}:")):
            raise PipeError(f"{self.get_path(name)}: the local run takes an ARN of {service}, not {value!r}")
        return value

    def take_choice(self, name: str, *choices: str, required: bool = False) -> str:
        """One of `choices`; the first of them where the property is not set and not required."""
        value = self._values.pop(name, None if required else choices[0])
        if value not in choices:
            raise PipeError(f"{self.get_path(name)}: must be one of {', '.join(filter(None, choices))}, not {value!r}")
        return value

    def take_integer(self, name: str, low: int, high: int, default: int) -> int:
        value = self._values.pop(name, default)
        # Pulumi's wire has no integers.
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise PipeError(f"{self.get_path(name)}: must be a whole number, not {value!r}")
        if not low <= value <= high:
            raise PipeError(f"{self.get_path(name)}: must be from {low} to {high}, not {int(value)}")
        return int(value)

    def refuse_unknown(self) -> None:
        for name, value in self._values.items():
            raise PipeError(
                f"{self.get_path(name)}: the local run does not know this property of a pipe (value {value!r})"
            )


def _parse_patterns(criteria: _Properties) -> Iterable[Mapping[str, object]]:
    declared: list[Mapping[str, Any]] = criteria.take("filters") or []
    if len(declared) > event_pattern.MAX_FILTERS:
        raise PipeError(f"{criteria.get_path('filters')}: at most {event_pattern.MAX_FILTERS}, not {len(declared)}")
    for index, declared_filter in enumerate(declared):
        one = _Properties(f"{criteria.get_path('filters')}[{index}].", declared_filter)
        path, text = one.get_path("pattern"), one.take("pattern")
        one.refuse_unknown()
        if not isinstance(text, str) or len(text) > event_pattern.MAX_PATTERN_LENGTH:
            limit = event_pattern.MAX_PATTERN_LENGTH
            raise PipeError(f"{path}: must be JSON text of at most {limit} characters, not {text!r:.60}")
        try:
            pattern = json.loads(text)
            event_pattern.validate(pattern)
        except json.JSONDecodeError as error:
            raise PipeError(f"{path}: not JSON: {error} in {text!r:.60}") from error
        except event_pattern.BadPattern as error:
            raise PipeError(f"{path}: {error}") from error
        yield pattern
