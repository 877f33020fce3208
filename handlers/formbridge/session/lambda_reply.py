"""How the Lambdas behind the routes answer API Gateway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, Final

from ..connections.connection import ConnectionKey
from ..connections.rate_limit import Rate
from ..posting.delivery import Poster
from ..runtime import environment, metrics
from ..runtime.logs import correlation_ids, log, logger
from ..wire import protocol
from ..wire.protocol import Limits, RequestError
from .session import Session

RETRY_AFTER_MS: Final = 1_000


@cache
def poster() -> Poster:
    """To the connections of the gateway that the environment names."""
    # Imported where it is needed: few connections are closed, and a cold start would wait for libcurl.
    from ..posting.poster import connection_poster

    return connection_poster()


def rate() -> Rate:
    """How many messages a connection may send."""
    return Rate(environment.integer("MESSAGES_PER_SECOND"), environment.integer("MESSAGE_BURST"))


def limits() -> Limits:
    """What a message may hold."""
    return Limits(environment.integer("MAX_FRAME_BYTES"), environment.integer("MAX_FILTER_LENGTH"))


def reply_to_frame(
    open_session: Callable[[ConnectionKey], Session], event: Mapping[str, Any], context: object
) -> dict[str, Any]:
    """The integration's answer to a client's frame.

    Whatever fails unexpectedly is logged and counted, and the client told `internal`: raised, it would make API Gateway
    send a frame of its own, which has no type (docs/adr/0014).
    """
    key = ConnectionKey.from_request(event["requestContext"])
    body: str | None = event.get("body")
    ids = {**correlation_ids(event, context), "tenant_id": key.tenant_id}
    frame: protocol.Frame | None
    try:
        frame = open_session(key).answer(body)
    except Exception:  # noqa: BLE001 - logged, counted, and told to the client
        logger.exception("failed", extra=ids)
        metrics.emit({"InternalErrors": 1})
        again = "the server failed, try again"
        frame = protocol.build_error(
            RequestError("internal", again, protocol.find_request_id(body), retry_after_ms=RETRY_AFTER_MS)
        )
    if frame is None:
        log("disconnected", ids)
        return {"statusCode": 200}
    log("answered", {**ids, "reply": frame["type"], "code": frame.get("code")})
    return {"statusCode": 200, "body": protocol.encode(frame)}
