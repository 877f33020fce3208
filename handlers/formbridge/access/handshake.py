"""The handshake of a client at `$connect`, and the reply of the authorizer to API Gateway."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from ..runtime.identifiers import quote
from .check import Check

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

BEARER_PREFIX: Final = "bearer."
"""Prefix of the subprotocol that carries the token."""

REFUSAL_PARAMETER: Final = "refusal"
"""Query parameter with which a client chooses how it is refused."""
REFUSAL_BY_FRAME: Final = "frame"
"""Value of the parameter: the server accepts the handshake and sends a `disconnect` frame. Any other value is ignored,
and the server refuses the handshake with 403."""
FORBIDDEN_CONTEXT: Final[Mapping[str, str]] = {"refusal": "forbidden"}
"""Context of a connection that is only opened to be refused by a frame. It names no tenant."""
BY_FRAME_CONTEXT: Final[Mapping[str, str]] = {"refusal_by_frame": "true"}
"""Addition to the context of a connection whose client wants to be refused by a frame."""

_NO_TENANT: Final = Check("tenant", "must grant a tenant")


class Refusal(Exception):
    """The reason why a handshake is refused. It contains no part of the token."""

    def __init__(self, reason: str, *, check: str = "", setting: str = "") -> None:
        super().__init__(reason)
        self.check = check
        """Name of the check that failed. Empty: the token was not what failed."""
        self.setting = setting
        """The stack's setting that the check depends on. Empty: it depends on none."""

    @property
    def fields(self) -> dict[str, str]:
        """The fields of the refusal's log line."""
        named = {"reason": str(self), "check": self.check, "setting": self.setting}
        return {name: value for name, value in named.items() if value}


class Unauthorized(Refusal):
    """The client sent no token or an invalid token: status 401."""

    @classmethod
    def from_check(cls, failed: Check) -> Unauthorized:
        """Return the refusal of a token that does not pass a check."""
        return cls(failed.reason, check=failed.name, setting=failed.setting)


class Forbidden(Refusal):
    """The token is valid but does not allow this connection: status 403."""


class WrongTenant(Forbidden):
    """The token does not grant the tenant."""


@dataclass(frozen=True, slots=True)
class Identity:
    """The claims of a verified token. They must not be stored or logged; `KeyedHash.identify` hides them."""

    subject: str = field(repr=False)
    """Claim `sub`: the user."""
    tenants: tuple[str, ...]
    """Ids of the tenants that the token grants."""
    expires_at: int
    """Claim `exp`, in epoch seconds."""
    signed_in_at: int
    """When the user signed in, in epoch seconds: the claim `auth_time`, or `iat` if the token has no `auth_time` or one
    that is later than `iat`. A refreshed token has a new `iat` but the `auth_time` of the sign-in.
    https://openid.net/specs/openid-connect-core-1_0.html#RefreshTokenResponse"""
    session_id: str = field(default="", repr=False)
    """The session in which the token was issued: the claim `sid`, or Cognito's `origin_jti`, which all tokens of one
    sign-in share. Empty: the token names no session.
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-id-token.html"""
    token_id: str = field(default="", repr=False)
    """Claim `jti`. Empty: the token has no id."""
    tenant_check: Check = field(default=_NO_TENANT, compare=False)
    """The check of the tenant claim. It says why the token grants no tenant, if it grants none."""

    def choose_tenant(self, wanted: str | None) -> str:
        """Return the tenant of the new connection.

        Args:
            wanted: Tenant that the client asked for; None if the client did not ask for one.

        Raises:
            WrongTenant: The token does not grant `wanted`, or `wanted` is None and the token does not grant exactly one
                tenant.
        """
        if not self.tenants:
            failed = self.tenant_check
            raise WrongTenant(failed.reason, check=failed.name, setting=failed.setting)
        if wanted is not None:
            if wanted not in self.tenants:
                raise WrongTenant(f"tenant_id: must be a tenant that the token grants, got {quote(wanted)}")
            return wanted
        match self.tenants:
            case (only,):
                return only
            case _:
                raise WrongTenant(f"tenant_id: is required because the token grants {len(self.tenants)} tenants")


def parse_subprotocols(headers: Mapping[str, str]) -> list[str]:
    """Return the subprotocols that a client offers, in its order. Header names may be in any case."""
    offered = _find_header(headers, "sec-websocket-protocol") or ""
    return [name.strip() for name in offered.split(",") if name.strip()]


def find_token(headers: Mapping[str, str], query: Mapping[str, str]) -> str:
    """Return the token of a handshake: from a subprotocol, else from `Authorization`, else from the query.

    Args:
        headers: Headers of the handshake. Their names may be in any case.
        query: Query parameters of the handshake; empty if a token in the query is not allowed.

    Raises:
        Unauthorized: The handshake has no token.
    """
    for name in parse_subprotocols(headers):
        if name.startswith(BEARER_PREFIX):
            return name.removeprefix(BEARER_PREFIX)
    scheme, _, token = (_find_header(headers, "authorization") or "").partition(" ")
    if scheme.lower() == "bearer" and token.strip():
        return token.strip()
    if token := query.get("token"):
        return token
    raise Unauthorized("no token")


def wants_refusal_by_frame(query: Mapping[str, str]) -> bool:
    """Return whether the query parameters of a handshake ask for a refusal by a frame."""
    return query.get(REFUSAL_PARAMETER) == REFUSAL_BY_FRAME


def is_forbidden(request_context: Mapping[str, Any]) -> bool:
    """Return whether a connection is only open to be refused by a frame. It belongs to no tenant."""
    return FORBIDDEN_CONTEXT.items() <= request_context["authorizer"].items()


def is_refused_by_frame(request_context: Mapping[str, Any]) -> bool:
    """Return whether the client of a connection wants to be refused by a frame."""
    return BY_FRAME_CONTEXT.items() <= request_context["authorizer"].items()


def check_origin(headers: Mapping[str, str], allowed: Sequence[str]) -> None:
    """Check that the `Origin` header of a handshake is one of the allowed origins.

    If `allowed` is empty, every origin is allowed. A handshake without an `Origin` header passes the check, because
    only browsers send this header.

    Raises:
        Forbidden: The `Origin` header is not one of the allowed origins.
    """
    origin = _find_header(headers, "origin")
    if allowed and origin is not None and origin not in allowed:
        raise Forbidden(f"Origin: must be an allowed origin, got {quote(origin)}")


def build_policy(principal: str, effect: str, method_arn: str, context: Mapping[str, Any]) -> dict[str, Any]:
    """Return the reply of a REQUEST authorizer: an IAM policy and its context.

    Args:
        principal: Keyed hash of the user. API Gateway may log it.
        effect: `Allow` or `Deny`.
        method_arn: The `methodArn` of the authorizer's event.
        context: Values that API Gateway passes to the Lambda function of every route, as strings.
    """
    return {
        "principalId": principal,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": method_arn}],
        },
        "context": dict(context),
    }


def _find_header(headers: Mapping[str, str], name: str) -> str | None:
    return next((value for key, value in headers.items() if key.lower() == name), None)
