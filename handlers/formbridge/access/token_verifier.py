"""Verification of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, cast

from ..runtime import clock, environment, metrics
from ..runtime.identifiers import TENANT_ID
from ..runtime.logs import log
from .handshake import Identity, Unauthorized
from .key_cache import KeyCache
from .key_request import fetch_document
from .key_set import KeyFetchFailed, KeySet, parse_key_set
from .public_key import load_public_key
from .token_checks import check_claims, parse_token, read_seconds

if TYPE_CHECKING:
    from collections.abc import Mapping

MAX_LOGGED_KEYS: Final = 5
"""Maximum number of unusable keys whose reasons are logged."""


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifier of the ID tokens of one issuer."""

    issuer: str
    """Required value of the claim `iss`."""
    audience: str
    """Required value of the claim `aud`."""
    tenant_claim: str
    """Name of the claim with the tenant id or a list of tenant ids."""
    keys: KeyCache
    """The keys of the issuer."""

    @classmethod
    def from_environment(cls) -> TokenVerifier:
        """Return the verifier that the environment variables describe.

        The verifier fetches the keys of the issuer when it needs the first one.
        """
        return cls(
            issuer=environment.string("ISSUER"),
            audience=environment.string("AUDIENCE"),
            tenant_claim=environment.string("TENANT_CLAIM"),
            keys=KeyCache(partial(fetch_keys, environment.string("JWKS_URL")), clock.now_ms),
        )

    def verify(self, token: str) -> Identity:
        """Check a token and return its claims.

        The header and the claims are checked first and the signature last, so that only a token that is otherwise valid
        can cause a request for the issuer's keys.

        Raises:
            Unauthorized: The token is not valid. The message is the reason and quotes no part of the token.
            KeysUnavailable: The keys that are needed could not be fetched.
        """
        unverified = parse_token(token)
        claims = unverified.claims
        check_claims(claims, issuer=self.issuer, audience=self.audience, now=clock.now_ms() // 1000)
        verify_signature = self.keys.find(unverified.key_id, unverified.algorithm)
        if verify_signature is None:
            raise Unauthorized("kid: must be that of a key of the issuer")
        if not verify_signature(unverified.signed, unverified.signature):
            raise Unauthorized("signature: does not verify")
        return Identity(
            subject=cast("str", claims["sub"]),
            tenants=_read_tenants(claims.get(self.tenant_claim)),
            expires_at=read_seconds(claims, "exp"),
            signed_in_at=_read_sign_in(claims),
            session_id=_read_id(claims, "sid") or _read_id(claims, "origin_jti"),
            token_id=_read_id(claims, "jti"),
        )


def fetch_keys(url: str) -> KeySet:
    """Fetch the keys of an issuer, count the request, and log its result.

    Raises:
        KeyFetchFailed: The request failed, or the response has no usable key.
    """
    try:
        key_set = parse_key_set(fetch_document(url), load_public_key)
    except KeyFetchFailed as error:
        log("key fetch failed", {"reason": str(error)})
        metrics.emit({"KeyFetches": 1, "KeyFetchFailures": 1})
        raise
    log("keys fetched", {"keys": len(key_set.keys), "ignored": key_set.ignored[:MAX_LOGGED_KEYS]})
    metrics.emit({"KeyFetches": 1, "KeyFetchFailures": 0})
    return key_set


def _read_sign_in(claims: Mapping[str, object]) -> int:
    issued_at = read_seconds(claims, "iat")
    signed_in_at = read_seconds(claims, "auth_time") if claims.get("auth_time") is not None else issued_at
    # A sign-in after the token was issued is a mistake of the issuer, and would hide the token from a revocation.
    return signed_in_at if 0 < signed_in_at <= issued_at else issued_at


def _read_id(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _read_tenants(claim: object) -> tuple[str, ...]:
    values = cast("list[object]", claim) if isinstance(claim, list) else [claim]
    return tuple(value for value in values if isinstance(value, str) and TENANT_ID.fullmatch(value))
