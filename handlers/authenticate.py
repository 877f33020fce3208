"""authenticate: a connection lasts as long as the token that its client brings now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from formbridge.access.token_verifier import TokenVerifier
from formbridge.connections.connection import ConnectionKey
from formbridge.connections.table import Registry
from formbridge.runtime import aws, environment
from formbridge.runtime.logs import log_failures
from formbridge.session import lambda_reply
from formbridge.session.session import Session


@cache
def sessions() -> Callable[[ConnectionKey], Session]:
    return partial(
        Session,
        connections=Registry(aws.client("dynamodb"), environment.text("CONNECTIONS_TABLE_NAME")),
        submissions=None,
        poster=lambda_reply.poster,
        rate=lambda_reply.rate(),
        limits=lambda_reply.limits(),
        verifier=TokenVerifier.from_environment(),
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return lambda_reply.answer(sessions(), event, context)
