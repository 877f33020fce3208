"""The checks of a token that need no key. Pure: no I/O, no clock.

They come before the signature, so a token that fails one of them never causes a request to the issuer. The messages of
the errors quote no part of the token.

The rules are those of OpenID Connect for ID tokens and of RFC 8725, JSON Web Token Best Current Practices.
https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
https://www.rfc-editor.org/rfc/rfc8725
"""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from ..runtime import strict_json
from .handshake import Unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS: Final = ("RS256", "ES256")
"""Accepted signature algorithms. All use a public key: shared secrets and unsigned tokens are never accepted."""

TOKEN_TYPES: Final = ("jwt", "application/jwt")
"""Accepted values of the header `typ`, in lower case. A token without `typ` is accepted too. Access tokens (`at+jwt`),
logout tokens (`logout+jwt`) and all other types are refused: they may have the same issuer and audience as an ID token.
https://www.rfc-editor.org/rfc/rfc8725#section-3.11"""

MAX_TOKEN_LENGTH: Final = 10_240
"""Maximum length of a token in characters. API Gateway accepts at most 10,240 bytes of headers, so a longer token
could not connect.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
MAX_KEY_ID_LENGTH: Final = 256
"""Maximum length of a `kid` in characters."""
MAX_SUBJECT_LENGTH: Final = 255
"""Maximum length of `sub`, which OpenID Connect sets. `sub` has ASCII characters only."""

CLOCK_LEEWAY_SECONDS: Final = 30
"""Number of seconds by which the clock of an issuer may be ahead of ours. `iat` and `nbf` may be this far in the
future. `exp` has no leeway, because a connection ends when its token expires."""
MAX_LIFETIME_SECONDS: Final = 30 * 86_400
"""Maximum number of seconds from `iat` to `exp`, 30 days. Cognito's ID tokens live at most one day. A revocation that
is kept for this time and the leeway outlives every token that was issued before it."""

IDENTITY_USE: Final = "id"
"""Value of the claim `token_use` in Cognito's ID tokens, which identify a user. Tokens of other issuers do not have
this claim and are accepted without it.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html"""


@dataclass(frozen=True, slots=True)
class UnverifiedToken:
    """A token whose signature was not verified yet. Anyone can make one."""

    algorithm: str
    """Header `alg`, one of `ALGORITHMS`."""
    key_id: str
    """Header `kid`."""
    claims: Mapping[str, object]
    signed: bytes
    """The bytes that the signature covers: the first two parts as they were sent."""
    signature: bytes


def parse_token(token: str) -> UnverifiedToken:
    """Parse a token in the JWS compact serialization and check its header.

    Raises:
        Unauthorized: The token is malformed or too long, or its header is not accepted.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise Unauthorized(f"token: must be at most {MAX_TOKEN_LENGTH:,} characters")
    parts = token.split(".")
    if len(parts) != 3:  # noqa: PLR2004 - RFC 7515
        raise Unauthorized("token: must be three parts separated by dots")
    header = _parse_part("header", parts[0])
    algorithm, key_id = _check_header(header)
    return UnverifiedToken(
        algorithm=algorithm,
        key_id=key_id,
        claims=_parse_part("claims", parts[1]),
        signed=f"{parts[0]}.{parts[1]}".encode(),
        signature=_decode_part("signature", parts[2]),
    )


def check_claims(claims: Mapping[str, object], *, issuer: str, audience: str, now: int) -> None:
    """Check all claims of a token apart from the tenant.

    Args:
        claims: The claims.
        issuer: Required value of `iss`.
        audience: Required audience, the client id of the dashboard. If `azp` or `client_id` is present, it must have
            the same value.
        now: The current time in epoch seconds.

    Raises:
        Unauthorized: A claim is missing, malformed, or has a value that is not accepted.
    """
    if claims.get("iss") != issuer:
        raise Unauthorized("iss: must be the configured issuer")
    _check_audience(claims, audience)
    _check_times(claims, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not _is_subject(subject):
        raise Unauthorized(f"sub: must be 1 to {MAX_SUBJECT_LENGTH} printable ASCII characters")
    if claims.get("token_use", IDENTITY_USE) != IDENTITY_USE:
        raise Unauthorized("token_use: must be that of an ID token")


def read_seconds(claims: Mapping[str, object], name: str) -> int:
    """Return a time claim in whole epoch seconds.

    Raises:
        Unauthorized: The claim is missing or not a finite number.
    """
    value = claims.get(name)
    # `math.isfinite` would raise for an integer that is too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        raise Unauthorized(f"{name}: must be a number of epoch seconds")
    return math.floor(value)


def _check_header(header: Mapping[str, object]) -> tuple[str, str]:
    """Check the header of a token and return `alg` and `kid`."""
    algorithm, key_id, token_type = header.get("alg"), header.get("kid"), header.get("typ", TOKEN_TYPES[0])
    if not isinstance(algorithm, str) or algorithm not in ALGORITHMS:
        raise Unauthorized("alg: must be an accepted algorithm")
    if not isinstance(token_type, str) or token_type.lower() not in TOKEN_TYPES:
        raise Unauthorized("typ: must be that of an ID token")
    if not isinstance(key_id, str) or not 1 <= len(key_id) <= MAX_KEY_ID_LENGTH:
        raise Unauthorized(f"kid: must be a string of 1 to {MAX_KEY_ID_LENGTH} characters")
    for name in ("crit", "b64"):
        if name in header:
            raise Unauthorized(f"{name}: must be absent, because no extension is supported")
    return algorithm, key_id


def _check_audience(claims: Mapping[str, object], audience: str) -> None:
    value = claims.get("aud")
    audiences = cast("list[object]", value) if isinstance(value, list) else [value]
    if audience not in audiences:
        raise Unauthorized("aud: must contain the configured audience")
    if len(audiences) > 1 and "azp" not in claims:
        raise Unauthorized("azp: must be present in a token with several audiences")
    for name in ("azp", "client_id"):
        if claims.get(name, audience) != audience:
            raise Unauthorized(f"{name}: must be the configured audience")


def _check_times(claims: Mapping[str, object], now: int) -> None:
    issued_at, expires_at = read_seconds(claims, "iat"), read_seconds(claims, "exp")
    if expires_at <= now:
        raise Unauthorized("exp: must be later than now")
    if issued_at > now + CLOCK_LEEWAY_SECONDS:
        raise Unauthorized("iat: must not be later than now")
    if not issued_at < expires_at <= issued_at + MAX_LIFETIME_SECONDS:
        raise Unauthorized(f"exp: must be at most {MAX_LIFETIME_SECONDS:,} seconds later than iat")
    if "nbf" in claims and read_seconds(claims, "nbf") > now + CLOCK_LEEWAY_SECONDS:
        raise Unauthorized("nbf: must not be later than now")


def _is_subject(subject: str) -> bool:
    return 1 <= len(subject) <= MAX_SUBJECT_LENGTH and subject.isascii() and subject.isprintable()


def _parse_part(name: str, part: str) -> Mapping[str, object]:
    try:
        return strict_json.parse_object(_decode_part(name, part))
    except ValueError as error:
        raise Unauthorized(f"{name}: {error}") from error


def _decode_part(name: str, part: str) -> bytes:
    """Decode a part of a token. Only the one encoding that RFC 7515 allows is accepted: no padding, no spare bits."""
    try:
        decoded = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
    except ValueError as error:
        raise Unauthorized(f"{name}: must be base64url") from error
    if base64.urlsafe_b64encode(decoded).decode().rstrip("=") != part:
        raise Unauthorized(f"{name}: must be base64url")
    return decoded
