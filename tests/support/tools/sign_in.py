"""The sign-in of a stack on 127.0.0.1: an issuer and the page, as `doctor` sees them from the outside."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from tests.support.handlers.issuer import AUDIENCE, CLAIM, published

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

ISSUER_PATH: Final = "/pool"
PAGE_PATH: Final = "/"


@dataclass
class SignInWorld:
    """What a test can bend: all that the issuer and the page answer."""

    port: int
    metadata: dict[str, Any] = field(default_factory=dict[str, Any])
    """Changes of the discovery document; None takes a field away."""
    keys: Mapping[str, Any] = field(default_factory=lambda: published("rsa-1", "ec-1"))
    """What the issuer publishes at its `jwks_uri`."""
    statuses: dict[str, int] = field(default_factory=dict[str, int])
    """Statuses by path, where they are not 200."""
    closed: set[str] = field(default_factory=set[str])
    """Paths that no other page may read."""
    refusal: str = "invalid_grant"
    """The error code of the token endpoint."""
    policy: str = ""
    """The page's content security policy."""
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    """Changes of the stack's outputs; None takes one away."""
    forms: list[dict[str, str]] = field(default_factory=list[dict[str, str]])
    """What the token endpoint was sent."""

    def __post_init__(self) -> None:
        self.policy = f"default-src 'none'; connect-src 'self' {self.issuer.removesuffix(ISSUER_PATH)}"

    @property
    def issuer(self) -> str:
        return f"http://127.0.0.1:{self.port}{ISSUER_PATH}"

    @property
    def page(self) -> str:
        """Another origin than the issuer's, on the same server."""
        return f"http://localhost:{self.port}"

    def describe_stack(self) -> dict[str, Any]:
        """The outputs of the stack."""
        usual = {
            "issuer": self.issuer,
            "client_id": AUDIENCE,
            "audiences": [AUDIENCE],
            "tenant_claim": CLAIM,
            "tenant_id_pattern": "t_[A-Za-z0-9_-]{1,64}",
            "clock_tolerance_seconds": 30,
            "jwks_url": "",
            "dashboard_url": self.page,
        }
        return {name: value for name, value in (usual | self.outputs).items() if value is not None}

    def describe_issuer(self) -> dict[str, Any]:
        """The discovery document."""
        usual = {
            "issuer": self.issuer,
            "jwks_uri": f"{self.issuer}/keys",
            "authorization_endpoint": f"{self.issuer}/authorize",
            "token_endpoint": f"{self.issuer}/token",
            "end_session_endpoint": f"{self.issuer}/logout",
            "revocation_endpoint": f"{self.issuer}/revoke",
            "scopes_supported": ["openid", "offline_access"],
            "code_challenge_methods_supported": ["S256"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "HS256"],
        }
        return {name: value for name, value in (usual | self.metadata).items() if value is not None}

    def answer(self, path: str, body: str) -> tuple[int, bytes]:
        """The status and the body of a response."""
        if path == f"{ISSUER_PATH}/token":
            self.forms.append({name: values[0] for name, values in parse_qs(body).items()})
            return 400, json.dumps({"error": self.refusal, "error_description": "no such code"}).encode()
        documents: dict[str, Callable[[], object]] = {
            f"{ISSUER_PATH}/.well-known/openid-configuration": self.describe_issuer,
            f"{ISSUER_PATH}/keys": lambda: self.keys,
            PAGE_PATH: lambda: "<!doctype html>",
        }
        made = documents.get(path)
        return self.statuses.get(path, 200 if made else 404), json.dumps(made() if made else None).encode()


@contextmanager
def sign_in_world() -> Generator[SignInWorld]:
    """Such an issuer and page, for as long as the block runs."""

    class Handler(BaseHTTPRequestHandler):
        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()
            path = self.path.partition("?")[0]
            status, content = world.answer(path, body)
            self.send_response(status)
            origin = self.headers.get("Origin")
            if origin is not None and path not in world.closed:
                self.send_header("Access-Control-Allow-Origin", origin)
            if path == PAGE_PATH:
                self.send_header("Content-Security-Policy", world.policy)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = _answer  # noqa: N815 - the names that http.server calls

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - http.server's own name
            """Nothing on the test's output."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    world = SignInWorld(server.server_port)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield world
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
