"""What a client brings to `$connect`, and how the authorizer answers API Gateway."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..runtime.identifiers import quote

BEARER_PREFIX: Final = "bearer."
"""What a token's subprotocol begins with."""


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
    issued_at: int
    """Epoch seconds; 0: it does not say."""

    def choose_tenant(self, wanted: str | None) -> str:
        """The tenant to connect as.

        Raises:
            Forbidden: the token does not grant `wanted`, or grants none or several and `wanted` is None.
        """
        if wanted is not None:
            if wanted not in self.tenants:
                raise Forbidden(f"tenant_id: the token does not grant {quote(wanted)}")
            return wanted
        if len(self.tenants) != 1:
            raise Forbidden(f"the token grants {len(self.tenants)} tenants; name one by ?tenant_id=")
        return self.tenants[0]


def parse_subprotocols(headers: Mapping[str, str]) -> list[str]:
    """The subprotocols that a handshake offers; header names in any case."""
    offered = _header(headers, "sec-websocket-protocol") or ""
    return [name.strip() for name in offered.split(",") if name.strip()]


def find_token(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """The token of a handshake, from its subprotocols, its `Authorization` header, or `token` of `query`.

    Raises:
        Unauthorized: there is none.
    """
    for name in parse_subprotocols(headers):
        if name.startswith(BEARER_PREFIX):
            return name.removeprefix(BEARER_PREFIX)
    scheme, _, token = (_header(headers, "authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if token := query.get("token"):
        return token
    raise Unauthorized("no token")


def check_origin(headers: Mapping[str, str], allowed: Sequence[str]) -> None:
    """Refuse a browser's page that is not on the allow-list; an empty list allows every page.

    Raises:
        Forbidden: the page's Origin is not on the list. A client that is no browser sends none, and passes.
    """
    origin = _header(headers, "origin")
    if allowed and origin is not None and origin not in allowed:
        raise Forbidden(f"Origin: {quote(origin)} is not allowed")


def build_policy(principal: str, effect: str, method_arn: str, context: Mapping[str, Any]) -> dict[str, Any]:
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
