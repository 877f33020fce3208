"""Authentication of the requests to the emulator's web server.

MiniStack serves every web page and every local user: it allows all origins and checks no signature. The middleware of
this module runs before MiniStack. It refuses requests that a web page made, and requests that are not signed with a
credential of this run. `local.ministack_child` installs it.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast
from urllib.parse import parse_qs

from .foreign_requests import find_foreign_host, find_foreign_page, get_hosts

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Message = dict[str, Any]
    Receive = Callable[[], Awaitable[Message]]
    Send = Callable[[Message], Awaitable[None]]
    App = Callable[[Message, Receive, Send], Awaitable[None]]

MAX_BODY_BYTES: Final = 128 * 1024 * 1024
"""Maximum size of a request body.

The largest body is that of CreateFunction: a zip file of up to 50 MB in base64.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
"""
GATEWAY_PATH: Final = "/_aws/execute-api/"
"""Start of the path of every emulated API of API Gateway."""
ALGORITHM: Final = "AWS4-HMAC-SHA256 "


class Refusal(NamedTuple):
    """A refused request."""

    status: HTTPStatus
    code: str
    """Error code, as AWS names it if AWS has such an error."""
    message: str


class Credentials:
    """The credentials that may sign requests: the credential of this run, and those that MiniStack issued.

    Args:
        access_key_id: The key id of this run.
        secret_access_key: The secret of this run.
        resolve: MiniStack's function `resolve_credential`. It knows the sessions of roles and the keys of IAM users.
        is_root: MiniStack's function `is_root_access_key`. Such keys are known to everyone, so they are refused.
    """

    def __init__(
        self,
        access_key_id: str,
        secret_access_key: str,
        resolve: Callable[[str, str | None, str], Any],
        is_root: Callable[[str], bool],
    ) -> None:
        self._access_key_id = access_key_id
        self._secret_access_key = secret_access_key
        self._resolve = resolve
        self._is_root = is_root

    def find_secret(self, access_key_id: str, session_token: str) -> str | None:
        """Return the secret of a key, or None if the key is unknown or the session token is not the key's."""
        if hmac.compare_digest(access_key_id.encode(), self._access_key_id.encode()):
            return self._secret_access_key
        if self._is_root(access_key_id):
            return None
        return getattr(self._resolve(access_key_id, None, session_token), "secret_access_key", None)


