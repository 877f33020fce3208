"""A client of the wire protocol `formbridge.v1`. Copy it: it needs `websockets` and the standard library alone.

    with Client("wss://abc123.execute-api.eu-central-1.amazonaws.com/live", token) as changes:
        for change in changes:
            print(change["event"], change["data"]["submission_id"])

`View` and `Subscription` know the protocol and do no I/O: they are handed frames and the time, in epoch seconds, and
give the frames to send. `Client` drives a subscription over as many connections as it takes.
"""

from __future__ import annotations

import json
import logging
import math
import random
import re
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Event
from typing import Any, Final, Literal, NamedTuple, Self

from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

Frame = dict[str, Any]
Update = dict[str, Any]
"""`event` and `data`."""

LONGEST_WITHOUT_REPLY_SECONDS: Final = 30 * 60
REPLY_SECONDS: Final = 30
"""API Gateway gives an integration 29 seconds: no reply comes later."""
RENEW_SECONDS: Final = 60
"""How long before its token expires a connection gets the next one."""
REMEMBERED_SECONDS: Final = 24 * 3600
"""The table's stream keeps what happened for a day: an update is never later than that."""
STABLE_SECONDS: Final = 30
"""A connection that lived shorter counts as one more failed attempt, so that a flapping gateway is spared."""

logger = logging.getLogger(__name__)
_wire = logging.getLogger(f"{__name__}.wire")
_wire.setLevel(logging.INFO)  # at DEBUG, websockets logs every header and frame, and so the token


class Disconnected(Exception):
    """The connection is over; with `reconnect`, another one may go on where it ended.

    `code` is that of a `disconnect` or `error` frame, or `no_reply`.
    """

    def __init__(self, code: str, message: str = "", *, reconnect: bool) -> None:
        super().__init__(f"{code}: {message}" if message else code)
        self.code = code
        self.reconnect = reconnect


