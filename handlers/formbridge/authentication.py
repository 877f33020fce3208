"""Who may connect, and as which tenant: the answer comes from the verified token alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import jwt
from jwt import PyJWKClient, PyJWKClientConnectionError

from .identifiers import TENANT_ID, quoted
from .protocol import BEARER_PREFIX

ALGORITHMS: Final = ("RS256", "ES256")
"""Signatures by a public key alone: a shared secret, or none, is never accepted."""


class Unauthorized(Exception):
    """No token, or one that does not verify: 401. The text says why and quotes nothing of the token."""


class Forbidden(Exception):
    """A verified token that grants something else: 403."""


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


def offered_subprotocols(headers: Mapping[str, str]) -> list[str]:
    """The subprotocols that a handshake offers; header names in any case."""
    offered = _header(headers, "sec-websocket-protocol") or ""
    return [name.strip() for name in offered.split(",") if name.strip()]


def bearer_token(headers: Mapping[str, str]) -> str:
    """The token of a handshake, from its subprotocols or its `Authorization` header.

    Raises:
        Unauthorized: there is none.
    """
    for name in offered_subprotocols(headers):
        if name.startswith(BEARER_PREFIX):
            return name.removeprefix(BEARER_PREFIX)
    scheme, _, token = (_header(headers, "authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    raise Unauthorized("no token")


def check_origin(headers: Mapping[str, str], allowed: Sequence[str]) -> None:
    """Refuse a browser's page that is not on the allow-list; an empty list allows every page.

    Raises:
        Forbidden: the page's Origin is not on the list. A client that is no browser sends none, and passes.
    """
    origin = _header(headers, "origin")
    if allowed and origin is not None and origin not in allowed:
        raise Forbidden(f"Origin: {quoted(origin)} is not allowed")


def policy(principal: str, effect: str, method_arn: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """The answer of a REQUEST authorizer. API Gateway hands `context` to every route as texts."""
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}],
        },
        "context": dict(context),
    }


def _header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)