class RequestAuthentication:
    """ASGI middleware that passes on only requests that are signed with AWS Signature Version 4.

    The signature is verified with MiniStack's own code. The body is read only if the rest of the request is valid. No
    response has a CORS header, so no page can read one.

    An upgrade to a WebSocket of the emulated gateway needs no signature, because a browser cannot sign it: as on AWS,
    the token in it is the credential, and the gateway's authorizer checks its `Origin`.

    Args:
        app: MiniStack's application.
        sigv4: The module `ministack.core.sigv4`.
        credentials: The credentials that may sign requests.
        port: The port of the web server.
    """

    def __init__(self, app: App, sigv4: Any, credentials: Credentials, port: int) -> None:
        self._app = app
        self._sigv4 = sigv4
        self._credentials = credentials
        self._hosts = get_hosts(port)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Refuse the request, or pass it on to MiniStack."""
        send = _without_cors_headers(send)
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            if find_foreign_host(scope["headers"], self._hosts) or not scope["path"].startswith(GATEWAY_PATH):
                await send({"type": "websocket.close"})  # before `accept`, the client gets HTTP status 403
            else:
                await self._app(scope, receive, send)
        else:
            await self._serve(scope, receive, send)

    async def _serve(self, scope: Message, receive: Receive, send: Send) -> None:
        headers = self._join_headers(scope["headers"])
        refusal = self._check_page(scope) or self._check_head(headers)
        body = None
        if refusal is None:
            body = await _read_body(receive)
            refusal = _TOO_LARGE if body is None else self._check_signature(scope, headers, body)
        if refusal is not None:
            await _refuse(send, refusal)
            return
        messages = iter([{"type": "http.request", "body": body}])

        async def receive_again() -> Message:
            return next(messages, None) or await receive()

        await self._app(scope, receive_again, send)

    def _join_headers(self, raw: list[tuple[bytes, bytes]]) -> dict[str, str]:
        """Return the headers by name. A signature covers the values of a repeated header, joined by commas."""
        headers: dict[str, str] = {}
        for name, value in raw:
            key, text = name.decode("latin-1"), self._sigv4.decode_header_value(value)
            headers[key] = f"{headers[key]},{text}" if key in headers else text
        return headers

    def _check_page(self, scope: Message) -> Refusal | None:
        # The emulator has no page of its own, so no origin is allowed.
        problem = find_foreign_host(scope["headers"], self._hosts) or find_foreign_page(scope["headers"], ())
        return Refusal(HTTPStatus.FORBIDDEN, "AccessDeniedException", problem) if problem else None

    def _check_head(self, headers: dict[str, str]) -> Refusal | None:
        """Check what can be checked without the body: that a known key signed the request, and when."""
        if not headers.get("authorization", "").startswith(ALGORITHM):
            return _forbid(
                "MissingAuthenticationToken",
                "Authorization: must be a signature with the access_key_id and secret_access_key of stack.json "
                "(AWS Signature Version 4)",
            )
        signature: Any = self._sigv4.parse_header_signature(headers)
        if isinstance(signature, tuple):
            code, message = cast("tuple[str, str]", signature)
            return _forbid(code, message)
        if self._find_secret(signature, headers) is None:
            return _forbid(
                "UnrecognizedClientException",
                "Authorization: must name the access_key_id of stack.json; each run of `local up` has its own",
            )
        if failure := self._sigv4.request_time_failure(signature):
            return _forbid(*failure)
        length = headers.get("content-length", "0")
        return _TOO_LARGE if length.isdecimal() and int(length) > MAX_BODY_BYTES else None

    def _check_signature(self, scope: Message, headers: dict[str, str], body: bytes) -> Refusal | None:
        # Clients may send the hash of the body in a header. The signature then covers the header and not the body.
        claimed = headers.get("x-amz-content-sha256")
        if claimed is not None and claimed != hashlib.sha256(body).hexdigest():
            return _forbid("XAmzContentSHA256Mismatch", "X-Amz-Content-SHA256: must be the hash of the body")
        signature = self._sigv4.parse_header_signature(headers)
        failure = self._sigv4.header_signature_failure(
            signature,
            self._find_secret(signature, headers),
            scope["method"],
            scope["raw_path"].decode("latin-1"),
            parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
            headers,
            body,
        )
        return _forbid(*failure) if failure else None

    def _find_secret(self, signature: Any, headers: dict[str, str]) -> str | None:
        return self._credentials.find_secret(signature.access_key_id, headers.get("x-amz-security-token", ""))


_TOO_LARGE: Final = Refusal(
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "RequestTooLarge", f"body: must be at most {MAX_BODY_BYTES} bytes"
)


def _forbid(code: str, message: str) -> Refusal:
    return Refusal(HTTPStatus.FORBIDDEN, code, message)


async def _read_body(receive: Receive) -> bytes | None:
    """Return the body, or None if it is larger than `MAX_BODY_BYTES` or the client has disconnected."""
    body = bytearray()
    while True:
        message = await receive()
        body += message.get("body", b"")
        if message["type"] != "http.request" or len(body) > MAX_BODY_BYTES:
            return None
        if not message.get("more_body", False):
            return bytes(body)


async def _refuse(send: Send, refusal: Refusal) -> None:
    body = json.dumps({"__type": refusal.code, "message": refusal.message}).encode()
    headers = {
        "content-type": "application/json",
        "content-length": str(len(body)),
        "x-amzn-errortype": refusal.code,
        # The rest of the request is not read.
        "connection": "close",
    }
    start = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": int(refusal.status), "headers": start})
    await send({"type": "http.response.body", "body": body})


def _without_cors_headers(send: Send) -> Send:
    async def send_without_cors_headers(message: Message) -> None:
        if "headers" in message:
            kept = [pair for pair in message["headers"] if not pair[0].lower().startswith(b"access-control-")]
            message = {**message, "headers": kept}
        await send(message)

    return send_without_cors_headers
