"""Who a token says that its bearer is. The one module that needs PyJWT, which only those Lambdas carry that verify."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final, cast

import jwt
from jwt import PyJWKClient, PyJWKClientConnectionError

from ..runtime import clock, environment
from ..runtime.identifiers import TENANT_ID
from .handshake import Identity, Unauthorized

ALGORITHMS: Final = ("RS256", "ES256")
"""Signatures by a public key alone: a shared secret, or none, is never accepted."""

CLOCK_LEEWAY_SECONDS: Final = 30
"""How far an issuer's clock may be ahead of ours: a token is good so long before its `nbf`."""

KEY_LIFETIME_SECONDS: Final = 3600
"""How long fetched keys are used."""
KEY_REFETCH_SECONDS: Final = 60
"""How long after a fetch a `kid` that is not among them makes for no other."""

IDENTITY_USE: Final = "id"
"""What Cognito writes into `token_use` of the tokens that say who someone is. Other issuers have no such claim.
https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html"""


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifies a JWT by the issuer's published keys, which PyJWT caches between calls."""

    issuer: str
    audience: str
    tenant_claim: str
    """The claim that holds the tenant's id, or a list of them."""
    keys: PyJWKClient

    @classmethod
    def from_environment(cls) -> TokenVerifier:
        """The one that the Lambda's environment describes; its keys are fetched when they are first needed."""
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
        """Check signature, algorithm, issuer, audience, expiry, not-before and what the token is for.

        Raises:
            Unauthorized: the token does not verify.
            PyJWTError: the issuer's keys could not be fetched, or are none.
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
                # `iat` only tells when a token was made; an issuer's clock may well be ahead of ours.
                options={"require": ["exp", "iss", "aud", "sub"], "verify_iat": False},
            )
        except PyJWKClientConnectionError:
            raise
        except (jwt.InvalidTokenError, jwt.PyJWKClientError, UnicodeEncodeError) as error:
            raise Unauthorized(type(error).__name__) from error
        identity = Identity(
            subject=claims["sub"],
            tenants=_tenants(claims.get(self.tenant_claim)),
            expires_at=int(claims["exp"]),
            issued_at=_epoch_seconds(claims.get("iat")),
        )
        # No leeway here: a connection ends when its token does, and would end at once.
        if identity.expires_at * 1000 <= clock.now_ms():
            raise Unauthorized("ExpiredSignatureError")
        if claims.get("token_use", IDENTITY_USE) != IDENTITY_USE:
            raise Unauthorized("WrongTokenUse")
        return identity


def _epoch_seconds(claim: object) -> int:
    return int(claim) if isinstance(claim, int | float) and math.isfinite(claim) else 0


def _tenants(claim: object) -> tuple[str, ...]:
    values = cast("list[object]", claim) if isinstance(claim, list) else [claim]
    return tuple(value for value in values if isinstance(value, str) and TENANT_ID.fullmatch(value))
