"""A submission: as an event on the bus, as an item of the table, and as an update on the wire."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from re import Pattern
from typing import TYPE_CHECKING, Any, Final, Literal, NotRequired, TypedDict, cast

from ..runtime import timestamps
from ..runtime.identifiers import FORM_ID, STATUS, SUBMISSION_ID, TENANT_ID, problem, quoted

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

RECEIVED: Final = "submission.received"
UPDATED: Final = "submission.updated"
DEFAULT_STATUS: Final = "processing"
DELETED: Final = "deleted"
"""The status of a submission that is to go: a write like any other, that every client sees."""

MAX_PAYLOAD_BYTES: Final = 384 * 1024
"""DynamoDB takes items of 400 KB; the rest of one is below 2 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html"""

MAX_TEXT: Final = 1024
"""Characters of a text in an item, as many as a sort key's bytes: whoever wrote it, its update then fits a frame."""

EventName = Literal["insert", "modify", "remove"]
"""What happened to a submission. To a subscription it may also `leave`."""
MESSAGES: Final[Mapping[EventName, str]] = {
    "insert": "New form submission received",
    "modify": "Form submission updated",
    "remove": "Form submission removed",
}


class MalformedEvent(ValueError):
    """An event that can never be stored; the text names the field and its value."""


class MalformedItem(ValueError):
    """An item of the table that is no submission; the text names the attribute."""


class UpdateData(TypedDict):
    """`data` of an update, as `protocol.md` fixes it."""

    tenant_id: str
    submission_id: str
    form_id: str
    status: str
    version: int
    submitted_at: str
    updated_at: str
    timestamp: str
    message: str
    event: EventName
    expires_at: NotRequired[int]


class LeaveData(TypedDict):
    """`data` of a `leave`: the submission changed, and the subscription's filter no longer matches it."""

    tenant_id: str
    submission_id: str
    version: int
    event: Literal["leave"]


class Update(TypedDict):
    """One change of one submission, as it goes to a client."""

    event: EventName | Literal["leave"]
    data: UpdateData | LeaveData


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
            raise MalformedEvent(f"detail-type: must be {RECEIVED} or {UPDATED}, got {quoted(kind)}")
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


@dataclass(frozen=True, slots=True)
class Submission:
    """What the table knows of a submission, without its payload: no dashboard is sent one."""

    tenant_id: str
    submission_id: str
    form_id: str
    status: str
    version: int
    submitted_at: str
    updated_at: str
    expires_at: int | None = None
    """Epoch seconds at which the table drops it; None: never."""

    @classmethod
    def from_item(cls, item: Mapping[str, AttributeValueTypeDef]) -> Submission:
        """Read an item of the table, or an image of one from its stream.

        Raises:
            MalformedItem: an attribute is missing, of another type, or too long.
        """
        tenant_id = _attribute(item, "tenant_id", "S")
        if wrong := problem("tenant_id", TENANT_ID, tenant_id):
            raise MalformedItem(wrong)
        return cls(
            tenant_id=tenant_id,
            submission_id=_attribute(item, "submission_id", "S"),
            form_id=_attribute(item, "form_id", "S"),
            status=_attribute(item, "status", "S"),
            version=_integer(item, "version"),
            submitted_at=_attribute(item, "submitted_at", "S"),
            updated_at=_attribute(item, "updated_at", "S"),
            expires_at=_integer(item, "ttl") if "ttl" in item else None,
        )

    def update(self, event: EventName) -> Update:
        """This submission as an update for a client."""
        data: UpdateData = {
            "tenant_id": self.tenant_id,
            "submission_id": self.submission_id,
            "form_id": self.form_id,
            "status": self.status,
            "version": self.version,
            "submitted_at": self.submitted_at,
            "updated_at": self.updated_at,
            "timestamp": self.updated_at,
            "message": MESSAGES[event],
            "event": event,
        }
        if self.expires_at is not None:
            data["expires_at"] = self.expires_at
        return {"event": event, "data": data}

    def current(self) -> Update:
        """This submission as it stands now: an `insert` where it was never changed, else a `modify`."""
        return self.update("insert" if self.version == 1 else "modify")

    def leave(self) -> Update:
        """This submission for a subscription that no longer sees it."""
        data: LeaveData = {
            "tenant_id": self.tenant_id,
            "submission_id": self.submission_id,
            "version": self.version,
            "event": "leave",
        }
        return {"event": "leave", "data": data}

    @property
    def position(self) -> str:
        """Its place in GSI1, in order of time within its tenant."""
        return f"{self.updated_at}#{self.submission_id}"

    @property
    def is_deleted(self) -> bool:
        """Whether it is to go: it stays for a while, so that every client learns of it."""
        return self.status == DELETED

    def has_expired(self, now_ms: int) -> bool:
        """Whether its time is over. DynamoDB deletes what has expired late, by days at times."""
        return self.expires_at is not None and self.expires_at * 1000 <= now_ms


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
    if wrong := problem(name, shape, value):
        raise MalformedEvent(wrong)
    return value


def _time(fields: Mapping[str, object], name: str, default: str | None = None) -> str:
    if default is not None and name not in fields:
        return default
    value = _text(fields, name)
    try:
        return timestamps.normalise(value)
    except ValueError as error:
        raise MalformedEvent(f"{name}: must be an ISO 8601 time, got {quoted(value)}") from error


def _attribute(item: Mapping[str, AttributeValueTypeDef], name: str, kind: Literal["S", "N"]) -> str:
    value = item.get(name, {}).get(kind)
    if not isinstance(value, str):
        raise MalformedItem(f"{name}: must be of DynamoDB type {kind}")
    if len(value) > MAX_TEXT:
        raise MalformedItem(f"{name}: at most {MAX_TEXT:,} characters, got {len(value):,}")
    return value


def _integer(item: Mapping[str, AttributeValueTypeDef], name: str) -> int:
    value = _attribute(item, name, "N")
    try:
        return int(value)
    except ValueError as error:
        raise MalformedItem(f"{name}: must be a whole number, got {quoted(value)}") from error
