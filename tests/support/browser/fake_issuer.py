"""An OIDC issuer for the page to sign in at: on 127.0.0.1, with keys of its own, under the test's control.

It knows one client, the page, and is strict with it: the address to return to, PKCE, codes and refresh tokens that are
good once. What it answers a test can bend: by its attributes, and by `answer` and `metadata`.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import socket
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from html import escape
from queue import Queue
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, urlencode, urlsplit

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from formbridge.access.key_set import RSA_ALGORITHMS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request

CLIENT_ID = "the-page"
SCOPES = {"openid", "email", "profile"}
COOKIE = "issuer-session"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
KEYS: Mapping[str, Any] = {
    **dict.fromkeys(RSA_ALGORITHMS, RSA),
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "ES256K": ec.generate_private_key(ec.SECP256K1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "Ed448": ed448.Ed448PrivateKey.generate(),
    "HS256": "a-secret-that-a-client-shares-with-its-issuer",
}
"""The keys that it can sign with, by the name of the algorithm; `Ed448` is a key for `EdDSA` too."""


@dataclass
class Grant:
    """What a code stands for."""

    nonce: str
    challenge: str
    has_consent: bool


@dataclass
class Refusals:
    """What it answers instead of the usual, by endpoint or by grant type."""

    answers: dict[str, tuple[int, object]] = field(default_factory=dict[str, "tuple[int, object]"])
    """A status and a body: an OAuth error code, a JSON object, or None for a page of HTML."""
    redirects: set[str] = field(default_factory=set[str])
    """Those that redirect to another address."""
    without_cors: set[str] = field(default_factory=set[str])
    """Those whose answers no page of another origin may read."""


class FakeIssuer:
    """The issuer. Its `url` is known at once, so that a site can name it; `redirect_uri` must be set to that site's."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/pool"
        self.redirect_uri = ""
        self.claims: dict[str, Any] = {"email": "ada@example.com", "custom:tenant_id": "t_acme"}
        """What its ID tokens say beside the usual; a claim of the same name replaces the usual one."""
        self.lifetime = 3600
        """Of its ID tokens, in seconds."""
        self.ahead = 0.0
        """Seconds by which its clock, and that of the site, are ahead of this machine's."""
        self.issued_ago = 0
        """How old its ID tokens are when it gives them, by their `iat`, in seconds."""
        self.algorithm = "RS256"
        """Of its ID tokens: a key of `KEYS`."""
        self.gives_refresh_tokens = True
        self.rotates_refresh_tokens = True
        self.wants_consent = False
        """Whether it gives refresh tokens only where the page asked for consent."""
        self.scopes = SCOPES
        """The scopes that the page must ask for."""
        self.ends_sessions = True
        """Whether the page's address is one that it returns to after a sign-out."""
        self.refusals = Refusals()
        self.prompts: list[str] = []
        """The prompt of each authorization request, "" for none."""
        self.sign_outs: list[dict[str, str]] = []
        """The parameters of each request to sign out."""
        self.answer: Callable[[dict[str, str]], dict[str, str]] = lambda answer: answer
        """What it says in the page's address, given what it would."""
        self.metadata: dict[str, Any] = {}
        """Changes of what it publishes; None takes a field away."""
        self.revoked: Queue[str] = Queue()
        """The refresh tokens that the page had revoked."""
        self.requests: Counter[str] = Counter()
        """How often each path was asked for; the token endpoint's by grant type too."""
        self._codes: dict[str, Grant] = {}
        self._refresh_tokens: set[str] = set()
        self._sessions: set[str] = set()
        self._server = uvicorn.Server(
            uvicorn.Config(self._application(), log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), daemon=True)

    def admits(self, token: str) -> bool:
        """Whether a gateway that trusts this issuer would take the token."""
        try:
            claims = jwt.decode(
                token,
                RSA.public_key(),
                algorithms=["RS256"],
                audience=CLIENT_ID,
                issuer=self.url,
                # These are compared with its own clock.
                options={"verify_exp": False, "verify_iat": False},
            )
        except jwt.InvalidTokenError:
            return False
        return claims["iat"] - 30 <= self.now() < claims["exp"]

    def now(self) -> float:
        """Epoch seconds by its clock."""
        return time.time() + self.ahead

    def revoke(self) -> None:
        """Makes every refresh token void."""
        self._refresh_tokens.clear()

    @property
    def refresh_tokens(self) -> set[str]:
        """Those that are good."""
        return set(self._refresh_tokens)

    @property
    def has_session(self) -> bool:
        """Whether somebody is signed in here."""
        return bool(self._sessions)

    def _application(self) -> Starlette:
        async def counted(request: Request, call_next: RequestResponseEndpoint) -> Response:
            endpoint = request.url.path.removeprefix("/pool/")
            self.requests[endpoint] += 1
            refused = self._refusal(endpoint)
            response = await call_next(request) if refused is None else refused
            if endpoint not in self.refusals.without_cors:
                # Any page may ask; none may bring cookies.
                response.headers["Access-Control-Allow-Origin"] = "*"
            return response

        return Starlette(
            routes=[
                Route("/pool/.well-known/openid-configuration", self._discovery),
                Route("/pool/authorize", self._authorize),
                Route("/pool/login", self._login, methods=["POST"]),
                Route("/pool/token", self._token, methods=["POST"]),
                Route("/pool/revoke", self._revoke, methods=["POST"]),
                Route("/pool/logout", self._logout),
            ],
            middleware=[Middleware(BaseHTTPMiddleware, dispatch=counted)],
        )

    def _refusal(self, endpoint: str) -> Response | None:
        if endpoint in self.refusals.redirects:
            return RedirectResponse(f"{self.url}/elsewhere", 302)
        if endpoint not in self.refusals.answers:
            return None
        status, body = self.refusals.answers[endpoint]
        if body is None:
            return HTMLResponse("<!doctype html><title>An error</title>", status)
        return JSONResponse({"error": body} if isinstance(body, str) else body, status)

    async def _discovery(self, _request: Request) -> Response:
        published = {
            "issuer": self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "revocation_endpoint": f"{self.url}/revoke",
            "end_session_endpoint": f"{self.url}/logout",
            "jwks_uri": f"{self.url}/jwks.json",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
        }
        return JSONResponse({key: value for key, value in (published | self.metadata).items() if value is not None})

    async def _authorize(self, request: Request) -> Response:
        asked = request.query_params
        wrong = [
            name
            for name, good in (
                ("client_id", asked.get("client_id") == CLIENT_ID),
                ("redirect_uri", asked.get("redirect_uri") == self.redirect_uri),
                ("response_type", asked.get("response_type") == "code"),
                ("scope", set(asked.get("scope", "").split()) == self.scopes),
                ("state", len(asked.get("state", "")) >= 32),
                ("nonce", len(asked.get("nonce", "")) >= 32),
                ("code_challenge", len(asked.get("code_challenge", "")) == 43),
                ("code_challenge_method", asked.get("code_challenge_method") == "S256"),
            )
            if not good
        ]
        if wrong:
            return PlainTextResponse(f"bad request: {', '.join(wrong)}", 400)
        prompt = asked.get("prompt", "")
        self.prompts.append(prompt)
        if request.cookies.get(COOKIE) in self._sessions and "login" not in prompt.split():
            return self._granted(dict(asked))
        query = escape(str(request.url.query))
        form = f'<form method="post" action="/pool/login?{query}"><button>Sign in as ada</button></form>'
        return HTMLResponse(f"<!doctype html><title>The issuer</title>{form}")

    async def _login(self, request: Request) -> Response:
        session = secrets.token_urlsafe()
        self._sessions.add(session)
        response = self._granted(dict(request.query_params))
        response.set_cookie(COOKIE, session, httponly=True, samesite="lax")
        return response

    def _granted(self, asked: dict[str, str]) -> Response:
        code = secrets.token_urlsafe()
        self._codes[code] = Grant(asked["nonce"], asked["code_challenge"], "consent" in asked.get("prompt", ""))
        answer = self.answer({"code": code, "state": asked["state"]})
        return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)

    async def _token(self, request: Request) -> Response:
        said = dict(parse_qsl((await request.body()).decode()))
        kind = said.get("grant_type", "")
        self.requests[kind] += 1
        refused = self._refusal(kind)
        if refused is not None:
            return refused
        if said.get("client_id") != CLIENT_ID:
            return _refused("invalid_client")
        if kind == "authorization_code":
            grant = self._codes.pop(said.get("code", ""), None)
            digest = hashlib.sha256(said.get("code_verifier", "").encode()).digest()
            challenge = base64.urlsafe_b64encode(digest).decode().rstrip("=")
            if grant is None or challenge != grant.challenge or said.get("redirect_uri") != self.redirect_uri:
                return _refused("invalid_grant")
            gives = self.gives_refresh_tokens and (grant.has_consent or not self.wants_consent)
            return self._tokens({"nonce": grant.nonce}, gives_another=gives)
        if kind == "refresh_token":
            if said.get("refresh_token") not in self._refresh_tokens:
                return _refused("invalid_grant")
            if self.rotates_refresh_tokens:
                self._refresh_tokens.remove(said["refresh_token"])
            return self._tokens({}, gives_another=self.rotates_refresh_tokens)
        return _refused("unsupported_grant_type")

    def _tokens(self, claims: dict[str, Any], *, gives_another: bool) -> Response:
        now = int(self.now())
        usual = {
            "iss": self.url,
            "aud": CLIENT_ID,
            "sub": "user-1",
            "iat": now - self.issued_ago,
            "exp": now + self.lifetime,
            # No two tokens are the same, however fast they come.
            "jti": secrets.token_urlsafe(),
        }
        id_token = self._sign(usual | claims | self.claims)
        given = {"id_token": id_token, "access_token": secrets.token_urlsafe(), "token_type": "Bearer"}
        if gives_another:
            given["refresh_token"] = secrets.token_urlsafe()
            self._refresh_tokens.add(given["refresh_token"])
        return JSONResponse(given, headers={"Cache-Control": "no-store"})

    def _sign(self, claims: dict[str, Any]) -> str:
        algorithm = "EdDSA" if self.algorithm == "Ed448" else self.algorithm
        return jwt.encode(claims, KEYS[self.algorithm], algorithm=algorithm)

    async def _revoke(self, request: Request) -> Response:
        said = dict(parse_qsl((await request.body()).decode()))
        if said.get("client_id") != CLIENT_ID:
            return _refused("invalid_client")
        # A token that is not known is no error: https://www.rfc-editor.org/rfc/rfc7009#section-2.2
        self._refresh_tokens.discard(said["token"])
        self.revoked.put(said["token"])
        return Response()

    async def _logout(self, request: Request) -> Response:
        asked = dict(request.query_params)
        self.sign_outs.append(asked)
        if not self.ends_sessions:
            return PlainTextResponse("this address is not registered", 400)
        if asked.get("client_id") != CLIENT_ID or asked.get("post_logout_redirect_uri") != self.redirect_uri:
            return PlainTextResponse("bad request", 400)
        self._sessions.discard(request.cookies.get(COOKIE, ""))
        response = RedirectResponse(f"{asked['post_logout_redirect_uri']}?{urlencode({'state': asked['state']})}", 303)
        response.delete_cookie(COOKIE)
        return response

    @property
    def origin(self) -> str:
        """What a content policy names."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()


def _refused(error: str) -> Response:
    return JSONResponse({"error": error}, 400)
