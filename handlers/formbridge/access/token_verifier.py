"""Verification of tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from ..runtime import clock, environment
from .handshake import Identity, Unauthorized
from .key_cache import KeyCache
from .key_source import KeySource
from .tenant_claim import TenantClaim
from .token_checks import TokenRules, check_token, read_seconds
from .unverified_token import parse_token

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .key_set import PublishedKey
    from .unverified_token import UnverifiedToken


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifier of the ID tokens of one issuer."""

    rules: TokenRules
    """The rules that a token must follow."""
    keys: KeyCache
    """The keys of the issuer."""

    @classmethod
    def from_environment(cls) -> TokenVerifier:
        """Return the verifier that the environment variables describe.

        The verifier fetches the keys of the issuer when it needs the first one.
        """
        issuer = environment.string("ISSUER")
        rules = TokenRules(
            issuer=issuer,
            audiences=environment.string("AUDIENCES").split(),
            clock_tolerance_seconds=environment.integer("CLOCK_TOLERANCE_SECONDS"),
            tenant_claim=TenantClaim.parse(environment.string("TENANT_CLAIM"), environment.string("TENANT_ID_PATTERN")),
        )
        return cls(rules, KeyCache(KeySource(issuer, environment.optional_string("JWKS_URL")).fetch, clock.now_ms))

    def verify(self, token: str) -> Identity:
        """Check a token and return its claims.

        The header and the claims are checked first and the signature last, so that only a token that is otherwise valid
        can cause a request for the issuer's keys.

        Raises:
            Unauthorized: The token is not valid. The message is the reason and quotes no part of the token.
            KeysUnavailable: The keys that are needed could not be fetched.
        """
        unverified = parse_token(token)
        for check in check_token(unverified, self.rules, clock.now_ms() // 1000, self._find_key):
            if not check.passes:
                raise Unauthorized.from_check(check)
        return self._identify(unverified.claims)

    def _find_key(self, token: UnverifiedToken) -> PublishedKey | None:
        return self.keys.find(
            token.key_id,
            token.algorithm,
            lambda key: key.verify(token.algorithm, token.signed, token.signature),
        )

    def _identify(self, claims: Mapping[str, object]) -> Identity:
        """Return the identity in the claims of a token that passed all checks."""
        return Identity(
            subject=cast("str", claims["sub"]),
            tenants=self.rules.tenant_claim.read(claims),
            expires_at=cast("int", read_seconds(claims, "exp")),
            signed_in_at=_read_sign_in(claims),
            session_id=_read_id(claims, "sid") or _read_id(claims, "origin_jti"),
            token_id=_read_id(claims, "jti"),
            tenant_check=self.rules.tenant_claim.check(claims),
        )


def _read_sign_in(claims: Mapping[str, object]) -> int:
    issued_at = cast("int", read_seconds(claims, "iat"))
    signed_in_at = read_seconds(claims, "auth_time")
    # A sign-in after the token was issued is a mistake of the issuer, and would hide the token from a revocation.
    return signed_in_at if signed_in_at is not None and 0 < signed_in_at <= issued_at else issued_at


def _read_id(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""
