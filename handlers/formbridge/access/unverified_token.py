"""A token before any check. Pure: no I/O, no clock."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..runtime import strict_json
from .check import Check
from .handshake import Unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_HEADER_BYTES: Final = 10_240
"""Maximum size of the request line and all headers of a handshake. AWS documents it for HTTP APIs and REST APIs, and
names no other limit for WebSocket APIs.
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html"""
MAX_TOKEN_LENGTH: Final = 9_000
"""Maximum length of a token in characters. The rest is for the request line and the other headers of a browser's
handshake, which have up to 1,240 bytes. A longer token could extend a connection but never open one."""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A well-formed token that was not checked yet. Anyone can make one."""

    header: Mapping[str, object]
    claims: Mapping[str, object]
    signed: bytes
    """The bytes that the signature covers: the first two parts as they were sent."""
    signature: bytes

    @property
    def algorithm(self) -> str:
        """Header `alg`. Empty: there is none."""
        return read_string(self.header, "alg")

    @property
    def key_id(self) -> str:
        """Header `kid`. Empty: there is none."""
        return read_string(self.header, "kid")


def parse_token(token: str) -> UnverifiedToken:
    """Parse a token in the JWS compact serialization.

    Raises:
        Unauthorized: The token is malformed or too long.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        problem = (
            f"must be at most {MAX_TOKEN_LENGTH:,} characters, because API Gateway accepts at most "
            f"{MAX_HEADER_BYTES:,} bytes of headers, got {len(token):,} characters"
        )
        raise Unauthorized.from_check(Check("token", problem))
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515
        raise Unauthorized.from_check(Check("token", "must be three parts separated by dots"))
    return UnverifiedToken(
        header=_parse_part("header", parts[0]),
        claims=_parse_part("claims", parts[1]),
        signed=f"{parts[0]}.{parts[1]}".encode(),
        signature=_decode_part("signature", parts[2]),
    )


def read_string(fields: Mapping[str, object], name: str) -> str:
    """Return a field, or an empty string if it is missing or not a string."""
    value = fields.get(name)
    return value if isinstance(value, str) else ""


def _parse_part(name: str, part: str) -> Mapping[str, object]:
    try:
        return strict_json.parse_object(_decode_part(name, part))
    except ValueError as error:
        raise Unauthorized.from_check(Check(name, str(error))) from error


def _decode_part(name: str, part: str) -> bytes:
    """Decode a part of a token. Only the one encoding that RFC 7515 allows is accepted: no padding, no spare bits."""
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise Unauthorized.from_check(Check(name, "must be base64url")) from error
    if base64.urlsafe_b64encode(decoded).decode().rstrip("=") != part:
        raise Unauthorized.from_check(Check(name, "must be base64url"))
    return decoded
