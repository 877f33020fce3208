"""authenticate: a connection lasts as long as the token that its client brings now."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Any

import boto3

from formbridge import answering, settings
from formbridge.authentication import TokenVerifier
from formbridge.aws import CONFIG
from formbridge.logs import log_failures
from formbridge.posting import connection_poster
from formbridge.registry import Registry
from formbridge.session import Session


@cache
def sessions() -> Callable[[str, str], Session]:
    return partial(
        Session,
        connections=Registry(boto3.client("dynamodb", config=CONFIG), settings.text("CONNECTIONS_TABLE_NAME")),
        submissions=None,
        poster=connection_poster(),
        rate=answering.rate(),
        limits=answering.limits(),
        verifier=TokenVerifier.from_environment(),
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    return answering.answer(sessions(), event, context)
