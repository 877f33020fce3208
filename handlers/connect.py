"""Lambda of the `$connect` and `$disconnect` routes: adds and removes the row of a connection."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from formbridge.access.handshake import is_forbidden, is_refused_by_frame, parse_subprotocols
from formbridge.access.principal import Principal
from formbridge.connections.connection import NO_TENANT, Connection, ConnectionKey
from formbridge.connections.table import ConnectionsTable
from formbridge.revocations.table import RevocationsTable
from formbridge.runtime import aws, clock, environment
from formbridge.runtime.logs import correlation_ids, log, log_failures
from formbridge.wire import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.connections.tenants import Refusal


@cache
def connections_table() -> ConnectionsTable:
    """Return the connections table that `CONNECTIONS_TABLE_NAME` names."""
    return ConnectionsTable(aws.client("dynamodb"), environment.string("CONNECTIONS_TABLE_NAME"))


@cache
def revocations_table() -> RevocationsTable:
    """Return the revocations table that `REVOCATIONS_TABLE_NAME` names."""
    return RevocationsTable(aws.client("dynamodb"), environment.string("REVOCATIONS_TABLE_NAME"))


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Handle one API Gateway event of the `$connect` or the `$disconnect` route."""
    request = event["requestContext"]
    # A forbidden connection belongs to no tenant, so it has no key and no row.
    key = None if is_forbidden(request) else ConnectionKey.from_request(request)
    ids = {**correlation_ids(event, context), "tenant_id": key.tenant_id if key else NO_TENANT}
    log(request["eventType"], ids)
    match request["eventType"]:
        case "CONNECT":
            return connect(event, key, ids) if key else accept(event)
        case "DISCONNECT":
            if key:
                connections_table().remove(key)
            return {"statusCode": 200}
        case _:
            # A client has sent a frame whose `action` is `$connect` or `$disconnect`. API Gateway routes this frame
            # to this Lambda, but it neither opens nor closes a connection. Answer with an error.
            refusal = protocol.build_unknown_action(request["routeKey"], protocol.find_request_id(event.get("body")))
            return {"statusCode": 200, "body": protocol.encode(protocol.build_error(refusal))}


def connect(event: Mapping[str, Any], key: ConnectionKey, ids: Mapping[str, str]) -> dict[str, Any]:
    """Add the row of a new connection. If the connection is refused, answer 403 and log the reason.

    If a limit is reached and the client wants to be refused by a frame, accept the connection without a row. The
    message Lambda refuses it when it sends its first frame.
    """
    request = event["requestContext"]
    refusal = add_row(build_connection(key, request["authorizer"]))
    if refusal is not None:
        log("refused", {**ids, "reason": refusal})
        if refusal == "revoked" or not is_refused_by_frame(request):
            return {"statusCode": 403}
    return accept(event)


def add_row(connection: Connection) -> Refusal | None:
    """Add the row of a new connection, unless a limit is reached or the connection is revoked.

    Add the row first, then read the revocations. `python -m tools revoke` writes the revocation first, then reads the
    rows. So one of the two always finds what the other one wrote.
    """
    limits = environment.integer("MAX_CONNECTIONS_PER_TENANT"), environment.integer("MAX_CONNECTIONS_PER_USER")
    refusal = connections_table().add(connection, *limits)
    if refusal is not None:
        return refusal
    is_revoked = True  # also if the revocations cannot be read
    try:
        revocations = revocations_table().find(connection.tenant_id, connection.principal)
        is_revoked = revocations.refuse(connection.tenant_id, connection.principal, clock.now_ms() // 1000)
    finally:
        if is_revoked:
            connections_table().remove(connection.key)
    return "revoked" if is_revoked else None


def build_connection(key: ConnectionKey, authorizer: Mapping[str, str]) -> Connection:
    """Return a new connection with what the authorizer read from the token."""
    now_ms = clock.now_ms()
    return Connection(
        key,
        connected_at=now_ms,
        expires_at=int(authorizer["expires_at"]),
        principal=Principal.from_context(authorizer),
        ttl=now_ms // 1000 + environment.integer("CONNECTION_TTL_SECONDS"),
    )


def accept(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the response that accepts a handshake."""
    # A browser closes the connection if it offered subprotocols and the server selects none of them.
    offered = protocol.SUBPROTOCOL in parse_subprotocols(event.get("headers") or {})
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": protocol.SUBPROTOCOL} if offered else {}}
