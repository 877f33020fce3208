"""Target Lambda of the event bus: writes each event as the next version of its submission."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from formbridge.runtime import aws, clock, environment, metrics
from formbridge.runtime.dead_letter_queue import DeadLetterQueue
from formbridge.runtime.logs import correlation_ids, log, log_failures
from formbridge.runtime.tenant_id_pattern import TenantIdPattern
from formbridge.submissions.event import MalformedEvent, SubmissionEvent
from formbridge.submissions.index_lag import is_sampled, measure_index_lag
from formbridge.submissions.retention import compute_max_age_days
from formbridge.submissions.table import SaveResult, SubmissionsTable

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def submissions_table() -> SubmissionsTable:
    """Return the submissions table that `TABLE_NAME` names."""
    return SubmissionsTable(aws.client("dynamodb"), environment.string("TABLE_NAME"))


@cache
def dead_letter_queue() -> DeadLetterQueue:
    """Return the dead-letter queue for events that can never be stored."""
    return DeadLetterQueue(aws.client("sqs"), environment.string("DEAD_LETTER_QUEUE_URL"))


@cache
def tenant_ids() -> TenantIdPattern:
    """Return the pattern of the stack's tenant ids."""
    return TenantIdPattern.parse("TENANT_ID_PATTERN", environment.string("TENANT_ID_PATTERN"))


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    """Store one event. If the event is malformed, send it to the dead-letter queue with the reason."""
    ids = correlation_ids(event, context)
    try:
        now_ms, retention_days = clock.now_ms(), environment.integer("RETENTION_DAYS")
        max_skew_ms = environment.integer("MAX_CLOCK_SKEW_SECONDS") * 1000
        max_age_days = compute_max_age_days(retention_days)
        parsed = SubmissionEvent.parse(event, now_ms, max_skew_ms, tenant_ids(), max_age_days)
        saved = submissions_table().save(parsed, now_ms, retention_days)
    except MalformedEvent as error:
        dead_letter_queue().send(event, str(error))
        # Log only the name of the field. The reason may also quote the field's value, which may be personal data.
        log("malformed event", {**ids, "field": str(error).partition(":")[0]})
    else:
        fields = {"tenant_id": parsed.tenant_id, "submission_id": parsed.submission_id, "result": saved.value}
        log("saved", {**ids, **fields})
        if saved is SaveResult.WRITTEN and is_sampled(event["id"]):
            lag_ms = measure_index_lag(submissions_table(), parsed.tenant_id, parsed.submission_id, now_ms)
            metrics.emit({"IndexLag": lag_ms})
