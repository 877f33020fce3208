"""The fan-out queue → @connections: a part of what is too much for one Lambda reaches a large tenant's dashboards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from formbridge.broadcast.broadcaster import Deadlines
from formbridge.broadcast.fanout_queue import Work
from formbridge.broadcast.wiring import broadcaster, report
from formbridge.runtime import metrics
from formbridge.runtime.logs import correlation, log_failures


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    for record in event["Records"]:
        work = Work.decode(record["body"])
        tally = broadcaster().work(work, Deadlines.of(context))
        ids = {**correlation(event, context), "message_id": record["messageId"], "tenant_id": work.tenant_id}
        metrics.emit(report("fanned out", tally, work.changes or [], ids))
        tally.check()
