"""Changes of submissions: a batch of stream records, reduced to one change per submission. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from ..submissions.submission import EventName, MalformedItem, Submission, Update
from ..wire.subscription_filter import FIELDS, SubscriptionFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EVENT_NAMES: Final[Mapping[str, EventName]] = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}
"""The event of an update, by `eventName` of a stream record."""

Identifier = Literal["eventID", "SequenceNumber"]
"""A field that identifies a stream record."""
IDENTIFIERS: Final[tuple[Identifier, ...]] = ("eventID", "SequenceNumber")
"""The two fields of a stream record that may identify the record in a partial failure. EventBridge's documentation
names one field, and libraries use the other. If the response has the field that the pipe does not expect, the pipe
repeats the whole batch, so no record is lost.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html"""


@dataclass(frozen=True, slots=True)
class Change:
    """The change of one submission in a batch of stream records."""

    newest: Submission
    """The newest version of the submission. For a removal, the version that was removed."""
    event: EventName
    """The event that led to the newest version."""
    happened_at: int
    """When the event happened, in epoch milliseconds. The stream gives whole seconds."""
    earlier: tuple[Submission, ...] = ()
    """Earlier versions that the batch contains. A client may hold any of them."""

    def merge(self, later: Change) -> Change:
        """Merge this change with a later change of the same submission, and return the result.

        Args:
            later: The change that follows this change in the stream. If it has a lower version and is not an insert,
                this change stays the newest.
        """
        # An insert is never outdated: a submission that was removed and created again starts at version 1.
        is_outdated = self._recency > later._recency and later.event != "insert"
        old, new = (later, self) if is_outdated else (self, later)
        return replace(new, earlier=(*old.earlier, old.newest, *new.earlier))

    @property
    def _recency(self) -> tuple[int, bool]:
        """The sort key of changes.

        A removal has the same version as the removed submission. It sorts after the change that wrote that version.
        """
        return self.newest.version, self.event == "remove"

    def to_json(self) -> dict[str, Any]:
        """Return the change as a JSON object.

        If several earlier versions are equal in all fields that a subscription filter tests, only the last of them is
        kept.
        """
        distinct = {tuple(getattr(state, name) for name in FIELDS): state for state in self.earlier}
        return {
            "newest": asdict(self.newest),
            "event": self.event,
            "happened_at": self.happened_at,
            "earlier": [asdict(state) for state in distinct.values()],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Change:
        """Return the change that `to_json` converted to a JSON object."""
        earlier = tuple(Submission(**state) for state in value["earlier"])
        return cls(Submission(**value["newest"]), value["event"], value["happened_at"], earlier)

    def to_update(self, subscription_filter: SubscriptionFilter | None) -> Update | None:
        """Return the update for a subscription.

        Returns:
            An update with the event of the change, if the newest version passes the filter. If only an earlier version
            passes, an update `remove` for a removal and `leave` otherwise, because the client may hold the earlier
            version. None if no version passes.
        """
        if subscription_filter is None or subscription_filter.matches(self.newest):
            return self.newest.build_update(self.event)
        if not any(map(subscription_filter.matches, self.earlier)):
            return None
        return self.newest.build_update("remove") if self.event == "remove" else self.newest.build_leave()


@dataclass(slots=True)
class Batch:
    """The changes and the malformed records of a batch of stream records."""

    changes: dict[str, list[Change]] = field(default_factory=dict[str, list[Change]])
    """The changes by tenant, one per submission."""
    malformed: dict[str, str] = field(default_factory=dict[str, str])
    """The reason for each malformed record, by the record's identifier."""
    coalesced: int = 0
    """Number of records that were merged into the change of another record of the same submission."""

    @classmethod
    def read(cls, records: Sequence[Mapping[str, Any]], identifier: Identifier = "eventID") -> Batch:
        """Read the records that a pipe delivered.

        Args:
            records: Raw stream records in the order of the stream.
            identifier: The field that identifies a record in a partial failure.
        """
        batch = cls()
        changes: dict[tuple[str, str], Change] = {}
        for record in records:
            try:
                change = _parse_change(record)
            except MalformedItem as error:
                value = record["eventID"] if identifier == "eventID" else record["dynamodb"]["SequenceNumber"]
                batch.malformed[str(value)] = str(error)
                continue
            if change.event == "remove" and change.newest.has_expired(change.happened_at):
                continue  # clients received `expires_at` and have dropped the submission already
            key = change.newest.tenant_id, change.newest.submission_id
            if key in changes:
                batch.coalesced += 1
                change = changes[key].merge(change)
            changes[key] = change
        for (tenant_id, _), change in changes.items():
            batch.changes.setdefault(tenant_id, []).append(change)
        return batch


def _parse_change(record: Mapping[str, Any]) -> Change:
    event = EVENT_NAMES[record["eventName"]]
    images = record["dynamodb"]
    image = images.get("OldImage" if event == "remove" else "NewImage")
    if image is None:
        raise MalformedItem("the record has no image: the stream view type must be NEW_AND_OLD_IMAGES")
    newest = Submission.from_item(image)
    happened_at = int(images["ApproximateCreationDateTime"] * 1000)
    return Change(newest, event, happened_at, tuple(_parse_old_image(images, newest)) if event == "modify" else ())


def _parse_old_image(images: Mapping[str, Any], newest: Submission) -> Iterator[Submission]:
    """Yield the version before a modification, unless it is malformed or belongs to another tenant."""
    if "OldImage" not in images:
        raise MalformedItem("the record has no old image: the stream view type must be NEW_AND_OLD_IMAGES")
    try:
        old = Submission.from_item(images["OldImage"])
    except MalformedItem:
        return
    if old.tenant_id == newest.tenant_id:
        yield old
