"""Deliveries of frames to connections, and their outcomes. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final, Protocol

from ..wire import protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..connections.connection import Connection

POSTING_SHARE: Final = 0.6
"""Fraction of a Lambda's remaining time after which posting ends."""
WRITING_SHARE: Final = 0.9
"""Fraction of a Lambda's remaining time after which writing to the connections table ends."""


class Outcome(Enum):
    """How a delivery to a connection ended."""

    POSTED = "posted"
    """API Gateway accepted every frame, closed the connection as requested, or confirmed that it is open."""
    GONE = "gone"
    """API Gateway has no connection with this id."""
    BEHIND = "behind"
    """The connection missed a frame and must resync. After a probe: it is not known whether the connection is open."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """Frames to post to one connection, and whether to close it afterwards."""

    connection: Connection
    frames: Sequence[bytes]
    """The frames, in the order in which they are posted. If a frame fails, the frames after it are not posted.
    Connections that receive the same frame share one `bytes` object."""
    closes: bool = False
    """Whether to close the connection after the posts, even if a post failed. If true, the outcome of the delivery is
    the outcome of closing."""
    probes: bool = False
    """Whether to ask API Gateway if the connection is open. Such a delivery has no frames and does not close."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The result of a delivery."""

    delivery: Delivery
    outcome: Outcome
    """How the delivery ended."""
    failure: Exception | None = None
    """An error of the stack, such as a missing permission. With such an error, the state of the connection is unknown.
    None: there was no such error."""
    frames: int = 0
    """Number of frames that API Gateway accepted."""
    sent_bytes: int = 0
    """Total size of the accepted frames."""
    retries: int = 0
    """Number of repeated requests."""


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Deadlines of one invocation, in seconds of the monotonic clock."""

    posting: float
    """Time at which posting ends. A connection whose posts have not ended by then is behind."""
    writing: float
    """Time at which writing ends. A write to the connections table that has not ended by then has failed."""

    @classmethod
    def split(cls, now: float, seconds_left: float) -> Deadlines:
        """Return deadlines that divide the time that a Lambda has left.

        Posting ends after `POSTING_SHARE` of that time, and writing ends after `WRITING_SHARE` of it.
        """
        return cls(now + POSTING_SHARE * seconds_left, now + WRITING_SHARE * seconds_left)


class Poster(Protocol):
    """Interface of a poster. A poster posts frames to connections through the @connections endpoint."""

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        """Make deliveries, many at a time. Yield a receipt for each of them, in the order in which they end.

        Args:
            deliveries: The deliveries. The next one is read only when there is capacity for it.
            deadline: A time of the monotonic clock, in seconds. Deliveries that have not ended or not started by then
                have the outcome `BEHIND`.
        """
        ...


def build_closing_delivery(connection: Connection, reason: protocol.Frame) -> Delivery:
    """Return a delivery that closes a connection.

    Args:
        connection: The connection.
        reason: A `disconnect` frame. It is posted first, because API Gateway cannot set a close code.
    """
    return Delivery(connection, [protocol.encode(reason).encode()], closes=True)


def close_connection(poster: Poster, connection: Connection, reason: protocol.Frame, deadline: float) -> bool:
    """Close a connection and return whether it is closed. If API Gateway is busy, it may stay open.

    Args:
        poster: The poster.
        connection: The connection.
        reason: A `disconnect` frame, which is posted first.
        deadline: A time of the monotonic clock, in seconds.

    Raises:
        Exception: An error of the stack, such as a missing permission.
    """
    (receipt,) = poster.deliver([build_closing_delivery(connection, reason)], deadline)
    if receipt.failure is not None:
        raise receipt.failure
    return receipt.outcome is not Outcome.BEHIND


def build_probe(connection: Connection) -> Delivery:
    """Return a delivery that finds out whether a connection is open. API Gateway does not bill it as a message."""
    return Delivery(connection, [], probes=True)
