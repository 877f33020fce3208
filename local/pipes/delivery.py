"""What a pipe does with the records of a shard: it knows neither AWS nor threads."""

from __future__ import annotations

import logging
import math
import random
import time
from collections import deque
from datetime import UTC, datetime
from itertools import takewhile
from typing import TYPE_CHECKING, Any, Literal, cast

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from .settings import PipeSettings, Record

log = logging.getLogger(__name__)

Condition = Literal["RetryAttemptsExhausted", "RecordAgeExceeded"]

BACKOFF_SECONDS = 0.1
MAX_BACKOFF_SECONDS = 2.0


class TargetError(Exception):
    """An invocation of the target failed; the batch is to be retried."""


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

    def seconds_until_due(self) -> float:
        """After how many seconds a batch is due, should no record come; infinitely many where nothing is pending."""
        if not self._pending:
            return math.inf
        return max(0.0, self._pending_since + self._settings.window_seconds - self._clock())

    def _deliver(self, batch: Sequence[Record]) -> None:
        """Deliver a batch, in order, until each record is done or given up."""
        waiting = [(batch, 0)]  # The last one is next.
        while waiting:
            records, retries = waiting.pop()
            records = self._drop_expired(records)
            done = self._invoke_target(records) if records else 0
            left = records[done:]
            if not left:
                continue
            if self._settings.bisect and len(records) > 1:
                # A split costs no retry; what was done has split the batch already.
                middle = len(left) if done else len(left) // 2
                waiting += [(part, retries) for part in (left[middle:], left[:middle]) if part]
            elif 0 <= self._settings.max_retries <= retries:
                self._drop(left, "RetryAttemptsExhausted")
                continue
            else:
                waiting.append((left, retries + 1))
            self._sleep(self._jitter() * min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** min(retries, 10)))

    def _invoke_target(self, records: Sequence[Record]) -> int:
        """Invoke the target; how many records, from the first on, are done."""
        try:
            return count_done(records, self._target(records))
        except TargetError as error:
            log.warning("pipe %s: a batch of %d records failed: %s", self._settings.arn, len(records), error)
            return 0

    def _drop_expired(self, records: Sequence[Record]) -> Sequence[Record]:
        """Give up the records that are too old: the first ones, since a shard is in order of time."""
        if self._settings.max_record_age_seconds < 0:
            return records
        oldest = self._clock() - self._settings.max_record_age_seconds
        expired = sum(1 for _ in takewhile(lambda record: _get_creation_time(record) < oldest, records))
        if expired:
            self._drop(records[:expired], "RecordAgeExceeded")
        return records[expired:]

    def _drop(self, records: Sequence[Record], condition: Condition) -> None:
        log.error("pipe %s: gave up %d records (%s)", self._settings.arn, len(records), condition)
        self._dead_letter(build_dead_letter(self._settings, self._shard_id, records, condition, now=self._clock()))


def count_done(records: Sequence[Record], response: object) -> int:
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


def build_dead_letter(
    settings: PipeSettings, shard_id: str, records: Sequence[Record], condition: Condition, *, now: float
) -> Record:
    """What Pipes sends to the dead-letter queue: where in the stream the records are, never the records."""
    first, last = records[0], records[-1]
    return {
        "context": {"partnerResourceArn": settings.arn, "condition": condition},
        "version": "1.0",
        "timestamp": _format_time(now, "milliseconds"),
        "DDBStreamBatchInfo": {
            "shardId": shard_id,
            "startSequenceNumber": first["dynamodb"]["SequenceNumber"],
            "endSequenceNumber": last["dynamodb"]["SequenceNumber"],
            "approximateArrivalOfFirstRecord": _format_time(_get_creation_time(first), "seconds"),
            "approximateArrivalOfLastRecord": _format_time(_get_creation_time(last), "seconds"),
            "batchSize": len(records),
            "streamArn": settings.stream_arn,
        },
    }


def _get_creation_time(record: Record) -> float:
    return record["dynamodb"]["ApproximateCreationDateTime"]


def _format_time(seconds: float, precision: str) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec=precision).replace("+00:00", "Z")
