"""Lambda function of the `authenticate` route: extends a connection with a newer token."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from formbridge.access.keyed_hash import KeyedHash
from formbridge.access.token_verifier import TokenVerifier
from formbridge.connections.table import ConnectionsTable
from formbridge.revocations.table import RevocationsTable
from formbridge.runtime import aws, environment
from formbridge.runtime.logs import log_failures
from formbridge.session import lambda_reply
from formbridge.session.session import Authentication

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.session.lambda_reply import OpenSession


@cache
def sessions() -> OpenSession:
    """Return a factory of sessions that verify tokens and read no submissions."""
    client = aws.client("dynamodb")
    authentication = Authentication(
        TokenVerifier.from_environment(),
        KeyedHash.from_hex(environment.string("USER_HASH_KEY"), environment.string("ISSUER")).identify,
        RevocationsTable(client, environment.string("REVOCATIONS_TABLE_NAME")).find,
    )
    return lambda_reply.build_sessions(
        ConnectionsTable(client, environment.string("CONNECTIONS_TABLE_NAME")), authentication=authentication
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Reply to one `authenticate` frame."""
    return lambda_reply.reply_to_frame(sessions(), event, context)
