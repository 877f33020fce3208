"""From a batch of stream records to the frames of every connection, each (update, connection) accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final, Protocol

from . import protocol, timestamps
from .connection import Connection, Outcome, Poster, disconnect
from .cursor import OVERLAP_MS, Cursor
from .submission import EventName, MalformedItem, Submission, Update
from .subscription_filter import SubscriptionFilter

EVENT_NAMES: Final[Mapping[str, EventName]] = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}

YOUNG_MS: Final = 10_000
"""A connection this young may not exist yet for @connections, which answers 410 until `$connect` has returned."""

Result = Outcome | Exception
"""Of one connection: how it ended, or why that is not known."""


class Connections(Protocol):
    """The connections table, as far as a broadcast needs it."""

    def connected(self, tenant_id: str) -> Iterable[Connection]: ...
    def remove(self, tenant_id: str, connection_id: str) -> None: ...
    def mark_behind(self, connection: Connection, since_ms: int) -> None: ...
    def clear_behind(self, connection: Connection) -> None: ...


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

    def seen_through(self, wanted: SubscriptionFilter | None) -> Update | None:
        """The change as a subscription sees it: `leave` where it may hold what no longer matches, None for nothing."""
        if wanted is None or wanted.matches(self.newest):
            return self.newest.update(self.event)
        if not any(map(wanted.matches, self.earlier)):
            return None
        return self.newest.update("remove") if self.event == "remove" else self.newest.leave()


@dataclass(slots=True)
class Batch:
    """What a batch of stream records holds."""

    changes: dict[str, list[Change]] = field(default_factory=dict[str, list[Change]])
    """By tenant; one of each submission."""
    malformed: dict[str, str] = field(default_factory=dict[str, str])
    """Why, by the `eventID` of each record that is no submission."""

    @classmethod
    def read(cls, records: Sequence[Mapping[str, Any]]) -> Batch:
        """Sort out the records that a pipe delivered, raw, in stream order."""
        batch = cls()
        changes: dict[tuple[str, str], Change] = {}
        for record in records:
            try:
                change = _change(record)
            except MalformedItem as error:
                batch.malformed[str(record["eventID"])] = str(error)
                continue
            if change.event == "remove" and change.newest.has_expired(change.happened_at):
                continue  # every client knew when, and has dropped it
            key = change.newest.tenant_id, change.newest.submission_id
            changes[key] = changes[key].followed_by(change) if key in changes else change
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


@dataclass(frozen=True, slots=True)
class Pushes:
    """One tenant's changes as frames, made once for all connections that see the same of them."""

    tenant_id: str
    changes: Sequence[Change]
    now_ms: int
    made: dict[tuple[SubscriptionFilter | None, int], list[str]] = field(
        default_factory=dict[tuple["SubscriptionFilter | None", int], list[str]]
    )

    def to(self, connection: Connection) -> list[str]:
        """The frames of a subscribed connection; none where there is no change for it.

        What its view began with holds whatever lay before that, less the overlap, in its newest version or left out: a
        version that the stream brings late could only bring back what was deleted, or no longer matches.
        """
        known = connection.subscribed_at - OVERLAP_MS
        # Almost always all of them; the first that is new says as much as the moment, and is the same for many.
        first_new = min((change.happened_at for change in self.changes if change.happened_at > known), default=None)
        if first_new is None:
            return []
        view = connection.filter, first_new
        if view not in self.made:
            self.made[view] = list(self._frames(*view))
        return self.made[view]

    def _frames(self, wanted: SubscriptionFilter | None, first_new: int) -> Iterator[str]:
        """The fewest frames of at most 32 KB, what API Gateway bills as one message, that hold what is seen."""
        room = protocol.MAX_PUSH_BYTES - protocol.PUSH_ENVELOPE_BYTES
        part: list[Update] = []
        size = 0
        for change in self.changes:
            update = change.seen_through(wanted) if change.happened_at >= first_new else None
            if update is None:
                continue
            length = protocol.size(update)
            if part and size + length > room:
                yield self._frame(part, wanted)
                part, size = [], 0
            part.append(update)
            size += length
        if part:
            yield self._frame(part, wanted)

    def _frame(self, updates: Sequence[Update], wanted: SubscriptionFilter | None) -> str:
        # It tells how recent the changes are, and acknowledges nothing: what is resumed from is a reply's.
        reached = Cursor(self.tenant_id, max(change.newest.updated_at for change in self.changes))
        return protocol.encode(protocol.push(updates, wanted, reached.encode(), self.now_ms))


@dataclass(frozen=True, slots=True)
class Broadcaster:
    """Sends each tenant's changes to that tenant's subscribed connections, and to no other."""

    connections: Connections
    poster: Poster
    map: Callable[[Callable[[Connection], Result], Iterable[Connection]], Iterable[Result]] = map
    """How the connections of a tenant are worked through; an executor's `map` posts to many at a time."""
    now_ms: Callable[[], int] = timestamps.now_ms

    def send(self, changes: Mapping[str, Sequence[Change]]) -> Counter[Outcome]:
        """Post every change to every connection of its tenant that sees it; how many of these ended in which way.

        Raises:
            ExceptionGroup: connections could be neither posted to nor marked, while all others were; the batch must be
                sent again.
        """
        failures: list[Exception] = []
        totals: Counter[Outcome] = Counter()
        for tenant_id, theirs in changes.items():
            pushes = Pushes(tenant_id, theirs, self.now_ms())
            for result in self.map(partial(self._attempt, pushes), self._concerned(tenant_id, pushes)):
                if isinstance(result, Exception):
                    failures.append(result)
                else:
                    totals[result] += 1
        if failures:
            raise ExceptionGroup("connections that are not accounted for", failures)
        return totals

    def _concerned(self, tenant_id: str, pushes: Pushes) -> Iterator[Connection]:
        """The connections to which there is something to say."""
        for connection in self.connections.connected(tenant_id):
            if connection.has_expired(self.now_ms()) or (connection.subscribed and pushes.to(connection)):
                yield connection

    def _attempt(self, pushes: Pushes, connection: Connection) -> Result:
        try:
            return self._deliver(connection, pushes)
        except Exception as error:  # noqa: BLE001 - raised by `send`, once every other connection has had its turn
            return error

    def _deliver(self, connection: Connection, pushes: Pushes) -> Outcome:
        if connection.has_expired(self.now_ms()):
            return disconnect(connection, protocol.TOKEN_EXPIRED, self.poster, self.connections)
        return post(connection, pushes.to(connection), self.poster, self.connections, self.now_ms())


def post(
    connection: Connection, texts: Sequence[str], poster: Poster, connections: Connections, now_ms: int
) -> Outcome:
    """Post frames to a connection, before them `resync` where it has missed some, and note how that ended.

    410 on a connection that is seconds old says nothing yet: it is marked behind, and keeps its row.
    """
    resync = [protocol.encode(protocol.RESYNC)] if connection.behind is not None else []
    outcome = poster.post(connection.connection_id, [*resync, *texts])
    if outcome is Outcome.GONE and now_ms - connection.connected_at < YOUNG_MS:
        outcome = Outcome.BEHIND
    if outcome is Outcome.GONE:
        connections.remove(connection.tenant_id, connection.connection_id)
    elif outcome is Outcome.BEHIND:
        connections.mark_behind(connection, now_ms)
    elif connection.behind is not None:
        connections.clear_behind(connection)
    return outcome
