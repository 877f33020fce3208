"""The client's side of the protocol across connections, without I/O and without a clock."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from .view import Update, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Frame = dict[str, Any]
"""A parsed JSON frame of the protocol."""

MAX_SECONDS_BETWEEN_REPLIES: Final = 30 * 60
"""Longest time without a reply. The client then sends `sync`, even if it has received updates."""
REPLY_TIMEOUT_SECONDS: Final = 30
"""Time limit for a reply. API Gateway limits an integration to 29 seconds, so no reply arrives later."""
RENEW_BEFORE_EXPIRY_SECONDS: Final = 60
"""Time before the expiry of the current token at which the client sends a new token."""
MIN_RENEW_INTERVAL_SECONDS: Final = 30
"""Minimum time before the client sends another token, even if its clock is wrong."""
DEFAULT_HEARTBEAT_SECONDS: Final = 300
"""Heartbeat interval that the client uses until a reply has `heartbeat_seconds`."""
DEFAULT_RETRY_AFTER_MS: Final = 1_000
"""The time to wait after a retryable error that carries no `retry_after_ms`."""


class Disconnected(Exception):
    """The connection has ended.

    Args:
        code: The code of the `disconnect` or `error` frame, or `no_reply` if a reply did not arrive in time.
        message: The text of the `error` frame.
        reconnect: Whether another connection may resume the subscription.
    """

    def __init__(self, code: str, message: str = "", *, reconnect: bool) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.reconnect = reconnect


@dataclass(slots=True)
class _Request:
    id: str
    action: Literal["subscribe", "sync"]
    cursor: str | None
    deadline: float
    """Time at which the reply is overdue. If `is_refused` is true, the time at which the client repeats the request."""
    frames: list[Frame]
    """Update frames that arrived before the reply. They may be newer than the data that the reply was read from."""
    is_refused: bool = False
    """Whether the gateway has answered this request with a retryable error."""


@dataclass(slots=True)
class Subscription:
    """State of one subscription across connections, with no socket and no clock.

    The caller sends the frames that the methods return, in order. It calls `handle_connect` for each new connection,
    `handle_frame` for each received frame, `handle_timeout` at `timeout_at` if no frame has arrived by then, and
    `authenticate` with a new token at `renew_at`. All times are epoch seconds.
    """

    filter: Mapping[str, object] | None = None
    """The subscription filter, or None for all submissions of the tenant."""
    snapshot: int = 50
    """The number of newest submissions with which a new view starts."""
    cursor: str | None = None
    """Cursor of the last reply with `complete: true`. The next connection resumes from it."""
    view: View = field(init=False)
    """The submissions that the subscription shows."""
    changes: deque[Update] = field(default_factory=deque[Update], init=False)
    """The updates that changed the view. The caller removes them from the left."""
    renew_at: float = field(default=math.inf, init=False)
    """The time at which the connection needs a new token."""
    _request: _Request | None = field(default=None, init=False)
    """The request that waits for its reply."""
    _next_action: Literal["subscribe", "sync"] | None = field(default=None, init=False)
    """The request to send after the current one is answered."""
    _request_count: int = field(default=0, init=False)
    _filter_id: str | None = field(default=None, init=False)
    _heartbeat_seconds: float = field(default=DEFAULT_HEARTBEAT_SECONDS, init=False)
    _last_frame_at: float = field(default=0, init=False)
    _last_reply_at: float = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.view = View(is_resumed=self.cursor is not None)

    def handle_connect(self, now: float) -> list[Frame]:
        """Start on a new connection. Return a `subscribe` request, with the cursor if there is one."""
        self._next_action, self.renew_at = None, math.inf
        return self._send_request("subscribe", self.cursor, now)

    def set_filter(self, pattern: Mapping[str, object] | None, now: float) -> list[Frame]:
        """Replace the filter on the current connection, and return the frames to send.

        The reply to these frames starts a new view.
        """
        self.filter, self.cursor = pattern, None
        if self._request and not self._request.is_refused:
            # The client waits for the current reply first, because the gateway may answer two requests in any order.
            self._next_action = "subscribe"
            return []
        return self._send_request("subscribe", None, now)

    def authenticate(self, token: str) -> list[Frame]:
        """Return the `authenticate` frame with a new token.

        If the gateway accepts the token, the connection lasts until this token expires.
        """
        self.renew_at = math.inf
        return [{"action": "authenticate", "id": "authenticate", "token": token}]

    @property
    def timeout_at(self) -> float:
        """The time at which the caller must call `handle_timeout`, unless a frame arrives first."""
        if self._request:
            return self._request.deadline
        return min(self._last_frame_at + self._heartbeat_seconds, self._last_reply_at + MAX_SECONDS_BETWEEN_REPLIES)

    def handle_timeout(self, now: float) -> list[Frame]:
        """Return the frames to send at `timeout_at`: a `sync`, or the refused request again.

        Before `timeout_at`, the list is empty.

        Raises:
            Disconnected: A reply did not arrive in time.
        """
        request = self._request
        if now < self.timeout_at:
            return []
        if request is None:
            return self._send_request("sync", self.cursor, now)
        if not request.is_refused:
            raise Disconnected("no_reply", reconnect=True)
        return self._send_request(request.action, request.cursor, now, request.frames)

    def handle_frame(self, frame: Frame, now: float) -> list[Frame]:
        """Process a received frame and return the frames to send.

        Raises:
            Disconnected: The frame ends the connection.
        """
        self._last_frame_at = now
        request = self._request
        match frame.get("type"):
            case "submission_update" | "submission_updates":
                if request:
                    request.frames.append(frame)
                # During a `subscribe` the new filter id is unknown, so the frame waits for the reply.
                if not request or request.action == "sync":
                    self._apply_frames([frame], now)
            case "subscribed" | "synced" if request and frame.get("id") == request.id:
                return self._handle_reply(frame, request, now)
            case "authenticated":
                self._schedule_renewal(frame["expires_at"], now)
            case "resync" if request:
                # The reply may lack the update that the gateway could not post.
                self._next_action = self._next_action or "sync"
            case "resync":
                return self._send_request("sync", self.cursor, now)
            case "disconnect":
                raise Disconnected(frame["code"], reconnect=frame.get("reconnect") is not False)
            case "error" if request and frame.get("id") == request.id:
                return self._handle_error(frame, request, now)
            case "error" if frame.get("id") == "authenticate" and frame.get("retryable"):
                self.renew_at = _compute_retry_time(frame, now)
            case _:
                pass
        return [] if self._request else self.handle_timeout(now)

    def _send_request(
        self, action: Literal["subscribe", "sync"], cursor: str | None, now: float, frames: Iterable[Frame] = ()
    ) -> list[Frame]:
        self._request_count += 1
        self._request = _Request(str(self._request_count), action, cursor, now + REPLY_TIMEOUT_SECONDS, list(frames))
        options = {"snapshot": self.snapshot, "filter": self.filter} if action == "subscribe" else {}
        fields = {"action": action, "id": self._request.id, "cursor": cursor, **options}
        return [{name: value for name, value in fields.items() if value is not None}]

    def _handle_reply(self, reply: Frame, request: _Request, now: float) -> list[Frame]:
        self._request, self._last_reply_at = None, now
        if self._next_action == "subscribe":
            self._next_action = None
            return self._send_request("subscribe", None, now)
        if reply["type"] == "subscribed":
            self._filter_id = reply.get("filter_id")
            self._heartbeat_seconds = reply["heartbeat_seconds"]
            self._schedule_renewal(reply["expires_at"], now)
        updates: list[Update] = reply["updates"]
        if (request.action == "subscribe" and request.cursor is None) or reply.get("recovered") is False:
            self.cursor = None
            self.view.clear()
            updates = updates[::-1]  # a snapshot lists the newest submission first
        self.view.discard_expired(now)
        self._apply(updates, now)
        self._apply_frames(request.frames, now)
        if not reply["complete"]:
            return self._send_request("sync", reply["cursor"], now)
        self.cursor = reply["cursor"]
        next_action, self._next_action = self._next_action, None
        return self._send_request("sync", self.cursor, now) if next_action else []

    def _handle_error(self, error: Frame, request: _Request, now: float) -> list[Frame]:
        if error["code"] == "bad_cursor" and request.cursor is not None:
            return self._send_request("subscribe", None, now, request.frames)
        if not error.get("retryable"):
            # A failed `sync` or the error `unauthorized` may mean that the gateway has removed this connection. The
            # gateway may then accept a new connection.
            reconnect = request.action == "sync" or error["code"] == "unauthorized"
            raise Disconnected(error["code"], error["message"], reconnect=reconnect)
        request.is_refused, request.deadline = True, _compute_retry_time(error, now)
        return []

    def _apply_frames(self, frames: Iterable[Frame], now: float) -> None:
        for frame in frames:
            # A frame with another id belongs to a filter that was replaced.
            if frame.get("filter_id") == self._filter_id:
                self._apply(extract_updates(frame), now)

    def _apply(self, updates: Iterable[Update], now: float) -> None:
        self.changes.extend(update for update in updates if self.view.apply(update, now))

    def _schedule_renewal(self, expires_at: float, now: float) -> None:
        self.renew_at = now + max(expires_at - now - RENEW_BEFORE_EXPIRY_SECONDS, MIN_RENEW_INTERVAL_SECONDS)


def extract_updates(frame: Frame) -> list[Update]:
    """Return the updates that a frame carries. The list is empty for a frame of another type."""
    if frame.get("type") == "submission_update":
        return [{"event": frame["event"], "data": frame["data"]}]
    return frame.get("updates", [])


def _compute_retry_time(error: Frame, now: float) -> float:
    return now + error.get("retry_after_ms", DEFAULT_RETRY_AFTER_MS) / 1_000
