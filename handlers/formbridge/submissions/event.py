"""The events of submissions on the event bus: their fields, the checks of the fields, and their order. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, cast

from ..runtime import timestamps
from ..runtime.identifiers import FORM_ID, STATUS, SUBMISSION_ID, describe_mismatch, describe_type, quote
from .retention import MS_PER_DAY, REPLAY_DAYS
from .submission import DELETED

if TYPE_CHECKING:
    from collections.abc import Mapping
    from re import Pattern

    from ..runtime.tenant_id_pattern import TenantIdPattern

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

FieldName = Literal["form_id", "status", "submitted_at", "payload"]
"""A field of a submission that events set. Each field is merged separately."""
FIELDS: Final[tuple[FieldName, ...]] = ("form_id", "status", "submitted_at", "payload")
"""All fields that events set."""


class MalformedEvent(ValueError):
    """An event that can never be stored. The message names the field and what is wrong with it."""


class FieldValue(NamedTuple):
    """The value that an event gives to one field."""

    text: str
    """The new value."""
    order: str
    """String that orders the values of one field: the value with the highest `order` wins, in whatever order the events
    arrive. A default comes before the values of received events, and these come before the values of updates. Values of
    one kind are in the order of their times, and then in the order of the ids of their events."""


_DEFAULT, _FROM_RECEIVED, _FROM_UPDATE = range(3)
"""Ranks of values in their `order`."""


@dataclass(frozen=True, slots=True)
class SubmissionEvent:
    """A checked `submission.received` or `submission.updated` event."""

    tenant_id: str
    """Tenant that owns the submission."""
    submission_id: str
    """Id of the submission. It is unique within the tenant."""
    values: Mapping[FieldName, FieldValue]
    """The values that the event sets: the form's id, the status, the time of submission (ISO 8601 in UTC with
    milliseconds) and the content of the form as JSON. A field that the event does not set is not in the mapping."""
    creates: bool
    """Whether the event is a received event. Such an event sets every field except, possibly, `payload`."""

    @property
    def deletes(self) -> bool:
        """Whether the event deletes the submission. A deletion is final: no earlier or later event changes it."""
        return "status" in self.values and self.values["status"].text == DELETED

    @classmethod
    def parse(
        cls,
        event: Mapping[str, Any],
        now_ms: int,
        max_skew_ms: int,
        tenant_ids: TenantIdPattern,
        max_age_days: int = REPLAY_DAYS,
    ) -> SubmissionEvent:
        """Check an EventBridge event and return its fields.

        `detail` contains:

        - `tenant_id` and `submission_id`: required.
        - `form_id`: required in a received event.
        - `status`: the default in a received event is `processing`.
        - `submitted_at`: the default in a received event is the time of the event.
        - `payload`: any JSON of at most 384 KB.
        - `updated_at`: optional, only in an update. The default is the time of the event, which EventBridge gives in
          whole seconds. Send `updated_at` if a submission can change twice within one second.

        An update contains at least one of `form_id`, `status`, `submitted_at` and `payload`.

        Args:
            event: The event as EventBridge delivers it.
            now_ms: Current time in epoch milliseconds.
            max_skew_ms: Milliseconds by which the time of the event may be ahead of `now_ms`, and by which the times in
                `detail` may be ahead of the time of the event. A time far in the future would win against every later
                event.
            tenant_ids: The pattern of the stack's tenant ids.
            max_age_days: Days after which an event is refused. See `compute_max_age_days`.

        Raises:
            MalformedEvent: A field is missing or invalid, or the event is too old.
        """
        detail: object = event.get("detail")
        if not isinstance(detail, dict):
            raise MalformedEvent(f"detail: must be an object, got {describe_type(detail)}")
        fields = cast("dict[str, object]", detail)
        kind = _read_string(event, "detail-type")
        if kind not in (RECEIVED, UPDATED):
            raise MalformedEvent(f"detail-type: must be {RECEIVED} or {UPDATED}, got {quote(kind)}")
        event_id = _read_string(event, "id")
        sent_at = _read_event_time(event, now_ms, max_skew_ms, max_age_days)
        values = _read_values(fields, sent_at, max_skew_ms)
        tenant_id = _read_string(fields, "tenant_id")
        if mismatch := tenant_ids.describe_mismatch("tenant_id", tenant_id):
            raise MalformedEvent(mismatch)
        submission_id = _read_match(fields, "submission_id", SUBMISSION_ID)
        if kind == RECEIVED:
            _read_string(fields, "form_id")
            defaults: dict[FieldName, str] = {"status": DEFAULT_STATUS, "submitted_at": sent_at}
            ordered = _order(defaults, _DEFAULT, sent_at, event_id) | _order(values, _FROM_RECEIVED, sent_at, event_id)
        else:
            if not values:
                raise MalformedEvent(f"detail: must contain at least one of {', '.join(FIELDS)}")
            updated_at = _read_time(fields, "updated_at", sent_at, max_skew_ms) if "updated_at" in fields else sent_at
            ordered = _order(values, _FROM_UPDATE, updated_at, event_id)
        return cls(tenant_id, submission_id, ordered, creates=kind == RECEIVED)


def _read_values(fields: Mapping[str, object], sent_at: str, max_skew_ms: int) -> dict[FieldName, str]:
    """Return the values that `detail` contains, by field."""
    values: dict[FieldName, str] = {}
    if "form_id" in fields:
        values["form_id"] = _read_match(fields, "form_id", FORM_ID)
    if "status" in fields:
        values["status"] = _read_match(fields, "status", STATUS)
    if "submitted_at" in fields:
        values["submitted_at"] = _read_time(fields, "submitted_at", sent_at, max_skew_ms)
    if "payload" in fields:
        values["payload"] = _encode_payload(fields["payload"])
    return values


def _order(values: Mapping[FieldName, str], rank: int, time: str, event_id: str) -> dict[FieldName, FieldValue]:
    """Return the values with their order."""
    return {name: FieldValue(text, f"{rank}#{time}#{event_id}") for name, text in values.items()}


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


def _read_match(fields: Mapping[str, object], name: str, pattern: Pattern[str]) -> str:
    value = _read_string(fields, name)
    if mismatch := describe_mismatch(name, pattern, value):
        raise MalformedEvent(mismatch)
    return value


def _read_iso(fields: Mapping[str, object], name: str) -> str:
    value = _read_string(fields, name)
    try:
        return timestamps.normalise(value)
    except ValueError as error:
        raise MalformedEvent(f"{name}: must be an ISO 8601 time, got {quote(value)}") from error


def _read_event_time(event: Mapping[str, Any], now_ms: int, max_skew_ms: int, max_age_days: int) -> str:
    """Return the time of the event. A producer can set it, so it is checked against the clock."""
    sent_at = _read_iso(event, "time")
    if sent_at > timestamps.to_iso(now_ms + max_skew_ms):
        raise MalformedEvent(f"time: must be at most {max_skew_ms // 1000:,} seconds in the future, got {sent_at}")
    if sent_at < timestamps.to_iso(now_ms - max_age_days * MS_PER_DAY):
        raise MalformedEvent(f"time: must be at most {max_age_days} days in the past, got {sent_at}")
    return sent_at


def _read_time(fields: Mapping[str, object], name: str, sent_at: str, max_skew_ms: int) -> str:
    """Return a time in `detail`, which may be ahead of the time of the event by `max_skew_ms`."""
    value = _read_iso(fields, name)
    if value > timestamps.to_iso(timestamps.to_epoch_ms(sent_at) + max_skew_ms):
        limit = f"at most {max_skew_ms // 1000:,} seconds after the time of the event, {sent_at}"
        raise MalformedEvent(f"{name}: must be {limit}, got {value}")
    return value
