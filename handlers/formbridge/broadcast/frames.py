"""Frames with the changes of one tenant, shared by connections that receive the same updates. Pure."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple

from ..wire import protocol
from ..wire.cursor import CONSISTENCY_WINDOW_MS, Cursor
from .filter_work import measure_preparation, measure_tests

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ..connections.connection import Connection
    from ..submissions.submission import EventName
    from ..wire.subscription_filter import SubscriptionFilter
    from .changes import Change


class _Update(NamedTuple):
    happened_at: int
    """When the change happened, in epoch milliseconds."""
    encoded: str
    """The update as JSON."""


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
    versions: int = field(init=False)
    """Number of versions of submissions that each filter tests."""
    _newest: str = field(init=False)
    """The latest `updated_at` of all changes."""
    _times: list[int] = field(init=False)
    """The times of the changes in ascending order, without duplicates."""
    _frames: dict[SubscriptionFilter | None, list[bytes]] = field(
        default_factory=dict["SubscriptionFilter | None", list[bytes]], init=False
    )
    """The frames with all changes, by subscription filter."""
    _updates: dict[SubscriptionFilter | None, list[_Update]] = field(
        default_factory=dict["SubscriptionFilter | None", "list[_Update]"], init=False
    )
    """The updates for each subscription filter."""
    _encoded: dict[tuple[int, str], str] = field(default_factory=dict[tuple[int, str], str], init=False)
    """The encoded updates, by the index of the change and the event. Most filters have updates in common."""

    def __post_init__(self) -> None:
        self._times = sorted({change.happened_at for change in self.changes})
        self._newest = max((change.newest.updated_at for change in self.changes), default="")
        self.versions = sum(change.versions for change in self.changes)

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
        # Most connections subscribed before the first change. Of these, connections with the same filter share the
        # frames. Few connections subscribed later, and only if the batch is late.
        if first_new == 0:
            return self._build_all(connection.filter)
        since_ms = self._times[first_new]
        updates = [update for update in self._select(connection.filter) if update.happened_at >= since_ms]
        return list(self._encode(updates, connection.filter))

    @property
    def max_frames(self) -> int:
        """The number of frames for a connection that receives every change."""
        return len(self._build_all(None))

    def _build_all(self, subscription_filter: SubscriptionFilter | None) -> list[bytes]:
        """Return the frames with all changes that pass a filter."""
        if subscription_filter not in self._frames:
            updates = self._select(subscription_filter)
            self._frames[subscription_filter] = list(self._encode(updates, subscription_filter))
        return self._frames[subscription_filter]

    def prepare(self, subscription_filter: SubscriptionFilter | None) -> Iterator[float]:
        """Find the updates for a filter, step by step, unless they were found before.

        Yields:
            The work of each step, in posts. The caller may serve other tenants between the steps.
        """
        if subscription_filter in self._updates:
            return
        cost = subscription_filter.cost if subscription_filter is not None else 0
        yield measure_preparation(cost)
        updates: list[_Update] = []
        for index, change in enumerate(self.changes):
            if (event := change.find_event(subscription_filter)) is not None:
                updates.append(_Update(change.happened_at, self._encode_update(index, event)))
            yield measure_tests(cost, change.versions)
        self._updates[subscription_filter] = updates

    def _select(self, subscription_filter: SubscriptionFilter | None) -> list[_Update]:
        """Return the updates for the changes that pass a filter."""
        for _ in self.prepare(subscription_filter):
            pass
        return self._updates[subscription_filter]

    def _encode_update(self, index: int, event: EventName | Literal["leave"]) -> str:
        key = index, event
        if key not in self._encoded:
            self._encoded[key] = protocol.encode(self.changes[index].build_update(event))
        return self._encoded[key]

    def _encode(self, updates: Iterable[_Update], subscription_filter: SubscriptionFilter | None) -> Iterator[bytes]:
        """Yield frames with the updates. API Gateway bills a frame of up to 32 KB as one message."""
        max_size = protocol.MAX_UPDATE_FRAME_BYTES - protocol.UPDATE_FRAME_ENVELOPE_BYTES
        part: list[str] = []
        size = 0
        for update in updates:
            length = len(update.encoded) + 1  # with the comma after it; the JSON is in ASCII
            if part and size + length > max_size:
                yield self._encode_frame(part, subscription_filter)
                part, size = [], 0
            part.append(update.encoded)
            size += length
        if part:
            yield self._encode_frame(part, subscription_filter)

    def _encode_frame(self, updates: Sequence[str], subscription_filter: SubscriptionFilter | None) -> bytes:
        # This cursor only shows how recent the changes are. Clients resume from the cursor of a reply, not from this
        # cursor.
        cursor = Cursor(self.tenant_id, self.epoch, self._newest)
        return protocol.encode_update_frame(updates, subscription_filter, cursor, self.now_ms).encode()
