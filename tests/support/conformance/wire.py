"""The gateway as an outside client meets it: a handshake, and raw frames. Nothing here is shared with the server."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin, Subprotocol

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

Frame = dict[str, Any]
PATIENCE: Final = 60.0
"""Seconds after which what should have come is called missing."""

MOST_REPLIES: Final = 10
"""More than any test's submissions need."""


@dataclass
class Wire:
    """An open connection."""

    socket: ClientConnection
    frames: list[Frame] = field(default_factory=list[Frame])
    """All that came, in order."""
    asked: int = 0

    @property
    def pushes(self) -> list[Frame]:
        """What came without having been asked for."""
        return [frame for frame in self.frames if "id" not in frame]

    def send(self, frame: object) -> None:
        """Send a text as it is, anything else as JSON."""
        self.socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    def ask(self, action: str, **fields: object) -> Frame:
        """Send a request; its reply."""
        self.asked += 1
        request_id = str(self.asked)
        self.send({"action": action, "id": request_id, **fields})
        reply = self.until(lambda frame: frame.get("id") == request_id or _is_nobodys(frame))
        assert "id" in reply, reply
        return reply

    def to_the_end(self, reply: Frame) -> list[Frame]:
        """A reply, and what `sync` with the cursor just given brings, up to the first that is complete."""
        replies = [reply]
        while not replies[-1]["complete"]:
            assert len(replies) < MOST_REPLIES
            replies.append(self.ask("sync", cursor=replies[-1]["cursor"]))
        return replies

    def next(self) -> Frame:
        """The next frame."""
        frame: Frame = json.loads(self.socket.recv(PATIENCE))
        self.frames.append(frame)
        return frame

    def until(self, wanted: Callable[[Frame], bool]) -> Frame:
        """The next frame that is `wanted`."""
        deadline = time.monotonic() + PATIENCE
        while not wanted(frame := self.next()):
            assert time.monotonic() < deadline, f"not among {self.frames}"
        return frame

    def until_told(self, submission_id: str, event: str | None = None) -> Frame:
        """The next push with an update of a submission, and of this `event`; the update."""
        return update_of(self.until(lambda frame: _tells(frame, submission_id, event)), submission_id)

    def until_closed(self) -> list[Frame]:
        """What comes until the server closes the connection."""
        before = len(self.frames)
        try:
            while True:
                self.next()
        except ConnectionClosed:
            return self.frames[before:]


@dataclass(frozen=True)
class Gateway:
    """Where the gateway is."""

    url: str

    @contextmanager
    def connect(
        self,
        token: str | None = None,
        *,
        in_header: bool = False,
        query: str = "",
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Generator[Wire]:
        """Connect as a browser does, or with the token in the `Authorization` header.

        Raises:
            InvalidStatus: the handshake is refused.
        """
        bearer = f"bearer.{token}" if token is not None and not in_header else None
        authorization = {"Authorization": f"Bearer {token}"} if in_header else {}
        with connect(
            self.url + query,
            subprotocols=[Subprotocol(name) for name in ("formbridge.v1", bearer) if name],
            origin=Origin(origin) if origin is not None else None,
            additional_headers={**authorization, **(headers or {})},
            proxy=None,
            open_timeout=PATIENCE,
            close_timeout=1,
        ) as socket:
            yield Wire(socket)

    @contextmanager
    def join(self, token: str, **fields: object) -> Generator[Wire]:
        """Connect and subscribe; the first frame is the reply."""
        with self.connect(token) as wire:
            assert wire.ask("subscribe", **fields)["type"] == "subscribed"
            yield wire

    def status(self, token: str | None = None, *, query: str = "", origin: str | None = None) -> int:
        """101 where the handshake succeeds, else the status that it is refused with."""
        try:
            with self.connect(token, query=query, origin=origin) as wire:
                response = wire.socket.response
                return response.status_code if response else 0
        except InvalidStatus as refused:
            return refused.response.status_code


def updates_of(frame: Frame) -> list[Frame]:
    """The updates that a frame of any type carries."""
    return [frame] if frame["type"] == "submission_update" else frame.get("updates", [])


def update_of(frame: Frame, submission_id: str) -> Frame:
    """The update of a submission that a frame carries."""
    (update,) = (update for update in updates_of(frame) if update["data"]["submission_id"] == submission_id)
    return update


def ids_of(frame: Frame) -> list[str]:
    """The submissions that a frame tells of."""
    return [update["data"]["submission_id"] for update in updates_of(frame)]


def _is_nobodys(frame: Frame) -> bool:
    """An error that does not say which request it is about."""
    return frame["type"] == "error" and "id" not in frame


def _tells(frame: Frame, submission_id: str, event: str | None) -> bool:
    return "id" not in frame and any(
        update["data"]["submission_id"] == submission_id and event in (None, update["event"])
        for update in updates_of(frame)
    )
