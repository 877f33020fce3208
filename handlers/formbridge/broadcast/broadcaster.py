"""The broadcaster, which posts changes to the connections of their tenants. Pure.

If a tenant needs more posts than one invocation makes, its broadcast is divided into fan-out tasks. These tasks are
sent to the fan-out queue.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, Protocol

from ..posting.delivery import Deadlines, Delivery, Poster, build_closing_delivery
from ..wire import protocol
from .fanout_task import FanoutTask
from .frames import Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..connections.connection import Connection, Span
    from .accounting import Accounting, Tally
    from .changes import Change

RESYNC_FRAME: Final = protocol.encode(protocol.RESYNC).encode()
"""The encoded `resync` frame."""


class TenantConnections(Protocol):
    """A tenant's connections."""

    @property
    def reserved(self) -> int:
        """Number of connections reserved for the tenant, subscribed or not."""
        ...

    @property
    def shards(self) -> int:
        """Number of partitions that may hold rows of the tenant's connections."""
        ...

    @property
    def epoch(self) -> int:
        """Epoch of the tenant's history."""
        ...

    @property
    def subscribed(self) -> Iterator[Connection]:
        """The subscribed connections."""
        ...


class ConnectionReader(Protocol):
    """The part of the connections table that a broadcast uses."""

    def raise_epoch(self, tenant_id: str) -> None:
        """Record that the tenant's history is replaced now."""
        ...

    def read_tenant_connections(self, tenant_id: str) -> TenantConnections:
        """Return a tenant's connections."""
        ...

    def read_shard(self, tenant_id: str, shard: int, span: Span) -> Iterable[Connection]:
        """Return the subscribed connections of a span of a shard."""
        ...

    def split_shard(self, tenant_id: str, shard: int, size: int) -> Sequence[Span]:
        """Divide a shard into spans of `size` rows each."""
        ...


class Queue(Protocol):
    """The fan-out queue. It receives the parts of a task that is too large for one invocation."""

    def send(self, tasks: Sequence[FanoutTask]) -> None:
        """Send tasks to the queue."""
        ...


@dataclass(frozen=True, slots=True)
class Broadcaster:
    """A broadcaster for the connections of one gateway.

    Updates of a tenant go only to connections of that tenant.
    """

    connections: ConnectionReader
    """The connections table."""
    poster: Poster
    """Posts the frames."""
    accounting: Accounting
    """Records the outcomes of deliveries in the connections table."""
    queue: Queue
    """The fan-out queue."""
    threshold: int
    """Approximate maximum number of posts per invocation. A broadcast that needs more posts is divided into tasks of
    about this size."""
    now_ms: Callable[[], int]
    """Returns the current time in epoch milliseconds."""

    def broadcast(self, changes: Mapping[str, Sequence[Change]], deadlines: Deadlines) -> Tally:
        """Post the changes of each tenant to its subscribed connections, according to their filters.

        A failure for one tenant or connection is recorded in the tally and does not affect the others.

        Args:
            changes: The changes by tenant.
            deadlines: The deadlines of the invocation.

        Returns:
            The outcomes of the deliveries, and the failures.
        """
        return self._run(
            [FanoutTask(tenant_id, tenant_changes) for tenant_id, tenant_changes in changes.items()], deadlines
        )

    def run_task(self, task: FanoutTask, deadlines: Deadlines) -> Tally:
        """Run a fan-out task of the queue. Return the outcomes of its deliveries, and the failures."""
        return self._run([task], deadlines)

    def _run(self, tasks: Sequence[FanoutTask], deadlines: Deadlines) -> Tally:
        invocation = _Invocation(self, self.threshold)
        deliveries = invocation.build_deliveries(tasks)
        tally = self.accounting.settle(self.poster.deliver(deliveries, deadlines.posting), deadlines.writing)
        tally.handed_over = invocation.handed_over
        tally.failures += invocation.failures
        return tally


