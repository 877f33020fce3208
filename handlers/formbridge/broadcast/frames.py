"""One tenant's changes as frames, made once for all connections that see the same of them."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from ..connections.connection import Connection
from ..submissions.submission import Update
from ..wire import protocol
from ..wire.cursor import OVERLAP_MS, Cursor
from ..wire.subscription_filter import SubscriptionFilter
from .changes import Change


@dataclass(slots=True)
class Frames:
    """One tenant's changes, for all of its connections."""

    tenant_id: str
    changes: Sequence[Change]
    now_ms: int
    made: dict[tuple[SubscriptionFilter | None, int], list[bytes]] = field(
        default_factory=dict[tuple["SubscriptionFilter | None", int], list[bytes]]
    )
    moments: list[int] = field(init=False)
    """When the changes happened, in order."""

    def __post_init__(self) -> None:
        self.moments = sorted({change.happened_at for change in self.changes})

    def for_connection(self, connection: Connection) -> list[bytes]:
        """The frames of a subscribed connection; none where there is no change for it.

        What its view began with holds whatever lay before that, less the overlap, in its newest version or left out: a
        version that the stream brings late could only bring back what was deleted, or no longer matches.
        """
        known = bisect_right(self.moments, connection.subscribed_at - OVERLAP_MS)
        if known == len(self.moments):
            return []
        # Almost always the first; the moment from which on all is new is the same for many connections.
        return self._seen(connection.filter, self.moments[known])

    @property
    def max_frames(self) -> int:
        """How many frames a connection gets that sees all."""
        return len(self._seen(None, self.moments[0])) if self.moments else 0

    def _seen(self, wanted: SubscriptionFilter | None, first_new: int) -> list[bytes]:
        view = wanted, first_new
        if view not in self.made:
            self.made[view] = list(self._frames(wanted, first_new))
        return self.made[view]

    def _frames(self, wanted: SubscriptionFilter | None, first_new: int) -> Iterator[bytes]:
        """The fewest frames of at most 32 KB, what API Gateway bills as one message, that hold what is seen."""
        room = protocol.MAX_UPDATE_FRAME_BYTES - protocol.UPDATE_FRAME_ENVELOPE_BYTES
        part: list[Update] = []
        size = 0
        for change in self.changes:
            update = change.seen_through(wanted) if change.happened_at >= first_new else None
            if update is None:
                continue
            length = protocol.measure_update(update)
            if part and size + length > room:
                yield self._frame(part, wanted)
                part, size = [], 0
            part.append(update)
            size += length
        if part:
            yield self._frame(part, wanted)

    def _frame(self, updates: Sequence[Update], wanted: SubscriptionFilter | None) -> bytes:
        # It tells how recent the changes are, and acknowledges nothing: what is resumed from is a reply's.
        reached = Cursor(self.tenant_id, max(change.newest.updated_at for change in self.changes))
        return protocol.encode(protocol.build_update_frame(updates, wanted, reached.encode(), self.now_ms)).encode()
