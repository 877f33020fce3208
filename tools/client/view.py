"""The submissions that a subscription shows, computed from updates in any order."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping

Update = dict[str, Any]
"""One update: the keys are `event` and `data`."""

GONE_RETENTION_SECONDS: Final = 24 * 3600
"""Time for which a view keeps the version of a submission after a `leave` or a `remove`. The table's stream keeps
its records for one day, so no update arrives later than that."""


class _Entry(NamedTuple):
    version: int
    is_gone: bool
    """Whether the last update was `leave` or `remove`. If two updates have the same version, a `leave` or `remove`
    replaces the other update."""
    data: Mapping[str, Any] | None
    """Data of the submission. None: the view does not show the submission. It keeps the version of the submission, so
    that a late duplicate does not bring the submission back."""
    expires_at: float


class View:
    """The newest version of each submission. Updates may arrive in any order and more than once.

    Args:
        is_resumed: Whether the subscription resumes from the cursor of an earlier run. That run may have shown
            submissions that this view has never held. Therefore a `leave`, a `remove` or a deletion of an unknown
            submission counts as a change.
    """

    def __init__(self, *, is_resumed: bool = False) -> None:
        self._entries: dict[str, _Entry] = {}
        self._is_resumed = is_resumed

    def apply(self, update: Update, now: float) -> bool:
        """Apply an update and return whether it changed what the view shows."""
        data, is_gone = update["data"], update["event"] in ("leave", "remove")
        held = self._entries.get(data["submission_id"])
        if held and held.expires_at <= now:
            held = None  # the row may be deleted, and the submission may start again at version 1
        # A `leave` or a `remove` may have no `expires_at`. The view then keeps the version of the submission as long as
        # an older update may still arrive.
        latest = now + GONE_RETENTION_SECONDS if is_gone else math.inf
        expires_at = data.get("expires_at", min(held.expires_at, latest) if held and is_gone else latest)
        # An expired update says nothing about a submission that started again.
        if expires_at <= now or (held and (data["version"], is_gone) <= (held.version, held.is_gone)):
            return False
        shown = data if not is_gone and data.get("status") != "deleted" else None
        self._entries[data["submission_id"]] = _Entry(data["version"], is_gone, shown, expires_at)
        was_shown = held.data is not None if held else self._is_resumed
        return shown is not None or was_shown

    def get_submissions(self, now: float) -> dict[str, Mapping[str, Any]]:
        """Return the data of each submission that the view shows, by submission id."""
        self.discard_expired(now)
        return {name: entry.data for name, entry in self._entries.items() if entry.data is not None}

    def discard_expired(self, now: float) -> None:
        """Discard the data and the versions of all expired submissions."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.expires_at > now}

    def clear(self) -> None:
        """Discard the data and the versions of all submissions, before a new snapshot."""
        self._entries.clear()
        self._is_resumed = False
