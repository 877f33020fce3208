"""Lambda function of the `authenticate` route: extends a connection with a newer token."""

from __future__ import annotations

from functools import cache, partial
from typing import TYPE_CHECKING, Any

from formbridge.access.token_verifier import TokenVerifier
from formbridge.connections.table import ConnectionsTable
from formbridge.runtime import aws, clock, environment
from formbridge.runtime.logs import log_failures
from formbridge.session import lambda_reply
from formbridge.session.session import Session

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.session.lambda_reply import OpenSession


@cache
def sessions() -> OpenSession:
    """Return a factory of sessions that verify tokens and read no submissions."""
    return partial(
        Session,
        connections=ConnectionsTable(aws.client("dynamodb"), environment.string("CONNECTIONS_TABLE_NAME")),
        submissions=None,
        poster=lambda_reply.poster,
        rate=lambda_reply.read_rate(),
        limits=lambda_reply.read_limits(),
        now_ms=clock.now_ms,
        monotonic=clock.monotonic_seconds,
        verifier=TokenVerifier.from_environment(),
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Reply to one `authenticate` frame."""
    return lambda_reply.reply_to_frame(sessions(), event, context)
