"""From a batch of stream records to what changed: of each submission what it is now, and what it was before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from ..submissions.submission import EventName, MalformedItem, Submission, Update
from ..wire.subscription_filter import FIELDS, SubscriptionFilter

EVENT_NAMES: Final[Mapping[str, EventName]] = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}

Identifier = Literal["eventID", "SequenceNumber"]
IDENTIFIERS: Final[tuple[Identifier, ...]] = ("eventID", "SequenceNumber")
"""What of a record a partial failure names: EventBridge's page says the one, libraries the other. To a pipe that wants
the other one it is unknown, and the whole batch comes again, which loses nothing.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-batching-concurrency.html"""


@dataclass(frozen=True, slots=True)
class Change:
    """What a batch tells of one submission."""

    newest: Submission
    event: EventName
    """What made it so."""
    happened_at: int
    """When that was, by the stream: epoch milliseconds, to the second."""
    earlier: tuple[Submission, ...] = ()
    """What else it was, as far as the batch shows: a client may hold any of these."""

    def followed_by(self, later: Change) -> Change:
        """Both, in the stream's order; where that is not the versions' order, the higher version is the newest."""
        # An item that is there again after it was removed begins at version 1 again.
        behind = self._recency > later._recency and later.event != "insert"
        old, new = (later, self) if behind else (self, later)
        return replace(new, earlier=(*old.earlier, old.newest, *new.earlier))

    @property
    def _recency(self) -> tuple[int, bool]:
        """A removal has the version of what it removed, and comes after it."""
        return self.newest.version, self.event == "remove"

    def to_json(self) -> dict[str, Any]:
        """All that a broadcast needs of it, as JSON; of the earlier states one of each that a filter can tell apart."""
        told_apart = {tuple(getattr(state, name) for name in FIELDS): state for state in self.earlier}
        return {
            "newest": asdict(self.newest),
            "event": self.event,
            "happened_at": self.happened_at,
            "earlier": [asdict(state) for state in told_apart.values()],
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Change:
        """What `to_json` made."""
        earlier = tuple(Submission(**state) for state in value["earlier"])
        return cls(Submission(**value["newest"]), value["event"], value["happened_at"], earlier)

    def seen_through(self, wanted: SubscriptionFilter | None) -> Update | None:
        """The change as a subscription sees it: `leave` where it may hold what no longer matches, None for nothing."""
        if wanted is None or wanted.matches(self.newest):
            return self.newest.build_update(self.event)
        if not any(map(wanted.matches, self.earlier)):
            return None
        return self.newest.build_update("remove") if self.event == "remove" else self.newest.build_leave()


@dataclass(slots=True)
class Batch:
    """What a batch of stream records holds."""

    changes: dict[str, list[Change]] = field(default_factory=dict[str, list[Change]])
    """By tenant; one of each submission."""
    malformed: dict[str, str] = field(default_factory=dict[str, str])
    """Why, by the identifier of each record that is no submission."""
    coalesced: int = 0
    """How many of the records tell of a submission of which a newer one tells as well."""

    @classmethod
    def read(cls, records: Sequence[Mapping[str, Any]], identifier: Identifier = "eventID") -> Batch:
        """Sort out the records that a pipe delivered, raw, in stream order."""
        batch = cls()
        changes: dict[tuple[str, str], Change] = {}
        for record in records:
            try:
                change = _change(record)
            except MalformedItem as error:
                named = record["eventID"] if identifier == "eventID" else record["dynamodb"]["SequenceNumber"]
                batch.malformed[str(named)] = str(error)
                continue
            if change.event == "remove" and change.newest.has_expired(change.happened_at):
                continue  # every client knew when, and has dropped it
            key = change.newest.tenant_id, change.newest.submission_id
            if key in changes:
                batch.coalesced += 1
                change = changes[key].followed_by(change)
            changes[key] = change
        for (tenant_id, _), change in changes.items():
            batch.changes.setdefault(tenant_id, []).append(change)
        return batch


def _change(record: Mapping[str, Any]) -> Change:
    event = EVENT_NAMES[record["eventName"]]
    images = record["dynamodb"]
    image = images.get("OldImage" if event == "remove" else "NewImage")
    if image is None:
        raise MalformedItem("the stream carries no images: it must be NEW_AND_OLD_IMAGES")
    newest = Submission.from_item(image)
    happened_at = int(images["ApproximateCreationDateTime"] * 1000)
    return Change(newest, event, happened_at, tuple(_before(images, newest)) if event == "modify" else ())


def _before(images: Mapping[str, Any], newest: Submission) -> Iterator[Submission]:
    """What the submission was before; nothing where it was none, or another tenant's, and so nobody's to see."""
    if "OldImage" not in images:
        raise MalformedItem("the stream carries no old images: it must be NEW_AND_OLD_IMAGES")
    try:
        old = Submission.from_item(images["OldImage"])
    except MalformedItem:
        return
    if old.tenant_id == newest.tenant_id:
        yield old
