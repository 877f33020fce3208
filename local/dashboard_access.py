"""Access to the dashboard of the local run: only with the key of the run, and not from other pages.

The dashboard's server makes tokens of every tenant, so it must serve only the user who started the stack. As Jupyter
does, `python -m local up` prints a URL with a key. This URL sets a cookie, and the cookie opens everything else.
Programs send the key as `Authorization: Bearer KEY`.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING, Final

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from .foreign_requests import find_foreign_host, find_foreign_page, get_hosts

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

JWKS_PATH: Final = "/.well-known/jwks.json"
"""The path of the public keys that verify tokens."""
KEY_REQUIRED: Final = "Open the URL that `make dev` printed. It contains the key of this run."
CLOSED: Final = f"<!doctype html><title>Dashboard</title><p>You cannot open this page from here. {KEY_REQUIRED}</p>"
"""Page for a browser without the key, and for a link of another site."""
ENTRANCE: Final = '<!doctype html><title>Dashboard</title><meta http-equiv="refresh" content="0; url=/">'
"""Page that continues to `/`.

It is not a redirect, because a browser that comes from another site (a link in a web mail, or the file that
`local.browser` writes) would not send the cookie after a redirect: the cookie is `SameSite=Strict`.
"""


def get_jwks_key(key: str) -> str:
    """Return the key of the URL of the public keys, which Lambdas read.

    It opens nothing else: a Lambda must not be able to make tokens. It is derived from the dashboard's key.
    """
    return hmac.digest(key.encode(), b"jwks", hashlib.sha256).hex()


class DashboardAccess:
    """ASGI middleware that refuses requests of other sites and requests without the key. It reads no body.

    Args:
        app: The application behind the middleware.
        key: The key of the run.
        port: The port of the server.
    """

    def __init__(self, app: ASGIApp, key: str, port: int) -> None:
        self._app = app
        self._key = key
        self._jwks_key = get_jwks_key(key)
        self._hosts = get_hosts(port)
        self._origins = tuple(f"http://{host}" for host in self._hosts)
        # A browser sends a cookie to every port of a host, so the name says which stack the cookie belongs to.
        self._cookie = f"formbridge-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or pass it on to the application."""
        request = Request(scope)
        answer = self._answer(request)
        await (answer or self._app)(scope, receive, send)

    def _answer(self, request: Request) -> Response | None:
        headers = request.scope["headers"]
        if problem := find_foreign_host(headers, self._hosts):
            return _refuse(request, 403, problem)
        if request.url.path == "/" and self._is_key(request.query_params.get("key")):
            # A link of any site may open the dashboard: its author knows the key.
            return self._enter()
        if problem := find_foreign_page(headers, self._origins):
            return _refuse(request, 403, problem)
        return None if self._is_allowed(request) else _refuse(request, 401, KEY_REQUIRED)

    def _is_allowed(self, request: Request) -> bool:
        if request.url.path == JWKS_PATH and _are_equal(request.query_params.get("key"), self._jwks_key):
            return True
        scheme, _, credential = request.headers.get("authorization", "").partition(" ")
        return self._is_key(request.cookies.get(self._cookie)) or (scheme == "Bearer" and self._is_key(credential))

    def _is_key(self, value: str | None) -> bool:
        return _are_equal(value, self._key)

    def _enter(self) -> Response:
        answer = HTMLResponse(ENTRANCE, headers={"Cache-Control": "no-store"})
        answer.set_cookie(self._cookie, self._key, httponly=True, samesite="strict")
        return answer


def _are_equal(value: str | None, expected: str) -> bool:
    """Compare in a time that does not depend on the value."""
    return value is not None and hmac.compare_digest(value.encode(), expected.encode())


def _refuse(request: Request, status: int, problem: str) -> Response:
    headers = {"Cache-Control": "no-store"}
    if "text/html" in request.headers.get("accept", ""):
        return HTMLResponse(CLOSED, status, headers=headers)
    return JSONResponse({"error": problem}, status, headers=headers)
