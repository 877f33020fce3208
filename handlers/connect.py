"""$connect and $disconnect: a connection's row comes and goes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from formbridge.access.handshake import offered_subprotocols
from formbridge.connections.connection import Connection
from formbridge.connections.table import Registry
from formbridge.runtime import aws, environment, timestamps
from formbridge.runtime.logs import correlation, log, log_failures
from formbridge.session.routes import connection_key
from formbridge.wire import protocol


@cache
def registry() -> Registry:
    return Registry(aws.client("dynamodb"), environment.text("CONNECTIONS_TABLE_NAME"))


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    request = event["requestContext"]
    granted = request["authorizer"]
    key = connection_key(request)
    ids = {**correlation(event, context), "tenant_id": key.tenant_id}
    log(request["eventType"], ids)
    if request["eventType"] == "MESSAGE":
        # A client's frame whose `action` is the name of one of these routes: nothing that connects or disconnects.
        unknown = protocol.RequestError("unknown_action", f"action: unknown, got {request['routeKey']!r}")
        return {"statusCode": 200, "body": protocol.encode(protocol.error(unknown))}
    if request["eventType"] == "DISCONNECT":
        registry().remove(key)
        return {"statusCode": 200}
    now = timestamps.now_ms()
    connection = Connection(
        key,
        connected_at=now,
        expires_at=int(granted["expires_at"]),
        issued_at=int(granted["issued_at"]),
        ttl=now // 1000 + environment.whole_number("CONNECTION_TTL_SECONDS"),
    )
    refusal = registry().add(connection, environment.whole_number("MAX_CONNECTIONS"))
    if refusal is not None:
        log("refused", {**ids, "reason": refusal})
        return {"statusCode": 403}
    # A browser refuses a server that selects none of the subprotocols it offered.
    offered = protocol.SUBPROTOCOL in offered_subprotocols(event.get("headers") or {})
    return {"statusCode": 200, "headers": {"Sec-WebSocket-Protocol": protocol.SUBPROTOCOL} if offered else {}}
