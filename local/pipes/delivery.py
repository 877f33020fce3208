"""Delivery of a shard's records to the target of a pipe, without access to AWS and without threads."""

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
"""The maximum pause before the first retry, in seconds. The maximum doubles with each retry."""
MAX_BACKOFF_SECONDS = 2.0
MAX_DOUBLINGS = 10
"""Maximum number of times that the maximum pause doubles. This limit keeps the power of two small."""


class TargetError(Exception):
    """An invocation of the target failed. The batch is retried."""


class Delivery:
    """Delivery of the records of one shard, or of one lane of a shard, to the target of a pipe.

    It filters records, forms batches, delivers them, retries failed batches and drops records. The lanes of a shard
    deliver in parallel; each lane has its own `Delivery`.

    Args:
        settings: The settings of the pipe.
        shard_id: The id of the shard, for dead-letter messages.
        target: Receives a batch and returns the decoded response of the function, or raises TargetError.
        dead_letter: Receives a dead-letter message about dropped records.
        clock: Returns the current time, in seconds since the epoch.
        sleep: Waits for a number of seconds. It may raise an exception to abort the delivery; the records of the
            current batch are then neither delivered nor dropped.
        jitter: Returns a factor from 0 to 1 for the pause before a retry.
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
        """Add the records of a poll. Deliver every batch that is full or whose batching window has ended."""
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
        """Return the seconds until the batching window ends; infinity if no record is pending."""
        if not self._pending:
            return math.inf
        return max(0.0, self._pending_since + self._settings.window_seconds - self._clock())

    def _deliver(self, batch: Sequence[Record]) -> None:
        """Deliver a batch, in order, until each record is done or dropped."""
        waiting = [(batch, 0)]  # The last item is the next to deliver.
        while waiting:
            records, retries = waiting.pop()
            records = self._drop_expired(records)
            done = self._invoke_target(records) if records else 0
            left = records[done:]
            if not left:
                continue
            if self._settings.bisect and len(records) > 1:
                # A split does not count as a retry. If some records are done, they are already split off: the rest is
                # delivered again as a whole.
                middle = len(left) if done else len(left) // 2
                waiting += [(part, retries) for part in (left[middle:], left[:middle]) if part]
            elif 0 <= self._settings.max_retries <= retries:
                self._drop(left, "RetryAttemptsExhausted")
                continue
            else:
                waiting.append((left, retries + 1))
            self._sleep(self._jitter() * min(MAX_BACKOFF_SECONDS, BACKOFF_SECONDS * 2 ** min(retries, MAX_DOUBLINGS)))

    def _invoke_target(self, records: Sequence[Record]) -> int:
        """Invoke the target. Return the number of records at the start of `records` that are done."""
        try:
            return count_done(records, self._target(records))
        except TargetError as error:
            log.warning("pipe %s: a batch of %d records failed: %s", self._settings.arn, len(records), error)
            return 0

    def _drop_expired(self, records: Sequence[Record]) -> Sequence[Record]:
        """Drop the records that are too old and return the others.

        The records of a shard are in time order, so the oldest records come first.
        """
        if self._settings.max_record_age_seconds < 0:
            return records
        oldest = self._clock() - self._settings.max_record_age_seconds
        expired = sum(1 for _ in takewhile(lambda record: _get_creation_time(record) < oldest, records))
        if expired:
            self._drop(records[:expired], "RecordAgeExceeded")
        return records[expired:]

    def _drop(self, records: Sequence[Record], condition: Condition) -> None:
        log.error("pipe %s: dropped %d records (%s)", self._settings.arn, len(records), condition)
        self._dead_letter(build_dead_letter(self._settings, self._shard_id, records, condition, now=self._clock()))


def count_done(records: Sequence[Record], response: object) -> int:
    """Return how many records at the start of `records` are done according to the target's response.

    A stream is delivered in order. The first failed record is therefore the checkpoint: this record and all later ones
    are delivered again. A response without `batchItemFailures`, or with an empty list, is a success. If an identifier
    is not the `eventID` or `SequenceNumber` of a record, the whole batch has failed.
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
    """Build the message that Pipes sends to the dead-letter queue.

    The message contains the position of the records in the stream, not the records themselves.
    """
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
