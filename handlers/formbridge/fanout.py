"""From a batch of stream records to the frames of every connection, each (update, connection) accounted for."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import partial
from typing import Any, Final, Protocol

from . import protocol, timestamps
from .connection import Connection
from .cursor import Cursor
from .submission import EventName, MalformedItem, Submission, Update

EVENT_NAMES: Final[Mapping[str, EventName]] = {"INSERT": "insert", "MODIFY": "modify", "REMOVE": "remove"}

YOUNG_MS: Final = 10_000
"""A connection this young may not exist yet for @connections, which answers 410 until `$connect` has returned."""


class Outcome(Enum):
    """How a post to a connection ended."""

    POSTED = "posted"
    GONE = "gone"
    BEHIND = "behind"


Result = Outcome | Exception
"""Of one connection: how it ended, or why that is not known."""


class Connections(Protocol):
    """The connections table, as far as a broadcast needs it."""

    def subscribed(self, tenant_id: str) -> Iterable[Connection]: ...
    def remove(self, tenant_id: str, connection_id: str) -> None: ...
    def mark_behind(self, connection: Connection, since_ms: int) -> None: ...
    def clear_behind(self, connection: Connection) -> None: ...


class Poster(Protocol):
    """Posts to connections; raises what is neither posted, gone nor behind."""

    def post(self, connection_id: str, frames: Sequence[str]) -> Outcome: ...
    def close(self, connection_id: str) -> Outcome: ...


@dataclass(slots=True)
class Batch:
    """What a batch of stream records holds."""

    updates: dict[str, list[Update]] = field(default_factory=dict[str, list[Update]])
    """By tenant; of each submission only the newest version."""
    malformed: dict[str, str] = field(default_factory=dict[str, str])
    """Why, by the `eventID` of each record that is no submission."""

    @classmethod
    def read(cls, records: Sequence[Mapping[str, Any]]) -> Batch:
        """Sort out the records that a pipe delivered, raw, in stream order."""
        batch = cls()
        newest: dict[tuple[str, str], Update] = {}
        for record in records:
            try:
                update = _update(record)
            except MalformedItem as error:
                batch.malformed[str(record["eventID"])] = str(error)
                continue
            data = update["data"]
            key = data["tenant_id"], data["submission_id"]
            held = newest.get(key)
            if held is None or _recency(update) >= _recency(held):
                newest[key] = update
        for (tenant_id, _), update in newest.items():
            batch.updates.setdefault(tenant_id, []).append(update)
        return batch


def _recency(update: Update) -> tuple[int, bool]:
    """A removal has the version of what it removed, and comes after it."""
    return update["data"]["version"], update["event"] == "remove"


def _update(record: Mapping[str, Any]) -> Update:
    event = EVENT_NAMES[record["eventName"]]
    change = record["dynamodb"]
    image = change.get("OldImage" if event == "remove" else "NewImage")
    if image is None:
        raise MalformedItem("the stream carries no images: it must be NEW_AND_OLD_IMAGES")
    return Submission.from_item(image).update(event)


def frames(tenant_id: str, updates: Sequence[Update], now_ms: int) -> Iterator[str]:
    """The fewest frames of at most 32 KB, what API Gateway bills as one message, that carry `updates`."""
    room = protocol.MAX_PUSH_BYTES - protocol.PUSH_ENVELOPE_BYTES
    part: list[Update] = []
    size = 0
    for update in updates:
        length = protocol.size(update)
        if part and size + length > room:
            yield _frame(tenant_id, part, now_ms)
            part, size = [], 0
        part.append(update)
        size += length
    if part:
        yield _frame(tenant_id, part, now_ms)


def _frame(tenant_id: str, updates: Sequence[Update], now_ms: int) -> str:
    reached = Cursor(tenant_id, max(update["data"]["updated_at"] for update in updates))
    return protocol.encode(protocol.push(updates, reached.encode(), now_ms))


@dataclass(frozen=True, slots=True)
class Broadcaster:
    """Sends each tenant's updates to that tenant's subscribed connections, and to no other."""

    connections: Connections
    poster: Poster
    map: Callable[[Callable[[Connection], Result], Iterable[Connection]], Iterable[Result]] = map
    """How the connections of a tenant are worked through; an executor's `map` posts to many at a time."""
    now_ms: Callable[[], int] = timestamps.now_ms

    def send(self, updates: Mapping[str, Sequence[Update]]) -> Counter[Outcome]:
        """Post every update to every connection of its tenant; how many connections ended in which way.

        Raises:
            ExceptionGroup: connections could be neither posted to nor marked, while all others were; the batch must be
                sent again.
        """
        failures: list[Exception] = []
        totals: Counter[Outcome] = Counter()
        for tenant_id, changes in updates.items():
            texts = list(frames(tenant_id, changes, self.now_ms()))
            for result in self.map(partial(self._attempt, texts), self.connections.subscribed(tenant_id)):
                if isinstance(result, Exception):
                    failures.append(result)
                else:
                    totals[result] += 1
        if failures:
            raise ExceptionGroup("connections that are not accounted for", failures)
        return totals

    def _attempt(self, texts: Sequence[str], connection: Connection) -> Result:
        try:
            return self._deliver(connection, texts)
        except Exception as error:  # noqa: BLE001 - raised by `send`, once every other connection has had its turn
            return error

    def _deliver(self, connection: Connection, texts: Sequence[str]) -> Outcome:
        now = self.now_ms()
        if connection.expires_at * 1000 <= now:
            return self._expire(connection)
        resync = [protocol.encode(protocol.RESYNC)] if connection.behind is not None else []
        outcome = self.poster.post(connection.connection_id, [*resync, *texts])
        if outcome is Outcome.GONE and now - connection.connected_at < YOUNG_MS:
            outcome = Outcome.BEHIND
        if outcome is Outcome.GONE:
            self.connections.remove(connection.tenant_id, connection.connection_id)
        elif outcome is Outcome.BEHIND:
            self.connections.mark_behind(connection, now)
        elif connection.behind is not None:
            self.connections.clear_behind(connection)
        return outcome

    def _expire(self, connection: Connection) -> Outcome:
        """A connection whose token has expired is told so, closed and forgotten."""
        self.poster.post(connection.connection_id, [protocol.encode(protocol.TOKEN_EXPIRED)])
        if self.poster.close(connection.connection_id) is Outcome.BEHIND:
            return Outcome.BEHIND  # its row stays, for the next try
        self.connections.remove(connection.tenant_id, connection.connection_id)
        return Outcome.GONE
