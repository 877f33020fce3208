"""What a subscription sees of the submissions table: its newest submissions, and what changed since a cursor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Protocol

from ..submissions.submission import Page, Submission, Update
from ..wire import protocol
from ..wire.cursor import Cursor
from ..wire.subscription_filter import SubscriptionFilter

PAGE_ITEMS = 500
"""Submissions that are read from the table at a time."""

READ_PAGES = 4
"""Pages after which a reply is sent with what it has: a filter may match few of many."""

NEWEST: Final = "~"
"""A position after that of every submission: they begin with a year."""

SPARE_ITEMS: Final = 20
"""What a snapshot reads beyond what it wants, in place of those that were deleted."""


class SubmissionsReader(Protocol):
    """The submissions table, as far as a view needs it."""

    def read(self, tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page: ...


Shown = Callable[[Submission], Update | None]
"""What a view has of a submission; None: nothing."""


@dataclass(frozen=True, slots=True)
class Replay:
    """One subscription's."""

    tenant_id: str
    filter: SubscriptionFilter | None
    submissions: SubmissionsReader | None
    """None: a gateway without a table, which shows what is posted and remembers nothing."""
    now_ms: int

    def since(self, cursor: Cursor | None, snapshot: int) -> dict[str, object]:
        """`updates`, `cursor` and `complete` of a reply, and `recovered` where the cursor was too old.

        `snapshot`: how many of the newest submissions to give where there is no cursor to resume from.
        """
        if cursor is None:
            return self._snapshot(snapshot, NEWEST, self.now_ms)
        if self.submissions is None or cursor.is_too_old(self.now_ms):
            return {**self._snapshot(snapshot, NEWEST, self.now_ms), "recovered": False}
        started = self.now_ms if cursor.scan_started_ms is None else cursor.scan_started_ms
        if cursor.snapshot_left is not None:
            return self._snapshot(cursor.snapshot_left, cursor.position, started)
        updates, position = self._read(cursor.position, self._changed)
        return self._reply(updates, started, position)

    def _snapshot(self, wanted: int, position: str, started: int) -> dict[str, object]:
        updates, reached = self._read(position, self._current, wanted)
        return self._reply(updates, started, reached, wanted - len(updates))

    def _reply(
        self, updates: list[Update], started: int, position: str | None, snapshot_left: int | None = None
    ) -> dict[str, object]:
        if position is None:
            cursor = Cursor.for_complete_reply(self.tenant_id, started)
        else:
            cursor = Cursor(self.tenant_id, position, started, snapshot_left)
        reply = {"updates": updates, "cursor": cursor.encode(), "complete": position is None}
        return {**reply, **protocol.build_filter_id(self.filter)}

    def _current(self, submission: Submission) -> Update | None:
        """In a snapshot: what is there and matches."""
        return submission.build_current() if not submission.is_deleted and self._matches(submission) else None

    def _changed(self, submission: Submission) -> Update:
        """In a resume: what does not match may be held by the client, from when it did."""
        return submission.build_current() if self._matches(submission) else submission.build_leave()

    def _matches(self, submission: Submission) -> bool:
        return self.filter is None or self.filter.matches(submission)

    def _read(self, position: str, shown: Shown, wanted: int | None = None) -> tuple[list[Update], str | None]:
        """The updates from a position on, and the position that they reach; None: nothing is left to tell.

        With `wanted` it goes from the newest to the oldest, until it has so many.
        """
        updates: list[Update] = []
        if self.submissions is None or wanted == 0:
            return updates, None
        room = protocol.MAX_REPLY_BYTES - protocol.REPLY_ENVELOPE_BYTES
        limit = PAGE_ITEMS if wanted is None or self.filter else min(wanted + SPARE_ITEMS, PAGE_ITEMS)
        for _ in range(READ_PAGES):
            page = self.submissions.read(self.tenant_id, position, limit, newest_first=wanted is not None)
            for submission in page.submissions:
                update = None if submission.has_expired(self.now_ms) else shown(submission)
                if update is not None:
                    room -= protocol.measure_update(update)
                    if room < 0 and updates:
                        return updates, position
                    updates.append(update)
                    if len(updates) == wanted:
                        return updates, None
                position = submission.position
            if page.reached is None:
                return updates, None
            position = page.reached
        return updates, position
