"""Frames with the changes of one tenant, shared by connections that receive the same updates. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ..wire import protocol
from ..wire.cursor import CONSISTENCY_WINDOW_MS, Cursor

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ..connections.connection import Connection
    from ..submissions.submission import Update
    from ..wire.subscription_filter import SubscriptionFilter
    from .changes import Change


@dataclass(slots=True)
class Frames:
    """The frames for all connections of one tenant, built from a batch of changes."""

    tenant_id: str
    """The tenant."""
    changes: Sequence[Change]
    """The changes of the tenant."""
    epoch: int
    """Epoch of the tenant's history."""
    now_ms: int
    """Current time in epoch milliseconds. It becomes the `timestamp` of each frame."""
    _cache: dict[tuple[SubscriptionFilter | None, int], list[bytes]] = field(
        default_factory=dict[tuple["SubscriptionFilter | None", int], list[bytes]], init=False
    )
    """The frames that have been built. The key is the subscription filter and the time from which changes are
    included."""
    _times: list[int] = field(init=False)
    """The times of the changes in ascending order, without duplicates."""

    def __post_init__(self) -> None:
        self._times = sorted({change.happened_at for change in self.changes})

    def for_connection(self, connection: Connection) -> list[bytes]:
        """Return the frames for a subscribed connection.

        The list is empty if no change concerns the connection.

        A change that is more than `CONSISTENCY_WINDOW_MS` older than the subscription is left out, because the reply to
        the `subscribe` request already contains it. If such a change were posted late, it could bring back a submission
        that was deleted or that no longer matches the filter.
        """
        first_new = bisect_right(self._times, connection.subscribed_at - CONSISTENCY_WINDOW_MS)
        if first_new == len(self._times):
            return []
        # Most connections subscribed before the first change. They all have the same first change, so connections with
        # the same filter share the cached frames.
        return self._build(connection.filter, self._times[first_new])

    @property
    def max_frames(self) -> int:
        """The number of frames for a connection that receives every change."""
        return len(self._build(None, self._times[0])) if self._times else 0

    def _build(self, subscription_filter: SubscriptionFilter | None, since_ms: int) -> list[bytes]:
        """Return the frames with all changes since `since_ms` that pass a filter. Use the cache if possible."""
        key = subscription_filter, since_ms
        if key not in self._cache:
            updates = [
                update
                for change in self.changes
                if change.happened_at >= since_ms and (update := change.to_update(subscription_filter)) is not None
            ]
            self._cache[key] = list(self._encode(updates, subscription_filter))
        return self._cache[key]

    def _encode(self, updates: Sequence[Update], subscription_filter: SubscriptionFilter | None) -> Iterator[bytes]:
        """Yield frames with the updates. API Gateway bills a frame of up to 32 KB as one message."""
        max_size = protocol.MAX_UPDATE_FRAME_BYTES - protocol.UPDATE_FRAME_ENVELOPE_BYTES
        part: list[Update] = []
        size = 0
        for update in updates:
            length = protocol.measure_update(update)
            if part and size + length > max_size:
                yield self._encode_frame(part, subscription_filter)
                part, size = [], 0
            part.append(update)
            size += length
        if part:
            yield self._encode_frame(part, subscription_filter)

    def _encode_frame(self, updates: Sequence[Update], subscription_filter: SubscriptionFilter | None) -> bytes:
        # This cursor only shows how recent the changes are. Clients resume from the cursor of a reply, not from this
        # cursor.
        cursor = Cursor(self.tenant_id, self.epoch, max(change.newest.updated_at for change in self.changes))
        frame = protocol.build_update_frame(updates, subscription_filter, cursor, self.now_ms)
        return protocol.encode(frame).encode()
