"""The events of submissions on the event bus: their fields, the checks of the fields, and their order."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from ..runtime import timestamps
from ..runtime.identifiers import FORM_ID, STATUS, SUBMISSION_ID, TENANT_ID, describe_mismatch, describe_type, quote

if TYPE_CHECKING:
    from collections.abc import Mapping
    from re import Pattern

RECEIVED: Final = "submission.received"
"""Detail type of the event that creates a submission."""
UPDATED: Final = "submission.updated"
"""Detail type of an event that changes a submission."""
DEFAULT_STATUS: Final = "processing"
"""Status of a new submission whose event has no `status`."""

MAX_PAYLOAD_BYTES: Final = 384 * 1024
"""Maximum number of bytes of a payload as ASCII JSON. A DynamoDB item is at most 400 KB, and the other attributes of a
submission need less than 2 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""


class MalformedEvent(ValueError):
    """An event that can never be stored. The message names the field and what is wrong with it."""


@dataclass(frozen=True, slots=True)
class SubmissionEvent:
    """A checked `submission.received` or `submission.updated` event."""

    tenant_id: str
    """Tenant that owns the submission."""
    submission_id: str
    """Id of the submission. It is unique across all tenants."""
    form_id: str
    """Id of the form that was submitted."""
    status: str
    """New status of the submission."""
    submitted_at: str
    """Time at which the form was submitted: ISO 8601 in UTC with milliseconds."""
    submitted_at_is_known: bool
    """Whether the event contains `submitted_at`. If it does not, `submitted_at` here is the time of the event."""
    payload: str | None
    """Content of the form as JSON; None if the event has no `payload`."""
    order: str
    """String that orders the events of one submission. The received event comes before every update. Updates are in the
    order of their times, and updates of the same time are in the order of their ids. The event with the highest `order`
    wins, in whatever order the events arrive."""

    @classmethod
    def parse(cls, event: Mapping[str, Any]) -> SubmissionEvent:
        """Check an EventBridge event and return its fields.

        `detail` contains:

        - `tenant_id`, `submission_id` and `form_id`: required.
        - `status`: required in an update, optional in a received event. The default is `processing`.
        - `submitted_at`: optional. The default is the stored value, or the time of the event if none is stored.
        - `payload`: optional, any JSON of at most 384 KB.
        - `updated_at`: optional, only in an update. The default is the time of the event, which EventBridge gives in
          whole seconds. Send `updated_at` if a submission can change twice within one second.

        Raises:
            MalformedEvent: A field is missing or invalid.
        """
        detail: object = event.get("detail")
        if not isinstance(detail, dict):
            raise MalformedEvent(f"detail: must be an object, got {describe_type(detail)}")
        fields = cast("dict[str, object]", detail)
        kind = _read_string(event, "detail-type")
        if kind not in (RECEIVED, UPDATED):
            raise MalformedEvent(f"detail-type: must be {RECEIVED} or {UPDATED}, got {quote(kind)}")
        sent_at = _read_time(event, "time")
        submitted_at = _read_time(fields, "submitted_at", default=sent_at)
        if kind == RECEIVED:
            status = _read_match(fields, "status", STATUS, default=DEFAULT_STATUS)
            order = f"0#{submitted_at}#{_read_string(event, 'id')}"
        else:
            status = _read_match(fields, "status", STATUS)
            order = f"1#{_read_time(fields, 'updated_at', default=sent_at)}#{_read_string(event, 'id')}"
        return cls(
            tenant_id=_read_match(fields, "tenant_id", TENANT_ID),
            submission_id=_read_match(fields, "submission_id", SUBMISSION_ID),
            form_id=_read_match(fields, "form_id", FORM_ID),
            status=status,
            submitted_at=submitted_at,
            submitted_at_is_known="submitted_at" in fields,
            payload=_encode_payload(fields["payload"]) if "payload" in fields else None,
            order=order,
        )


def _read_string(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        # Do not quote the value: it may be form content in the wrong field.
        raise MalformedEvent(f"{name}: must be a string, got {describe_type(value)}")
    if not value:
        raise MalformedEvent(f"{name}: must not be empty")
    return value


def _encode_payload(value: object) -> str:
    text = json.dumps(value, separators=(",", ":"))
    if len(text) > MAX_PAYLOAD_BYTES:
        raise MalformedEvent(
            f"payload: must be at most {MAX_PAYLOAD_BYTES:,} bytes as JSON in ASCII, got {len(text):,}"
        )
    return text


def _read_match(fields: Mapping[str, object], name: str, pattern: Pattern[str], default: str | None = None) -> str:
    if default is not None and name not in fields:
        return default
    value = _read_string(fields, name)
    if mismatch := describe_mismatch(name, pattern, value):
        raise MalformedEvent(mismatch)
    return value


def _read_time(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    if default is not None and name not in fields:
        return default
    value = _read_string(fields, name)
    try:
        return timestamps.normalise(value)
    except ValueError as error:
        raise MalformedEvent(f"{name}: must be an ISO 8601 time, got {quote(value)}") from error
