"""Each minute: what is due on the connections though nothing happens on them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import boto3

from formbridge import metrics, settings
from formbridge.aws import CONFIG
from formbridge.janitor import Found, Janitor
from formbridge.logs import correlation, log, log_failures
from formbridge.posting import POSTS_AT_A_TIME, connection_poster
from formbridge.registry import Registry


@cache
def registry() -> Registry:
    return Registry(boto3.client("dynamodb", config=CONFIG), settings.text("CONNECTIONS_TABLE_NAME"))


@cache
def janitor() -> Janitor:
    threads = ThreadPoolExecutor(POSTS_AT_A_TIME)
    return Janitor(registry(), registry().tenants, connection_poster(), map=threads.map)


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    found = janitor().sweep(registry().everything())
    metrics.emit({"WebSocketConnections": found[Found.LIVE] + found[Found.BEHIND]})
    log("swept", {**correlation(event, context), **{kind.value: found[kind] for kind in Found}})
