"""An independent client of the wire protocol `formbridge.v1`, written from protocol.md alone."""

from __future__ import annotations

import itertools
import json
import random
import socket
import struct
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from collections.abc import Callable

Frame = dict[str, Any]
DAY, REPLY_SECONDS, SYNC_SECONDS, MAX_BACKOFF_SECONDS = 86_400.0, 30.0, 1_790.0, 30.0
HELD_BYTES = 30_000  # below the 32 KB that a frame of a client may have
GONE = ("remove", "leave")
REPLY_TO = {"subscribe": "subscribed", "sync": "synced", "reconcile": "reconciled"}
AGAIN = {"rate_limited", "internal", "bad_cursor", "superseded"}


class Restart(Exception):
    """The connection is over, and the client connects again."""


class Stop(Exception):
    """The client stops for good."""


@dataclass
class Row:
    """What the client knows about one submission, shown or not."""

    key: tuple[int, int]  # (incarnation, version)
    event: str
    data: Frame
    hidden_at: float | None = None

    @property
    def gone(self) -> bool:
        """Tell whether the last update was a `remove` or a `leave`."""
        return self.event in GONE


@dataclass
class Request:
    """A request that waits for its reply, or to be sent again."""

    frame: Frame
    pattern: Frame | None = None
    main: bool = False  # a `sync` from the cursor to resume from
    resync: bool = False
    held: dict[str, tuple[int, int]] = field(default_factory=dict)
    sent: float = 0.0


