"""Runs an EventBridge pipe from a DynamoDB stream to a Lambda function, as the program declared it.

The emulator keeps pipes but delivers nothing to Lambda, so the local run does, with the real pipe's semantics: the
declared filter, batches in order, retries with backoff, bisection, record age, partial batch failures, and a
dead-letter message that says where in the stream the given-up records are. `Delivery` is what a pipe does with the
records of a shard, and knows neither AWS nor threads; `PipeRunner` reads the stream and feeds it.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import threading
import time
import zlib
from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, Self, cast

from botocore.exceptions import BotoCoreError, ClientError

from handlers.formbridge import filters

from .emulator import client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

log = logging.getLogger(__name__)

Record = dict[str, Any]
"""A stream record as a pipe delivers it: decoded JSON."""

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]

DEFAULT_BATCH_SIZE = 100
MAX_FILTERS = 5
MAX_PATTERN_LENGTH = 4096
POLL_SECONDS = 0.01
BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 2.0
INVOKE_TIMEOUT_SECONDS = 910
"""Longer than any Lambda function may run, so that the client never gives up before the function does."""


class PipeError(Exception):
    """A pipe that the local run cannot run as declared, or that failed while running."""


class TargetError(Exception):
    """An invocation of the target failed; the batch is to be retried."""


# --- What the program declared ------------------------------------------------------------------------------


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
    retries: int = -1
    """How often a failing batch is retried; -1: for ever."""
    record_age_seconds: int = -1
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

        Raises PipeError, naming property and value, for anything that is wrong or that the local run cannot do.
        """
        pipe = _Properties("", inputs)
        pipe.skip(
            "name", "namePrefix", "roleArn", "description", "tags", "region", "logConfiguration", "kmsKeyIdentifier"
        )
        source = pipe.nested("sourceParameters")
        stream = source.nested("dynamodbStreamParameters")
        criteria = source.nested("filterCriteria")
        target = pipe.nested("targetParameters")
        function = target.nested("lambdaFunctionParameters")
        dead_letter = stream.nested("deadLetterConfig")
        invocation_types = {"REQUEST_RESPONSE": "RequestResponse", "FIRE_AND_FORGET": "Event"}
        settings = cls(
            arn=arn,
            stream_arn=pipe.arn("source", "dynamodb", required=True),
            function_arn=pipe.arn("target", "lambda", required=True),
            running=pipe.choice("desiredState", "RUNNING", "STOPPED") == "RUNNING",
            invocation_type=cast(
                "Literal['RequestResponse', 'Event']",
                invocation_types[function.choice("invocationType", *invocation_types)],
            ),
            patterns=tuple(_patterns(criteria)),
            starting_position=cast(
                "Literal['TRIM_HORIZON', 'LATEST']",
                stream.choice("startingPosition", "TRIM_HORIZON", "LATEST", required=True),
            ),
            batch_size=stream.whole("batchSize", 1, 10_000, DEFAULT_BATCH_SIZE),
            window_seconds=stream.whole("maximumBatchingWindowInSeconds", 0, 300, 0),
            retries=stream.whole("maximumRetryAttempts", -1, 10_000, -1),
            record_age_seconds=stream.whole("maximumRecordAgeInSeconds", -1, 604_800, -1),
            bisect=stream.choice("onPartialBatchItemFailure", "", "AUTOMATIC_BISECT") == "AUTOMATIC_BISECT",
            dead_letter_arn=dead_letter.arn("arn", "sqs") or None,
            lanes=stream.whole("parallelizationFactor", 1, 10, 1),
        )
        for properties in (pipe, source, stream, criteria, target, function, dead_letter):
            properties.refuse_the_rest()
        return settings

    def passes(self, record: Record) -> bool:
        """Whether the pipe's filter lets this record through."""
        return not self.patterns or any(filters.matches(pattern, record) for pattern in self.patterns)


