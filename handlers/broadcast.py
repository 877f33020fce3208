"""Target of the EventBridge Pipe: posts a batch of stream records to the connections of their tenants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from formbridge.broadcast.changes import IDENTIFIERS, Batch
from formbridge.broadcast.wiring import broadcaster, report
from formbridge.posting.poster import invocation_deadlines
from formbridge.runtime import environment, metrics
from formbridge.runtime.logs import correlation_ids, log, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@log_failures
def handler(event: Sequence[Mapping[str, Any]], context: object) -> dict[str, Any]:
    """Broadcast one batch. Return the malformed records as partial failures, which the pipe retries on their own.

    Raises:
        ExceptionGroup: Something could not be posted, read or written. The pipe retries the batch.
    """
    batch = Batch.read(event, environment.choice("FAILURE_IDENTIFIER", IDENTIFIERS))
    tally = broadcaster().broadcast(batch.changes, invocation_deadlines(context))
    ids = correlation_ids(event, context)
    if batch.malformed:
        log("malformed records", {**ids, "reasons": batch.malformed})
    changes = [change for tenant_changes in batch.changes.values() for change in tenant_changes]
    values = report("broadcast", tally, changes, {**ids, "records": len(event)})
    errors = len(batch.malformed) + bool(tally.failures)
    metrics.emit({**values, "Coalesced": batch.coalesced, "PipeProcessingErrors": errors})
    tally.check()
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in batch.malformed]}