def clock() -> float:
    """Return a steady time in seconds that goes on while the device sleeps, where the system has one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def normal(pattern: Frame | None) -> Frame | None:
    """Return a private copy of a filter, or None if it filters nothing."""
    return json.loads(json.dumps(pattern)) if pattern else None


class IndependentClient:
    """A dashboard client with its own thread; all public methods may be called from any thread."""

    def __init__(
        self,
        url: str,
        token: Callable[[], str],
        pattern: Frame | None = None,
        snapshot: int = 50,
        max_wait_seconds: float = MAX_BACKOFF_SECONDS,
    ) -> None:
        """Start the background thread, which connects at once."""
        self.errors: list[str] = []
        self._url, self._token, self._snapshot = url, token, snapshot
        self._max_wait = min(MAX_BACKOFF_SECONDS, max_wait_seconds)
        self._lock = threading.RLock()
        self._stop = threading.Event()
        # The view: it survives a lost connection.
        self._wanted = self._view = normal(pattern)
        self._rows: dict[str, Row] = {}
        self._cursor: str | None = None
        self._filter_id: str | None = None
        self._epoch = 0
        self._settle_seconds, self._heartbeat_seconds = 30.0, 300.0
        self._clock_offset = time.time() - clock()
        self._last_frame: float | None = None
        self._last_reply = self._last_reconcile = self._last_prune = clock()
        self._gap = self._reconcile_due = False
        self._attempts, self._ids = 0, itertools.count(1)
        self._reset_session()
        self._thread = threading.Thread(target=self._run, name="independent-client", daemon=True)
        self._thread.start()

    def _reset_session(self) -> None:
        """Forget everything that belongs to one connection."""
        self._conn: ClientConnection | None = None
        self._subscribe_due, self._subscribing, self._first_frame = True, False, True
        self._inflight: Request | None = None
        self._retry: Request | None = None  # a request to send again after self._hold_until
        self._hold_until = 0.0
        self._page: str | None = None  # the cursor of a reply with complete: false
        self._sync_due = self._resync = False
        self._settle_at: list[float] = []
        self._kept: list[Frame] = []
        self._queue: list[str] | None = None  # ids that a running reconcile has not sent yet
        self._auth: tuple[str, float] | None = None  # (id, time) of an authenticate
        self._auth_at: float | None = None
        self._used_token = ""

    def set_filter(self, pattern: Frame | None) -> None:
        """Replace the filter; the view changes when the reply arrives."""
        with self._lock:
            self._wanted = normal(pattern)

    def drop(self) -> None:
        """Reset the TCP connection without a closing handshake."""
        with self._lock:
            conn, self._conn = self._conn, None
        if conn is not None:
            with suppress(OSError):  # it is closed already
                conn.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                conn.socket.shutdown(socket.SHUT_RDWR)

    def view(self) -> dict[str, Frame]:
        """Return the submissions that the client shows now."""
        with self._lock:
            now = clock()
            return {sid: dict(row.data) for sid, row in self._rows.items() if self._shown(row, now)}

    def is_settled(self) -> bool:
        """Tell whether the client is connected, waits for nothing and has settled."""
        with self._lock:
            busy = (
                self._subscribe_due
                or self._inflight
                or self._retry
                or self._page
                or self._sync_due
                or self._settle_at
                or self._reconcile_due
                or self._wanted != self._view
            )
            return self._conn is not None and not busy

    def close(self) -> None:
        """Close the connection and end the thread."""
        self._stop.set()
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout=15)

    def _run(self) -> None:
        """Connect again and again until the client stops."""
        while not self._stop.is_set():
            try:
                self._session()
            except Stop as stop:
                self.errors.append(f"stopped: {stop}")
                self._stop.set()
            except (Restart, WebSocketException, OSError) as failure:
                if isinstance(failure, InvalidStatus) and failure.response.status_code in (401, 403):
                    self.errors.append(f"stopped: handshake answered with {failure.response.status_code}")
                    self._stop.set()
            except Exception as failure:  # noqa: BLE001 - a failing token() or a bug: report it, and go on
                self.errors.append(f"unexpected failure: {failure!r}")
            with self._lock:
                self._reset_session()
                wait = random.uniform(0, min(self._max_wait, 2.0 ** min(self._attempts, 5)))
                self._attempts += 1
            self._stop.wait(wait)

    def _session(self) -> None:
        """Run one connection until it ends."""
        token = self._token()
        protocols = [Subprotocol("formbridge.v1"), Subprotocol(f"bearer.{token}")]
        with connect(
            self._url, subprotocols=protocols, proxy=None, ping_interval=None, close_timeout=1, max_size=2**24
        ) as conn:
            if conn.subprotocol != "formbridge.v1":
                self.errors.append(f"violation: subprotocol {conn.subprotocol!r:.20}")
            with self._lock:
                self._conn, self._used_token = conn, token
            before = clock()
            while not self._stop.is_set():
                now = clock()
                with self._lock:
                    self._sync_due |= now - before > 10  # the device (or this process) was asleep
                    request = self._next_request(now)
                    self._prune(now)
                before = now
                if request is not None:
                    conn.send(json.dumps(request.frame))
                self._renew(conn, now)
                try:
                    raw = conn.recv(timeout=0.05)
                except TimeoutError:
                    continue
                with self._lock:
                    self._receive(raw, clock())

    def _renew(self, conn: ClientConnection, now: float) -> None:
        """Send `authenticate` before the connection expires, if there is a new token."""
        if self._auth is not None and now - self._auth[1] > REPLY_SECONDS:
            raise Restart("no reply to authenticate")
        if self._auth is None and self._auth_at is not None and now >= self._auth_at:
            self._auth_at = now + 1
            token = self._token()
            if token != self._used_token:
                self._used_token, self._auth = token, (str(next(self._ids)), now)
                conn.send(json.dumps({"action": "authenticate", "id": self._auth[0], "token": token}))

    def _next_request(self, now: float) -> Request | None:
        """Choose the request to send now, if any: one at a time, the most urgent one first."""
        if self._inflight is not None:
            if now - self._inflight.sent > REPLY_SECONDS:
                raise Restart("no reply")
            return None
        if now < self._hold_until:
            return None
        request: Request | None = None
        quiet = self._last_frame is not None and now - self._last_frame >= self._heartbeat_seconds
        lost = self._cursor is None and self._page is None
        if self._subscribe_due or lost or self._wanted != self._view:
            request = self._subscribe()
        elif self._retry is not None:
            request = self._retry
        elif self._page is not None:
            request = self._sync(self._page)
        elif (
            self._sync_due
            or quiet
            or now - self._last_reply >= SYNC_SECONDS
            or any(at <= now for at in self._settle_at)
        ):
            request = self._sync(self._cursor)
            request.main, request.resync = True, self._resync
            self._resync = self._sync_due = False
        elif self._reconcile_due or now - self._last_reconcile >= DAY - 60:
            request = self._reconcile(now)
        if request is not None:
            request.frame["id"], request.sent = str(next(self._ids)), now
            self._inflight, self._retry = request, None
        return request

    def _subscribe(self) -> Request:
        """Build a `subscribe`, with the cursor if the filter is that of the view."""
        if not self._subscribing:
            self._kept = []
        self._subscribe_due = self._subscribing = True
        self._page = None
        frame: Frame = {"action": "subscribe", "snapshot": self._snapshot}
        if self._wanted is not None:
            frame["filter"] = self._wanted
        if self._cursor is not None and self._wanted == self._view:
            frame["cursor"] = self._cursor
        return Request(frame, pattern=self._wanted)

    def _sync(self, cursor: str | None) -> Request:
        """Build a `sync` from a cursor."""
        self._kept = []
        return Request({"action": "sync", "cursor": cursor, "filter_id": self._filter_id})

    def _reconcile(self, now: float) -> Request | None:
        """Build the next `reconcile`, or end it if nothing is left to send."""
        frame: Frame = {"action": "reconcile", "held": []}
        if self._queue is None:
            shown = [sid for sid, row in self._rows.items() if self._shown(row, now)]
            self._queue = sorted(shown, key=lambda sid: str(self._rows[sid].data.get("submitted_at")), reverse=True)
            self._reconcile_due = True
            frame["snapshot"] = min(self._snapshot, 100)
        request, size = Request(frame), 200
        while self._queue and len(request.held) < 100:
            sid = self._queue[0]
            row = self._rows.get(sid)
            if row is not None and self._shown(row, now):
                size += len(json.dumps([sid, *row.key])) + 2
                if size > HELD_BYTES and request.held:
                    break
                frame["held"].append([sid, *row.key])
                request.held[sid] = row.key
            self._queue.pop(0)
        if not request.held and "snapshot" not in frame:
            self._reconciled(now)
            return None
        self._kept = []
        return request

    def _reconciled(self, now: float) -> None:
        """Note that a reconcile or a fresh snapshot has ended now."""
        self._queue, self._reconcile_due, self._gap, self._last_reconcile = None, False, False, now

    def _receive(self, raw: str | bytes, now: float) -> None:
        """Handle one message of the server."""
        if self._first_frame and self._last_frame is not None:
            self._gap |= now - self._last_frame > self._heartbeat_seconds
        self._first_frame, self._last_frame = False, now
        try:
            frame = json.loads(raw)
            kind = frame.get("type")
            if kind in REPLY_TO.values():
                self._on_reply(frame, now)
            elif kind in ("submission_update", "submission_updates"):
                if "timestamp" in frame:
                    self._clock_offset = max(self._clock_offset, frame["timestamp"] / 1000 - now)
                if self._inflight is not None or self._subscribing:
                    self._kept.append(frame)
                if not self._subscribing:
                    self._on_update(frame)
            elif kind == "resync":
                self._sync_due = self._resync = True
            elif kind == "disconnect":
                if frame.get("reconnect") is False:
                    raise Stop(f"disconnect {frame.get('code')}")
                raise Restart(frame.get("code"))
            elif kind == "error":
                self._on_error(frame, now)
            elif kind == "authenticated" and self._auth is not None and frame.get("id") == self._auth[0]:
                self._auth = None
                self._expires(frame["expires_at"], now)
            elif kind == "pong":
                self._clock_offset = frame["timestamp"] / 1000 - now
            else:
                self.errors.append(f"unexpected frame: {str(frame)[:200]}")
        except (AttributeError, KeyError, TypeError, ValueError) as failure:
            self.errors.append(f"violation: {failure!r} in {str(raw)[:200]}")
            self._hold_until = now + 1

    def _on_reply(self, frame: Frame, now: float) -> None:
        """Apply the reply to the request in flight."""
        request, kind = self._inflight, frame["type"]
        if request is None or frame.get("id") != request.frame["id"] or kind != REPLY_TO[request.frame["action"]]:
            self.errors.append(f"violation: a reply to no request in flight: {str(frame)[:200]}")
            return
        self._inflight = None
        self._clock_offset = frame["server_time"] / 1000 - now
        self._settle_seconds = frame.get("settle_seconds", self._settle_seconds)
        recovered, epoch_before = frame.get("recovered") is not False, self._epoch
        fresh = not recovered or (kind == "subscribed" and "cursor" not in request.frame)
        self._epoch = frame["epoch"]
        if fresh:  # within one epoch, what was removed stays remembered
            remember = recovered and self._epoch == epoch_before
            self._rows = {sid: row for sid, row in self._rows.items() if remember and row.event == "remove"}
            self._cursor, self._settle_at = None, []
            self._reconciled(now)
        if kind == "subscribed":
            self._view, self._filter_id = request.pattern, frame.get("filter_id")
            self._subscribe_due = self._subscribing = False
            self._attempts = 0
            self._heartbeat_seconds = frame["heartbeat_seconds"]
            self._expires(frame["expires_at"], now)
            self._reconcile_due |= self._gap
        elif kind == "synced" and frame.get("filter_id") != self._filter_id:
            self.errors.append(f"violation: synced has filter_id {frame.get('filter_id')}, not {self._filter_id}")
        for update in frame["updates"]:
            self._apply(update, {} if fresh else request.held)
        if kind == "subscribed" or fresh:
            for early in self._kept:
                self._on_update(early)
        self._kept = []
        if kind != "reconciled":
            self._last_reply = now
        if request.main:
            self._settle_at = [at for at in self._settle_at if at > request.sent]
        if kind != "reconciled" or fresh:
            complete = frame["complete"]
            self._cursor, self._page = (frame["cursor"], None) if complete else (self._cursor, frame["cursor"])
        elif not self._queue:
            self._reconciled(now)
        if kind == "subscribed" or request.resync or not recovered:
            self._settle_at.append(now + self._settle_seconds)
        if kind == "reconciled" and not fresh and self._epoch > epoch_before:
            self._sync_due = True

    def _on_update(self, frame: Frame) -> None:
        """Apply an update frame, unless its filter or its epoch is not that of the view."""
        if frame.get("filter_id") != self._filter_id or frame["epoch"] < self._epoch:
            return
        self._sync_due |= frame["epoch"] > self._epoch
        for update in frame["updates"] if frame["type"] == "submission_updates" else [frame]:
            self._apply(update, {})

    def _apply(self, update: Frame, sent: dict[str, tuple[int, int]]) -> None:
        """Apply one update if it is newer than what the client holds, or if it corrects what `reconcile` has sent."""
        event, data = update["event"], update["data"]
        sid, key = data["submission_id"], (data["incarnation"], data["version"])
        if event not in ("insert", "modify", *GONE) or not all(type(part) is int for part in key):
            raise ValueError(f"event {event!r}, incarnation and version {key!r}")
        row, held = Row(key, event, data), self._rows.get(sid)
        as_sent = held is not None and not held.gone and sent.get(sid) == held.key
        if held is None or as_sent or key > held.key or (key == held.key and row.gone and not held.gone):
            self._rows[sid] = row

    def _on_error(self, frame: Frame, now: float) -> None:
        """Do what the table of the page says for an error."""
        code, wait = frame["code"], frame.get("retry_after_ms", 1000) / 1000
        if self._auth is not None and frame.get("id") == self._auth[0]:
            self._auth = None
            if code in ("rate_limited", "internal"):
                self._used_token, self._auth_at = "", now + wait
            elif code != "unauthorized":  # after `unauthorized`, the connection continues; the next token is tried
                raise Stop(f"{code}: {frame.get('message')}")
            return
        request = self._inflight
        if code == "unauthorized":
            raise Restart(code)
        if request is None or frame.get("id", request.frame["id"]) != request.frame["id"]:
            if code != "superseded":
                self.errors.append(f"unexpected frame: {str(frame)[:200]}")
            self._subscribe_due |= code == "superseded" and request is None
            return
        if code not in AGAIN:
            raise Stop(f"{code}: {frame.get('message')}")
        self._inflight = None
        if code in ("bad_cursor", "superseded"):
            self._cursor = None if code == "bad_cursor" else self._cursor
            self._subscribe_due, self._queue = True, None  # a running reconcile starts again
            return
        self._retry, self._hold_until = request, now + wait

    def _expires(self, expires_at: float, now: float) -> None:
        """Plan when to send a new token."""
        left = expires_at - (now + self._clock_offset)
        self._auth_at = now + left - min(60.0, left * 0.2)

    def _shown(self, row: Row, now: float) -> bool:
        """Tell whether a submission is shown: it is not gone, not deleted and not expired by the server's clock."""
        expires_at = row.data.get("expires_at")
        expired = expires_at is not None and expires_at <= now + self._clock_offset
        return not row.gone and row.data.get("status") != "deleted" and not expired

    def _prune(self, now: float) -> None:
        """Forget what has been hidden for 24 hours."""
        if now - self._last_prune < 60:
            return
        self._last_prune = now
        for row in self._rows.values():
            row.hidden_at = None if self._shown(row, now) else row.hidden_at or now
        self._rows = {sid: row for sid, row in self._rows.items() if now - (row.hidden_at or now) < DAY}
