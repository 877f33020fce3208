"""$default: answers a client's frame with one of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from formbridge.connections.connection import ConnectionKey
from formbridge.connections.table import Registry
from formbridge.runtime import aws, environment
from formbridge.runtime.logs import log_failures
from formbridge.session import lambda_reply
from formbridge.session.session import Session
from formbridge.submissions.table import SubmissionsTable


@cache
def sessions() -> Callable[[ConnectionKey], Session]:
    client = aws.client("dynamodb")
    table_name = environment.optional_text("TABLE_NAME")
    return partial(
        Session,
        connections=Registry(client, environment.text("CONNECTIONS_TABLE_NAME")),
        submissions=SubmissionsTable(client, table_name) if table_name else None,
        poster=lambda_reply.poster,
        rate=lambda_reply.rate(),
        limits=lambda_reply.limits(),
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return lambda_reply.answer(sessions(), event, context)