class _Properties:
    """Reads properties by name, and knows which ones nobody asked for."""

    def __init__(self, path: str, values: Mapping[str, Any]) -> None:
        self._path = path
        self._values = {name: value for name, value in values.items() if value is not None}

    def skip(self, *names: str) -> None:
        """Leave out what changes nothing about delivery."""
        for name in names:
            self._values.pop(name, None)

    def nested(self, name: str) -> _Properties:
        return _Properties(f"{self.at(name)}.", self._values.pop(name, {}))

    def take(self, name: str) -> Any:
        return self._values.pop(name, None)

    def at(self, name: str) -> str:
        return f"{self._path}{name}"

    def arn(self, name: str, service: str, *, required: bool = False) -> str:
        value = self._values.pop(name, "")
        if (value or required) and not (isinstance(value, str) and value.startswith(f"arn:aws:{service}:")):
            raise PipeError(f"{self.at(name)}: the local run takes an ARN of {service}, not {value!r}")
        return value

    def choice(self, name: str, *choices: str, required: bool = False) -> str:
        """One of `choices`; the first of them where the property is not set and not required."""
        value = self._values.pop(name, None if required else choices[0])
        if value not in choices:
            raise PipeError(f"{self.at(name)}: must be one of {', '.join(filter(None, choices))}, not {value!r}")
        return value

    def whole(self, name: str, low: int, high: int, default: int) -> int:
        value = self._values.pop(name, default)
        # Pulumi's wire has no integers.
        if isinstance(value, bool) or not isinstance(value, int | float) or value != int(value):
            raise PipeError(f"{self.at(name)}: must be a whole number, not {value!r}")
        if not low <= value <= high:
            raise PipeError(f"{self.at(name)}: must be from {low} to {high}, not {int(value)}")
        return int(value)

    def refuse_the_rest(self) -> None:
        for name, value in self._values.items():
            raise PipeError(f"{self.at(name)}: the local run does not know this property of a pipe (value {value!r})")


def _patterns(criteria: _Properties) -> Iterable[Mapping[str, object]]:
    declared: list[Mapping[str, Any]] = criteria.take("filters") or []
    if len(declared) > MAX_FILTERS:
        raise PipeError(f"{criteria.at('filters')}: at most {MAX_FILTERS}, not {len(declared)}")
    for index, declared_filter in enumerate(declared):
        one = _Properties(f"{criteria.at('filters')}[{index}].", declared_filter)
        path, text = one.at("pattern"), one.take("pattern")
        one.refuse_the_rest()
        if not isinstance(text, str) or len(text) > MAX_PATTERN_LENGTH:
            raise PipeError(f"{path}: must be JSON text of at most {MAX_PATTERN_LENGTH} characters, not {text!r:.60}")
        try:
            pattern = json.loads(text)
            filters.validate(pattern)
        except json.JSONDecodeError as error:
            raise PipeError(f"{path}: not JSON: {error} in {text!r:.60}") from error
        except filters.BadPattern as error:
            raise PipeError(f"{path}: {error}") from error
        yield pattern


# --- Delivery: pure but for the functions passed in ---------------------------------------------------------


class Delivery:
    """What a pipe does with the records of one shard (or one lane of it): filter, batch, deliver, retry, give up.

    `target` gets a batch and returns the function's decoded response, or raises TargetError. `dead_letter` gets the
    message about records that were given up. `sleep` may raise to break a delivery off: what was under way is then
    neither delivered nor given up.
    """

    def __init__(
        self,
        settings: PipeSettings,
        shard_id: str,
        *,
        target: Callable[[Sequence[Record]], object],
        dead_letter: Callable[[Mapping[str, Any]], None],
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], None] = time.sleep,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._settings = settings
        self._shard_id = shard_id
        self._target = target
        self._dead_letter = dead_letter
        self._clock = clock
        self._sleep = sleep
        self._jitter = jitter
        self._pending: deque[Record] = deque()
        self._pending_since = 0.0

    def offer(self, records: Iterable[Record]) -> None:
        """Take what a poll found, and deliver every batch that is due: full, or as old as the batch window."""
        passing = [record for record in records if self._settings.passes(record)]
        if passing and not self._pending:
            self._pending_since = self._clock()
        self._pending.extend(passing)
        size = self._settings.batch_size
        while len(self._pending) >= size or (
            self._pending and self._clock() - self._pending_since >= self._settings.window_seconds
        ):
            self._deliver([self._pending.popleft() for _ in range(min(size, len(self._pending)))])
            self._pending_since = self._clock()

    def _deliver(self, batch: Sequence[Record]) -> None:
        """Deliver a batch, in order, until each record is done or given up."""
        waiting = [(batch, 0)]  # The last one is next.
        while waiting:
            records, retries = waiting.pop()
            records = self._without_expired(records)
            done = self._attempt(records) if records else 0
            left = records[done:]
            if not left:
                continue
            if self._settings.bisect and len(records) > 1:
                # A split costs no retry; what was done has split the batch already.
                middle = len(left) if done else len(left) // 2
                waiting += [(part, retries) for part in (left[middle:], left[:middle]) if part]
            elif 0 <= self._settings.retries <= retries:
                self._give_up(left, "RetryAttemptsExhausted")
                continue
            else:
                waiting.append((left, retries + 1))
            self._sleep(self._jitter() * min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** min(retries, 10)))

    def _attempt(self, records: Sequence[Record]) -> int:
        """Invoke the target; how many records, from the first on, are done."""
        try:
            return records_done(records, self._target(records))
        except TargetError as error:
            log.warning("pipe %s: a batch of %d records failed: %s", self._settings.arn, len(records), error)
            return 0

    def _without_expired(self, records: Sequence[Record]) -> Sequence[Record]:
        """Give up the records that are too old: the first ones, since a shard is in order of time."""
        if self._settings.record_age_seconds < 0:
            return records
        oldest = self._clock() - self._settings.record_age_seconds
        expired = sum(1 for _ in takewhile(lambda record: _created(record) < oldest, records))
        if expired:
            self._give_up(records[:expired], "RecordAgeExceeded")
        return records[expired:]

    def _give_up(self, records: Sequence[Record], condition: Condition) -> None:
        log.error("pipe %s: gave up %d records (%s)", self._settings.arn, len(records), condition)
        self._dead_letter(dead_letter_message(self._settings, self._shard_id, records, condition, now=self._clock()))


