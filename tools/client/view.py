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


Held = tuple[str, int, int]
"""A submission that a view shows: its id, incarnation and version."""


class _Recency(NamedTuple):
    """Sort key of the updates of one submission."""

    incarnation: int
    version: int
    is_gone: bool
    """Whether the update is a `leave` or a `remove`. It wins against another update of the same version."""


class _Entry(NamedTuple):
    recency: _Recency
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

    @property
    def is_resumed(self) -> bool:
        """Whether the view lacks submissions that an earlier run has shown."""
        return self._is_resumed

    def apply(self, update: Update, now: float) -> bool:
        """Apply an update and return whether it changed what the view shows."""
        return self._apply(update, now, is_newest=False)

    def replace(self, update: Update, sent: Held, now: float) -> bool:
        """Apply an update of a `reconciled` reply and return whether it changed what the view shows.

        The update replaces the submission that the request contained, even if that has a higher version. If the view
        has changed since the request, the update is applied like any other.
        """
        held = self._entries.get(sent[0])
        is_unchanged = held is not None and held.data is not None and held.recency == (*sent[1:], False)
        return self._apply(update, now, is_newest=is_unchanged)

    def _apply(self, update: Update, now: float, *, is_newest: bool) -> bool:
        data, is_gone = update["data"], update["event"] in ("leave", "remove")
        recency = _Recency(data.get("incarnation", 0), data["version"], is_gone)
        held = self._entries.get(data["submission_id"])
        if held and held.expires_at <= now:
            held = None  # the row may be deleted, and the submission may start again at version 1
        if held and held.recency.incarnation < recency.incarnation:
            held = held._replace(expires_at=math.inf)  # the expiry of an earlier row does not limit that of a later one
        # A `leave` or a `remove` may have no `expires_at`. The view then keeps the version of the submission as long as
        # an older update may still arrive.
        latest = now + GONE_RETENTION_SECONDS if is_gone else math.inf
        expires_at = data.get("expires_at", min(held.expires_at, latest) if held and is_gone else latest)
        # An expired update says nothing about a submission that started again.
        if expires_at <= now or (held and recency <= held.recency and not is_newest):
            return False
        shown = data if not is_gone and data.get("status") != "deleted" else None
        self._entries[data["submission_id"]] = _Entry(recency, shown, expires_at)
        was_shown = held.data is not None if held else self._is_resumed
        return shown is not None or was_shown

    def get_submissions(self, now: float) -> dict[str, Mapping[str, Any]]:
        """Return the data of each submission that the view shows, by submission id."""
        self.discard_expired(now)
        return {name: entry.data for name, entry in self._entries.items() if entry.data is not None}

    def list_held(self, now: float) -> list[Held]:
        """Return the submissions that the view shows, for `reconcile` requests."""
        self.discard_expired(now)
        return [
            (name, entry.recency.incarnation, entry.recency.version)
            for name, entry in self._entries.items()
            if entry.data is not None
        ]

    def discard_expired(self, now: float) -> None:
        """Discard the data and the versions of all expired submissions."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.expires_at > now}

    def clear(self) -> None:
        """Discard the data and the versions of all submissions, before a new snapshot."""
        self._entries.clear()
        self._is_resumed = False
