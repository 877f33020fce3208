"""Lambda of the `$connect` and `$disconnect` routes: adds and removes the row of a connection."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from formbridge.access.handshake import is_forbidden, is_refused_by_frame, parse_subprotocols
from formbridge.access.principal import Principal
from formbridge.connections.connection import NO_TENANT, Connection, ConnectionKey
from formbridge.connections.rate_limit import Rate
from formbridge.connections.table import ConnectionsTable
from formbridge.revocations.table import RevocationsTable
from formbridge.runtime import aws, clock, environment, metrics
from formbridge.runtime.logs import correlation_ids, log, log_failures
from formbridge.wire import protocol

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from formbridge.connections.tenants import Refusal
    from formbridge.session.lambda_reply import OpenSession

METRICS: Final[Mapping[Refusal, str]] = {
    "connect_rate": "ConnectsOverTenantRate",
    "too_many_connections": "ConnectsOverTenantLimit",
    "too_many_connections_of_user": "ConnectsOverUserLimit",
    "revoked": "ConnectsRevoked",
}
"""Metric that counts the refused connections, by reason."""
BY_FRAME: Final[Sequence[Refusal]] = ("too_many_connections", "too_many_connections_of_user")
"""Reasons for which a client can be refused by a frame."""


@cache
def connections_table() -> ConnectionsTable:
    """Return the connections table that `CONNECTIONS_TABLE_NAME` names."""
    return ConnectionsTable(aws.client("dynamodb"), environment.string("CONNECTIONS_TABLE_NAME"))


@cache
def revocations_table() -> RevocationsTable:
    """Return the revocations table that `REVOCATIONS_TABLE_NAME` names."""
    return RevocationsTable(aws.client("dynamodb"), environment.string("REVOCATIONS_TABLE_NAME"))


@cache
def sessions() -> OpenSession:
    """Return a factory of sessions that read no submissions and verify no tokens."""
    # Imported only when it is needed: no client of ours sends such a frame, and every connect would start later.
    from formbridge.session import lambda_reply  # noqa: PLC0415 - see above

    return lambda_reply.build_sessions(connections_table())


def read_connect_rate() -> Rate:
    """Return the rate of new connections of a tenant from the environment."""
    return Rate(environment.integer("TENANT_CONNECTS_PER_SECOND"), environment.integer("TENANT_CONNECT_BURST"))


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
            return reply(event, context)


def reply(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Reply to a frame whose `action` is `$connect` or `$disconnect`.

    API Gateway routes such a frame to this Lambda, but it neither opens nor closes a connection. It counts against the
    same limits as every frame, and the reply is the error of an unknown action.
    """
    from formbridge.session import lambda_reply  # noqa: PLC0415 - see `sessions`

    return lambda_reply.reply_to_frame(sessions(), event, context)


def connect(event: Mapping[str, Any], key: ConnectionKey, ids: Mapping[str, str]) -> dict[str, Any]:
    """Add the row of a new connection. If the connection is refused, answer 429 or 403, log the reason and count it.

    If a limit on connections is reached and the client wants to be refused by a frame, accept the connection without a
    row. The message Lambda refuses it when it sends its first frame.

    A connection over the connect rate gets 429 in any case. A refusal by a frame would cost more than the connection
    itself, and a client connects again after 429 as it does after a lost connection (docs/adr/0030).
    """
    request = event["requestContext"]
    by_frame = is_refused_by_frame(request)
    refusal = add_row(build_connection(key, request["authorizer"]), by_frame=by_frame)
    if refusal is None:
        return accept(event)
    log("refused", {**ids, "reason": refusal})
    metrics.emit({METRICS[refusal]: 1})
    if by_frame and refusal in BY_FRAME:
        return accept(event)
    return {"statusCode": 429 if refusal == "connect_rate" else 403}


def add_row(connection: Connection, *, by_frame: bool) -> Refusal | None:
    """Add the row of a new connection, or return why it is refused.

    The revocations are read first, so that a revoked client that connects again and again uses up nothing of its
    tenant. They are read once more after the row was added. `python -m tools revoke` writes the revocation first, then
    reads the rows. So one of the two always finds what the other one wrote.
    """
    if is_revoked(connection):
        return "revoked"
    rate = read_connect_rate()
    limits = environment.integer("MAX_CONNECTIONS_PER_TENANT"), environment.integer("MAX_CONNECTIONS_PER_USER")
    refusal = connections_table().add(connection, *limits, rate)
    if refusal is None:
        return remove_revoked(connection)
    return count_against_rate(connection, refusal, rate) if by_frame and refusal in BY_FRAME else refusal


def count_against_rate(connection: Connection, refusal: Refusal, rate: Rate) -> Refusal:
    """Count a connection that is accepted to be refused by a frame against the connect rate, like one with a row.

    API Gateway keeps it open until its first frame. Return the reason for the refusal.
    """
    shortage = connections_table().tenants.take_connect(connection.tenant_id, rate, connection.connected_at)
    return "connect_rate" if shortage else refusal


def remove_revoked(connection: Connection) -> Refusal | None:
    """Remove the row of a new connection if the connection is revoked, and return this reason."""
    must_remove = True  # also if the revocations cannot be read
    try:
        must_remove = is_revoked(connection)
    finally:
        if must_remove:
            connections_table().remove(connection.key)
    return "revoked" if must_remove else None


def is_revoked(connection: Connection) -> bool:
    """Return whether a revocation or a block refuses the connection."""
    revocations = revocations_table().find(connection.tenant_id, connection.principal)
    return revocations.refuse(connection.tenant_id, connection.principal, clock.now_ms() // 1000)


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
