"""Replays: the stored submissions that go into the replies to `subscribe`, `sync` and `reconcile`. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from ..submissions.submission import Page, Submission, Update, build_removal
from ..wire import protocol
from ..wire.cursor import CONSISTENCY_WINDOW_MS, Cursor

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..wire.protocol import Held
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
"""Number of submissions that the first page of a snapshot has in addition to the size of the snapshot. They replace
deleted submissions, which a snapshot leaves out. If more were deleted, full pages follow."""

_MAX_UPDATES_BYTES: Final = protocol.MAX_REPLY_BYTES - protocol.REPLY_ENVELOPE_BYTES
"""Maximum number of bytes that the updates of a reply take."""


class SubmissionsReader(Protocol):
    """The part of the submissions table that a replay uses."""

    def read(self, tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page:
        """Return one page of a tenant's submissions in the order of their last change.

        The page has at most `limit` submissions after `position`. With `newest_first`, it has submissions before
        `position`, and the newest is the first.
        """
        ...

    def read_by_id(self, tenant_id: str, submission_ids: Sequence[str]) -> Mapping[str, Submission] | None:
        """Return the current state of a tenant's submissions with these ids, by id.

        None: the table has other keys, so its rows cannot be found by id.
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
    epoch: int
    """Current epoch of the tenant's history."""
    now_ms: int
    """Current time in epoch milliseconds."""

    def can_resume(self, cursor: Cursor) -> bool:
        """Return whether the changes since a cursor can be read. If not, a reply must contain a snapshot."""
        return self.submissions is not None and cursor.can_resume(self.epoch, self.now_ms)

    def read_changes(self, cursor: Cursor) -> dict[str, object]:
        """Return the fields of a reply with the changes since a cursor, which `can_resume` accepts."""
        named = self._read_named(self._build_change)
        if named is not None:
            return self._build_reply(named, None, self.now_ms)
        updates, position = self._read_updates(cursor.position, self._build_change)
        started = self.now_ms if cursor.scan_started_ms is None else cursor.scan_started_ms
        return self._build_reply(updates, position, started)

    def read_snapshot(self, size: int) -> dict[str, object]:
        """Return the fields of a reply with the newest submissions that match the filter.

        At most `MAX_PAGES` pages are read, so the snapshot contains only matches among the newest
        `MAX_PAGES * PAGE_ITEMS` submissions of the tenant. Without a filter, the first page is only as large as the
        snapshot needs if little was deleted. If the filter names the ids of the submissions, exactly these submissions
        are read.

        Args:
            size: Maximum number of submissions.
        """
        named = self._read_named(self._build_current)
        if named is not None:
            return self._build_reply(named[:size], None, self.now_ms)
        updates, _ = self._read_updates(AFTER_NEWEST, self._build_current, size)
        return self._build_reply(updates, None, self.now_ms)

    def reconcile(self, held: Sequence[Held], size: int) -> list[Update] | None:
        """Compare submissions that a client holds with the submissions that exist.

        Updates that do not fit into one reply are left out. A later comparison finds them.

        Args:
            held: Submissions that the client holds.
            size: Number of newest submissions to compare too, so that the client learns of submissions that it misses.

        Returns:
            An update for each submission that the client holds in another state: `remove` if it does not exist or has
            expired, `leave` if it does not match the filter, else its current state. Then the newest submissions that
            are not in `held`. None: the table cannot be read by id.
        """
        found = self._read_by_id([one.submission_id for one in held])
        if found is None:
            return None
        updates = [update for one in held if (update := self._compare(one, found)) is not None]
        held_ids = {one.submission_id for one in held}
        newest, _ = self._read_updates(AFTER_NEWEST, self._build_current, size)
        updates += [update for update in newest if update["data"]["submission_id"] not in held_ids]
        bytes_left = _MAX_UPDATES_BYTES
        fitting: list[Update] = []
        for update in updates:
            bytes_left -= protocol.measure_update(update)
            if bytes_left >= 0:
                fitting.append(update)
        return fitting

    def _compare(self, held: Held, found: Mapping[str, Submission]) -> Update | None:
        submission = found.get(held.submission_id)
        if submission is None or submission.has_expired(self.now_ms):
            return build_removal(self.tenant_id, held.submission_id, held.incarnation, held.version)
        if submission.recency == (held.incarnation, held.version) and self._matches(submission):
            return None
        return self._build_change(submission)

    def _build_reply(self, updates: list[Update], position: str | None, started: int) -> dict[str, object]:
        """Return the fields of a reply.

        Args:
            updates: The updates of the reply.
            position: Position to continue from; None if the replay is complete.
            started: Time at which the first page was read, in epoch milliseconds.
        """
        if position is None:
            cursor = Cursor.for_complete_reply(self.tenant_id, self.epoch, started)
        else:
            cursor = Cursor(self.tenant_id, self.epoch, position, started)
        return {
            "updates": updates,
            "cursor": cursor.encode(),
            "complete": position is None,
            "epoch": self.epoch,
            "settle_seconds": CONSISTENCY_WINDOW_MS // 1000,
            **protocol.build_filter_id(self.filter),
        }

    def _read_named(self, build_update: BuildUpdate) -> list[Update] | None:
        """Return the updates for the submissions that the filter names, newest first.

        None: the filter names none, or the updates do not fit into one reply. They are then read from the index.
        """
        ids = self.filter.submission_ids if self.filter is not None else None
        found = self._read_by_id(ids) if ids is not None else None
        if found is None:
            return None
        newest_first = sorted(found.values(), key=lambda submission: submission.position, reverse=True)
        present = (submission for submission in newest_first if not submission.has_expired(self.now_ms))
        updates = [update for submission in present if (update := build_update(submission)) is not None]
        return updates if sum(map(protocol.measure_update, updates)) <= _MAX_UPDATES_BYTES else None

    def _read_by_id(self, submission_ids: Sequence[str]) -> Mapping[str, Submission] | None:
        return self.submissions.read_by_id(self.tenant_id, submission_ids) if self.submissions is not None else None

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
        bytes_left = _MAX_UPDATES_BYTES
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
            limit = PAGE_ITEMS
        return updates, position
