"""Who a token says that its bearer is. The one module that needs PyJWT, which only the authorizer carries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import jwt
from jwt import PyJWKClient, PyJWKClientConnectionError

from .handshake import Forbidden, Unauthorized
from .identifiers import TENANT_ID, quoted

ALGORITHMS: Final = ("RS256", "ES256")
"""Signatures by a public key alone: a shared secret, or none, is never accepted."""


@dataclass(frozen=True, slots=True)
class Identity:
    """What a verified token says."""

    subject: str
    tenants: tuple[str, ...]
    expires_at: int
    """Epoch seconds."""

    def choose_tenant(self, wanted: str | None) -> str:
        """The tenant to connect as.

        Raises:
            Forbidden: the token does not grant `wanted`, or grants none or several and `wanted` is None.
        """
        if wanted is not None:
            if wanted not in self.tenants:
                raise Forbidden(f"tenant_id: the token does not grant {quoted(wanted)}")
            return wanted
        if len(self.tenants) != 1:
            raise Forbidden(f"the token grants {len(self.tenants)} tenants; name one by ?tenant_id=")
        return self.tenants[0]


@dataclass(frozen=True, slots=True)
class TokenVerifier:
    """Verifies a JWT by the issuer's published keys, which PyJWT caches between calls."""

    issuer: str
    audience: str
    tenant_claim: str
    """The claim that holds the tenant's id, or a list of them."""
    keys: PyJWKClient

    def verify(self, token: str) -> Identity:
        """Check signature, algorithm, issuer, audience, expiry and not-before.

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
                # `iat` only tells when a token was made; an issuer's clock may well be ahead of ours.
                options={"require": ["exp", "iss", "aud", "sub"], "verify_iat": False},
            )
        except PyJWKClientConnectionError:
            raise
        except (jwt.InvalidTokenError, jwt.PyJWKClientError) as error:
            raise Unauthorized(type(error).__name__) from error
        return Identity(claims["sub"], _tenants(claims.get(self.tenant_claim)), int(claims["exp"]))


def _tenants(claim: object) -> tuple[str, ...]:
    values = cast("list[object]", claim) if isinstance(claim, list) else [claim]
    return tuple(value for value in values if isinstance(value, str) and TENANT_ID.fullmatch(value))
