"""Lambda of the fan-out queue: posts one part of a broadcast that is too large for one Lambda."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from formbridge.broadcast.fanout_task import FanoutTask
from formbridge.broadcast.wiring import broadcaster, build_metrics, log_tally
from formbridge.posting.poster import invocation_deadlines
from formbridge.runtime import metrics
from formbridge.runtime.logs import correlation_ids, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    """Run the fan-out tasks of an SQS event.

    Raises:
        ExceptionGroup: A post, a read or a write failed. SQS delivers the message again.
    """
    for record in event["Records"]:
        task = FanoutTask.decode(record["body"])
        tally = broadcaster().run_task(task, invocation_deadlines(context))
        ids = {**correlation_ids(event, context), "message_id": record["messageId"], "tenant_id": task.tenant_id}
        log_tally("fanned out", tally, ids)
        metrics.emit(build_metrics(tally, task.changes or []))
        tally.raise_failures()