@dataclass(slots=True)
class _Invocation:
    """The state of one invocation."""

    broadcaster: Broadcaster
    posts_left: int
    """Number of posts that the invocation may still make."""
    handed_over: int = 0
    """Number of fan-out tasks sent to the queue."""
    failures: list[Exception] = field(default_factory=list[Exception])
    """Errors of tasks, one per failed task."""

    def build_deliveries(self, tasks: Iterable[FanoutTask]) -> Iterator[Delivery]:
        for task in tasks:
            try:
                yield from self._build_task_deliveries(task)
            except Exception as error:  # noqa: BLE001 - recorded in the tally after all other tenants were processed
                self.failures.append(error)

    def _build_task_deliveries(self, task: FanoutTask) -> Iterator[Delivery]:
        now = self.broadcaster.now_ms()
        if task.shard is None:
            tenant = self._read_tenant(task)
            task = replace(task, epoch=tenant.epoch)
            frames = _build_frames(task, now)
            connections = self._select_from_tenant(task, tenant, _count_frames(frames))
        else:
            frames = _build_frames(task, now)
            connections = self._select_from_shard(task, task.shard, _count_frames(frames))
        for connection in connections:
            if connection.has_expired(now):
                yield build_closing_delivery(connection, protocol.TOKEN_EXPIRED)
            elif frames is None:
                yield build_resync_delivery(connection)
            elif connection_frames := frames.for_connection(connection):
                is_behind = connection.behind_since is not None
                yield Delivery(connection, [RESYNC_FRAME, *connection_frames] if is_behind else connection_frames)

    def _read_tenant(self, task: FanoutTask) -> TenantConnections:
        """Return the tenant's connections. If the task replaces the history, raise the epoch before.

        A client that connects in between then gets a cursor of the new epoch, and its view starts from the new history.
        """
        table = self.broadcaster.connections
        if task.replaces_history:
            table.raise_epoch(task.tenant_id)
        return table.read_tenant_connections(task.tenant_id)

    def _select_from_tenant(self, task: FanoutTask, tenant: TenantConnections, frames: int) -> Iterable[Connection]:
        """Return the tenant's connections that this invocation posts to.

        If they are too many, send a task for each shard to the fan-out queue and return no connections.

        Args:
            task: The task.
            tenant: The tenant's connections.
            frames: Number of frames that a connection without a filter receives.
        """
        posts = tenant.reserved * frames
        if posts <= self.posts_left:
            self.posts_left -= posts
            return tenant.subscribed
        return self._enqueue([task.narrow(shard) for shard in range(tenant.shards)])

    def _select_from_shard(self, task: FanoutTask, shard: int, frames: int) -> Iterable[Connection]:
        """Return the connections of a shard that this invocation posts to.

        If they are too many, send a task for each span to the fan-out queue and return no connections.
        """
        table = self.broadcaster.connections
        if task.span is not None:
            return table.read_shard(task.tenant_id, shard, task.span)
        spans = table.split_shard(task.tenant_id, shard, max(1, self.posts_left // frames))
        if len(spans) == 1:
            return table.read_shard(task.tenant_id, shard, spans[0])
        return self._enqueue([task.narrow(shard, span) for span in spans])

    def _enqueue(self, tasks: Sequence[FanoutTask]) -> Iterable[Connection]:
        """Send tasks to the queue. Return no connections, because this invocation posts to none of them."""
        self.broadcaster.queue.send(tasks)
        self.handed_over += len(tasks)
        return ()


def _build_frames(task: FanoutTask, now_ms: int) -> Frames | None:
    """Return the frames of a task; None if the task posts a `resync`."""
    return Frames(task.tenant_id, task.changes, task.epoch, now_ms) if task.changes is not None else None


def _count_frames(frames: Frames | None) -> int:
    """Return the number of frames that a connection without a filter receives."""
    return max(1, frames.max_frames) if frames else 1


def build_resync_delivery(connection: Connection) -> Delivery:
    """Return a delivery that posts a `resync` frame to a connection."""
    return Delivery(connection, [RESYNC_FRAME])
