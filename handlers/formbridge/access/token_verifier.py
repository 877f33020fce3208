"""Verification of tokens.

This is the only module that imports PyJWT. Only the Lambda functions that verify tokens have PyJWT in their archive.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

import jwt
from jwt import PyJWKClient, PyJWKClientConnectionError

from ..runtime import clock, environment
from ..runtime.identifiers import TENANT_ID
from .handshake import Identity, Unauthorized

if TYPE_CHECKING:
    from collections.abc import Mapping

ALGORITHMS: Final = ("RS256", "ES256")
"""Accepted signature algorithms. All use a public key: shared secrets and unsigned tokens are never accepted."""

CLOCK_LEEWAY_SECONDS: Final = 30
"""Number of seconds by which the clock of an issuer may be ahead of ours. A token is accepted up to this many seconds
before its `nbf`."""

KEY_LIFETIME_SECONDS: Final = 3600
"""Number of seconds for which fetched keys are cached."""
KEY_REFETCH_SECONDS: Final = 60
"""Number of seconds after a fetch during which a token with an unknown `kid` causes no further fetch."""

IDENTITY_USE: Final = "id"
"""Value of the claim `token_use` in Cognito's ID tokens, which identify a user. Tokens of other issuers do not have
this claim and are accepted without it.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html"""


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifier of the JWTs of one issuer. PyJWT fetches the issuer's public keys and caches them."""

    issuer: str
    """Required value of the claim `iss`."""
    audience: str
    """Required value of the claim `aud`."""
    tenant_claim: str
    """Name of the claim with the tenant id or a list of tenant ids."""
    keys: PyJWKClient
    """Client that fetches the keys of the issuer."""

    @classmethod
    def from_environment(cls) -> TokenVerifier:
        """Return the verifier that the environment variables describe.

        The verifier fetches the keys of the issuer when it verifies the first token.
        """
        return cls(
            issuer=environment.string("ISSUER"),
            audience=environment.string("AUDIENCE"),
            tenant_claim=environment.string("TENANT_CLAIM"),
            keys=PyJWKClient(
                environment.string("JWKS_URL"),
                lifespan=KEY_LIFETIME_SECONDS,
                cooldown_duration=KEY_REFETCH_SECONDS,
                timeout=5,
            ),
        )

    def verify(self, token: str) -> Identity:
        """Check a token and return its claims.

        The checks cover the signature, the algorithm, the issuer, the audience, the expiry, the not-before time and the
        claim `token_use`.

        Raises:
            Unauthorized: The token is not valid. The message is the name of the exception, or `WrongTokenUse`.
            PyJWTError: The keys of the issuer could not be fetched or parsed.
        """
        try:
            key = self.keys.get_signing_key_from_jwt(token)
            claims = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self.audience,
                issuer=self.issuer,
                leeway=CLOCK_LEEWAY_SECONDS,
                # `iat` is not checked: the clock of the issuer may be ahead of ours.
                options={"require": ["exp", "iss", "aud", "sub"], "verify_iat": False},
            )
        except PyJWKClientConnectionError:
            raise
        except (jwt.InvalidTokenError, jwt.PyJWKClientError, UnicodeEncodeError) as error:
            raise Unauthorized(type(error).__name__) from error
        identity = Identity(
            subject=claims["sub"],
            tenants=_read_tenants(claims.get(self.tenant_claim)),
            expires_at=int(claims["exp"]),
            signed_in_at=_read_sign_in(claims),
            session_id=_read_id(claims, "sid") or _read_id(claims, "origin_jti"),
            token_id=_read_id(claims, "jti"),
        )
        # The expiry has no leeway. A connection ends when its token expires, so a connection with an expired token
        # would end at once.
        if identity.expires_at * 1000 <= clock.now_ms():
            raise Unauthorized("ExpiredSignatureError")
        if claims.get("token_use", IDENTITY_USE) != IDENTITY_USE:
            raise Unauthorized("WrongTokenUse")
        return identity


def _read_sign_in(claims: Mapping[str, object]) -> int:
    issued_at = _read_epoch_seconds(claims.get("iat"))
    # A sign-in after the token was issued is a mistake of the issuer, and would hide the token from a revocation.
    signed_in_at = _read_epoch_seconds(claims.get("auth_time"))
    return signed_in_at if 0 < signed_in_at <= issued_at else issued_at


def _read_id(claims: Mapping[str, object], name: str) -> str:
    value = claims.get(name)
    return value if isinstance(value, str) else ""


def _read_epoch_seconds(claim: object) -> int:
    return int(claim) if isinstance(claim, int | float) and math.isfinite(claim) else 0


def _read_tenants(claim: object) -> tuple[str, ...]:
    values = cast("list[object]", claim) if isinstance(claim, list) else [claim]
    return tuple(value for value in values if isinstance(value, str) and TENANT_ID.fullmatch(value))
