"""Lambda authorizer of `$connect`: 401 without a valid token, 403 for a tenant or an origin that is not allowed."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from formbridge.access.handshake import (
    Forbidden,
    Identity,
    Unauthorized,
    build_policy,
    check_origin,
    find_token,
)
from formbridge.access.token_verifier import TokenVerifier
from formbridge.runtime import environment
from formbridge.runtime.logs import correlation_ids, log, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def verifier() -> TokenVerifier:
    """Return the verifier of the issuer that the environment names."""
    return TokenVerifier.from_environment()


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Return the IAM policy of a handshake.

    Raises:
        Exception: "Unauthorized", the exact text that API Gateway answers with 401. It answers 500 to any other error.
    """
    policy = authorize(event, context)
    if policy is None:
        raise Exception("Unauthorized")  # noqa: TRY002
    return policy


@log_failures
def authorize(event: Mapping[str, Any], context: object) -> dict[str, Any] | None:
    """Return the policy of a handshake, or None if the handshake has no valid token."""
    ids = correlation_ids(event, context)
    headers: Mapping[str, str] = event.get("headers") or {}
    query: Mapping[str, str] = event.get("queryStringParameters") or {}
    try:
        identity = verifier().verify(find_token(headers, query if environment.boolean("TOKEN_IN_QUERY") else {}))
    except Unauthorized as error:
        log("unauthorized", {**ids, "reason": str(error)})
        return None
    try:
        check_origin(headers, environment.strings("ALLOWED_ORIGINS"))
        tenant_id = identity.choose_tenant(query.get("tenant_id"))
    except Forbidden as error:
        log("forbidden", {**ids, "reason": str(error)})
        return build_policy(identity.subject, "Deny", event["methodArn"], {})
    log("authorized", {**ids, "tenant_id": tenant_id})
    return allow(identity, tenant_id, event)


def allow(identity: Identity, tenant_id: str, event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the policy that allows a connection. Its context has the values that the Lambdas of the routes read."""
    context = {
        "tenant_id": tenant_id,
        "expires_at": str(identity.expires_at),
        "issued_at": str(identity.issued_at),
        "shard": str(choose_shard(event["requestContext"]["connectionId"])),
    }
    return build_policy(identity.subject, "Allow", event["methodArn"], context)


def choose_shard(connection_id: str) -> int:
    """Return the number of the tenant's partition that will hold a new connection's row."""
    return crc32(connection_id.encode()) % environment.integer("CONNECTION_SHARDS")
