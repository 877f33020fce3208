"""The checks of a token, in order. Pure: no I/O, no clock.

The checks that need no key come first, so a token that fails one of them never causes a request to the issuer. No check
quotes a part of the token.

The rules are those of OpenID Connect for ID tokens and of RFC 8725, JSON Web Token Best Current Practices.
https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
https://www.rfc-editor.org/rfc/rfc8725
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from .check import Check
from .key_set import ALGORITHMS
from .unverified_token import UnverifiedToken, read_string

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from .key_set import PublishedKey
    from .tenant_claim import TenantClaim

TOKEN_TYPES: Final = ("jwt", "application/jwt")
"""Accepted values of the header `typ`, in lower case. A token without `typ` is accepted too. Access tokens (`at+jwt`),
logout tokens (`logout+jwt`) and all other types are refused: they may have the same issuer and audience as an ID token.
https://www.rfc-editor.org/rfc/rfc8725#section-3.11"""

MAX_KEY_ID_LENGTH: Final = 256
"""Maximum length of a `kid` in characters."""
MAX_SUBJECT_LENGTH: Final = 255
"""Maximum length of `sub`, which OpenID Connect sets. `sub` has ASCII characters only."""

DEFAULT_CLOCK_TOLERANCE_SECONDS: Final = 30
"""Default of the setting `clockToleranceSeconds`. A revocation allows for a clock that is this far ahead."""
MAX_LIFETIME_SECONDS: Final = 30 * 86_400
"""Maximum number of seconds from `iat` to `exp`, 30 days. Cognito's ID tokens live at most one day. A revocation that
is kept for this time and the clock tolerance outlives every token that was issued before it."""

IDENTITY_USE: Final = "id"
"""Value of the claim `token_use` in Cognito's ID tokens, which identify a user. Tokens of other issuers do not have
this claim and are accepted without it.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html"""

NOT_SECONDS: Final = "must be a number of epoch seconds"
UNKNOWN_KEY: Final = (
    "must be the one that the issuer publishes under the token's kid, or the only one that fits alg and verifies"
)


@dataclass(frozen=True, slots=True)
class TokenRules:
    """The settings of the stack that decide which tokens are accepted."""

    issuer: str
    """Required value of the claim `iss`."""
    audiences: Sequence[str]
    """Accepted values of the claim `aud`: the client id of the dashboard and those of other clients."""
    clock_tolerance_seconds: int
    """Number of seconds by which the clock of the issuer may be ahead of ours. `iat` and `nbf` may be this far in the
    future. `exp` has no tolerance, because a connection ends when its token expires."""
    tenant_claim: TenantClaim
    """The claim that names the tenants."""


def check_token(
    token: UnverifiedToken,
    rules: TokenRules,
    now: int,
    find_key: Callable[[UnverifiedToken], PublishedKey | None],
) -> Iterator[Check]:
    """Check a token and yield the result of each check, in order.

    The tenant is not among the checks: `TenantClaim.check` does that. A token without a tenant is valid.

    Args:
        token: The token.
        rules: The rules that the token must follow.
        now: The current time in epoch seconds.
        find_key: Returns the issuer's key of the token. It is called after all other checks have been yielded.
    """
    yield from _check_header(token.header)
    yield from _check_parties(token.claims, rules)
    yield from _check_times(token.claims, now, rules.clock_tolerance_seconds)
    yield from _check_subject(token.claims)
    key = find_key(token)
    yield _check("key", key is not None, UNKNOWN_KEY, "jwksUrl")
    if key is not None:
        verifies = key.verify(token.algorithm, token.signed, token.signature)
        yield Check("signature", "" if verifies else "does not verify")


def read_seconds(claims: Mapping[str, object], name: str) -> int | None:
    """Return a time claim in whole epoch seconds, or None if it is missing or not a finite number."""
    value = claims.get(name)
    # `math.isfinite` would raise for an integer that is too large for a float.
    if isinstance(value, bool) or not isinstance(value, int | float) or not -math.inf < value < math.inf:
        return None
    return math.floor(value)


