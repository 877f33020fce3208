"""The gateway's REQUEST authorizer: 401 without a token that verifies, 403 for what the token does not grant."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any
from zlib import crc32

from formbridge.access.handshake import Forbidden, Unauthorized, bearer_token, check_origin, policy
from formbridge.access.token_verifier import TokenVerifier
from formbridge.runtime import environment
from formbridge.runtime.logs import correlation, log, log_failures


@cache
def verifier() -> TokenVerifier:
    return TokenVerifier.from_environment()


def shard(connection_id: str) -> int:
    """Which of its tenant's partitions is to hold a new connection's row."""
    return crc32(connection_id.encode()) % environment.whole_number("CONNECTION_SHARDS")


def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    answer = authorize(event, context)
    if answer is None:
        # API Gateway answers 401 to an error of exactly this text, and 500 to any other.
        raise Exception("Unauthorized")  # noqa: TRY002
    return answer


@log_failures
def authorize(event: Mapping[str, Any], context: object) -> dict[str, Any] | None:
    """The policy of a token that verifies; None where there is none."""
    ids = correlation(event, context)
    headers: Mapping[str, str] = event.get("headers") or {}
    query: Mapping[str, str] = event.get("queryStringParameters") or {}
    try:
        identity = verifier().verify(bearer_token(headers, query if environment.flag("TOKEN_IN_QUERY") else {}))
    except Unauthorized as error:
        log("unauthorized", {**ids, "reason": str(error)})
        return None
    try:
        check_origin(headers, environment.words("ALLOWED_ORIGINS"))
        tenant_id = identity.choose_tenant(query.get("tenant_id"))
    except Forbidden as error:
        log("forbidden", {**ids, "reason": str(error)})
        return policy(identity.subject, "Deny", event["methodArn"], {})
    log("authorized", {**ids, "tenant_id": tenant_id})
    granted = {
        "tenant_id": tenant_id,
        "expires_at": str(identity.expires_at),
        "issued_at": str(identity.issued_at),
        "shard": str(shard(event["requestContext"]["connectionId"])),
    }
    return policy(identity.subject, "Allow", event["methodArn"], granted)
