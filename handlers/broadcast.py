"""Target Lambda of the EventBridge Pipe: posts the changes of a batch to the tenants' connections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from formbridge.broadcast.changes import IDENTIFIERS, Batch
from formbridge.broadcast.wiring import broadcaster, build_batch_metrics, build_metrics, log_tally
from formbridge.posting.poster import invocation_deadlines
from formbridge.runtime import clock, environment, metrics
from formbridge.runtime.logs import correlation_ids, log, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@log_failures
def handler(event: Sequence[Mapping[str, Any]], context: object) -> dict[str, Any]:
    """Broadcast one batch and return its malformed records as partial failures.

    The pipe then retries only the malformed records and not the whole batch.

    Raises:
        ExceptionGroup: A post, a read or a write failed. The pipe retries the whole batch.
    """
    started_ms = clock.now_ms()
    batch = Batch.read(event, environment.choice("FAILURE_IDENTIFIER", IDENTIFIERS))
    tally = broadcaster().broadcast(batch.changes, invocation_deadlines(context))
    ids = correlation_ids(event, context)
    if batch.malformed:
        log("malformed records", {**ids, "reasons": batch.malformed})
    log_tally("broadcast", tally, {**ids, "records": len(event)})
    metrics.emit({**build_metrics(tally, batch.all_changes), **build_batch_metrics(batch, tally, started_ms)})
    tally.raise_failures()
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in batch.malformed]}
