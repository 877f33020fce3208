"""The accounting, which records the outcome of each delivery in the connections table. Pure.

Each delivery has one of three outcomes: posted, gone or behind. If a connection is gone, its row is removed. If a
connection is behind, its row is marked.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from ..posting.delivery import Outcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from ..connections.connection import Connection, ConnectionKey, Reservation
    from ..posting.delivery import Delivery

YOUNG_CONNECTION_MS: Final = 10_000
"""Age below which a connection may not be open yet. Until `$connect` has returned, @connections answers 410, as it does
for a connection that has ended."""

WRITER_THREADS: Final = 32
"""Number of threads that write to the connections table."""

RELEASE_SECONDS: Final = 10
"""Seconds after which the reservation of a deleted row is released, even if there are more receipts. The recount takes
a reservation without a row for an error if it is not released within a minute."""

MAX_SHOWN_FAILURES: Final = 10
"""Maximum number of failures in an error. If the fault is in the stack, all connections fail in the same way."""


class Connections(Protocol):
    """The part of the connections table that the accounting uses."""

    def delete(self, key: ConnectionKey) -> Reservation | None:
        """Delete a connection's row. Return its reservation, or None if there was no row."""
        ...

    def release(self, tenant_id: str, reservations: Sequence[Reservation]) -> None:
        """Release the reservations of connections whose rows were deleted."""
        ...

    def mark_behind(self, key: ConnectionKey, since_ms: int) -> None:
        """Mark a connection as behind since a time in epoch milliseconds."""
        ...

    def clear_behind(self, key: ConnectionKey, seen_ms: int) -> None:
        """Remove the mark that a connection is behind, if the mark is still `seen_ms`. A newer mark stays."""
        ...

    def record_probe(self, key: ConnectionKey, probed_ms: int) -> None:
        """Record when a probe found a connection open, in epoch milliseconds."""
        ...


@dataclass(slots=True)
class Tally:
    """The totals of an invocation: the outcomes of its deliveries, what was sent, and the failures."""

    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    """Number of deliveries by outcome, as recorded in the connections table."""
    frames: int = 0
    """Number of frames that API Gateway accepted."""
    sent_bytes: int = 0
    """Total size of the accepted frames."""
    retries: int = 0
    """Number of repeated requests."""
    removed: int = 0
    """Number of removed rows. Their connections have ended."""
    handed_over: int = 0
    """Number of fan-out tasks sent to the fan-out queue."""
    last_posted_at: int | None = None
    """When the last successful delivery ended, in epoch milliseconds. None: no delivery was successful."""
    failures: list[Exception] = field(default_factory=list[Exception])
    """Errors of the stack: a post, read or write that was not allowed, failed or did not end in time."""

    def raise_failures(self) -> None:
        """Raise the failures, if there are any, so that the caller of the Lambda repeats the whole invocation.

        Raises:
            ExceptionGroup: There are failures, so some connections are not accounted for. All other connections were
                processed.
        """
        if self.failures:
            message = f"{len(self.failures)} failures, connections are not accounted for; first: {self.failures[0]}"
            raise ExceptionGroup(message, self.failures[:MAX_SHOWN_FAILURES])


class _Delete(NamedTuple):
    """The deletion of a row by a writer thread."""

    tenant_id: str
    reservation: Future[Reservation | None]
    """The reservation of the connection, or None if there was no row."""
    started_at: float
    """When it began, in seconds of the monotonic clock."""


