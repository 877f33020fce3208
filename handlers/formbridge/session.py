"""What a connected client's requests do. Knows no AWS: the two tables come in as what it needs of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from . import protocol, timestamps
from .cursor import BadCursor, Cursor
from .submission import Submission, Update

PAGE_ITEMS = 500
"""Submissions that one reply to a resume looks at."""


class Page(NamedTuple):
    """A stretch of a tenant's submissions, in GSI1's order."""

    submissions: Sequence[Submission]
    more: bool
    """Whether others follow."""


class Subscriptions(Protocol):
    """The connections table, as far as a session needs it."""

    def subscribe(self, tenant_id: str, connection_id: str) -> bool: ...
    def unsubscribe(self, tenant_id: str, connection_id: str) -> bool: ...
    def is_subscribed(self, tenant_id: str, connection_id: str) -> bool | None: ...


class Submissions(Protocol):
    """The submissions table, as far as a session needs it."""

    def newest(self, tenant_id: str, limit: int) -> Sequence[Submission]: ...
    def changed_since(self, tenant_id: str, position: str, limit: int) -> Page: ...


@dataclass(frozen=True, slots=True)
class Session:
    """One connection of one tenant."""

    tenant_id: str
    connection_id: str
    expires_at: int
    """When its token expires, in epoch seconds."""
    subscriptions: Subscriptions
    submissions: Submissions | None
    """None: a gateway without a table, which shows what is posted and remembers nothing."""
    now_ms: Callable[[], int] = timestamps.now_ms

    def answer(self, body: str | None) -> protocol.Frame:
        """The reply to one frame of the client: never an exception for what a client may send."""
        try:
            request = protocol.parse_request(body)
        except protocol.RequestError as refusal:
            return protocol.error(refusal)
        if self.expires_at * 1000 <= self.now_ms():
            return self._unauthorized(request, "the token has expired")
        try:
            match request:
                case protocol.Subscribe():
                    return self._subscribe(request)
                case protocol.Sync():
                    return self._sync(request)
                case protocol.Unsubscribe():
                    if not self.subscriptions.unsubscribe(self.tenant_id, self.connection_id):
                        return self._unauthorized(request, "this connection is no longer registered")
                    return protocol.reply("unsubscribed", request.request_id)
                case protocol.Ping():
                    return protocol.reply("pong", request.request_id, timestamp=self.now_ms())
        except BadCursor as refusal:
            return protocol.error(protocol.RequestError("bad_cursor", str(refusal), request.request_id))

    def _subscribe(self, request: protocol.Subscribe) -> protocol.Frame:
        cursor = Cursor.decode(request.cursor, self.tenant_id) if request.cursor is not None else None
        # The subscription stands before the table is read: what commits in between is pushed, or read, or both.
        if not self.subscriptions.subscribe(self.tenant_id, self.connection_id):
            return self._unauthorized(request, "this connection is no longer registered")
        return protocol.reply(
            "subscribed",
            request.request_id,
            **self._view(cursor, request.snapshot),
            heartbeat_seconds=protocol.HEARTBEAT_SECONDS,
            expires_at=self.expires_at,
            server_time=self.now_ms(),
        )

    def _sync(self, request: protocol.Sync) -> protocol.Frame:
        cursor = Cursor.decode(request.cursor, self.tenant_id)
        subscribed = self.subscriptions.is_subscribed(self.tenant_id, self.connection_id)
        if subscribed is None:
            return self._unauthorized(request, "this connection is no longer registered")
        if not subscribed:
            refusal = protocol.RequestError("bad_request", "action: subscribe before sync", request.request_id)
            return protocol.error(refusal)
        return protocol.reply("synced", request.request_id, **self._view(cursor, protocol.DEFAULT_SNAPSHOT))

    def _view(self, cursor: Cursor | None, snapshot: int) -> dict[str, object]:
        """`updates`, `cursor` and `complete` of a reply, and `recovered` where the cursor was too old."""
        if cursor is None:
            return self._snapshot(snapshot)
        if self.submissions is None or cursor.is_too_old(self.now_ms()):
            return {**self._snapshot(snapshot), "recovered": False}
        return self._resume(cursor, self.submissions)

    def _snapshot(self, limit: int) -> dict[str, object]:
        read_at = self.now_ms()
        newest: Sequence[Submission] = ()
        if limit and self.submissions is not None:
            newest = self.submissions.newest(self.tenant_id, limit)
        return {
            "updates": [submission.current() for submission in newest],
            "cursor": Cursor.complete(self.tenant_id, read_at).encode(),
            "complete": True,
        }

    def _resume(self, cursor: Cursor, submissions: Submissions) -> dict[str, object]:
        started = self.now_ms() if cursor.scan_started_ms is None else cursor.scan_started_ms
        page = submissions.changed_since(self.tenant_id, cursor.position, PAGE_ITEMS)
        sent = _fitting(page.submissions, protocol.MAX_REPLY_BYTES - protocol.REPLY_ENVELOPE_BYTES)
        if page.more or len(sent) < len(page.submissions):
            last = page.submissions[len(sent) - 1]
            reached = Cursor(self.tenant_id, f"{last.updated_at}#{last.submission_id}", started)
            return {"updates": sent, "cursor": reached.encode(), "complete": False}
        return {
            "updates": sent,
            "cursor": Cursor.complete(self.tenant_id, started).encode(),
            "complete": True,
        }

    def _unauthorized(self, request: protocol.Request, message: str) -> protocol.Frame:
        return protocol.error(protocol.RequestError("unauthorized", message, request.request_id))


def _fitting(submissions: Sequence[Submission], room: int) -> list[Update]:
    """The leading submissions that fit `room` bytes as updates; at least one, where there is one."""
    updates: list[Update] = []
    for submission in submissions:
        update = submission.current()
        room -= protocol.size(update)
        if room < 0 and updates:
            break
        updates.append(update)
    return updates
