"""The broadcaster of a Lambda, and the log line and metrics of its results."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from ..connections.table import ConnectionsTable
from ..posting.delivery import Outcome
from ..posting.poster import build_connection_poster
from ..runtime import clock, environment
from ..runtime.aws import client
from ..runtime.logs import log
from . import accounting
from .accounting import Accounting, Tally
from .broadcaster import Broadcaster
from .fanout_queue import FanoutQueue

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_sqs import SQSClient

    from .changes import Batch, Change


@cache
def sqs() -> SQSClient:
    """Return the SQS client of this Lambda."""
    return client("sqs")


@cache
def broadcaster() -> Broadcaster:
    """Return the broadcaster for the gateway, table and queue that the environment names."""
    connections = ConnectionsTable(client("dynamodb"), environment.string("CONNECTIONS_TABLE_NAME"))
    return Broadcaster(
        connections,
        build_connection_poster(),
        Accounting(connections, ThreadPoolExecutor(accounting.WRITER_THREADS), clock.now_ms, clock.monotonic_seconds),
        FanoutQueue(sqs, environment.string("FANOUT_QUEUE_URL")),
        environment.integer("FANOUT_THRESHOLD"),
        clock.now_ms,
    )


def log_tally(message: str, tally: Tally, fields: Mapping[str, object]) -> None:
    """Log the outcomes of an invocation's deliveries.

    Args:
        message: A short constant phrase that names what was done.
        tally: The outcomes.
        fields: More fields of the log line, such as the ids of the request.
    """
    outcomes = {outcome.value: tally.outcomes[outcome] for outcome in Outcome}
    log(message, {**fields, **outcomes, "handed_over": tally.handed_over, "failures": len(tally.failures)})


def build_metrics(tally: Tally, changes: Iterable[Change]) -> dict[str, float]:
    """Return the metrics of an invocation that posted `changes`.

    `RealTimeUpdateLatency` is the time from the oldest change until the end of the last successful post, in
    milliseconds. The time of a change comes from the stream and has a resolution of one second.

    `BroadcastSuccessRate` is the percentage of deliveries that were posted. It does not count connections that are
    gone, because no post can reach them.
    """
    posted, behind = tally.outcomes[Outcome.POSTED], tally.outcomes[Outcome.BEHIND]
    values: dict[str, float] = {
        "StaleConnectionCleanups": tally.removed,
        "Behind": behind,
        "Failures": len(tally.failures),
        "Retries": tally.retries,
        "Frames": tally.frames,
        "Bytes": tally.sent_bytes,
    }
    if posted + behind:
        values["BroadcastSuccessRate"] = 100 * posted / (posted + behind)
    oldest = min((change.happened_at for change in changes), default=None)
    if tally.last_posted_at is not None and oldest is not None:
        values["RealTimeUpdateLatency"] = max(0, tally.last_posted_at - oldest)
    return values


def build_batch_metrics(batch: Batch, tally: Tally, started_ms: int) -> dict[str, float]:
    """Return the metrics of a batch that the pipe delivered.

    `StreamLag` is the time from the oldest change until the broadcast Lambda received the batch, in milliseconds.

    Args:
        batch: The batch.
        tally: The outcomes of its broadcast.
        started_ms: When the Lambda received the batch, in epoch milliseconds.
    """
    oldest = min((change.happened_at for change in batch.all_changes), default=started_ms)
    return {
        "StreamLag": max(0, started_ms - oldest),
        "Coalesced": batch.coalesced,
        "PipeProcessingErrors": len(batch.malformed) + bool(tally.failures),
    }
