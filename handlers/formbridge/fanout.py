"""What a tenant's connections are told, each (update, connection) accounted for."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol, Self

from . import protocol, timestamps
from .accounting import Accounting, Tally
from .changes import Change
from .connection import Connection, Delivery, Poster, Span, closing
from .pushes import Pushes
from .work import Work

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
    """How many connections of a tenant one Lambda posts to; those of a larger one go to the queue."""
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
        failures: list[Exception] = []
        handed_over: list[Work] = []
        deliveries = self._deliveries(work, handed_over, failures)
        tally = self.accounting.settle(self.poster.deliver(deliveries, deadlines.posting), deadlines.writing)
        tally.handed_over = len(handed_over)
        tally.failures += failures
        return tally

    def _deliveries(
        self, work: Sequence[Work], handed_over: list[Work], failures: list[Exception]
    ) -> Iterator[Delivery]:
        for one in work:
            try:
                yield from self._to(self._connections(one, handed_over), one)
            except Exception as error:  # noqa: BLE001 - in the tally, once every other tenant had its turn
                failures.append(error)

    def _connections(self, work: Work, handed_over: list[Work]) -> Iterable[Connection]:
        """Those that are told here and now; none where the queue has the work now."""
        if work.shard is None:
            roster = self.rosters.roster(work.tenant_id)
            if roster.reserved <= self.threshold:
                return roster.subscribed
            parts = [work.of(shard) for shard in range(roster.shards)]
        elif work.span is None and len(spans := self.rosters.spans(work.tenant_id, work.shard, self.threshold)) > 1:
            parts = [work.of(work.shard, span) for span in spans]
        else:
            return self.rosters.shard(work.tenant_id, work.shard, work.span or Span())
        self.queue.send(parts)
        handed_over += parts
        return ()

    def _to(self, connections: Iterable[Connection], work: Work) -> Iterator[Delivery]:
        pushes = Pushes(work.tenant_id, work.changes, self.now_ms()) if work.changes is not None else None
        for connection in connections:
            if connection.has_expired(self.now_ms()):
                yield closing(connection, protocol.TOKEN_EXPIRED)
            elif pushes is None:
                yield resync(connection)
            elif frames := pushes.to(connection):
                yield Delivery(connection, frames if connection.behind is None else [RESYNC, *frames])


def resync(connection: Connection) -> Delivery:
    """Tell a connection that it has missed something."""
    return Delivery(connection, [RESYNC])
