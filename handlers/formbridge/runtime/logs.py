"""Structured logs: Lambda's own JSON format takes up `extra`, and writes an exception with its request id."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

# On Lambda the root logger has its handler, and this does nothing; elsewhere it shows what is logged.
logging.basicConfig(format="%(levelname)s %(message)s")
logger = logging.getLogger("formbridge")
logger.setLevel(logging.INFO)

Event = TypeVar("Event")
Result = TypeVar("Result")


def log_failures(handler: Callable[[Event, object], Result]) -> Callable[[Event, object], Result]:
    """An entry point whose unexpected failure is logged with what tells which request it was, and raised."""

    @wraps(handler)
    def logged(event: Event, context: object) -> Result:
        try:
            return handler(event, context)
        except Exception:
            logger.exception("failed", extra=correlation_ids(event, context))
            raise

    return logged


def correlation_ids(event: object, context: object) -> dict[str, str]:
    """The ids that tie a log line to its request: of the Lambda, the connection, the event on the bus."""
    ids: dict[str, str] = {}
    if request_id := getattr(context, "aws_request_id", None):
        ids["request_id"] = str(request_id)
    match event:
        case {"requestContext": {"connectionId": str(connection_id)}}:
            ids["connection_id"] = connection_id
        case {"id": str(event_id)}:
            ids["event_id"] = event_id
        case _:
            pass
    return ids


def log(message: str, fields: Mapping[str, Any]) -> None:
    """One line of what a handler did. Never a token, never a payload."""
    logger.info(message, extra=dict(fields))
