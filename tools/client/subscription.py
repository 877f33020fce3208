"""The client's side of the protocol across connections, without I/O and without a clock."""

from __future__ import annotations

import json
import math
from collections import deque
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, Literal

from .view import Held, Update, View

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

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
RECONCILE_INTERVAL_SECONDS: Final = 24 * 3600
"""Longest time without a comparison of the view with the table. The client then sends `reconcile`."""
MAX_HELD: Final = 100
"""Maximum number of submissions in one `reconcile` request."""
MAX_HELD_BYTES: Final = 30_000
"""Maximum size of the submissions in one `reconcile` request as JSON, in bytes. API Gateway accepts frames of 32 KB."""
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
    action: Literal["subscribe", "sync", "reconcile"]
    deadline: float
    """Time at which the reply is overdue. If `is_refused` is true, the time at which the client repeats the request."""
    cursor: str | None = None
    held: Sequence[Held] = ()
    """Submissions that a `reconcile` request contains."""
    snapshot: int = 0
    """Number of newest submissions that a `reconcile` request asks for."""
    frames: list[Frame] = field(default_factory=list[Frame])
    """Update frames that arrived before the reply. They may be newer than the data that the reply was read from."""
    needs_settling: bool = False
    """Whether another `sync` must follow when the consistency window has passed."""
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
    _to_reconcile: deque[_Request] = field(default_factory=deque[_Request], init=False)
    """The `reconcile` requests to send after the current request is answered."""
    _request_count: int = field(default=0, init=False)
    _epoch: int = field(default=0, init=False)
    """The epoch of the view. Update frames of an earlier epoch are about a history that was replaced."""
    _filter_id: str | None = field(default=None, init=False)
    _server_offset: float = field(default=0, init=False)
    """Seconds by which the server's clock is ahead of the caller's."""
    _settle_at: float = field(default=math.inf, init=False)
    """Time of the `sync` that finds the writes which became visible after the last `subscribed` reply or `resync`."""
    _reconcile_at: float = field(default=math.inf, init=False)
    _heartbeat_seconds: float = field(default=DEFAULT_HEARTBEAT_SECONDS, init=False)
    _last_frame_at: float = field(default=0, init=False)
    _last_reply_at: float = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.view = View(is_resumed=self.cursor is not None)

    def handle_connect(self, now: float) -> list[Frame]:
        """Start on a new connection. Return a `subscribe` request, with the cursor if there is one."""
        self._next_action, self.renew_at = None, math.inf
        if self.cursor is not None and now - self._last_frame_at > self._heartbeat_seconds:
            self._reconcile_at = now
        return self._subscribe(self.cursor, now)

    def set_filter(self, pattern: Mapping[str, object] | None, now: float) -> list[Frame]:
        """Replace the filter on the current connection, and return the frames to send.

        The list is empty if a request waits for its reply, or for the time at which it may be repeated. The client then
        subscribes with the new filter afterwards. The reply to `subscribe` starts a new view.
        """
        self.filter, self.cursor = pattern, None
        if self._request:
            # The client waits for the current reply first, because the gateway may answer two requests in any order.
            # After a refusal it waits for the time that the gateway told it.
            self._next_action = "subscribe"
            return []
        return self._subscribe(None, now)

    def authenticate(self, token: str) -> list[Frame]:
        """Return the `authenticate` frame with a new token.

        If the gateway accepts the token, the connection lasts until this token expires.
        """
        self.renew_at = math.inf
        return [{"action": "authenticate", "id": "authenticate", "token": token}]

    def get_submissions(self, now: float) -> dict[str, Mapping[str, Any]]:
        """Return the data of each submission that the subscription shows, by submission id."""
        return self.view.get_submissions(now + self._server_offset)

    @property
    def timeout_at(self) -> float:
        """The time at which the caller must call `handle_timeout`, unless a frame arrives first."""
        if self._request:
            return self._request.deadline
        return min(
            self._last_frame_at + self._heartbeat_seconds,
            self._last_reply_at + MAX_SECONDS_BETWEEN_REPLIES,
            self._settle_at,
            self._reconcile_at,
        )

    def handle_timeout(self, now: float) -> list[Frame]:
        """Return the frames to send at `timeout_at`: a `sync`, a `reconcile`, or the refused request again.

        Before `timeout_at`, the list is empty.

        Raises:
            Disconnected: A reply did not arrive in time.
        """
        request = self._request
        if now < self.timeout_at:
            return []
        if request is not None:
            if not request.is_refused:
                raise Disconnected("no_reply", reconnect=True)
            if self._next_action == "subscribe":  # the filter has changed, so the refused request no longer matters
                self._next_action = None
                return self._subscribe(None, now)
            return self._send(replace(request, is_refused=False), now)
        if now >= self._reconcile_at:
            self._plan_reconciliation(now)
            return self._send_next(now)
        return self._sync(self.cursor, now)

    def handle_frame(self, frame: Frame, now: float) -> list[Frame]:
        """Process a received frame and return the frames to send.

        Raises:
            Disconnected: The frame ends the connection.
        """
        self._last_frame_at = now
        request = self._request
        match frame.get("type"):
            case "submission_update" | "submission_updates":
                return self._handle_update_frame(frame, now)
            case "subscribed" | "synced" | "reconciled" if request and frame.get("id") == request.id:
                return self._handle_reply(frame, request, now)
            case "authenticated":
                self._schedule_renewal(frame["expires_at"], now)
            case "resync":
                return self._repair(now)
            case "disconnect":
                raise Disconnected(frame["code"], reconnect=frame.get("reconnect") is not False)
            case "error" if request and frame.get("id") == request.id:
                return self._handle_error(frame, request, now)
            case "error" if frame.get("id") == "authenticate" and frame.get("retryable"):
                self.renew_at = _compute_retry_time(frame, now)
            case _:
                pass
        return self._end_frame(now)

    def _handle_update_frame(self, frame: Frame, now: float) -> list[Frame]:
        if self._request:
            self._request.frames.append(frame)
        # During a `subscribe` the new filter id is unknown, so the frame waits for the reply.
        if not self._request or self._request.action != "subscribe":
            self._apply_frames([frame], now)
        return self._repair(now) if frame.get("epoch", 0) > self._epoch else self._end_frame(now)

    def _repair(self, now: float) -> list[Frame]:
        """Return a `sync`, because updates may be missing. If a request is in flight, the `sync` follows its reply."""
        if self._request is None:
            return self._sync(self.cursor, now, needs_settling=True)
        # The reply may lack the update that the gateway could not post.
        self._next_action = self._next_action or "sync"
        return []

    def _end_frame(self, now: float) -> list[Frame]:
        return [] if self._request else self.handle_timeout(now)

    def _subscribe(self, cursor: str | None, now: float, frames: Iterable[Frame] = ()) -> list[Frame]:
        request = _Request("", "subscribe", 0, cursor, frames=list(frames), needs_settling=True)
        return self._send(request, now)

    def _sync(self, cursor: str | None, now: float, *, needs_settling: bool = False) -> list[Frame]:
        if self._settle_at <= now:
            self._settle_at = math.inf
        return self._send(_Request("", "sync", 0, cursor, needs_settling=needs_settling), now)

    def _send(self, request: _Request, now: float) -> list[Frame]:
        """Send a request, or send it again. Return its frame."""
        self._request_count += 1
        request.id, request.deadline = str(self._request_count), now + REPLY_TIMEOUT_SECONDS
        self._request = request
        frame: Frame = {"action": request.action, "id": request.id}
        if request.cursor is not None:
            frame["cursor"] = request.cursor
        match request.action:
            case "subscribe":
                frame["snapshot"] = self.snapshot
                if self.filter is not None:
                    frame["filter"] = self.filter
            case "sync":
                frame["filter_id"] = self._filter_id
            case "reconcile":
                frame |= {"held": request.held, "snapshot": request.snapshot}
        return [frame]

    def _handle_reply(self, reply: Frame, request: _Request, now: float) -> list[Frame]:
        self._request = None
        if self._next_action == "subscribe":
            self._next_action = None
            return self._subscribe(None, now)
        self._server_offset = reply.get("server_time", (now + self._server_offset) * 1_000) / 1_000 - now
        if reply["type"] == "reconciled" and "cursor" not in reply:
            # The view does not start anew, so it keeps its epoch until the next `sync`.
            if reply.get("epoch", 0) > self._epoch:
                self._next_action = "sync"
        else:
            self._epoch = reply.get("epoch", 0)
        if reply["type"] == "subscribed":
            self._filter_id = reply.get("filter_id")
            self._heartbeat_seconds = reply["heartbeat_seconds"]
            self._schedule_renewal(reply["expires_at"], now)
        is_new_view = (request.action == "subscribe" and request.cursor is None) or reply.get("recovered") is False
        if is_new_view:
            self.cursor = None
            self._to_reconcile.clear()
            self._reconcile_at = now + RECONCILE_INTERVAL_SECONDS
            self.view.clear()
        self.view.discard_expired(now + self._server_offset)
        self._apply_reply(reply["updates"], request, now, is_new_view=is_new_view)
        self._apply_frames(request.frames, now)
        return self._continue(reply, now, needs_settling=request.needs_settling or is_new_view)

    def _continue(self, reply: Frame, now: float, *, needs_settling: bool) -> list[Frame]:
        """Return the frames to send after a reply."""
        if "cursor" in reply:
            self._last_reply_at = now
            if not reply["complete"]:
                return self._sync(reply["cursor"], now, needs_settling=needs_settling)
            self.cursor = reply["cursor"]
            if needs_settling:
                self._settle_at = now + reply.get("settle_seconds", math.inf)
        return self._send_next(now)

    def _send_next(self, now: float) -> list[Frame]:
        """Return the next request, if one is due."""
        next_action, self._next_action = self._next_action, None
        if next_action:
            return self._sync(self.cursor, now, needs_settling=True)
        if self._to_reconcile:
            return self._send(self._to_reconcile.popleft(), now)
        return self.handle_timeout(now)

    def _plan_reconciliation(self, now: float) -> None:
        """Divide the submissions that the view shows into `reconcile` requests."""
        held = self.view.list_held(now + self._server_offset)
        # The first request also asks for the newest submissions, because the view may lack some of them. A view that
        # resumed from an earlier run lacks what that run has shown. The caller must not receive it again.
        newest = 0 if self.view.is_resumed else min(self.snapshot, MAX_HELD)
        parts = [*_divide(held)] or [[]] * min(1, newest)
        self._to_reconcile = deque(
            _Request("", "reconcile", 0, held=part, snapshot=0 if number else newest)
            for number, part in enumerate(parts)
        )
        self._reconcile_at = now + RECONCILE_INTERVAL_SECONDS

    def _apply_reply(self, updates: list[Update], request: _Request, now: float, *, is_new_view: bool) -> None:
        if is_new_view:
            self._apply(reversed(updates), now)  # a snapshot lists the newest submission first
            return
        sent = {held[0]: held for held in request.held}
        server_now = now + self._server_offset
        for update in updates:
            held = sent.get(update["data"]["submission_id"])
            if self.view.replace(update, held, server_now) if held else self.view.apply(update, server_now):
                self.changes.append(update)

    def _handle_error(self, error: Frame, request: _Request, now: float) -> list[Frame]:
        if error.get("retryable"):
            request.is_refused, request.deadline = True, _compute_retry_time(error, now)
            return []
        if self._next_action == "subscribe":  # the filter has changed, so the request no longer matters
            self._next_action = None
            return self._subscribe(None, now)
        if error["code"] == "bad_cursor" and request.cursor is not None:
            return self._subscribe(None, now, request.frames)
        if error["code"] == "superseded":
            # Another request of this connection has changed the subscription, so subscribe again.
            return self._subscribe(self.cursor, now, request.frames)
        # A failed `sync` or the error `unauthorized` may mean that the gateway has removed this connection. The gateway
        # may then accept a new connection.
        reconnect = request.action != "subscribe" or error["code"] == "unauthorized"
        raise Disconnected(error["code"], error["message"], reconnect=reconnect)

    def _apply_frames(self, frames: Iterable[Frame], now: float) -> None:
        for frame in frames:
            # A frame with another filter id belongs to a filter that was replaced, and a frame of an earlier epoch to a
            # history that was replaced.
            if frame.get("filter_id") == self._filter_id and frame.get("epoch", 0) >= self._epoch:
                self._apply(extract_updates(frame), now)

    def _apply(self, updates: Iterable[Update], now: float) -> None:
        server_now = now + self._server_offset
        self.changes.extend(update for update in updates if self.view.apply(update, server_now))

    def _schedule_renewal(self, expires_at: float, now: float) -> None:
        self.renew_at = now + max(
            expires_at - now - self._server_offset - RENEW_BEFORE_EXPIRY_SECONDS, MIN_RENEW_INTERVAL_SECONDS
        )


def extract_updates(frame: Frame) -> list[Update]:
    """Return the updates that a frame carries. The list is empty for a frame of another type."""
    if frame.get("type") == "submission_update":
        return [{"event": frame["event"], "data": frame["data"]}]
    return frame.get("updates", [])


def _compute_retry_time(error: Frame, now: float) -> float:
    return now + error.get("retry_after_ms", DEFAULT_RETRY_AFTER_MS) / 1_000


def _divide(held: Iterable[Held]) -> Iterator[list[Held]]:
    """Divide submissions into parts that each fit into one `reconcile` request."""
    part: list[Held] = []
    part_bytes = 0
    for one in held:
        size = len(json.dumps(one, ensure_ascii=False).encode("utf-8", "replace")) + 2  # with the separator
        if part and (len(part) == MAX_HELD or part_bytes + size > MAX_HELD_BYTES):
            yield part
            part, part_bytes = [], 0
        part.append(one)
        part_bytes += size
    if part:
        yield part
