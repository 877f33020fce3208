"""$default: answers a client's frame with one of ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from formbridge import answering, aws, settings
from formbridge.connection import ConnectionKey
from formbridge.logs import log_failures
from formbridge.registry import Registry
from formbridge.session import Session
from formbridge.submissions import SubmissionsTable


@cache
def sessions() -> Callable[[ConnectionKey], Session]:
    client = aws.client("dynamodb")
    table_name = settings.optional_text("TABLE_NAME")
    return partial(
        Session,
        connections=Registry(client, settings.text("CONNECTIONS_TABLE_NAME")),
        submissions=SubmissionsTable(client, table_name) if table_name else None,
        poster=answering.poster,
        rate=answering.rate(),
        limits=answering.limits(),
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return answering.answer(sessions(), event, context)
