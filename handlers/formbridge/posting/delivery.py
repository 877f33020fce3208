"""A delivery to one connection and its outcome."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from ..connections.connection import Connection
from ..wire import protocol


class Outcome(Enum):
    """How a delivery to a connection ended."""

    POSTED = "posted"
    GONE = "gone"
    BEHIND = "behind"


@dataclass(frozen=True, slots=True)
class Delivery:
    """What is to be done on one connection."""

    connection: Connection
    frames: Sequence[bytes]
    """Posted in order, up to the first that fails. The same frame to many connections is one object."""
    closes: bool = False
    """Whether the connection is closed afterwards, however the posts ended; the outcome is then that of closing it."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """How a delivery ended."""

    delivery: Delivery
    outcome: Outcome
    failure: Exception | None = None
    """Why the outcome says nothing of the connection: what the stack itself does not allow or cannot do."""
    frames: int = 0
    """How many frames API Gateway took."""
    sent_bytes: int = 0
    """Of these frames."""
    retries: int = 0
    """Requests that were made again."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadlines of one invocation, in seconds of the monotonic clock."""

    posting: float
    """Posts that have not ended by then leave their connection behind."""
    writing: float
    """Writes that have not ended by then have failed."""

    @classmethod
    def split(cls, now: float, seconds_left: float) -> Deadlines:
        """Divide the time that a Lambda has left: three fifths for posting, most of the rest for writing."""
        return cls(now + 0.6 * seconds_left, now + 0.9 * seconds_left)


class Poster(Protocol):
    """Posts to connections through @connections."""

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        """Make deliveries, many at a time; the receipt of each, in the order in which they end.

        `deliveries` is asked for the next one when there is room for it. At `deadline`, by `time.monotonic`, whatever
        has not ended, or not begun, is behind.
        """
        ...


def build_closing_delivery(connection: Connection, reason: protocol.Frame) -> Delivery:
    """The end of a connection: `reason`, a `disconnect` frame, goes before, as API Gateway can set no close code."""
    return Delivery(connection, [protocol.encode(reason).encode()], closes=True)
