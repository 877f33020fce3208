"""A submission: an item of the submissions table, and an update for clients."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, NamedTuple, NotRequired, TypedDict

from ..runtime import keys
from ..runtime.identifiers import TENANT_ID, describe_mismatch, quote

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

DELETED: Final = "deleted"
"""The status of a submission that is to go: a write like any other, that every client sees."""

MAX_ATTRIBUTE_LENGTH: Final = 1024
"""Characters of a text in an item, as many as a sort key's bytes: whoever wrote it, its update then fits a frame."""

EventName = Literal["insert", "modify", "remove"]
"""What happened to a submission. To a subscription it may also `leave`."""
MESSAGES: Final[Mapping[EventName, str]] = {
    "insert": "New form submission received",
    "modify": "Form submission updated",
    "remove": "Form submission removed",
}


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
        if wrong := describe_mismatch("tenant_id", TENANT_ID, tenant_id):
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

    def build_update(self, event: EventName) -> Update:
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

    def build_current(self) -> Update:
        """This submission as it stands now: an `insert` where it was never changed, else a `modify`."""
        return self.build_update("insert" if self.version == 1 else "modify")

    def build_leave(self) -> Update:
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
        return keys.submission_position(self.updated_at, self.submission_id)

    @property
    def is_deleted(self) -> bool:
        """Whether it is to go: it stays for a while, so that every client learns of it."""
        return self.status == DELETED

    def has_expired(self, now_ms: int) -> bool:
        """Whether its time is over. DynamoDB deletes what has expired late, by days at times."""
        return self.expires_at is not None and self.expires_at * 1000 <= now_ms


class Page(NamedTuple):
    """Consecutive submissions of one tenant, in the order of `GSI1` or in reverse."""

    submissions: Sequence[Submission]
    reached: str | None
    """Position of the last item that was read; None if there are no more items."""


def _attribute(item: Mapping[str, AttributeValueTypeDef], name: str, kind: Literal["S", "N"]) -> str:
    value = item.get(name, {}).get(kind)
    if not isinstance(value, str):
        raise MalformedItem(f"{name}: must be of DynamoDB type {kind}")
    if len(value) > MAX_ATTRIBUTE_LENGTH:
        raise MalformedItem(f"{name}: at most {MAX_ATTRIBUTE_LENGTH:,} characters, got {len(value):,}")
    return value


def _integer(item: Mapping[str, AttributeValueTypeDef], name: str) -> int:
    value = _attribute(item, name, "N")
    try:
        return int(value)
    except ValueError as error:
        raise MalformedItem(f"{name}: must be a whole number, got {quote(value)}") from error
