"""Replays: the stored submissions that go into the replies to `subscribe` and `sync`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ..submissions.submission import Page, Submission, Update
from ..wire import protocol
from ..wire.cursor import Cursor

if TYPE_CHECKING:
    from ..wire.subscription_filter import SubscriptionFilter

PAGE_ITEMS = 500
"""Maximum number of submissions in one page that is read from the submissions table."""

MAX_PAGES = 4
"""Maximum number of pages that are read for one reply. Without this limit, a filter that matches few of many
submissions could lead to any number of reads."""

AFTER_NEWEST: Final = "~"
"""A position that sorts after the position of every submission. Every submission's position begins with a year, and `~`
sorts after all digits."""

SPARE_ITEMS: Final = 20
"""Number of submissions that are read in addition to the size of a snapshot. They replace deleted submissions, which a
snapshot leaves out."""


class SubmissionsReader(Protocol):
    """The part of the submissions table that a replay uses."""

    def read(self, tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page:
        """Return one page of a tenant's submissions in the order of their last change.

        The page has at most `limit` submissions after `position`. With `newest_first`, it has submissions before
        `position`, and the newest is the first.
        """
        ...


BuildUpdate = Callable[[Submission], Update | None]
"""Returns the update for a submission, or None if the reply leaves the submission out."""


@dataclass(frozen=True, slots=True)
class Replay:
    """The replay of one subscription. It reads the submissions that a reply contains."""

    tenant_id: str
    """The tenant of the subscription."""
    filter: SubscriptionFilter | None
    """The subscription filter. None: every submission of the tenant matches."""
    submissions: SubmissionsReader | None
    """The submissions table. None: the gateway has no submissions table, so a replay is always empty."""
    now_ms: int
    """Current time in epoch milliseconds."""

    def read_since(self, cursor: Cursor | None, snapshot: int) -> dict[str, object]:
        """Read the changes since a cursor, or a snapshot if there is no cursor or the cursor is too old.

        Args:
            cursor: The cursor of the client.
            snapshot: Number of newest submissions in a snapshot.

        Returns:
            The fields `updates`, `cursor` and `complete` of a reply. `filter_id` is added if there is a filter.
            `recovered` is added, with the value false, if the reply cannot resume from the client's cursor.
        """
        if cursor is None:
            return self._read_snapshot(snapshot, AFTER_NEWEST, self.now_ms)
        if self.submissions is None or cursor.is_too_old(self.now_ms):
            return {**self._read_snapshot(snapshot, AFTER_NEWEST, self.now_ms), "recovered": False}
        started = self.now_ms if cursor.scan_started_ms is None else cursor.scan_started_ms
        if cursor.snapshot_left is not None:
            return self._read_snapshot(cursor.snapshot_left, cursor.position, started)
        updates, position = self._read_updates(cursor.position, self._build_change)
        return self._build_fields(updates, started, position)

    def _read_snapshot(self, size: int, position: str, started: int) -> dict[str, object]:
        updates, reached = self._read_updates(position, self._build_current, size)
        return self._build_fields(updates, started, reached, size - len(updates))

    def _build_fields(
        self, updates: list[Update], started: int, position: str | None, snapshot_left: int | None = None
    ) -> dict[str, object]:
        if position is None:
            cursor = Cursor.for_complete_reply(self.tenant_id, started)
        else:
            cursor = Cursor(self.tenant_id, position, started, snapshot_left)
        reply = {"updates": updates, "cursor": cursor.encode(), "complete": position is None}
        return {**reply, **protocol.build_filter_id(self.filter)}

    def _build_current(self, submission: Submission) -> Update | None:
        """Return the update for a submission in a snapshot, or None if it was deleted or does not match."""
        return submission.build_current() if not submission.is_deleted and self._matches(submission) else None

    def _build_change(self, submission: Submission) -> Update:
        """Return the update for a submission that changed since the cursor.

        If it does not match the filter, the update is a `leave`, because the client may hold an earlier version that
        did match.
        """
        return submission.build_current() if self._matches(submission) else submission.build_leave()

    def _matches(self, submission: Submission) -> bool:
        return self.filter is None or self.filter.matches(submission)

    def _read_updates(
        self, position: str, build_update: BuildUpdate, size: int | None = None
    ) -> tuple[list[Update], str | None]:
        """Read updates from a position, until the reply is full.

        Args:
            position: Where to start, exclusive.
            build_update: Returns the update for a submission.
            size: Number of updates in a snapshot. A snapshot is read from the newest submission to the oldest. None:
                read all changes, from the oldest to the newest.

        Returns:
            The updates, and the position to continue from, or None if the replay is complete.
        """
        updates: list[Update] = []
        if self.submissions is None or size == 0:
            return updates, None
        bytes_left = protocol.MAX_REPLY_BYTES - protocol.REPLY_ENVELOPE_BYTES
        limit = PAGE_ITEMS if size is None or self.filter else min(size + SPARE_ITEMS, PAGE_ITEMS)
        for _ in range(MAX_PAGES):
            page = self.submissions.read(self.tenant_id, position, limit, newest_first=size is not None)
            for submission in page.submissions:
                update = None if submission.has_expired(self.now_ms) else build_update(submission)
                if update is not None:
                    bytes_left -= protocol.measure_update(update)
                    if bytes_left < 0 and updates:
                        return updates, position
                    updates.append(update)
                    if len(updates) == size:
                        return updates, None
                position = submission.position
            if page.reached is None:
                return updates, None
            position = page.reached
        return updates, position
