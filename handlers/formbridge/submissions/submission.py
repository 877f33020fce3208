"""A submission, as an item of the submissions table and as an update for clients."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NotRequired, TypedDict

from ..runtime import keys
from ..runtime.identifiers import TENANT_ID, describe_mismatch, quote

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

DELETED: Final = "deleted"
"""Status of a deleted submission. The deletion is a write like any other, so every client receives it."""

REQUIRED_FIELDS: Final = ("form_id", "status", "submitted_at")
"""Attributes that a row needs before clients see the submission."""

MAX_ATTRIBUTE_LENGTH: Final = 1024
"""Maximum number of characters of a string in an item. The limit ensures that every update fits in one frame, even if
another program wrote the item. It is equal to the maximum number of bytes of a sort key in DynamoDB."""

EventName = Literal["insert", "modify", "remove"]
"""Kind of a change in the table. An update for a subscription with a filter can also have the event `leave`."""
MESSAGES: Final[Mapping[EventName, str]] = {
    "insert": "New form submission received",
    "modify": "Form submission updated",
    "remove": "Form submission removed",
}
"""Value of the field `message` of an update, by event."""


class MalformedItem(ValueError):
    """An item of the submissions table that is not a valid submission. The message names the attribute."""


class UpdateData(TypedDict):
    """The `data` of an update, which `docs/protocol.md` specifies."""

    tenant_id: str
    submission_id: str
    form_id: str
    status: str
    version: int
    incarnation: int
    submitted_at: str
    updated_at: str
    timestamp: str
    """Same value as `updated_at`."""
    message: str
    """English sentence about the change, from `MESSAGES`."""
    event: EventName
    expires_at: NotRequired[int]
    """Time at which clients drop the submission, in epoch seconds; absent if the submission does not expire."""


class GoneData(TypedDict):
    """The short `data` of an update for a submission that a subscription no longer contains.

    A `leave` says that the submission does not match the subscription filter. A `remove` says that it does not exist.
    """

    tenant_id: str
    submission_id: str
    version: int
    incarnation: int
    event: Literal["leave", "remove"]


class Update(TypedDict):
    """One change of one submission, in the form that clients receive."""

    event: EventName | Literal["leave"]
    data: UpdateData | GoneData


@dataclass(frozen=True, slots=True)
class Submission:
    """A submission in the table, without its payload. Payloads are never sent to a dashboard."""

    tenant_id: str
    """Tenant that owns the submission."""
    submission_id: str
    """Id of the submission."""
    form_id: str
    """Id of the form that was submitted."""
    status: str
    """Current status; `deleted` marks a deleted submission."""
    version: int
    """Number of writes of this row so far. The first write has version 1."""
    submitted_at: str
    """Time at which the form was submitted: ISO 8601 in UTC with milliseconds."""
    updated_at: str
    """Time of the last write: ISO 8601 in UTC with milliseconds."""
    expires_at: int | None = None
    """Time from which DynamoDB may delete the item, in epoch seconds (attribute `ttl`); None if the submission does not
    expire."""
    incarnation: int = 0
    """Time at which persist created the row, in epoch milliseconds. If a row is deleted and created again, the new row
    starts at version 1 and has a higher incarnation. 0: another program created the row."""

    @classmethod
    def from_item(cls, item: Mapping[str, AttributeValueTypeDef]) -> Submission:
        """Return the submission of a table item or of an item image in a stream record.

        Raises:
            MalformedItem: An attribute is missing, has the wrong type, or is too long.
        """
        tenant_id = _read_attribute(item, "tenant_id", "S")
        if mismatch := describe_mismatch("tenant_id", TENANT_ID, tenant_id):
            raise MalformedItem(mismatch)
        return cls(
            tenant_id=tenant_id,
            submission_id=_read_attribute(item, "submission_id", "S"),
            form_id=_read_attribute(item, "form_id", "S"),
            status=_read_attribute(item, "status", "S"),
            version=_read_integer(item, "version"),
            submitted_at=_read_attribute(item, "submitted_at", "S"),
            updated_at=_read_attribute(item, "updated_at", "S"),
            expires_at=_read_integer(item, "ttl") if "ttl" in item else None,
            incarnation=_read_integer(item, "incarnation") if "incarnation" in item else 0,
        )

    def build_update(self, event: EventName) -> Update:
        """Return the update that tells clients about a change of this submission."""
        data: UpdateData = {
            "tenant_id": self.tenant_id,
            "submission_id": self.submission_id,
            "form_id": self.form_id,
            "status": self.status,
            "version": self.version,
            "incarnation": self.incarnation,
            "submitted_at": self.submitted_at,
            "updated_at": self.updated_at,
            "timestamp": self.updated_at,
            "message": MESSAGES[event],
            "event": event,
        }
        if self.expires_at is not None:
            data["expires_at"] = self.expires_at
        return {"event": event, "data": data}

    def build_current(self) -> Update:
        """Return the current state as an update, with the event `insert` for version 1, else `modify`."""
        return self.build_update("insert" if self.version == 1 else "modify")

    def build_leave(self) -> Update:
        """Return the update for a subscription whose filter no longer matches this submission."""
        data: GoneData = {
            "tenant_id": self.tenant_id,
            "submission_id": self.submission_id,
            "version": self.version,
            "incarnation": self.incarnation,
            "event": "leave",
        }
        return {"event": "leave", "data": data}

    @property
    def recency(self) -> tuple[int, int]:
        """Sort key of the states of one submission: the incarnation, then the version."""
        return self.incarnation, self.version

    @property
    def position(self) -> str:
        """Sort key in `GSI1`, which orders a tenant's submissions by `updated_at`."""
        return keys.submission_position(self.updated_at, self.submission_id)

    @property
    def is_deleted(self) -> bool:
        """Whether the submission is deleted. Its item stays for days, so that clients receive the deletion."""
        return self.status == DELETED

    def has_expired(self, now_ms: int) -> bool:
        """Return whether the submission has expired. DynamoDB may delete its item only days later."""
        return self.expires_at is not None and self.expires_at * 1000 <= now_ms


