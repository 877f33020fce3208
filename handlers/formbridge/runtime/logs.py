"""Structured logs of the Lambda functions.

Lambda's JSON log format writes the fields of `extra` into each line, and writes an exception with its stack trace.
"""

from __future__ import annotations

import logging
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

# On Lambda the root logger already has a handler, so this call does nothing there. Elsewhere it adds a handler that
# writes the log lines to stderr.
logging.basicConfig(format="%(levelname)s %(message)s")
logger = logging.getLogger("formbridge")
"""Logger of all handlers, at level INFO."""
logger.setLevel(logging.INFO)

Event = TypeVar("Event")
Result = TypeVar("Result")


def log_failures(handler: Callable[[Event, object], Result]) -> Callable[[Event, object], Result]:
    """Decorate an entry point so that it logs every exception before it raises the exception again.

    The log line has the `correlation_ids` of the invocation.
    """

    @wraps(handler)
    def logged(event: Event, context: object) -> Result:
        try:
            return handler(event, context)
        except Exception:
            logger.exception("failed", extra=correlation_ids(event, context))
            raise

    return logged


def correlation_ids(event: object, context: object) -> dict[str, str]:
    """Return the ids of an invocation for its log lines: `request_id`, `connection_id`, `user`, `event_id`.

    An id is left out if the event or the context does not have it. `user` is the keyed hash that the authorizer
    returned.

    Args:
        event: Event of the Lambda function.
        context: Context of the Lambda function, or None.
    """
    ids: dict[str, str] = {}
    if request_id := getattr(context, "aws_request_id", None):
        ids["request_id"] = str(request_id)
    match event:
        case {"requestContext": {"connectionId": str(connection_id), "authorizer": {"user": str(user)}}}:
            ids |= {"connection_id": connection_id, "user": user}
        case {"requestContext": {"connectionId": str(connection_id)}}:
            ids["connection_id"] = connection_id
        case {"id": str(event_id)}:
            ids["event_id"] = event_id
        case _:
            pass
    return ids


def log(message: str, fields: Mapping[str, Any]) -> None:
    """Write one log line at level INFO. The fields must contain no token and no payload."""
    logger.info(message, extra=dict(fields))