def records_done(records: Sequence[Record], response: object) -> int:
    """How many of `records`, from the first on, a target's response says are done.

    A stream is delivered in order, so the first failed one is the checkpoint: it and all after it go again. Any
    response without `batchItemFailures`, or with none in it, is a success; an identifier that is no record's
    `eventID` or `SequenceNumber` fails the whole batch.
    """
    failures = cast("Mapping[str, object]", response).get("batchItemFailures") if isinstance(response, dict) else None
    if not failures:
        return len(records)
    if not isinstance(failures, list):
        return 0
    positions = {record["eventID"]: index for index, record in enumerate(records)}
    positions |= {record["dynamodb"]["SequenceNumber"]: index for index, record in enumerate(records)}
    done = len(records)
    for failure in cast("list[object]", failures):
        identifier = cast("Mapping[str, object]", failure).get("itemIdentifier") if isinstance(failure, dict) else None
        done = min(done, positions.get(identifier, 0) if isinstance(identifier, str) else 0)
    return done


def dead_letter_message(
    settings: PipeSettings, shard_id: str, records: Sequence[Record], condition: Condition, *, now: float
) -> Record:
    """What Pipes sends to the dead-letter queue: where in the stream the records are, never the records."""
    first, last = records[0], records[-1]
    return {
        "context": {"partnerResourceArn": settings.arn, "condition": condition},
        "version": "1.0",
        "timestamp": _iso(now, "milliseconds"),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": first["dynamodb"]["SequenceNumber"],
            "endSequenceNumber": last["dynamodb"]["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _iso(_created(first), "seconds"),
            "approximateArrivalOfLastRecord": _iso(_created(last), "seconds"),
            "batchSize": len(records),
            "streamArn": settings.stream_arn,
        },
    }


def _created(record: Record) -> float:
    return record["dynamodb"]["ApproximateCreationDateTime"]


