"""The broadcaster, which posts changes to the connections of their tenants. Pure.

If a tenant needs more posts than one invocation makes, its broadcast is divided into fan-out tasks. These tasks are
sent to the fan-out queue.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from ..posting.delivery import Deadlines, Delivery, Poster, build_closing_delivery
from ..wire import protocol
from .fair_queue import FairQueue, Step
from .fanout_task import FanoutTask
from .filter_work import find_span_size, measure_filters
from .frames import Frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from ..connections.connection import Connection, Span
    from .accounting import Accounting, Tally
    from .changes import Change

RESYNC_FRAME: Final = protocol.encode(protocol.RESYNC).encode()
"""The encoded `resync` frame."""
SMALL_POSTS: Final = 8
"""Number of posts up to which a tenant is served at once. It is so small that the other tenants hardly wait."""
ROW_BYTES: Final = 250
"""Size of a connection's row without its subscription filter, in bytes."""
ROW_BYTES_PER_POST: Final = 4_096
"""Bytes of rows whose reading takes as long as one post: one read unit of DynamoDB."""


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
    def filter_costs(self) -> Sequence[int]:
        """Costs of the distinct subscription filters of the connections."""
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
    """Approximate maximum number of posts per invocation, including the work of evaluating filters. A broadcast that
    needs more posts is divided into tasks of about this size."""
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


class _Opened(NamedTuple):
    """A broadcast to a whole tenant, after the first page of the tenant's connections was read."""

    task: FanoutTask
    tenant: TenantConnections
    frames: Frames | None
    """The frames; None if the task posts a `resync`."""
    posts: float
    """Number of posts that the broadcast needs, including the work of evaluating filters."""