class HandshakeRefused(Exception):
    """401: the token does not verify. 403: it does not grant this, or the tenant has too many connections."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the gateway refuses the connection: HTTP {status}")
        self.status = status


class _Entry(NamedTuple):
    version: int
    gone: bool
    """By `leave` or `remove`, which win over another update of the same version."""
    data: Mapping[str, Any] | None
    """None: not to be shown. The version stays, so that a late duplicate does not bring the submission back."""
    expires_at: float


class View:
    """Of each submission its newest version, in whatever order and however often the updates come.

    `whole`: nothing is held elsewhere. Not so where an earlier run's cursor is resumed from: what that run showed may
    go without ever having been seen here.
    """

    def __init__(self, *, whole: bool = True) -> None:
        self._entries: dict[str, _Entry] = {}
        self._whole = whole

    def apply(self, update: Update, now: float) -> bool:
        """Take an update; whether it changed what is shown."""
        data, gone = update["data"], update["event"] in ("leave", "remove")
        held = self._entries.get(data["submission_id"])
        if held and held.expires_at <= now:
            held = None  # the row may be gone, and the submission begin again at version 1
        # What is gone need not say until when: it is remembered while something older may still come.
        longest = now + REMEMBERED_SECONDS if gone else math.inf
        expires_at = data.get("expires_at", min(held.expires_at, longest) if held and gone else longest)
        # What has expired says nothing of a submission that began again.
        if expires_at <= now or (held and (data["version"], gone) <= (held.version, held.gone)):
            return False
        shown = data if not gone and data.get("status") != "deleted" else None
        self._entries[data["submission_id"]] = _Entry(data["version"], gone, shown, expires_at)
        was_shown = held.data is not None if held else not self._whole
        return shown is not None or was_shown

    def shown(self, now: float) -> dict[str, Mapping[str, Any]]:
        """What is in view, by submission."""
        self.forget(now)
        return {name: entry.data for name, entry in self._entries.items() if entry.data is not None}

    def forget(self, now: float) -> None:
        """Forget what has expired, versions included."""
        self._entries = {name: entry for name, entry in self._entries.items() if entry.expires_at > now}

    def clear(self) -> None:
        """Begin anew, versions included."""
        self._entries.clear()
        self._whole = True


@dataclass(slots=True)
class _Request:
    id: str
    action: Literal["subscribe", "sync"]
    cursor: str | None
    due: float
    """When its reply is overdue; where it was `refused` for now, when it is sent again."""
    pushes: list[Frame]
    """Those that came before its reply, and may be newer than what that was read from."""
    refused: bool = False


@dataclass(slots=True)
class Subscription:
    """What a client holds, what it sends and when, across connections: no socket, no clock.

    Send what the methods give, in order. Call `tick` at `due`, if no frame is there, and `authenticate` at `renew_at`.
    """

    filter: Mapping[str, object] | None = None
    snapshot: int = 50
    cursor: str | None = None
    """That of the last reply with `complete: true`: what the next connection resumes from."""
    view: View = field(init=False)
    changes: deque[Update] = field(default_factory=deque[Update], init=False)
    """The updates that changed the view, to be taken off from the left."""
    renew_at: float = field(default=math.inf, init=False)
    """When the connection wants a fresh token."""
    _request: _Request | None = field(default=None, init=False)
    """The one under way."""
    _next: Literal["subscribe", "sync"] | None = field(default=None, init=False)
    """What is wanted once that is answered."""
    _asked: int = field(default=0, init=False)
    _filter_id: str | None = field(default=None, init=False)
    _heartbeat: float = field(default=300, init=False)
    _heard_at: float = field(default=0, init=False)
    _replied_at: float = field(default=0, init=False)

    def __post_init__(self) -> None:
        self.view = View(whole=self.cursor is None)

    def connected(self, now: float) -> list[Frame]:
        """There is a new connection."""
        self._next, self.renew_at = None, math.inf
        return self._ask("subscribe", self.cursor, now)

    def refilter(self, wanted: Mapping[str, object] | None, now: float) -> list[Frame]:
        """Replace the filter on the present connection: a new view, which begins with the reply."""
        self.filter, self.cursor = wanted, None
        if self._request and not self._request.refused:
            self._next = "subscribe"  # two at a time might be answered in either order
            return []
        return self._ask("subscribe", None, now)

    def authenticate(self, token: str) -> list[Frame]:
        """Let the connection last as long as a fresh token."""
        self.renew_at = math.inf
        return [{"action": "authenticate", "id": "authenticate", "token": token}]

    @property
    def due(self) -> float:
        """When `tick` will have something to do, unless a frame comes first."""
        if self._request:
            return self._request.due
        return min(self._heard_at + self._heartbeat, self._replied_at + LONGEST_WITHOUT_REPLY_SECONDS)

    def tick(self, now: float) -> list[Frame]:
        """Do what is due.

        Raises:
            Disconnected: a reply did not come.
        """
        request = self._request
        if now < self.due:
            return []
        if request is None:
            return self._ask("sync", self.cursor, now)
        if not request.refused:
            raise Disconnected("no_reply", reconnect=True)
        return self._ask(request.action, request.cursor, now, request.pushes)

    def received(self, frame: Frame, now: float) -> list[Frame]:
        """Take in a frame.

        Raises:
            Disconnected: it ends the connection.
        """
        self._heard_at = now
        request = self._request
        match frame.get("type"):
            case "submission_update" | "submission_updates":
                if request:
                    request.pushes.append(frame)
                if not request or request.action == "sync":  # else it is not known yet which filter is meant
                    self._pushed([frame], now)
            case "subscribed" | "synced" if request and frame.get("id") == request.id:
                return self._replied(frame, request, now)
            case "authenticated":
                self._lasts_until(frame["expires_at"], now)
            case "resync" if request:
                self._next = self._next or "sync"  # what is being read may lack what was not posted
            case "resync":
                return self._ask("sync", self.cursor, now)
            case "disconnect":
                raise Disconnected(frame["code"], reconnect=frame.get("reconnect") is not False)
            case "error" if request and frame.get("id") == request.id:
                return self._refused(frame, request, now)
            case "error" if frame.get("id") == "authenticate" and frame.get("retryable"):
                self.renew_at = _retry_at(frame, now)
            case _:
                pass
        return [] if self._request else self.tick(now)

    def _ask(
        self, action: Literal["subscribe", "sync"], cursor: str | None, now: float, pushes: Iterable[Frame] = ()
    ) -> list[Frame]:
        self._asked += 1
        self._request = _Request(str(self._asked), action, cursor, now + REPLY_SECONDS, list(pushes))
        wanted = {"snapshot": self.snapshot, "filter": self.filter} if action == "subscribe" else {}
        fields = {"action": action, "id": self._request.id, "cursor": cursor, **wanted}
        return [{name: value for name, value in fields.items() if value is not None}]

    def _replied(self, reply: Frame, request: _Request, now: float) -> list[Frame]:
        self._request, self._replied_at = None, now
        if self._next == "subscribe":
            self._next = None
            return self._ask("subscribe", None, now)
        if reply["type"] == "subscribed":
            self._filter_id = reply.get("filter_id")
            self._heartbeat = reply["heartbeat_seconds"]
            self._lasts_until(reply["expires_at"], now)
        updates: list[Update] = reply["updates"]
        if (request.action == "subscribe" and request.cursor is None) or reply.get("recovered") is False:
            self.cursor = None
            self.view.clear()
            updates = updates[::-1]  # a snapshot tells the newest first
        self.view.forget(now)
        self._apply(updates, now)
        self._pushed(request.pushes, now)
        if not reply["complete"]:
            return self._ask("sync", reply["cursor"], now)
        self.cursor = reply["cursor"]
        again, self._next = self._next, None
        return self._ask("sync", self.cursor, now) if again else []

    def _refused(self, error: Frame, request: _Request, now: float) -> list[Frame]:
        if error["code"] == "bad_cursor" and request.cursor is not None:
            return self._ask("subscribe", None, now, request.pushes)
        if not error.get("retryable"):
            # Of a `sync`, or for want of authority: the gateway no longer knows this connection, but may the next.
            reconnect = request.action == "sync" or error["code"] == "unauthorized"
            raise Disconnected(error["code"], error["message"], reconnect=reconnect)
        request.refused, request.due = True, _retry_at(error, now)
        return []

    def _pushed(self, frames: Iterable[Frame], now: float) -> None:
        for frame in frames:
            if frame.get("filter_id") == self._filter_id:  # else it came through one that was replaced
                self._apply(updates_of(frame), now)

    def _apply(self, updates: Iterable[Update], now: float) -> None:
        self.changes.extend(update for update in updates if self.view.apply(update, now))

    def _lasts_until(self, expires_at: float, now: float) -> None:
        # However wrong the clock is, no more than one token in half a minute.
        self.renew_at = now + max(expires_at - now - RENEW_SECONDS, 30)


class Client:
    """A subscription on a gateway: iterating waits for its changes, and yields them until `close`.

    `token` is a JWT, or a function that gives a fresh one: before each connection, and before one expires. After a day
    offline a fresh snapshot tells everything anew, and what it lacks is no longer in `held`.

    Raises, when iterated:
        HandshakeRefused: the gateway takes no connection.
        Disconnected: it wants no other one, or takes no such subscription.
    """

    def __init__(
        self,
        url: str,
        token: str | Callable[[], str],
        subscription: Subscription | None = None,
        *,
        clock: Callable[[], float] = time.time,
        jitter: Callable[[float, float], float] = random.uniform,
    ) -> None:
        if not re.match(r"wss?://[^/?#]", url):
            raise ValueError(f"url: must be wss://HOST/STAGE, got {url.partition('?')[0]!r}")
        self.subscription = subscription or Subscription()
        self.cursor = self.subscription.cursor
        """To resume from in another run: all up to it was yielded, and the next change asked for."""
        self._url = url
        self._token = token if callable(token) else _jwt(token)
        self._clock = clock
        self._jitter = jitter
        self._socket: ClientConnection | None = None
        self._closed = Event()
        self._connected_at = 0.0
        self._failures = 0

    @property
    def held(self) -> dict[str, Mapping[str, Any]]:
        """The submissions in view, by their ids."""
        return self.subscription.view.shown(self._clock())

    def refilter(self, wanted: Mapping[str, object] | None) -> None:
        """Replace the filter: a new view."""
        frames = self.subscription.refilter(wanted, self._clock())
        if self._socket:
            with suppress(OSError, WebSocketException):  # the next connection asks for it
                self._send(self._socket, frames)

    def close(self) -> None:
        """End the connection and the iteration; from any thread."""
        self._closed.set()
        self._hang_up()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[Update]:
        return self

    def __next__(self) -> Update:
        while not self.subscription.changes:
            self.cursor = self.subscription.cursor
            if self._closed.is_set():
                self._hang_up()
                raise StopIteration
            self._advance()
        return self.subscription.changes.popleft()

    def _advance(self) -> None:
        """Connect, take in a frame, or do what is due."""
        try:
            if self._socket is None:
                self._connect()
            else:
                self._exchange(self._socket)
        except Disconnected as ended:
            self._hang_up()
            if not ended.reconnect:
                raise
            self._wait(ended.code)
        except (OSError, WebSocketException) as error:
            self._hang_up()
            status = error.response.status_code if isinstance(error, InvalidStatus) else None
            if status and status < 500 and status != 429:
                raise HandshakeRefused(status) from None
            # Not its text, which may quote what the server sent, and so what it was sent.
            self._wait(f"HTTP {status}" if status else type(error).__name__)

    def _connect(self) -> None:
        token = _jwt(self._token()) if callable(self._token) else self._token
        offered = [Subprotocol("formbridge.v1"), Subprotocol(f"bearer.{token}")]
        self._connected_at = self._clock()
        socket = connect(self._url, subprotocols=offered, close_timeout=1, logger=_wire).__enter__()
        self._socket = socket
        logger.info("connected")
        self._send(socket, self.subscription.connected(self._clock()))

    def _exchange(self, socket: ClientConnection) -> None:
        now, due = self._clock(), self.subscription.due
        if callable(self._token):
            if now >= self.subscription.renew_at:
                self._send(socket, self.subscription.authenticate(_jwt(self._token())))
            due = min(due, self.subscription.renew_at)
        try:
            text = socket.recv(max(0.0, due - now))
        except TimeoutError:  # what came while the caller was busy counts, however late it is read
            self._send(socket, self.subscription.tick(self._clock()))
        else:
            self._send(socket, self.subscription.received(json.loads(text), self._clock()))

    @staticmethod
    def _send(socket: ClientConnection, frames: Iterable[Frame]) -> None:
        for frame in frames:
            socket.send(json.dumps(frame))

    def _hang_up(self) -> None:
        socket, self._socket = self._socket, None
        if socket:
            socket.close()

    def _wait(self, reason: str) -> None:
        """Before the next connection; with full jitter, so that clients lost together do not come back together."""
        if self._clock() - self._connected_at >= STABLE_SECONDS:
            self._failures = 0
        seconds = self._jitter(0, min(30, 2**self._failures))
        self._failures = min(self._failures + 1, 5)
        logger.info("%s; connecting again in %.1f s", reason, seconds)
        self._closed.wait(seconds)


def updates_of(frame: Frame) -> list[Update]:
    """The updates that a frame of any type carries."""
    if frame.get("type") == "submission_update":
        return [{"event": frame["event"], "data": frame["data"]}]
    return frame.get("updates", [])


def _retry_at(error: Frame, now: float) -> float:
    return now + error.get("retry_after_ms", 1_000) / 1_000


def _jwt(token: str) -> str:
    # Checked here, since websockets would quote a token that is none.
    if not re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]*", token, re.ASCII):
        raise ValueError("token: must be a JWT, three parts of base64url joined by dots")
    return token
