"""Changes of submissions: a batch of stream records, reduced to one change per submission. Pure."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from ..submissions.submission import EventName, MalformedItem, Submission, Update, is_pending
from ..wire.subscription_filter import FIELDS, SubscriptionFilter

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

EVENT_NAMES: Final[Mapping[str, EventName]] = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}
"""The event of an update, by `eventName` of a stream record."""

MAX_INSERTION_MS: Final = 15_000
"""Milliseconds from the time that persist writes into a new row until DynamoDB inserts the row, at most. The timeout of
the persist Lambda is ten seconds. The rest allows for clocks that differ."""

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
    replaces_history: bool = False
    """Whether persist did not make this change: the row was removed by hand, or an earlier state of it was restored. A
    client cannot recognize such a change by its version, and a resume does not report it."""

    def merge(self, later: Change) -> Change:
        """Merge this change with a later change of the same submission, and return the result.

        Args:
            later: The change that follows this change in the stream. If it is of an earlier version, this change stays
                the newest, unless `later` replaces the history or inserts the row again.
        """
        # An insert follows a removal, and the row of another program may start at version 1 again.
        is_newest = later.event == "insert" or later.replaces_history
        is_outdated = self._recency > later._recency and not is_newest
        old, new = (later, self) if is_outdated else (self, later)
        return replace(
            new,
            earlier=(*old.earlier, old.newest, *new.earlier),
            replaces_history=self.replaces_history or later.replaces_history,
        )

    @property
    def _recency(self) -> tuple[tuple[int, int], bool]:
        """The sort key of changes.

        A removal has the same version as the removed submission. It sorts after the change that wrote that version.
        """
        return self.newest.recency, self.event == "remove"

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

    @property
    def versions(self) -> int:
        """Number of versions of the submission that a filter may have to test."""
        return 1 + len(self.earlier)

    def find_event(self, subscription_filter: SubscriptionFilter | None) -> EventName | Literal["leave"] | None:
        """Return the event of the update for a subscription.

        Returns:
            The event of the change, if the newest version passes the filter. If only an earlier version passes,
            `remove` for a removal and `leave` otherwise, because the client may hold the earlier version. None if no
            version passes.
        """
        if subscription_filter is None or subscription_filter.matches(self.newest):
            return self.event
        if not any(map(subscription_filter.matches, self.earlier)):
            return None
        return "remove" if self.event == "remove" else "leave"

    def build_update(self, event: EventName | Literal["leave"]) -> Update:
        """Return the update with an event that `find_event` returned."""
        return self.newest.build_leave() if event == "leave" else self.newest.build_update(event)


@dataclass(slots=True)
class Batch:
    """The changes and the malformed records of a batch of stream records."""

    changes: dict[str, list[Change]] = field(default_factory=dict[str, list[Change]])
    """The changes by tenant, one per submission."""
    malformed: dict[str, str] = field(default_factory=dict[str, str])
    """The reason for each malformed record, by the record's identifier."""
    coalesced: int = 0
    """Number of records that were merged into the change of another record of the same submission."""

    @property
    def all_changes(self) -> list[Change]:
        """The changes of all tenants."""
        return [change for changes in self.changes.values() for change in changes]

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
            if change is None or (change.event == "remove" and change.newest.has_expired(change.happened_at)):
                continue  # no client has seen the submission, or clients dropped it at its `expires_at`
            key = change.newest.tenant_id, change.newest.submission_id
            if key in changes:
                batch.coalesced += 1
                change = changes[key].merge(change)
            changes[key] = change
        for (tenant_id, _), change in changes.items():
            batch.changes.setdefault(tenant_id, []).append(change)
        return batch


def _parse_change(record: Mapping[str, Any]) -> Change | None:
    """Return the change of a record, or None if the row is pending before and after the change."""
    images = record["dynamodb"]
    happened_at = int(images["ApproximateCreationDateTime"] * 1000)
    event = EVENT_NAMES[record["eventName"]]
    old, new = images.get("OldImage"), images.get("NewImage")
    if (new is None and event != "remove") or (old is None and event != "insert"):
        raise MalformedItem("the record lacks an image: the stream view type must be NEW_AND_OLD_IMAGES")
    old, new = _hide_pending(old), _hide_pending(new)
    if new is None:
        return Change(Submission.from_item(old), "remove", happened_at, replaces_history=True) if old else None
    newest = Submission.from_item(new)
    if event == "insert" or old is None:
        is_restored = event == "insert" and _is_restored(newest, happened_at)
        return Change(newest, "insert", happened_at, replaces_history=is_restored)
    earlier = tuple(_parse_old_image(old, newest))
    is_older = any(state.incarnation > 0 and newest.recency <= state.recency for state in earlier)
    return Change(newest, event, happened_at, earlier, replaces_history=is_older)


def _hide_pending(image: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """Return an image, or None if no client sees the row in this state."""
    return None if image is None or is_pending(image) else image


def _is_restored(inserted: Submission, happened_at: int) -> bool:
    """Return whether a row that was inserted is an earlier row of persist, for example from a backup.

    Persist inserts version 1, and the incarnation of the row is the time of the insertion.
    """
    return inserted.incarnation > 0 and (inserted.version > 1 or inserted.incarnation < happened_at - MAX_INSERTION_MS)


def _parse_old_image(image: Mapping[str, Any], newest: Submission) -> Iterator[Submission]:
    """Yield the version before a modification, unless it is malformed or belongs to another tenant."""
    try:
        old = Submission.from_item(image)
    except MalformedItem:
        return
    if old.tenant_id == newest.tenant_id:
        yield old
