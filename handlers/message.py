"""$default: answers a client's frame with one of ours."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import boto3

from formbridge import protocol, settings
from formbridge.aws import CONFIG
from formbridge.logs import correlation, log, log_failures
from formbridge.registry import Registry
from formbridge.session import Session
from formbridge.submissions import SubmissionsTable


@cache
def tables() -> tuple[Registry, SubmissionsTable | None]:
    client = boto3.client("dynamodb", config=CONFIG)
    submissions = settings.optional_text("TABLE_NAME")
    return (
        Registry(client, settings.text("CONNECTIONS_TABLE_NAME")),
        SubmissionsTable(client, submissions) if submissions else None,
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> dict[str, Any]:
    request = event["requestContext"]
    granted = request["authorizer"]
    registry, submissions = tables()
    session = Session(granted["tenant_id"], request["connectionId"], int(granted["expires_at"]), registry, submissions)
    reply = session.answer(event.get("body"))
    log("answered", {**correlation(event, context), "tenant_id": session.tenant_id, "reply": reply["type"]})
    return {"statusCode": 200, "body": protocol.encode(reply)}