@dataclass(slots=True)
class _Invocation:
    """The state of one invocation."""

    broadcaster: Broadcaster
    posts_left: float
    """Number of posts that the invocation may still make."""
    handed_over: int = 0
    """Number of fan-out tasks sent to the queue."""
    failures: list[Exception] = field(default_factory=list[Exception])
    """Errors of tasks, one per failed task."""

    def build_deliveries(self, tasks: Sequence[FanoutTask]) -> Iterator[Delivery]:
        """Yield the deliveries of all tasks in turns.

        A small tenant is served as soon as its connections were read. The other tenants wait until all tenants were
        read, and are then served in turns, the smallest first. A tenant for which no posts are left is handed over.
        Therefore a large tenant takes neither the time nor the posts of a smaller one.
        """
        larger: list[_Opened] = []
        for task in tasks:
            for step in self._guard(self._start(task, larger)):
                if step.delivery is not None:
                    yield step.delivery
        turns = FairQueue()
        for opened in sorted(larger, key=lambda each: each.posts):
            turns.add(self._guard(self._admit(opened)))
        yield from turns.serve()

    def _guard(self, steps: Iterator[Step]) -> Iterator[Step]:
        """Yield steps. If one fails, record the error, so that the other tenants are served."""
        try:
            yield from steps
        except Exception as error:  # noqa: BLE001 - recorded in the tally after all other tenants were processed
            self.failures.append(error)

    def _start(self, task: FanoutTask, larger: list[_Opened]) -> Iterator[Step]:
        """Serve a task of the queue or a small tenant. Add a larger tenant to `larger`."""
        now = self.broadcaster.now_ms()
        if task.shard is not None:
            frames = _build_frames(task, now)
            yield from self._serve(self._select_from_shard(task, task.shard, frames), frames, now)
            return
        opened = self._open(task, now)
        if opened.posts > SMALL_POSTS:
            larger.append(opened)
        else:
            yield from self._admit(opened)

    def _open(self, task: FanoutTask, now: int) -> _Opened:
        """Read a tenant. If the task replaces the history, raise the epoch before.

        A client that connects in between then gets a cursor of the new epoch, and its view starts from the new history.
        """
        table = self.broadcaster.connections
        if task.replaces_history:
            table.raise_epoch(task.tenant_id)
        tenant = table.read_tenant_connections(task.tenant_id)
        task = replace(task, epoch=tenant.epoch, filter_costs=tenant.filter_costs)
        frames = _build_frames(task, now)
        work = measure_filters(tenant.filter_costs, frames.versions) if frames else 0
        return _Opened(task, tenant, frames, tenant.reserved * _count_frames(frames) + work)

    def _admit(self, opened: _Opened) -> Iterator[Step]:
        """Serve a tenant, or send a task for each of its shards to the fan-out queue if it needs too many posts."""
        if opened.posts > self.posts_left:
            self._enqueue([opened.task.narrow(shard) for shard in range(opened.tenant.shards)])
            return
        self.posts_left -= opened.posts
        yield from self._serve(opened.tenant.subscribed, opened.frames, self.broadcaster.now_ms())

    def _serve(self, connections: Iterable[Connection], frames: Frames | None, now: int) -> Iterator[Step]:
        """Yield the steps of the deliveries to connections."""
        for connection in connections:
            if frames is not None:
                for posts in frames.prepare(connection.filter):
                    yield Step(None, posts)
            delivery = _build_delivery(connection, frames, now)
            posts = len(delivery.frames) + delivery.closes if delivery else 0
            yield Step(delivery, posts + _measure_row(connection))

    def _select_from_shard(self, task: FanoutTask, shard: int, frames: Frames | None) -> Iterable[Connection]:
        """Return the connections of a shard that this invocation posts to.

        If they are too many, send a task for each span to the fan-out queue and return no connections.
        """
        table = self.broadcaster.connections
        if task.span is not None:
            return table.read_shard(task.tenant_id, shard, task.span)
        versions = frames.versions if frames else 0
        size = find_span_size(self.posts_left, _count_frames(frames), task.filter_costs if frames else (), versions)
        spans = table.split_shard(task.tenant_id, shard, size)
        if len(spans) == 1:
            return table.read_shard(task.tenant_id, shard, spans[0])
        self._enqueue([task.narrow(shard, span) for span in spans])
        return ()

    def _enqueue(self, tasks: Sequence[FanoutTask]) -> None:
        self.broadcaster.queue.send(tasks)
        self.handed_over += len(tasks)


def _build_delivery(connection: Connection, frames: Frames | None, now_ms: int) -> Delivery | None:
    """Return the delivery to a subscribed connection; None if no change concerns it.

    Args:
        connection: The connection.
        frames: The frames; None to post a `resync`.
        now_ms: Current time in epoch milliseconds.
    """
    if connection.has_expired(now_ms):
        return build_closing_delivery(connection, protocol.TOKEN_EXPIRED)
    if frames is None:
        return build_resync_delivery(connection)
    connection_frames = frames.for_connection(connection)
    if not connection_frames:
        return None
    is_behind = connection.behind_since is not None
    return Delivery(connection, [RESYNC_FRAME, *connection_frames] if is_behind else connection_frames)


def _measure_row(connection: Connection) -> float:
    """Return the number of posts that take as long as reading a connection's row."""
    length = len(connection.filter.text) if connection.filter is not None else 0
    return (ROW_BYTES + length) / ROW_BYTES_PER_POST


def _build_frames(task: FanoutTask, now_ms: int) -> Frames | None:
    """Return the frames of a task; None if the task posts a `resync`."""
    return Frames(task.tenant_id, task.changes, task.epoch, now_ms) if task.changes is not None else None


def _count_frames(frames: Frames | None) -> int:
    """Return the number of frames that a connection without a filter receives."""
    return max(1, frames.max_frames) if frames else 1


def build_resync_delivery(connection: Connection) -> Delivery:
    """Return a delivery that posts a `resync` frame to a connection."""
    return Delivery(connection, [RESYNC_FRAME])
