"""EventBridge → DynamoDB: a submission's event becomes its next version."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from formbridge.runtime import aws, environment, timestamps
from formbridge.runtime.dead_letter_queue import DeadLetters
from formbridge.runtime.logs import correlation, log, log_failures
from formbridge.submissions.submission import MalformedEvent, SubmissionEvent
from formbridge.submissions.table import SubmissionsTable


@cache
def submissions() -> SubmissionsTable:
    return SubmissionsTable(aws.client("dynamodb"), environment.text("TABLE_NAME"))


@cache
def dead_letters() -> DeadLetters:
    return DeadLetters(aws.client("sqs"), environment.text("DEAD_LETTER_QUEUE_URL"))


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    ids = correlation(event, context)
    try:
        parsed = SubmissionEvent.parse(event)
        saved = submissions().save(parsed, timestamps.now_ms(), environment.whole_number("RETENTION_DAYS"))
    except MalformedEvent as error:
        dead_letters().send(event, str(error))
        # The reason is in the dead letter: it quotes what stood in the field, which may be what a person typed.
        log("malformed event", {**ids, "field": str(error).partition(":")[0]})
    else:
        log(
            "saved",
            {
                **ids,
                "tenant_id": parsed.tenant_id,
                "submission_id": parsed.submission_id,
                "result": saved.value,
            },
        )