def _check_header(header: Mapping[str, object]) -> Iterator[Check]:
    yield _check("alg", header.get("alg") in ALGORITHMS, f"must be one of {', '.join(ALGORITHMS)}")
    token_type = header.get("typ", TOKEN_TYPES[0])
    is_accepted = isinstance(token_type, str) and token_type.lower() in TOKEN_TYPES
    yield _check("typ", is_accepted, "must be that of an ID token")
    key_id = header.get("kid", "absent")
    is_id = isinstance(key_id, str) and 1 <= len(key_id) <= MAX_KEY_ID_LENGTH
    yield _check("kid", is_id, f"must be absent or a string of 1 to {MAX_KEY_ID_LENGTH} characters")
    for name in ("crit", "b64"):
        yield _check(name, name not in header, "must be absent, because no extension is supported")


def _check_parties(claims: Mapping[str, object], rules: TokenRules) -> Iterator[Check]:
    """Check by whom and for whom the token is."""
    yield _check("iss", claims.get("iss") == rules.issuer, "must be the configured issuer", "issuer")
    value = claims.get("aud")
    audiences = cast("list[object]", value) if isinstance(value, list) else [value]
    trusted = [audience in rules.audiences for audience in audiences]
    yield _check("aud", any(trusted), "must contain a configured audience", "audience")
    is_bound = all(trusted) or not any(trusted) or "azp" in claims
    problem = "must be present in a token with other audiences" if not is_bound else "must be a configured audience"
    is_party = claims.get("azp", rules.audiences[0]) in rules.audiences
    yield _check("azp", is_bound and is_party, problem, "additionalAudiences")
    is_client = claims.get("client_id", rules.audiences[0]) in rules.audiences
    yield _check("client_id", is_client, "must be a configured audience", "additionalAudiences")


def _check_times(claims: Mapping[str, object], now: int, tolerance: int) -> Iterator[Check]:
    issued_at, expires_at = read_seconds(claims, "iat"), read_seconds(claims, "exp")
    yield _check_start("iat", issued_at, now, tolerance)
    yield Check("exp", _find_expiry_problem(issued_at, expires_at, now))
    if "nbf" in claims:
        yield _check_start("nbf", read_seconds(claims, "nbf"), now, tolerance)
    is_time = claims.get("auth_time") is None or read_seconds(claims, "auth_time") is not None
    yield _check("auth_time", is_time, NOT_SECONDS)


def _check_start(name: str, starts_at: int | None, now: int, tolerance: int) -> Check:
    if starts_at is None:
        return Check(name, NOT_SECONDS)
    problem = f"must be at most {tolerance} seconds later than now"
    return _check(name, starts_at <= now + tolerance, problem, "clockToleranceSeconds")


def _find_expiry_problem(issued_at: int | None, expires_at: int | None, now: int) -> str:
    if expires_at is None:
        return NOT_SECONDS
    if expires_at <= now:
        return "must be later than now"
    if issued_at is not None and not issued_at < expires_at <= issued_at + MAX_LIFETIME_SECONDS:
        return f"must be at most {MAX_LIFETIME_SECONDS:,} seconds later than iat"
    return ""


def _check_subject(claims: Mapping[str, object]) -> Iterator[Check]:
    subject = read_string(claims, "sub")
    is_subject = 1 <= len(subject) <= MAX_SUBJECT_LENGTH and subject.isascii() and subject.isprintable()
    yield _check("sub", is_subject, f"must be 1 to {MAX_SUBJECT_LENGTH} printable ASCII characters")
    is_identity = claims.get("token_use", IDENTITY_USE) == IDENTITY_USE
    yield _check("token_use", is_identity, "must be that of an ID token")


def _check(name: str, passes: bool, problem: str, setting: str = "") -> Check:
    return Check(name, "" if passes else problem, setting)
