from __future__ import annotations

import asyncio
import datetime as dt
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials
from ministack.core import sigv4

from local import request_authentication
from local.request_authentication import MAX_BODY_BYTES, Credentials, RequestAuthentication
from tests.support.local.asgi import Answer, ask

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

KEY_ID, SECRET = "key-id", "secret"
SESSION = ("ASIASESSION", "secret-of-the-session", "token-of-the-session")
HOST = "127.0.0.1:4566"
BODY = b'{"TableName": "t"}'

Headers = list[tuple[str, str]]


def resolve(access_key_id: str, _account: str | None, token: str) -> object:
    """Return what MiniStack returns: a credential that it issued, or an error."""
    if (access_key_id, token) == (SESSION[0], SESSION[2]):
        return SimpleNamespace(secret_access_key=SESSION[1])
    if access_key_id in ("test", "000000000000"):
        return SimpleNamespace(secret_access_key=SECRET)
    return SimpleNamespace(code="UnrecognizedClientException")


def is_root(access_key_id: str) -> bool:
    return access_key_id in ("test", "000000000000", KEY_ID, "")


class MiniStack:
    """An application that records what gets past the middleware, and answers as openly as MiniStack."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.scopes: list[Any] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scopes.append(scope)
        if scope["type"] != "http":
            return
        message = await receive()
        assert not message.get("more_body", False)
        self.bodies.append(message["body"])
        cors = [(b"Access-Control-Allow-Origin", b"*"), (b"access-control-expose-headers", b"*")]
        await send({"type": "http.response.start", "status": 200, "headers": [*cors, (b"x-kept", b"1")]})
        await send({"type": "http.response.body", "body": b"served"})


@pytest.fixture
def ministack() -> MiniStack:
    return MiniStack()


@pytest.fixture
def app(ministack: MiniStack) -> RequestAuthentication:
    return RequestAuthentication(ministack, sigv4, Credentials(KEY_ID, SECRET, resolve, is_root), 4566)


def sign(
    method: str = "POST",
    path: str = "/",
    body: bytes = BODY,
    *,
    host: str = HOST,
    key_id: str = KEY_ID,
    secret: str = SECRET,
    token: str | None = None,
    service: str = "dynamodb",
) -> Headers:
    """Return the headers of a request as boto3 signs it."""
    request = AWSRequest(method, f"http://{host}{path}", data=body)
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(BotocoreCredentials(key_id, secret, token), service, "us-east-1").add_auth(request)
    return [("Host", host), *request.headers.items()]


def assert_refused(answer: Answer, ministack: MiniStack, code: str, status: int = 403) -> None:
    assert (answer.status, answer.json()["__type"]) == (status, code)
    assert answer.headers["x-amzn-errortype"] == code
    assert ministack.scopes == []
    assert not [name for name in answer.headers if name.startswith("access-control-")]


# --- What is served -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "service"),
    [
        ("POST", "/", BODY, "dynamodb"),
        ("POST", "/2015-03-31/functions/arn%3Aaws%3Alambda/invocations", b"", "lambda"),
        ("GET", "/bucket?list-type=2&prefix=a%2Fb&empty=", b"", "s3"),
        ("PUT", "/bucket/a/%C3%BC%20b", b"\x00\xff", "s3"),
        ("POST", "/_aws/execute-api/a/live/%40connections/Q0%3D", b"frame", "execute-api"),
    ],
)
def test_a_request_that_is_signed_with_the_runs_credential_is_served(
    app: RequestAuthentication, ministack: MiniStack, method: str, path: str, body: bytes, service: str
) -> None:
    answer = ask(app, method, path, sign(method, path, body, service=service), [body[:1], body[1:]])
    assert (answer.status, answer.body) == (200, b"served")
    assert ministack.bodies == [body]


def test_a_session_that_ministack_issued_is_served(app: RequestAuthentication, ministack: MiniStack) -> None:
    key_id, secret, token = SESSION
    assert ask(app, "POST", "/", sign(key_id=key_id, secret=secret, token=token), [BODY]).status == 200
    ministack.scopes.clear()
    for wrong in (None, "other"):
        answer = ask(app, "POST", "/", sign(key_id=key_id, secret=secret, token=wrong), [BODY])
        assert_refused(answer, ministack, "UnrecognizedClientException")


def test_no_answer_allows_another_origin_to_read_it(app: RequestAuthentication) -> None:
    answer = ask(app, "POST", "/", sign(), [BODY])
    assert answer.headers == {"x-kept": "1"}


# --- What is refused before its body is read ------------------------------------------------------------------


def changed(headers: Headers, **values: str) -> Headers:
    """Return the headers with other values, and with the headers that were absent."""
    new = {name.replace("_", "-").lower(): value for name, value in values.items()}
    return [(name, value) for name, value in headers if name.lower() not in new] + list(new.items())


REFUSED: list[tuple[Callable[[], Headers], str]] = [
    (lambda: [("Host", HOST)], "MissingAuthenticationToken"),
    (
        lambda: [("Host", HOST), ("Origin", "https://evil.example"), ("Content-Type", "text/plain")],
        "AccessDeniedException",
    ),
    (lambda: [("Host", HOST), ("Authorization", "")], "MissingAuthenticationToken"),
    (lambda: [("Host", HOST), ("Authorization", "Bearer secret")], "MissingAuthenticationToken"),
    (lambda: [("Host", HOST), ("Authorization", "Basic a2V5LWlkOnNlY3JldA==")], "MissingAuthenticationToken"),
    (lambda: [("Host", HOST), ("Authorization", "AWS key-id:signature")], "MissingAuthenticationToken"),
    (
        lambda: changed(sign(), authorization=f"AWS4-ECDSA-P256-SHA256 Credential={KEY_ID}"),
        "MissingAuthenticationToken",
    ),
    (lambda: changed(sign(), authorization=f"AWS4-HMAC-SHA256 Credential={KEY_ID}"), "MissingAuthorizationParameter"),
    (lambda: changed(sign(), origin="https://evil.example"), "AccessDeniedException"),
    (lambda: changed(sign(), origin="null"), "AccessDeniedException"),
    (lambda: changed(sign(), origin=f"http://{HOST}"), "AccessDeniedException"),
    (lambda: changed(sign(), sec_fetch_site="cross-site"), "AccessDeniedException"),
    (lambda: changed(sign(), sec_fetch_site="same-site"), "AccessDeniedException"),
    (lambda: changed(sign(), host="evil.example"), "AccessDeniedException"),
    (lambda: sign(host="evil.example:4566"), "AccessDeniedException"),
    (lambda: sign()[1:], "AccessDeniedException"),
    (lambda: sign(key_id="other"), "UnrecognizedClientException"),
    (lambda: sign(key_id="test"), "UnrecognizedClientException"),
    (lambda: sign(key_id="000000000000"), "UnrecognizedClientException"),
    (lambda: sign(key_id="\xe9"), "UnrecognizedClientException"),
    (lambda: changed(sign(), content_length=str(MAX_BODY_BYTES + 1)), "RequestTooLarge"),
]


@pytest.mark.parametrize(("make_headers", "code"), REFUSED)
@pytest.mark.parametrize("method", ["POST", "GET", "OPTIONS"])
def test_the_body_of_a_refused_request_is_not_read(
    app: RequestAuthentication, ministack: MiniStack, method: str, make_headers: Callable[[], Headers], code: str
) -> None:
    answer = ask(app, method, "/", make_headers(), [BODY])
    assert_refused(answer, ministack, code, 413 if code == "RequestTooLarge" else 403)
    assert not answer.body_was_read


@pytest.mark.parametrize("minutes", [-16, 16])
def test_a_signature_is_valid_for_minutes_only(
    app: RequestAuthentication, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch, minutes: int
) -> None:
    signed_at = dt.datetime.now(dt.UTC) + dt.timedelta(minutes=minutes)
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: signed_at)
    answer = ask(app, "POST", "/", sign(), [BODY])
    assert_refused(answer, ministack, "RequestTimeTooSkewed")
    assert not answer.body_was_read


# --- What is refused because of its signature -----------------------------------------------------------------


def test_a_wrong_secret_is_refused(app: RequestAuthentication, ministack: MiniStack) -> None:
    for secret in ("test", SECRET[:-1], SESSION[1]):
        answer = ask(app, "POST", "/", sign(secret=secret), [BODY])
        assert_refused(answer, ministack, "SignatureDoesNotMatch")
        assert SECRET not in answer.json()["message"]


def test_a_signature_fits_no_other_request(app: RequestAuthentication, ministack: MiniStack) -> None:
    signed = sign("POST", "/path?a=1")
    a_second_later = (dt.datetime.now(dt.UTC) + dt.timedelta(seconds=1)).strftime("%Y%m%dT%H%M%SZ")
    for method, path, headers, body in (
        ("DELETE", "/path?a=1", signed, BODY),
        ("POST", "/other?a=1", signed, BODY),
        ("POST", "/path?a=2", signed, BODY),
        ("POST", "/path", signed, BODY),
        ("POST", "/path?a=1", signed, b""),
        ("POST", "/path?a=1", signed, BODY + b" "),
        ("POST", "/path?a=1", changed(signed, host="localhost:4566"), BODY),
        ("POST", "/path?a=1", changed(signed, x_amz_date=a_second_later), BODY),
    ):
        assert_refused(ask(app, method, path, headers, [body]), ministack, "SignatureDoesNotMatch")
    assert ask(app, "POST", "/path?a=1", signed, [BODY]).status == 200


def test_a_hash_in_a_header_does_not_free_the_body(app: RequestAuthentication, ministack: MiniStack) -> None:
    signed = sign("PUT", "/bucket/key", BODY, service="s3")
    assert_refused(ask(app, "PUT", "/bucket/key", signed, [b"other"]), ministack, "XAmzContentSHA256Mismatch")
    unsigned = changed(signed, x_amz_content_sha256="UNSIGNED-PAYLOAD")
    assert_refused(ask(app, "PUT", "/bucket/key", unsigned, [BODY]), ministack, "XAmzContentSHA256Mismatch")


def test_a_body_has_a_limit(app: RequestAuthentication, ministack: MiniStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_authentication, "MAX_BODY_BYTES", len(BODY) - 1)
    answer = ask(app, "POST", "/", sign(), [BODY[:5], BODY[5:]])
    assert_refused(answer, ministack, "RequestTooLarge", 413)


# --- WebSockets and the rest ----------------------------------------------------------------------------------


def upgrade(app: RequestAuthentication, path: str, *headers: tuple[bytes, bytes]) -> Sequence[Any]:
    """Send a handshake and return what the middleware itself answers."""
    sent: list[Any] = []

    async def receive() -> Any:
        raise AssertionError

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app({"type": "websocket", "path": path, "headers": headers}, receive, send))  # pyright: ignore[reportArgumentType]
    return sent


OWN_HOST = (b"host", HOST.encode())


def test_a_handshake_with_the_gateway_needs_no_signature(app: RequestAuthentication, ministack: MiniStack) -> None:
    for origin in (b"http://127.0.0.1:8400", b"https://evil.example"):
        # The gateway's authorizer decides about the origin.
        assert upgrade(app, "/_aws/execute-api/a/live", OWN_HOST, (b"origin", origin)) == []
    assert len(ministack.scopes) == 2


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/_aws/execute-api/a/live", [(b"host", b"evil.example")]),
        ("/_aws/execute-api/a/live", [(b"host", b"a.execute-api.127.0.0.1")]),
        ("/_aws/execute-api/a/live", []),
        ("/", [OWN_HOST]),
        ("/mqtt", [OWN_HOST]),
        ("/event/realtime", [OWN_HOST]),
    ],
)
def test_every_other_handshake_is_refused(
    app: RequestAuthentication, ministack: MiniStack, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    assert upgrade(app, path, *headers) == [{"type": "websocket.close"}]
    assert ministack.scopes == []


def test_the_servers_start_and_end_are_passed_on(app: RequestAuthentication, ministack: MiniStack) -> None:
    asyncio.run(app({"type": "lifespan"}, None, None))  # pyright: ignore[reportArgumentType]
    assert ministack.scopes == [{"type": "lifespan"}]
