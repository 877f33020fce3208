"""Replies to API Gateway from the Lambdas that process frames of clients."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any, Final, Protocol

from ..access.handshake import is_forbidden, is_refused_by_frame
from ..connections.connection import NO_TENANT, Connection, ConnectionKey
from ..connections.message_budget import MessageBudget
from ..connections.rate_limit import Rate
from ..posting.delivery import close_connection
from ..runtime import clock, environment, metrics
from ..runtime.logs import correlation_ids, log, logger
from ..wire import protocol
from ..wire.protocol import Limits, RequestError
from .session import CLOSING_SECONDS, Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..connections.table import ConnectionsTable
    from ..posting.delivery import Poster
    from .replay import SubmissionsReader
    from .session import Authentication

RETRY_AFTER_MS: Final = 1_000
"""Milliseconds after which a client may repeat a request that failed with `internal`."""

RATE_METRICS: Final[Mapping[protocol.RateLimit, str]] = {
    "connection": "MessagesOverConnectionRate",
    "tenant": "MessagesOverTenantRate",
}
"""Metric that counts the refused messages, by the limit that was exceeded."""


@cache
def poster() -> Poster:
    """Return a poster for the gateway that the environment names."""
    # Imported only when it is needed, because few connections are closed and loading libcurl delays a cold start.
    from ..posting.poster import build_connection_poster  # noqa: PLC0415

    return build_connection_poster()


def read_rate() -> Rate:
    """Return the message rate of a connection from the environment."""
    return Rate(environment.integer("MESSAGES_PER_SECOND"), environment.integer("MESSAGE_BURST"))


def read_tenant_rate() -> Rate:
    """Return the message rate of a tenant from the environment."""
    return Rate(environment.integer("TENANT_MESSAGES_PER_SECOND"), environment.integer("TENANT_MESSAGE_BURST"))


def read_limits() -> Limits:
    """Return the limits of a client's requests from the environment."""
    return Limits(
        environment.integer("MAX_FRAME_BYTES"),
        environment.integer("MAX_FILTER_LENGTH"),
        environment.integer("MAX_FILTERS_PER_TENANT"),
    )


def build_request_order(request_context: Mapping[str, Any]) -> str:
    """Return a string that orders the frames of a connection by the time at which API Gateway received them.

    The id of the message decides between frames of the same millisecond. Their order is then arbitrary, but the same
    for every reader.
    """
    return f"{request_context['requestTimeEpoch']:013d}#{request_context['messageId']}"


class OpenSession(Protocol):
    """A factory of sessions."""

    def __call__(self, key: ConnectionKey, /, *, refused_by_frame: bool, user: str) -> Session:
        """Return the session of a connection."""
        ...


def build_sessions(
    connections: ConnectionsTable,
    *,
    submissions: SubmissionsReader | None = None,
    authentication: Authentication | None = None,
    history: str = "",
) -> OpenSession:
    """Return a factory of sessions with the limits that the environment names. See `Session` for the arguments.

    All sessions of the factory share one message budget, so a Lambda keeps the factory between invocations.
    """
    return partial(
        Session,
        connections=connections,
        submissions=submissions,
        poster=poster,
        rate=read_rate(),
        budget=MessageBudget(connections.tenants, read_tenant_rate()),
        limits=read_limits(),
        max_user_connections=environment.integer("MAX_CONNECTIONS_PER_USER"),
        now_ms=clock.now_ms,
        monotonic=clock.monotonic_seconds,
        history=history,
        authentication=authentication,
    )


def reply_to_frame(open_session: OpenSession, event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Reply to a client's frame.

    A forbidden connection is closed instead. It belongs to no tenant, so no session is opened for it.

    An unexpected error is logged and counted, and the client receives an `internal` error. If the error were raised,
    API Gateway would send a frame of its own, which has no `type` (docs/adr/0014).

    Args:
        open_session: Returns the session of a connection.
        event: The event of API Gateway.
        context: The context of the Lambda.

    Returns:
        The response of the Lambda integration.
    """
    request = event["requestContext"]
    body: str | None = event.get("body")
    ids = {**correlation_ids(event, context), "tenant_id": request["authorizer"].get("tenant_id", NO_TENANT)}
    frame: protocol.Frame | None
    try:
        if is_forbidden(request):
            _close_forbidden(request["connectionId"])
            frame = None
        else:
            key = ConnectionKey.from_request(request)
            session = open_session(
                key, refused_by_frame=is_refused_by_frame(request), user=request["authorizer"].get("user", "")
            )
            frame = session.reply(body, build_request_order(request))
    except Exception:  # noqa: BLE001 - logged, counted and reported to the client
        logger.exception("failed", extra=ids)
        metrics.emit({"InternalErrors": 1})
        request_id = protocol.find_request_id(body)
        failure = RequestError("internal", "the server failed, try again", request_id, retry_after_ms=RETRY_AFTER_MS)
        frame = protocol.build_error(failure)
    if frame is None:
        log("disconnected", ids)
        metrics.emit({"RefusedConnections": 1})
        return {"statusCode": 200}
    limit: protocol.RateLimit | None = frame.get("limit")
    log("answered", {**ids, "reply": frame["type"], "code": frame.get("code"), "limit": limit})
    if limit is not None:
        metrics.emit({RATE_METRICS[limit]: 1})
    return {"statusCode": 200, "body": protocol.encode(frame)}


def _close_forbidden(connection_id: str) -> None:
    """Close a connection whose token does not grant the tenant. If closing fails, its next frame leads here again."""
    deadline = clock.monotonic_seconds() + CLOSING_SECONDS
    close_connection(poster(), Connection.without_row(connection_id), protocol.FORBIDDEN, deadline)
