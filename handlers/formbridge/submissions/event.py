"""A submission's event on the bus: its fields, their checks and its place among the submission's events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from re import Pattern
from typing import Any, Final, cast

from ..runtime import timestamps
from ..runtime.identifiers import FORM_ID, STATUS, SUBMISSION_ID, TENANT_ID, describe_mismatch, quote

RECEIVED: Final = "submission.received"
UPDATED: Final = "submission.updated"
DEFAULT_STATUS: Final = "processing"

MAX_PAYLOAD_BYTES: Final = 384 * 1024
"""DynamoDB takes items of 400 KB; the rest of one is below 2 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""


class MalformedEvent(ValueError):
    """An event that can never be stored; the text names the field and its value."""


@dataclass(frozen=True, slots=True)
class SubmissionEvent:
    """A checked `submission.received` or `submission.updated` event."""

    tenant_id: str
    submission_id: str
    form_id: str
    status: str
    submitted_at: str
    """ISO 8601, UTC, milliseconds."""
    submitted_at_is_known: bool
    """False where the event did not say, and `submitted_at` is the event's own time for want of a better one."""
    payload: str | None
    """The form's content as JSON text; None in an update that leaves it as it is."""
    order: str
    """Where this event stands among the events of its submission. Compared as text: what was received comes
    before every update, updates follow one another by time, and the event's id settles what is left, so that
    the last of them wins in whatever order they come."""

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> SubmissionEvent:
        """Check an EventBridge event.

        `detail` holds `tenant_id`, `submission_id`, `form_id`, and optionally `status` (required in an update;
        default `processing`), `submitted_at` (default: what is stored, else the event's own time), `payload` (any
        JSON, at most 384 KB) and, in an update, `updated_at` (default: the event's own time, which EventBridge gives in
        whole seconds: say it where two changes may fall into one).

        Raises:
            MalformedEvent: a field is missing or not of its shape.
        """
        detail: object = event.get("detail")
        if not isinstance(detail, dict):
            raise MalformedEvent(f"detail: must be an object, got {type(detail).__name__}")
        fields = cast("dict[str, object]", detail)
        kind = _text(event, "detail-type")
        if kind not in (RECEIVED, UPDATED):
            raise MalformedEvent(f"detail-type: must be {RECEIVED} or {UPDATED}, got {quote(kind)}")
        sent_at = _time(event, "time")
        submitted_at = _time(fields, "submitted_at", default=sent_at)
        if kind == RECEIVED:
            status = _shaped(fields, "status", STATUS, default=DEFAULT_STATUS)
            order = f"0#{submitted_at}#{_text(event, 'id')}"
        else:
            status = _shaped(fields, "status", STATUS)
            order = f"1#{_time(fields, 'updated_at', default=sent_at)}#{_text(event, 'id')}"
        return cls(
            tenant_id=_shaped(fields, "tenant_id", TENANT_ID),
            submission_id=_shaped(fields, "submission_id", SUBMISSION_ID),
            form_id=_shaped(fields, "form_id", FORM_ID),
            status=status,
            submitted_at=submitted_at,
            submitted_at_is_known="submitted_at" in fields,
            payload=_payload(fields["payload"]) if "payload" in fields else None,
            order=order,
        )


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        # What stands here by mistake may be what a person typed into the form: it goes into no log.
        raise MalformedEvent(f"{name}: must be a text, got {'nothing' if value is None else type(value).__name__}")
    if not value:
        raise MalformedEvent(f"{name}: must not be empty")
    return value


def _payload(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > MAX_PAYLOAD_BYTES:
        raise MalformedEvent(f"payload: at most {MAX_PAYLOAD_BYTES:,} bytes as JSON in ASCII, got {len(text):,}")
    return text


def _shaped(fields: Mapping[str, object], name: str, shape: Pattern[str], default: str | None = None) -> str:
    if default is not None and name not in fields:
        return default
    value = _text(fields, name)
    if wrong := describe_mismatch(name, shape, value):
        raise MalformedEvent(wrong)
    return value


def _time(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    if default is not None and name not in fields:
        return default
    value = _text(fields, name)
    try:
        return timestamps.normalise(value)
    except ValueError as error:
        raise MalformedEvent(f"{name}: must be an ISO 8601 time, got {quote(value)}") from error
