"""Each delivery ends in the connections table: posted, gone and its row removed, or behind and its row marked."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor, wait
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from . import timestamps
from .connection import Connection, ConnectionKey, Outcome, Receipt

YOUNG_MS: Final = 10_000
"""A connection this young may not exist yet for @connections, which answers 410 until `$connect` has returned."""

WRITES_AT_A_TIME: Final = 32
"""Threads that write to the connections table."""

SHOWN_FAILURES: Final = 10
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
    """Rows of connections that were found to be gone."""
    handed_over: int = 0
    """Shards whose connections the fan-out queue has now."""
    failures: list[Exception] = field(default_factory=list[Exception])
    """Why connections are not accounted for, or could not even be read."""

    def check(self) -> None:
        """All that was to be done was done, or something fails.

        Raises:
            ExceptionGroup: some of it is not accounted for, while all the rest was; the same must be done again.
        """
        if self.failures:
            text = f"{len(self.failures)} failures, connections are not accounted for; the first: {self.failures[0]}"
            raise ExceptionGroup(text, self.failures[:SHOWN_FAILURES])


@dataclass(frozen=True, slots=True)
class Accounting:
    """Notes how deliveries ended."""

    connections: Connections
    writers: Executor
    now_ms: Callable[[], int] = timestamps.now_ms

    def settle(self, receipts: Iterable[Receipt], deadline: float) -> Tally:
        """Note every receipt as it comes, and then write what follows from all of them, until `deadline`.

        410 on a connection that is seconds old says nothing yet: it is marked behind, and keeps its row. Of a failure
        nothing is written, and what is not written by `deadline` (by `time.monotonic`) is a failure too.
        """
        tally = Tally()
        gone: list[Connection] = []
        writes: list[Callable[[], None]] = []
        for receipt in receipts:
            outcome = self._noted(receipt, tally)
            connection = receipt.delivery.connection
            if outcome is Outcome.GONE:
                gone.append(connection)
            elif outcome is Outcome.BEHIND and not receipt.delivery.closes:
                writes.append(partial(self.connections.mark_behind, connection.key, self.now_ms()))
            elif outcome is Outcome.POSTED and connection.behind is not None:
                writes.append(partial(self.connections.clear_behind, connection.key, connection.behind))
            if time.monotonic() > deadline:
                tally.failures.append(TimeoutError("the time was over before every connection was seen"))
                break
        tally.failures += self.write(writes, deadline)
        tally.removed += self.remove(gone, deadline, tally.failures)
        return tally

    def remove(self, gone: Sequence[Connection], deadline: float, failures: list[Exception]) -> int:
        """Remove rows and release their tenants' reservations, one write for all of a tenant; how many there were.

        A row at a time: a batch of DynamoDB's does not say which of the rows were there, and whoever removes a row, be
        it `$disconnect` or this, releases what it reserved, once.
        """
        freed: defaultdict[str, list[int]] = defaultdict(list)

        def delete(connection: Connection) -> None:
            connected_at = self.connections.delete(connection.key)
            if connected_at is not None:
                freed[connection.tenant_id].append(connected_at)

        failures += self.write([partial(delete, connection) for connection in gone], deadline)
        failures += self.write(
            [partial(self.connections.release, tenant_id, reserved) for tenant_id, reserved in freed.items()], deadline
        )
        return sum(map(len, freed.values()))

    def write(self, writes: Sequence[Callable[[], None]], deadline: float) -> list[Exception]:
        """Do all of it, many at a time; what failed."""
        under_way = [self.writers.submit(write) for write in writes]
        done, late = wait(under_way, timeout=max(0.0, deadline - time.monotonic()))
        for write in late:
            write.cancel()
        failures = [error for write in done if isinstance(error := write.exception(), Exception)]
        if late:
            failures.append(TimeoutError(f"{len(late)} rows were not written in time"))
        return failures

    def _noted(self, receipt: Receipt, tally: Tally) -> Outcome | None:
        """How a delivery ended, as far as its row is concerned; None where that is not known."""
        tally.frames += receipt.frames
        tally.sent_bytes += receipt.sent_bytes
        tally.retries += receipt.retries
        if receipt.failure is not None:
            tally.failures.append(receipt.failure)
            return None
        outcome = receipt.outcome
        connection = receipt.delivery.connection
        if receipt.delivery.closes:
            outcome = Outcome.BEHIND if outcome is Outcome.BEHIND else Outcome.GONE
        elif outcome is Outcome.GONE and self.now_ms() - connection.connected_at < YOUNG_MS:
            outcome = Outcome.BEHIND
        tally.outcomes[outcome] += 1
        return outcome