def build_removal(tenant_id: str, submission_id: str, incarnation: int, version: int) -> Update:
    """Return the update for a submission that a client holds but that does not exist.

    Args:
        tenant_id: Tenant of the client.
        submission_id: Id of the submission.
        incarnation: The incarnation that the client holds.
        version: The version that the client holds.
    """
    data: GoneData = {
        "tenant_id": tenant_id,
        "submission_id": submission_id,
        "version": version,
        "incarnation": incarnation,
        "event": "remove",
    }
    return {"event": "remove", "data": data}


def is_pending(item: Mapping[str, AttributeValueTypeDef]) -> bool:
    """Return whether an item is a row of persist that no client may see yet.

    Such a row exists if an update or a deletion arrives before the event that creates the submission. It lacks
    attributes that every update for clients has.
    """
    return "incarnation" in item and any(name not in item for name in REQUIRED_FIELDS)


class Page(NamedTuple):
    """Consecutive submissions of one tenant, in the order of `GSI1` or in the reverse order."""

    submissions: Sequence[Submission]
    """Submissions that were read. Pending and malformed items are left out."""
    reached: str | None
    """Position of the last item that was read; None if no items are left to read."""


def _read_attribute(item: Mapping[str, AttributeValueTypeDef], name: str, kind: Literal["S", "N"]) -> str:
    value = item.get(name, {}).get(kind)
    if not isinstance(value, str):
        raise MalformedItem(f"{name}: must be of DynamoDB type {kind}")
    if len(value) > MAX_ATTRIBUTE_LENGTH:
        raise MalformedItem(f"{name}: must be at most {MAX_ATTRIBUTE_LENGTH:,} characters, got {len(value):,}")
    return value


def _read_integer(item: Mapping[str, AttributeValueTypeDef], name: str) -> int:
    value = _read_attribute(item, name, "N")
    try:
        return int(value)
    except ValueError as error:
        raise MalformedItem(f"{name}: must be an integer, got {quote(value)}") from error
