"""The broadcaster of a Lambda, and what is told of its work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING

from ..connections.table import ConnectionsTable
from ..posting.delivery import Outcome
from ..posting.poster import connection_poster
from ..runtime import clock, environment
from ..runtime.aws import client
from ..runtime.logs import log
from . import accounting
from .accounting import Accounting, Tally
from .broadcaster import Broadcaster
from .changes import Change
from .fanout_queue import FanoutQueue

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@cache
def sqs() -> SQSClient:
    return client("sqs")


@cache
def broadcaster() -> Broadcaster:
    """Posts to the connections of the gateway that the environment names, or hands the work to its queue."""
    connections = ConnectionsTable(client("dynamodb"), environment.string("CONNECTIONS_TABLE_NAME"))
    return Broadcaster(
        connections,
        connection_poster(),
        Accounting(connections, ThreadPoolExecutor(accounting.WRITES_AT_A_TIME), clock.now_ms, clock.monotonic_seconds),
        FanoutQueue(sqs, environment.string("FANOUT_QUEUE_URL")),
        environment.integer("FANOUT_THRESHOLD"),
        clock.now_ms,
    )


def report(what: str, tally: Tally, changes: Iterable[Change], facts: Mapping[str, object]) -> dict[str, float]:
    """Log what became of `changes`; the same as metrics.

    `RealTimeUpdateLatency` is that of the oldest change, from the stream's time, which is whole seconds on AWS, until
    the last post that went well; `BroadcastSuccessRate` leaves out connections that are gone, which no post can reach.
    """
    posted, behind = tally.outcomes[Outcome.POSTED], tally.outcomes[Outcome.BEHIND]
    outcomes = {outcome.value: tally.outcomes[outcome] for outcome in Outcome}
    log(what, {**facts, **outcomes, "handed_over": tally.handed_over, "failures": len(tally.failures)})
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
