"""What a tenant's connections are told, each (update, connection) accounted for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from ..connections.connection import Connection, Span
from ..posting.delivery import Deadlines, Delivery, Poster, build_closing_delivery
from ..wire import protocol
from .accounting import Accounting, Tally
from .changes import Change
from .fanout_task import FanoutTask
from .frames import Frames

RESYNC_FRAME: Final = protocol.encode(protocol.RESYNC).encode()


class TenantConnections(Protocol):
    """A tenant's subscribed connections, as they are read."""

    @property
    def reserved(self) -> int: ...
    @property
    def shards(self) -> int: ...
    @property
    def subscribed(self) -> Iterator[Connection]: ...


class ConnectionReader(Protocol):
    """The connections table, as far as a broadcast reads it."""

    def read_tenant_connections(self, tenant_id: str) -> TenantConnections: ...
    def read_shard(self, tenant_id: str, shard: int, span: Span) -> Iterable[Connection]: ...
    def split_shard(self, tenant_id: str, shard: int, size: int) -> Sequence[Span]: ...


class Queue(Protocol):
    """Where work goes that is too much for one Lambda."""

    def send(self, tasks: Sequence[FanoutTask]) -> None: ...


@dataclass(frozen=True, slots=True)
class Broadcaster:
    """Tells each tenant's connections, and no other, what changed, or to resync."""

    connections: ConnectionReader
    poster: Poster
    accounting: Accounting
    queue: Queue
    threshold: int
    """How many posts an invocation makes, about; what would be more goes to the queue, in parts of that size."""
    now_ms: Callable[[], int]

    def broadcast(self, changes: Mapping[str, Sequence[Change]], deadlines: Deadlines) -> Tally:
        """Every change to every connection of its tenant that sees it; what became of these.

        What failed for some tenant or connection is in the tally, while all others were told.
        """
        return self._run(
            [FanoutTask(tenant_id, tenant_changes) for tenant_id, tenant_changes in changes.items()], deadlines
        )

    def run_task(self, task: FanoutTask, deadlines: Deadlines) -> Tally:
        """What another Lambda handed over."""
        return self._run([task], deadlines)

    def _run(self, tasks: Sequence[FanoutTask], deadlines: Deadlines) -> Tally:
        invocation = _Invocation(self, self.threshold)
        deliveries = invocation.deliveries(tasks)
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

    def deliveries(self, tasks: Iterable[FanoutTask]) -> Iterator[Delivery]:
        for task in tasks:
            try:
                yield from self._task_deliveries(task)
            except Exception as error:  # noqa: BLE001 - in the tally, once every other tenant had its turn
                self.failures.append(error)

    def _task_deliveries(self, task: FanoutTask) -> Iterator[Delivery]:
        now = self.broadcaster.now_ms()
        frames = Frames(task.tenant_id, task.changes, now) if task.changes is not None else None
        frames_per_connection = max(1, frames.max_frames) if frames else 1
        for connection in self._connections(task, frames_per_connection):
            if connection.has_expired(now):
                yield build_closing_delivery(connection, protocol.TOKEN_EXPIRED)
            elif frames is None:
                yield build_resync_delivery(connection)
            elif visible := frames.for_connection(connection):
                yield Delivery(connection, visible if connection.behind_since is None else [RESYNC_FRAME, *visible])

    def _connections(self, task: FanoutTask, frames: int) -> Iterable[Connection]:
        """Those that are told here and now; none where the queue has the work now."""
        table = self.broadcaster.connections
        if task.shard is None:
            tenant = table.read_tenant_connections(task.tenant_id)
            posts = tenant.reserved * frames
            if posts <= self.room:
                self.room -= posts
                return tenant.subscribed
            return self._hand_over([task.narrow(shard) for shard in range(tenant.shards)])
        if task.span is not None:
            return table.read_shard(task.tenant_id, task.shard, task.span)
        spans = table.split_shard(task.tenant_id, task.shard, max(1, self.room // frames))
        if len(spans) == 1:
            return table.read_shard(task.tenant_id, task.shard, spans[0])
        return self._hand_over([task.narrow(task.shard, span) for span in spans])

    def _hand_over(self, parts: Sequence[FanoutTask]) -> Iterable[Connection]:
        self.broadcaster.queue.send(parts)
        self.handed_over += len(parts)
        return ()


def build_resync_delivery(connection: Connection) -> Delivery:
    """Tell a connection that it has missed something."""
    return Delivery(connection, [RESYNC_FRAME])
