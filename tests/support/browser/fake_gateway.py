"""A gateway and a site for the page to talk to, both under the test's control.

`FakeGateway` speaks `formbridge.v1`: the test takes each connection, reads what the page sent and answers by hand.
It can be told which tokens it admits, as the real one's authorizer would.
`FakeSite` serves `dashboard/` with the policies of the real site, and the small API beside it; with another
`config.json` it is the static site on AWS.
"""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from queue import Queue
from typing import TYPE_CHECKING, Any, Self, TypeAlias, cast
from urllib.parse import parse_qsl, urlsplit

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import Server, ServerConnection, serve
from websockets.typing import Subprotocol

from components.dashboard_site import PERMISSIONS_POLICY, build_content_security_policy

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from websockets.http11 import Request, Response

DASHBOARD = Path(__file__).parents[3] / "dashboard"
SUBPROTOCOL = "formbridge.v1"
BEARER_PREFIX = "bearer."
PATIENCE = 15.0

Frame: TypeAlias = dict[str, Any]


def iso(epoch_ms: float) -> str:
    """The protocol's form of a time: ISO 8601, UTC, milliseconds."""
    moment = datetime.fromtimestamp(epoch_ms / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def in_seconds(seconds: float) -> int:
    """A time as the protocol gives it of what expires: epoch seconds."""
    return int(time.time() + seconds)


def update(
    submission_id: str,
    version: int = 1,
    *,
    event: str = "insert",
    status: str = "received",
    form_id: str = "contact",
    age: float = 0,
    **more: Any,
) -> Frame:
    """One update as the gateway sends it, submitted `age` seconds ago."""
    if event == "leave":
        given = {"tenant_id": "t_acme", "submission_id": submission_id, "version": version, "event": event}
        given |= {name: value for name, value in more.items() if name == "incarnation"}
        return {"event": event, "data": given}
    submitted_at = iso((time.time() - age) * 1000)
    data = {
        "tenant_id": "t_acme",
        "submission_id": submission_id,
        "form_id": form_id,
        "status": status,
        "version": version,
        "submitted_at": submitted_at,
        "updated_at": submitted_at,
        "timestamp": submitted_at,
        "message": "New form submission received",
        "event": event,
        **more,
    }
    return {"event": event, "data": data}


class Connection:
    """One connection of the page, from the gateway's side."""

    def __init__(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        offered = socket.request.headers["Sec-WebSocket-Protocol"]
        self.subprotocols = [name.strip() for name in offered.split(",")]
        self.query = dict(parse_qsl(urlsplit(socket.request.path).query))
        self.closed = threading.Event()
        self._socket = socket
        self._frames: Queue[Frame] = Queue()

    @property
    def token(self) -> str:
        """The token that the page brought."""
        return _token(self.subprotocols)

    def listen(self) -> None:
        """Takes in what the page sends, until it closes."""
        try:
            for text in self._socket:
                self._frames.put(json.loads(text))
        except ConnectionClosed:
            pass
        finally:
            self.closed.set()

    def expect(self, action: str) -> Frame:
        """The next frame of the page, which must be this action."""
        frame = self._frames.get(timeout=PATIENCE)
        assert frame["action"] == action, f"expected {action}, got {frame}"
        return frame

    def is_quiet(self) -> bool:
        """Whether the page has sent nothing that was not expected."""
        return self._frames.empty()

    def send(self, frame: Frame | str) -> None:
        self._socket.send(frame if isinstance(frame, str) else json.dumps(frame))

    def push(self, *updates: Frame, **more: Any) -> None:
        """One update as `submission_update`, several as one `submission_updates`."""
        more |= {"cursor": "push", "timestamp": int(time.time() * 1000)}
        if len(updates) == 1:
            self.send({"type": "submission_update", **updates[0], **more})
        else:
            self.send({"type": "submission_updates", "updates": updates, **more})

    def reply(self, request: Frame, *updates: Frame, cursor: str = "c1", complete: bool = True, **more: Any) -> None:
        """Answers `subscribe` with `subscribed`, `sync` with `synced`, `reconcile` with `reconciled`."""
        kind = {"subscribe": "subscribed", "sync": "synced", "reconcile": "reconciled"}[request["action"]]
        frame: Frame = {"type": kind, "id": request["id"], "updates": updates}
        if kind != "reconciled" or more.get("recovered") is False:
            frame |= {"cursor": cursor, "complete": complete}
        if kind == "subscribed":
            now = time.time()
            frame |= {"heartbeat_seconds": 300, "expires_at": in_seconds(3600), "server_time": int(now * 1000)}
        self.send(frame | more)

    def subscribed(self, *updates: Frame, cursor: str = "c1", **more: Any) -> Frame:
        """Takes the page's `subscribe` and answers it."""
        request = self.expect("subscribe")
        self.reply(request, *updates, cursor=cursor, **more)
        return request

    def authenticated(self, request: Frame, *, seconds: float) -> None:
        """Takes the token that `authenticate` brought: the connection is good for so long."""
        self.send({"type": "authenticated", "id": request["id"], "expires_at": in_seconds(seconds)})

    def resync(self) -> Frame:
        """Tells the page to `sync`, which must be the next that it says."""
        self.send({"type": "resync", "reason": "behind"})
        return self.expect("sync")

    def refuse(self, request: Frame, code: str, *, retryable: bool = False, **more: Any) -> None:
        """Answers with a typed error."""
        frame: Frame = {"type": "error", "id": request["id"], "code": code, "message": code}
        self.send(frame | {"retryable": retryable} | more)

    def disconnect(self, code: str, *, reconnect: bool) -> None:
        self.send({"type": "disconnect", "code": code, "reconnect": reconnect})

    def drop(self) -> None:
        """Ends the TCP connection without a closing handshake, as a lost network would."""
        self._socket.socket.close()


def _token(subprotocols: Sequence[str]) -> str:
    return next(name for name in subprotocols if name.startswith(BEARER_PREFIX)).removeprefix(BEARER_PREFIX)


class FakeGateway:
    """A WebSocket server on 127.0.0.1 that hands each connection to the test. It answers 426 to all other requests."""

    def __init__(self) -> None:
        self.admits: Callable[[str], bool] = lambda token: True
        """Whether a token is good; the handshake with any other ends in 401."""
        self.refused: Queue[str] = Queue()
        """The tokens that were not."""
        self.probes: Queue[str] = Queue()
        """The paths that were asked for without a WebSocket."""
        self._connections: Queue[Connection] = Queue()
        self._server: Server = serve(
            self._handle,
            "127.0.0.1",
            0,
            subprotocols=[Subprotocol(SUBPROTOCOL)],
            process_request=self._authorize,
            ping_interval=None,
            close_timeout=0.1,
        )
        self.url = f"ws://127.0.0.1:{self._server.socket.getsockname()[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def _authorize(self, socket: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" not in request.headers:
            self.probes.put(request.path)
            return socket.respond(426, "")
        token = _token([name.strip() for name in request.headers["Sec-WebSocket-Protocol"].split(",")])
        if self.admits(token):
            return None
        self.refused.put(token)
        return socket.respond(401, "")

    def _handle(self, socket: ServerConnection) -> None:
        connection = Connection(socket)
        self._connections.put(connection)
        connection.listen()

    def accept(self) -> Connection:
        """The page's next connection."""
        return self._connections.get(timeout=PATIENCE)

    def has_no_more(self) -> bool:
        """Whether the page has opened no connection that was not accepted."""
        return self._connections.empty()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()


@dataclass
class Posted:
    """What the page posted to the API."""

    path: str
    body: Frame


@dataclass
class Answers:
    """How the API answers; a test may change it. Each gives a status code and a body."""

    token: Callable[[Frame, int], tuple[int, Frame]] = lambda body, number: (
        200,
        {"token": f"token-{number}.{body['tenant_id']}", "expires_at": int(time.time()) + 3600},
    )
    submit: Callable[[Frame, int], tuple[int, Frame]] = lambda body, number: (
        202,
        {"submission_id": f"sub_{number}", "submitted_at": iso(time.time() * 1000)},
    )
    change: Callable[[Frame, int], tuple[int, Frame]] = lambda body, number: (202, {})
    config: Frame = field(default_factory=dict[str, Any])


class FakeSite:
    """The page's static files and its API on 127.0.0.1.

    The page may connect to itself, to the gateway by WebSocket and by HTTP, and to `connect_sources`. The files are
    those of `folder`.
    """

    def __init__(self, websocket_url: str, *connect_sources: str, folder: Path = DASHBOARD) -> None:
        self.folder = folder
        self.now: Callable[[], float] = time.time
        """Its clock, which the header `Date` shows: epoch seconds."""
        self.answers = Answers()
        self.answers.config = {
            "websocket_url": websocket_url,
            "tenants": ["t_acme", "t_globex", "t_initech"],
            "forms": ["contact", "survey", "signup"],
            "token_url": "/api/token",
            "submissions_url": "/api/submissions",
        }
        self._posted: Queue[Posted] = Queue()
        self._numbers = count(1)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, self))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        gateway = [websocket_url, websocket_url.replace("ws:", "http:")]
        self.policy = build_content_security_policy([*gateway, *connect_sources])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    def posted(self) -> Posted:
        """The next post to the submissions API."""
        return self._posted.get(timeout=PATIENCE)

    def answer(self, path: str, body: Frame) -> tuple[int, Frame]:
        number = next(self._numbers)
        if path == "/api/token":
            return self.answers.token(body, number)
        self._posted.put(Posted(path, body))
        chosen = self.answers.submit if path == "/api/submissions" else self.answers.change
        return chosen(body, number)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(SimpleHTTPRequestHandler):
    extensions_map = SimpleHTTPRequestHandler.extensions_map | {".js": "text/javascript"}

    def __init__(self, site: FakeSite, *args: Any) -> None:
        self._site = site
        super().__init__(*args, directory=str(site.folder))

    def do_GET(self) -> None:
        if self.path == "/config.json":
            self._answer(200 if self._site.answers.config else 503, self._site.answers.config)
        else:
            super().do_GET()

    def do_POST(self) -> None:
        body = cast("Frame", json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self._answer(*self._site.answer(self.path, body))

    def _answer(self, status: int, body: Frame) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self._site.policy)
        self.send_header("Permissions-Policy", PERMISSIONS_POLICY)
        self.send_header("Cache-Control", "no-store")
        super().end_headers()

    def date_time_string(self, timestamp: float | None = None) -> str:
        return super().date_time_string(self._site.now() if timestamp is None else timestamp)

    def log_message(self, *args: Any, **kwargs: Any) -> None:
        """Quiet: pytest shows what matters."""
