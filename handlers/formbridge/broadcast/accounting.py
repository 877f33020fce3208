"""Each delivery ends in the connections table: posted, gone and its row removed, or behind and its row marked."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, Future, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol

from ..connections.connection import Connection, ConnectionKey
from ..posting.delivery import Outcome, Receipt

YOUNG_CONNECTION_MS: Final = 10_000
"""A connection this young may not exist yet for @connections, which answers 410 until `$connect` has returned."""

WRITER_THREADS: Final = 32
"""Threads that write to the connections table."""

MAX_SHOWN_FAILURES: Final = 10
"""How many of what failed an error holds: where the stack is at fault, all connections fail alike."""


class Connections(Protocol):
    """The connections table, as far as the accounting needs it."""

    def delete(self, key: ConnectionKey) -> int | None: ...
    def release(self, tenant_id: str, connected_at: Iterable[int]) -> None: ...
    def mark_behind(self, key: ConnectionKey, since_ms: int) -> None: ...
    def clear_behind(self, key: ConnectionKey, seen_ms: int) -> None: ...


@dataclass(slots=True)
class Tally:
    """What became of deliveries."""

    outcomes: Counter[Outcome] = field(default_factory=Counter[Outcome])
    frames: int = 0
    """How many frames API Gateway took."""
    sent_bytes: int = 0
    """Of these frames."""
    retries: int = 0
    removed: int = 0
    """Rows of connections that had ended."""
    handed_over: int = 0
    """Parts of tenants' connections that the fan-out queue has now."""
    last_posted_at: int | None = None
    """When the last post that went well ended, in epoch milliseconds; None: none did."""
    failures: list[Exception] = field(default_factory=list[Exception])
    """Why the stack could not post to, read or write something."""

    def raise_failures(self) -> None:
        """All that was to be done was done, or something fails.

        Raises:
            ExceptionGroup: some of it failed, while all the rest had its turn; the same must be done again.
        """
        if self.failures:
            text = f"{len(self.failures)} failures, connections are not accounted for; the first: {self.failures[0]}"
            raise ExceptionGroup(text, self.failures[:MAX_SHOWN_FAILURES])


@dataclass(frozen=True, slots=True)
class Accounting:
    """Notes how deliveries ended."""

    connections: Connections
    writers: Executor
    now_ms: Callable[[], int]
    """Current time in epoch milliseconds."""
    monotonic: Callable[[], float]
    """Seconds of the clock that deadlines are compared with."""
    replaces_marks: bool = True
    """Whether a row that has a mark gets a new one. It must where something new was missed: whoever tells the
    connection to resync takes away the mark that it has seen, and no other."""

    def settle(self, receipts: Iterable[Receipt], deadline: float, tally: Tally | None = None) -> Tally:
        """Note every receipt as it comes, and have written what follows from all of them at `deadline`.

        410 on a connection that is seconds old says nothing yet: it is marked behind, and keeps its row. So it is where
        the stack is at fault, and the receipt has a failure. What is not written by `deadline` (by `time.monotonic`) is
        a failure too. `tally`: what was noted before; by default nothing.
        """
        tally = tally or Tally()
        writes: list[Future[None]] = []
        deletes: list[tuple[str, Future[int | None]]] = []
        for receipt in receipts:
            outcome = self._noted(receipt, tally)
            connection = receipt.delivery.connection
            if outcome is Outcome.GONE:
                deletes.append(self._delete(connection))
            elif outcome is Outcome.BEHIND:
                if not receipt.delivery.closes and (self.replaces_marks or connection.behind_since is None):
                    writes.append(self.writers.submit(self.connections.mark_behind, connection.key, self.now_ms()))
            elif connection.behind_since is not None:
                writes.append(
                    self.writers.submit(self.connections.clear_behind, connection.key, connection.behind_since)
                )
            if self.monotonic() > deadline:
                tally.failures.append(TimeoutError("the time was over before every connection was seen"))
                break
        self._finish(writes, deadline, tally)
        self._release(deletes, deadline, tally)
        return tally

    def remove(self, ended: Iterable[Connection], deadline: float, tally: Tally) -> None:
        """Remove the rows of connections that have ended."""
        self._release([self._delete(connection) for connection in ended], deadline, tally)

    def write(self, writes: Iterable[Callable[[], None]], deadline: float, tally: Tally) -> None:
        """Do all of it, many at a time."""
        self._finish([self.writers.submit(write) for write in writes], deadline, tally)

    def _delete(self, connection: Connection) -> tuple[str, Future[int | None]]:
        return connection.tenant_id, self.writers.submit(self.connections.delete, connection.key)

    def _release(self, deletes: Sequence[tuple[str, Future[int | None]]], deadline: float, tally: Tally) -> None:
        """Release what the deleted rows had reserved, one write for all of a tenant.

        A row at a time is deleted: a batch of DynamoDB's does not say which of the rows were there, and whoever removes
        a row, be it `$disconnect` or this, releases what it reserved, once.
        """
        done = self._finish([delete for _, delete in deletes], deadline, tally)
        freed: defaultdict[str, list[int]] = defaultdict(list)
        for tenant_id, delete in deletes:
            if delete in done and (connected_at := delete.result()) is not None:
                freed[tenant_id].append(connected_at)
        tally.removed += sum(map(len, freed.values()))
        self.write(
            [partial(self.connections.release, tenant_id, reserved) for tenant_id, reserved in freed.items()],
            deadline,
            tally,
        )

    def _finish(self, writes: Sequence[Future[Any]], deadline: float, tally: Tally) -> set[Future[Any]]:
        """Wait for writes; those that went well."""
        done, late = wait(writes, timeout=max(0.0, deadline - self.monotonic()))
        for write in late:
            write.cancel()
        failed = {write: error for write in done if isinstance(error := write.exception(), Exception)}
        tally.failures += failed.values()
        if late:
            tally.failures.append(TimeoutError(f"{len(late)} rows were not written in time"))
        return done - failed.keys()

    def _noted(self, receipt: Receipt, tally: Tally) -> Outcome:
        """How a delivery ended, as far as its row is concerned."""
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
