"""EventBridge Pipe → @connections: a batch of stream records reaches the dashboards of their tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from formbridge.broadcast.broadcaster import Deadlines
from formbridge.broadcast.changes import IDENTIFIERS, Batch
from formbridge.broadcast.wiring import broadcaster, report
from formbridge.runtime import environment, metrics
from formbridge.runtime.logs import correlation, log, log_failures


@log_failures
def handler(event: Sequence[Mapping[str, Any]], context: object) -> dict[str, Any]:
    batch = Batch.read(event, environment.one_of("FAILURE_IDENTIFIER", IDENTIFIERS))
    tally = broadcaster().send(batch.changes, Deadlines.of(context))
    ids = correlation(event, context)
    if batch.malformed:
        log("malformed records", {**ids, "reasons": batch.malformed})
    changes = [change for theirs in batch.changes.values() for change in theirs]
    told = report("broadcast", tally, changes, {**ids, "records": len(event)})
    errors = len(batch.malformed) + bool(tally.failures)
    metrics.emit({**told, "Coalesced": batch.coalesced, "PipeProcessingErrors": errors})
    tally.check()
    # The pipe tries these again, and in the end puts them aside, while the others go on.
    return {"batchItemFailures": [{"itemIdentifier": identifier} for identifier in batch.malformed]}
