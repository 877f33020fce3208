"""Lambda of the `$default` route: replies to the frames of clients."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from formbridge.connections.table import ConnectionsTable
from formbridge.runtime import aws, environment
from formbridge.runtime.logs import log_failures
from formbridge.session import lambda_reply
from formbridge.submissions.table import SubmissionsTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.session.lambda_reply import OpenSession


@cache
def sessions() -> OpenSession:
    """Return a factory of sessions that read submissions and verify no tokens."""
    client = aws.client("dynamodb")
    table_name = environment.optional_string("TABLE_NAME")
    return lambda_reply.build_sessions(
        ConnectionsTable(client, environment.string("CONNECTIONS_TABLE_NAME")),
        submissions=SubmissionsTable(client, table_name) if table_name else None,
        history=environment.optional_string("STREAM_ARN") or "",
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    """Reply to one frame of a client."""
    return lambda_reply.reply_to_frame(sessions(), event, context)
