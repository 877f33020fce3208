"""EventBridge Pipe → @connections: a batch of stream records reaches the dashboards of their tenants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import boto3

from formbridge import settings
from formbridge.aws import CONFIG
from formbridge.fanout import Batch, Broadcaster
from formbridge.logs import correlation, log, log_failures
from formbridge.posting import POSTS_AT_A_TIME, connection_poster
from formbridge.registry import Registry


@cache
def broadcaster() -> Broadcaster:
    registry = Registry(boto3.client("dynamodb", config=CONFIG), settings.text("CONNECTIONS_TABLE_NAME"))
    return Broadcaster(registry, connection_poster(), map=ThreadPoolExecutor(POSTS_AT_A_TIME).map)


@log_failures
def handler(event: Sequence[Mapping[str, Any]], context: object) -> dict[str, Any]:
    batch = Batch.read(event)
    outcomes = broadcaster().send(batch.changes)
    ids = correlation(event, context)
    if batch.malformed:
        log("malformed records", {**ids, "reasons": batch.malformed})
    log("broadcast", {**ids, "records": len(event), **{outcome.value: n for outcome, n in outcomes.items()}})
    # The pipe tries these again, and in the end puts them aside, while the others go on.
    return {"batchItemFailures": [{"itemIdentifier": event_id} for event_id in batch.malformed]}