@dataclass(frozen=True, slots=True)
class Accounting:
    """The accounting of one gateway: it records the outcomes of deliveries in the connections table."""

    connections: Connections
    """The connections table."""
    writers: Executor
    """The threads that write to the table."""
    now_ms: Callable[[], int]
    """Returns the current time in epoch milliseconds."""
    monotonic: Callable[[], float]
    """Returns the seconds of the monotonic clock that deadlines are compared with."""
    replaces_marks: bool = True
    """Whether a connection that is already marked as behind gets a new mark if it misses another frame. A broadcast
    must replace the mark. A concurrent resync removes only the mark that it has read, so the new mark stays."""

    def settle(self, receipts: Iterable[Receipt], deadline: float, tally: Tally | None = None) -> Tally:
        """Record each receipt when it arrives, and finish all writes by the deadline.

        Two kinds of connections count as behind, and their rows are not removed. The first is a connection whose
        receipt has a failure. The second is a connection that is younger than `YOUNG_CONNECTION_MS` and has the outcome
        `GONE`, unless the delivery was to close it.

        Args:
            receipts: The receipts of the deliveries.
            deadline: Seconds of the monotonic clock. A write that has not ended by then is a failure.
            tally: Totals to add to; by default a new tally.

        Returns:
            The tally.
        """
        tally = tally or Tally()
        writes: list[Future[None]] = []
        deletes: list[_Delete] = []
        for receipt in receipts:
            outcome = self._count(receipt, tally)
            if outcome is Outcome.GONE:
                deletes.append(self._delete(receipt.delivery.connection))
            elif write := self._build_write(receipt.delivery, outcome):
                writes.append(self.writers.submit(write))
            if deletes and self.monotonic() - deletes[0].started_at >= RELEASE_SECONDS:
                self._release(deletes, deadline, tally)
                deletes.clear()
            if self.monotonic() > deadline:
                tally.failures.append(TimeoutError("the deadline passed before all deliveries were recorded"))
                break
        self._await_writes(writes, deadline, tally)
        self._release(deletes, deadline, tally)
        return tally

    def remove(self, ended: Iterable[Connection], deadline: float, tally: Tally) -> None:
        """Remove the rows of connections that have ended, and release their reservations."""
        self._release([self._delete(connection) for connection in ended], deadline, tally)

    def write(self, writes: Iterable[Callable[[], None]], deadline: float, tally: Tally) -> None:
        """Run writes in the writer threads and wait for them until the deadline."""
        self._await_writes([self.writers.submit(write) for write in writes], deadline, tally)

    def _build_write(self, delivery: Delivery, outcome: Outcome) -> Callable[[], None] | None:
        """Return the write that records the outcome of a delivery to a connection that is not gone, or None."""
        connection = delivery.connection
        if delivery.probes:
            is_open = outcome is Outcome.POSTED
            return partial(self.connections.record_probe, connection.key, self.now_ms()) if is_open else None
        if outcome is Outcome.BEHIND:
            marks = not delivery.closes and (self.replaces_marks or connection.behind_since is None)
            return partial(self.connections.mark_behind, connection.key, self.now_ms()) if marks else None
        if connection.behind_since is not None:
            return partial(self.connections.clear_behind, connection.key, connection.behind_since)
        return None

    def _delete(self, connection: Connection) -> _Delete:
        reservation = self.writers.submit(self.connections.delete, connection.key)
        return _Delete(connection.tenant_id, reservation, self.monotonic())

    def _release(self, deletes: Sequence[_Delete], deadline: float, tally: Tally) -> None:
        """Release the reservations of deleted rows, with one write per period of a tenant and one per user.

        Rows are deleted one by one, because a batch write of DynamoDB does not return which of the rows existed. The
        `$disconnect` Lambda may delete the same row at the same time. Only the caller that deleted the existing row
        releases its reservation, so a reservation is released once.
        """
        done = self._await_writes([delete.reservation for delete in deletes], deadline, tally)
        released: defaultdict[str, list[Reservation]] = defaultdict(list)
        for delete in deletes:
            if delete.reservation in done and (reservation := delete.reservation.result()) is not None:
                released[delete.tenant_id].append(reservation)
        tally.removed += sum(map(len, released.values()))
        self.write(
            [
                partial(self.connections.release, tenant_id, reservations)
                for tenant_id, reservations in released.items()
            ],
            deadline,
            tally,
        )

    def _await_writes(self, writes: Sequence[Future[Any]], deadline: float, tally: Tally) -> set[Future[Any]]:
        """Wait for writes until the deadline and cancel unfinished writes. Return the writes that succeeded."""
        done, late = wait(writes, timeout=max(0.0, deadline - self.monotonic()))
        for write in late:
            write.cancel()
        failed = {write: error for write in done if isinstance(error := write.exception(), Exception)}
        tally.failures += failed.values()
        if late:
            tally.failures.append(TimeoutError(f"{len(late)} rows were not written in time"))
        return done - failed.keys()

    def _count(self, receipt: Receipt, tally: Tally) -> Outcome:
        """Add a receipt to the tally. Return the outcome to record in the connection's row."""
        tally.frames += receipt.frames
        tally.sent_bytes += receipt.sent_bytes
        tally.retries += receipt.retries
        outcome = receipt.outcome
        connection = receipt.delivery.connection
        if receipt.failure is not None:
            tally.failures.append(receipt.failure)
            outcome = Outcome.BEHIND
        elif receipt.delivery.closes:
            outcome = Outcome.BEHIND if outcome is Outcome.BEHIND else Outcome.GONE
        elif outcome is Outcome.GONE and self.now_ms() - connection.connected_at < YOUNG_CONNECTION_MS:
            outcome = Outcome.BEHIND
        if outcome is Outcome.POSTED:
            tally.last_posted_at = self.now_ms()
        tally.outcomes[outcome] += 1
        return outcome
