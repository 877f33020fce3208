"""Lambda authorizer of `$connect`.

A handshake without a valid token is answered with 401. A handshake is answered with 403 if its tenant or its origin is
not allowed. If the client asks for a refusal by a frame, a handshake with a wrong tenant is allowed instead. That
connection belongs to no tenant, and it is closed as soon as it sends a frame.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any
from zlib import crc32

from formbridge.access.handshake import (
    BY_FRAME_CONTEXT,
    FORBIDDEN_CONTEXT,
    Forbidden,
    Unauthorized,
    WrongTenant,
    build_policy,
    check_origin,
    find_token,
    wants_refusal_by_frame,
)
from formbridge.access.keyed_hash import KeyedHash
from formbridge.access.token_verifier import TokenVerifier
from formbridge.runtime import environment
from formbridge.runtime.logs import correlation_ids, log, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.access.handshake import Identity
    from formbridge.access.principal import Principal


@cache
def verifier() -> TokenVerifier:
    """Return the verifier of tokens that the environment variables describe."""
    return TokenVerifier.from_environment()


@cache
def hashes() -> KeyedHash:
    """Return the hashes with the key and the issuer that the environment variables describe."""
    return KeyedHash.from_hex(environment.string("USER_HASH_KEY"), environment.string("ISSUER"))


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Return the IAM policy that allows or denies a handshake.

    Raises:
        Exception: The handshake has no valid token. The message is exactly "Unauthorized", because API Gateway answers
            401 only to this message and 500 to every other error.
    """
    policy = authorize(event, context)
    if policy is None:
        raise Exception("Unauthorized")  # noqa: TRY002
    return policy


@log_failures
def authorize(event: Mapping[str, Any], context: object) -> dict[str, Any] | None:
    """Return the IAM policy of a handshake, or None if the handshake has no valid token."""
    ids = correlation_ids(event, context)
    headers: Mapping[str, str] = event.get("headers") or {}
    query: Mapping[str, str] = event.get("queryStringParameters") or {}
    try:
        identity = verifier().verify(find_token(headers, query if environment.boolean("TOKEN_IN_QUERY") else {}))
    except Unauthorized as error:
        log("unauthorized", {**ids, **error.fields})
        return None
    return decide(identity, event, ids)


def decide(identity: Identity, event: Mapping[str, Any], ids: dict[str, str]) -> dict[str, Any]:
    """Return the IAM policy of a handshake with a valid token. API Gateway passes its context to all other Lambdas."""
    headers: Mapping[str, str] = event.get("headers") or {}
    query: Mapping[str, str] = event.get("queryStringParameters") or {}
    principal = hashes().identify(identity)
    ids = {**ids, **principal.hashes}
    try:
        check_origin(headers, environment.strings("ALLOWED_ORIGINS"))
        tenant_id = identity.choose_tenant(query.get("tenant_id"))
    except Forbidden as error:
        log("forbidden", {**ids, **error.fields})
        by_frame = isinstance(error, WrongTenant) and wants_refusal_by_frame(query)
        context = {**(FORBIDDEN_CONTEXT if by_frame else {}), "user": principal.user}
        return build_policy(principal.user, "Allow" if by_frame else "Deny", event["methodArn"], context)
    log("authorized", {**ids, "tenant_id": tenant_id})
    context = build_context(identity, principal, tenant_id, event["requestContext"]["connectionId"])
    context |= BY_FRAME_CONTEXT if wants_refusal_by_frame(query) else {}
    return build_policy(principal.user, "Allow", event["methodArn"], context)


def build_context(identity: Identity, principal: Principal, tenant_id: str, connection_id: str) -> dict[str, str]:
    """Return the context of a connection of a tenant."""
    return {
        "tenant_id": tenant_id,
        "expires_at": str(identity.expires_at),
        "shard": str(choose_shard(connection_id)),
        **principal.context,
    }


def choose_shard(connection_id: str) -> int:
    """Return the tenant's shard that will hold the row of a new connection."""
    return crc32(connection_id.encode()) % environment.integer("CONNECTION_SHARDS")
