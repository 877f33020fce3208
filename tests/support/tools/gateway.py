"""A gateway on 127.0.0.1 that does what a test's scripts say."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Thread
from typing import TYPE_CHECKING

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve
from websockets.typing import Subprotocol

if TYPE_CHECKING:
    from websockets.http11 import Request, Response

    from tools.client import Frame

TOKEN = "head.secret-body.signature"
PATIENCE = 30.0
"""Far more than anything here takes, in seconds: what hangs fails."""


@dataclass
class Talk:
    """The gateway's side of one connection."""

    socket: ServerConnection

    def asked(self) -> Frame:
        """The client's next frame."""
        return json.loads(self.socket.recv(PATIENCE))

    def send(self, *frames: Frame) -> None:
        for frame in frames:
            self.socket.send(json.dumps(frame))

    def until_closed(self) -> None:
        """Until the client hangs up."""
        with suppress(ConnectionClosed):
            self.socket.recv(PATIENCE)


Script = int | Callable[[Talk], None]
"""One connection: the status that its handshake is refused with, or what is said until the gateway closes it. One that
no script is for is refused with 410."""


@dataclass
class Gateway:
    """A running one."""

    scripts: list[Script]
    url: str = ""
    tokens: list[str] = field(default_factory=list[str])
    """That of each handshake."""
    paths: list[str] = field(default_factory=list[str])
    """Path and query of each handshake."""
    failures: list[BaseException] = field(default_factory=list[BaseException])

    def admit(self, socket: ServerConnection, request: Request) -> Response | None:
        offered = request.headers["Sec-WebSocket-Protocol"].split(", ")
        assert offered[0] == "formbridge.v1"
        self.tokens.append(offered[1].removeprefix("bearer."))
        self.paths.append(request.path)
        script = self.scripts[0] if self.scripts else 410
        if callable(script):
            return None
        del self.scripts[:1]
        return socket.respond(script, "")

    def talk(self, socket: ServerConnection) -> None:
        script = self.scripts.pop(0)
        assert callable(script)
        try:
            script(Talk(socket))
        except BaseException as failure:  # noqa: BLE001 - raised in the test's own thread
            self.failures.append(failure)


@contextmanager
def gateway(*scripts: Script) -> Generator[Gateway]:
    """A gateway that takes one connection after another, for as long as the block runs."""
    running = Gateway(list(scripts))
    with serve(
        running.talk,
        "127.0.0.1",
        0,
        subprotocols=[Subprotocol("formbridge.v1")],
        process_request=running.admit,
        close_timeout=1,
    ) as server:
        running.url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/live"
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield running
        finally:
            server.shutdown()
            thread.join()
    if running.failures:
        raise running.failures[0]
    assert running.scripts == []