def _iso(seconds: float, precision: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")


def pipe_record(record: Mapping[str, Any], stream_arn: str) -> Record:
    """A record of the DynamoDB Streams API (boto3) as a pipe delivers it."""
    event: Record = json.loads(json.dumps(record, default=_as_json))
    event["eventSourceARN"] = stream_arn
    identity = event.pop("userIdentity", None)
    if identity:
        event["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return event


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        seconds = value.timestamp()
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON for {type(value).__name__}")


# --- The shell: DynamoDB Streams in, Lambda and SQS out -----------------------------------------------------


class _Stopped(Exception):  # not an error
    """The runner was asked to stop in the middle of a delivery."""


class PipeRunner:
    """Runs one declared pipe in a thread of its own."""

    def __init__(
        self, settings: PipeSettings, endpoint_url: str, region: str, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self.settings = settings
        self._poll_seconds = poll_seconds
        self._streams = client("dynamodbstreams", endpoint_url, region)
        self._lambda = client("lambda", endpoint_url, region, read_timeout=INVOKE_TIMEOUT_SECONDS)
        self._sqs = client("sqs", endpoint_url, region)
        self._stopping = threading.Event()
        self._polling = ThreadPoolExecutor(1, f"pipe-{settings.arn}")
        self._lanes = ThreadPoolExecutor(settings.lanes, f"lane-{settings.arn}")

    def start(self) -> Future[None]:
        """Find the stream's shards and the queue, then start polling.

        Returns a future that ends when the runner does: with None after `stop`, or else with what went wrong.
        Raises PipeError where stream or queue do not exist.
        """
        try:
            dead_letter = self._dead_letter_queue()
            shards = [_Shard(self._streams, self.settings, shard_id) for shard_id in self._shard_ids()]
        except ClientError as error:
            raise PipeError(f"pipe {self.settings.arn}: {error}") from error
        deliveries = [
            [
                Delivery(self.settings, shard.id, target=self._invoke, dead_letter=dead_letter, sleep=self._sleep)
                for _ in range(self.settings.lanes)
            ]
            for shard in shards
        ]
        return self._polling.submit(self._poll, shards, deliveries)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def join(self) -> None:
        """Return when nothing is under way any more, an invocation that had begun included."""
        self._polling.shutdown()
        self._lanes.shutdown()

    def _poll(self, shards: Sequence[_Shard], deliveries: Sequence[Sequence[Delivery]]) -> None:
        try:
            while True:
                for shard, lanes in zip(shards, deliveries, strict=True):
                    self._offer(shard.read(), lanes)
                self._sleep(self._poll_seconds)
        except _Stopped:
            return
        except (ClientError, BotoCoreError) as error:
            raise PipeError(f"pipe {self.settings.arn}: {error}") from error

    def _offer(self, records: Sequence[Record], lanes: Sequence[Delivery]) -> None:
        """Offer each lane its records: those of one item always go to the same one, in order."""
        if len(lanes) == 1:
            lanes[0].offer(records)
            return
        shares: list[list[Record]] = [[] for _ in lanes]
        for record in records:
            keys = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
            shares[zlib.crc32(keys.encode()) % len(lanes)].append(record)
        for _ in self._lanes.map(Delivery.offer, lanes, shares):
            pass  # The next poll waits for every lane; this also raises what one of them raised.

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _Stopped

    def _shard_ids(self) -> list[str]:
        stream = self._streams.describe_stream(StreamArn=self.settings.stream_arn)["StreamDescription"]
        return [shard["ShardId"] for shard in stream["Shards"]]

    def _invoke(self, records: Sequence[Record]) -> object:
        try:
            response = self._lambda.invoke(
                FunctionName=self.settings.function_arn,
                InvocationType=self.settings.invocation_type,
                Payload=json.dumps(records).encode(),
            )
            payload = response["Payload"].read()
        except (ClientError, BotoCoreError) as error:
            raise TargetError(str(error)) from error
        result: Any = json.loads(payload) if payload else None
        if "FunctionError" in response:
            # The error's type only: its message may quote what a form held.
            raise TargetError(f"{response['FunctionError']} {result.get('errorType', 'error')}")
        return result

    def _dead_letter_queue(self) -> Callable[[Mapping[str, Any]], None]:
        arn = self.settings.dead_letter_arn
        if arn is None:
            return lambda _message: None
        account, queue = arn.split(":")[4:]
        url = self._sqs.get_queue_url(QueueName=queue, QueueOwnerAWSAccountId=account)["QueueUrl"]
        return lambda message: self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))


class _Shard:
    """A position in one shard of a stream."""

    def __init__(self, streams: Any, settings: PipeSettings, shard_id: str) -> None:
        self.id = shard_id
        self._streams = streams
        self._stream_arn = settings.stream_arn
        self._iterator = self._open(ShardIteratorType=settings.starting_position)
        self._last_read = ""

    def read(self) -> list[Record]:
        """The records since the last call, up to 1,000. Raises PipeError when the stream has been closed."""
        try:
            page = self._streams.get_records(ShardIterator=self._iterator)
        except self._streams.exceptions.ExpiredIteratorException:
            if not self._last_read:
                raise
            # Iterators live 15 minutes; a batch may have been retried for longer.
            self._iterator = self._open(ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=self._last_read)
            return []
        records = [pipe_record(record, self._stream_arn) for record in page["Records"]]
        if records:
            self._last_read = records[-1]["dynamodb"]["SequenceNumber"]
        self._iterator = page.get("NextShardIterator")
        if self._iterator is None and not records:
            raise PipeError(f"the stream {self._stream_arn} has been closed")
        return records

    def _open(self, **position: str) -> Any:
        response = self._streams.get_shard_iterator(StreamArn=self._stream_arn, ShardId=self.id, **position)
        return response["ShardIterator"]
