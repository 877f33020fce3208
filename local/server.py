"""Web server on 127.0.0.1 with the dashboard's files and an API for tokens and submissions.

Every request needs the key of the run (`local.dashboard_access`).
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import urlsplit

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from formbridge.runtime.clock import now_ms
from formbridge.runtime.identifiers import quote
from formbridge.runtime.timestamps import to_iso
from formbridge.submissions.event import RECEIVED, UPDATED

from . import tokens
from .bus import BadSubmission, Bus, BusError, FormSubmission
from .dashboard_access import JWKS_PATH, DashboardAccess
from .foreign_requests import HTTP_PORT
from .security_headers import SecurityHeaders
from .stack import StackError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from starlette.requests import Request
    from starlette.types import ASGIApp

    from .stack import Stack

DASHBOARD: Final = Path(__file__).resolve().parents[1] / "dashboard"
TENANTS: Final = ("t_acme", "t_globex", "t_initech")
FORMS: Final = ("contact", "survey", "signup")
TOKEN_LIFETIME_SECONDS: Final = 3600
MAX_BODY_BYTES: Final = 256 * 1024
"""Maximum size of a request body. A larger request is rejected.

EventBridge has the same limit for an event.
"""


class Server:
    """Web server of one stack.

    Args:
        app: The web application.
        listener: A listening socket. It is opened before the stack exists, because the stack's configuration contains
            its port.
    """

    def __init__(self, app: ASGIApp, listener: socket.socket) -> None:
        self._server = _NotifyingServer(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._listener = listener
        self._thread = ThreadPoolExecutor(1, "dashboard")

    def start(self) -> Future[None]:
        """Start the server in a thread and wait until it accepts requests.

        Returns:
            A future that is done when the server ends. Its result is None after `stop`. If the server fails, the future
            has the exception.
        """
        ended = self._thread.submit(self._server.run, [self._listener])
        ended.add_done_callback(lambda _ended: self._server.ready.set())
        self._server.ready.wait()
        return ended

    def stop(self) -> None:
        """Stop the server. Requests in progress have one second to finish."""
        self._server.should_exit = True
        self._thread.shutdown()


class _NotifyingServer(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


def application(stack: Stack, state_dir: Path, dashboard: Path = DASHBOARD) -> Starlette:
    """Create the web application: the files in `dashboard` and the API for tokens and submissions."""
    api = _Api(stack, state_dir)
    return Starlette(
        routes=[
            Route("/config.json", api.config),
            Route(JWKS_PATH, api.jwks),
            Route("/api/token", api.token, methods=["POST"]),
            Route("/api/submissions", api.submit, methods=["POST"]),
            Route("/api/submissions/{submission_id}", api.update, methods=["POST"]),
            Mount("/", StaticFiles(directory=dashboard, html=True)),
        ],
        middleware=[
            Middleware(SecurityHeaders, gateway=urlsplit(stack.endpoint_url).netloc),
            Middleware(DashboardAccess, key=stack.dashboard_key, port=urlsplit(stack.dashboard_url).port or HTTP_PORT),
        ],
        exception_handlers={
            HTTPException: _http_error,
            BadSubmission: _refused,
            tokens.TokenError: _refused,
            BusError: _failed,
            StackError: _failed,
        },
    )


class _Api:
    def __init__(self, stack: Stack, state_dir: Path) -> None:
        self._stack = stack
        self._state_dir = state_dir

    @cached_property
    def _bus(self) -> Bus:
        return Bus(self._stack)

    def config(self, _request: Request) -> Response:
        """Return the configuration of the dashboard's page."""
        return _answer(
            {
                "websocket_url": self._stack.output("websocket_url"),
                "tenants": TENANTS,
                "forms": FORMS,
                "token_url": "/api/token",
                "submissions_url": "/api/submissions",
            }
        )

    def jwks(self, _request: Request) -> Response:
        """Return the public keys that verify the tokens."""
        return Response(tokens.fetch_jwks(self._stack), media_type="application/json")

    async def token(self, request: Request) -> Response:
        """Create a token for one tenant."""
        fields = await _fields(request, required=("tenant_id",))
        token = tokens.mint(self._stack, self._state_dir, fields["tenant_id"], TOKEN_LIFETIME_SECONDS)
        return _answer({"token": token, "expires_at": tokens.expires_at(token)})

    async def submit(self, request: Request) -> Response:
        """Send the event of a new submission."""
        fields = await _fields(request, required=("tenant_id", "form_id"), optional=("status", "payload"))
        fields.setdefault("payload", {})
        submission = FormSubmission(**fields)
        await run_in_threadpool(lambda: self._bus.put(RECEIVED, [submission.detail()]))
        answer = {"submission_id": submission.submission_id, "submitted_at": submission.submitted_at}
        return _answer(answer, status=202)

    async def update(self, request: Request) -> Response:
        """Send the event of a changed submission."""
        fields = await _fields(
            request, required=("tenant_id", "form_id", "status", "submitted_at"), optional=("payload",)
        )
        submission = FormSubmission(submission_id=request.path_params["submission_id"], **fields)
        detail = {**submission.detail(), "updated_at": to_iso(now_ms())}
        await run_in_threadpool(lambda: self._bus.put(UPDATED, [detail]))
        answer = {"submission_id": submission.submission_id, "updated_at": detail["updated_at"]}
        return _answer(answer, status=202)


async def _fields(request: Request, *, required: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return the JSON object in the body of the request.

    Args:
        request: The request.
        required: The fields that must be present, as strings.
        optional: The fields that may be present, of any type.

    Raises:
        HTTPException: The content type is not JSON, the body is too large or not a JSON object, a required field is not
            a string, or a field is unknown.
    """
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/json":
        raise HTTPException(415, f"content-type: must be application/json, got {quote(content_type)}")
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BODY_BYTES:
            raise HTTPException(413, f"body: must be at most {MAX_BODY_BYTES} bytes")
    try:
        document: object = json.loads(body)
    except ValueError as error:
        raise HTTPException(400, f"body: must be valid JSON: {error}") from error
    if not isinstance(document, dict):
        raise HTTPException(400, f"body: must be an object, got {quote(document)}")
    fields = cast("dict[str, Any]", document)
    for name in required:
        if not isinstance(fields.get(name), str):
            raise HTTPException(400, f"{name}: must be a string, got {quote(fields.get(name))}")
    for name, value in fields.items():
        if name not in (*required, *optional):
            raise HTTPException(400, f"{quote(name)}: unknown field (value {quote(value)})")
    return fields


def _answer(body: Mapping[str, Any], status: int = 200) -> Response:
    return JSONResponse(body, status, headers={"Cache-Control": "no-store"})


def _http_error(_request: Request, error: Exception) -> Response:
    error = cast("HTTPException", error)
    return _answer({"error": error.detail}, error.status_code)


def _refused(_request: Request, error: Exception) -> Response:
    return _answer({"error": str(error)}, 400)


def _failed(_request: Request, error: Exception) -> Response:
    return _answer({"error": str(error)}, 502)
