"""authenticate: a connection lasts as long as the token that its client brings now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

from formbridge import answering, aws, settings
from formbridge.authentication import TokenVerifier
from formbridge.connection import ConnectionKey
from formbridge.logs import log_failures
from formbridge.registry import Registry
from formbridge.session import Session


@cache
def sessions() -> Callable[[ConnectionKey], Session]:
    return partial(
        Session,
        connections=Registry(aws.client("dynamodb"), settings.text("CONNECTIONS_TABLE_NAME")),
        submissions=None,
        poster=answering.poster,
        rate=answering.rate(),
        limits=answering.limits(),
        verifier=TokenVerifier.from_environment(),
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return answering.answer(sessions(), event, context)
