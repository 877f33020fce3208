"""What a tenant's connections are told, each (update, connection) accounted for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, Self

from ..connections.connection import Connection, Delivery, Poster, Span, closing
from ..runtime import timestamps
from ..wire import protocol
from .accounting import Accounting, Tally
from .changes import Change
from .fanout_queue import Work
from .frames import Pushes

RESYNC: Final = protocol.encode(protocol.RESYNC).encode()


class Roster(Protocol):
    """A tenant's subscribed connections, as they are read."""

    @property
    def reserved(self) -> int: ...
    @property
    def shards(self) -> int: ...
    @property
    def subscribed(self) -> Iterator[Connection]: ...


class Rosters(Protocol):
    """The connections table, as far as a broadcast reads it."""

    def roster(self, tenant_id: str) -> Roster: ...
    def shard(self, tenant_id: str, shard: int, span: Span) -> Iterable[Connection]: ...
    def spans(self, tenant_id: str, shard: int, size: int) -> Sequence[Span]: ...


class Queue(Protocol):
    """Where work goes that is too much for one Lambda."""

    def send(self, work: Sequence[Work]) -> None: ...


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Until when an invocation may do what, by `time.monotonic`."""

    posting: float
    """What is not posted by then is behind."""
    writing: float
    """What is not written by then has failed."""

    @classmethod
    def of(cls, context: Any) -> Self:
        """Of the time that a Lambda has left, three fifths to post and most of the rest to mark what is left."""
        now, left = time.monotonic(), context.get_remaining_time_in_millis() / 1000
        return cls(now + 0.6 * left, now + 0.9 * left)


@dataclass(frozen=True, slots=True)
class Broadcaster:
    """Tells each tenant's connections, and no other, what changed, or to resync."""

    rosters: Rosters
    poster: Poster
    accounting: Accounting
    queue: Queue
    threshold: int
    """How many posts an invocation makes, about; what would be more goes to the queue, in parts of that size."""
    now_ms: Callable[[], int] = timestamps.now_ms

    def send(self, changes: Mapping[str, Sequence[Change]], deadlines: Deadlines) -> Tally:
        """Every change to every connection of its tenant that sees it; what became of these.

        What failed for some tenant or connection is in the tally, while all others were told.
        """
        return self._do([Work(tenant_id, theirs) for tenant_id, theirs in changes.items()], deadlines)

    def work(self, work: Work, deadlines: Deadlines) -> Tally:
        """What another Lambda handed over."""
        return self._do([work], deadlines)

    def _do(self, work: Sequence[Work], deadlines: Deadlines) -> Tally:
        invocation = _Invocation(self, self.threshold)
        deliveries = invocation.deliveries(work)
        tally = self.accounting.settle(self.poster.deliver(deliveries, deadlines.posting), deadlines.writing)
        tally.handed_over = invocation.handed_over
        tally.failures += invocation.failures
        return tally


@dataclass(slots=True)
class _Invocation:
    """What one invocation takes on, and what it hands over."""

    broadcaster: Broadcaster
    room: int
    """How many posts it may still make."""
    handed_over: int = 0
    failures: list[Exception] = field(default_factory=list[Exception])

    def deliveries(self, work: Iterable[Work]) -> Iterator[Delivery]:
        for one in work:
            try:
                yield from self._of(one)
            except Exception as error:  # noqa: BLE001 - in the tally, once every other tenant had its turn
                self.failures.append(error)

    def _of(self, work: Work) -> Iterator[Delivery]:
        now = self.broadcaster.now_ms()
        pushes = Pushes(work.tenant_id, work.changes, now) if work.changes is not None else None
        frames = max(1, pushes.most) if pushes else 1
        for connection in self._connections(work, frames):
            if connection.has_expired(now):
                yield closing(connection, protocol.TOKEN_EXPIRED)
            elif pushes is None:
                yield resync(connection)
            elif seen := pushes.to(connection):
                yield Delivery(connection, seen if connection.behind is None else [RESYNC, *seen])

    def _connections(self, work: Work, frames: int) -> Iterable[Connection]:
        """Those that are told here and now; none where the queue has the work now."""
        rosters = self.broadcaster.rosters
        if work.shard is None:
            roster = rosters.roster(work.tenant_id)
            posts = roster.reserved * frames
            if posts <= self.room:
                self.room -= posts
                return roster.subscribed
            return self._hand_over([work.of(shard) for shard in range(roster.shards)])
        if work.span is not None:
            return rosters.shard(work.tenant_id, work.shard, work.span)
        spans = rosters.spans(work.tenant_id, work.shard, max(1, self.room // frames))
        if len(spans) == 1:
            return rosters.shard(work.tenant_id, work.shard, spans[0])
        return self._hand_over([work.of(work.shard, span) for span in spans])

    def _hand_over(self, parts: Sequence[Work]) -> Iterable[Connection]:
        self.broadcaster.queue.send(parts)
        self.handed_over += len(parts)
        return ()


def resync(connection: Connection) -> Delivery:
    """Tell a connection that it has missed something."""
    return Delivery(connection, [RESYNC])
